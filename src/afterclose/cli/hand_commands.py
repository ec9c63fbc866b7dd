"""The commands of a person's hand: halt, flatten, resolve, and what a sending would do."""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import typer
from rich.table import Table

from afterclose import by_hand
from afterclose import clock as calendar
from afterclose.adapters.files.basket_reading import read_basket
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.bootstrap import open_desk
from afterclose.by_hand import adopting
from afterclose.cli.desk_commands import (
    folder_of,
    open_for_command,
    orders_may_be_out,
    show_loss,
    show_orders,
)
from afterclose.cli.terminal import OrderTicker, console
from afterclose.clock import SystemClock
from afterclose.desk_folder import adoption
from afterclose.domain.contracts import ContractSpec, RootSymbol
from afterclose.domain.placing import at_market
from afterclose.domain.runs import Mode
from afterclose.errors import (
    BrokerError,
    ExitCode,
    LiveNotAllowed,
    NotApproved,
    RunAlreadySubmitted,
    UsageError,
)
from afterclose.evening import dispatch
from afterclose.evening.desk import Desk
from afterclose.report.words import counted
from afterclose.settings import load
from afterclose.stages import submit
from afterclose.stages.flatten import ORDER_TYPES, FlattenRow, Listed, Selection
from afterclose.stages.submit import Departure

#: A sender notices a halt within half a second and then hangs up.
_SENDER_ENDS_WITHIN_S = 20.0
#: A machine that slept in between looks at its clock again.
_LOOK_EVERY_S = 30.0


def dry_run(home: Path, run_id: str) -> None:
    """Show exactly what would be sent now, in this order. Sends nothing."""
    with open_for_command(home) as desk:
        rehearsal = asyncio.run(dispatch.rehearse(desk, folder_of(desk, run_id)))
        specs = desk.specs
    for shown in rehearsal_shown(rehearsal, specs):
        console().print(shown, soft_wrap=isinstance(shown, str))


def rehearsal_shown(
    rehearsal: dispatch.Rehearsal, specs: Mapping[RootSymbol, ContractSpec]
) -> Iterator[Table | str]:
    """Show what would leave, what stays and why, and what crosses inside the desk."""
    leaving = rehearsal.leaving
    if leaving:
        yield departures_table(leaving, going="would go" if rehearsal.stopped else "goes")
    for staying in leaving:
        if not staying.goes:  # a sentence has no room in a column of twelve
            yield f"{staying.order.order_ref} stays: {staying.reason}"
    yield from crossing_lines(rehearsal, specs)
    going = sum(d.goes for d in leaving)
    if rehearsal.stopped and (leaving or rehearsal.crossing):
        yield f"NOTHING WOULD GO NOW: {rehearsal.stopped}."
        yield f"Else {going} orders, {len(leaving) - going} would stay. Nothing was sent."
    elif not leaving:
        yield "Nothing would go: every approved order has left before. Nothing was sent."
    else:
        yield f"{going} orders would go, {len(leaving) - going} would stay. Nothing was sent."


def crossing_lines(
    rehearsal: dispatch.Rehearsal, specs: Mapping[RootSymbol, ContractSpec]
) -> Iterator[str]:
    """Say what models would trade with each other, one line for each transfer."""
    for one in rehearsal.crossing:
        buyer, seller = (rehearsal.models.get(ref, ref) for ref in (one.bought, one.sold))
        price = specs[one.contract.root].price_text(one.price)
        yield (
            f"inside the desk, without an order: {buyer} buys {one.quantity} "
            f"{one.contract.symbol} of {seller} at {price}"
        )


def wait_for_restart(home: Path) -> None:
    """Wait while the gateway restarts, or is about to; say so."""
    settings, clock = load(home), SystemClock()
    before = dispatch.before_restart(settings)
    said = False
    while window := submit.standing(dispatch.restarts(settings, clock.now()), clock.now(), before):
        if not said:
            console().print(f"{window.text}: waiting until it is over.")
            said = True
        left = (window.ends - clock.now()).total_seconds()
        time.sleep(min(max(left, 0.1), _LOOK_EVERY_S))


def departures_table(leaving: Sequence[Departure], *, going: str = "goes") -> Table:
    """Show orders as they would leave: nothing is added to them later.

    ``going`` is said of those that nothing of their own holds back.
    """
    accounts = ", ".join(sorted({d.order.account for d in leaving}))
    table = Table(title=f"Dry run for account {accounts}: nothing is sent")
    worked = any(d.order.worked_text for d in leaving)
    for name in ("", "conId", "side", "quantity", "contract", "price", "type", "tif", "when"):
        table.add_column(name)
    if worked:
        table.add_column("worked")
    table.add_column("orderRef", no_wrap=True)
    for one in leaving:
        order, found = one.order, one.qualified
        table.add_row(
            going if one.goes else "stays",
            "" if found is None else str(found.con_id),
            order.action.value,
            str(order.quantity),
            order.contract.symbol if found is None else found.local_symbol,
            "market"
            if at_market(order.order_type)
            else order.mapped.spec.price_text(order.limit_price),
            order.order_type,
            order.tif,
            order.start_text,
            *((order.worked_text,) if worked else ()),
            order.order_ref,
            style="" if one.goes else "yellow",
        )
    return table


