"""Contracts and orders typed by hand, for the tests of the Interactive Brokers adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Settlement,
)
from afterclose.domain.orders import Action, Approval, BasketOrder, TradeKind

ACCOUNT = "DU1234567"
EVENING = datetime(2025, 12, 1, 22, 30, tzinfo=UTC)

_ES = ContractSpec(
    root=RootSymbol("ES"),
    name="E-mini S&P 500",
    sector="Equity index",
    ib_symbol="ES",
    ib_exchange="CME",
    trading_class="ES",
    currency=Currency("USD"),
    multiplier="50",
    price_magnifier=1,
    tick_size=Decimal("0.25"),
    point_value=Decimal(50),
    vendor_to_ib_scale=Decimal(1),
    quotation="index points",
    months="HMUZ",
    settlement=Settlement.CASH,
)


def mapped(root: str, yyyymm: str, **facts: Any) -> MappedContract:
    """A contract with the facts of ES, except those given."""
    contract = FuturesContract(RootSymbol(root), ContractMonth.from_yyyymm(yyyymm))
    named = {"root": RootSymbol(root), "ib_symbol": root, "trading_class": root}
    return MappedContract(contract=contract, spec=replace(_ES, **{**named, **facts}))


ES = mapped("ES", "202512")
CL = mapped("CL", "202601", ib_exchange="NYMEX", multiplier="1000", tick_size=Decimal("0.01"))
ZC = mapped(
    "ZC",
    "202603",
    ib_exchange="CBOT",
    multiplier="5000",
    price_magnifier=100,
    tick_size=Decimal("0.25"),
)
SI = mapped(
    "SI",
    "202603",
    ib_exchange="COMEX",
    multiplier="5000",
    tick_size=Decimal("0.005"),
    ambiguous=True,
)
FDAX = mapped(
    "FDAX",
    "202512",
    ib_symbol="DAX",
    ib_exchange="EUREX",
    multiplier="25",
    tick_size=Decimal(1),
    currency=Currency("EUR"),
    ambiguous=True,
)

QUALIFIED_ES = QualifiedContract(
    contract=ES.contract,
    con_id=500410671,
    local_symbol="ESZ5",
    symbol="ES",
    exchange="CME",
    currency=Currency("USD"),
    trading_class="ES",
    multiplier="50",
    price_magnifier=1,
    tick_size=Decimal("0.25"),
    contract_month=ContractMonth(2025, 12),
    last_trade_date=date(2025, 12, 19),
    time_zone="America/Chicago",
    trading_hours="",
    liquid_hours="",
    order_types=("LMT", "MKT"),
)


def order(mapping: MappedContract = ES, /, **terms: Any) -> BasketOrder:
    """An order to buy three, at 6800, except for the terms given."""
    defaults: dict[str, Any] = {
        "order_ref": f"desk-20251201-TF-{mapping.contract.symbol}-O1",
        "model": "TF",
        "mapped": mapping,
        "action": Action.BUY,
        "quantity": 3,
        "kind": TradeKind.ENTRY,
        "limit_price": Decimal(6800),
        "account": ACCOUNT,
        "session": date(2025, 12, 1),
        "trade_id": f"TF/2025-12-01/{mapping.contract.symbol}",
        "model_quantity": 3,
        "held_before": 0,
        "reference_price": Decimal(6800),
    }
    return BasketOrder(**{**defaults, **terms})


def approval(*orders: BasketOrder, **terms: Any) -> Approval:
    """A yes to these orders, good for two hours from the evening on."""
    defaults: dict[str, Any] = {
        "run_id": "2025-12-01-1",
        "digest": "0" * 64,
        "account": ACCOUNT,
        "order_refs": tuple(o.order_ref for o in orders),
        "reviewer": "a person",
        "at": EVENING,
        "expires_at": EVENING + timedelta(hours=2),
    }
    return Approval(**{**defaults, **terms})
