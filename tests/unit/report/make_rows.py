"""The rows of the example evening: both sides, every kind of order, every kind of trouble."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterclose.domain.audit import (
    AuditRow,
    Sizing,
)
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import AnswerState, Bar, Quote, QuoteKind
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    TradeKind,
    order_ref,
)
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


def finding(code: str, severity: Severity, message: str, hint: str = "", **seen: Any) -> Finding:
    return Finding(
        code=code, severity=severity, subject="row", message=message, hint=hint, evidence=seen
    )


def make_bars(symbol: str, close: D, *, count: int = 60) -> tuple[Bar, ...]:
    """A quiet random walk that ends at ``close``, on the tick."""
    spec, chance = make_mapped(symbol).spec, random.Random(symbol)
    prices = [close]
    for _ in range(count):
        prices.append(prices[-1] * (1 - D(str(round(chance.gauss(0.0009, 0.008), 5)))))
    prices = [spec.to_tick(price) for price in reversed(prices)]
    days = [SESSION - timedelta(days=n) for n in range(count * 2)]
    sessions = [day for day in days if day.weekday() < 5][:count][::-1]
    bars = []
    for session, opened, closed in zip(sessions, prices, prices[1:], strict=False):
        reach = close * D(str(round(abs(chance.gauss(0, 0.004)), 5)))
        bars.append(
            Bar(
                session=session,
                open=opened,
                high=spec.to_tick(max(opened, closed) + reach),
                low=spec.to_tick(min(opened, closed) - reach),
                close=closed,
                volume=D(chance.randint(900, 90_000)),
            )
        )
    return tuple(bars)


def sized(symbol: str, close: D, *, fx: str | None, contracts: int | None, **more: Any) -> Sizing:
    """A plausible sizing for rows whose figures no test looks at."""
    spec = make_mapped(symbol).spec
    band = spec.to_tick(close * D("0.96"))
    distance, point_value = close - band, spec.point_value or D(1)
    risk = distance * point_value
    in_base = None if fx is None else risk * D(fx)
    whole = contracts
    return Sizing(
        window=20,
        width=D(3),
        mean=close * D("0.99"),
        deviation=close * D("0.01"),
        band=band,
        stop_distance=distance,
        point_value=point_value,
        risk_per_contract=risk,
        fx=None if fx is None else D(fx),
        risk_per_contract_base=in_base,
        capital=D(5_000_000),
        max_risk=D(25_000),
        contracts_to_trade=whole,
        risk_per_trade=None if in_base is None or whole is None else in_base * whole,
        risk_ok=None if in_base is None else in_base * (whole or 0) <= D(25_000),
        **more,
    )


#: Worked by hand: 6700 − 3 × 40 = 6580; 6720.25 − 6580 = 140.25; × 50 = 7012.50;
#: 25,000 / 7012.50 = 3.56…, so 3 contracts and 21,037.50.
ES_SIZING = Sizing(
    window=20,
    width=D(3),
    mean=D("6700.00"),
    deviation=D("40.00"),
    band=D("6580.00"),
    stop_distance=D("140.25"),
    point_value=D(50),
    risk_per_contract=D("7012.50"),
    fx=D(1),
    risk_per_contract_base=D("7012.50"),
    capital=D(5_000_000),
    max_risk=D(25_000),
    contracts_to_trade=3,
    risk_per_trade=D("21037.50"),
    risk_ok=True,
)
#: Worked by hand: 0.0064100 − 3 × 0.00003125 = 0.00631625; 0.0064285 − 0.00631625 = 0.00011225;
#: × 12,500,000 = 1403.125; 25,000 / 1403.125 = 17.81…, so 17 contracts and 23,853.125.
YEN_SIZING = Sizing(
    window=20,
    width=D(3),
    mean=D("0.0064100"),
    deviation=D("0.00003125"),
    band=D("0.00631625"),
    stop_distance=D("0.00011225"),
    point_value=D(12_500_000),
    risk_per_contract=D("1403.125"),
    fx=D(1),
    risk_per_contract_base=D("1403.125"),
    capital=D(5_000_000),
    max_risk=D(25_000),
    contracts_to_trade=17,
    risk_per_trade=D("23853.125"),
    risk_ok=True,
)

LOOK, BLOCK, INFO = Severity.WARN, Severity.BLOCK, Severity.INFO

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
        pair="TF-CL-20261120",
        reason="4 calendar days to auto-close",
    ),
    Wanted(
        symbol="CLG27",
        action=Action.BUY,
        quantity=3,
        kind=TradeKind.ROLL_OPEN,
        pair="TF-CL-20261120",
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
        sizing=sized("HGH27", D("5.0135"), fx="1", contracts=2),
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
