"""Both models on real history, on an evening that traders remember."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.store import MarketStoreWriter
from afterclose.adapters.zipline.runner import run_model
from afterclose.domain.runs import ModelRef, ModelRequest, ModelResult

FOLDER = os.environ.get("AFTERCLOSE_REAL_DATA")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="AFTERCLOSE_REAL_DATA is not set"),
]

EVENING = date(2020, 3, 9)
MODELS = {"TF": "afterclose.models.trend_following", "MR": "afterclose.models.mean_reversion"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "store"
    data = RealHistory(folder=Path(str(FOLDER))).load(first=date(2018, 1, 2), last=EVENING)
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="real history")
    return folder


@pytest.fixture(scope="module", params=sorted(MODELS))
def run(
    request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelResult:
    name = request.param
    return run_model(
        ModelRequest(
            model=ModelRef(name=name, entry_point=MODELS[name]),
            store=store,
            first_session=date(2019, 12, 12),
            last_session=EVENING,
            capital_base=10_000_000.0,
            output=tmp_path_factory.mktemp(name),
        ),
        on_progress=lambda _: None,
    )


def test_it_trades_many_markets_and_never_goes_short(run: ModelResult) -> None:
    held: dict[str, int] = {}
    for fill in run.transactions:
        held[fill.symbol] = held.get(fill.symbol, 0) + fill.amount

        assert held[fill.symbol] >= 0

    assert len({symbol[:-3] for symbol in held}) >= 20
    assert {symbol: amount for symbol, amount in held.items() if amount} == {
        position.symbol: position.amount for position in run.positions
    }


def test_the_stops_of_the_crash_are_there(run: ModelResult) -> None:
    """Stock indices fell through their stops in the last week of February 2020."""
    indices = {"ES", "NQ", "YM", "EMD", "RTY", "FDAX", "FCE", "FSMI", "FTDX", "LFT", "NKD"}
    sold = {
        fill.symbol[:-3]
        for fill in run.transactions
        if fill.amount < 0 and fill.order_id and date(2020, 2, 24) <= fill.session
    }

    assert len(sold & indices) >= 3 or run.model == "MR"


def test_an_old_month_that_does_not_trade_closes_by_itself_at_its_last_price(
    run: ModelResult,
) -> None:
    """After the source has left a month there is no volume to fill a closing order with."""
    closed = [fill for fill in run.transactions if not fill.order_id]
    opened = {fill.symbol[:-3] for fill in run.transactions if fill.order_id and fill.amount > 0}

    assert len(closed) >= 5
    assert {fill.symbol[:-3] for fill in closed} <= opened
