"""What one look at the broker's book says of our orders, as events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.order_life import HELD, HELD_NO_MORE, INACTIVE, OrderLife
from afterclose.domain.orders import EventKind, Fill, OrderEvent, OrderState, final_fills

_HELD_MEANS = (
    "inactive, but among the open orders: TWS may still send it on, and it is not sent again. "
    "Cancel it in TWS or with 'afterclose halt'"
)


def sweep_events(known: Mapping[str, OrderLife], sweep: OrderSweep) -> tuple[OrderEvent, ...]:
    """Turn a sweep into events for our orders, leaving out what is known already.

    An order that was sent, and that no part of a *complete* sweep shows, gets an ABSENT event.
    Orders of other references are not ours and get none.
    """
    found: list[OrderEvent] = []
    shown: set[str] = set()
    for part, said in (  # the end of an order last
        (sweep.open_orders, _of_an_open_one),
        (sweep.completed_orders, _of_a_completed_one),
    ):
        for order in part:
            ref = _our_ref(known, order.order_ref, order.perm_id)
            if ref is not None:
                shown.add(ref)
                found.append(said(known[ref], _status_event(sweep, ref, order)))
    for fill in final_fills(sweep.fills):
        ref = _our_ref(known, fill.order_ref, fill.perm_id)
        if ref is not None:
            shown.add(ref)
            if fill not in known[ref].fills:
                found.append(_fill_event(ref, fill))
    if not sweep.unknown:
        found.extend(_absent(known, shown, sweep))
        found.extend(_fills_gone(known, sweep))
    return tuple(found)


def _our_ref(known: Mapping[str, OrderLife], ref: str, perm_id: int) -> str | None:
    if ref in known:
        return ref
    if not perm_id:
        return None
    return next((r for r, life in known.items() if life.perm_id == perm_id), None)


def _status_event(sweep: OrderSweep, ref: str, order: BrokerOrder) -> OrderEvent:
    return OrderEvent(
        order_ref=ref,
        at=sweep.at,
        kind=EventKind.STATUS,
        status=order.status,
        perm_id=order.perm_id,
        filled=order.filled,
        remaining=order.remaining,
        text=order.text,
    )


def _of_an_open_one(life: OrderLife, event: OrderEvent) -> OrderEvent:
    """An inactive order that is open all the same is held."""
    if event.status != INACTIVE:
        return event
    said = f"; {life.text}" if life.text else ""
    return replace(event, status=HELD, text=life.text if life.held else f"{_HELD_MEANS}{said}")


def _of_a_completed_one(life: OrderLife, event: OrderEvent) -> OrderEvent:
    """One that was held, and is inactive among the completed ones, is held no more."""
    over = life.held and event.status == INACTIVE
    return replace(event, status=HELD_NO_MORE) if over else event


def _fill_event(ref: str, fill: Fill) -> OrderEvent:
    return OrderEvent(
        order_ref=ref,
        at=fill.at,
        kind=EventKind.FILL,
        perm_id=fill.perm_id,
        fill=replace(fill, order_ref=ref),
    )


def _fills_gone(known: Mapping[str, OrderLife], sweep: OrderSweep) -> Iterable[OrderEvent]:
    """An order that the book calls filled, and whose executions the gateway has forgotten.

    It can no longer be followed: price and quantity are for a person to look up.
    """
    for order in sweep.completed_orders:
        ref = _our_ref(known, order.order_ref, order.perm_id)
        if ref is None or order.status != "Filled":
            continue
        told = (f for f in sweep.fills if ref == _our_ref(known, f.order_ref, f.perm_id))
        executions = final_fills((*known[ref].fills, *told))
        if sum(f.quantity for f in executions) < (order.filled or known[ref].order.quantity):
            yield OrderEvent(
                order_ref=ref,
                at=sweep.at,
                kind=EventKind.ABSENT,
                perm_id=order.perm_id,
                text="the broker's book calls it filled, but its executions are no longer told",
            )


def _absent(
    known: Mapping[str, OrderLife], shown: set[str], sweep: OrderSweep
) -> Sequence[OrderEvent]:
    return [
        OrderEvent(
            order_ref=ref,
            at=sweep.at,
            kind=EventKind.ABSENT,
            text="not in the broker's open or completed orders, nor in its executions",
        )
        for ref, life in known.items()
        if ref not in shown and life.state is not OrderState.INTENDED and not life.state.final
    ]
