"""All openings of an evening against the desk's limits per sector and in total.

Every opening that shares a limit is cut by the same factor, so the result does not depend on the
order in which they are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRisk:
    """One sized opening: contracts that open, and what one of them may lose, in base currency."""

    order_ref: str
    sector: str
    quantity: int
    risk: Decimal
    caps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """What all openings may lose together, in base currency; None: no limit."""

    sector: Decimal | None = None
    total: Decimal | None = None


def within_limits(openings: Iterable[OpeningRisk], limits: RiskLimits) -> Mapping[str, OpeningRisk]:
    """Cut openings to the limit of their sector, then all to the total. Keyed by reference."""
    kept = list(openings)
    kept = _scaled(kept, limits.sector, "max_sector_risk", lambda o: o.sector)
    kept = _scaled(kept, limits.total, "max_total_risk", lambda _: "all")
    return {o.order_ref: o for o in kept}


def _scaled(
    openings: Iterable[OpeningRisk],
    limit: Decimal | None,
    cap: str,
    key: Callable[[OpeningRisk], str],
) -> list[OpeningRisk]:
    openings = list(openings)
    if limit is None:
        return openings
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for opening in openings:
        sums[key(opening)] += opening.quantity * opening.risk
    return [_cut(o, limit, sums[key(o)], cap) for o in openings]


def _cut(opening: OpeningRisk, limit: Decimal, wanted: Decimal, cap: str) -> OpeningRisk:
    if wanted <= limit or opening.quantity == 0:
        return opening
    share = opening.quantity * max(Decimal(0), limit) / wanted
    quantity = int(share.to_integral_value(rounding=ROUND_DOWN))
    if quantity == opening.quantity:
        return opening
    return replace(opening, quantity=quantity, caps=(*opening.caps, cap))
