"""An order as the gateway wants it, complete: nothing is left to TWS's presets. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from ib_async.contract import TagValue
from ib_async.order import Order

from afterclose.adapters.ibkr.convert import wire_price
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import OrderType
from afterclose.errors import ContractError

_ALGORITHMS = {
    OrderType.ADAPTIVE: ("Adaptive", (("adaptivePriority", "Normal"),)),
    OrderType.VWAP: ("Vwap", ()),
}


def ib_order(order: BasketOrder, qualified: QualifiedContract, *, now: datetime) -> Order:
    """Write an order for the wire.

    LMT, MKT and MOC are IB's own types; ADAPTIVE and VWAP are IB's algorithms around the limit.
    MOC and algorithms go only where the contract's details list them. A start that has passed by
    ``now`` is left out: the order begins at once, as it was meant to.

    Raises ContractError for an order type that the contract does not take, and for a limit that
    a float cannot carry to the wire exactly.
    """
    kind = _kind(order)
    _check_taken(kind, order, qualified)
    written = Order(
        action=order.action.value,
        totalQuantity=order.quantity,
        orderType=OrderType.LMT.value if kind in _ALGORITHMS else kind.value,
        tif=order.tif,
        account=order.account,
        orderRef=order.order_ref,
        outsideRth=order.outside_rth and kind is not OrderType.MOC,
        transmit=True,
        eTradeOnly=False,
        firmQuoteOnly=False,
    )
    if order.good_after is not None and order.good_after > now:
        written.goodAfterTime = _utc(order.good_after)
    if order.good_till is not None:
        written.goodTillDate = _utc(order.good_till)
    if not kind.at_market:
        written.lmtPrice = wire_price(order.limit_price)
    if kind in _ALGORITHMS:
        name, parameters = _ALGORITHMS[kind]
        written.algoStrategy = name
        written.algoParams = [TagValue(tag, value) for tag, value in parameters]
    return written


def _kind(order: BasketOrder) -> OrderType:
    try:
        return OrderType(order.order_type.upper())
    except ValueError:
        raise ContractError(
            f"{order.order_ref}: order type {order.order_type!r} is not supported"
        ) from None


def _check_taken(kind: OrderType, order: BasketOrder, qualified: QualifiedContract) -> None:
    needed = kind.named_by_contract
    if needed and needed not in qualified.order_types:
        raise ContractError(
            f"{order.order_ref}: {qualified.local_symbol} does not take {kind.value} orders",
            hint="choose LMT or MKT for this root",
        )


def _utc(moment: datetime) -> str:
    """Write a moment as TWS reads it without a doubt about zones: a dash means UTC (code 10314)."""
    return f"{moment.astimezone(UTC):%Y%m%d-%H:%M:%S}"
