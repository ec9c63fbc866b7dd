"""Rows of the gateway's answers that ib_async has no type of its own for."""

from __future__ import annotations

from dataclasses import dataclass

from ib_async.contract import Contract
from ib_async.objects import CommissionReport, Execution
from ib_async.order import Order, OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTick:
    """One price of a quote. ``tick_type`` is IB's number: 1 bid, 2 ask, 4 last, 9 close."""

    tick_type: int
    price: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTypeNotice:
    """Which kind of market data follows: 1 live, 2 frozen, 3 delayed, 4 delayed-frozen."""

    data_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValue:
    """One figure of the account, as text."""

    key: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """One position, of any account of the login."""

    account: str
    contract: Contract
    quantity: float
    average_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderRow:
    """An order as the gateway describes it."""

    order: Order
    contract: Contract
    state: OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """An order's status and quantities, cumulative."""

    order_id: int
    status: str
    filled: float
    remaining: float
    perm_id: int
    client_id: int
    why_held: str
    capped_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One execution and the contract it is in."""

    contract: Contract
    execution: Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayMessage:
    """An error, warning or notice. ``about`` is an order number, or −1 for the line itself.

    Without a code it is a word of our own: a message about orders that could not be read.
    """

    about: int
    code: int | None
    text: str


OrderTraffic = OpenOrderRow | StatusRow | ExecutionRow | CommissionReport | GatewayMessage
