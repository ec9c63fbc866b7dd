"""The columns of the audit: name, colour group, digits, and where each value is from.

The first columns of either side, their order and their colour groups are those of the write-up
that this workflow follows, so that who knows its tables reads ours without a legend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from afterclose.domain.audit import AuditRow, Sizing
from afterclose.domain.findings import Finding
from afterclose.domain.market import AnswerState, Quote
from afterclose.domain.orders import Action, TradeKind
from afterclose.domain.placing import at_market
from afterclose.report.words import Missing, Style, Value

_SIZED = frozenset({TradeKind.ENTRY, TradeKind.ADD, TradeKind.REVERSAL})


class Group(StrEnum):
    """Colour group of a column. ``tint`` is the write-up's background, six hexadecimal digits."""

    IDENTITY = "identity"
    PRICE = "price"
    RISK = "risk"
    ALERT = "alert"
    RISK_OK = "risk-ok"
    OURS = "ours"

    @property
    def tint(self) -> str:
        """Background of the group in the write-up; our own columns have none."""
        return _TINTS[self]


_TINTS = {
    Group.IDENTITY: "e6f7ff",
    Group.PRICE: "fff7e6",
    Group.RISK: "e6ffe6",
    Group.ALERT: "ffe6cc",
    Group.RISK_OK: "f0fff0",
    Group.OURS: "ffffff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name as the write-up spells it, its colour group, and where it is from."""

    name: str
    group: Group
    style: Style
    value: Callable[[AuditRow], Value]
    #: Free text that somebody else wrote: never let a spreadsheet run it.
    foreign: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its cells line up at the right."""
        return self.style not in {Style.TEXT, Style.YES_NO}


def _limit(row: AuditRow) -> Value:
    return Missing.NOT_APPLICABLE if at_market(row.order.order_type) else row.order.limit_price


def side_columns(action: Action) -> tuple[Column, ...]:
    """Columns of one side, exactly as the write-up has them."""
    return SELL_COLUMNS if action is Action.SELL else BUY_COLUMNS


def is_sized(row: AuditRow) -> bool:
    """Whether the audit sizes this order at all: only what opens risk is sized."""
    return row.order.kind in _SIZED


def _or_unknown(value: Value | None) -> Value:
    return Missing.UNKNOWN if value is None else value


def _sized(pick: Callable[[Sizing], Value | None]) -> Callable[[AuditRow], Value]:
    """Read a figure of the sizing; an order that is not sized has none."""

    def value(row: AuditRow) -> Value:
        if row.sizing is None:
            return Missing.UNKNOWN if is_sized(row) else Missing.NOT_APPLICABLE
        return _or_unknown(pick(row.sizing))

    return value


def _mismatch(row: AuditRow) -> Value:
    if row.position_mismatch is None and not is_sized(row):
        return Missing.NOT_APPLICABLE
    return _or_unknown(row.position_mismatch)


def _quoted(pick: Callable[[Quote], Value | None]) -> Callable[[AuditRow], Value]:
    def value(row: AuditRow) -> Value:
        if row.quote is None or row.quote.state is not AnswerState.VALUE:
            return Missing.UNKNOWN
        return _or_unknown(pick(row.quote))

    return value


def _multiplier(row: AuditRow) -> Value:
    answered = row.qualified.multiplier if row.qualified else ""
    return row.order.mapped.spec.multiplier or answered or Missing.UNKNOWN


def finding_line(finding: Finding) -> str:
    """Write a finding on one line: code, weight, sentence, what to do."""
    text = f"{finding.code} {finding.severity.name}: {finding.message}"
    return f"{text} → {finding.hint}" if finding.hint else text


_IDENTITY_HEAD = (
    Column(
        name="Action",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: r.order.action.value,
    ),
    Column(
        name="Quantity", group=Group.IDENTITY, style=Style.COUNT, value=lambda r: r.order.quantity
    ),
    Column(
        name="Symbol",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: r.order.mapped.spec.ib_symbol,
    ),
)
_EXCHANGE = Column(
    name="Exchange",
    group=Group.IDENTITY,
    style=Style.TEXT,
    value=lambda r: r.order.mapped.spec.ib_exchange,
)
_IDENTITY_TAIL = (
    Column(
        name="LastTradingDayOrContractMonth",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: r.order.contract.month.yyyymm,
    ),
    Column(
        name="Currency",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: str(r.order.mapped.spec.currency),
    ),
    Column(
        name="OrderType",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: r.order.order_type,
    ),
    Column(name="Multiplier", group=Group.IDENTITY, style=Style.TEXT, value=_multiplier),
    Column(
        name="Quotation",
        group=Group.IDENTITY,
        style=Style.TEXT,
        value=lambda r: r.order.mapped.spec.quotation,
    ),
)
_PRICES = (
    Column(
        name="LmtPrice",
        group=Group.PRICE,
        style=Style.PRICE,
        value=_limit,
    ),
    Column(
        name="Close",
        group=Group.PRICE,
        style=Style.PRICE,
        value=lambda r: r.close.close if r.close else Missing.UNKNOWN,
    ),
    Column(
        name="PctDiff",
        group=Group.PRICE,
        style=Style.PERCENT,
        value=lambda r: _or_unknown(r.pct_diff),
    ),
)
_ALERTS = (
    Column(
        name="Alert_Deviation",
        group=Group.ALERT,
        style=Style.YES_NO,
        value=lambda r: _or_unknown(r.alert_deviation),
    ),
    Column(
        name="Alert_MissingPrice",
        group=Group.ALERT,
        style=Style.YES_NO,
        value=lambda r: r.alert_missing_price,
    ),
)
_SIZING = (
    Column(
        name="BB_Lower_20_3",
        group=Group.PRICE,
        style=Style.PRICE,
        value=_sized(lambda s: s.band),
    ),
    Column(
        name="StopDist",
        group=Group.PRICE,
        style=Style.PRICE,
        value=_sized(lambda s: s.stop_distance),
    ),
    Column(
        name="RiskPerContract",
        group=Group.RISK,
        style=Style.MONEY,
        value=_sized(lambda s: s.risk_per_contract),
    ),
    Column(
        name="RiskPerContract_AdjustedUSD",
        group=Group.RISK,
        style=Style.MONEY,
        value=_sized(lambda s: s.risk_per_contract_base),
    ),
    Column(
        name="FX_Conversion",
        group=Group.RISK,
        style=Style.RATE,
        value=_sized(lambda s: s.fx),
    ),
    Column(
        name="ContractsToTrade",
        group=Group.RISK,
        style=Style.COUNT,
        value=_sized(lambda s: s.contracts_to_trade),
    ),
    Column(
        name="RiskPerTrade",
        group=Group.RISK,
        style=Style.MONEY,
        value=_sized(lambda s: s.risk_per_trade),
    ),
    Column(name="PositionMismatch", group=Group.ALERT, style=Style.YES_NO, value=_mismatch),
    Column(
        name="RiskOK",
        group=Group.RISK_OK,
        style=Style.YES_NO,
        value=_sized(lambda s: s.risk_ok),
    ),
)

SELL_COLUMNS = (*_IDENTITY_HEAD, _EXCHANGE, *_IDENTITY_TAIL, *_PRICES, *_ALERTS)
BUY_COLUMNS = (*_IDENTITY_HEAD, *_IDENTITY_TAIL, *_PRICES, *_ALERTS, *_SIZING)


def _ours(
    name: str,
    value: Callable[[AuditRow], Value],
    style: Style = Style.TEXT,
    *,
    foreign: bool = False,
) -> Column:
    return Column(name=name, group=Group.OURS, style=style, value=value, foreign=foreign)


def _stop_level(row: AuditRow) -> Value:
    return "none given" if row.order.stop_level is None else row.order.stop_level


def _session_of_close(row: AuditRow) -> Value:
    return row.close.session.isoformat() if row.close else Missing.UNKNOWN


def _quote_time(quote: Quote) -> Value | None:
    return quote.as_of.isoformat() if quote.as_of else None


def _deviation(sizing: Sizing) -> Decimal | None:
    return sizing.deviation


def _parts(row: AuditRow) -> Value:
    """Why the model's size is another, in contracts: cause and part, adding up."""
    if row.sizing is None or not row.sizing.parts:
        return Missing.NOT_APPLICABLE
    return " ".join(f"{name}={part:.2f}" for name, part in row.sizing.parts)


#: What we add behind the write-up's columns, on both sides.
OUR_COLUMNS = (
    _ours("Model", lambda r: r.order.model),
    _ours("Kind", lambda r: r.order.kind.value),
    _ours("OrderRef", lambda r: r.order.order_ref),
    _ours("FinalQuantity", lambda r: r.final_quantity, Style.COUNT),
    _ours("Verdict", lambda r: r.verdict.word),
    _ours("Findings", lambda r: " | ".join(map(finding_line, r.findings)), foreign=True),
    _ours("Contract", lambda r: r.order.contract.symbol),
    _ours("ConId", lambda r: r.qualified.con_id if r.qualified else Missing.UNKNOWN, Style.COUNT),
    _ours("LocalSymbol", lambda r: r.qualified.local_symbol if r.qualified else Missing.UNKNOWN),
    _ours("ModelQuantity", lambda r: r.order.model_quantity, Style.COUNT),
    _ours("HeldBefore", lambda r: r.order.held_before, Style.COUNT),
    _ours("PositionBefore", lambda r: _or_unknown(r.position_before), Style.COUNT),
    _ours("PositionAfter", lambda r: _or_unknown(r.position_after), Style.COUNT),
    _ours("ReferencePrice", lambda r: r.order.reference_price, Style.PRICE),
    _ours("CloseSession", _session_of_close),
    _ours("Bid", _quoted(lambda q: q.bid), Style.PRICE),
    _ours("Ask", _quoted(lambda q: q.ask), Style.PRICE),
    _ours("Last", _quoted(lambda q: q.last), Style.PRICE),
    _ours("QuoteKind", _quoted(lambda q: q.kind.value if q.kind else None)),
    _ours("QuoteTime", _quoted(_quote_time)),
    _ours("Drift", lambda r: _or_unknown(r.drift), Style.PERCENT),
    _ours("ModelStop", _stop_level, Style.PRICE),
    _ours("Mean", _sized(lambda s: s.mean), Style.PRICE),
    _ours("Deviation", _sized(_deviation), Style.PRICE),
    _ours("Band", _sized(lambda s: s.band), Style.PRICE),
    _ours("Capital", _sized(lambda s: s.capital), Style.MONEY),
    _ours("MaxRisk", _sized(lambda s: s.max_risk), Style.MONEY),
    _ours("Caps", _sized(lambda s: " ".join(s.caps) or "none")),
    _ours("MismatchParts", _parts),
    _ours("TimeInForce", lambda r: r.order.tif),
    _ours("Goes", lambda r: r.order.start_text),
    _ours("Worked", lambda r: r.order.worked_text or Missing.NOT_APPLICABLE),
    _ours("RollPair", lambda r: r.order.roll_pair or Missing.NOT_APPLICABLE),
    _ours("TradeId", lambda r: r.order.trade_id),
    _ours("Reason", lambda r: r.order.reason or "none given", foreign=True),
)
