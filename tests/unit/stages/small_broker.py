"""A small broker for tests of sending: it satisfies ``OrderDesk`` and keeps a book of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.orders import BasketOrder, EventKind, Fill, OrderEvent
from afterclose.errors import BrokerError, BrokerUnavailable
from make import NOW, make_broker_order, make_fill, make_sweep


@dataclass
class Book:
    """What the broker knows, beyond any connection: it survives our crashes."""

    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    #: Every placement that reached the broker, also a second one of the same name.
    placed: list[str] = field(default_factory=list)

    def take(self, order: BasketOrder, status: str = "Submitted") -> OrderEvent:
        """Accept an order and return the word about it."""
        self.placed.append(order.order_ref)
        perm_id = 4000 + len(self.placed)
        self.orders[order.order_ref] = make_broker_order(order, status=status, perm_id=perm_id)
        return status_event(order.order_ref, status, perm_id)

    def fill(self, order: BasketOrder, quantity: int) -> OrderEvent:
        """Execute a part of an order and return the word about it."""
        known = self.orders.get(order.order_ref)
        perm_id = known.perm_id if known else 4711
        fill = make_fill(order, quantity, exec_id=f"e{len(self.fills)}.01", perm_id=perm_id)
        self.fills.append(fill)
        if known:
            filled = known.filled + quantity
            status = "Filled" if filled == known.quantity else known.status
            self.orders[order.order_ref] = replace(known, filled=filled, status=status)
        return OrderEvent(order_ref=order.order_ref, at=NOW, kind=EventKind.FILL, fill=fill)

    def read(self, *unknown: str) -> OrderSweep:
        """The whole book; ``unknown`` names parts that did not end in time."""
        over = {"Filled", "Cancelled", "Inactive"}
        return make_sweep(
            open_orders=tuple(o for o in self.orders.values() if o.status not in over),
            completed_orders=tuple(o for o in self.orders.values() if o.status in over),
            fills=tuple(self.fills),
            unknown=unknown,
        )


def status_event(order_ref: str, status: str, perm_id: int = 0) -> OrderEvent:
    return OrderEvent(
        order_ref=order_ref, at=NOW, kind=EventKind.STATUS, status=status, perm_id=perm_id
    )


#: What the broker answers to a placement: events, at once; None breaks the line.
Answer = Callable[[Book, BasketOrder], Sequence[OrderEvent | None]]


def acknowledge(book: Book, order: BasketOrder) -> list[OrderEvent]:
    return [book.take(order)]


def fill_at_once(book: Book, order: BasketOrder) -> list[OrderEvent]:
    return [book.take(order, "Filled"), book.fill(order, order.quantity)]


def refuse(book: Book, order: BasketOrder) -> list[OrderEvent]:
    return [book.take(order, "Inactive")]


def say_nothing(book: Book, order: BasketOrder) -> list[OrderEvent]:
    book.take(order)
    return []


def lose(_book: Book, _order: BasketOrder) -> list[OrderEvent]:
    """The order never arrives."""
    return []


def break_before(_book: Book, _order: BasketOrder) -> list[OrderEvent]:
    """No byte left, and the desk vouches for it."""
    raise BrokerUnavailable("the line broke before the order was written")


def break_after(book: Book, order: BasketOrder) -> list[OrderEvent | None]:
    """The order arrives, and the line breaks before a word comes back."""
    book.take(order)
    return [None]


def break_on_the_way(_book: Book, _order: BasketOrder) -> list[OrderEvent | None]:
    """The bytes left, and the line broke before they arrived."""
    return [None]


#: What becomes of an order that is to be cancelled.
Ending = Callable[[Book, str], Sequence[OrderEvent]]


def ends(book: Book, ref: str) -> list[OrderEvent]:
    """It is cancelled, and that is said."""
    return [_cancelled(book, ref)] if _open(book, ref) else []


def ends_unheard(book: Book, ref: str) -> list[OrderEvent]:
    """It is cancelled, and the word is lost: the book alone tells."""
    if _open(book, ref):
        _cancelled(book, ref)
    return []


def stays(_book: Book, _ref: str) -> list[OrderEvent]:
    """Nothing happens."""
    return []


def cannot_end(_book: Book, _ref: str) -> list[OrderEvent]:
    """The request cannot even be made."""
    raise BrokerError("no working order of this client carries the reference")


def _open(book: Book, ref: str) -> bool:
    known = book.orders.get(ref)
    return known is not None and known.status not in {"Filled", "Cancelled", "Inactive"}


def _cancelled(book: Book, ref: str) -> OrderEvent:
    known = replace(book.orders[ref], status="Cancelled")
    book.orders[ref] = known
    return status_event(ref, "Cancelled", known.perm_id)


@dataclass
class SmallDesk:
    """One connection to the broker. ``answers`` are by order reference, else ``answer``."""

    book: Book = field(default_factory=Book)
    answer: Answer = acknowledge
    answers: dict[str, Answer] = field(default_factory=dict)
    #: Parts of the book that cannot be read, one tuple per sweep; then all can.
    unreadable: list[tuple[str, ...]] = field(default_factory=list)
    queue: asyncio.Queue[OrderEvent | None] = field(default_factory=asyncio.Queue)
    qualified: list[QualifiedContract] = field(default_factory=list)
    #: What becomes of an order that is to be cancelled.
    ending: Ending = ends
    sweeps: int = 0
    broken: bool = False
    #: Set once anything was placed.
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        if self.broken:
            raise BrokerUnavailable("the line is broken; no byte left")
        self.qualified.append(qualified)
        self.reached.set()
        for event in self.answers.get(order.order_ref, self.answer)(self.book, order):
            self.broken = self.broken or event is None
            self.queue.put_nowait(event)

    async def cancel(self, order_ref: str) -> None:
        for event in self.ending(self.book, order_ref):
            self.queue.put_nowait(event)

    async def events(self) -> AsyncIterator[OrderEvent]:
        while (event := await self.queue.get()) is not None:
            yield event
        raise BrokerUnavailable("the line broke")

    async def sweep(self) -> OrderSweep:
        self.sweeps += 1
        return self.book.read(*(self.unreadable.pop(0) if self.unreadable else ()))

    def hang_up(self) -> None:
        """Break the line."""
        self.queue.put_nowait(None)
