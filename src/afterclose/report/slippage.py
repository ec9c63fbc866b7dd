"""Slippage by model and market: from the decision's price over the limit to the fill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from afterclose.artifacts import csv_text
from afterclose.domain.audit import OrderOutcome
from afterclose.domain.netting import NET_MODEL

COLUMNS = (
    "model",
    "root",
    "orders",
    "asked",
    "filled",
    "reference_to_limit_ticks",
    "limit_to_fill_ticks",
    "slippage_ticks",
    "reference_to_limit_money",
    "limit_to_fill_money",
    "slippage_money",
    "currency",
    "commission",
    "commission_currency",
)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageSum:
    """One model in one market. Ticks are averages weighted by what was filled; positive is worse.

    Money is in the contract's currency, the commission in the one that the broker names; None where
    a part of it is not known, or where commissions are in several currencies.
    """

    model: str
    root: str
    currency: str
    orders: int
    asked: int
    filled: int
    reference_to_limit_ticks: Decimal | None
    limit_to_fill_ticks: Decimal | None
    slippage_ticks: Decimal | None
    reference_to_limit_money: Decimal | None
    limit_to_fill_money: Decimal | None
    slippage_money: Decimal | None
    commission: Decimal | None
    commission_currency: str


def slippage_sums(outcomes: Iterable[OrderOutcome]) -> tuple[SlippageSum, ...]:
    """Add up the outcomes of an evening; an order of several models counts for each its part."""
    groups: dict[tuple[str, str], list[OrderOutcome]] = {}
    for outcome in outcomes:
        if outcome.order.model != NET_MODEL:
            key = (outcome.order.model, str(outcome.order.contract.root))
            groups.setdefault(key, []).append(outcome)
    return tuple(_sum(model, root, groups[model, root]) for model, root in sorted(groups))


def slippage_csv(outcomes: Iterable[OrderOutcome]) -> str:
    """Write the sums as CSV."""
    rows = ({name: getattr(each, name) for name in COLUMNS} for each in slippage_sums(outcomes))
    return csv_text(COLUMNS, rows)


def _sum(model: str, root: str, outcomes: list[OrderOutcome]) -> SlippageSum:
    done = [o for o in outcomes if o.filled]
    paid_in = {o.commission_currency for o in done if o.commission is not None}
    return SlippageSum(
        model=model,
        root=root,
        currency=str(outcomes[0].order.mapped.spec.currency),
        orders=len(outcomes),
        asked=sum(o.order.quantity for o in outcomes),
        filled=sum(o.filled for o in done),
        reference_to_limit_ticks=_average(done, [o.reference_to_limit_ticks for o in done]),
        limit_to_fill_ticks=_average(done, [o.limit_to_fill_ticks for o in done]),
        slippage_ticks=_average(done, [o.slippage_ticks for o in done]),
        reference_to_limit_money=_total([_money(o, o.reference_to_limit_ticks) for o in done]),
        limit_to_fill_money=_total([_money(o, o.limit_to_fill_ticks) for o in done]),
        slippage_money=_total([o.slippage_money for o in done]),
        commission=_total([o.commission for o in done]) if len(paid_in) == 1 else None,
        commission_currency=paid_in.pop() if len(paid_in) == 1 else "",
    )


def _money(outcome: OrderOutcome, ticks: Decimal | None) -> Decimal | None:
    """Turn ticks into money for all that was filled, in the contract's currency."""
    spec = outcome.order.mapped.spec
    if ticks is None or spec.point_value is None:
        return None
    return ticks * spec.tick_size * spec.point_value * outcome.filled


def _average(done: list[OrderOutcome], ticks: list[Decimal | None]) -> Decimal | None:
    filled = sum(o.filled for o in done)
    weighted = _total(
        [None if t is None else t * o.filled for o, t in zip(done, ticks, strict=True)]
    )
    return None if weighted is None or not filled else weighted / filled


def _total(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, _ZERO) if known and len(known) == len(parts) else None
