"""The engine and a stock ``TradingAlgorithm`` agree on bars that no Zipline bundle can hold.

Prices with more than three decimals, negative prices, tiny ticks, markets in other currencies. The
other side is Zipline as it comes: its algorithm, blotter, ledger, data portal, asset finder and
roll finder, with a reader of a few lines that has nothing in common with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from zipline import api
from zipline.algorithm import TradingAlgorithm
from zipline.assets import AssetDBWriter, AssetFinder
from zipline.data.data_portal import DataPortal
from zipline.finance.commission import PerContract
from zipline.finance.slippage import FixedSlippage
from zipline.finance.trading import SimulationParameters
from zipline.utils.calendar_utils import get_calendar

from afterclose.adapters.marketdata.store import BarTable, MarketData
from afterclose.adapters.zipline.bars import FloatArray
from afterclose.adapters.zipline.strategy import Strategy, load_strategy
from afterclose.domain.runs import CurrencyRule, RollRule
from integration.zipline.exact_reader import ExactReader
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

pytestmark = pytest.mark.slow

FIRST, LAST = date(2019, 5, 1), date(2019, 12, 20)
ROOTS = (
    SmallRoot(root="ES", price=3000.0, drift=0.001, tick_size=0.25),
    SmallRoot(root="6J", price=100.0, drift=0.0008, currency="USD", point_value=12_500_000.0),
    SmallRoot(root="CL", price=50.0, drift=0.0, volatility=0.02, missing_share=0.04),
    SmallRoot(root="FGBL", price=150.0, drift=0.0008, currency="EUR", irregular=25),
    SmallRoot(root="KOS", price=250.0, drift=0.001, currency="KRW", point_value=250_000.0),
)
#: What is done to the prices of a root: no cents any more, and crude oil around zero.
SHAPES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "6J": lambda price: price * 0.0000672153,
    "CL": lambda price: price - 109.3171,
    "KOS": lambda price: price / 3.0,
}


def exact_market() -> MarketData:
    data = small_market(
        ROOTS,
        first=date(2018, 1, 2),
        last=date(2019, 12, 31),
        volume_noise=0.6,
        rates={"EUR": 1.1, "KRW": 0.0008},
    )
    series = []
    for bars in data.bars.split():
        shape = SHAPES.get(bars.symbol[:-3], np.copy)
        prices = {name: shape(getattr(bars, name)) for name in ("open", "high", "low", "close")}
        series.append(replace(bars, **prices))
    ticks = {"6J": 0.0000005, "KOS": 0.05}
    contracts = tuple(
        replace(record, tick_size=ticks.get(record.root, record.tick_size))
        for record in data.contracts
    )
    return replace(data, contracts=contracts, bars=BarTable.joined(series))


def run_stock_on(data: MarketData, strategy: Strategy) -> pd.DataFrame:
    calendar = get_calendar("us_futures")
    records = sorted(data.contracts, key=lambda record: (record.root, record.contract_month))
    sids = {record.symbol: number for number, record in enumerate(records)}
    finder = AssetFinder(_assets(records))
    reader = ExactReader(data, calendar, sids)
    portal = DataPortal(
        finder,
        trading_calendar=calendar,
        first_trading_day=reader.first_trading_day,
        future_daily_reader=reader,
    )
    sessions = calendar.sessions_in_range(pd.Timestamp(FIRST), pd.Timestamp(LAST))
    algorithm = TradingAlgorithm(
        data_portal=portal,
        trading_calendar=calendar,
        sim_params=SimulationParameters(
            start_session=sessions[0],
            end_session=sessions[-1],
            trading_calendar=calendar,
            capital_base=1_000_000.0,
            data_frequency="daily",
        ),
        benchmark_returns=pd.Series(0.0, index=sessions),
        **strategy.functions,
    )
    performance: pd.DataFrame = algorithm.run()
    return performance


def _assets(records: Any) -> str | Any:
    import sqlalchemy as sa  # noqa: PLC0415 - only this side of the comparison needs a database
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    futures = pd.DataFrame(
        {
            "symbol": [record.symbol for record in records],
            "root_symbol": [record.root for record in records],
            "asset_name": [record.name for record in records],
            "start_date": [pd.Timestamp(record.first_session) for record in records],
            "end_date": [pd.Timestamp(record.last_session) for record in records],
            "first_traded": [pd.Timestamp(record.first_session) for record in records],
            "exchange": [record.exchange for record in records],
            "notice_date": pd.NaT,
            "expiration_date": [pd.Timestamp(record.last_trade) for record in records],
            "auto_close_date": [pd.Timestamp(record.auto_close) for record in records],
            "tick_size": [record.tick_size for record in records],
            "multiplier": [record.point_value for record in records],
        }
    )
    roots = sorted({record.root for record in records})
    AssetDBWriter(engine).write(
        futures=futures,
        exchanges=pd.DataFrame(
            {"exchange": ["CME"], "canonical_name": ["CME"], "country_code": ["US"]}
        ),
        root_symbols=pd.DataFrame(
            {
                "root_symbol": roots,
                "root_symbol_id": range(len(roots)),
                "sector": "",
                "description": roots,
                "exchange": "CME",
            }
        ),
    )
    return engine


def around_zero() -> Strategy:
    """Trades crude oil through negative prices, with windows of every adjustment."""

    def initialize(context: Any) -> None:
        context.plain = api.continuous_future("CL", roll="volume", adjustment=None)
        context.added = api.continuous_future("CL", roll="volume", adjustment="add")
        context.yen = api.continuous_future("6J", roll="volume", adjustment="mul")
        context.won = api.continuous_future("KOS", roll="calendar", adjustment="mul")
        api.set_commission(us_futures=PerContract(cost=1.0, exchange_fee=0.5))
        api.set_slippage(us_futures=FixedSlippage(spread=0.0))

    def handle_data(context: Any, data: Any) -> None:
        for held in list(context.portfolio.positions):
            api.order_target(held, 0)
        windows = data.history([context.plain, context.added], "close", 12, "1d")
        yen = data.history([context.yen, context.won], ["close", "open"], 7, "1d")
        falling = windows.iloc[-1] < windows.mean()
        contract = data.current(context.plain, "contract")
        api.order(contract, -3 if falling.any() else 4)
        api.order(data.current(context.won, "contract"), 1)
        if float(yen["close"].iloc[-1]) > 0:
            api.order(data.current(context.yen, "contract"), 2)
        api.record(plain=float(windows.iloc[-1, 0]), added=float(windows.iloc[0, 1]))

    return strategy_of(initialize=initialize, handle_data=handle_data)


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "trend_following": lambda: load_strategy("afterclose.models.trend_following"),
    "mean_reversion": lambda: load_strategy("afterclose.models.mean_reversion"),
    "around_zero": around_zero,
}


@pytest.fixture(scope="module")
def data() -> MarketData:
    return exact_market()


def test_the_market_holds_what_a_bundle_cannot(data: MarketData) -> None:
    closes = {bars.symbol: bars.close for bars in data.bars.split()}

    assert closes["CLU19"].min() < 0 < closes["CLU19"].max()
    assert closes["6JU19"].max() < 0.02
    assert round(float(closes["KOSU19"][0]), 3) != float(closes["KOSU19"][0])


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_the_engine_gives_what_a_stock_algorithm_gives(data: MarketData, name: str) -> None:
    strategy = STRATEGIES[name]()
    stock = run_stock_on(data, strategy)
    request = request_of(
        first=FIRST, last=LAST, rolls=RollRule.ZIPLINE, currency=CurrencyRule.NATIVE
    )

    ours = run_in_process(MemoryStore(data=data), request, strategy).performance

    assert sum(map(len, stock["transactions"])) >= 8
    for table, names in (
        ("transactions", ("dt", "amount", "price")),
        ("positions", ("amount", "cost_basis", "last_sale_price")),
    ):
        for left, right in zip(ours[table], stock[table], strict=True):
            rows = [
                [(row["sid"].symbol, *(row[name] for name in names)) for row in side]
                for side in (left, right)
            ]
            assert rows[0] == rows[1]
    assert ours["portfolio_value"].tolist() == stock["portfolio_value"].tolist()
    assert ours["returns"].tolist() == stock["returns"].tolist()
