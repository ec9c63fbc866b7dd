"""The journal of one sending: events on their way into the ledger, and those who wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from afterclose.domain.order_life import OrderLife, live
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.ports import Ledger

#: How long a follower listens before the broker's book is read again: words get lost.
BOOK_EVERY_S = 60.0


class Journal:
    """Writes events down before anything follows from them, and keeps each order's life."""

    def __init__(
        self,
        run_id: str,
        orders: Sequence[BasketOrder],
        ledger: Ledger,
        on_event: Callable[[OrderEvent], None],
    ) -> None:
        self._run_id = run_id
        self._ledger = ledger
        self.on_event = on_event
        self._orders = {order.order_ref: order for order in orders}
        self._events: dict[str, list[OrderEvent]] = {ref: [] for ref in self._orders}
        self._lives: dict[str, OrderLife] = {}
        self._changed = asyncio.Condition()
        #: Orders that were ended to be gone on with, and are not yet.
        self.held = 0
        #: Why no more will be sent or heard on this line.
        self.broken: Exception | None = None
        #: Reads the broker's book into this journal.
        self.read_book: Callable[[], Awaitable[None]] = _no_book
        self._learn(e for e in ledger.events(orders[0].session) if e.order_ref in self._orders)

    def _learn(self, events: Iterable[OrderEvent]) -> None:
        touched = set(self._orders) - set(self._lives)
        for event in events:
            self._events[event.order_ref].append(event)
            touched.add(event.order_ref)
        for ref in touched:
            self._lives[ref] = live(self._orders[ref], self._events[ref])

    def lives(self) -> Mapping[str, OrderLife]:
        """Return every order's life as it is known now."""
        return {ref: self._lives[ref] for ref in self._orders}

    def orders(self) -> Sequence[BasketOrder]:
        """Every order that is followed here, further attempts included."""
        return tuple(self._orders.values())

    def add(self, order: BasketOrder) -> None:
        """Follow a further attempt, too."""
        self._orders[order.order_ref] = order
        self._events.setdefault(order.order_ref, [])
        self._learn(())

    def worked(self, order_ref: str) -> str:
        """Return the order type that we wanted to go on with when we asked for its end.

        Empty where we did not, or where it was taken back since (``Worker.forget_lost``): an end
        that comes later is not ours. Status words in between take nothing back: they may have been
        on their way when we asked.
        """
        words = [e.status for e in self._events[order_ref] if e.kind is EventKind.WORKED]
        return words[-1] if words else ""

    def in_market_since(self, order_ref: str) -> datetime | None:
        """Return when the broker first said that an order stands in the market, or filled."""
        seen = (e.at for e in self._events[order_ref] if e.status == "Submitted" or e.fill)
        return min(seen, default=None)

    def mine(self, order_ref: str) -> bool:
        """Whether an event of this reference belongs here."""
        return order_ref in self._orders

    async def write(self, *events: OrderEvent) -> None:
        """Make events durable, then known."""
        if not events:
            return
        self._ledger.append_events(self._run_id, events)
        async with self._changed:
            self._learn(events)
            self._changed.notify_all()
        for event in events:
            self.on_event(event)

    async def break_off(self, error: Exception) -> None:
        """Let those who wait know that no more will come; the first reason stays."""
        async with self._changed:
            self.broken = self.broken or error
            self._changed.notify_all()

    async def final(self) -> None:
        """Wait until nothing more can happen to any order that left, or the line is broken.

        An unknown order is not waited for: only the next reading of the book can tell.
        """
        while not await self._reached(self._all_over, BOOK_EVERY_S):
            await self.read_book()

    async def answered(self, refs: Iterable[str], timeout_s: float) -> bool:
        """Wait until every one of these orders was answered; False when the time is over.

        A refusal ends the waiting: the book is to be asked whether the order exists all the same.
        """
        waiting = frozenset(refs)

        def done() -> bool:
            return not any(
                life.state is OrderState.SENT and not life.refused
                for life in (self._lives[ref] for ref in waiting)
            )

        await self._reached(lambda: self.broken is not None or done(), timeout_s)
        return done()

    async def ended(self, refs: Iterable[str], timeout_s: float) -> None:
        """Wait until each of these orders is final, or the time is over."""
        waiting = frozenset(refs)

        def done() -> bool:
            return self.broken is not None or all(self._lives[r].state.final for r in waiting)

        await self._reached(done, timeout_s)

    async def next_word(self, timeout_s: float) -> None:
        """Wait until anything is heard, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait()

    async def wake(self) -> None:
        """Let everybody who waits look again."""
        async with self._changed:
            self._changed.notify_all()

    async def unanswered_below(self, most: int, timeout_s: float) -> bool:
        """Wait until fewer than this many orders are without an answer; False when time is over."""

        def done() -> bool:
            sent = (life.state is OrderState.SENT for life in self._lives.values())
            return self.broken is not None or sum(sent) < most

        return await self._reached(done, timeout_s)

    def _all_over(self) -> bool:
        if self.broken is not None:
            return True
        return not self.held and not any(
            life.state not in _NOT_AWAITED and not life.state.final for life in self._lives.values()
        )

    async def _reached(self, done: Callable[[], bool], timeout_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(done)
        return done()


_NOT_AWAITED = frozenset({OrderState.INTENDED, OrderState.UNKNOWN})


async def _no_book() -> None:
    """Read nothing: no desk is open yet."""