def halt(home: Path, *, reason: str, by: str, lift: bool) -> None:
    """Stop all sending on this desk until it is lifted, and cancel what of ours is working."""
    who, screen = by or getpass.getuser(), console()
    # Without the lock: at once.
    desk = open_desk(load(home), SystemClock(), say=screen.print, to_halt=True)
    try:
        if lift:
            by_hand.lift(desk, by=who, reason=reason)
            screen.print("Lifted: this desk may send again. Nothing was sent by that.")
            return
        by_hand.halt(desk, by=who, reason=reason)
        screen.print("Halted: nothing more is sent on this desk until 'afterclose halt --lift'.")
    finally:
        if isinstance(desk.ledger, SqlLedger):
            desk.ledger.close()
    _cancel_ours(home, who)


def _cancel_ours(home: Path, by: str) -> None:
    screen = console()
    try:
        with open_for_command(home, wait_s=_SENDER_ENDS_WITHIN_S) as desk:
            ended = asyncio.run(by_hand.cancel_ours(desk, by=by, on_event=OrderTicker(screen)))
    except (BrokerError, RunAlreadySubmitted) as error:
        screen.print(f"The halt stands, but nothing could be cancelled: {error}")
        screen.print("Cancel in TWS, or repeat 'afterclose halt' when the gateway answers.")
        raise typer.Exit(ExitCode.OUTSIDE_DOWN) from None
    for ref, why in ended.refused.items():
        screen.print(f"{ref} could not be cancelled: {why}")
    if not ended.proven:
        for order in ended.still_open:
            screen.print(f"STILL WORKING: {order.order_ref} {order.action.value} {order.remaining}")
        raise typer.Exit(ExitCode.OUTSIDE_DOWN)
    screen.print(f"{len(ended.asked)} working orders of this desk cancelled; none is left.")


def resolve(
    home: Path, order_ref: str, *, note: str, by: str, filled: int = 0, price: str = ""
) -> None:
    """Write down what a person found out about an unknown order."""
    with open_for_command(home) as desk:
        life = by_hand.settle_unknown(
            desk,
            order_ref,
            by=by or getpass.getuser(),
            why=note,
            filled=filled,
            price=_price(price),
        )
    console().print(f"{order_ref} is {life.state.value}: {life.text}", soft_wrap=True)


def adopt(home: Path, positions: Sequence[str], *, note: str, by: str) -> None:
    """Write a person's word on positions of the account into the desk's books."""
    screen = console()
    with open_for_command(home) as desk:
        models = [m.name for m in desk.settings.models]
        session = calendar.session_at(desk.clock.now())
        for model, changes in adoption(positions, models, on=session).items():
            who = by or getpass.getuser()
            done = asyncio.run(adopting.adopt(desk, model, changes, by=who, why=note))
            for each in done:
                screen.print(
                    f"{model} {changes[each.contract]:+d} {each.contract.symbol}: the desk holds "
                    f"{each.after:+d} of it now (before: {each.before:+d}), the account "
                    f"{each.account:+d}",
                    soft_wrap=True,
                )
    screen.print("Nothing was sent. An evening prepared before this is prepared again.")


