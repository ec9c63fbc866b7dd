"""The engine and plain ``zipline.run_algorithm`` agree, fill by fill and cent by cent.

Same bars (in thousandths, which a Zipline bundle can hold), same calendar, Zipline's own rolls,
native currency. The algorithms use the API in different ways; pipelines are left out: they are for
equities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pandas as pd
import pytest
from zipline import api
from zipline.finance.commission import NoCommission, PerContract
from zipline.finance.execution import LimitOrder, StopLimitOrder, StopOrder
from zipline.finance.slippage import FixedSlippage, VolumeShareSlippage

from afterclose.adapters.zipline.stock import run_stock
from afterclose.adapters.zipline.strategy import Strategy, load_strategy
from afterclose.domain.runs import CurrencyRule, RollRule
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

pytestmark = pytest.mark.slow

ROOTS = (
    SmallRoot(root="ES", price=3000.0, drift=0.001, tick_size=0.25),
    SmallRoot(root="CL", price=50.0, drift=0.0005, missing_share=0.04),
    SmallRoot(root="FGBL", price=150.0, drift=0.0008, currency="EUR", irregular=25),
    SmallRoot(root="OJ", price=30.0, drift=0.0015, point_value=5.0, volume=900.0),
)
Functions = Mapping[str, Callable[..., Any]]


def resting_orders() -> Functions:
    """Limit, stop and stop-limit orders, cancelled when old."""

    def initialize(context: Any) -> None:
        context.future = api.continuous_future("CL", roll="volume", adjustment="mul")
        api.set_slippage(us_futures=VolumeShareSlippage(volume_limit=0.05, price_impact=0.2))

    def handle_data(context: Any, data: Any) -> None:
        for orders in api.get_open_orders().values():
            for order in orders:
                if (api.get_datetime() - order.created).days > 4:
                    api.cancel_order(order)
        contract = data.current(context.future, "contract")
        price = data.current(contract, "price")
        day = api.get_datetime().day
        if day % 3 == 0:
            api.order(contract, 40, style=LimitOrder(price * 0.997))
        elif day % 3 == 1:
            api.order(contract, -25, style=StopOrder(price * 0.995))
        else:
            api.order(contract, 10, style=StopLimitOrder(price * 1.01, price * 1.003))

    return {"initialize": initialize, "handle_data": handle_data}


def every_field() -> Functions:
    """All fields, several window lengths, of continuations and of contracts."""

    def initialize(context: Any) -> None:
        context.futures = [
            api.continuous_future(root.root, roll="volume", adjustment="mul") for root in ROOTS
        ]
        # Zipline's default exchange fees do not know every root.
        api.set_commission(us_futures=PerContract(cost=1.0, exchange_fee=0.0))
        api.schedule_function(trade, api.date_rules.week_start(), api.time_rules.market_open())

    def trade(context: Any, data: Any) -> None:
        fields = ["open", "high", "low", "close", "volume", "price"]
        long = data.history(context.futures, fields, 60, "1d")
        short = data.history(context.futures, "price", 3, "1d")
        for future in context.futures:
            contract = data.current(future, "contract")
            own = data.history(contract, ["high", "low"], 10, "1d")
            frame = long.xs(future, level=1)
            signal = (
                frame["close"].mean()
                + frame["open"].std()
                + (own["high"] - own["low"]).mean()
                + frame["volume"].iloc[-1] * 1e-6
            )
            up = short[future].iloc[-1] > signal
            api.order_target(contract, 3 if up else -2)

    return {"initialize": initialize}


def current_values() -> Functions:
    """``data.current`` in all its shapes; shorts; ``order_target_percent`` and ``can_trade``."""

    def initialize(context: Any) -> None:
        context.futures = [api.continuous_future(root.root, roll="volume") for root in ROOTS]
        api.set_commission(us_futures=NoCommission())

    def handle_data(context: Any, data: Any) -> None:
        contracts = [data.current(future, "contract") for future in context.futures]
        bars = data.current(contracts, ["open", "close", "volume", "last_traded"])
        closes = data.current(context.futures, "close")
        api.record(closes=float(closes.sum()))
        for contract in contracts:
            if not data.can_trade(contract) or data.is_stale(contract):
                continue
            falling = bars.loc[contract, "close"] < bars.loc[contract, "open"]
            api.order_target_percent(contract, -0.05 if falling else 0.08)

    return {"initialize": initialize, "handle_data": handle_data}


def calendar_rolls() -> Functions:
    """Calendar rolls, the second month, additive adjustment, the chain, month-end trades."""

    def initialize(context: Any) -> None:
        context.near = api.continuous_future("ES", offset=0, roll="calendar", adjustment="add")
        context.next = api.continuous_future("ES", offset=1, roll="calendar", adjustment="mul")
        context.volume = api.continuous_future("CL", offset=1, roll="volume", adjustment="add")
        api.schedule_function(trade, api.date_rules.month_end(1), api.time_rules.market_close())

    def trade(context: Any, data: Any) -> None:
        windows = data.history([context.near, context.next, context.volume], "close", 30, "1d")
        spread = windows[context.near] - windows[context.next]
        chain = data.current_chain(context.near)
        api.order(chain[0], 5 if spread.iloc[-1] > spread.mean() else -5)
        api.order(data.current(context.next, "contract"), 2)
        api.order(data.current(context.volume, "contract"), int(windows.iloc[-1, 2]) % 7)

    return {"initialize": initialize}


def before_the_open() -> Functions:
    """``before_trading_start``, recorded values, other costs, dollars as sizes."""

    def initialize(context: Any) -> None:
        context.future = api.continuous_future("OJ", roll="volume", adjustment="mul")
        context.target = 0.0
        api.set_slippage(us_futures=FixedSlippage(spread=0.05))
        api.set_commission(us_futures=PerContract(cost=2.0, exchange_fee=0.5))

    def before_trading_start(context: Any, data: Any) -> None:
        prices = data.history(context.future, "price", 15, "1d")
        context.target = 40_000.0 if prices.iloc[-1] >= prices.median() else 15_000.0

    def handle_data(context: Any, data: Any) -> None:
        contract = data.current(context.future, "contract")
        for held in list(context.portfolio.positions):
            if held != contract:
                api.order_target(held, 0)
        api.order_target_value(contract, context.target)
        api.record(target=context.target, leverage=context.account.leverage)

    return {
        "initialize": initialize,
        "before_trading_start": before_trading_start,
        "handle_data": handle_data,
    }


ALGORITHMS: Mapping[str, Callable[[], Strategy]] = {
    "trend_following": lambda: load_strategy("afterclose.models.trend_following"),
    "mean_reversion": lambda: load_strategy("afterclose.models.mean_reversion"),
    "resting_orders": lambda: strategy_of(**resting_orders()),
    "every_field": lambda: strategy_of(**every_field()),
    "current_values": lambda: strategy_of(**current_values()),
    "calendar_rolls": lambda: strategy_of(**calendar_rolls()),
    "before_the_open": lambda: strategy_of(**before_the_open()),
}
REQUEST = request_of(
    first=date(2019, 5, 1),
    last=date(2019, 12, 20),
    rolls=RollRule.ZIPLINE,
    currency=CurrencyRule.NATIVE,
)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    data = small_market(ROOTS, first=date(2018, 1, 2), last=date(2019, 12, 31), volume_noise=0.6)
    return MemoryStore(data=data)


def fills(performance: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Every fill: when, what, how many, at which price to the last bit, and by an order or not."""
    return [
        (row["dt"], row["sid"].symbol, row["amount"], row["price"], row["order_id"] is None)
        for rows in performance["transactions"]
        for row in rows
    ]


def holdings(performance: pd.DataFrame) -> list[list[tuple[Any, ...]]]:
    return [
        [
            (row["sid"].symbol, row["amount"], row["cost_basis"], row["last_sale_price"])
            for row in rows
        ]
        for rows in performance["positions"]
    ]


def placed(orders: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [
        (order.asset.symbol, order.amount, order.filled, order.created, order.limit, order.stop)
        for order in orders
    ]


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_fills_positions_and_value_are_those_of_plain_zipline(
    store: MemoryStore, name: str
) -> None:
    strategy = ALGORITHMS[name]()
    stock, end, _ = run_stock(store, REQUEST, strategy)

    ours = run_in_process(store, REQUEST, strategy)

    assert len(fills(stock)) >= 8
    assert fills(ours.performance) == fills(stock)
    assert holdings(ours.performance) == holdings(stock)
    assert ours.performance["portfolio_value"].tolist() == stock["portfolio_value"].tolist()
    assert ours.performance["returns"].tolist() == stock["returns"].tolist()
    assert placed(ours.end.open_orders) == placed(end.open_orders)
