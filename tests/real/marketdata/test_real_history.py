"""The store against real futures history; skipped where AFTERCLOSE_REAL_DATA is not set."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from afterclose.adapters.marketdata.loaded_source import LoadedSource
from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.records import MarketData
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import update_store
from afterclose.adapters.marketdata.verify import verify_store
from afterclose.errors import DataError

REAL_DATA = os.environ.get("AFTERCLOSE_REAL_DATA")
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(REAL_DATA is None, reason="AFTERCLOSE_REAL_DATA is not set"),
]
ROOTS = ("CL", "ES", "FDAX", "SI", "ZC")
EVENING = date(2020, 4, 21)
NOW = datetime(2020, 4, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def history() -> RealHistory:
    return RealHistory(folder=Path(str(REAL_DATA)))


@pytest.fixture(scope="module")
def data(history: RealHistory) -> MarketData:
    return history.load(roots=ROOTS, first=date(2019, 1, 2), last=EVENING)


@pytest.fixture(scope="module")
def store(data: MarketData, tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    folder = tmp_path_factory.mktemp("real")
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="real")
    return MarketStore.open(folder)


def test_crude_oil_below_zero_reads_back(store: MarketStore) -> None:
    oil = store.bars("CLK20")
    at = int(oil.sessions.searchsorted(np.datetime64("2020-04-20")))
    assert oil.close[at - 1 : at + 2].tolist() == [18.27, -37.63, 10.01]
    assert oil.volume[at] == 0.0  # a settlement from another source: nothing traded on it


def test_every_full_bar_equals_the_source_to_the_last_bit(store: MarketStore) -> None:
    table = pq.read_table(
        Path(str(REAL_DATA)) / "contracts.parquet",
        filters=[("root", "in", ROOTS), ("source", "==", "quantiacs")],
    ).to_pandas()
    table = table[(table["date"] >= "2019-01-02") & (table["date"] <= "2020-04-21")]
    checked = 0
    for symbol, rows in table.groupby("contract_code"):
        bars = store.bars(str(symbol))
        at = bars.sessions.searchsorted(rows["date"].to_numpy("datetime64[D]"))
        for name in ("open", "high", "low", "close", "volume", "open_interest"):
            source = rows[name].to_numpy(np.float64)
            assert getattr(bars, name)[at].tobytes() == source.tobytes()
            checked += len(source)
    assert checked > 9000


def test_cents_and_currencies_are_the_vendors(store: MarketStore) -> None:
    silver, dax = store.contract("SIK20"), store.contract("FDAXM20")
    assert (silver.point_value, silver.tick_size, silver.currency) == (50.0, 0.5, "USD")
    assert (dax.point_value, dax.currency, dax.calendar) == (25.0, "EUR", "XEUR")
    assert store.fx("EUR").asof(EVENING) == pytest.approx(1.09, abs=0.02)


def test_a_month_is_closed_on_the_third_session_after_it_was_last_held(
    store: MarketStore, history: RealHistory
) -> None:
    held = pq.read_table(
        history.folder / "active_contract.parquet",
        filters=[("root", "==", "CL"), ("source", "==", "quantiacs")],
    ).to_pandas()
    days = held["date"].to_numpy("datetime64[D]")
    last_held = days[(held["contract_code"] == "CLK20").to_numpy()].max()
    later = days[days > last_held]
    assert store.contract("CLK20").auto_close == later[2].item()


def test_nothing_later_than_the_evening_is_loaded(store: MarketStore) -> None:
    assert store.last_session == EVENING
    assert max(record.last_session for record in store.contracts()) == EVENING
    assert all(len(store.bars(symbol)) for symbol in store.symbols())


def test_eighty_three_roots_have_full_bars_and_close_only_ones_are_refused(
    history: RealHistory,
) -> None:
    assert {"ES", "CL", "FGBL", "NKD", "ZC", "SI"} <= set(history.roots())
    assert len(history.roots()) == 83
    with pytest.raises(DataError, match="KOS"):
        history.load(roots=["KOS"], first=date(2019, 1, 2), last=EVENING)


def test_march_2020_replayed_evening_by_evening_equals_the_whole(
    history: RealHistory, tmp_path: Path
) -> None:
    roots, first, last = ("CL", "ES", "FGBL", "HO", "NKD", "ZC"), date(2019, 6, 3), EVENING
    whole = history.load(roots=roots, first=first, last=last)
    day = date(2020, 3, 5)
    while day < last:
        source = LoadedSource(name=history.name, data=whole, today=day)
        update = update_store(tmp_path / "grown", source, session=day, now=NOW)
        assert update.revisions == ()
        day += timedelta(days=1 if day.weekday() < 4 else 3)
    source = LoadedSource(name=history.name, data=whole, today=last)
    update_store(tmp_path / "grown", source, session=last, now=NOW)
    with MarketStoreWriter(tmp_path / "whole") as writer:
        writer.write_all(whole, source=history.name)
    grown = MarketStore.open(tmp_path / "grown")
    assert grown.fingerprint == MarketStore.open(tmp_path / "whole").fingerprint
    assert grown.bars("CLK20").close[-2] == -37.63
    assert verify_store(tmp_path / "grown") == len(whole.bars)
