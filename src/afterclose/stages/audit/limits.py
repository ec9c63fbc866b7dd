"""Limits of what is held after the basket: where a desk makes one block, it keeps openings out.

A limit that blocked the evening would keep exits in, too: the opposite of what it is for. Rolls go
on as well, for they hold what is held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import TradeKind

#: Codes of limits that the whole basket is measured by.
LIMITS = frozenset({"AC510", "AC511", "AC512", "AC513", "AC514", "AC515", "AC516"})
_OPENING = frozenset({TradeKind.ENTRY, TradeKind.ADD, TradeKind.REVERSAL})


def openings_held(report: AuditReport) -> AuditReport:
    """Turn limits that block into blocks of the rows that open, and of no other."""
    hard = [f for f in report.findings if f.code in LIMITS and f.severity is Severity.BLOCK]
    if not hard:
        return report
    return replace(
        report,
        rows=tuple(_held(row, hard) for row in report.rows),
        findings=tuple(
            replace(f, severity=Severity.WARN) if f in hard else f for f in report.findings
        ),
    )


def _held(row: AuditRow, hard: Iterable[Finding]) -> AuditRow:
    found = [f for f in hard if _concerns(f, row)]
    if not found or row.order.kind not in _OPENING:
        return row
    closing = max(0, -row.order.held_before * row.order.action.sign)
    if row.order.kind is TradeKind.REVERSAL and closing:
        told = [replace(f, severity=Severity.WARN) for f in found]
        quantity = min(row.final_quantity, closing)
        return replace(row, final_quantity=quantity, findings=(*row.findings, *told))
    return replace(row, findings=(*row.findings, *found))


def _concerns(finding: Finding, row: AuditRow) -> bool:
    """Whether the order adds to what is over its limit: one sector or currency, or all."""
    spec = row.order.mapped.spec
    if finding.code == "AC511":
        return finding.subject == spec.sector
    if finding.code == "AC512":
        return finding.subject == spec.currency
    return True
