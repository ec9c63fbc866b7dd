"""The rows of the example evening: both sides, every kind of order, every kind of trouble."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterclose.domain.audit import (
    AuditRow,
    Sizing,
)
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding
from afterclose.domain.market import AnswerState, Quote, QuoteKind
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    TradeKind,
    order_ref,
)
from unit.report.make_bars import BLOCK, ES_SIZING, LOOK, YEN_SIZING, finding, make_bars, sized
from unit.report.make_contracts import (
    SESSION,
    TYPED,
    make_mapped,
    make_qualified,
)

D = Decimal

NOW = datetime(2026, 11, 20, 22, 7, 31, tzinfo=UTC)
ACCOUNT = "DU1234567"
USD = Currency("USD")
HOSTILE_REASON = '<script>alert("reason")</script> & close > EMA60'


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One row of the example evening, as short as it can be said."""

    symbol: str
    action: Action
    quantity: int
    kind: TradeKind
    model: str = "TF"
    limit: str = ""
    final: int | None = None
    held: int = 0
    reason: str = ""
    stop: str | None = None
    pair: str = ""
    priced: bool = True
    quoted: bool = True
    sizing: Sizing | None = None
    findings: tuple[Finding, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)


EVENING = (
    Wanted(
        symbol="GCZ26",
        action=Action.SELL,
        quantity=2,
        kind=TradeKind.EXIT,
        held=2,
        reason="close 4061.3 below trailing stop 4068.2",
        stop="4068.2",
    ),
    Wanted(
        symbol="CLF27",
        action=Action.SELL,
        quantity=3,
        kind=TradeKind.ROLL_CLOSE,
        held=3,
        pair="main-20261120-TF-CLG27-O1",
        reason="4 calendar days to auto-close",
    ),
    Wanted(
        symbol="CLG27",
        action=Action.BUY,
        quantity=3,
        kind=TradeKind.ROLL_OPEN,
        pair="main-20261120-TF-CLF27-C1",
        reason="continuation points to CLG27",
        limit="58.87",
    ),
    Wanted(
        symbol="ZNZ26",
        action=Action.SELL,
        quantity=5,
        kind=TradeKind.EXIT,
        model="MR",
        held=5,
        limit="113.640625",
        reason="close below trailing stop",
        findings=(
            finding(
                "AC311",
                LOOK,
                "the close is 0.66 % below the limit: the exit may not fill",
                "lower the limit, or let exits cross the market in the settings",
                limit="113.640625",
                close="112.890625",
            ),
        ),
        changes={"alert_deviation": True, "pct_diff": D("-0.75") / D("113.640625")},
    ),
    Wanted(
        symbol="KOSZ26",
        action=Action.SELL,
        quantity=1,
        kind=TradeKind.EXIT,
        held=1,
        priced=False,
        quoted=False,
        reason="EMA20 < EMA60",
        findings=(
            finding(
                "AC121",
                LOOK,
                "no daily bars came for KOSZ26 within 60 s",
                "check the KSE market data subscription; the exit goes with its model limit",
                ib_code=162,
            ),
        ),
    ),
    Wanted(
        symbol="HGH27",
        action=Action.SELL,
        quantity=2,
        kind=TradeKind.ENTRY,
        model="MR",
        reason="short: close above mean + 2σ",
        stop="5.2140",
        sizing=sized("HGH27", D("5.0135"), fx="1", contracts=2, short=True),
    ),
    Wanted(
        symbol="FGBLZ26",
        action=Action.SELL,
        quantity=4,
        kind=TradeKind.REDUCE,
        final=0,
        held=4,
        reason="half of the position at target",
        findings=(
            finding(
                "AC301",
                BLOCK,
                "the account holds 0 FGBLZ26, the desk's records say 4: nothing to sell",
                "reconcile the position first: afterclose status",
                desk=4,
                broker=0,
            ),
        ),
        changes={"position_before": 0},
    ),
    Wanted(
        symbol="ESZ26",
        action=Action.BUY,
        quantity=3,
        kind=TradeKind.ENTRY,
        reason=HOSTILE_REASON,
        stop="6580.00",
        sizing=ES_SIZING,
    ),
    Wanted(
        symbol="6JZ26",
        action=Action.BUY,
        quantity=15,
        final=17,
        kind=TradeKind.ENTRY,
        model="MR",
        reason="mean20 − 2σ < close < mean20",
        stop="0.0063160",
        sizing=YEN_SIZING,
        findings=(
            finding(
                "AC431",
                LOOK,
                "the audit sizes 17 contracts, the model 15: 1 by the σ convention, 1 by rounding",
                "17 will be sent; exclude the row to keep the model's size out",
                model=15,
                audit=17,
            ),
        ),
        changes={"position_mismatch": True},
    ),
    Wanted(
        symbol="FESXZ26",
        action=Action.BUY,
        quantity=6,
        kind=TradeKind.ENTRY,
        reason="EMA20 > EMA60",
        sizing=sized("FESXZ26", D("5688"), fx="1.153425", contracts=6),
    ),
    Wanted(
        symbol="SJBZ26",
        action=Action.BUY,
        quantity=4,
        kind=TradeKind.ENTRY,
        reason="EMA20 > EMA60",
        sizing=sized("SJBZ26", D("135.62"), fx="0.006428503", contracts=4),
    ),
    Wanted(
        symbol="ZCH27",
        action=Action.BUY,
        quantity=12,
        final=10,
        kind=TradeKind.ADD,
        held=8,
        quoted=False,
        reason="adds on strength",
        sizing=sized("ZCH27", D("438.25"), fx="1", contracts=10, caps=("20 % of mean volume",)),
        findings=(
            finding(
                "AC422",
                LOOK,
                "no quote came for ZCH27: how far the market moved since the close is unknown",
                "look at the market before you approve",
            ),
        ),
        changes={"position_mismatch": True},
    ),
    Wanted(
        symbol="NKDZ26",
        action=Action.BUY,
        quantity=4,
        kind=TradeKind.EXIT,
        model="MR",
        held=-4,
        reason="covers: close below mean20",
    ),
    Wanted(
        symbol="HSIX26",
        action=Action.BUY,
        quantity=1,
        final=0,
        kind=TradeKind.ENTRY,
        reason="EMA20 > EMA60",
        sizing=sized("HSIX26", D("25830"), fx=None, contracts=None),
        findings=(
            finding(
                "AC441",
                BLOCK,
                "no exchange rate for HKD: the order's risk is unknown",
                "subscribe to IDEALPRO, or state a rate in the settings for tonight",
                currency="HKD",
            ),
        ),
        changes={"position_mismatch": None},
    ),
    Wanted(
        symbol="KCH27",
        action=Action.BUY,
        quantity=1,
        final=0,
        kind=TradeKind.ENTRY,
        model="MR",
        reason="mean20 − 2σ < close < mean20",
        sizing=sized("KCH27", D("402.35"), fx="1", contracts=0),
        findings=(
            finding(
                "AC432",
                LOOK,
                "one contract risks more than the 25,000 USD allowed: sized to 0",
                "nothing to do, or allow more risk per order in the settings",
            ),
        ),
        changes={"position_mismatch": True},
    ),
)


