"""A process of ours that dies at one write, to the journal or to the wire."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.netting import Netting, Transfer
from afterclose.domain.order_life import NOT_SENT
from afterclose.domain.orders import Approval, BasketOrder, EventKind, OrderEvent
from afterclose.ports import OrderDesk

#: Status words of the gateway's book after which nothing more can happen to an order.
OVER = frozenset({"Filled", "Cancelled", "Inactive"})


class CrashError(Exception):
    """The process died here."""


@dataclass(slots=True)
class Fuse:
    """Burns at the n-th write, to the journal or to the wire; afterwards nothing is written."""

    at: int
    #: Whether the n-th write itself still happened.
    after: bool = False
    seen: int = 0
    #: The orders on whose intent, bytes, or word that these never left it burnt, or between the two
    #: while another was written: of them nobody can say whether they left.
    victims: frozenset[str] = frozenset()
    #: Those whose intent is written and whose bytes have not left.
    between: set[str] = field(default_factory=set)

    def burnt(self) -> bool:
        return 0 < self.at <= self.seen

    @contextlib.contextmanager
    def write(self, *leaving: str) -> Iterator[None]:
        """Write once; ``leaving`` names the orders that it takes out of doubt or into it."""
        if self.burnt():
            raise CrashError
        self.seen += 1
        if self.burnt():
            self.victims = frozenset(leaving) | frozenset(self.between)
        if self.burnt() and not self.after:
            raise CrashError
        yield
        if self.burnt():
            raise CrashError


class MortalLedger(SqlLedger):
    """The ledger of a process that dies."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        intents = {e.order_ref for e in events if e.kind is EventKind.INTENT}
        stayed = {e.order_ref for e in events if e.status == NOT_SENT}
        with self._fuse.write(*intents, *stayed):
            super().append_events(run_id, events)
            self._fuse.between |= intents
            self._fuse.between -= stayed

    def record_approval(self, approval: Approval) -> None:
        with self._fuse.write():
            super().record_approval(approval)

    def record_orders(
        self,
        run_id: str,
        orders: Sequence[BasketOrder],
        *,
        parts: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        with self._fuse.write():
            super().record_orders(run_id, orders, parts=parts)

    def record_netting(self, run_id: str, netting: Netting) -> None:
        if not netting.rows:
            return
        with self._fuse.write():
            super().record_netting(run_id, netting)

    def record_transfers(self, run_id: str, transfers: Sequence[Transfer], *, at: datetime) -> None:
        with self._fuse.write():
            super().record_transfers(run_id, transfers, at=at)


@dataclass(slots=True)
class MortalDesk:
    """The order desk of a process that dies.

    ``book`` reads the gateway's own book, beside the wire: when a further attempt goes, the one
    before it must be over there, and what it filled be left out of the quantity.
    """

    desk: OrderDesk
    fuse: Fuse
    book: Callable[[], Sequence[tws_sim.OrderView]] | None = None
    wrong: list[str] = field(default_factory=list)

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        if order.replaces and self.book is not None:
            self.wrong += await asyncio.to_thread(_too_early, order, self.book)
        with self.fuse.write(order.order_ref):
            await self.desk.place(order, qualified)
            self.fuse.between.discard(order.order_ref)

    async def cancel(self, order_ref: str) -> None:
        with self.fuse.write():
            await self.desk.cancel(order_ref)

    def events(self) -> AsyncIterator[OrderEvent]:
        return self.desk.events()

    async def sweep(self) -> OrderSweep:
        return await self.desk.sweep()


def _too_early(
    order: BasketOrder, book: Callable[[], Sequence[tws_sim.OrderView]]
) -> Sequence[str]:
    before = [view for view in book() if view.order_ref == order.replaces]
    if not before:
        return [f"{order.order_ref} goes on with {order.replaces}, which the book does not have"]
    return [
        f"{order.order_ref} goes while {order.replaces} is {view.status} in the book"
        for view in before
        if view.status not in OVER
    ]
