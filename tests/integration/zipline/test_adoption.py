"""A model that takes positions over at inception instead of starting flat."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from zipline import api
from zipline.finance.commission import NoCommission
from zipline.finance.slippage import NoSlippage

from afterclose.adapters.zipline.stock import run_stock
from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.adapters.zipline.task import run_on_store
from afterclose.domain.runs import ModelRequest
from afterclose.errors import DataError, ModelError
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

FIRST, LAST = date(2019, 7, 1), date(2019, 7, 5)
ROOTS = (
    SmallRoot(root="ES", price=3000.0, drift=0.001),
    SmallRoot(root="FGBL", price=150.0, currency="EUR", point_value=1000.0),
)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return MemoryStore(
        data=small_market(
            ROOTS, first=date(2018, 1, 2), last=date(2019, 12, 31), rates={"EUR": 1.1}
        )
    )


def asked(**changes: Any) -> ModelRequest:
    adopt = {"ESU19": 3, "FGBLU19": -2}
    return replace(request_of(first=FIRST, last=LAST), **{"adopt": adopt, **changes})


def sells_a_third_on_the_first_evening() -> dict[str, Any]:
    def initialize(context: Any) -> None:
        api.set_commission(us_futures=NoCommission())
        api.set_slippage(us_futures=NoSlippage())
        context.seen = []

    def handle_data(context: Any, data: Any) -> None:
        held = {a.symbol: p.amount for a, p in context.portfolio.positions.items()}
        context.seen.append(held)
        if len(context.seen) == 1:
            api.order(context.asset_finder.lookup_future_symbol("ESU19"), -1)

    return {"initialize": initialize, "handle_data": handle_data}


def closes(store: MemoryStore, symbol: str) -> list[float]:
    bars = store.bars(symbol)
    days = bars.sessions.astype("datetime64[D]").tolist()
    return [close for day, close in zip(days, bars.close, strict=True) if FIRST <= day <= LAST]


def test_the_model_holds_them_from_its_first_evening_on(store: MemoryStore) -> None:
    seen: list[dict[str, int]] = []
    functions = sells_a_third_on_the_first_evening()

    def analyze(context: Any, _performance: Any) -> None:
        seen.extend(context.seen)

    run_in_process(store, asked(), strategy_of(**functions, analyze=analyze))

    assert seen[0] == {"ESU19": 3, "FGBLU19": -2}
    assert seen[1] == {"ESU19": 2, "FGBLU19": -2}


def test_the_value_is_the_capital_at_inception_and_moves_with_the_positions(
    store: MemoryStore,
) -> None:
    run = run_in_process(store, asked(), strategy_of(**sells_a_third_on_the_first_evening()))

    values = run.performance["portfolio_value"].tolist()
    es, bund = closes(store, "ESU19"), closes(store, "FGBLU19")
    fx = store.fx("EUR")
    rate = dict(zip(fx.sessions.astype("datetime64[D]").tolist(), fx.usd_per_unit, strict=True))
    second = date(2019, 7, 2)
    assert values[0] == 1_000_000.0
    assert values[1] == pytest.approx(
        1_000_000.0 + 3 * 50.0 * (es[1] - es[0]) - 2 * 1000.0 * (bund[1] - bund[0]) * rate[second],
        abs=1e-6,
    )


def test_the_fills_begin_with_them_at_the_close_and_without_cost(store: MemoryStore) -> None:
    run = run_in_process(store, asked(), strategy_of(**sells_a_third_on_the_first_evening()))

    fills = run.tables.fills
    assert fills["order_id"].tolist()[:2] == ["adopted-ESU19", "adopted-FGBLU19"]
    assert fills["price"].tolist()[:2] == [closes(store, "ESU19")[0], closes(store, "FGBLU19")[0]]
    assert fills["amount"].tolist() == [3, -2, -1]


def test_a_run_that_goes_on_does_not_adopt_again(store: MemoryStore, tmp_path: Path) -> None:
    strategy = load_strategy("afterclose.models.trend_following")
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()

    def run(folder: str, last: date, earlier: Path | None) -> Any:
        request = asked(last_session=last, output=tmp_path / folder)
        outcome = run_on_store(
            store,
            request,
            strategy,
            say=lambda _: None,
            on_session=lambda *_: None,
            earlier=earlier,
        )
        for name in ("fills", "holdings", "days"):
            getattr(outcome.tables, name).to_parquet(tmp_path / folder / f"{name}.parquet")
        return outcome

    run("first", date(2019, 7, 2), None)
    resumed = run("second", LAST, tmp_path / "first")

    assert resumed.facts["started"] == "going on from 2019-07-02"
    adopted = resumed.tables.fills["order_id"].str.startswith("adopted-")
    assert adopted.sum() == 2


def test_our_models_protect_an_adopted_position_with_the_stop_of_that_evening(
    store: MemoryStore,
) -> None:
    stops: dict[str, Any] = {}
    model = load_strategy("afterclose.models.trend_following")

    def analyze(context: Any, _performance: Any) -> None:
        stops.update(context.stops)

    strategy = replace(model, functions={**model.functions, "analyze": analyze})
    run_in_process(store, asked(last_session=FIRST, adopt={"ESU19": 3}), strategy)

    stop, close = stops["ES"]
    assert 0 < stop < close


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("ESX19", "not in the market store"),
        ("ESM19", "Zipline closes it on 2019-06-1"),
        ("ESU20", "no close is known"),
    ],
)
def test_what_cannot_be_adopted_stops_the_run_and_says_why(
    store: MemoryStore, symbol: str, why: str
) -> None:
    strategy = strategy_of(**sells_a_third_on_the_first_evening())

    with pytest.raises(DataError, match=why):
        run_in_process(store, replace(asked(), adopt={symbol: 1}), strategy)


def test_plain_zipline_starts_flat_and_says_so(store: MemoryStore) -> None:
    strategy = strategy_of(**sells_a_third_on_the_first_evening())

    with pytest.raises(ModelError, match="always starts flat"):
        run_stock(store, asked(), strategy)
