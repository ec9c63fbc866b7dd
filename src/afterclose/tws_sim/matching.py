"""When an order trades, and at what price: pure decisions from an order and a quote."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from afterclose.tws_sim.orders import Action, Order
from afterclose.tws_sim.prices import Quote

MARKET_TYPES = frozenset({"MKT", "MTL"})
LIMIT_TYPES = frozenset({"LMT", "LMT + MKT", "REL"})
STOP_TYPES = frozenset({"STP", "STP LMT"})
TOUCH_TYPES = frozenset({"MIT", "LIT"})
CLOSING_TYPES = frozenset({"MOC", "LOC"})
LIMITED_TYPES = frozenset({"LMT", "STP LMT", "LIT", "LOC", "REL"})
SUPPORTED_TYPES = MARKET_TYPES | LIMIT_TYPES | STOP_TYPES | TOUCH_TYPES | CLOSING_TYPES
SUPPORTED_ALGOS = frozenset({"Adaptive", "Vwap", "Twap", "ArrivalPx"})

Wanted = Callable[[Quote], bool]


def takes(order: Order, quote: Quote) -> bool:
    """Say whether an order, triggered where it must be, would trade at a quote."""
    limit = order.ticket.limit_price
    if order.ticket.order_type not in LIMITED_TYPES or limit is None:
        return True
    if order.action is Action.BUY:
        return quote.ask <= limit
    return quote.bid >= limit


def triggers(order: Order, quote: Quote) -> bool:
    """Say whether a quote reaches the stop (or touch) price of an order."""
    trigger = order.ticket.aux_price
    if trigger is None:
        return False
    upward = order.action is Action.BUY
    if order.ticket.order_type in TOUCH_TYPES:
        upward = not upward
    return quote.last >= trigger if upward else quote.last <= trigger


def needs_trigger(order: Order) -> bool:
    """Say whether an order still waits for its stop or touch price."""
    return order.ticket.order_type in STOP_TYPES | TOUCH_TYPES and not order.triggered


def wanted(order: Order) -> Wanted:
    """Return the condition on a quote under which something happens to an order."""
    if needs_trigger(order):
        return lambda quote: triggers(order, quote)
    return lambda quote: takes(order, quote)


def price_and_size(order: Order, quote: Quote) -> tuple[Decimal, Decimal]:
    """Return the price an order trades at and how much it finds there."""
    if order.ticket.order_type in CLOSING_TYPES:
        return quote.last, order.remaining
    if order.action is Action.BUY:
        return quote.ask, min(order.remaining, Decimal(quote.ask_size))
    return quote.bid, min(order.remaining, Decimal(quote.bid_size))


def through_market_percent(action: Action, limit: Decimal, quote: Quote) -> Decimal:
    """Return by how much a limit is more generous than the market, in percent; passive is < 0."""
    if not quote.last:
        return Decimal(0)
    return action.sign * (limit - quote.last) / abs(quote.last) * 100
