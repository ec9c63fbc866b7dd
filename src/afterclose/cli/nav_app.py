"""``afterclose nav`` and ``cash-flow``: the account beside the models."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk
from afterclose.errors import UsageError

nav_app = typer.Typer()


@nav_app.command()
def nav(
    desk: Desk = Path(),
    sessions: Annotated[int, typer.Option("--sessions", help="How many are listed.")] = 10,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every session to this file.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", help="Write the page there.")] = None,
    tearsheet: Annotated[
        Path | None,
        typer.Option("--tearsheet", help="Folder for pyfolio's pages (extra: tearsheet)."),
    ] = None,
) -> None:
    """Show the account's value beside the models', and where the difference came from."""
    from afterclose.cli import nav_commands  # noqa: PLC0415 - costs time

    nav_commands.nav(desk, sessions=sessions, csv=csv, page=page, tearsheet=tearsheet)


@nav_app.command(name="cash-flow")
def cash_flow(
    desk: Desk = Path(),
    put_in: Annotated[str, typer.Option("--in", help="Amount put into the account.")] = "",
    taken_out: Annotated[str, typer.Option("--out", help="Amount taken out of it.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="Its currency.")] = "USD",
    note: Annotated[str, typer.Option("--note", help="What it was.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
) -> None:
    """Say that money was put into the account or taken out, so that it counts as no result."""
    from afterclose.cli import nav_commands  # noqa: PLC0415 - costs time

    if bool(put_in) == bool(taken_out):
        raise UsageError("say how much, with --in or with --out")
    amount = _amount(put_in) if put_in else -_amount(taken_out)
    nav_commands.cash_flow(desk, amount=amount, currency=currency, by=by, note=note)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{text!r} is no amount", hint="write it as 25000 or 1234.56") from None
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"an amount must be positive, was {text}")
    return amount