def _price(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise UsageError(f"{text!r} is no price", hint="write it as 431.25") from None


def flatten(home: Path, request: by_hand.FlattenRequest, *, send: bool, typed: str) -> None:
    """Show what would be closed; with ``send`` and the typed confirmation, close it.

    Exits 3 when the gateway was lost or an order's fate is unknown, 1 when something is left.
    """
    screen = console()
    with orders_may_be_out(), open_for_command(home) as desk:
        seen = asyncio.run(by_hand.survey(desk, request))
        screen.print(_flatten_table(seen.rows, title=f"Positions of {desk.settings.desk.account}"))
        for order in seen.waiting:
            screen.print(
                f"without a position, cancelled too: {order.order_ref} {order.action.value} "
                f"{order.remaining}",
                soft_wrap=True,
            )
        orders = sum(row.order is not None for row in seen.rows)
        if not request.selection.chosen or not send or not (orders or seen.waiting):
            said = _how_to_go_on(
                request, rows=len(seen.rows), orders=orders, waiting=len(seen.waiting)
            )
            screen.print(said)
            return
        confirm(desk, orders, typed)
        done = asyncio.run(
            by_hand.carry_out(
                desk, request, seen.rows, on_event=OrderTicker(screen), waiting=seen.waiting
            )
        )
    for one in done.cancelling.still_open:
        screen.print(f"STILL WORKING: {one.order_ref} {one.action.value} {one.remaining}")
    if len(done.rows) < orders:
        screen.print(
            f"{orders - len(done.rows)} contracts were left alone: they changed meanwhile (the "
            "same command again closes what is left), or an order on them has not ended"
        )
    if done.left is None:
        screen.print("What is left is NOT known: the positions did not come.")
    elif done.left:
        screen.print(_flatten_table(done.left, title="Left"))
    else:
        screen.print("Nothing is left of what was chosen.")
    if done.lost is not None:
        show_loss(done.lost, then="the same 'afterclose flatten' closes what is left")
    show_orders(tuple(done.lives.values()))
    if done.lost is not None:
        raise typer.Exit(ExitCode.OUTSIDE_DOWN)
    if done.left is None or done.left or done.cancelling.still_open:
        raise typer.Exit(ExitCode.BLOCKED)


def _how_to_go_on(request: by_hand.FlattenRequest, *, rows: int, orders: int, waiting: int) -> str:
    if not request.selection.chosen:
        return "A preview. Choose with --all, --symbol, --basket or --model, and add --send."
    if not rows and not waiting:
        return "The account holds nothing of that: there is nothing to close. Nothing was sent."
    if not orders and not waiting:
        return "Nothing of that can be closed now; the table says why. Nothing was sent."
    would = counted(orders, "order")
    return f"A preview: {would} would be sent. Nothing was cancelled or sent; add --send."


def confirm(desk: Desk, orders: int, typed: str) -> None:
    """Raise NotApproved unless a person typed what these orders are worth stopping for."""
    live = desk.settings.desk.mode is Mode.LIVE
    wanted = desk.settings.desk.account if live else str(orders)
    what = "the account's number" if live else "the number of orders"
    if not typed:
        typed = typer.prompt(f"Type {what} to send them", default="", show_default=False)
    if typed.strip() != wanted:
        refused = f"{what} is {wanted}, {typed.strip()!r} was typed; nothing was sent"
        raise LiveNotAllowed(refused) if live else NotApproved(refused)


def _flatten_table(rows: Sequence[FlattenRow], *, title: str) -> Table:
    table = Table(title=title)
    for name in ("contract", "conId", "position", "order", "whose", "ours working", "left alone"):
        table.add_column(name)
    for row in rows:
        order = row.order
        table.add_row(
            row.name,
            str(row.position.con_id),
            f"{row.position.quantity:+d}",
            "" if order is None else _order_words(row),
            " ".join(f"{model} {-part:+d}" for model, part in row.parts.items()) or "nobody's",
            " ".join(f"{o.action.value} {o.remaining}" for o in row.working),
            row.reason,
            style="yellow" if order is None else "",
        )
    return table


def _order_words(row: FlattenRow) -> str:
    order = row.order
    if order is None:
        return ""
    price = order.mapped.spec.price_text(order.limit_price)
    at = "" if order.order_type == "MKT" else f" at {price}"
    return f"{order.action.value} {order.quantity} {order.order_type}{at}"


def request(*, chosen: Selection, order_type: str, ticks: int, by: str) -> by_hand.FlattenRequest:
    """Read how positions shall be closed. Raises UsageError for a type that is none."""
    kind = known_type(order_type)
    return by_hand.FlattenRequest(
        selection=chosen, order_type=kind, ticks=ticks, by=by or getpass.getuser()
    )


def known_type(order_type: str) -> str:
    """Return the order type as IB spells it. Raises UsageError for one that is none."""
    kind = order_type.upper()
    if kind not in ORDER_TYPES:
        raise UsageError(
            f"{order_type} is no order type here", hint=f"one of {', '.join(ORDER_TYPES)}"
        )
    return kind


def selection(
    *, everything: bool, basket: Path | None, symbols: Sequence[str], model: str
) -> Selection:
    """Read what was chosen on the command line; symbols are roots or contracts."""
    chosen = [s.strip().upper() for s in symbols if s.strip()]
    if sum((everything, basket is not None, bool(chosen), bool(model))) > 1:
        raise UsageError(
            "--all, --basket, --symbol and --model exclude each other", hint="choose one of them"
        )
    return Selection(
        everything=everything,
        roots=frozenset(chosen),
        contracts=frozenset(chosen),
        listed=_listed(basket) if basket is not None else (),
        model=model,
    )


def _listed(basket: Path) -> tuple[Listed, ...]:
    try:
        text = basket.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{basket} cannot be read: {error}", hint="name a basket file") from error
    rows = read_basket(text, source=basket.name)
    return tuple(Listed(symbol=r.symbol, expiry=r.expiry, multiplier=r.multiplier) for r in rows)
