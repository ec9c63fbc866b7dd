"""Whose turn it is: what goes at all, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterclose.domain.legs import attempts_at
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, OrderState, TradeKind

#: The broker has it.
TAKEN = frozenset(
    {
        OrderState.ACKNOWLEDGED,
        OrderState.WORKING,
        OrderState.PARTLY_FILLED,
        OrderState.FILLED,
    }
)
_SENDING_ORDER = {
    TradeKind.AUTO_CLOSE: 0,
    TradeKind.EXIT: 1,
    TradeKind.REDUCE: 2,
    TradeKind.ROLL_CLOSE: 3,
    TradeKind.ROLL_OPEN: 3,
    TradeKind.REVERSAL: 4,
    TradeKind.ADD: 5,
    TradeKind.ENTRY: 6,
}


def in_sending_order(orders: Sequence[BasketOrder]) -> tuple[BasketOrder, ...]:
    """Exits first, then rolls leg by leg (close before open), then what opens."""

    def key(order: BasketOrder) -> tuple[int, str, str, bool, str]:
        rank = _SENDING_ORDER[order.kind]
        opens = order.kind is TradeKind.ROLL_OPEN
        return rank, order.model, order.contract.root, opens, order.order_ref

    return tuple(sorted(orders, key=key))


def to_send(known: Mapping[str, OrderLife], orders: Sequence[BasketOrder]) -> Sequence[BasketOrder]:
    """Return the orders of which nothing at all left this machine, in sending order."""
    return [o for o in in_sending_order(orders) if known[o.order_ref].state is OrderState.INTENDED]


def closing_leg(known: Mapping[str, OrderLife], order: BasketOrder) -> OrderLife | None:
    """Return the last attempt at the leg that must be taken before this order; None for others.

    A roll opens the new month only when the broker has taken the order that closes the old one:
    otherwise the desk could hold both months.
    """
    if order.kind is not TradeKind.ROLL_OPEN:
        return None
    attempts = attempts_at(known, order.roll_pair)
    return attempts[-1] if attempts else None


def lonely(closing: OrderLife | None) -> str:
    """Say why an opening leg must wait for its closing one; empty when it need not."""
    if closing is None or closing.state in TAKEN:
        return ""
    return f"the leg that closes, {closing.order.order_ref}, is {closing.state.value}"
