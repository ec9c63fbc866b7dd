"""The door: the last look at each order before its intent is written. Pure.

Independent of audit and approval, it knows limits of last resort and the market of this moment.
What may not go is held back with its reason and stays intended; nothing is dropped. A figure that
is not known holds back what opens a position; what closes one goes (unknown is not zero, and a
position is not kept for want of an exchange rate).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.market import AnswerState, FxRates, Quote
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.domain.placing import at_market
from afterclose.domain.sending import PriceGuard, SendLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What the door knows. The default is a door without limits.

    ``closes`` are last closes in IB units; ``gone`` are the orders of this session that left
    already, which count for the evening's totals; ``held_back`` is what is known against an order
    by reference: its contract no longer qualifies, for example.
    """

    limits: SendLimits = field(default_factory=SendLimits)
    guard: PriceGuard = field(default_factory=PriceGuard)
    closes: Mapping[FuturesContract, Decimal] = field(default_factory=dict)
    rates: FxRates | None = None
    gone: Sequence[tuple[BasketOrder, QualifiedContract | None]] = ()
    held_back: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One order at the door, with its contract and, if it was asked for, its market."""

    order: BasketOrder
    qualified: QualifiedContract | None
    quote: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What becomes of one order: it goes, or stays for a reason."""

    order: BasketOrder
    qualified: QualifiedContract | None
    reason: str = ""

    @property
    def goes(self) -> bool:
        """Whether nothing holds it back."""
        return not self.reason


class Gate:
    """Judges one order after the other and counts what it let go."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._orders = 0
        self._by_root: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._stayed: set[str] = set()
        for order, qualified in door.gone:
            self._count(Caller(order=order, qualified=qualified))

    def reason(self, caller: Caller) -> str:
        """Say why the order may not go; empty when it may. A yes is counted."""
        for check in (_known, self._pair, self._limits, self._values, in_band, _near_market):
            found = check(self._door, caller)
            if found:
                self._stayed.add(caller.order.order_ref)
                return found
        self._count(caller)
        return ""

    def _count(self, caller: Caller) -> None:
        if caller.order.replaces:
            return  # it goes on with what was counted when its first attempt left
        self._orders += 1
        value = notional(self._door, caller)
        self._by_root[caller.order.contract.root] += value or Decimal(0)

    def _pair(self, _door: Door, caller: Caller) -> str:
        order = caller.order
        if order.kind is TradeKind.ROLL_OPEN and order.roll_pair in self._stayed:
            return f"the leg that closes, {order.roll_pair}, did not go"
        return ""

    def _limits(self, door: Door, caller: Caller) -> str:
        limits, quantity, most = door.limits, caller.order.quantity, door.limits.orders_per_evening
        if most is not None and self._orders >= most and not caller.order.replaces:
            return f"limits.orders_per_evening is {most}, and so many went"
        if limits.quantity_per_order is not None and quantity > limits.quantity_per_order:
            return f"{quantity} contracts; limits.quantity_per_order is {limits.quantity_per_order}"
        return ""

    def _values(self, door: Door, caller: Caller) -> str:
        limits, order = door.limits, caller.order
        root = order.contract.root
        bounds = [("notional_per_order", limits.notional_per_order, Decimal(0))]
        if not order.replaces:
            total = sum(self._by_root.values(), Decimal(0))
            bounds.append(("notional_per_root", limits.notional_per_root, self._by_root[root]))
            bounds.append(("notional_total", limits.notional_total, total))
        if all(most is None for _, most, _ in bounds):
            return ""
        value = notional(door, caller)
        if value is None:
            return "" if order.kind.closes else "its value in the base currency is not known"
        for name, most, before in bounds:
            if most is not None and before + value > most:
                with_others = f" with {before:,.0f} before it" if before else ""
                return f"worth {value:,.0f}{with_others}; limits.{name} is {most:,f}"
        return ""


def departures(
    door: Door,
    orders: Sequence[BasketOrder],
    qualified: Mapping[FuturesContract, QualifiedContract],
    quotes: Mapping[FuturesContract, Quote],
) -> tuple[Departure, ...]:
    """Say of each order, in the order given, whether it would go now."""
    gate, leaving = Gate(door), []
    for order in orders:
        found, quote = qualified.get(order.contract), quotes.get(order.contract)
        reason = gate.reason(Caller(order=order, qualified=found, quote=quote))
        leaving.append(Departure(order=order, qualified=found, reason=reason))
    return tuple(leaving)


def needs_quote(door: Door, order: BasketOrder) -> bool:
    """Whether a check looks at the market of this order: the guard, or limits of one without."""
    limits = door.limits
    values = (limits.notional_per_order, limits.notional_per_root, limits.notional_total)
    unbounded = at_market(order.order_type) and (
        limits.price_band is not None or any(value is not None for value in values)
    )
    return unbounded or _guarded(door.guard, order)


def _guarded(guard: PriceGuard, order: BasketOrder) -> bool:
    exempt = order.kind.closes and not guard.guard_exits
    return guard.max_drift is not None and not exempt


def notional(door: Door, caller: Caller) -> Decimal | None:
    """Return the order's value in the base currency; None where a figure of it is not known."""
    order, quote = caller.order, caller.quote
    live = quote.price if quote is not None else None
    worst = order.price_bound
    if worst is None:  # at the market
        known = (live, door.closes.get(order.contract), order.limit_price)
        worst = next(p for p in known if p is not None)
    else:
        worst = max(order.limit_price, worst, key=abs)
    point_value = _point_value(caller)
    rate = door.rates.rate(order.mapped.spec.currency) if door.rates is not None else None
    if point_value is None or rate is None:
        return None
    return abs(worst) * point_value * order.quantity * rate


def _point_value(caller: Caller) -> Decimal | None:
    if caller.qualified is not None:
        try:
            return caller.qualified.point_value
        except InvalidOperation:  # the gateway tells no multiplier
            pass
    return caller.order.mapped.spec.point_value


def _known(door: Door, caller: Caller) -> str:
    if caller.qualified is None:
        return door.held_back.get(caller.order.order_ref, "the gateway does not know its contract")
    return door.held_back.get(caller.order.order_ref, "")


def in_band(door: Door, caller: Caller) -> str:
    """The worst limit it may go out at; of an order without a limit, the market as it is now."""
    order, band = caller.order, door.limits.price_band
    if band is None:
        return ""
    close, worst, named = door.closes.get(order.contract), order.price_bound, "limit"
    if close is None:
        return "" if order.kind.closes else "limits.price_band is set and no close is known"
    if worst is None:
        quote, named = caller.quote, "market"
        worst = quote.price if quote is not None and quote.state is AnswerState.VALUE else None
        if worst is None:
            unknown = "limits.price_band is set, the order has no limit and its market is not known"
            return "" if order.kind.closes else unknown
    if abs(worst - close) > band * abs(close):
        return f"{named} {worst:f}, last close {close:f}: outside limits.price_band"
    return ""


def _near_market(door: Door, caller: Caller) -> str:
    order, most = caller.order, door.guard.max_drift
    if most is None or not _guarded(door.guard, order):
        return ""
    quote = caller.quote
    price = quote.price if quote is not None and quote.state is AnswerState.VALUE else None
    if price is None:
        said = f" ({quote.text})" if quote is not None and quote.text else ""
        return "" if door.guard.send_without_quote else f"its market is not known{said}"
    if abs(price - order.limit_price) > most * abs(order.limit_price):
        return f"the market is at {price:f}, the limit at {order.limit_price:f}: beyond max_drift"
    return ""