def make_row(wanted: Wanted) -> AuditRow:
    mapped = make_mapped(wanted.symbol)
    spec = mapped.spec
    close = D(TYPED[spec.root].close)
    limit = D(wanted.limit) if wanted.limit else close
    bars = make_bars(wanted.symbol, close) if wanted.priced else ()
    row = AuditRow(
        order=_order(wanted, limit),
        final_quantity=wanted.quantity if wanted.final is None else wanted.final,
        qualified=make_qualified(wanted.symbol),
        close=bars[-1] if bars else None,
        bars=bars,
        quote=_quote(close, spec.tick_size) if wanted.quoted else Quote(state=AnswerState.UNKNOWN),
        pct_diff=(close - limit) / limit if wanted.priced else None,
        alert_deviation=False if wanted.priced else None,
        alert_missing_price=not wanted.priced,
        drift=(close + spec.tick_size - limit) / limit if wanted.quoted else None,
        sizing=wanted.sizing,
        position_mismatch=False if wanted.sizing else None,
        position_before=wanted.held,
        findings=wanted.findings,
    )
    return replace(row, **wanted.changes)


def _order(wanted: Wanted, limit: D) -> BasketOrder:
    mapped = make_mapped(wanted.symbol)
    return BasketOrder(
        order_ref=order_ref(
            desk="main",
            session=SESSION,
            model=wanted.model,
            contract=mapped.contract,
            closes=wanted.kind.closes,
            attempt=1,
        ),
        model=wanted.model,
        mapped=mapped,
        action=wanted.action,
        quantity=wanted.quantity,
        kind=wanted.kind,
        limit_price=limit,
        account=ACCOUNT,
        session=SESSION,
        trade_id=f"{wanted.model}/{SESSION.isoformat()}/{wanted.symbol}",
        model_quantity=wanted.quantity,
        held_before=wanted.held,
        reference_price=limit,
        reason=wanted.reason,
        stop_level=D(wanted.stop) if wanted.stop else None,
        roll_pair=wanted.pair,
    )


def _quote(close: D, tick: D) -> Quote:
    return Quote(
        state=AnswerState.VALUE,
        as_of=NOW - timedelta(seconds=12),
        kind=QuoteKind.DELAYED,
        bid=close,
        ask=close + 2 * tick,
        last=close + tick,
    )
