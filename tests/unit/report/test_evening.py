from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from afterclose.domain.runs import (
    CurrencyRule,
    ModelOrder,
    ModelPosition,
    ModelRef,
    ModelRequest,
    ModelResult,
    ModelTransaction,
    RollRule,
)
from afterclose.report.evening import ModelSummary

FIRST, LAST = date(2026, 8, 26), date(2026, 11, 20)


def test_a_model_is_summed_up_from_what_it_was_asked_and_what_it_did() -> None:
    request = ModelRequest(
        model=ModelRef(name="TF", entry_point="models/trend.py"),
        store=Path("store"),
        first_session=FIRST,
        last_session=LAST,
        capital_base=1_000_000.0,
        output=Path("out"),
        base_currency="EUR",
        rolls=RollRule.ZIPLINE,
        currency=CurrencyRule.NATIVE,
    )
    bought = ModelTransaction(session=LAST, symbol="ESZ26", amount=1, price=6720.25, order_id="a")
    result = ModelResult(
        model="TF",
        first_session=FIRST,
        last_session=LAST,
        capital_base=1_000_000.0,
        transactions=(bought, bought),
        positions=(ModelPosition(symbol="ESZ26", amount=1, last_price=6720.25),),
        open_orders=(
            ModelOrder(symbol="GCZ26", amount=1, filled=0, created=LAST, order_id="b"),
            ModelOrder(symbol="NQZ26", amount=1, filled=0, created=LAST, order_id="c"),
            ModelOrder(symbol="6EZ26", amount=1, filled=0, created=LAST, order_id="d"),
        ),
        auto_closes=(),
        portfolio_value=((FIRST, 1_000_000.0), (LAST, 1_012_345.67)),
        last_closes={},
        facts={"zipline": "3.2.1"},
    )

    summary = ModelSummary.of(request, result, capital_allocated=Decimal(500_000))

    assert summary == ModelSummary(
        name="TF",
        first_session=FIRST,
        last_session=LAST,
        net_asset_value=Decimal("1012345.67"),
        capital_base=Decimal(1_000_000),
        capital_allocated=Decimal(500_000),
        base_currency=summary.base_currency,
        transactions=2,
        positions=1,
        orders_open=3,
        rolls=RollRule.ZIPLINE,
        currency=CurrencyRule.NATIVE,
        facts={"zipline": "3.2.1"},
    )
    assert summary.base_currency == "EUR"
