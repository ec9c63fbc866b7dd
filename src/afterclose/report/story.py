"""The evening in a few lines: how it stands, what stands in the way, and what it adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.audit import AuditRow
from afterclose.domain.findings import Finding, Scalar, Severity, Verdict
from afterclose.domain.orders import Action, ModelTrade, TradeKind
from afterclose.domain.runs import RunState, TradesFrom
from afterclose.report.evening import EveningView, ModelSummary
from afterclose.report.words import UNKNOWN, counted, day, moment, money, percent, short_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The verdict in one word and one sentence."""

    verdict: Verdict
    word: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure of the summary. ``note`` is the small print below it."""

    name: str
    value: str
    note: str = ""
    warn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """How many orders of one kind there are, and how many of them may be sent."""

    kind: str
    sells: int
    buys: int
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollPair:
    """Both legs of a roll; a leg that is not in the basket is None."""

    name: str
    closes: AuditRow | None
    opens: AuditRow | None

    @property
    def verdict(self) -> Verdict:
        """The worse of both legs; half a roll is never clear."""
        legs = [leg.verdict for leg in (self.closes, self.opens) if leg is not None]
        whole = self.closes is not None and self.opens is not None
        return max((*legs, Verdict.CLEAR if whole else Verdict.LOOK))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDifference:
    """One contract on which the two trade rules do not agree."""

    contract: str
    model: str
    ours: int
    other: int


def headline(view: EveningView) -> Headline:
    """Say in one sentence how the evening stands."""
    audit = view.audit
    verdict = audit.verdict
    total, cleared = len(audit.rows), len(audit.cleared_orders())
    if total == 0:
        word = "no trades" if view.manifest.state is RunState.NO_TRADES else verdict.word
        return Headline(verdict=verdict, word=word, sentence="The models want no order tonight.")
    if verdict is Verdict.BLOCKED:
        sentence = f"Nothing may be sent: the whole evening is blocked, with {_orders(total)}."
    elif cleared == total:
        sentence = f"All {_orders(total)} may be sent." if total > 1 else "The order may be sent."
    else:
        sentence = f"{cleared} of {_orders(total)} may be sent; {total - cleared} excluded."
    return Headline(verdict=verdict, word=verdict.word, sentence=sentence)


def _orders(number: int) -> str:
    return counted(number, "order")


def contradictions(view: EveningView) -> tuple[str, ...]:
    """Say where the parts of the evening speak of different things; a page must not hide that."""
    manifest, audit = view.manifest, view.audit
    pairs = (
        ("account", "the run", manifest.account, "the audit", audit.account),
        ("account", "the audit", audit.account, "the snapshot", view.account.account),
        ("run", "the manifest", manifest.run_id, "the audit", audit.run_id),
        ("session", "the run", str(manifest.session), "the audit", str(audit.session)),
    )
    return tuple(
        f"{first.capitalize()} is for {what} {one}, {second} for {other}."
        for what, first, one, second, other in pairs
        if one != other
    )


def approval_void(view: EveningView) -> tuple[str, ...]:
    """Say why the approval does not cover what this page shows; empty when it does, or is none."""
    approval = view.approval
    if approval is None or not approval.order_refs:
        return ()
    cleared = sent(view)
    strange = [ref for ref in approval.order_refs if ref not in cleared]
    reasons = (
        (approval.digest != view.digest, "its digest is not the one of this page"),
        (approval.account != view.audit.account, f"it is for account {approval.account}"),
        (approval.run_id != view.manifest.run_id, f"it is for run {approval.run_id}"),
        (bool(strange), f"{counted(len(strange), 'approved order')} may not be sent"),
    )
    return tuple(sentence for applies, sentence in reasons if applies)


def blockers(view: EveningView) -> tuple[Finding, ...]:
    """Return what concerns the whole evening, the worst first."""
    return tuple(sorted(view.audit.findings, key=lambda f: -int(f.severity)))


def rows_to_look_at(view: EveningView) -> tuple[AuditRow, ...]:
    """Return the rows that are not clear, blocked ones first."""
    flagged = [row for row in view.audit.rows if row.verdict is not Verdict.CLEAR]
    return tuple(sorted(flagged, key=lambda row: (-int(row.verdict), row.order.contract)))


def main_finding(row: AuditRow) -> Finding | None:
    """Return the finding that decided the row's verdict."""
    return max(row.findings, key=lambda f: f.severity, default=None)


