"""Orders, their states and their executions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from afterclose.tws_sim.contracts import Instrument


class Action(StrEnum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a purchase, -1 for a sale."""
        return 1 if self is Action.BUY else -1


class Status(StrEnum):
    """What orderStatus says. Filled, Cancelled and Inactive are final, but for a held order."""

    PENDING_CANCEL = "PendingCancel"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in {Status.FILLED, Status.CANCELLED, Status.INACTIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a client asked for; prices in API units."""

    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    tif: str = "DAY"
    account: str = ""
    order_ref: str = ""
    oca_group: str = ""
    open_close: str = ""
    outside_rth: bool = False
    transmit: bool = True
    parent_id: int = 0
    good_after: datetime | None = None
    good_after_text: str = ""
    good_till: datetime | None = None
    good_till_text: str = ""
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    override_percentage: bool = False
    what_if: bool = False
    not_held: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """One order in the book: the only mutable thing here, changed by the exchange alone."""

    perm_id: int
    client_id: int
    order_id: int
    instrument: Instrument
    ticket: Ticket
    placed_at: datetime
    number: int
    status: Status = Status.PRE_SUBMITTED
    filled: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    expires_at: datetime | None = None
    triggered: bool = False
    next_slice: datetime | None = None
    """A partly filled order finds new contracts at the price from this instant on."""
    completed_at: datetime | None = None
    completed_text: str = ""
    held: bool = False
    """Kept by a precaution, inactive: it goes to the market only when a person sends it on."""
    silent: bool = field(default=False)
    """Set by a scenario: the client never hears of this order."""

    @property
    def action(self) -> Action:
        return Action(self.ticket.action)

    @property
    def remaining(self) -> Decimal:
        return self.ticket.quantity - self.filled

    @property
    def is_sent_on(self) -> bool:
        """Whether it went to the market, neither kept back by its client nor held."""
        return self.ticket.transmit and not self.held

    @property
    def is_working(self) -> bool:
        return self.held or not self.status.is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. Commission and realized profit are in the instrument's currency."""

    exec_id: str
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    account: str
    instrument: Instrument
    action: Action
    quantity: Decimal
    price: Decimal
    at: datetime
    cumulative: Decimal
    average_price: Decimal
    commission: Decimal
    realized: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """A snapshot of an order, for tests and for the live view."""

    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    root: str
    contract_month: str
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    tif: str
    status: str
    filled: Decimal
    remaining: Decimal
    average_price: Decimal
    #: As the client stated them; ``algo`` is empty where it asked for none.
    account: str
    algo: str
    good_after: datetime | None
    outside_rth: bool
    #: Kept by a precaution: it goes nowhere until a person sends it on.
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionView:
    """A snapshot of an execution."""

    exec_id: str
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    root: str
    contract_month: str
    action: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A snapshot of a position; ``average_price`` in API price units."""

    root: str
    contract_month: str
    con_id: int
    quantity: Decimal
    average_price: Decimal


def month_of(instrument: Instrument) -> str:
    """Return the contract month, empty for a currency pair."""
    return getattr(instrument, "contract_month", "")


def order_view(order: Order) -> OrderView:
    """Take a snapshot of an order."""
    return OrderView(
        perm_id=order.perm_id,
        client_id=order.client_id,
        order_id=order.order_id,
        order_ref=order.ticket.order_ref,
        root=order.instrument.root,
        contract_month=month_of(order.instrument),
        action=order.ticket.action,
        quantity=order.ticket.quantity,
        order_type=order.ticket.order_type,
        limit_price=order.ticket.limit_price,
        tif=order.ticket.tif,
        status=order.status.value,
        filled=order.filled,
        remaining=order.remaining,
        average_price=order.average_price,
        account=order.ticket.account,
        algo=order.ticket.algo,
        good_after=order.ticket.good_after,
        outside_rth=order.ticket.outside_rth,
        held=order.held,
    )


def execution_view(execution: Execution) -> ExecutionView:
    """Take a snapshot of an execution."""
    return ExecutionView(
        exec_id=execution.exec_id,
        perm_id=execution.perm_id,
        client_id=execution.client_id,
        order_id=execution.order_id,
        order_ref=execution.order_ref,
        root=execution.instrument.root,
        contract_month=month_of(execution.instrument),
        action=execution.action.value,
        quantity=execution.quantity,
        price=execution.price,
        commission=execution.commission,
        at=execution.at,
    )
