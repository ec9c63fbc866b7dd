"""Whose turn it is: what goes at all, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, OrderState, TradeKind
from afterclose.domain.sending import DESK_MODEL
from afterclose.errors import ApprovalVoid
from afterclose.ports import Ledger

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


def refuse_overtaken(ledger: Ledger, waiting: Sequence[BasketOrder]) -> None:
    """Two baskets of one evening must not both go: each was made from what the desk then held.

    Raises ApprovalVoid.
    """
    if not waiting:
        return
    session = waiting[0].session
    known = lives(ledger.orders(session), ledger.events(session)).values()
    abroad = [
        life.order
        for life in known
        if not life.state.final and life.state is not OrderState.INTENDED
    ]
    books = {model: ledger.held(model) for model in {o.model for o in waiting} - {DESK_MODEL}}
    for order in waiting:
        rivals = [other.order_ref for other in abroad if _rivals(order, other)]
        held = books.get(order.model, {}).get(order.contract, 0)
        overtaken = order.model != DESK_MODEL and held != order.held_before
        if rivals or overtaken:
            why = f"{rivals[0]} is not final" if rivals else f"it now holds {held:+d}"
            raise ApprovalVoid(
                f"{order.order_ref} was made when the desk held {order.held_before:+d} of "
                f"{order.contract}; {why}",
                hint="nothing was sent; prepare the evening again and approve what it shows now",
            )


def _rivals(order: BasketOrder, other: BasketOrder) -> bool:
    """Whether both trade one position: an order of the whole desk trades that of every model."""
    return (
        order.order_ref != other.order_ref
        and order.contract == other.contract
        and (order.model == other.model or DESK_MODEL in {order.model, other.model})
    )
