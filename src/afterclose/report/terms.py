"""How an order goes, in words: its limit or the market, its type, when it may begin to trade."""

from __future__ import annotations

from collections.abc import Iterable

from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import LoneLeg, at_market
from afterclose.report.words import price

MARKET = "market"


def limit(order: BasketOrder) -> str:
    """Return the limit in the digits of its tick; an order at the market has none."""
    return MARKET if at_market(order.order_type) else price(order.limit_price, order.mapped.spec)


def limit_in_currency(order: BasketOrder) -> str:
    """Return the limit with its currency."""
    said = limit(order)
    return said if said == MARKET else f"{said} {order.mapped.spec.currency}"


def terms(order: BasketOrder) -> str:
    """Return type, time in force, start, and what may be done to it once it is out.

    A roll's lone leg that is only told about is nothing that is done to an order.
    """
    leg = order.leg_limit
    acted = order.repricing is not None or (leg is not None and leg.then is not LoneLeg.TELL)
    worked = f"; {order.worked_text}" if acted else ""
    return f"{order.order_type} {order.tif}, {order.start_text}{worked}"


def shared_terms(orders: Iterable[BasketOrder]) -> str:
    """Return the terms that all of these orders share; empty where they differ, or are none."""
    different = {terms(order) for order in orders}
    return different.pop() if len(different) == 1 else ""
