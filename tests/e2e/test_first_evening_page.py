"""The newcomer's page, line by line as it is printed, from an empty folder to a settled evening."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import typer

from afterclose.cli.app import app
from ports import port_for_later

PAGE = Path(__file__).parents[2] / "docs" / "first-evening.md"
BLOCK = re.compile(r'^```sh(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SECOND, ENTER = "second terminal", "second terminal: Enter"
#: Blocks that need a network, or an account at IBKR; their commands and flags are looked up.
ELSEWHERE = {"once", "on your paper account"}
_WITHIN_S = 240.0


def blocks() -> list[tuple[str, list[str]]]:
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [
        (title, [ln.split("  #")[0] for ln in body.splitlines() if ln]) for title, body in found
    ]


def argv(line: str) -> list[str]:
    first, *rest = shlex.split(line)
    assert first == "afterclose"
    return [sys.executable, "-m", "afterclose", *rest]


@dataclass
class Terminals:
    """The reader's two terminals: each has a folder; the second holds the gateway."""

    home: Path
    environment: dict[str, str]
    folders: dict[str, Path] = field(default_factory=dict)
    gateway: subprocess.Popen[str] | None = None
    said: IO[str] | None = None

    def type(self, terminal: str, line: str) -> str:
        folder = self.folders.get(terminal, self.home)
        if line.startswith("cd "):
            self.folders[terminal] = folder / line.removeprefix("cd ").strip()
            return ""
        if terminal == SECOND:
            return self._serve(line, folder)
        # The one question the page says is asked; here nobody sits at a terminal to answer it.
        answer = ["--yes"] if line.startswith("afterclose approve") else []
        done = subprocess.run(
            [*argv(line), *answer], cwd=folder, env=self.environment, capture_output=True,
            text=True, encoding="utf-8", check=False, timeout=_WITHIN_S,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, line: str, folder: Path) -> str:
        log = self.home / "second.log"
        self.said = log.open("w", encoding="utf-8")
        self.gateway = subprocess.Popen(
            argv(line), cwd=folder, env=self.environment, stdin=subprocess.PIPE, stdout=self.said,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip
        return self.wait_for("Enter plays")

    def wait_for(self, word: str) -> str:
        log, until = self.home / "second.log", time.monotonic() + _WITHIN_S
        while word not in (told := log.read_text(encoding="utf-8")):
            assert self.gateway is not None
            assert self.gateway.poll() is None, told
            assert time.monotonic() < until, told
            time.sleep(0.2)  # another process's file: there is no event to wait for
        return told

    def press_enter(self) -> None:
        assert self.gateway is not None
        assert self.gateway.stdin is not None
        self.gateway.stdin.write("\n")
        self.gateway.stdin.flush()
        self.wait_for("played until")

    def close(self) -> int | None:
        if self.gateway is None:
            return None
        self.gateway.terminate()
        try:
            return self.gateway.wait(30)
        except subprocess.TimeoutExpired:
            self.gateway.kill()
            return self.gateway.wait()
        finally:
            if self.gateway.stdin is not None:
                self.gateway.stdin.close()
            if self.said is not None:
                self.said.close()


@pytest.mark.slow
def test_the_page_leads_from_an_empty_folder_to_a_settled_evening(tmp_path: Path) -> None:
    # The page's port is TWS's own; here another program may have it.
    environment = {**os.environ, "AFTERCLOSE_BROKER__PORT": str(port_for_later())}
    terminals = Terminals(home=tmp_path, environment=environment)
    told: dict[str, str] = {}
    try:
        for title, lines in blocks():
            if title in ELSEWHERE:
                continue
            if title == ENTER:
                terminals.press_enter()
            for line in lines:
                told[line] = terminals.type(title, line)
    finally:
        ended = terminals.close()

    assert ended is not None
    assert "Tonight would fail" not in told["afterclose doctor"]
    assert "50-review.html" in told["afterclose run"]
    assert "orders approved" in next(said for line, said in told.items() if "approve" in line)
    assert ": settled, paper DU1234567" in told["afterclose status"]
    assert {p.name for p in (tmp_path / "my-desk" / "runs").iterdir()}


def flags(command: Any) -> set[str]:
    return {option for p in command.params for option in (*p.opts, *p.secondary_opts)}


def test_commands_that_need_an_account_are_spelled_as_they_are() -> None:
    lines = [line for title, body in blocks() if title in ELSEWHERE for line in body]
    ours = [shlex.split(line)[1:] for line in lines if line.startswith("afterclose")]

    assert len(ours) >= 8
    for words in ours:
        command: Any = typer.main.get_command(app)
        for word in words:
            command = getattr(command, "commands", {}).get(word, command)
        assert not hasattr(command, "commands"), words
        assert {w for w in words if w.startswith("--")} <= flags(command), words


def test_every_block_is_of_a_known_kind() -> None:
    assert {title for title, _ in blocks()} == {"", SECOND, ENTER, *ELSEWHERE}
