"""A new desk, asked for in a real terminal: wrong answers, Ctrl-C, positions taken over."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.cli.app import app
from afterclose.errors import UsageError
from afterclose.settings import DataSource, load

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)
import pty
import select

COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SILENT_FOR_S = 60.0
CTRL_C = "\x03"
#: Takes the terminal for its own, so that Ctrl-C arrives, and becomes the command.
OWN_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "afterclose", *sys.argv[1:]])
"""


class Terminal:
    """A person at a terminal: reads until a question stands there, then types an answer."""

    def __init__(self, *arguments: str, home: Path) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *arguments],
            cwd=home, stdin=slave, stdout=slave, stderr=slave, close_fds=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.said = ""

    def answer(self, question: str, text: str) -> None:
        said = self.read_to(question)
        assert question in said
        os.write(self._master, f"{text}\n".encode() if text != CTRL_C else text.encode())

    def read_to(self, word: str = "") -> str:
        """Read on until the word stands there as the last line's; to the end without one."""
        new = ""
        while not (word and word in new.rpartition("\n")[2]):
            assert select.select([self._master], [], [], _SILENT_FOR_S)[0], self.said + new
            try:
                piece = os.read(self._master, 4096)
            except OSError:  # Linux says so when the other end is closed
                piece = b""
            if not piece:
                break
            new = COLOURS.sub("", (new + piece.decode(errors="replace")).replace("\r", ""))
        self.said += new
        return new

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with suppress(OSError):
            os.close(self._master)


@contextmanager
def init(home: Path, *flags: str) -> Iterator[Terminal]:
    terminal = Terminal("init", "new", "--session", "2026-11-20", *flags, home=home)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.slow
def test_wrong_answers_are_asked_again_until_a_desk_with_its_positions_stands_there(
    tmp_path: Path,
) -> None:
    account = tws_sim.AccountSpec(
        account="DU1234567",
        cash={"USD": Decimal(900_000)},
        positions=[
            tws_sim.Holding(
                root="ES", contract_month="202612", quantity=2, average_price=Decimal(5000)
            )
        ],
    )
    evening = datetime(2026, 11, 20, 23, 5, tzinfo=UTC)
    market = tws_sim.generated_market(until=date(2026, 11, 23), roots=["ES", "CL"])
    clock = tws_sim.FrozenClock(evening)
    with (
        tws_sim.running(market=market, account=account, clock=clock) as gateway,
        init(tmp_path, f"--port={gateway.port}") as at,
    ):
        at.answer("Where do bars come from", "oracle")
        at.answer("Where do bars come from", "generated")
        at.answer("Number of the IB account", "U1234567")
        at.answer("Number of the IB account", "12")
        at.answer("Number of the IB account", "")  # the usual one
        at.answer("Capital of TF", "a lot")
        at.answer("Capital of TF", "600,000")
        at.answer("Capital of MR", "600000")  # together more than there is: both once more
        at.answer("Capital of TF", "0")
        at.answer("Capital of MR", "500000")
        at.answer("Start flat tonight", "TF")  # has no capital
        at.answer("Start flat tonight", "MR")
        at.read_to()
        assert at.process.wait(60) == 0

    for said in (
        "'oracle' is no source of bars", "real money", "'12' is no IB account",
        "'TF=a lot' is no capital", "1,200,000 together", "The account holds ESZ26 +2",
        "'TF' is no answer", "MR: 500,000 USD, from the evening of 2026-11-20, ESZ26 +2",
    ):  # fmt: skip
        assert said in at.said
    settings = load(tmp_path / "new")
    assert settings.data.source is DataSource.GENERATED
    assert [(m.name, m.capital_base, dict(m.adopt)) for m in settings.models] == [
        ("MR", Decimal(500_000), {"ESZ26": 2})
    ]


@pytest.mark.slow
def test_ctrl_c_in_the_middle_makes_nothing(tmp_path: Path, port: int) -> None:
    with init(tmp_path, f"--port={port}", "--data", "generated") as at:
        at.answer("Number of the IB account", "DU7654321")
        at.answer("Capital of TF", "500000")
        at.answer("Capital of MR", CTRL_C)
        at.read_to()
        assert at.process.wait(60) == 2

    assert "stopped by you; nothing was made" in at.said
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_where_no_gateway_answers_flat_or_adopting_is_asked_all_the_same(
    tmp_path: Path, port: int
) -> None:
    flags = ("--data", "generated", "--account", "DU1234567", "--capital", "TF=500000")
    with init(tmp_path, f"--port={port}", *flags, "--capital", "MR=300000") as at:
        at.answer("what is taken over (TF:ESZ26=2", "perhaps")
        at.answer("what is taken over", "ESZ26=2")
        at.answer("what is taken over", "XX:ESZ26=2")
        at.answer("what is taken over", "TF:ESZ26=2, MR:CLF27=-1")
        at.read_to()
        assert at.process.wait(60) == 0

    for said in ("'perhaps' is no answer", "does not say for which model", "no model XX"):
        assert said in at.said
    home = tmp_path / "new"
    ledger = SqlLedger(load(home).ledger_url)
    try:
        held = {m: {c.symbol: q for c, q in ledger.held(m).items()} for m in ("TF", "MR")}
    finally:
        ledger.close()
    assert held == {"TF": {"ESZ26": 2}, "MR": {"CLF27": -1}}


FLAGS = ("--yes", "--session", "2026-11-20", "--data", "generated", "--capital", "TF=500000")


def refused(home: Path, port: int) -> str:
    done = CliRunner().invoke(app, ["init", str(home), *FLAGS, f"--port={port}"])
    assert isinstance(done.exception, UsageError), done.exception
    return f"{done.exception} {done.exception.hint}"


def test_what_stops_half_way_is_taken_back(tmp_path: Path, port: int) -> None:
    (tmp_path / "models").write_text("mine", encoding="utf-8")  # where a folder has to be

    assert "models" in refused(tmp_path, port)
    assert [p.name for p in tmp_path.iterdir()] == ["models"]
    assert (tmp_path / "models").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_is_a_file_or_not_ours_is_refused_in_words(tmp_path: Path, port: int) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")

    assert "is a file, not a folder" in refused(file, port)
    assert "cannot be made a desk" in refused(file / "below", port)
    assert [*tmp_path.iterdir()] == [file]


def test_a_folder_with_the_traders_own_files_keeps_them(tmp_path: Path, port: int) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text("# mine", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("mine\n", encoding="utf-8")

    done = CliRunner().invoke(app, ["init", str(tmp_path), *FLAGS, f"--port={port}"])

    assert done.exit_code == 0, done.exception
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "mine\n"
    assert {p.name for p in (tmp_path / "models").iterdir()} == {"mine.py", "trend_following.py"}
