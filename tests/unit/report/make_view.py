"""Example evenings for the report: one small and rich, one of any number of orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.audit import (
    AuditReport,
    AuditRow,
    OrderOutcome,
    PositionCheck,
    Reconciliation,
)
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding
from afterclose.domain.market import FxRate, FxRates
from afterclose.domain.orders import (
    Approval,
    ModelTrade,
    TradeKind,
)
from afterclose.domain.runs import (
    CurrencyRule,
    Mode,
    RollRule,
    RunManifest,
    RunState,
    StageRecord,
    TradesFrom,
)
from afterclose.domain.sending import LimitFigure
from afterclose.report.evening import Capital, DataState, EveningView, Mark, ModelSummary
from unit.report.make_bars import BLOCK, INFO, LOOK, finding
from unit.report.make_contracts import (
    SESSION,
    TYPED,
    con_id_of,
    make_contract,
    make_spec,
)
from unit.report.make_rows import ACCOUNT, EVENING, NOW, USD, D, Wanted, make_row

FX = FxRates(
    base=USD,
    rates={
        Currency(ccy): FxRate(currency=Currency(ccy), rate=D(rate), as_of=SESSION, source=source)
        for ccy, rate, source in (
            ("EUR", "1.153425", "EUR.USD midpoint"),
            ("JPY", "0.006428503", "USD.JPY midpoint, inverse"),
            ("KRW", "0.0006781", "account"),
        )
    },
    missing={Currency("HKD"): "no midpoint for USD.HKD within 30 s, no rate at the account"},
)


def make_trade(wanted: Wanted) -> ModelTrade:
    signed = wanted.quantity * wanted.action.sign
    return ModelTrade(
        model=wanted.model,
        contract=make_contract(wanted.symbol),
        decided_on=SESSION,
        kind=wanted.kind,
        position_before=wanted.held,
        position_after=wanted.held + signed,
        price=D(TYPED[make_contract(wanted.symbol).root].close),
        reason=wanted.reason,
    )


def make_account(rows: tuple[AuditRow, ...]) -> AccountSnapshot:
    held = [_position(row) for row in rows if row.position_before]
    other = Position(
        account=ACCOUNT,
        con_id=con_id_of("6EZ26"),
        symbol="EUR",
        trading_class="6E",
        contract_month=make_contract("6EZ26").month,
        quantity=2,
        average_cost=D("143100.00"),
        currency=USD,
    )
    return AccountSnapshot(
        account=ACCOUNT,
        base=USD,
        as_of=NOW - timedelta(seconds=40),
        net_liquidation=D("5213440.17"),
        available_funds=D("4410220.50"),
        excess_liquidity=D("4498001.02"),
        initial_margin=D("803219.67"),
        maintenance_margin=D("715439.15"),
        cash={USD: D("5013220.11"), Currency("EUR"): D("-12040.55")},
        exchange_rates={Currency("EUR"): D("1.1533"), Currency("KRW"): D("0.0006781")},
        positions=(*held, other),
        working_orders=(),
    )


def _position(row: AuditRow) -> Position:
    order, spec = row.order, row.order.mapped.spec
    return Position(
        account=ACCOUNT,
        con_id=con_id_of(order.contract.symbol),
        symbol=spec.ib_symbol,
        trading_class=spec.trading_class,
        contract_month=order.contract.month,
        quantity=row.position_before or 0,
        average_cost=order.limit_price * (spec.point_value or D(1)),
        currency=spec.currency,
    )


def make_view(wanted: tuple[Wanted, ...] = EVENING, **changes: Any) -> EveningView:
    """The example evening; any part of it can be replaced by keyword."""
    rows = tuple(make_row(w) for w in wanted)
    view = EveningView(
        manifest=make_manifest(),
        models=(_model("TF", "5261003.44", 41), _model("MR", "4988120.10", 73)),
        trades=(*(make_trade(w) for w in wanted), _dropped_trade()),
        audit=make_report(rows),
        account=make_account(rows),
        fx=FX,
        capital=Capital(rule="fixed", amount=D(5_000_000), currency=USD),
        data=_data(),
        written_at=NOW + timedelta(seconds=3),
        digest="9b1c7f0e5f6d4a27b3f2b7f1f6f4a0c19b1c7f0e5f6d4a27b3f2b7f1f6f4a0c1",
        other_rule_trades=tuple(make_trade(w) for w in wanted[:4]),
        dropped=(
            finding(
                "AC212",
                BLOCK,
                "TF wants to sell 1 LBRF27, which is not in the contract table",
                "add LBR to contracts.csv, or override it in the mapping workbook",
            ),
        ),
        margin_after=None,
        limits=_limits(rows),
        kept_flat={"TF": (make_contract("NGF27").root,), "MR": ()},
        marks={
            con_id_of("6EZ26"): Mark(
                sector="Currency", price=D("1.15340"), point_value=make_spec("6E").point_value
            )
        },
        files={
            "40-audit-sell.csv": "0a" * 32,
            "40-audit-buy.csv": "0b" * 32,
            "baskets/TWS_Basket_BUY_20261120.csv": "0c" * 32,
        },
    )
    return replace(view, **changes)


def _limits(rows: tuple[AuditRow, ...]) -> tuple[LimitFigure, ...]:
    """One that is set and kept, one beyond, one not set, one that nobody can tell."""
    largest = max(rows, key=lambda r: r.order.quantity).order if rows else None
    quantity = D(largest.quantity) if largest else None
    ref = largest.order_ref if largest else ""
    return (
        LimitFigure(name="orders_per_evening", most=D(100), tonight=D(len(rows))),
        LimitFigure(name="quantity_per_order", most=D(2), tonight=quantity, of=ref),
        LimitFigure(name="notional_per_order", most=None, tonight=D("1008037.50"), of=ref),
        LimitFigure(name="notional_per_root", most=D(2_000_000), tonight=D(1_500_000), of="ES"),
        LimitFigure(name="notional_total", most=D(9_000_000), tonight=D(4_212_345), unknown=1),
        LimitFigure(name="price_band", most=D("0.05"), tonight=None, unknown=2),
    )


def make_report(rows: tuple[AuditRow, ...], findings: tuple[Finding, ...] | None = None) -> Any:
    if findings is None:
        findings = (
            finding(
                "AC512",
                LOOK,
                "market data at the gateway is delayed, not live",
                "subscribe, or read the drift figures with that in mind",
            ),
        )
    return AuditReport(
        run_id="2026-11-20-1",
        session=SESSION,
        account=ACCOUNT,
        as_of=NOW,
        rows=rows,
        findings=findings,
    )


def make_manifest(**changes: Any) -> RunManifest:
    started = datetime(2026, 11, 20, 22, 0, 4, tzinfo=UTC)
    names = ("update", "signals", "mapping", "basket", "snapshot", "sizing", "audit", "review")
    stages = tuple(
        StageRecord(
            name=name,
            status="done",
            started=started + timedelta(seconds=20 * n),
            finished=started + timedelta(seconds=20 * n + 7 * n + 2),
            artefacts=(f"{n + 1}0-{name}.json",),
            findings=n % 3,
        )
        for n, name in enumerate(names)
    )
    manifest = RunManifest(
        run_id="2026-11-20-1",
        session=SESSION,
        mode=Mode.PAPER,
        account=ACCOUNT,
        state=RunState.PREPARED,
        code_version="0.1.0",
        inputs_digest="5d" * 32,
        trades_from=TradesFrom.ORDERS,
        stages=stages,
    )
    return replace(manifest, **changes)


def _model(name: str, value: str, transactions: int) -> ModelSummary:
    return ModelSummary(
        name=name,
        first_session=date(2026, 8, 26),
        last_session=SESSION,
        net_asset_value=D(value),
        capital_base=D(5_000_000),
        capital_allocated=D(2_500_000),
        base_currency=USD,
        transactions=transactions,
        positions=9,
        orders_open=8,
        rolls=RollRule.CAUSAL,
        currency=CurrencyRule.ACCOUNT,
        facts={"zipline": "3.2.1", "seconds": 11.4},
    )


def _data() -> DataState:
    return DataState(
        source="generated market, seed 0",
        last_session=SESSION,
        fingerprint="7e" * 32,
        roots=71,
        late=(
            finding(
                "AC104",
                LOOK,
                "no bar of 2026-11-20 for FSMI: its market was closed",
                "nothing to do",
            ),
        ),
        revised=(
            finding(
                "AC131",
                INFO,
                "the close of KCH27 on 2026-11-18 changed from 401.90 to 402.05",
                "no transaction of any model changed with it",
            ),
        ),
    )


def _dropped_trade() -> ModelTrade:
    return ModelTrade(
        model="TF",
        contract=make_contract("LBRF27"),
        decided_on=SESSION,
        kind=TradeKind.EXIT,
        position_before=1,
        position_after=0,
        price=D("587.5"),
        reason="EMA20 < EMA60",
    )


def make_approval(view: EveningView) -> Approval:
    refs = tuple(order.order_ref for order in view.audit.cleared_orders())
    return Approval(
        run_id=view.manifest.run_id,
        digest=view.digest,
        account=ACCOUNT,
        order_refs=refs,
        reviewer="Ada",
        at=NOW + timedelta(minutes=6),
        expires_at=NOW + timedelta(hours=5),
        note="delayed quotes are fine on paper",
        overrides=((refs[0], "the mismatch is the σ convention"),),
    )


def make_reconciliation(view: EveningView) -> Reconciliation:
    cleared = view.audit.cleared_orders()
    outcomes = [
        OrderOutcome(
            order=order,
            state="filled",
            filled=order.quantity,
            average_price=order.limit_price,
            commission=D("2.35") * order.quantity,
            commission_currency="USD",
            slippage_ticks=D("-0.5"),
        )
        for order in cleared
    ]
    outcomes[0] = replace(
        outcomes[0],
        state="unknown",
        filled=0,
        average_price=None,
        commission=None,
        slippage_ticks=None,
        text="no acknowledgement came; the broker's book was read whole and did not show it",
    )
    checks = tuple(
        PositionCheck(
            symbol=order.contract.symbol,
            con_id=con_id_of(order.contract.symbol),
            desk=order.held_before + order.signed,
            broker=order.held_before + order.signed if n else None,
        )
        for n, order in enumerate(cleared)
    )
    return Reconciliation(
        run_id=view.manifest.run_id,
        session=SESSION,
        as_of=NOW + timedelta(hours=16),
        outcomes=tuple(outcomes),
        positions=checks,
        findings=(
            finding(
                "AC601",
                BLOCK,
                "the fate of one order is unknown",
                "look at the order in TWS, then run afterclose settle again",
            ),
        ),
    )


def many_orders(number: int) -> EveningView:
    """An evening of so many orders: the example's roots in one delivery month after another."""
    patterns = [w for w in EVENING if not w.pair]
    wanted = []
    for n in range(number):
        pattern = patterns[n % len(patterns)]
        root = make_contract(pattern.symbol).root
        lap = n // len(patterns)
        symbol = f"{root}{'FGHJKMNQUVXZ'[lap % 12]}{27 + lap // 12}"
        wanted.append(replace(pattern, symbol=symbol))
    return make_view(tuple(wanted))
