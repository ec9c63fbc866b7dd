"""Market data: bring it up to date, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, SessionText, day, duration

update_app = typer.Typer()
data_app = typer.Typer(help="Look at the market data of a desk, compare, verify, export it.")

Roots = Annotated[
    list[str] | None, typer.Option("--root", help="Only this market; may be repeated.")
]


@update_app.command()
def update(
    desk: Desk = Path(),
    session: SessionText = "",
    wait: Annotated[str, typer.Option("--wait", help="Wait for late markets: 90m, 3h.")] = "",
) -> None:
    """Bring the market data to the last session; show what was new, revised and late."""
    from afterclose.cli import data_update  # noqa: PLC0415 - costs time

    data_update.update(desk, day(session), wait=duration(wait))


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A market (ES) or a contract (ESZ26).")],
    desk: Desk = Path(),
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw it, too: a file.svg or file.html.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1)] = 365,
) -> None:
    """Show a market's chain, its rolls and its holes, or one contract's bars."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.show(desk, name, plot=plot, days=days)


@data_app.command("check")
def data_check(
    desk: Desk = Path(),
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1)] = 10,
) -> None:
    """Check the newest bars: spikes, unit slips, off-tick prices, holes, holidays."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.check(desk, days=days)


@data_app.command("compare")
def data_compare(
    other: Annotated[Path, typer.Argument(help="Another market store, or a folder of tables.")],
    desk: Desk = Path(),
    root: Roots = None,
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1)] = 30,
    ticks: Annotated[float, typer.Option("--ticks", help="Closes may differ so much.", min=0)] = 2,
) -> None:
    """Compare closes with a second source: where the two disagree."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.compare(desk, other, roots=root or (), days=days, ticks=ticks)


@data_app.command("verify")
def data_verify(
    desk: Desk = Path(),
    *,
    source: Annotated[
        bool, typer.Option("--source", help="Compare every bar with the source, bit for bit.")
    ] = False,
) -> None:
    """Read the whole store and prove that it is what was written."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.verify(desk, source=source)


@data_app.command("export-bundle")
def data_export_bundle(
    to: Annotated[
        Path | None, typer.Option("--to", help="Zipline's folder; default: ~/.zipline.")
    ] = None,
    desk: Desk = Path(),
    name: Annotated[str, typer.Option("--name", help="The bundle.")] = "afterclose-market-store",
    root: Roots = None,
    through: Annotated[str, typer.Option("--through", help="Last session, yyyy-mm-dd.")] = "",
) -> None:
    """Write the store as a stock Zipline bundle, for Zipline's own tools; say what is lost."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    target = to or Path.home() / ".zipline"
    data_commands.export(desk, target, name=name, roots=root or (), through=day(through))
