"""Market data: bring it up to date, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, SessionText, day, duration

update_app = typer.Typer()
data_app = typer.Typer(help="Look at the market data of a desk.")


@update_app.command()
def update(
    desk: Desk = Path(),
    session: SessionText = "",
    wait: Annotated[str, typer.Option("--wait", help="Wait for late markets: 90m, 3h.")] = "",
) -> None:
    """Bring the market data to the last session; show what was new, revised and late."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.update(desk, day(session), wait=duration(wait))


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A market (ES) or a contract (ESZ26).")],
    desk: Desk = Path(),
) -> None:
    """Show a market's chain, its rolls and its holes, or one contract's bars."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.show(desk, name)


@data_app.command("check")
def data_check(
    desk: Desk = Path(),
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1)] = 10,
) -> None:
    """Check the newest bars: spikes, unit slips, off-tick prices, holes, holidays."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.check(desk, days=days)
