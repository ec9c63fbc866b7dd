"""What a store refuses, what it proves, and what it folds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from afterclose.adapters.marketdata.arrange import cut_after
from afterclose.adapters.marketdata.calendars import earlier_session, later_session
from afterclose.adapters.marketdata.market_calendar import market_calendar
from afterclose.adapters.marketdata.quality import check_store
from afterclose.adapters.marketdata.store import (
    BAR_COLUMNS,
    BarTable,
    MarketData,
    MarketStore,
    MarketStoreWriter,
)
from afterclose.adapters.marketdata.verify import verify_store
from afterclose.errors import DataError, StoreCorrupt
from unit.marketdata.market_examples import (
    JUNE,
    MAY_OIL,
    SEPTEMBER,
    bars,
    contract,
    market,
    rates,
    three_contracts,
)

WHEN = datetime(2020, 4, 22, 3, 0, tzinfo=UTC)


def stored(folder: Path, data: MarketData | None = None) -> MarketStore:
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data or three_contracts(), source="by hand")
    return MarketStore.open(folder)


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    change(state)
    path.write_text(json.dumps(state), encoding="utf-8")


def test_data_that_contradict_themselves_are_not_stored(tmp_path: Path) -> None:
    data = three_contracts()
    twice = MarketData(contracts=(*data.contracts, data.contracts[0]), bars=data.bars, fx={})
    with pytest.raises(DataError, match="twice"):
        stored(tmp_path, twice)
    with pytest.raises(DataError, match="bars without a contract: ESM20"):
        stored(tmp_path, MarketData(contracts=data.contracts[:1], bars=data.bars, fx={}))
    backwards = rates("EUR", {"2020-04-20": 1.0861, "2020-04-17": 1.0875})
    with pytest.raises(DataError, match="not in order of their days"):
        stored(
            tmp_path, MarketData(contracts=data.contracts, bars=data.bars, fx={"EUR": backwards})
        )
    with pytest.raises(DataError, match="no market store"):
        MarketStore.open(tmp_path)


def test_a_bar_table_whose_columns_do_not_fit_is_refused() -> None:
    table = three_contracts().bars
    columns = {name: getattr(table, name) for name in BAR_COLUMNS}
    with pytest.raises(DataError, match="differ in length"):
        BarTable(
            symbols=table.symbols,
            codes=table.codes,
            sessions=table.sessions,
            **columns | {"close": table.close[1:]},
        )
    with pytest.raises(DataError, match="does not name"):
        BarTable(symbols=table.symbols[:1], codes=table.codes, sessions=table.sessions, **columns)


def test_a_contract_without_a_bar_keeps_the_days_it_was_given(tmp_path: Path) -> None:
    listed = contract("ESZ20", month="202012")
    data = three_contracts()
    with_listing = MarketData(contracts=(*data.contracts, listed), bars=data.bars, fx=data.fx)
    store = stored(tmp_path, with_listing)
    assert store.contract("ESZ20") == listed
    assert len(store.bars("ESZ20")) == 0
    assert [f.subject for f in check_store(store) if f.code == "AC129"] == ["ESZ20"]
    with MarketStoreWriter(tmp_path) as writer:
        writer.append_session(
            date(2020, 4, 22), BarTable.joined([bars("ESZ20", {"2020-04-22": 2700.0})])
        )
    assert MarketStore.open(tmp_path).contract("ESZ20").last_session == date(2020, 4, 22)


def test_an_empty_store_says_that_it_is_empty(tmp_path: Path) -> None:
    store = stored(tmp_path, market([], []))
    assert store.contracts() == []
    with pytest.raises(DataError, match="holds no bars"):
        _ = store.last_session
    with pytest.raises(DataError, match="not open for writing"):
        _ = MarketStoreWriter(tmp_path).draft


def test_other_facts_of_a_known_contract_are_a_revision_not_a_listing(tmp_path: Path) -> None:
    stored(tmp_path)
    changed = replace(contract(JUNE, month="202006"), point_value=5.0)
    with (
        pytest.raises(DataError, match="facts of ESM20 differ"),
        MarketStoreWriter(tmp_path) as writer,
    ):
        writer.append(BarTable.joined([]), contracts=[changed])
    with MarketStoreWriter(tmp_path) as writer:
        log = writer.revise_all(bars={}, contracts=[changed], recorded_at=WHEN)
    assert [(r.field, r.old, r.new) for r in log] == [("point_value", "50.0", "5.0")]
    store = MarketStore.open(tmp_path)
    assert store.contract(JUNE).point_value == 5.0
    assert store.contract(JUNE).last_session == date(2020, 4, 21)
    with pytest.raises(DataError, match="does not hold ESH99"), MarketStoreWriter(tmp_path) as w:
        w.revise("ESH99", bars("ESH99", {}), recorded_at=WHEN)


def test_rates_and_listings_of_many_evenings_survive_folding(tmp_path: Path) -> None:
    stored(tmp_path)
    euro = {"2020-04-17": 1.0875, "2020-04-20": 1.0861}
    for at in range(60):
        day = str(np.busday_offset(date(2020, 4, 22), at))
        euro[day] = 1.08 + at / 1000
        fresh = contract(f"N{at:02d}U20", month="202009")
        with MarketStoreWriter(tmp_path) as writer:
            writer.append_session(
                date.fromisoformat(day),
                BarTable.joined([bars(fresh.symbol, {day: float(at)})]),
                fx={"EUR": euro[day]},
                contracts=[fresh],
            )
        if at in {10, 40}:
            euro["2020-04-17"] += 0.01
            with MarketStoreWriter(tmp_path) as writer:
                revised = rates("EUR", {"2020-04-17": euro["2020-04-17"]})
                writer.update_rates({"EUR": revised}, recorded_at=WHEN)
                oil = contract(MAY_OIL, month="202005", tick_size=0.01 + at)
                writer.revise_all(bars={}, contracts=[oil], recorded_at=WHEN)
    store = MarketStore.open(tmp_path)
    assert store.fx("EUR").usd_per_unit.tolist() == list(euro.values())
    assert len(store.symbols()) == 63
    assert store.bars("N59U20").close.tolist() == [59.0]
    assert store.contract(MAY_OIL).tick_size == 40.01
    for kind in ("fx", "contracts", "bars"):
        assert len(list(tmp_path.glob(f"{kind}-*.arrow"))) <= 25
    assert verify_store(tmp_path) == 68
    with MarketStoreWriter(tmp_path) as writer:
        writer.compact()
    assert MarketStore.open(tmp_path).fingerprint == store.fingerprint
    assert verify_store(tmp_path) == 68


def test_more_revisions_than_files_are_kept_all_in_order(tmp_path: Path) -> None:
    stored(tmp_path)
    for at in range(30):
        with MarketStoreWriter(tmp_path) as writer:
            closes = {"2020-04-20": 2810.0 + at + 1, "2020-04-21": 2725.25}
            writer.revise(SEPTEMBER, bars(SEPTEMBER, closes), recorded_at=WHEN)
    log = [r.new for r in MarketStore.open(tmp_path).revisions() if r.field == "close"]
    assert log == [repr(2810.0 + at + 1) for at in range(30)]
    assert len(list(tmp_path.glob("revisions-*.arrow"))) <= 25


def test_a_bar_changed_behind_the_stores_back_is_found_by_verifying(tmp_path: Path) -> None:
    stored(tmp_path)
    (path,) = tmp_path.glob("bars-*.arrow")
    content = bytearray(path.read_bytes())
    place = content.find(np.float64(-37.63).tobytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    assert MarketStore.open(tmp_path).bars(MAY_OIL).close[1] != -37.63
    with pytest.raises(StoreCorrupt, match="not the file that was written"):
        verify_store(tmp_path)


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ("history_digest", "fingerprint of history"),
        ("contracts_digest", "fingerprint of the contracts"),
    ],
)
def test_a_sum_that_does_not_fit_is_found_by_verifying(
    tmp_path: Path, field: str, complaint: str
) -> None:
    stored(tmp_path)
    change_manifest(tmp_path, lambda state: state.update({field: f"{0:016x}"}))
    with pytest.raises(StoreCorrupt, match=complaint):
        verify_store(tmp_path)


def test_a_store_of_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    stored(tmp_path)
    change_manifest(tmp_path, lambda state: state.update(format=2))
    with pytest.raises(DataError, match="format 2") as caught:
        MarketStore.open(tmp_path)
    assert "update afterclose" in caught.value.hint


def test_a_file_that_is_not_arrow_is_corrupt(tmp_path: Path) -> None:
    stored(tmp_path)
    (path,) = tmp_path.glob("fx-*.arrow")
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(StoreCorrupt, match="not a readable Arrow file"):
        MarketStore.open(tmp_path)


def test_history_can_be_fingerprinted_per_contract_up_to_a_day(tmp_path: Path) -> None:
    store = stored(tmp_path)
    early = stored(
        tmp_path / "early",
        market([contract(JUNE, month="202006")], [bars(JUNE, {"2020-04-17": 2869.25})]),
    )
    assert store.fingerprint_of(JUNE, date(2020, 4, 17)) == early.fingerprint_of(JUNE)
    assert store.fingerprint_of(JUNE) != early.fingerprint_of(JUNE)
    assert store.currencies() == ["EUR"]
    assert store.source == "by hand"
    assert store.path == tmp_path


def test_history_up_to_a_day_is_that_of_a_store_that_ends_there(tmp_path: Path) -> None:
    data = three_contracts()
    monday = date(2020, 4, 20)
    early = stored(tmp_path / "early", cut_after(data, monday))
    whole = stored(tmp_path / "whole", data)
    assert early.last_session == monday
    assert whole.history_fingerprint(monday) == early.history_fingerprint(monday)
    assert whole.history_fingerprint(date(2020, 4, 17)) != early.history_fingerprint(monday)
    assert whole.history_fingerprint(date(2020, 4, 19)) == early.history_fingerprint(
        date(2020, 4, 17)
    )


def test_the_same_bar_on_another_day_is_another_history(tmp_path: Path) -> None:
    june = [contract(JUNE, month="202006")]
    monday = stored(tmp_path / "a", market(june, [bars(JUNE, {"2020-04-20": 2815.5})]))
    tuesday = stored(tmp_path / "b", market(june, [bars(JUNE, {"2020-04-21": 2815.5})]))
    assert monday.fingerprint_of(JUNE) != tuesday.fingerprint_of(JUNE)
    assert monday.fingerprint != tuesday.fingerprint


@pytest.mark.parametrize(
    ("root", "exchange", "currency", "sector", "calendar"),
    [
        ("ES", "anything", "USD", "", "CMES"),
        ("GAS", "ICE Europe", "USD", "Energy", "IEPA"),
        ("ZZEN", "ICE Europe", "GBP", "Energy", "IEPA"),
        ("ZZ", "ICE Europe", "GBP", "Interest Rate", "XLON"),
        ("ZZ", "Eurex", "EUR", "", "XEUR"),
        ("ZZ", "unheard of", "JPY", "", "XTKS"),
        ("ZZ", "unheard of", "USD", "", "CMES"),
    ],
)
def test_a_market_keeps_the_calendar_of_its_exchange(
    root: str, exchange: str, currency: str, sector: str, calendar: str
) -> None:
    found = market_calendar(root, exchange=exchange, currency=currency, sector=sector)
    assert found == calendar


def test_the_zeroth_session_after_or_before_a_day_is_none() -> None:
    with pytest.raises(DataError):
        later_session("CMES", date(2020, 1, 2), 0)
    with pytest.raises(DataError):
        earlier_session("CMES", date(2020, 1, 2), 0)
    assert earlier_session("CMES", date(2020, 4, 13), 1) == date(2020, 4, 9)


def test_several_record_batches_are_not_a_file_of_ours(tmp_path: Path) -> None:
    stored(tmp_path)
    (path,) = tmp_path.glob("contracts-*.arrow")
    batch = pa.ipc.open_file(path).get_batch(0)
    with pa.ipc.new_file(path, batch.schema) as sink:
        sink.write_batch(batch)
        sink.write_batch(batch)
    change_manifest(
        tmp_path, lambda state: state["contracts"][0].update(size_bytes=path.stat().st_size)
    )
    with pytest.raises(StoreCorrupt, match="2 batches"):
        MarketStore.open(tmp_path)
