"""The margin after the basket: an estimate, from what-ifs of one order each.

Summed over the orders that go; a roll's two legs are one figure, and that figure is never below
zero: the what-if of the open leg sees a spread against the position that the close leg takes away,
and the sum of both would set margin free that is still bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from afterclose.domain.audit import AuditRow
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.margin import MarginEstimate, MarginImpact
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import TradeKind

Change = Callable[[MarginImpact], Decimal | None]


def with_impacts(rows: Iterable[AuditRow], snapshot: MarketSnapshot) -> list[AuditRow]:
    """Lay the what-if of each order beside its row."""
    known = snapshot.margins or {}
    return [_with_impact(row, known.get(row.order.order_ref)) for row in rows]


def _with_impact(row: AuditRow, impact: MarginImpact | None) -> AuditRow:
    if impact is None:
        return row
    return replace(row, margin=impact, findings=(*row.findings, *what_if_refused(row, impact)))


def what_if_refused(row: AuditRow, impact: MarginImpact) -> Iterator[Finding]:
    """AC417: TWS refuses the what-if, so it will refuse the order, too."""
    if not impact.refused:
        return
    yield Finding(
        code="AC417",
        severity=Severity.WARN,
        subject=row.order.contract.symbol,
        message=f"TWS refuses this order when it is asked what it would do: {impact.text}",
        hint="the order itself would be refused for the same reason: settle that first",
        evidence={"code_from_gateway": impact.code},
    )


def estimate(rows: Sequence[AuditRow], snapshot: MarketSnapshot) -> MarginEstimate | None:
    """Add up the what-ifs of all orders that go; None where nobody asked."""
    if snapshot.margins is None:
        return None
    going = [row for row in rows if row.final_order() is not None]
    impacts = {row.order.order_ref: _answer(row, snapshot.margins) for row in going}
    unknown = [ref for ref, impact in impacts.items() if impact.initial_change is None]
    account = snapshot.account
    return MarginEstimate(
        currency=account.base,
        orders=len(going),
        initial_before=account.initial_margin,
        initial_after=_after(going, impacts, account.initial_margin, _initial),
        maintenance_before=account.maintenance_margin,
        maintenance_after=_after(going, impacts, account.maintenance_margin, _maintenance),
        net_liquidation=account.net_liquidation,
        unknown=tuple(unknown),
        why=impacts[unknown[0]].text if unknown else "",
    )


def _answer(row: AuditRow, known: Mapping[str, MarginImpact]) -> MarginImpact:
    """The what-if of exactly what goes; another quantity was not asked for."""
    impact = known.get(row.order.order_ref)
    if impact is None or impact.quantity != row.final_quantity:
        return MarginImpact(quantity=row.final_quantity, text="not asked")
    return impact


def _initial(impact: MarginImpact) -> Decimal | None:
    return impact.initial_change


def _maintenance(impact: MarginImpact) -> Decimal | None:
    return impact.maintenance_change


def _after(
    going: Sequence[AuditRow],
    impacts: Mapping[str, MarginImpact],
    before: Decimal | None,
    change: Change,
) -> Decimal | None:
    if before is None:
        return None
    total = before
    paired: set[str] = set()
    for row in going:
        ref, pair = row.order.order_ref, row.order.roll_pair
        if ref in paired:
            continue
        legs = [ref, pair] if row.order.kind in _ROLLS and pair in impacts else [ref]
        paired.update(legs)
        changes = [change(impacts[leg]) for leg in legs]
        known = [c for c in changes if c is not None]
        if len(known) < len(changes):
            return None
        net = sum(known, Decimal(0))
        total += max(net, Decimal(0)) if len(legs) > 1 else net
    return total


_ROLLS = frozenset({TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN})


def margin_findings(
    after: MarginEstimate | None, account: str, limit: Decimal | None
) -> Iterator[Finding]:
    """AC514, AC515, AC516: the margin after the basket against what the account is worth."""
    if after is None or after.orders == 0:
        return
    if after.initial_after is None or after.net_liquidation is None:
        yield _unknown(after, account)
        return
    if after.initial_after > after.net_liquidation:
        yield _not_covered(after, account)
    elif limit is not None and after.initial_after > limit * after.net_liquidation:
        yield Finding(
            code="AC514",
            severity=Severity.WARN,
            subject=account,
            message=f"initial margin after the basket is {_money(after)}, "
            f"{after.share_after or 0:.0%} of net liquidation, above {limit:.0%} (an estimate)",
            hint="leave openings out, or raise audit.max_margin_share if that is meant",
            evidence=_evidence(after),
        )


def _not_covered(after: MarginEstimate, account: str) -> Finding:
    return Finding(
        code="AC516",
        severity=Severity.WARN,
        subject=account,
        message=f"initial margin after the basket is {_money(after)}, more than the account's net "
        f"liquidation of {after.net_liquidation:,.0f} (an estimate)",
        hint="IB will refuse (201) the openings that come last: choose which to leave out",
        evidence=_evidence(after),
    )


def _unknown(after: MarginEstimate, account: str) -> Finding:
    if after.unknown:
        missing = f"{len(after.unknown)} of {after.orders} orders have no what-if ({after.why})"
    else:
        missing = "the account's own margin or net liquidation is unknown"
    return Finding(
        code="AC515",
        severity=Severity.WARN,
        subject=account,
        message=f"margin after the basket is unknown: {missing}",
        hint="a read-only API refuses what-ifs; compare available funds in TWS before approving",
        evidence={"unknown": len(after.unknown), "orders": after.orders},
    )


def _money(after: MarginEstimate) -> str:
    return f"{after.initial_after or 0:,.0f} {after.currency}"


def _evidence(after: MarginEstimate) -> dict[str, str]:
    return {
        "initial_before": str(after.initial_before),
        "initial_after": str(after.initial_after),
        "net_liquidation": str(after.net_liquidation),
    }
