"""Rolls by hand: preview, and the two orders, the closing one first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from afterclose import clock as calendar
from afterclose.by_hand import begun_rolls, flattening, words
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import (
    FuturesContract,
    MappedContract,
    QualifiedContract,
    Session,
)
from afterclose.domain.legs import LonePair, lone_pairs
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
    """A roll as it would go. ``row`` is None where the old month was closed before."""

    left: FuturesContract
    row: flatten.FlattenRow | None
    legs: rolling.Legs
    qualified: Mapping[FuturesContract, QualifiedContract]

    @property
    def terms(self) -> tuple[object, ...]:
        """What a person confirmed, without the prices of the moment."""
        return tuple((o.order_ref, o.contract, o.signed, o.order_type) for o in self.legs.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What became of it, and how the gateway was lost on the way, if it was.

    ``alone`` are rolls by hand of this root that stand on one leg, whoever began them.
    """

    lives: Mapping[str, OrderLife]
    cancelling: cancelling.Cancelling
    alone: tuple[LonePair, ...] = ()
    lost: BrokerError | None = None


async def preview(desk: Desk, request: RollRequest) -> Roll:
    """Show both orders. Nothing is cancelled or sent.

    Raises UsageError where no position, or more than one, is meant, or the new month is unknown;
    BrokerTimeout while positions or working orders are unknown.
    """
    async with desk.reader() as reader:
        await flattening.hear(desk, reader)
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
    yes = words.yes_to(desk, "roll", tuple(o.order_ref for o in shown.legs.orders), by=request.by)
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
        going = await _plan(desk, reader, request)
        if going.terms != shown.terms or ended.filled:
            raise ApprovalVoid(
                "the position is another one than you saw; nothing was sent", hint="roll again"
            )
        known = await submit.run(
            order_desk,
            desk.ledger,
            submit.SubmitRequest(
                run_id=yes.run_id,
                orders=going.legs.orders,
                qualified=going.qualified,
                answer_timeout_s=desk.settings.sending.answer_timeout_s,
                sends_until=until,
                parts=going.legs.parts,
            ),
            desk.clock,
            on_event=on_event,
            on_lost=lost.append,
            follow=follow,
        )
    session = calendar.session_at(desk.clock.now())
    root = shown.left.root
    legs = begun_rolls.legs_by_hand(desk.ledger, session)
    return Rolled(
        lives=known,
        cancelling=ended,
        alone=tuple(p for p in lone_pairs(legs) if p.lagging.order.contract.root == root),
        lost=lost[0] if lost else None,
    )


async def _plan(desk: Desk, reader: BrokerReader, request: RollRequest) -> Roll:
    symbol = request.symbol.strip().upper()
    session = calendar.session_at(desk.clock.now())
    account = await reader.account(desk.settings.desk.account)
    _require_legs_known(desk, session, account, symbol)
    begun = begun_rolls.begun(desk.ledger, symbol, session)
    row = await _row(desk, reader, request, begun)
    left = row.order.mapped if row and row.order else _left(begun)
    into = rolling.target(request.into or _into(begun), left.contract, left.spec, on=session)
    if begun is not None and begun.opens.contract != into.contract:
        _require_opened(begun, request)
        begun = None  # this is a new one, beside it
    found, quote = await _look_up(reader, into)
    _require_alone(desk, session, account, found)
    legs = rolling.legs(
        rolling.LegInputs(
            desk=desk.settings.desk.name,
            account=desk.settings.desk.account,
            session=session,
            left=left.contract,
            into=into,
            close=None if row is None else row.order,
            owners={} if row is None else row.parts,
            quote=quote,
            order_type=request.order_type,
            ticks=request.ticks,
            past=frozenset(order.order_ref for order in desk.ledger.orders(session)),
            begun=begun,
        )
    )
    if legs is None:
        raise BrokerError(
            f"{into.contract} has no quote to make a limit from", hint="use --type MKT"
        )
    known = [found] if row is None or row.qualified is None else [row.qualified, found]
    return Roll(
        left=left.contract, row=row, legs=legs, qualified={each.contract: each for each in known}
    )


