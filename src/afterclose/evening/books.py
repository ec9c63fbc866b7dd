"""The desk's own records before tonight: what each model holds, works and has done already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from afterclose import clock as calendar
from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.netting import (
    NET_MODEL,
    Netting,
    in_market,
    with_rows,
)
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.domain.sending import DESK_MODEL, shares
from afterclose.ports import Clock, Ledger
from afterclose.stages import netting

#: How many sessions back an order is looked for: three weeks of evenings.
_SESSIONS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The desk's own records before tonight: per model held and working, and past orders.

    ``done`` is what earlier orders of this session filled, ``complete`` where one that opened was
    filled to its end. ``past`` has every name of the session: orders, and the rows that some of
    them carry, as ``netting`` says.
    """

    held: Mapping[str, Mapping[FuturesContract, int]]
    working: Mapping[str, Mapping[FuturesContract, int]]
    done: Mapping[str, Mapping[FuturesContract, int]]
    complete: Mapping[str, frozenset[FuturesContract]]
    past: Mapping[str, OrderLife]
    netting: Netting = field(default_factory=Netting)

    @property
    def states(self) -> Mapping[str, OrderState]:
        """State of every order this desk named for the session."""
        return {ref: life.state for ref, life in self.past.items()}

    def left(self) -> tuple[BasketOrder, ...]:
        """Orders of this session that went to the market; of one that was gone on with, the first.

        Those count for the evening's totals at the door.
        """
        sent = (
            life.order
            for life in in_market(self.past, self.netting)
            if life.state is not OrderState.INTENDED
        )
        return tuple(order for order in sent if not order.replaces)

    def held_together(self) -> dict[FuturesContract, int]:
        """Sum of all models."""
        total: defaultdict[FuturesContract, int] = defaultdict(int)
        for book in self.held.values():
            for contract, quantity in book.items():
                total[contract] += quantity
        return dict(sorted(total.items()))


def session_lives(ledger: Ledger, session: date) -> Mapping[str, OrderLife]:
    """Return the life of every name of a session, rows that an order carries included."""
    known = lives(ledger.orders(session), ledger.events(session))
    return with_rows(known, ledger.netting(session))


def lately(ledger: Ledger, until: Session) -> Sequence[Session]:
    """Sessions of the last three weeks for which this desk named an order, the newest first."""
    oldest = three_weeks_before(until)
    return [day for day in reversed(ledger.sessions()) if oldest <= day <= until]


def numbers_from(ledger: Ledger, clock: Clock) -> int:
    """Return an order number that this desk has not used of late, should its sequence be reset.

    It counts from 1 then, and what this desk named is at least what it numbered.
    """
    days = lately(ledger, calendar.session_at(clock.now()))
    return 1 + sum(len(ledger.orders(day)) for day in days)


def three_weeks_before(session: Session) -> Session:
    """How far back unfinished business is looked for."""
    return calendar.sessions_before(calendar.session_on_or_before(session), _SESSIONS)


def unended_by_hand(ledger: Ledger, until: Session) -> frozenset[Session]:
    """Sessions of the last three weeks with an order by hand whose end nobody has seen.

    Such an order has no evening of its own that would be settled.
    """
    ordered = ((day, ledger.orders(day)) for day in lately(ledger, until))
    by_hand = ((day, [o for o in orders if o.model == DESK_MODEL]) for day, orders in ordered)
    return frozenset(day for day, orders in by_hand if _any_at_large(ledger, day, orders))


def anything_at_large(ledger: Ledger, session: Session) -> bool:
    """Whether an order of a session left, and nobody has seen its end."""
    return _any_at_large(ledger, session, ledger.orders(session))


def _any_at_large(ledger: Ledger, session: Session, orders: Sequence[BasketOrder]) -> bool:
    events = ledger.events(session) if orders else ()
    states = (life.state for life in lives(orders, events).values())
    return any(state is not OrderState.INTENDED and not state.final for state in states)


def departed(ledger: Ledger, session: date, orders: Iterable[BasketOrder]) -> tuple[OrderLife, ...]:
    """Return the lives of those of the orders that left, alone or as rows of another one.

    By the ledger: a sender that was killed says nothing in the run's manifest.
    """
    known = session_lives(ledger, session)
    found = (known.get(order.order_ref) for order in orders)
    return tuple(life for life in found if life and life.state is not OrderState.INTENDED)


def market_orders(
    ledger: Ledger, orders: Sequence[BasketOrder], *, desk: str, session: Session, net: bool
) -> Netting:
    """Make the orders that go to the market of the rows that may: one each, or netted."""
    if not net:
        return netting.one_by_one(orders)
    return netting.net(
        netting.NettingInputs(
            desk=desk,
            orders=orders,
            recorded=ledger.netting(session),
            named=[order.order_ref for order in ledger.orders(session)],
        )
    )


def read_books(ledger: Ledger, models: Iterable[str], session: Session) -> Books:
    """Read what the desk holds and what of tonight is in the market already."""
    names = sorted({*models, *ledger.models()})  # of the whole desk's orders, each has its part
    netted = ledger.netting(session)
    past = with_rows(lives(ledger.orders(session), ledger.events(session)), netted)
    working: dict[str, defaultdict[FuturesContract, int]] = {n: defaultdict(int) for n in names}
    done: dict[str, defaultdict[FuturesContract, int]] = {n: defaultdict(int) for n in names}
    complete: dict[str, set[FuturesContract]] = {n: set() for n in names}
    parts = ledger.parts([ref for ref, life in past.items() if life.order.model == DESK_MODEL])
    for life in past.values():
        order, sign = life.order, life.order.action.sign
        remaining = 0 if life.state is OrderState.INTENDED or life.state.final else life.remaining
        owners = parts.get(order.order_ref, {})
        if order.model == NET_MODEL:
            continue  # its rows have it, each its part
        if order.model != DESK_MODEL:
            done[order.model][order.contract] += life.filled * sign
            working[order.model][order.contract] += remaining * sign
        elif owners:
            filled = shares(owners, ordered=order.signed, filled=life.filled * sign)
            for model, part in owners.items():
                done[model][order.contract] += filled[model]
                working[model][order.contract] += part - filled[model] if remaining else 0
        if life.state is OrderState.FILLED and not order.kind.closes:
            for model in [order.model] if order.model != DESK_MODEL else owners:
                complete[model].add(order.contract)
    return Books(
        held={name: ledger.held(name) for name in names},
        working=working,
        done=done,
        complete={name: frozenset(contracts) for name, contracts in complete.items()},
        past=past,
        netting=netted,
    )
