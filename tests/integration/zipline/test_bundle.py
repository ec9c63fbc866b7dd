"""The store as a stock Zipline bundle, read by Zipline itself and back again, losses told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zipline.data import bundles
from zipline.utils.calendar_utils import get_calendar

from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.records import BarTable, MarketData
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import update_store
from afterclose.adapters.zipline.bundle import RootFacts, ZiplineBundle, lost_decimals
from afterclose.adapters.zipline.bundle_export import ExportedBundle, export_store
from afterclose.errors import DataError, SourceUnavailable
from unit.marketdata.market_examples import MAY_OIL, bars, contract, rates

pytestmark = pytest.mark.slow

NAME = "of-a-test"
#: Facts of a contract that a bundle has, or that the contract table adds.
KEPT = (
    "contract_month", "point_value", "tick_size", "first_notice", "auto_close", "currency",
    "calendar", "last_trade", "name",
)  # fmt: skip
LAST = date(2020, 4, 21)
NOW = datetime(2020, 4, 22, 22, tzinfo=UTC)
FACTS = {
    "CL": RootFacts(currency="USD", sector="Energy"),
    "FDAX": RootFacts(currency="EUR", sector="Equity Index"),
    "ZT": RootFacts(currency="USD", sector="Interest Rate"),
}


@pytest.fixture(scope="module")
def market() -> MarketData:
    """Notes in 256ths, an index in euros, and crude oil below zero."""
    made = generate(("FDAX", "ZT"), first=date(2020, 1, 2), last=LAST)
    oil = bars(MAY_OIL, {"2020-04-17": 18.27, "2020-04-20": -37.63, "2020-04-21": 10.01})
    record = replace(contract(MAY_OIL, month="202005", tick_size=0.01), point_value=1000.0)
    return MarketData(
        contracts=(record, *made.contracts),
        bars=BarTable.joined([oil, *made.bars.split()]),
        fx=made.fx,
    )


@pytest.fixture(scope="module")
def store(market: MarketData, tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    folder = tmp_path_factory.mktemp("store")
    with MarketStoreWriter(folder) as writer:
        writer.write_all(market, source="made")
    return MarketStore.open(folder)


@pytest.fixture(scope="module")
def exported(
    store: MarketStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExportedBundle]:
    yield export_store(store, tmp_path_factory.mktemp("zipline"), name=NAME)
    bundles.unregister(NAME)


def source(exported: ExportedBundle, **changed: object) -> ZiplineBundle:
    given = {"home": exported.home, "bundle": exported.name, "facts": FACTS, **changed}
    return ZiplineBundle(**given)  # type: ignore[arg-type]


def test_zipline_itself_reads_every_bar_rounded_to_three_decimals(
    exported: ExportedBundle, store: MarketStore
) -> None:
    data = bundles.load(NAME, environ={"ZIPLINE_ROOT": str(exported.home)})
    sessions = set(get_calendar("us_futures").sessions.date)
    checked = 0
    for symbol in store.symbols():
        asset = data.asset_finder.lookup_future_symbol(symbol)
        ours = store.bars(symbol)
        for day, close, volume in zip(ours.sessions.tolist(), ours.close, ours.volume, strict=True):
            if day not in sessions:
                continue
            reader, stamp = data.equity_daily_bar_reader, pd.Timestamp(day)
            theirs = reader.get_value(asset.sid, stamp, "close")
            if close > 0:
                assert theirs == pytest.approx(round(float(close), 3), abs=1e-9)
            else:
                assert np.isnan(theirs)
            assert reader.get_value(asset.sid, stamp, "volume") == volume
            checked += 1
    assert checked == exported.bars > 500
    oil = data.asset_finder.lookup_future_symbol(MAY_OIL)
    assert (oil.price_multiplier, oil.tick_size) == (1000.0, 0.01)
    assert oil.auto_close_date.date() == store.contract(MAY_OIL).auto_close


def test_what_was_lost_is_told_market_by_market(exported: ExportedBundle) -> None:
    told = {(loss.code, loss.subject) for loss in exported.losses}
    assert told == {("AC134", "ZT"), ("AC135", "CL"), ("AC136", "FDAX")}
    notes = next(loss for loss in exported.losses if loss.subject == "ZT")
    assert notes.evidence["ticks"] == pytest.approx(0.128, abs=0.001)  # 0.0005 of 1/256


def test_the_bundle_read_back_is_what_was_exported_but_for_the_losses(
    exported: ExportedBundle, store: MarketStore
) -> None:
    bundle = source(exported)
    assert bundle.roots() == ["CL", "FDAX", "ZT"]
    for root in ("FDAX", "ZT"):
        for theirs in bundle.contracts(root, live_on=None):
            ours = store.contract(theirs.symbol)
            for name in KEPT:
                assert getattr(theirs, name) == getattr(ours, name), name
    calendar = get_calendar("us_futures").sessions.to_numpy().astype("datetime64[D]")
    for theirs_bars in bundle.bars(store.symbols("ZT"), first=None, last=LAST).split():
        ours_bars = store.bars(theirs_bars.symbol)
        kept_rows = ours_bars.rows(np.isin(ours_bars.sessions, calendar))
        assert theirs_bars.sessions.tolist() == kept_rows.sessions.tolist()
        assert theirs_bars.close.tolist() == [round(c, 3) for c in kept_rows.close.tolist()]
        assert theirs_bars.volume.tolist() == kept_rows.volume.tolist()
        assert np.isnan(theirs_bars.open_interest).all()
    (oil,) = bundle.bars([MAY_OIL], first=None, last=LAST).split()
    assert oil.close.tolist() == [18.27, 10.01]  # nothing stands where −37.63 was


def test_a_store_filled_from_a_bundle_states_the_lost_decimals_and_the_lost_prices(
    exported: ExportedBundle, tmp_path: Path
) -> None:
    euro = rates("EUR", {"2020-04-20": 1.0861})
    bundle = source(exported, rates={"EUR": euro})
    done = update_store(tmp_path, bundle, session=LAST, now=NOW)
    again = update_store(tmp_path, bundle, session=LAST, now=NOW)
    assert done.bars > 500
    assert (again.bars, again.revisions, again.without_rates) == (0, (), ())
    filled = MarketStore.open(tmp_path)
    assert filled.source == "Zipline bundle of-a-test"
    assert filled.contract("FDAXM20").currency == "EUR"
    losses = {loss.code: loss for loss in bundle.losses()}
    assert sorted(losses) == ["AC134", "AC135"]
    assert (losses["AC134"].subject, losses["AC135"].subject) == ("ZT", "CL")
    assert "CLK20 2020-04-20" in losses["AC135"].message


def test_ten_ticks_of_the_euro_and_five_of_heating_oil_cannot_be_kept() -> None:
    # 6E ticks by 0.00005, HO by 0.0001 dollars: half a thousandth is ten ticks and five.
    euro = lost_decimals("6E", tick_size=0.00005, off_by=0.0005)
    oil = lost_decimals("HO", tick_size=0.0001, off_by=0.0005)
    assert "up to 10 ticks" in euro.message
    assert "up to 5 ticks" in oil.message


def test_only_the_chosen_markets_are_read_and_exported(
    exported: ExportedBundle, store: MarketStore, tmp_path: Path
) -> None:
    assert source(exported, only=("ZT",), facts={"ZT": FACTS["ZT"]}).roots() == ["ZT"]
    try:
        done = export_store(store, tmp_path, name="notes", roots=["ZT"], through=date(2020, 3, 31))
    finally:
        bundles.unregister("notes")
    assert source(done).roots() == ["ZT"]
    assert done.last == date(2020, 3, 31)
    with pytest.raises(DataError, match="no XX"):
        export_store(store, tmp_path, name="none", roots=["XX"])


def test_a_root_whose_currency_nobody_says_is_refused_and_a_missing_bundle_named(
    exported: ExportedBundle, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="in which currency FDAX is") as caught:
        source(exported, facts={"CL": FACTS["CL"], "ZT": FACTS["ZT"]}).roots()
    assert "data.currencies" in caught.value.hint
    with pytest.raises(SourceUnavailable, match="no ingest of a Zipline bundle 'other'"):
        source(exported, bundle="other").roots()
    (tmp_path / "data" / NAME / "2026-01-01T00;00;00").mkdir(parents=True)
    with pytest.raises(DataError, match="no daily bars"):
        source(exported, home=tmp_path).roots()


def test_the_newest_ingest_is_taken(exported: ExportedBundle) -> None:
    (made,) = (exported.home / "data" / NAME).glob("[0-9]*")
    older = made.with_name("2001-01-01T00;00;00.000000")
    older.mkdir()
    assert source(exported).roots() == ["CL", "FDAX", "ZT"]
