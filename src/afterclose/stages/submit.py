"""Submit: send the approved orders, each exactly once, and follow them until they are known.

Before the first byte the broker's whole book is read: an order whose name is in it, or of which
the journal knows anything, is not sent again. An intent is durable in the ledger before its bytes
leave. The first order goes alone; only when it is acknowledged do the others follow. What stays
without an answer is *unknown*, and said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.order_life import OrderLife, lives, sweep_events
from afterclose.domain.orders import (
    BasketOrder,
    EventKind,
    OrderEvent,
    OrderState,
    OrderSweep,
    TradeKind,
)
from afterclose.errors import (
    AfterCloseError,
    ApprovalVoid,
    BrokerError,
    BrokerTimeout,
    BrokerUnavailable,
    LedgerError,
)
from afterclose.ports import Clock, Ledger, OrderDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """The approved orders and what it takes to send them."""

    run_id: str
    orders: Sequence[BasketOrder]
    qualified: Mapping[FuturesContract, QualifiedContract]
    #: How long an order may stay without any word before it counts as unanswered.
    answer_timeout_s: float = 30.0


_SENDING_ORDER = {
    TradeKind.AUTO_CLOSE: 0,
    TradeKind.EXIT: 1,
    TradeKind.REDUCE: 2,
    TradeKind.ROLL_CLOSE: 3,
    TradeKind.ROLL_OPEN: 3,
    TradeKind.REVERSAL: 4,
    TradeKind.ADD: 5,
    TradeKind.ENTRY: 6,
}


def in_sending_order(orders: Sequence[BasketOrder]) -> tuple[BasketOrder, ...]:
    """Exits first, then rolls leg by leg (close before open), then what opens."""

    def key(order: BasketOrder) -> tuple[int, str, str, bool, str]:
        rank = _SENDING_ORDER[order.kind]
        opens = order.kind is TradeKind.ROLL_OPEN
        return rank, order.model, order.contract.root, opens, order.order_ref

    return tuple(sorted(orders, key=key))


def to_send(known: Mapping[str, OrderLife], orders: Sequence[BasketOrder]) -> Sequence[BasketOrder]:
    """Return the orders of which nothing at all is known yet, in sending order."""
    return [o for o in in_sending_order(orders) if known[o.order_ref].state is OrderState.INTENDED]


class Following(Protocol):
    """What a follower may wait for."""

    async def final(self) -> None:
        """Wait until every order is final, or the line is broken."""


#: Returns when following shall end.
Follow = Callable[[Following], Awaitable[None]]


async def until_answered(_orders: Following) -> None:
    """Do not follow: the next sweep tells."""


async def until_final(orders: Following) -> None:
    """Follow until nothing more can happen to any order."""
    await orders.final()


@dataclass(slots=True)
class _Journal:
    """Events on their way into the ledger, and those who wait for them."""

    run_id: str
    orders: Sequence[BasketOrder]
    ledger: Ledger
    events: list[OrderEvent]
    on_event: Callable[[OrderEvent], None]
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    broken: AfterCloseError | None = None

    def lives(self) -> Mapping[str, OrderLife]:
        return lives(self.orders, self.events)

    async def write(self, *events: OrderEvent) -> None:
        """Make events durable, then known."""
        if not events:
            return
        self.ledger.append_events(self.run_id, events)
        async with self.changed:
            self.events.extend(events)
            self.changed.notify_all()
        for event in events:
            self.on_event(event)

    async def break_off(self, error: AfterCloseError) -> None:
        """Let those who wait know that no more will come."""
        async with self.changed:
            self.broken = error
            self.changed.notify_all()

    async def final(self) -> None:
        """Wait until every order is final, or the line is broken."""

        def done() -> bool:
            return self.broken is not None or all(
                life.state.final for life in self.lives().values()
            )

        async with self.changed:
            await self.changed.wait_for(done)

    async def answered(self, refs: frozenset[str], timeout_s: float) -> bool:
        """Wait until every one of these orders was answered; False when the time is over."""

        def done() -> bool:
            known = self.lives()
            return self.broken is not None or not any(_unanswered(known[r]) for r in refs)

        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self.changed:
                await self.changed.wait_for(done)
        known = self.lives()
        return not any(_unanswered(known[r]) for r in refs)


def _unanswered(life: OrderLife) -> bool:
    return life.state in {OrderState.INTENDED, OrderState.SENT}


async def run(
    desk: OrderDesk,
    ledger: Ledger,
    request: SubmitRequest,
    clock: Clock,
    *,
    on_event: Callable[[OrderEvent], None] = lambda _event: None,
    follow: Follow = until_answered,
) -> Mapping[str, OrderLife]:
    """Send what was never sent, follow everything, and return each order's life.

    ``follow`` says how long to listen once every order was answered: executions are told to those
    who listen, and the gateway forgets them at midnight.

    Raises BrokerTimeout when the broker's book cannot be read whole beforehand, and ApprovalVoid
    when the desk traded one of these contracts after the basket was made: then nothing was sent.
    A line that breaks later leaves the orders as the journal has them; run it again.
    """
    if not request.orders:
        return {}
    ledger.record_orders(request.run_id, request.orders)
    session = request.orders[0].session
    refs = {o.order_ref for o in request.orders}
    past = [e for e in ledger.events(session) if e.order_ref in refs]
    journal = _Journal(request.run_id, request.orders, ledger, past, on_event)
    await journal.write(*sweep_events(journal.lives(), await _whole_book(desk)))
    _refuse_overtaken(ledger, to_send(journal.lives(), request.orders))
    listener = asyncio.create_task(_listen(desk, journal, refs))
    try:
        await _send_all(desk, journal, request, clock)
        await follow(journal)
        with suppress(BrokerError):
            book = await desk.sweep()  # what the stream told meanwhile is in the journal after it
            await journal.write(*sweep_events(journal.lives(), book))
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
    return journal.lives()


def _refuse_overtaken(ledger: Ledger, waiting: Sequence[BasketOrder]) -> None:
    """Two baskets of one evening must not both go: each was made from what the desk then held."""
    if not waiting:
        return
    session = waiting[0].session
    known = lives(ledger.orders(session), ledger.events(session)).values()
    for order in waiting:
        rivals = [
            life.order.order_ref
            for life in known
            if (life.order.model, life.order.contract) == (order.model, order.contract)
            and life.order.order_ref != order.order_ref
            and not life.state.final
            and life.state is not OrderState.INTENDED
        ]
        held = ledger.held(order.model).get(order.contract, 0)
        if rivals or held != order.held_before:
            why = f"{rivals[0]} is not final" if rivals else f"it now holds {held:+d}"
            raise ApprovalVoid(
                f"{order.order_ref} was made when the desk held {order.held_before:+d} of "
                f"{order.contract}; {why}",
                hint="nothing was sent; prepare the evening again and approve what it shows now",
            )


async def _whole_book(desk: OrderDesk) -> OrderSweep:
    book = await desk.sweep()
    if book.unknown:
        raise BrokerTimeout(
            f"the broker's book could not be read whole: no end of {', '.join(book.unknown)}",
            hint="nothing was sent; look at the gateway and run 'afterclose send' again",
        )
    return book


async def _listen(desk: OrderDesk, journal: _Journal, refs: set[str]) -> None:
    """Write down what comes. However the stream ends, those who wait for it must hear of it."""
    try:
        async for event in desk.events():
            if event.order_ref in refs:
                await journal.write(event)
            elif not event.order_ref:
                journal.on_event(event)  # about the line itself; the sweep at the end heals it
        await journal.break_off(BrokerUnavailable("the gateway's stream of order events ended"))
    except BrokerError as error:
        await journal.break_off(error)
    except LedgerError as error:
        await journal.break_off(error)
        raise


async def _send_all(
    desk: OrderDesk, journal: _Journal, request: SubmitRequest, clock: Clock
) -> None:
    waiting = to_send(journal.lives(), request.orders)
    if not waiting:
        await _await_answers(journal, request)
        return
    first, rest = waiting[0], waiting[1:]
    await _send(desk, journal, request, first, clock)
    if not await journal.answered(frozenset({first.order_ref}), request.answer_timeout_s):
        return  # one order without an answer is bad enough; the sweep will look for it
    for order in rest:
        if journal.broken is not None:
            return
        await _send(desk, journal, request, order, clock)
    await _await_answers(journal, request)


async def _await_answers(journal: _Journal, request: SubmitRequest) -> None:
    sent = frozenset(r for r, life in journal.lives().items() if life.state is OrderState.SENT)
    await journal.answered(sent, request.answer_timeout_s)


async def _send(
    desk: OrderDesk, journal: _Journal, request: SubmitRequest, order: BasketOrder, clock: Clock
) -> None:
    qualified = request.qualified[order.contract]  # looked up before the intent says "sent"
    await journal.write(
        OrderEvent(order_ref=order.order_ref, at=clock.now(), kind=EventKind.INTENT)
    )
    try:
        await desk.place(order, qualified)
    except BrokerError as error:
        await journal.break_off(error)
