"""What the gateway says, sorted: answers to their requests, order traffic to whoever listens.

Only the wire layer of ib_async is used (``Client`` and ``Decoder``: sockets, framing, pacing, field
order). Its ``IB`` and ``Wrapper`` are not: they keep an order state of their own in which a mere
notice (10349) ends a living order, they share one slot among all requests of a kind, and they wait
for ever where an End marker is lost. Here every answer ends with its own End marker, with the
gateway's refusal, or with a deadline that the caller holds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Protocol

from ib_async.contract import Contract, ContractDetails
from ib_async.objects import BarData, CommissionReport, Execution, PriceIncrement
from ib_async.order import Order, OrderState

from afterclose.adapters.ibkr.codes import explain
from afterclose.adapters.ibkr.rows import (
    AccountValue,
    DataTypeNotice,
    ExecutionRow,
    GatewayMessage,
    OpenOrderRow,
    OrderTraffic,
    PositionRow,
    PriceTick,
    StatusRow,
)

#: Id of messages that concern no request and no order.
NO_ID = -1
#: Requests are numbered far above orders, so that a number never means both.
FIRST_REQUEST = 1_000_000_000


class Part(StrEnum):
    """Requests that carry no number: their rows and End markers are matched by turn."""

    SERVER_TIME = "server time"
    POSITIONS = "positions"
    OPEN_ORDERS = "open orders"
    COMPLETED_ORDERS = "completed orders"


class Outcome(StrEnum):
    """How a request ended."""

    #: The End marker was seen, or the asker had enough.
    ENDED = "ended"
    #: The gateway refused; code and text say why.
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    LINE_LOST = "line lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back to one request. Rows of a reply that did not end are not the whole."""

    outcome: Outcome
    rows: tuple[Any, ...] = ()
    code: int | None = None
    text: str = ""
    #: Warnings that arrived under the request's number and did not end it.
    notices: tuple[tuple[int, str], ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the rows are the whole answer."""
        return self.outcome is Outcome.ENDED


@dataclass(slots=True)
class Pending:
    """A request under way. ``enough`` may end it before its End marker."""

    done: asyncio.Future[Reply]
    enough: Callable[[list[Any]], bool] | None = None
    #: Called once, when the gateway shows that it has read the request.
    on_first_word: Callable[[], None] | None = None
    rows: list[Any] = field(default_factory=list)
    notices: list[tuple[int, str]] = field(default_factory=list)

    def add(self, row: object) -> None:
        """Keep one row of the answer."""
        self._heard()
        if self.done.done():
            return
        self.rows.append(row)
        if self.enough is not None and self.enough(self.rows):
            self.finish(Outcome.ENDED)

    def finish(self, outcome: Outcome, *, code: int | None = None, text: str = "") -> None:
        """End the request; a second end is ignored."""
        self._heard()
        if not self.done.done():
            self.done.set_result(self.reply(outcome, code=code, text=text))

    def _heard(self) -> None:
        if self.on_first_word is not None:
            self.on_first_word()
            self.on_first_word = None

    def reply(self, outcome: Outcome, *, code: int | None = None, text: str = "") -> Reply:
        """Freeze what came so far."""
        return Reply(
            outcome=outcome,
            rows=tuple(self.rows),
            code=code,
            text=text,
            notices=tuple(self.notices),
        )


class OrderListener(Protocol):
    """Hears of orders as the gateway speaks of them, each message once and in order."""

    def heard(self, row: OrderTraffic) -> None:
        """Take one message. Must not raise."""

    def read(self, row: ExecutionRow) -> None:
        """Take note of an execution that was asked for. Must not raise."""

    def line_lost(self) -> None:
        """Take note that nothing will come any more."""


class Receiver:
    """The other side of ib_async's decoder; see the module's text for why it is our own."""

    def __init__(self) -> None:
        self.by_id: dict[int, Pending] = {}
        self.by_turn: defaultdict[Part, deque[Pending]] = defaultdict(deque)
        #: Market rules are answered under the rule's own number.
        self.by_rule: dict[int, Pending] = {}
        self.commissions: dict[str, CommissionReport] = {}
        self._listener: OrderListener | None = None
        #: Told the order number of every word on an order.
        self.on_order_word: Callable[[int], None] = _nothing
        self.on_closed: Callable[[], None] = _nothing
        #: Order traffic from before anybody listened.
        self._unheard: deque[OrderTraffic] = deque(maxlen=1000)
        self.next_valid_id = 0
        #: Notices and errors that concern the line, newest last; a connection's own story.
        self.line_messages: deque[tuple[int, str]] = deque(maxlen=100)
        #: Whether TWS says that it has lost IBKR's servers, and how often that changed.
        self.servers_lost = False
        self.server_changes = 0
        #: Messages that could not be read, newest last.
        self.undecoded: deque[str] = deque(maxlen=100)
        self.closed = asyncio.Event()

    def attach(self, listener: OrderListener) -> None:
        """Let somebody hear the order traffic, from the first message of the connection on."""
        self._listener = listener
        while self._unheard:
            listener.heard(self._unheard.popleft())
        if self.closed.is_set():
            listener.line_lost()

    def decoder_calls(self, *, utc: object) -> SimpleNamespace:
        """Return the object that the decoder calls: its method names on our side.

        ``defaultTimezone`` and ``ib.TimezoneTWS`` are what the decoder reads for the time of an
        execution: given in UTC, and taken as this machine's own zone when TWS names none.
        """
        return SimpleNamespace(
            defaultTimezone=utc,
            ib=SimpleNamespace(TimezoneTWS=""),
            connectAck=_nothing,
            connectionClosed=self.line_closed,
            setEventsDone=self.line_closed,
            nextValidId=self._next_valid_id,
            error=self.message,
            currentTime=lambda seconds: self._single(Part.SERVER_TIME, seconds),
            contractDetails=self._row,
            contractDetailsEnd=self._end,
            historicalData=self._row,
            historicalDataEnd=lambda request_id, _start, _end: self._end(request_id),
            historicalDataUpdate=_nothing,
            priceSizeTick=self._price_tick,
            marketDataType=lambda i, kind: self._row(i, DataTypeNotice(data_type=kind)),
            tickSnapshotEnd=self._end,
            accountUpdateMulti=self._account_value,
            accountUpdateMultiEnd=self._end,
            position=self._position,
            positionEnd=lambda: self._turn_end(Part.POSITIONS),
            openOrder=self._open_order,
            openOrderEnd=lambda: self._turn_end(Part.OPEN_ORDERS),
            orderStatus=self._order_status,
            completedOrder=self._completed_order,
            completedOrdersEnd=lambda: self._turn_end(Part.COMPLETED_ORDERS),
            execDetails=self._execution,
            execDetailsEnd=self._end,
            commissionReport=self._commission,
            marketRule=self._rule,
        )

    # Requests with a number

    def _row(self, request_id: int, row: ContractDetails | BarData | object) -> None:
        pending = self.by_id.get(request_id)
        if pending is not None:
            pending.add(row)

    def _end(self, request_id: int) -> None:
        pending = self.by_id.get(request_id)
        if pending is not None:
            pending.finish(Outcome.ENDED)

    def _price_tick(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        self._row(request_id, PriceTick(tick_type=tick_type, price=price, size=size))

    def _account_value(
        self, request_id: int, account: str, model: str, key: str, value: str, currency: str
    ) -> None:
        del account, model  # the request names one account and no model
        self._row(request_id, AccountValue(key=key, value=value, currency=currency))

    def _rule(self, rule: int, increments: list[PriceIncrement]) -> None:
        pending = self.by_rule.get(rule)
        if pending is not None:
            for increment in increments:
                pending.add(increment)
            pending.finish(Outcome.ENDED)

    # Requests without a number: the oldest one owns what arrives, even after its asker gave up,
    # so that a late End marker never ends the next request of the same kind half-way.

    def _turn_row(self, part: Part, row: object) -> None:
        if self.by_turn[part]:
            self.by_turn[part][0].add(row)

    def _turn_end(self, part: Part) -> None:
        if self.by_turn[part]:
            self.by_turn[part].popleft().finish(Outcome.ENDED)

    def _single(self, part: Part, row: object) -> None:
        self._turn_row(part, row)
        self._turn_end(part)

    def _position(
        self, account: str, contract: Contract, quantity: float, average_cost: float
    ) -> None:
        row = PositionRow(
            account=account, contract=contract, quantity=quantity, average_cost=average_cost
        )
        self._turn_row(Part.POSITIONS, row)

    # Orders

    def _open_order(self, _id: int, contract: Contract, order: Order, state: OrderState) -> None:
        row = OpenOrderRow(order=order, contract=contract, state=state)
        if order.whatIf:  # an answer, and no order
            self._row(order.orderId, row)
            return
        self._turn_row(Part.OPEN_ORDERS, row)
        self.on_order_word(order.orderId)
        self._tell(row)

    def _order_status(
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        *rest: Any,
    ) -> None:
        _average, perm_id, _parent, _last, client_id, why_held, capped_price = rest
        row = StatusRow(
            order_id=order_id,
            status=status,
            filled=filled,
            remaining=remaining,
            perm_id=perm_id,
            client_id=client_id,
            why_held=why_held,
            capped_price=capped_price,
        )
        self._turn_row(Part.OPEN_ORDERS, row)
        self.on_order_word(order_id)
        self._tell(row)

    def _completed_order(self, contract: Contract, order: Order, state: OrderState) -> None:
        row = OpenOrderRow(order=order, contract=contract, state=state)
        self._turn_row(Part.COMPLETED_ORDERS, row)

    def _execution(self, request_id: int, contract: Contract, execution: Execution) -> None:
        row = ExecutionRow(contract=contract, execution=execution)
        if request_id not in self.by_id:
            self._tell(row)
            return
        self._row(request_id, row)
        if self._listener is not None:
            self._listener.read(row)

    def _commission(self, report: CommissionReport) -> None:
        self.commissions[report.execId] = report
        self._tell(report)

    def _tell(self, row: OrderTraffic) -> None:
        if self._listener is not None:
            self._listener.heard(row)
        else:
            self._unheard.append(row)

    # The line

    def _next_valid_id(self, order_id: int) -> None:
        self.next_valid_id = max(self.next_valid_id, order_id)

    def message(self, about: int, code: int, text: str, _reject_json: str = "") -> None:
        """Sort an error, warning or notice to the request, the order or the line it concerns."""
        meaning = explain(code, text)
        pending = self.by_id.get(about)
        if pending is not None:
            if meaning.warning:
                pending.notices.append((code, text))
            else:
                pending.finish(Outcome.REFUSED, code=code, text=text)
            return
        if about >= FIRST_REQUEST:
            return  # a late word on a request that nobody waits for any more
        if about == NO_ID:
            self.line_messages.append((code, text))
            self._note_servers(code)
            if "read-only" in text.lower():
                self._refuse_order_parts(code, text)
        self.on_order_word(about)
        self._tell(GatewayMessage(about=about, code=code, text=text))

    def _note_servers(self, code: int) -> None:
        if code in _SERVERS_LOST or code in _SERVERS_BACK:
            self.servers_lost = code in _SERVERS_LOST
            self.server_changes += 1

    def _refuse_order_parts(self, code: int, text: str) -> None:
        """With a read-only API the order book is refused in one message without a number."""
        for part in (Part.OPEN_ORDERS, Part.COMPLETED_ORDERS):
            while self.by_turn[part]:
                self.by_turn[part].popleft().finish(Outcome.REFUSED, code=code, text=text)

    def unreadable(self, fields: list[str], error: Exception) -> None:
        """Note a message that could not be decoded: what it belonged to can no longer be whole."""
        self.undecoded.append(f"{error!r}: {fields}")
        kind = fields[0] if fields else ""
        text = f"message {kind} of the gateway could not be read"
        part = _PART_OF.get(kind)
        if part is not None and self.by_turn[part]:
            self.by_turn[part][0].finish(Outcome.REFUSED, text=text)
        pending = self.by_id.get(_request_of(fields))
        if pending is not None:
            pending.finish(Outcome.REFUSED, text=text)
        elif kind in _ORDER_MESSAGES:
            self._tell(GatewayMessage(about=NO_ID, code=None, text=text))

    def line_closed(self) -> None:
        """End everything that is still open: nothing will come any more."""
        if self.closed.is_set():
            return
        self.closed.set()
        self.on_closed()
        numbered = (*self.by_id.values(), *self.by_rule.values())
        waiting = [*numbered, *(p for turn in self.by_turn.values() for p in turn)]
        for pending in waiting:
            pending.finish(Outcome.LINE_LOST, text="the line to the gateway was lost")
        self.by_turn.clear()
        if self._listener is not None:
            self._listener.line_lost()


_SERVERS_LOST = frozenset({1100, 2110})
_SERVERS_BACK = frozenset({1101, 1102})
#: IB's message numbers whose rows belong to a request without a number.
_PART_OF = {"5": Part.OPEN_ORDERS, "61": Part.POSITIONS, "101": Part.COMPLETED_ORDERS}
#: … that name their request, and in which field.
_REQUEST_FIELD = {"5": 1, "10": 1, "11": 1, "17": 1, "1": 2, "73": 2}
#: … that speak of orders: status, open order, execution, commission.
_ORDER_MESSAGES = frozenset({"3", "5", "11", "59"})


def _request_of(fields: list[str]) -> int:
    place = _REQUEST_FIELD.get(fields[0]) if fields else None
    if place is None or place >= len(fields) or not fields[place].isdigit():
        return NO_ID
    return int(fields[place])


def _nothing(*_: object) -> None:
    """Ignore a message that nobody here asks for."""
