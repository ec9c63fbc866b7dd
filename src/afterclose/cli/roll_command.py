"""The command that rolls by hand."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import typer
from rich.table import Table

from afterclose.by_hand import rolling
from afterclose.cli.desk_commands import open_for_command, orders_may_be_out, show_loss, show_orders
from afterclose.cli.hand_commands import confirm, known_type
from afterclose.cli.terminal import OrderTicker, console
from afterclose.domain.orders import OrderState
from afterclose.domain.placing import at_market
from afterclose.errors import ExitCode


def roll(home: Path, request: rolling.RollRequest, *, send: bool, typed: str) -> None:
    """Show both orders; with ``send`` and the typed confirmation, send them, the close first.

    Exits 3 when the gateway was lost or an order's fate is unknown, 1 when the roll is not done.
    """
    screen = console()
    with orders_may_be_out(), open_for_command(home) as desk:
        shown = asyncio.run(rolling.preview(desk, request))
        screen.print(_table(shown))
        for order in shown.row.working if shown.row else ():
            screen.print(f"{order.order_ref} is working and would be cancelled first")
        if not send:
            screen.print("A preview: nothing was cancelled or sent; add --send.")
            return
        confirm(desk, len(shown.legs.orders), typed)
        done = asyncio.run(rolling.carry_out(desk, request, shown, on_event=OrderTicker(screen)))
        now = desk.clock.now()
    if done.lost is not None:
        show_loss(done.lost, then="the same 'afterclose roll' goes on")
    show_orders(tuple(done.lives.values()))
    for pair in done.alone:
        screen.print(pair.text(now), style="bold red")
    if done.alone or any(life.state is not OrderState.FILLED for life in done.lives.values()):
        screen.print(
            "The roll is not done yet: 'afterclose status' tells, the same 'afterclose roll' goes "
            "on with it, 'afterclose flatten' ends it."
        )
        raise typer.Exit(ExitCode.BLOCKED if done.lost is None else ExitCode.OUTSIDE_DOWN)
    screen.print("Rolled.")


def _table(shown: rolling.Roll) -> Table:
    what = f"Roll of {shown.row.position.quantity:+d}" if shown.row else "Rest of the roll out of"
    table = Table(title=f"{what} {shown.left}")
    for name in ("leg", "side", "quantity", "contract", "conId", "price", "whose"):
        table.add_column(name)
    for order in shown.legs.orders:
        found = shown.qualified[order.contract]
        owners = shown.legs.parts.get(order.order_ref, {})
        limit = order.mapped.spec.price_text(order.limit_price)
        table.add_row(
            "close" if order is shown.legs.close else "open",
            order.action.value,
            str(order.quantity),
            found.local_symbol,
            str(found.con_id),
            "market" if at_market(order.order_type) else f"{order.order_type} {limit}",
            " ".join(f"{model} {part:+d}" for model, part in owners.items()) or "nobody's",
        )
    return table


def request(symbol: str, *, into: str, order_type: str, ticks: int, by: str) -> rolling.RollRequest:
    """Read how a position shall be rolled. Raises UsageError for a type that is none."""
    return rolling.RollRequest(
        symbol=symbol,
        into=into.strip().upper(),
        order_type=known_type(order_type),
        ticks=ticks,
        by=by or getpass.getuser(),
    )
