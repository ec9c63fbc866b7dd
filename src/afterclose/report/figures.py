"""The figures below the headline: data, capital, risk, margin, trades, approval."""

from __future__ import annotations

from dataclasses import dataclass

from afterclose.domain.findings import Severity
from afterclose.report import story
from afterclose.report.evening import EveningView
from afterclose.report.words import (
    UNKNOWN,
    counted,
    day,
    fixed,
    moment,
    money,
    percent,
    short_day,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure of the summary. ``note`` is the small print below it."""

    name: str
    value: str
    note: str = ""
    warn: bool = False


def summary_facts(view: EveningView) -> tuple[Fact, ...]:
    """Return the figures below the headline."""
    return (
        _data_fact(view),
        _capital_fact(view),
        _risk_fact(view),
        _margin_fact(view),
        _trades_fact(view),
        _approval_fact(view),
    )


def _data_fact(view: EveningView) -> Fact:
    data, session = view.data, view.manifest.session
    if data.last_session < session:
        value = f"stale: to {day(data.last_session)}"
        return Fact(name="Market data", value=value, note=f"tonight is {day(session)}", warn=True)
    no_close = sum(f.code == "AC137" for f in data.late)
    late = len(data.late) - no_close
    changed = data.revised or ()
    note = f"{data.roots} roots from {data.source}"
    if late:
        note += f"; {counted(late, 'root')} late"
    if no_close:
        note += f"; {counted(no_close, 'root')} without a close today, a holiday"
    if changed:
        note += f"; {counted(len(changed), 'revision')} of past bars"
    serious = any(f.severity > Severity.INFO for f in data.late)
    return Fact(name="Market data", value=f"fresh to {short_day(session)}", note=note, warn=serious)


def _capital_fact(view: EveningView) -> Fact:
    capital, account = view.capital, view.account
    value = money(account.net_liquidation, account.base)
    return Fact(
        name="Capital",
        value=money(capital.amount, capital.currency),
        note=f"rule: {capital.rule.replace('_', ' ')}; net liquidation {value}",
        warn=capital.amount is None,
    )


def _risk_fact(view: EveningView) -> Fact:
    total, unknown = story.risk_added(view)
    note = "sum of stop risks of the entries that may be sent"
    if unknown:
        note = f"and {counted(unknown, 'order')} of unknown risk"
    elif view.capital.amount:
        note = f"{percent(total / view.capital.amount)} of capital, by the entries' stops"
    return Fact(
        name="Risk added", value=money(total, view.account.base), note=note, warn=unknown > 0
    )


def _margin_fact(view: EveningView) -> Fact:
    account, after = view.account, view.audit.margin
    available = f"available now {money(account.available_funds, account.base)}"
    warn = account.initial_margin is None or (after is not None and after.initial_after is None)
    if view.margin_after is None:
        why = f" ({after.why})" if after is not None and after.why else ""
        value = f"{money(account.initial_margin, account.base)} before"
        note = f"after the orders: {UNKNOWN}{why}; {available}"
        return Fact(name="Initial margin", value=value, note=note, warn=warn)
    value = f"{fixed(account.initial_margin, 0)} → {money(view.margin_after, account.base)}"
    note = "before and after the orders"
    if after is not None:
        maintenance = (fixed(m, 0) for m in (after.maintenance_before, after.maintenance_after))
        note += f", an estimate by {counted(after.orders, 'what-if')}"
        note += f"; maintenance {' → '.join(maintenance)}"
    return Fact(name="Initial margin", value=value, note=f"{note}; {available}", warn=warn)


def _trades_fact(view: EveningView) -> Fact:
    rule = view.manifest.trades_from
    if view.other_rule_trades is None:
        note = f"the rule “{story.other_rule(rule)}” was not worked out"
    else:
        note = f"the rule “{story.other_rule(rule)}” would trade {len(view.other_rule_trades)}"
    return Fact(name="Model trades", value=f"{len(view.trades)} by “{rule.value}”", note=note)


def _approval_fact(view: EveningView) -> Fact:
    approval = view.approval
    if approval is None:
        return Fact(name="Approval", value="not approved", note="nothing is sent without it")
    void = bool(story.approval_void(view))
    verb = "approved" if approval.order_refs else "rejected"
    return Fact(
        name="Approval",
        value="void" if void else f"{verb} by {approval.reviewer}",
        warn=void,
        note=f"{counted(len(approval.order_refs), 'order')}, {moment(approval.at)}",
    )
