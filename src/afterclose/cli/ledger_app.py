"""``afterclose ledger``: copies of the ledger, its health, and where it lives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk
from afterclose.errors import UsageError

ledger_app = typer.Typer(help="The ledger: backup, export, check, and taking a copy over.")


@ledger_app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder for one file per table.")],
    desk: Desk = Path(),
    form: Annotated[str, typer.Option("--format", help="csv, json or parquet.")] = "csv",
) -> None:
    """Write every table of the ledger as plain files."""
    from afterclose.cli import ledger_commands  # noqa: PLC0415 - costs time

    ledger_commands.export(desk, folder, form)


@ledger_app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new SQLite file.")], desk: Desk = Path()
) -> None:
    """Copy the ledger of one moment into a file, also while the desk is at work."""
    from afterclose.cli import ledger_commands  # noqa: PLC0415 - costs time

    ledger_commands.backup(desk, target)


@ledger_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup of this ledger.")], desk: Desk = Path()
) -> None:
    """Put a backup in the ledger's place; what was there is kept beside it."""
    from afterclose.cli import ledger_commands  # noqa: PLC0415 - costs time

    ledger_commands.restore(desk, source)


@ledger_app.command()
def check(desk: Desk = Path()) -> None:
    """Read every row and say what is wrong; exit code 1 when anything is."""
    from afterclose.cli import ledger_commands  # noqa: PLC0415 - costs time

    ledger_commands.check(desk)


@ledger_app.command()
def adopt(
    desk: Desk = Path(),
    note: Annotated[str, typer.Option("--note", help="Why the other one is not used.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
) -> None:
    """Take a copied or restored ledger over: the one it was copied from is no longer used."""
    from afterclose.cli import ledger_commands  # noqa: PLC0415 - costs time

    if not note:
        raise UsageError(
            "say what became of the ledger this one was copied from",
            hint="afterclose ledger adopt --note 'the old machine is gone'",
        )
    ledger_commands.adopt(desk, by=by, note=note)
