"""The trend-following rules written the ordinary way: what a careful user would write with pandas.

One frame and three ``ewm`` per market and day, correlations through ``data.history`` for each held
market. Same rules, same parameters and same trades as ``afterclose.models.trend_following``; it is
the yardstick for speed and is not meant to be used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from zipline.api import (
    cancel_order,
    continuous_future,
    date_rules,
    get_open_orders,
    order,
    schedule_function,
    set_commission,
    set_slippage,
    time_rules,
)
from zipline.errors import SymbolNotFound
from zipline.finance.commission import PerContract
from zipline.finance.slippage import VolatilityVolumeShare

from afterclose.models.futures_rules import UNIVERSE

ROLL_DAYS, LIQUIDITY, CORRELATION = 5, 100, 0.9


def initialize(context: Any) -> None:
    set_commission(us_futures=PerContract(cost=0.85, exchange_fee=1.5))
    set_slippage(us_futures=VolatilityVolumeShare(volume_limit=0.2))
    context.roots = []
    for root in UNIVERSE:
        try:
            continuous_future(root, offset=0, roll="volume", adjustment="mul")
        except SymbolNotFound:
            continue
        context.roots.append(root)
    context.stops = {}
    schedule_function(trade, date_rules.every_day(), time_rules.market_close())


def future_of(root: Any) -> Any:
    return continuous_future(root, offset=0, roll="volume", adjustment="mul")


def trade(context: Any, data: Any) -> None:
    futures = [future_of(root) for root in context.roots]
    history = data.history(futures, ["close", "volume"], 257, "1d")
    frames = {}
    for future in futures:
        frame = history.xs(future, level=1).copy()
        frame["close"] = frame["close"].ffill()
        frame = frame.iloc[-252:].copy()
        recent = frame["close"].iloc[-250:]
        frame["ema5"] = recent.ewm(span=5).mean()
        frame["ema20"] = recent.ewm(span=20).mean()
        frame["ema60"] = recent.ewm(span=60).mean()
        frame["mean20"] = frame["close"].rolling(20).mean()
        frame["std20"] = frame["close"].rolling(20).std()
        frame["floor"] = frame["mean20"] - 3 * frame["std20"]
        frame["volume5"] = frame["volume"].rolling(5).mean()
        frame["volume20"] = frame["volume"].rolling(20).mean()
        frames[future.root_symbol] = frame
    held: dict[str, dict[Any, int]] = {}
    waiting: dict[str, list[Any]] = {}
    for contract, position in context.portfolio.positions.items():
        if position.amount:
            held.setdefault(contract.root_symbol, {})[contract] = position.amount
    for contract, orders in get_open_orders().items():
        waiting.setdefault(contract.root_symbol, []).extend(orders)
    trail(context, frames, held, waiting)
    leaving = leave(context, frames, held, waiting)
    roll(data, held, waiting, leaving)
    enter(context, data, frames, held, waiting)


def trail(context: Any, frames: Any, held: Any, waiting: Any) -> None:
    for root in list(context.stops):
        if root not in held and root not in waiting:
            del context.stops[root]
    for root in held.keys() | waiting.keys():
        frame = frames[root]
        stop, seen = context.stops.get(root, (-math.inf, math.nan))
        if frame["close"].iloc[-2] > 0 and seen > 0:
            stop *= frame["close"].iloc[-2] / seen
        context.stops[root] = (max(stop, frame["floor"].iloc[-1]), frame["close"].iloc[-1])


def leave(context: Any, frames: Any, held: Any, waiting: Any) -> set[str]:
    leaving = set()
    for root, contracts in sorted(held.items()):
        last = frames[root].iloc[-1]
        if last["close"] >= context.stops[root][0] and last["ema20"] >= last["ema60"]:
            continue
        leaving.add(root)
        pending = waiting.get(root, [])
        for waiting_order in pending:
            if waiting_order.amount > 0:
                cancel_order(waiting_order)
        for contract, amount in contracts.items():
            selling = sum(
                o.amount - o.filled for o in pending if o.amount < 0 and o.sid == contract
            )
            order(contract, -(amount + selling))
    return leaving


def roll(data: Any, held: Any, waiting: Any, leaving: Any) -> None:
    for root, contracts in sorted(held.items()):
        if root in leaving:
            continue
        for contract, amount in contracts.items():
            days = (contract.auto_close_date - data.current_session).days
            if days > ROLL_DAYS or any(o.sid == contract for o in waiting.get(root, [])):
                continue
            target = data.current(future_of(root), "contract")
            if target is None or target.auto_close_date <= contract.auto_close_date:
                continue
            order(contract, -amount)
            order(target, amount)


def enter(context: Any, data: Any, frames: Any, held: Any, waiting: Any) -> None:
    for root in context.roots:
        frame = frames[root]
        today, yesterday = frame.iloc[-1], frame.iloc[-2]
        if root in held or root in waiting:
            continue
        if not (today["ema20"] > today["ema60"]):
            continue
        if not all(today[name] > yesterday[name] for name in ("ema5", "ema20", "ema60")):
            continue
        if not passes(data, root, frame, held):
            continue
        contract = data.current(future_of(root), "contract")
        if contract is None or (contract.auto_close_date - data.current_session).days <= ROLL_DAYS:
            continue
        risk = (today["close"] - today["floor"]) * contract.price_multiplier
        if not risk > 0:
            continue
        wanted = context.portfolio.portfolio_value * 0.005 / risk
        amount = math.floor(min(wanted, 0.2 * today["volume20"]))
        if amount > 0:
            context.stops[root] = (today["floor"], today["close"])
            order(contract, amount)


def passes(data: Any, root: Any, frame: Any, held: Any) -> bool:
    if frame["volume5"].iloc[-1] < LIQUIDITY:
        return False
    for other in held:
        own = data.history(future_of(root), "close", 66, "1d").ffill().iloc[-61:]
        theirs = data.history(future_of(other), "close", 66, "1d").ffill().iloc[-61:]
        pair = [series.pct_change(fill_method=None).iloc[1:] for series in (own, theirs)]
        if np.corrcoef(pair[0], pair[1])[0, 1] > CORRELATION:
            return False
    returns = frame["close"].pct_change(fill_method=None).iloc[1:]
    downside = np.sqrt((np.minimum(returns, 0) ** 2).mean())
    return bool(returns.mean() / downside * np.sqrt(252) > 1.0)