def kinds(view: EveningView) -> tuple[KindCount, ...]:
    """Count the orders by kind, in the order of a trade's life."""
    cleared = sent(view)
    counts = Counter((r.order.kind, r.order.action) for r in view.audit.rows)
    going = Counter(r.order.kind for r in view.audit.rows if r.order.order_ref in cleared)
    return tuple(
        KindCount(
            kind=kind.value,
            sells=counts[kind, Action.SELL],
            buys=counts[kind, Action.BUY],
            cleared=going[kind],
        )
        for kind in TradeKind
        if counts[kind, Action.SELL] or counts[kind, Action.BUY]
    )


def risk_added(view: EveningView) -> tuple[Decimal, int]:
    """Sum the stop risk of what may be sent, in base; and count the orders whose risk is unknown.

    Only orders that the audit sizes add risk: an exit takes it away, a roll moves it.
    """
    return risk_of_orders(view, sent(view))


def risk_of_orders(view: EveningView, refs: Collection[str]) -> tuple[Decimal, int]:
    """Sum the stop risk of these orders likewise."""
    sized = [r for r in view.audit.rows if r.order.order_ref in refs and r.sizing is not None]
    known = [risk for row in sized if (risk := risk_of(row)) is not None]
    return sum(known, Decimal(0)), len(sized) - len(known)


def risk_of(row: AuditRow) -> Decimal | None:
    """Return what an order loses at its stop, in base; None when it is unknown or not sized."""
    if row.sizing is None or row.sizing.risk_per_contract_base is None:
        return None
    return row.sizing.risk_per_contract_base * row.final_quantity


def sent(view: EveningView) -> dict[str, int]:
    """Return the quantity of every order that may be sent, by its reference."""
    return {order.order_ref: order.quantity for order in view.audit.cleared_orders()}


def roll_pairs(view: EveningView) -> tuple[RollPair, ...]:
    """Pair the legs of each roll: each names the other's order reference.

    A leg whose partner is not in the basket stands alone, and is shown so.
    """
    by_ref = {row.order.order_ref: row for row in view.audit.rows}
    pairs = []
    for ref, row in sorted(by_ref.items()):
        partner = by_ref.get(row.order.roll_pair)
        if row.order.kind.closes and row.order.roll_pair:
            pairs.append(RollPair(name=ref, closes=row, opens=partner))
        elif row.order.roll_pair and partner is None:
            pairs.append(RollPair(name=ref, closes=None, opens=row))
    return tuple(pairs)


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
    late = len(data.late)
    changed = data.revised or ()
    note = f"{data.roots} roots from {data.source}"
    if late:
        note += f"; {counted(late, 'root')} late"
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
    total, unknown = risk_added(view)
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
    before = money(account.initial_margin, account.base)
    note = f"after the orders: {money(view.margin_after, account.base)}"
    if after is not None:
        estimated = (
            f"an estimate: {counted(after.orders, 'what-if')} added up, rolls as pairs; "
            f"maintenance {money(after.maintenance_before, after.currency)} before, "
            f"{money(after.maintenance_after, after.currency)} after"
        )
        note += f" ({estimated})" if after.initial_after is not None else f" ({after.why})"
    return Fact(
        name="Initial margin",
        value=f"{before} before",
        note=f"{note}; available funds {money(account.available_funds, account.base)}",
        warn=account.initial_margin is None or (after is not None and after.initial_after is None),
    )


def _trades_fact(view: EveningView) -> Fact:
    rule = view.manifest.trades_from
    if view.other_rule_trades is None:
        note = f"the rule “{other_rule(rule)}” was not worked out"
    else:
        note = f"the rule “{other_rule(rule)}” would trade {len(view.other_rule_trades)}"
    return Fact(name="Model trades", value=f"{len(view.trades)} by “{rule.value}”", note=note)


def _approval_fact(view: EveningView) -> Fact:
    approval = view.approval
    if approval is None:
        return Fact(name="Approval", value="not approved", note="nothing is sent without it")
    void = bool(approval_void(view))
    verb = "approved" if approval.order_refs else "rejected"
    return Fact(
        name="Approval",
        value="void" if void else f"{verb} by {approval.reviewer}",
        warn=void,
        note=f"{counted(len(approval.order_refs), 'order')}, {moment(approval.at)}",
    )


