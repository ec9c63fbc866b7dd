"""Rolls by hand: preview, and the two orders, the closing one first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from afterclose import clock as calendar
from afterclose.by_hand import flattening, words
from afterclose.domain.contracts import MappedContract, QualifiedContract
from afterclose.domain.market import QualificationState, Quote
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderEvent
from afterclose.errors import ApprovalVoid, BrokerError, UsageError
from afterclose.evening.desk import Desk
from afterclose.evening.dispatch import may_send_until
from afterclose.ports import BrokerReader
from afterclose.stages import cancelling, flatten, rolling, submit


@dataclass(frozen=True, slots=True, kw_only=True)
class RollRequest:
    """What to roll (a root or a contract), into what (empty: the next month), how, and by whom."""

    symbol: str
    into: str = ""
    order_type: str = "MKT"
    ticks: int = 0
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """A roll as it would go."""

    row: flatten.FlattenRow
    legs: rolling.Legs
    qualified: Mapping[str, QualifiedContract]

    @property
    def terms(self) -> tuple[object, ...]:
        """What a person confirmed, without the names and prices of the moment."""
        close, opens = self.legs.close, self.legs.opens
        return (close.contract, close.signed, opens.contract, opens.signed, close.order_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What became of it, and how the gateway was lost on the way, if it was."""

    lives: Mapping[str, OrderLife]
    cancelling: cancelling.Cancelling
    lost: BrokerError | None = None


async def preview(desk: Desk, request: RollRequest) -> Roll:
    """Show both orders. Nothing is cancelled or sent.

    Raises UsageError where no position, or more than one, is meant, or the new month is unknown;
    BrokerTimeout while positions or working orders are unknown.
    """
    async with desk.reader() as reader:
        return await _plan(desk, reader, request)


async def carry_out(
    desk: Desk,
    request: RollRequest,
    shown: Roll,
    *,
    on_event: Callable[[OrderEvent], None],
    follow: submit.Follow = flattening.for_a_while,
) -> Rolled:
    """Cancel ours on both contracts, wait for the proof, send the close and then the open.

    Raises SafetyError while the desk is halted, ApprovalVoid when the position is another one now,
    BrokerError where something is not known.
    """
    may_send_until(desk)
    orders = (shown.legs.close, shown.legs.opens)
    yes = words.yes_to(desk, "roll", tuple(o.order_ref for o in orders), by=request.by)
    desk.ledger.record_approval(yes)
    lost: list[BrokerError] = []
    async with desk.reader() as reader, desk.open_order_desk(yes) as order_desk:
        until = may_send_until(desk)  # once more: the gateway may have been waited for
        ended = await cancelling.run(
            order_desk,
            desk.ledger,
            run_id=yes.run_id,
            con_ids={found.con_id for found in shown.qualified.values()},
            on_event=on_event,
        )
        if not ended.proven:
            raise BrokerError(
                f"{ended.still_open[0].order_ref} is still working: nothing was sent",
                hint="cancel it in TWS, or try again",
            )
        if (await _plan(desk, reader, request)).terms != shown.terms:
            raise ApprovalVoid(
                "the position is another one than you saw; nothing was sent", hint="roll again"
            )
        known = await submit.run(
            order_desk,
            desk.ledger,
            submit.SubmitRequest(
                run_id=yes.run_id,
                orders=orders,
                qualified={found.contract: found for found in shown.qualified.values()},
                answer_timeout_s=desk.settings.sending.answer_timeout_s,
                sends_until=until,
                parts=shown.legs.parts,
            ),
            desk.clock,
            on_event=on_event,
            on_lost=lost.append,
            follow=follow,
        )
    return Rolled(lives=known, cancelling=ended, lost=lost[0] if lost else None)


async def _plan(desk: Desk, reader: BrokerReader, request: RollRequest) -> Roll:
    symbol = request.symbol.strip().upper()
    chosen = flatten.Selection(roots=frozenset({symbol}), contracts=frozenset({symbol}))
    wanted = flattening.FlattenRequest(
        selection=chosen, order_type=request.order_type, ticks=request.ticks, by=request.by
    )
    rows = await flattening.plan(desk, reader, wanted)
    row, left = _one(rows, symbol)
    session = calendar.session_at(desk.clock.now())
    into = rolling.target(request.into, left.contract, left.spec, on=session)
    found, quote = await _look_up(reader, into)
    await _require_alone(desk, reader, found)
    past = lives(desk.ledger.orders(session), desk.ledger.events(session))
    if row.order is None or row.qualified is None:
        raise UsageError(f"{left.contract} cannot be closed: {row.reason}", hint="see above")
    legs = rolling.legs(
        row.order,
        row.parts,
        into,
        quote,
        ticks=request.ticks,
        past={ref: life.state for ref, life in past.items()},
        desk=desk.settings.desk.name,
    )
    if legs is None:
        raise BrokerError(
            f"{into.contract} has no quote to make a limit from", hint="use --type MKT"
        )
    return Roll(
        row=row,
        legs=legs,
        qualified={legs.close.order_ref: row.qualified, legs.opens.order_ref: found},
    )


def _one(
    rows: tuple[flatten.FlattenRow, ...], symbol: str
) -> tuple[flatten.FlattenRow, MappedContract]:
    if not rows:
        raise UsageError(
            f"the account holds nothing of {symbol}", hint="'afterclose flatten' shows"
        )
    if len(rows) > 1:
        names = ", ".join(row.name for row in rows)
        raise UsageError(f"{symbol} is held in several months: {names}", hint="name one of them")
    row = rows[0]
    if row.order is None:
        raise UsageError(f"{row.name} cannot be rolled: {row.reason}", hint="settle that first")
    return row, row.order.mapped


async def _look_up(
    reader: BrokerReader, into: MappedContract
) -> tuple[QualifiedContract, Quote | None]:
    answer = (await reader.qualify([into]))[into.contract]
    if answer.state is not QualificationState.FOUND or answer.qualified is None:
        raise UsageError(
            f"the gateway does not know {into.contract} ({answer.state.value}: {answer.text})",
            hint="name another month with --to",
        )
    quotes = await reader.quotes([answer.qualified])
    return answer.qualified, quotes.get(into.contract)


async def _require_alone(desk: Desk, reader: BrokerReader, found: QualifiedContract) -> None:
    """A foreign working order on the new month could make the position another one."""
    account = await reader.account(desk.settings.desk.account)
    working = [o for o in account.working_orders or () if o.con_id == found.con_id]
    ours = desk.ledger.named({o.order_ref for o in working if o.order_ref})
    foreign = [o for o in working if o.order_ref not in ours]
    if foreign:
        whose = foreign[0].order_ref or "no reference"
        raise UsageError(
            f"{found.local_symbol} has a working order that is not this desk's ({whose})",
            hint="cancel it where it was placed",
        )
