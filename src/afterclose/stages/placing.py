"""Placing: how and when each order of the basket goes, settled before anybody approves it. Pure.

The desk's settings say what is wanted per market and for exits; the contract's own details, as the
gateway tells them, say what it takes and when its sessions begin. What a contract does not take
goes as a limit order, and the row says so; a start that cannot be told holds back what opens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.findings import Finding, Scalar, Severity
from afterclose.domain.hours import next_after, open_at, sessions_of
from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import LegLimit, OrderType, Repricing, StartWhen

#: IB's words, in a contract's order types, for "good after time" and "good till date".
_GOOD_AFTER, _GOOD_TILL = "GAT", "GTD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacingRules:
    """What the desk wants: types of openings and of closings, starts, working, lone legs."""

    entry: OrderType = OrderType.LMT
    exit: OrderType = OrderType.LMT
    start: StartWhen = StartWhen.NOW
    start_by_root: Mapping[str, StartWhen] = field(default_factory=dict)
    repricing: Repricing | None = None
    leg: LegLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The orders as they will go, and what is to be said of each, by reference."""

    orders: tuple[BasketOrder, ...]
    notes: Mapping[str, tuple[Finding, ...]]


def place(
    orders: Sequence[BasketOrder],
    contracts: Mapping[FuturesContract, QualifiedContract],
    rules: PlacingRules,
    *,
    now: datetime,
) -> Placed:
    """Settle type, start, working and the lone leg of every order. ``now`` is the snapshot's."""
    made, notes = [], {}
    for order in orders:
        placed, found = _place(order, contracts.get(order.contract), rules, now)
        made.append(placed)
        notes[order.order_ref] = found
    return Placed(orders=tuple(made), notes=notes)


def _place(
    order: BasketOrder, qualified: QualifiedContract | None, rules: PlacingRules, now: datetime
) -> tuple[BasketOrder, tuple[Finding, ...]]:
    order, said_of_type = _typed(order, qualified, rules)
    order, said_of_start = _started(order, qualified, rules, now)
    order = replace(
        order,
        repricing=rules.repricing if order.order_type == OrderType.LMT else None,
        leg_limit=rules.leg if order.roll_pair else None,
    )
    return order, (*said_of_type, *said_of_start)


def _typed(
    order: BasketOrder, qualified: QualifiedContract | None, rules: PlacingRules
) -> tuple[BasketOrder, tuple[Finding, ...]]:
    """A type that the contract does not take becomes a limit: what was to bound the price stays."""
    wanted = rules.exit if order.kind.closes else rules.entry
    needed = wanted.named_by_contract
    if needed and qualified is not None and needed not in qualified.order_types:
        message = f"{qualified.local_symbol} takes no {wanted.value} orders: it goes as a limit"
        said = _say(order, "AC317", Severity.INFO, message, wanted=wanted.value)
        return replace(order, order_type=OrderType.LMT.value), (said,)
    return replace(order, order_type=wanted.value), ()


def _started(
    order: BasketOrder, qualified: QualifiedContract | None, rules: PlacingRules, now: datetime
) -> tuple[BasketOrder, tuple[Finding, ...]]:
    if order.order_type == OrderType.MOC:  # it has one time of its own, and IB takes no other
        return replace(order, start=StartWhen.NOW, outside_rth=False), ()
    wanted = rules.start_by_root.get(order.contract.root, rules.start)
    if wanted is StartWhen.NOW:
        return order, ()
    timed = None if qualified is None else _timed(order, qualified, wanted, now)
    if timed is not None:
        return timed, ()
    severity = Severity.WARN if order.kind.closes else Severity.BLOCK
    then = "it goes at once" if order.kind.closes else "it would go at another time than you want"
    message = f"its start ({wanted.value}) cannot be told from the hours of its market: {then}"
    hint = "'afterclose mapping check' shows what the gateway says; or set its start to now"
    return order, (_say(order, "AC318", severity, message, hint, wanted=wanted.value),)


def _timed(
    order: BasketOrder, qualified: QualifiedContract, wanted: StartWhen, now: datetime
) -> BasketOrder | None:
    """Return the order with its start; None where hours, zone or order types do not allow it."""
    trading = sessions_of(qualified.trading_hours, qualified.time_zone)
    by_day = wanted is StartWhen.DAY_SESSION
    hours = sessions_of(qualified.liquid_hours, qualified.time_zone) if by_day else trading
    begins = next_after(hours or (), now)
    if trading is None or begins is None or _GOOD_AFTER not in qualified.order_types:
        return None
    target = open_at(trading, begins.opens)
    if target is None:
        return None
    running = open_at(trading, now)
    if running is None or running == target:  # a day order ends with the session it is for
        return replace(
            order, start=wanted, good_after=begins.opens, outside_rth=not by_day, tif="DAY"
        )
    if _GOOD_TILL not in qualified.order_types:
        return None
    return replace(
        order,
        start=wanted,
        good_after=begins.opens,
        good_till=target.closes,
        outside_rth=not by_day,
        tif="GTD",
    )


def _say(
    order: BasketOrder,
    code: str,
    severity: Severity,
    message: str,
    hint: str = "",
    **evidence: Scalar,
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        subject=order.contract.symbol,
        message=message,
        hint=hint,
        evidence=evidence,
    )
