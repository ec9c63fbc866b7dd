"""``afterclose doctor``: is everything ready for tonight, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from afterclose.cli.terminal import console
from afterclose.clock import SystemClock, require_session
from afterclose.doctor.diagnosis import Diagnosis, Health, tonight_would_fail
from afterclose.doctor.visit import Visit, visit
from afterclose.errors import ConfigError, ExitCode
from afterclose.settings import SETTINGS_FILE

_STYLES = {
    Health.GOOD: "green",
    Health.NOTE: "yellow",
    Health.UNKNOWN: "magenta",
    Health.FAILS: "bold red",
}


def look(home: Path, *, session: date | None, as_json: bool, knock: bool) -> None:
    """Look at everything and say what to do. Exits 1 when tonight would fail.

    Raises ConfigError where no desk is, UsageError for a day that is no session.
    """
    if not (home / SETTINGS_FILE).exists():
        raise ConfigError(
            f"{home} is no desk: there is no {SETTINGS_FILE} in it",
            hint="make one with 'afterclose init', or name it with --desk",
        )
    if session is not None:
        require_session(session)
    asked = Visit(home=home, clock=SystemClock(), session=session, knock=knock)
    screen = console()
    if as_json:
        lines = asyncio.run(visit(asked, on_part=lambda _part: None))
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        with screen.status("looking") as status:
            lines = asyncio.run(visit(asked, on_part=lambda p: status.update(f"looking at {p}")))
        screen.print(_table(lines))
        screen.print(_summary(lines))
    if tonight_would_fail(lines):
        raise typer.Exit(ExitCode.BLOCKED)


def _table(lines: Sequence[Diagnosis]) -> Table:
    table = Table("", "", "", "what it is, and what to do", title="Is everything ready?")
    part = ""
    for line in lines:
        remedy = f"\n→ {line.remedy}" if line.remedy else ""
        table.add_row(
            "" if line.part == part else line.part,
            line.what,
            Text(line.health.value, style=_STYLES[line.health]),
            f"{line.said}{remedy}",
        )
        part = line.part
    return table


def _summary(lines: Sequence[Diagnosis]) -> str:
    counts = Counter(line.health for line in lines)
    if counts[Health.FAILS]:
        return f"Tonight would fail: {counts[Health.FAILS]} lines to mend."
    if counts[Health.NOTE] or counts[Health.UNKNOWN]:
        return f"Ready, with {counts[Health.NOTE] + counts[Health.UNKNOWN]} lines to know of."
    return "Ready."
