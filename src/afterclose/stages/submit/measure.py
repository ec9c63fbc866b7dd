"""What an evening comes to by each of the door's limits, before anything is sent. Pure.

The door judges one order after the other, at the moment of sending, and holds back what is too
much. This says beforehand how near the whole evening is: the same values, of all orders at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from afterclose.domain.sending import LimitFigure
from afterclose.stages.submit.door import Caller, Door, notional


def measured(door: Door, callers: Sequence[Caller]) -> tuple[LimitFigure, ...]:
    """Lay every limit beside the largest figure of tonight's orders, those that left included."""
    coming = {caller.order.order_ref for caller in callers}
    left = [Caller(order=o, qualified=q) for o, q in door.gone if o.order_ref not in coming]
    every, limits = [*left, *callers], door.limits
    values = {c.order.order_ref: notional(door, c) for c in every}
    sizes = {c.order.order_ref: Decimal(c.order.quantity) for c in callers}
    own = {ref: values[ref] for ref in coming}
    roots: defaultdict[str, Decimal] = defaultdict(Decimal)
    for caller in every:
        roots[caller.order.contract.root] += values[caller.order.order_ref] or Decimal(0)
    known = [value for value in values.values() if value is not None]
    unknown = len(values) - len(known)
    total = sum(known, Decimal(0)) if known or not values else None
    return (
        LimitFigure(
            name="orders_per_evening",
            most=_decimal(limits.orders_per_evening),
            tonight=Decimal(len(every)),
        ),
        _largest("quantity_per_order", _decimal(limits.quantity_per_order), sizes),
        _largest("notional_per_order", limits.notional_per_order, own),
        _largest("notional_per_root", limits.notional_per_root, roots if known else {}, unknown),
        LimitFigure(
            name="notional_total", most=limits.notional_total, tonight=total, unknown=unknown
        ),
        _largest("price_band", limits.price_band, _distances(door, callers)),
    )


def _largest(
    name: str, most: Decimal | None, figures: Mapping[str, Decimal | None], unknown: int = 0
) -> LimitFigure:
    known = {of: figure for of, figure in figures.items() if figure is not None}
    of = max(known, key=lambda name: (known[name], name), default="")
    return LimitFigure(
        name=name,
        most=most,
        tonight=known.get(of),
        of=of,
        unknown=unknown + len(figures) - len(known),
    )


def _distances(door: Door, callers: Sequence[Caller]) -> dict[str, Decimal | None]:
    """How far each order may go out from the last close, as a fraction of it."""
    far: dict[str, Decimal | None] = {}
    for caller in callers:
        order, close = caller.order, door.closes.get(caller.order.contract)
        worst = order.price_bound
        if worst is None and caller.quote is not None:
            worst = caller.quote.price
        far[order.order_ref] = None
        if close and worst is not None:  # of a close of zero nothing is a fraction
            far[order.order_ref] = abs(worst - close) / abs(close)
    return far


def _decimal(number: int | None) -> Decimal | None:
    return None if number is None else Decimal(number)