async def _row(
    desk: Desk, reader: BrokerReader, request: RollRequest, begun: rolling.Begun | None
) -> flatten.FlattenRow | None:
    """Return the position to be closed; None where only the opening of an earlier roll is left.

    A root whose position was rolled lately is not rolled on by its name alone: the same command,
    given again, would go one month further.
    """
    symbol = request.symbol.strip().upper()
    chosen = flatten.Selection(roots=frozenset({symbol}), contracts=frozenset({symbol}))
    wanted = flattening.FlattenRequest(
        selection=chosen, order_type=request.order_type, ticks=request.ticks, by=request.by
    )
    rows = await flattening.plan(desk, reader, wanted)
    if begun is not None and begun.opens.contract.symbol != symbol:
        names = {begun.opens.contract.symbol}
        rolled = [row for row in rows if row.name in names]
        rows = tuple(row for row in rows if row.name not in names)
        if not rows and begun.waits:
            return None
        if not rows and rolled:
            into = begun.opens.contract.symbol
            raise UsageError(
                f"{begun.close.contract} was rolled into {into} already: nothing is left of it",
                hint=f"to roll that on, name it: afterclose roll {into}",
            )
    return _one(rows, symbol)


def _left(begun: rolling.Begun | None) -> MappedContract:
    if begun is None:
        raise UsageError("there is nothing to roll", hint="'afterclose flatten' shows")
    return begun.close.mapped


def _into(begun: rolling.Begun | None) -> str:
    """Where a roll that was begun goes, until it is whole."""
    return "" if begun is None or begun.whole else begun.opens.contract.symbol


def _require_opened(begun: rolling.Begun, request: RollRequest) -> None:
    """Refuse to roll into another month while the roll before has something to open in its own."""
    if begun.waits:
        into = begun.opens.contract
        raise UsageError(
            f"a roll into {into} was begun, and closed more than it opened there",
            hint=f"complete it first: afterclose roll {request.symbol} --to {into}",
        )


def _require_legs_known(
    desk: Desk, session: Session, account: AccountSnapshot, symbol: str
) -> None:
    """Refuse while nobody knows what a leg of an earlier roll filled: so much may be to open."""
    flatten.require_known(account)
    legs = begun_rolls.legs_by_hand(desk.ledger, session).values()
    contracts = {life.order.contract for life in legs}
    roots = {contract.root for contract in contracts if symbol in {contract.root, contract.symbol}}
    for contract, why in flattening.doubtful(legs, _working(account)).items():
        if contract.root in roots:
            raise UsageError(f"{symbol} cannot be rolled: {why}", hint="then roll again")


def _working(account: AccountSnapshot) -> frozenset[str]:
    return frozenset(o.order_ref for o in account.working_orders or () if o.order_ref)


def _one(rows: tuple[flatten.FlattenRow, ...], symbol: str) -> flatten.FlattenRow:
    if not rows:
        raise UsageError(
            f"the account holds nothing of {symbol}", hint="'afterclose flatten' shows"
        )
    if len(rows) > 1:
        names = ", ".join(row.name for row in rows)
        raise UsageError(f"{symbol} is held in several months: {names}", hint="name one of them")
    row = rows[0]
    if row.order is None or row.qualified is None:
        raise UsageError(f"{row.name} cannot be rolled: {row.reason}", hint="settle that first")
    return row


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


def _require_alone(
    desk: Desk, session: Session, account: AccountSnapshot, found: QualifiedContract
) -> None:
    """Refuse where another order on the new month could make the position another one.

    A foreign one that works, or one of ours that nobody knows the fate of.
    """
    working = [o for o in account.working_orders or () if o.con_id == found.con_id]
    ours = desk.ledger.named({o.order_ref for o in working if o.order_ref})
    foreign = [o for o in working if o.order_ref not in ours]
    if foreign:
        whose = foreign[0].order_ref or "no reference"
        raise UsageError(
            f"{found.local_symbol} has a working order that is not this desk's ({whose})",
            hint="cancel it where it was placed",
        )
    past = lives(desk.ledger.orders(session), desk.ledger.events(session))
    why = flattening.doubtful(past.values(), _working(account)).get(found.contract)
    if why:
        raise UsageError(f"{found.local_symbol} cannot be rolled into: {why}", hint="then again")
