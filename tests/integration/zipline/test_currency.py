"""Profit and loss of a foreign contract, in the account's currency, by the rate of each day."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from zipline.api import order, set_commission, set_slippage
from zipline.finance.commission import PerContract
from zipline.finance.slippage import NoSlippage

from afterclose.domain.runs import CurrencyRule
from afterclose.errors import ModelError
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

FIRST, LAST = date(2019, 6, 3), date(2019, 8, 30)
CONTRACT = "FGBLU19"


def store(rates: dict[str, float]) -> MemoryStore:
    root = SmallRoot(root="FGBL", price=150.0, currency="EUR", point_value=1000.0)
    return MemoryStore(
        data=small_market(
            [root], first=date(2019, 1, 2), last=date(2019, 9, 30), seed=3, rates=rates
        )
    )


def initialize(context: Any) -> None:
    set_commission(us_futures=PerContract(cost=0.0, exchange_fee=0.0))
    set_slippage(us_futures=NoSlippage())
    context.day = 0


def hold_five_and_sell_two(context: Any, data: Any) -> None:
    trades = {0: 5, 20: -2}
    if context.day in trades:
        order(context.asset_finder.lookup_future_symbol(CONTRACT), trades[context.day])
    context.day += 1


STRATEGY = strategy_of(initialize=initialize, handle_data=hold_five_and_sell_two)


def daily_values(market: MemoryStore, *, converted: bool) -> list[float]:
    """The account by hand: yesterday's position times today's change, at today's rate."""
    bars = market.bars(CONTRACT)
    closes = pd.Series(bars.close, index=pd.DatetimeIndex(bars.sessions))
    closes = closes[pd.Timestamp(FIRST) : pd.Timestamp(LAST)]
    fx = market.fx("EUR")
    rates = pd.Series(fx.usd_per_unit, index=pd.DatetimeIndex(fx.sessions))[closes.index]
    held = np.zeros(len(closes))
    held[2:] = 5  # ordered on day 0, filled at the close of day 1
    held[22:] = 3
    change = np.diff(closes, prepend=closes.iloc[0]) * held * 1000.0
    return list(1_000_000.0 + np.cumsum(change * (rates if converted else 1.0)))


def test_each_days_variation_is_paid_at_that_days_rate() -> None:
    market = store({"EUR": 1.1})

    run = run_in_process(market, request_of(first=FIRST, last=LAST), STRATEGY)

    values = run.performance["portfolio_value"].tolist()
    assert values == pytest.approx(daily_values(market, converted=True), abs=1e-6)
    assert values != pytest.approx(daily_values(market, converted=False), abs=1.0)


def test_native_currency_counts_euros_as_dollars() -> None:
    market = store({"EUR": 1.1})
    request = request_of(first=FIRST, last=LAST, currency=CurrencyRule.NATIVE)

    run = run_in_process(market, request, STRATEGY)

    values = run.performance["portfolio_value"].tolist()
    assert values == pytest.approx(daily_values(market, converted=False), abs=1e-6)


def test_without_a_rate_the_run_stops_and_says_which() -> None:
    with pytest.raises(ModelError, match="no exchange rate to value FGBLU19"):
        run_in_process(store({}), request_of(first=FIRST, last=LAST), STRATEGY)
