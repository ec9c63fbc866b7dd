"""How close the engine's profit and loss in the account's currency comes to the rates of the day.

    python bench/engine_currency.py                  # generated KOS, HSI, SJB over ten years
    python bench/engine_currency.py --real FOLDER    # FGBL and FDAX on real bars, too

One contract is held and rolled with the continuation, without costs, by the engine. Beside its
value stand, counted by hand from its fills, the store's closes and the store's rates:

- *clearing*: every day's variation paid out at that day's rate, to the dollar;
- *broker*: the variation stays in the foreign currency and all of it is valued at tonight's rate;
- *Zipline*: a point of any currency is a dollar's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from zipline import api
from zipline.finance.commission import NoCommission
from zipline.finance.slippage import FixedSlippage

from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.zipline.engine import Simulation, open_market, simulate
from afterclose.adapters.zipline.strategy import Strategy
from afterclose.domain.runs import ModelRef, ModelRequest

CAPITAL = 10_000_000.0


def hold_one(root: str) -> Strategy:
    def initialize(context: Any) -> None:
        context.future = api.continuous_future(root, roll="volume")
        api.set_commission(us_futures=NoCommission())
        api.set_slippage(us_futures=FixedSlippage(spread=0.0))

    def handle_data(context: Any, data: Any) -> None:
        wanted = data.current(context.future, "contract")
        for held in context.portfolio.positions:
            if held != wanted and not api.get_open_orders(held):
                api.order_target(held, 0)
        if wanted is not None and not api.get_open_orders(wanted):
            api.order_target(wanted, 1)

    functions = {"initialize": initialize, "handle_data": handle_data}
    return Strategy(entry_point=root, path=Path(__file__), digest="", functions=functions)


def run(store: MarketStore, root: str, first: date, last: date) -> Simulation:
    request = ModelRequest(
        model=ModelRef(name=root, entry_point=root),
        store=Path(),
        first_session=first,
        last_session=last,
        capital_base=CAPITAL,
        output=Path(),
        roots=(root,),
    )
    market = open_market(store, request)
    return simulate(market, request, hold_one(root), on_session=lambda *_: None)


def native_by_day(store: MarketStore, run_: Simulation) -> Iterator[tuple[date, float]]:
    """Each session's variation in the contract's own currency, from fills and last prices."""
    fills: defaultdict[date, list[Any]] = defaultdict(list)
    for row in run_.tables.fills.itertuples():
        fills[row.close_at.date()].append(row)
    held: dict[str, tuple[int, float]] = {}
    marks: defaultdict[date, dict[str, tuple[int, float]]] = defaultdict(dict)
    for row in run_.tables.holdings.itertuples():
        marks[row.session.date()][row.symbol] = (row.amount, row.last_price)
    for session in run_.tables.days["session"].dt.date:
        now, paid = marks[session], 0.0
        for symbol in {*held, *now, *(row.symbol for row in fills[session])}:
            point = store.contract(symbol).point_value
            traded = [(row.amount, row.price) for row in fills[session] if row.symbol == symbol]
            before, mark = held.get(symbol, (0, 0.0))
            after, price = now.get(symbol, (0, 0.0))
            flow = sum(amount * at for amount, at in traded)
            paid += (after * price - before * mark - flow) * point
        held = now
        yield session, paid


def report(store: MarketStore, root: str, first: date, last: date, label: str) -> None:
    simulation = run(store, root, first, last)
    currency = store.contracts(root)[0].currency
    rates = store.fx(currency)
    days = list(native_by_day(store, simulation))
    at = np.searchsorted(rates.sessions, np.array([d for d, _ in days], "datetime64[D]"), "right")
    rate = rates.usd_per_unit[at - 1]
    carried = int((rates.sessions[at - 1] != np.array([d for d, _ in days], "datetime64[D]")).sum())
    native = np.array([paid for _, paid in days])
    values = simulation.tables.days["portfolio_value"].to_numpy() - CAPITAL
    clearing = np.cumsum(native * rate)
    broker = np.cumsum(native) * rate
    zipline = np.cumsum(native)
    turnover = np.abs(native * rate).sum()
    print(
        f"{label} {root} ({currency}), {days[0][0]} to {days[-1][0]}, {len(days)} sessions, "
        f"{len(simulation.tables.fills)} fills, rate of an earlier day on {carried} sessions:\n"
        f"  engine {values[-1]:+,.2f} USD; largest difference on any evening from clearing "
        f"{np.abs(values - clearing).max():.2e} USD "
        f"(of {turnover:,.0f} USD of variation), from broker "
        f"{np.abs(values - broker).max():,.2f} USD, from Zipline's "
        f"{np.abs(values - zipline).max():,.2f} USD; at the end clearing {clearing[-1]:+,.2f}, "
        f"broker {broker[-1]:+,.2f}, Zipline {zipline[-1]:+,.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="a folder of real history")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first, last = date(2014, 1, 2), date(2024, 12, 31)
        with MarketStoreWriter(Path(folder) / "generated") as writer:
            writer.write_all(
                generate(("KOS", "HSI", "SJB"), first=first, last=last), source="generated"
            )
        store = MarketStore.open(Path(folder) / "generated")
        for root in ("KOS", "HSI", "SJB"):
            report(store, root, date(2015, 1, 2), last, "generated")
        if options.real is None:
            return
        first, last = date(2000, 1, 3), date(2020, 3, 9)
        roots = ("FGBL", "FDAX")
        with MarketStoreWriter(Path(folder) / "real") as writer:
            writer.write_all(
                RealHistory(folder=options.real).load(first=first, last=last, roots=roots),
                source="real history",
            )
        store = MarketStore.open(Path(folder) / "real")
        for root in roots:
            begin = max(date(2001, 1, 2), store.contracts(root)[0].first_session)
            report(store, root, begin, last, "real")


if __name__ == "__main__":
    main()
