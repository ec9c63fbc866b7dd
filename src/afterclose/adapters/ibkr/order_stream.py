"""Order traffic as domain events, in the order it came, one stream per desk.

What this relies on, each point held by a test against the gateway: order numbers are ours to
choose; ``openOrder`` carries our reference and the permanent number, ``orderStatus`` only numbers;
errors name the order number; executions carry our reference; a commission names only its
execution. No state is derived here: an error is a message, never an end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ib_async.objects import CommissionReport

from afterclose.adapters.ibkr.code_entry import CodeKind
from afterclose.adapters.ibkr.codes import explain
from afterclose.adapters.ibkr.convert import fill, quantity_or_none, with_commission
from afterclose.adapters.ibkr.receiver import NO_ID
from afterclose.adapters.ibkr.rows import (
    ExecutionRow,
    GatewayMessage,
    OpenOrderRow,
    OrderTraffic,
    StatusRow,
)
from afterclose.domain.orders import EventKind, Fill, OrderEvent
from afterclose.errors import BrokerUnavailable
from afterclose.ports import Clock


class OrderStream:
    """Turns what the gateway says of this client's orders into events.

    An event without a reference concerns the line (1100, 1101, 1102, …) or an order of this client
    that cannot be named; either way the broker's book should be read again.
    """

    def __init__(
        self, *, client_id: int, clock: Clock, lost: Callable[[], BrokerUnavailable]
    ) -> None:
        self._client_id = client_id
        self._clock = clock
        self._lost_error = lost
        self._events: deque[OrderEvent] = deque()
        self._changed = asyncio.Event()
        self._lost = False
        self._closed = False
        self._refs_by_number: dict[int, str] = {}
        self._refs_by_perm_id: dict[int, str] = {}
        self._fills: dict[str, Fill] = {}
        self._early_commissions: dict[str, CommissionReport] = {}
        self._nameless: dict[int, list[StatusRow]] = {}
        #: Highest order number of this client that was seen or used.
        self.highest_number = 0
        self._readings = 0

    def placed(self, number: int, order_ref: str) -> None:
        """Remember which reference an order number stands for, before it is sent."""
        self.highest_number = max(self.highest_number, number)
        self._refs_by_number[number] = order_ref

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the book is read, the commissions of executions in it are no news."""
        self._readings += 1
        try:
            yield
        finally:
            self._readings -= 1

    def numbers_of(self, order_ref: str) -> tuple[int, ...]:
        """Return this client's order numbers that carry a reference."""
        return tuple(n for n, ref in self._refs_by_number.items() if ref == order_ref)

    def close(self) -> None:
        """End the stream: the desk is closed on purpose."""
        self._closed = True
        self._changed.set()

    async def events(self) -> AsyncIterator[OrderEvent]:
        """Yield each event once. Raises BrokerUnavailable after the last one of a lost line."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            if self._lost:
                raise self._lost_error()
            self._changed.clear()
            await self._changed.wait()

    # What the receiver tells

    def line_lost(self) -> None:
        """Take note that nothing will come any more."""
        self._lost = True
        self._changed.set()

    def read(self, row: ExecutionRow) -> None:
        """Learn from an execution that was asked for: who and what it is, but it is no news."""
        if row.execution.clientId != self._client_id:
            return
        self._learn(row.execution.orderId, row.execution.permId, row.execution.orderRef)
        found = self._fill(row)
        if found is not None:
            self._fills.setdefault(found.exec_id, found)

    def heard(self, row: OrderTraffic) -> None:
        """Take one message of the gateway."""
        match row:
            case OpenOrderRow():
                self._open_order(row)
            case StatusRow():
                self._status(row)
            case ExecutionRow():
                self._execution(row)
            case CommissionReport():
                self._commission(row)
            case GatewayMessage():
                self._message(row)

    def _open_order(self, row: OpenOrderRow) -> None:
        order = row.order
        if order.clientId != self._client_id or order.whatIf:
            return
        ref = self._learn(order.orderId, order.permId, order.orderRef)
        if not ref:
            return
        self._emit(
            ref,
            EventKind.STATUS,
            status=row.state.status,
            perm_id=order.permId,
            text=row.state.warningText,
        )
        for earlier in self._nameless.pop(order.orderId, ()):
            self._status(earlier)

    def _status(self, row: StatusRow) -> None:
        if row.client_id != self._client_id:
            return
        ref = self._refs_by_perm_id.get(row.perm_id) or self._learn(row.order_id, row.perm_id, "")
        if not ref:
            self._nameless.setdefault(row.order_id, []).append(row)
            return
        capped = f"the limit is capped at {row.capped_price}" if row.capped_price else ""
        self._emit(
            ref,
            EventKind.STATUS,
            status=row.status,
            perm_id=row.perm_id,
            filled=quantity_or_none(row.filled),
            remaining=quantity_or_none(row.remaining),
            text=row.why_held or capped,
        )

    def _execution(self, row: ExecutionRow) -> None:
        done = row.execution
        if done.clientId != self._client_id:
            return
        ref = self._learn(done.orderId, done.permId, done.orderRef)
        if not ref:
            return
        found = self._fill(row)
        if found is None:
            text = f"execution {done.execId} cannot be read"
            self._emit(ref, EventKind.MESSAGE, perm_id=done.permId, text=text)
            return
        self._fills[found.exec_id] = found
        self._emit(ref, EventKind.FILL, perm_id=found.perm_id, fill=found)
        early = self._early_commissions.pop(found.exec_id, None)
        if early is not None:
            self._commission(early)

    def _fill(self, row: ExecutionRow) -> Fill | None:
        try:
            found = fill(row, None)
        except ValueError:
            return None
        return replace(found, order_ref=self._refs_by_perm_id.get(found.perm_id, found.order_ref))

    def _commission(self, report: CommissionReport) -> None:
        found = self._fills.get(report.execId)
        if found is None:
            self._early_commissions[report.execId] = report
            return
        paid = with_commission(found, report)
        self._fills[report.execId] = paid
        if paid != found and not self._readings:
            self._emit(paid.order_ref, EventKind.COMMISSION, perm_id=paid.perm_id, fill=paid)

    def _message(self, row: GatewayMessage) -> None:
        ref = self._refs_by_number.get(row.about, "")
        if ref:
            self._emit(ref, EventKind.MESSAGE, code=row.code, text=row.text)
        elif row.about != NO_ID:
            text = f"order number {row.about}: {row.text}"
            self._emit("", EventKind.MESSAGE, code=row.code, text=text)
        elif row.code is None or explain(row.code, row.text).kind is not CodeKind.NOTICE:
            self._emit("", EventKind.MESSAGE, code=row.code, text=row.text)

    def _learn(self, number: int, perm_id: int, ref: str) -> str:
        """Remember the names of one of this client's orders; return its reference if known."""
        # A number of zero or below, or unset, belongs to an order that was placed by hand.
        if 0 < number < _UNSET_NUMBER:
            self.highest_number = max(self.highest_number, number)
            ref = ref or self._refs_by_number.get(number, "")
            if ref:
                self._refs_by_number[number] = ref
        if perm_id and ref:
            self._refs_by_perm_id[perm_id] = ref
        return ref

    def _emit(self, order_ref: str, kind: EventKind, **what: object) -> None:
        self._events.append(
            OrderEvent(order_ref=order_ref, at=self._clock.now(), kind=kind, **what)  # type: ignore[arg-type]  # fields of OrderEvent, named by the callers above
        )
        self._changed.set()


_UNSET_NUMBER = 2**31 - 1
