"""Cancelling: ask for the end of this desk's own working orders, and prove that they ended.

A request is no result: only a whole reading of the broker's book that no longer shows an order as
open proves it gone. Orders of other programs, and those placed by hand, are never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from afterclose.domain.book_events import sweep_events
from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, OrderEvent
from afterclose.errors import BrokerError, BrokerTimeout
from afterclose.ports import Ledger, OrderDesk

#: How long to wait for a word before the book is read again.
_BOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling:
    """What came of it: orders that were asked to end, and those that are still open."""

    asked: tuple[str, ...]
    still_open: tuple[BrokerOrder, ...]
    #: order_ref → why it could not even be asked for.
    refused: dict[str, str]
    #: Contract numbers in which an order of ours filled, and nobody knew before.
    filled: frozenset[int] = frozenset()

    @property
    def proven(self) -> bool:
        """Whether none of ours is open any more, by a whole reading of the book."""
        return not self.still_open


async def run(
    desk: OrderDesk,
    ledger: Ledger,
    *,
    run_id: str,
    con_ids: Collection[int] | None = None,
    within_s: float = 30.0,
    on_event: Callable[[OrderEvent], None] = lambda _event: None,
) -> Cancelling:
    """Cancel every working order that this desk named, on these contracts or on all.

    Raises BrokerTimeout when the book cannot be read whole: then nothing was cancelled.
    """
    work = _Work(desk, ledger, run_id, con_ids, on_event)
    working = await work.ours_open()
    asked = tuple(dict.fromkeys(order.order_ref for order in working))
    refused: dict[str, str] = {}
    listener = asyncio.create_task(work.listen())
    try:
        for ref in asked:
            try:
                await desk.cancel(ref)
            except BrokerError as error:
                refused[ref] = str(error)
        still_open = await work.until_gone(within_s) if asked else ()
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
    return Cancelling(
        asked=asked,
        still_open=tuple(still_open),
        refused=refused,
        filled=frozenset(work.filled),
    )


class _Work:
    """The book, the journal, and the words that come meanwhile."""

    def __init__(
        self,
        desk: OrderDesk,
        ledger: Ledger,
        run_id: str,
        con_ids: Collection[int] | None,
        on_event: Callable[[OrderEvent], None],
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._run_id = run_id
        self._con_ids = con_ids
        self._on_event = on_event
        self._heard = asyncio.Event()
        self.filled: set[int] = set()

    async def ours_open(self) -> Sequence[BrokerOrder]:
        """Read the book, write down what it says of our orders, and return those still open."""
        book = await self._desk.sweep()
        if book.unknown:
            raise BrokerTimeout(
                book.gap,
                hint="what is working is not known; look in TWS, then try again",
            )
        refs = {order.order_ref for order in (*book.open_orders, *book.completed_orders)}
        refs |= {fill.order_ref for fill in book.fills}
        ours = self._ledger.named(refs - {""})
        self._write_down(book, list(ours.values()))
        return [
            order
            for order in book.open_orders
            if order.order_ref in ours and (self._con_ids is None or order.con_id in self._con_ids)
        ]

    def _write_down(self, book: OrderSweep, ours: Sequence[BasketOrder]) -> None:
        for session in {order.session for order in ours}:
            known = lives(self._ledger.orders(session), self._ledger.events(session))
            told = sweep_events(known, book)
            self._note_fills(known, told)
            self._ledger.append_events(self._run_id, told)

    def _note_fills(self, known: Mapping[str, OrderLife], told: Iterable[OrderEvent]) -> None:
        before = {fill.exec_id for life in known.values() for fill in life.fills}
        fills = [event.fill for event in told if event.fill is not None]
        self.filled |= {fill.con_id for fill in fills if fill.exec_id not in before}

    async def until_gone(self, within_s: float) -> Sequence[BrokerOrder]:
        """Read the book until none is open, or the time is over; return what still is."""
        still_open = await self.ours_open()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while still_open:
                    self._heard.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_BOOK_EVERY_S):
                            await self._heard.wait()
                    still_open = await self.ours_open()
        return still_open

    async def listen(self) -> None:
        """Write down what the gateway says of our orders meanwhile."""
        with suppress(BrokerError):
            async for event in self._desk.events():
                named = self._ledger.named([event.order_ref]) if event.order_ref else {}
                if named:
                    if event.fill is not None:
                        before = self._ledger.events(named[event.order_ref].session)
                        self._note_fills(lives(named.values(), before), [event])
                    self._ledger.append_events(self._run_id, [event])
                    self._on_event(event)
                self._heard.set()
