"""The account beside the models: a table for machines, and a page for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from markupsafe import Markup

from afterclose.artifacts import csv_text
from afterclose.domain.nav import PARTS, DriftParts, NavDay, NavHistory, returns
from afterclose.report.lines import Line, draw_lines
from afterclose.report.performance import Metric, performance
from afterclose.report.render import page_environment, page_style, policy

#: Days shown one by one; all of them are in the table beside the page.
DAYS_SHOWN = 30
COLUMNS = (
    "date",
    "account_nav",
    "desk_nav",
    "model_nav",
    "account_return",
    "model_return",
    "return_drift",
    "account_result",
    "model_result",
    "nav_drift",
    "cumulative_drift",
    *PARTS,
    "unknown",
)
_LABELS = {
    "slippage": "slippage",
    "timing": "timing",
    "commission": "commission",
    "missed": "missed, excluded, other size",
    "currency": "currency",
    "other": "positions of nobody here",
    "flows": "deposits and withdrawals",
    "rest": "rest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NavRow:
    """One day as it is shown: returns are fractions, money in the reporting currency."""

    day: NavDay
    desk_nav: Decimal
    account_return: Decimal
    model_return: Decimal
    cumulative: Decimal


def nav_rows(history: NavHistory) -> tuple[NavRow, ...]:
    """Lay out every day."""
    begin = sum(history.models_begin.values(), Decimal(0))
    desk = history.desk_nav()
    joined = [day.joined for day in history.days]
    ours = returns(begin, desk, joined)
    theirs = returns(begin, [day.model_nav for day in history.days], joined)
    sums = [total.total for total in history.cumulative()]
    return tuple(
        NavRow(day=day, desk_nav=value, account_return=mine, model_return=model, cumulative=drifted)
        for day, value, mine, model, drifted in zip(
            history.days, desk, ours, theirs, sums, strict=True
        )
    )


def nav_csv(history: NavHistory) -> str:
    """Write the comparison as CSV, one row per day."""
    return csv_text(COLUMNS, (_csv_row(row) for row in nav_rows(history)))


def _csv_row(row: NavRow) -> dict[str, object]:
    day = row.day
    money = {
        "account_nav": day.account_nav,
        "desk_nav": row.desk_nav,
        "model_nav": day.model_nav,
        "account_result": day.account_result,
        "model_result": day.model_result,
        "nav_drift": day.drift,
        "cumulative_drift": row.cumulative,
        **{name: getattr(day.parts, name) for name in PARTS},
    }
    return {
        "date": day.session.isoformat(),
        "account_return": f"{row.account_return:.10f}",
        "model_return": f"{row.model_return:.10f}",
        "return_drift": f"{row.account_return - row.model_return:.10f}",
        "unknown": "; ".join(day.unknown),
        **{name: f"{value:.4f}" for name, value in money.items()},
    }


def nav_performance(history: NavHistory) -> tuple[Metric, ...] | None:
    """Return the metrics of the account's results on the models' capital, and of the models'."""
    rows = nav_rows(history)
    return performance([r.account_return for r in rows], [r.model_return for r in rows])


def nav_style() -> Markup:
    """Return the style sheet of the page."""
    return Markup(page_style() + _STYLE)  # noqa: S704 - our own style sheets


def nav_policy() -> str:
    """Return the content security policy of the page: its own style, and nothing else."""
    return policy(nav_style(), "")


def render_nav(history: NavHistory, links: Sequence[tuple[str, str]] = ()) -> str:
    """Write the page; it needs no other file. ``links`` lead from it: name and address."""
    style = nav_style()
    rows = nav_rows(history)
    return (
        page_environment()
        .get_template("nav.html.j2")
        .render(
            history=history,
            rows=rows[-DAYS_SHOWN:],
            last=rows[-1] if rows else None,
            totals=_totals(history),
            metrics=nav_performance(history),
            by_model=_by_model(history.days),
            values_chart=_values_chart(history, rows),
            drift_chart=_drift_chart(history),
            labels=_LABELS,
            parts=PARTS,
            style=style,
            policy=nav_policy(),
            links=links,
        )
    )


def _totals(history: NavHistory) -> DriftParts:
    sums = history.cumulative()
    return sums[-1] if sums else DriftParts()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTotal:
    """All days of one model."""

    name: str
    nav: Decimal
    result: Decimal
    desk_result: Decimal
    parts: DriftParts


def _by_model(days: Iterable[NavDay]) -> tuple[ModelTotal, ...]:
    totals: dict[str, ModelTotal] = {}
    for day in days:
        for made in day.models:
            before = totals.get(made.model)
            totals[made.model] = ModelTotal(
                name=made.model,
                nav=made.nav,
                result=made.result + (before.result if before else 0),
                desk_result=made.desk_result + (before.desk_result if before else 0),
                parts=made.parts.plus(before.parts if before else DriftParts()),
            )
    return tuple(totals[name] for name in sorted(totals))


def _days(history: NavHistory) -> list[date]:
    return [day.session for day in history.days]


def _values_chart(history: NavHistory, rows: tuple[NavRow, ...]) -> Markup:
    return draw_lines(
        f"Value of the models' capital in {history.reporting}: by the models, and by the account",
        _days(history),
        [
            Line(name="models", style="l-models", values=[r.day.model_nav for r in rows]),
            Line(name="account", style="l-account", values=[r.desk_nav for r in rows]),
        ],
    )


def _drift_chart(history: NavHistory) -> Markup:
    sums = history.cumulative()
    lines = [
        Line(name=name, style=f"l-{name}", values=[getattr(s, name) for s in sums])
        for name in PARTS
        if any(abs(getattr(s, name)) >= 1 for s in sums)  # less than one is no line
    ]
    whole = Line(name="whole drift", style="l-account", values=[s.total for s in sums])
    title = f"Drift since the beginning in {history.reporting}, and its parts"
    return draw_lines(title, _days(history), [whole, *lines])


_STYLE = """
.lines { width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule); }
.lines polyline { fill: none; stroke-width: 1.6; }
.lines text { font-size: 11px; fill: var(--ink); }
.lines .axis { fill: var(--soft); }
.lines .grid { stroke: var(--rule); fill: none; }
polyline.l-account { stroke: var(--ink); stroke-width: 2.2; }
polyline.l-models { stroke: var(--limit); stroke-dasharray: 6 3; }
polyline.l-slippage { stroke: var(--stop); }
polyline.l-timing { stroke: var(--band); stroke-dasharray: 2 3; }
polyline.l-commission { stroke: var(--now); }
polyline.l-missed { stroke: var(--limit); }
polyline.l-currency { stroke: var(--clear); }
polyline.l-other { stroke: var(--missing); stroke-dasharray: 5 2; }
polyline.l-flows { stroke: var(--soft); stroke-dasharray: 1 3; }
polyline.l-rest { stroke: var(--soft); }
.scroll { overflow-x: auto; }
@media screen and (max-width: 700px) {
  .newest { direction: rtl; }
  .newest .lines { direction: ltr; width: 860px; }
  .newest .lines text { font-size: 12px; }
}
.nav-table { border-collapse: collapse; background: var(--card); }
.nav-table th, .nav-table td { padding: 4px 10px; border-bottom: 1px solid var(--rule); }
.nav-table th, .nav-table td { text-align: right; white-space: nowrap; }
.nav-table th { color: var(--soft); font-weight: 600; font-size: 12px; }
.nav-table th:first-child, .nav-table td:first-child { text-align: left; }
"""
