"""What a person reads on the terminal before a decision: what would go, what stays, and why."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from afterclose.cli.terminal import VERDICT_STYLES, one_line
from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.contracts import FuturesContract
from afterclose.domain.findings import Severity, Verdict
from afterclose.domain.orders import BasketOrder
from afterclose.domain.runs import Mode
from afterclose.report import terms
from afterclose.report.evening import EveningView
from afterclose.report.story import risk_of, risk_of_orders, why_excluded
from afterclose.report.words import UNKNOWN, counted, money, quantity
from afterclose.stages.review import orders_going

#: Columns from which on a terminal is wide.
_WIDE = 110
_USUAL = "LMT DAY, now, all hours"


def flagged(report: AuditReport, left_out: frozenset[str]) -> tuple[AuditRow, ...]:
    """Return the rows that would go and carry warnings."""
    going = {o.order_ref for o in orders_going(report, left_out)}
    rows = (r for r in report.rows if r.order.order_ref in going)
    return tuple(r for r in rows if r.verdict is Verdict.LOOK)


def going_table(view: EveningView, left_out: frozenset[str], *, width: int) -> Table:
    """Show what a yes would let go, sales first, each order in one line.

    ``width`` is the terminal's: a wide one has room for IB's names and the findings' codes. Where
    several orders trade one contract, each line begins with what the lines above leave.
    """
    report, wide = view.audit, width >= _WIDE
    orders = {o.order_ref: o for o in orders_going(report, left_out)}
    mode = view.manifest.mode.value.upper()
    table = Table(
        title=f"{report.session} · {counted(len(orders), 'order')} for {report.account} ({mode})",
        title_style="bold red" if view.manifest.mode is Mode.LIVE else "bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in ("", "side", "contract", "limit", "held", "risk"):
        right = name in {"limit", "risk", "held"}
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("kind")
    if wide:
        table.add_column("findings")
    so_far: dict[FuturesContract, int] = {}
    for row in sorted(report.rows, key=lambda r: (r.order.action != "SELL", r.order.contract)):
        order = orders.get(row.order.order_ref)
        if order is not None:
            moved = so_far.get(order.contract, 0)
            before = None if row.position_before is None else row.position_before + moved
            so_far[order.contract] = moved + order.signed
            cells = _cells(row, order, before, base=view.account.base, wide=wide)
            table.add_row(Text(row.verdict.word, style=VERDICT_STYLES[row.verdict]), *cells)
    return table


def _cells(
    row: AuditRow, order: BasketOrder, before: int | None, *, base: str, wide: bool
) -> tuple[str, ...]:
    """Return one line of the table behind its verdict. ``before`` is after the lines above."""
    ib = f" ({order.mapped.spec.ib_symbol} {order.contract.month.yyyymm})" if wide else ""
    risk = risk_of(row)
    after = None if before is None else before + order.signed
    sized = row.sizing is not None
    codes = dict.fromkeys(f.code for f in row.findings if f.severity > Severity.INFO)
    return (
        f"{order.action.value} {order.quantity}",
        f"{order.contract.symbol}{ib}",
        terms.limit_in_currency(order),
        f"{quantity(before)} → {quantity(after)}",
        (UNKNOWN if risk is None else money(risk, base)) if sized else "",
        kind_text(order),
        *((" ".join(codes),) if wide else ()),
    )


def staying_lines(report: AuditReport, left_out: frozenset[str]) -> tuple[str, ...]:
    """Say of each order that stays why it does."""
    going = {o.order_ref for o in orders_going(report, left_out)}
    lines = []
    for row in report.rows:
        order = row.order
        if order.order_ref in going:
            continue
        if row.final_order() is None or report.verdict is Verdict.BLOCKED:
            why = "; ".join(map(one_line, why_excluded(row)))
        elif order.order_ref in left_out:
            why = "left out by you"
        else:
            why = "its closing leg stays"
        lines.append(f"stays: {order.action.value} {order.quantity} {order.contract.symbol}: {why}")
    return tuple(lines)


def warnings_table(report: AuditReport, left_out: frozenset[str]) -> Table | None:
    """Show every warning on what would go, and what to do about it; None when there is none."""
    rows = flagged(report, left_out)
    evening = [f for f in report.findings if f.severity > Severity.INFO]
    found = [("evening", f) for f in evening]
    found += [
        (f"{r.order.action.value} {r.order.contract.symbol}", f)
        for r in rows
        for f in r.findings
        if f.severity > Severity.INFO
    ]
    if not found:
        return None
    table = Table(title="Warnings", title_style="bold yellow", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("order", no_wrap=True)
    table.add_column("code", no_wrap=True)
    table.add_column("what, and what to do")
    for subject, finding in found:
        text = Text(one_line(finding.message))
        if finding.hint:
            text.append(f"\n→ {one_line(finding.hint)}", style="dim")
        table.add_row(subject, finding.code, text)
    return table


def sum_line(view: EveningView, left_out: frozenset[str]) -> str:
    """Add up what would go: orders, warnings, risk by the stops."""
    going = {o.order_ref for o in orders_going(view.audit, left_out)}
    total, unknown = risk_of_orders(view, going)
    risk = money(total, view.account.base) + (f" and {unknown} unknown" if unknown else "")
    warned = len(flagged(view.audit, left_out))
    return f"{counted(len(going), 'order')}, {warned} with warnings; risk added {risk}."


def kind_text(order: BasketOrder) -> str:
    """Return kind and model, and how the order goes where that is not the usual."""
    said, how = f"{order.kind.value} {order.model}", terms.terms(order)
    return said if how == _USUAL else f"{said}\n{how}"
