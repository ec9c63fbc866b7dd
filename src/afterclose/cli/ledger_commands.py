"""What ``afterclose ledger`` does. None of it needs the market, a model or the gateway."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from filelock import FileLock, Timeout
from sqlalchemy import make_url

from afterclose.adapters.ledger import copies
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.bootstrap import open_ledger
from afterclose.cli.desk_commands import require_desk
from afterclose.cli.terminal import console
from afterclose.clock import SystemClock
from afterclose.errors import ExitCode, RunAlreadySubmitted, UsageError
from afterclose.evening.journal import DESK_LOCK
from afterclose.settings import load


@contextmanager
def opened(home: Path) -> Iterator[SqlLedger]:
    """Open a desk's ledger alone."""
    require_desk(home)
    settings = load(home)
    ledger = open_ledger(settings)
    try:
        yield ledger
    finally:
        ledger.close()


def export(home: Path, folder: Path, form: str) -> None:
    """Write every table as a file."""
    try:
        chosen = copies.ExportFormat(form)
    except ValueError:
        known = ", ".join(copies.ExportFormat)
        raise UsageError(f"{form!r} is no format", hint=f"choose one of {known}") from None
    with opened(home) as ledger:
        for path in copies.export(ledger, folder, chosen):
            console().print(str(path), soft_wrap=True)


def backup(home: Path, target: Path) -> None:
    """Copy the ledger."""
    with opened(home) as ledger:
        written = copies.backup(ledger, target)
    console().print(f"backup  {written} ({written.stat().st_size:,} bytes)", soft_wrap=True)
    console().print(
        "to use it: 'afterclose ledger restore FILE', then 'afterclose ledger adopt'",
        soft_wrap=True,
    )


def restore(home: Path, source: Path) -> None:
    """Put a backup in the ledger's place."""
    require_desk(home)
    url = make_url(load(home).ledger_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise UsageError(
            "this ledger is on a server, and a backup is a file",
            hint='set ledger = "sqlite:///ledger.sqlite" to go on with the file, or restore the '
            "server's own dump",
        )
    try:
        with FileLock(home / DESK_LOCK, timeout=0):
            kept = copies.restore(Path(url.database), source, at=SystemClock().now())
    except Timeout:
        raise RunAlreadySubmitted(
            f"another command is at work on {home}", hint="wait until it has ended"
        ) from None
    if kept is not None:
        console().print(f"kept    {kept}", soft_wrap=True)
    console().print(f"in place  {url.database}", soft_wrap=True)
    console().print(
        "nothing is written into it until you say 'afterclose ledger adopt'", soft_wrap=True
    )


def check(home: Path) -> None:
    """Say what is in the ledger and what is wrong with it."""
    screen = console()
    with opened(home) as ledger:
        found = copies.check(ledger)
    screen.print(f"revision {found.revision}")
    for table, rows in found.rows.items():
        screen.print(f"  {table:<14}{rows:>8} rows")
    for problem in found.problems:
        screen.print(f"WRONG  {problem}", soft_wrap=True)
    if found.problems:
        raise typer.Exit(ExitCode.BLOCKED)
    screen.print("every row reads, and the tables agree")


def adopt(home: Path, *, by: str, note: str) -> None:
    """Let the ledger live where it is now."""
    screen = console()
    with opened(home) as ledger:
        before = ledger.copied_from()
        if before is None:
            screen.print("this ledger is at home here: nothing to adopt")
            return
        ledger.adopt_copy(by=by or getpass.getuser(), note=note)
    screen.print(f"adopted: the ledger of {before} lives here from now on", soft_wrap=True)
    screen.print(
        "orders sent there after it was copied are not in it: compare the account's positions "
        "('afterclose settle') before anything is sent",
        soft_wrap=True,
    )
