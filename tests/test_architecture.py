"""What holds for the whole repository: layers, documents, sizes, nothing of any machine."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from afterclose.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "afterclose"
MODULES = sorted(SOURCE.rglob("*.py"))
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

CODE = re.compile(r"AC\d{3}")
CODE_ROW = re.compile(r"^\|\s*`?(AC\d{3})`?\s*\|", re.MULTILINE)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    found = shutil.which("lint-imports", path=str(command.parent)) or shutil.which("lint-imports")
    if found is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [found], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_says_what_it_is() -> None:
    silent = [relative(p) for p in MODULES if not ast.get_docstring(ast.parse(read(p)))]

    assert silent == []


# -- findings --------------------------------------------------------------------------------


def codes_raised() -> dict[str, set[str]]:
    """Code → modules in which it stands as a literal of its own."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        constants = (n for n in ast.walk(ast.parse(read(path))) if isinstance(n, ast.Constant))
        for node in constants:
            if isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.setdefault(node.value, set()).add(relative(path))
    return found


def codes_explained() -> dict[str, set[str]]:
    """Code → documents with a table row for it."""
    found: dict[str, set[str]] = {}
    for path in DOCUMENTS:
        for code in CODE_ROW.findall(read(path)):
            found.setdefault(code, set()).add(relative(path))
    return found


def test_every_finding_that_is_raised_is_explained() -> None:
    explained = codes_explained()

    assert {c: where for c, where in codes_raised().items() if c not in explained} == {}


def test_every_finding_that_is_explained_is_raised() -> None:
    raised = codes_raised()

    assert {c: where for c, where in codes_explained().items() if c not in raised} == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_no_document_explains_a_finding_twice(path: Path) -> None:
    counted = Counter(CODE_ROW.findall(read(path)))

    assert [code for code, times in counted.items() if times > 1] == []


# -- commands --------------------------------------------------------------------------------


def commands() -> Iterator[str]:
    """Every command as it is typed: ``afterclose sim serve``."""
    stack: list[tuple[tuple[str, ...], Any]] = [(("afterclose",), typer.main.get_command(app))]
    while stack:
        words, command = stack.pop()
        inner = getattr(command, "commands", {})
        stack.extend(((*words, name), sub) for name, sub in inner.items())
        if not inner:
            yield " ".join(words)


def test_every_command_is_documented() -> None:
    text = "\n".join(read(path) for path in DOCUMENTS)
    missing = {c for c in commands() if not re.search(rf"{re.escape(c)}\b", text)}

    assert missing == set()


# -- files -----------------------------------------------------------------------------------


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {relative(p): len(read(p).splitlines()) for p in MODULES}

    assert {p: n for p, n in lengths.items() if n > 500} == {}


def test_only_the_settings_read_the_environment() -> None:
    reads = re.compile(r"\bos\.(environ|getenv)\b|\bfrom os import [^\n]*(environ|getenv)")
    found = {relative(p) for p in MODULES if reads.search(read(p))}

    assert found <= {"src/afterclose/settings/load.py"}


def committed() -> list[Path]:
    """Text files under version control; everything of ours where there is none."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        folders = (ROOT / name for name in ("src", "tests", "docs"))
        return [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    done = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    )
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


#: Written in pieces, so that this file is not found by its own search.
OF_A_MACHINE = re.compile(
    "|".join(
        [
            "/" + r"work/(main|shared)\b",
            "/" + r"(home|Users)/[a-z]\w+/(?!x\b)",
            r"--(extra-)?" + "index-url",
            r"https?://[^\s\"')]*/" + r"simple\b",
            r"https?://[^\s/@\"')]+:[^\s/@\"')]+" + "@",
        ]
    )
)


def test_nothing_of_any_machine_is_committed() -> None:
    binary = {".png", ".xlsx", ".parquet", ".arrow", ".gz", ".zip", ".bin"}
    found = []
    for path in committed():
        if path.suffix in binary:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{relative(path)}: {match[0]}" for match in OF_A_MACHINE.finditer(text)]

    assert found == []