def other_rule(rule: TradesFrom) -> str:
    """Return the name of the rule that was not chosen."""
    orders, transactions = TradesFrom.ORDERS, TradesFrom.TRANSACTIONS
    return transactions.value if rule is orders else orders.value


RULE_MEANING = {
    TradesFrom.ORDERS: "orders still open at the end of the run: decided on this session’s close, "
    "not yet filled in the model",
    TradesFrom.TRANSACTIONS: "fills of the last session: decided one session earlier, "
    "already filled in the model",
}


def rule_differences(view: EveningView) -> tuple[RuleDifference, ...]:
    """List the contracts that the two rules trade differently, by model and contract."""
    if view.other_rule_trades is None:
        return ()
    ours, other = _deltas(view.trades), _deltas(view.other_rule_trades)
    keys = sorted({*ours, *other})
    return tuple(
        RuleDifference(model=m, contract=c, ours=ours.get((m, c), 0), other=other.get((m, c), 0))
        for m, c in keys
        if ours.get((m, c), 0) != other.get((m, c), 0)
    )


def _deltas(trades: tuple[ModelTrade, ...]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for trade in trades:
        key = (trade.model, trade.contract.symbol)
        sums[key] = sums.get(key, 0) + trade.delta
    return sums


def why_excluded(row: AuditRow) -> tuple[str, ...]:
    """Say why a row is not in the final basket."""
    blocking = [f for f in row.findings if f.severity is Severity.BLOCK]
    if blocking:
        return tuple(f.message for f in blocking)
    if row.final_quantity == 0:
        sizes = [f.message for f in row.findings]
        return tuple(sizes) or ("the final quantity is 0",)
    return ("the whole evening is blocked",)


def unordered_trades(view: EveningView) -> tuple[ModelTrade, ...]:
    """Return the model trades that have no order in the basket."""
    ordered = {row.order.trade_id for row in view.audit.rows}
    return tuple(trade for trade in view.trades if trade.trade_id not in ordered)


def order_of_trade(view: EveningView) -> dict[str, AuditRow]:
    """Return the audit row of each trade that became an order."""
    return {row.order.trade_id: row for row in view.audit.rows}


def versions(view: EveningView) -> tuple[tuple[str, str], ...]:
    """List what this evening was made of."""
    manifest = view.manifest
    return (
        ("Run", manifest.run_id),
        ("Session", manifest.session.isoformat()),
        ("State", manifest.state.value.replace("_", " ")),
        ("afterclose", manifest.code_version),
        ("Inputs digest", manifest.inputs_digest),
        ("Market data fingerprint", view.data.fingerprint),
        ("Digest of what is shown", view.digest or UNKNOWN),
        ("Audited", moment(view.audit.as_of)),
        ("Report written", moment(view.written_at)),
    )


def scalars(facts: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    """List free facts by name; a fact without a value is unknown."""
    return tuple((name, _scalar(value)) for name, value in facts.items())


def _scalar(value: Scalar) -> str:
    if value is None:
        return UNKNOWN
    return str(round(value, 3) if isinstance(value, float) else value)


def model_facts(view: EveningView) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """List how the models were run: the name of a fact, and its value for each model."""
    known = [_facts_of_model(model) for model in view.models]
    names = dict.fromkeys(name for facts in known for name in facts)
    return tuple((name, tuple(facts.get(name, UNKNOWN) for facts in known)) for name in names)


def _facts_of_model(model: ModelSummary) -> dict[str, str]:
    currency = model.base_currency
    return {
        "First session": model.first_session.isoformat(),
        "Last session": model.last_session.isoformat(),
        "Value": money(model.net_asset_value, currency),
        "Run with": money(model.capital_base, currency),
        "Allocated": money(model.capital_allocated, currency),
        "Transactions": str(model.transactions),
        "Positions": str(model.positions),
        "Open orders": str(model.orders_open),
        "Rolls": model.rolls.value,
        "Currency rule": model.currency.value,
        **dict(scalars(model.facts)),
    }
