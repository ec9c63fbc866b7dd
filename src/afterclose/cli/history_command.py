"""The command about a model's past that has changed."""

from __future__ import annotations

import getpass
from pathlib import Path

import typer
from rich.table import Table

from afterclose.cli.desk_commands import folder_of, open_for_command
from afterclose.cli.terminal import console
from afterclose.domain.history import HistoryDrift
from afterclose.errors import ExitCode, UsageError
from afterclose.evening import model_runs

SHOWN = 20


def acknowledge(home: Path, run_id: str, *, model: str, reason: str, by: str) -> None:
    """Show what waits for a word, or record one. Exits 1 while something waits."""
    screen = console()
    with open_for_command(home) as desk:
        folder = folder_of(desk, run_id)
        waiting = {
            drift.model: drift
            for drift in model_runs.unacknowledged(desk, model_runs.read_histories(folder))
        }
        if not model:
            for drift in waiting.values():
                screen.print(_table(drift))
                for line in drift.reasons:
                    screen.print(f"  {line}")
                all_of_them = folder.path / "zipline" / drift.model / "history_changes.csv"
                screen.print(f"all of them  {all_of_them}", soft_wrap=True)
            if waiting:
                screen.print("Then: afterclose acknowledge MODEL --reason '…', and run again.")
                raise typer.Exit(ExitCode.BLOCKED)
            screen.print("The past of every model is what it was, or was acknowledged.")
            return
        if model not in waiting:
            raise UsageError(
                f"nothing in the past of {model} waits for a word in {folder.path.name}",
                hint="'afterclose acknowledge' alone shows what waits",
            )
        who = by or desk.settings.desk.reviewer or getpass.getuser()
        word = model_runs.acknowledge(desk, waiting[model], by=who, reason=reason)
    screen.print(
        f"{word.by} has acknowledged {waiting[model].total} differences in the past of {model}. "
        "Next: afterclose run, which prepares the evening again."
    )


def _table(drift: HistoryDrift) -> Table:
    table = Table(title=f"{drift.model}: {drift.total} differences since {drift.since}")
    for name in ("session", "what", "of", "was", "is", "likely"):
        table.add_column(name)
    for change in drift.changes[:SHOWN]:
        table.add_row(
            change.session.isoformat(),
            change.kind.value,
            change.subject,
            change.before,
            change.after,
            ", ".join(change.causes),
        )
    return table
