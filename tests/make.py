"""Values for tests: plain functions, sensible defaults, every field can be given by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Settlement,
    read_symbol,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    FxRates,
    MarketSnapshot,
    Qualification,
    QualificationState,
    Quote,
    QuoteKind,
)
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    EventKind,
    Fill,
    ModelTrade,
    OrderEvent,
    TradeKind,
)

SESSION = date(2026, 11, 19)
TOMORROW = date(2026, 11, 20)
#: 16:10 in Chicago, after the close of the session.
NOW = datetime(2026, 11, 19, 22, 10, tzinfo=UTC)
ACCOUNT = "DU1234567"
USD, EUR = Currency("USD"), Currency("EUR")

D = Decimal


def make_contract(symbol: str = "ESZ26") -> FuturesContract:
    return read_symbol(symbol, on=SESSION)


def make_spec(root: str = "ES", **facts: Any) -> ContractSpec:
    """The E-mini S&P 500 of CME under any root, unless told otherwise."""
    defaults: dict[str, Any] = {
        "root": RootSymbol(root),
        "name": f"{root} futures",
        "sector": "Equity Index",
        "ib_symbol": root,
        "ib_exchange": "CME",
        "trading_class": root,
        "currency": USD,
        "multiplier": "50",
        "price_magnifier": 1,
        "tick_size": D("0.25"),
        "point_value": D(50),
        "vendor_to_ib_scale": D(1),
        "quotation": "index points",
        "months": "HMUZ",
        "settlement": Settlement.CASH,
    }
    return ContractSpec(**{**defaults, **facts})


def make_mapped(symbol: str = "ESZ26", **facts: Any) -> MappedContract:
    contract = make_contract(symbol)
    return MappedContract(contract=contract, spec=make_spec(contract.root, **facts))


def con_id_of(contract: FuturesContract) -> int:
    """Year and month, and the letters of the root: different for every contract of a test."""
    letters = int.from_bytes(contract.root.encode("ascii"), "big") % 10_000
    return letters * 1_000_000 + int(contract.month.yyyymm)


def make_qualified(symbol: str = "ESZ26", **facts: Any) -> QualifiedContract:
    contract = make_contract(symbol)
    defaults: dict[str, Any] = {
        "contract": contract,
        "con_id": con_id_of(contract),
        "local_symbol": symbol,
        "symbol": contract.root,
        "exchange": "CME",
        "currency": USD,
        "trading_class": contract.root,
        "multiplier": "50",
        "price_magnifier": 1,
        "tick_size": D("0.25"),
        "contract_month": contract.month,
        "last_trade_date": _third_friday(contract.month),
        "time_zone": "America/Chicago",
        "trading_hours": "20261118:1700-20261119:1600;20261119:1700-20261120:1600;20261121:CLOSED",
        "liquid_hours": "",
        "order_types": ("LMT", "MKT"),
    }
    return QualifiedContract(**{**defaults, **facts})


def _third_friday(month: ContractMonth) -> date:
    fifteenth = date(month.year, month.month, 15)
    return fifteenth + timedelta(days=(4 - fifteenth.weekday()) % 7)


def found(symbol: str = "ESZ26", **facts: Any) -> Qualification:
    return Qualification(state=QualificationState.FOUND, qualified=make_qualified(symbol, **facts))


def make_trade(symbol: str = "ESZ26", before: int = 0, after: int = 2, **fields: Any) -> ModelTrade:
    """A trade of the model TF; the kind follows from the positions unless it is given."""
    defaults: dict[str, Any] = {
        "model": "TF",
        "contract": make_contract(symbol),
        "decided_on": SESSION,
        "kind": _kind(before, after),
        "position_before": before,
        "position_after": after,
        "price": D(6000),
    }
    return ModelTrade(**{**defaults, **fields})


def _kind(before: int, after: int) -> TradeKind:
    if before == 0:
        return TradeKind.ENTRY
    if after == 0:
        return TradeKind.EXIT
    if before * after < 0:
        return TradeKind.REVERSAL
    return TradeKind.ADD if abs(after) > abs(before) else TradeKind.REDUCE


def make_order(symbol: str = "ESZ26", signed: int = 2, **fields: Any) -> BasketOrder:
    """Buy (or, with a negative quantity, sell) at 6000: an entry, unless told otherwise."""
    mapped = fields.pop("mapped", None) or make_mapped(symbol)
    kind = fields.get("kind", TradeKind.ENTRY)
    model = fields.get("model", "TF")
    effect = "C" if kind.closes else "O"
    defaults: dict[str, Any] = {
        "order_ref": f"desk-20261119-{model}-{symbol}-{effect}1",
        "model": model,
        "mapped": mapped,
        "action": Action.of(signed),
        "quantity": abs(signed),
        "kind": kind,
        "limit_price": D(6000),
        "account": ACCOUNT,
        "session": SESSION,
        "trade_id": f"{model}/2026-11-19/{symbol}",
        "model_quantity": abs(signed),
        "held_before": -signed if kind.closes else 0,
        "reference_price": D(6000),
    }
    return BasketOrder(**{**defaults, **fields})


def make_exit(symbol: str = "ESZ26", signed: int = -2, **fields: Any) -> BasketOrder:
    return make_order(symbol, signed, **{"kind": TradeKind.EXIT, **fields})


def make_bars(
    closes: Sequence[Decimal | int | str], *, last: date = SESSION, volume: int = 100_000
) -> tuple[Bar, ...]:
    """Bars on consecutive days up to ``last``, all four prices at the close."""
    first = last - timedelta(days=len(closes) - 1)
    return tuple(
        Bar(
            session=first + timedelta(days=day),
            open=D(close),
            high=D(close),
            low=D(close),
            close=D(close),
            volume=D(volume),
        )
        for day, close in enumerate(closes)
    )


def bars_answer(bars: tuple[Bar, ...]) -> BarsAnswer:
    return BarsAnswer(state=AnswerState.VALUE, bars=bars)


def make_quote(last: Decimal | int | str | None = 6000, **fields: Any) -> Quote:
    defaults: dict[str, Any] = {
        "state": AnswerState.VALUE,
        "as_of": NOW,
        "kind": QuoteKind.LIVE,
        "last": None if last is None else D(last),
    }
    return Quote(**{**defaults, **fields})


def make_position(symbol: str = "ESZ26", quantity: int = 2, **fields: Any) -> Position:
    contract = make_contract(symbol)
    defaults: dict[str, Any] = {
        "account": ACCOUNT,
        "con_id": con_id_of(contract),
        "symbol": contract.root,
        "trading_class": contract.root,
        "contract_month": contract.month,
        "quantity": quantity,
        "average_cost": D(300_000),
        "currency": USD,
    }
    return Position(**{**defaults, **fields})


def make_account(*positions: Position, **fields: Any) -> AccountSnapshot:
    """A million dollars and these positions; nothing is working."""
    defaults: dict[str, Any] = {
        "account": ACCOUNT,
        "base": USD,
        "as_of": NOW,
        "net_liquidation": D(1_000_000),
        "available_funds": D(800_000),
        "excess_liquidity": D(800_000),
        "initial_margin": D(100_000),
        "maintenance_margin": D(90_000),
        "cash": {USD: D(1_000_000)},
        "positions": positions,
        "working_orders": (),
    }
    return AccountSnapshot(**{**defaults, **fields})


def make_snapshot(*symbols: str, **fields: Any) -> MarketSnapshot:
    """The gateway knows these contracts, closed and quoted at 6000, in an account without any."""
    contracts = [make_contract(s) for s in symbols or ("ESZ26",)]
    defaults: dict[str, Any] = {
        "as_of": NOW,
        "server_time": NOW,
        "session": SESSION,
        "qualifications": {c: found(c.symbol) for c in contracts},
        "bars": {c: bars_answer(make_bars([6000] * 21)) for c in contracts},
        "quotes": {c: make_quote() for c in contracts},
        "fx": FxRates(base=USD),
        "account": make_account(),
    }
    return MarketSnapshot(**{**defaults, **fields})


def make_finding(severity: Severity = Severity.WARN, **fields: Any) -> Finding:
    defaults: dict[str, Any] = {
        "code": "AC104",
        "severity": severity,
        "subject": "ESZ26",
        "message": "the closes differ",
    }
    return Finding(**{**defaults, **fields})


def make_row(order: BasketOrder | None = None, **fields: Any) -> AuditRow:
    """A clear row: everything was found and nothing is wrong."""
    order = order or make_order()
    defaults: dict[str, Any] = {
        "order": order,
        "final_quantity": order.quantity,
        "qualified": make_qualified(order.contract.symbol),
        "close": make_bars([6000])[0],
        "quote": make_quote(),
        "position_before": 0,
    }
    return AuditRow(**{**defaults, **fields})


def make_report(*rows: AuditRow, **fields: Any) -> AuditReport:
    defaults: dict[str, Any] = {
        "run_id": "2026-11-19-0badcafe",
        "session": SESSION,
        "account": ACCOUNT,
        "as_of": NOW,
        "rows": rows or (make_row(),),
    }
    return AuditReport(**{**defaults, **fields})


def make_fill(order: BasketOrder | None = None, quantity: int = 2, **fields: Any) -> Fill:
    order = order or make_order()
    defaults: dict[str, Any] = {
        "exec_id": "0000e0d5.6740a1b2.01",
        "order_ref": order.order_ref,
        "perm_id": 4711,
        "con_id": con_id_of(order.contract),
        "action": order.action,
        "quantity": quantity,
        "price": D(6000),
        "at": NOW,
        "account": ACCOUNT,
    }
    return Fill(**{**defaults, **fields})


def make_event(order: BasketOrder | None = None, kind: str = "status", **fields: Any) -> OrderEvent:
    """An event of an order; ``status="Submitted"`` and the like, or ``fill=…``."""
    ref = (order or make_order()).order_ref
    return OrderEvent(**{"order_ref": ref, "at": NOW, "kind": EventKind(kind), **fields})


def intent(order: BasketOrder) -> OrderEvent:
    return make_event(order, "intent")


def status(order: BasketOrder, word: str, **fields: Any) -> OrderEvent:
    return make_event(order, "status", status=word, **fields)


def filled(order: BasketOrder, quantity: int, exec_id: str, **fields: Any) -> OrderEvent:
    fill = make_fill(order, quantity, exec_id=exec_id, **fields)
    return make_event(order, "fill", fill=fill)


def make_broker_order(order: BasketOrder | None = None, **fields: Any) -> BrokerOrder:
    order = order or make_order()
    defaults: dict[str, Any] = {
        "order_ref": order.order_ref,
        "perm_id": 4711,
        "client_id": 18,
        "con_id": con_id_of(order.contract),
        "symbol": order.contract.root,
        "action": order.action,
        "quantity": order.quantity,
        "filled": 0,
        "status": "Submitted",
        "account": ACCOUNT,
    }
    return BrokerOrder(**{**defaults, **fields})


def make_sweep(**fields: Any) -> OrderSweep:
    """A complete reading of an empty book."""
    defaults: dict[str, Any] = {"open_orders": (), "completed_orders": (), "fills": ()}
    return OrderSweep(**{"at": NOW, **defaults, **fields})


def renamed(order: BasketOrder, **fields: Any) -> BasketOrder:
    return replace(order, **fields)


def codes(findings: Sequence[Finding]) -> list[str]:
    return [f.code for f in findings]


def severities(findings: Sequence[Finding]) -> dict[str, Severity]:
    return {f.code: f.severity for f in findings}
