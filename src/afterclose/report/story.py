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
from afterclose.report.words import (
    UNKNOWN,
    counted,
    moment,
    money,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The verdict in one word and one sentence."""

    verdict: Verdict
    word: str
    sentence: str


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
