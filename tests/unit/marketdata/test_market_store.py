from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.adapters.marketdata.store import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    MarketData,
    MarketStore,
    MarketStoreWriter,
)
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


def append(folder: Path, *pieces: ContractBars, session: date) -> None:
    with MarketStoreWriter(folder) as writer:
        writer.append_session(session, BarTable.joined(pieces))


def test_contracts_come_by_root_then_by_delivery_whatever_the_order_given(tmp_path: Path) -> None:
    store = stored(tmp_path)
    assert [record.symbol for record in store.contracts()] == ["CLK20", "ESM20", "ESU20"]
    assert store.roots() == ["CL", "ES"]
    assert [record.symbol for record in store.contracts("ES")] == ["ESM20", "ESU20"]
    assert store.contracts("ZC") == []


def test_a_negative_price_is_a_price(tmp_path: Path) -> None:
    oil = stored(tmp_path).bars(MAY_OIL)
    assert oil.close.tolist() == [18.27, -37.63, 10.01]
    assert oil.sessions.astype(str).tolist() == ["2020-04-17", "2020-04-20", "2020-04-21"]


def test_a_missing_bar_is_missing_and_an_unknown_value_is_nan(tmp_path: Path) -> None:
    september = stored(tmp_path).bars(SEPTEMBER)
    assert september.sessions.astype(str).tolist() == ["2020-04-20", "2020-04-21"]
    assert np.isnan(september.open_interest).all()


def test_first_and_last_session_are_those_of_the_bars(tmp_path: Path) -> None:
    record = stored(tmp_path).contract(SEPTEMBER)
    assert (record.first_session, record.last_session) == (date(2020, 4, 20), date(2020, 4, 21))


def test_columns_are_views_into_the_mapped_file(tmp_path: Path) -> None:
    close = stored(tmp_path).bars(JUNE).close
    assert not close.flags.owndata
    assert not close.flags.writeable


def test_exchange_rates_are_read_as_of_a_day(tmp_path: Path) -> None:
    euro = stored(tmp_path).fx("EUR")
    assert euro.asof(date(2020, 4, 19)) == 1.0875
    assert euro.asof(date(2020, 4, 20)) == 1.0861
    assert np.isnan(euro.asof(date(2020, 4, 16)))


def test_what_the_store_does_not_hold_is_refused_by_name(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with pytest.raises(DataError, match="ESZ99"):
        store.bars("ESZ99")
    with pytest.raises(DataError, match="JPY"):
        store.fx("JPY")
    with pytest.raises(DataError, match="no market store"):
        MarketStore.open(tmp_path / "elsewhere")


FLOATS = st.floats(allow_nan=True, allow_infinity=False, width=64)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[FLOATS] * len(BAR_COLUMNS)), min_size=1, max_size=30))
def test_every_value_reads_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]
) -> None:
    table = np.array(rows, dtype=np.float64)
    days = np.datetime64("2020-01-02", "D") + np.arange(len(rows))
    columns = {name: table[:, at].copy() for at, name in enumerate(BAR_COLUMNS)}
    piece = ContractBars(symbol=JUNE, sessions=days, **columns)
    store = stored(
        tmp_path_factory.mktemp("store"), market([contract(JUNE, month="202006")], [piece])
    )
    read = store.bars(JUNE)
    assert (read.sessions == days).all()
    for name, column in columns.items():
        assert getattr(read, name).tobytes() == column.tobytes()


def test_the_files_can_be_read_with_pyarrow_alone(tmp_path: Path) -> None:
    stored(tmp_path)
    (path,) = tmp_path.glob("bars-*.arrow")
    frame = pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pandas()
    assert list(frame.columns) == ["symbol", "session", *BAR_COLUMNS]
    oil = frame[frame["symbol"] == MAY_OIL]
    assert oil["close"].tolist() == [18.27, -37.63, 10.01]


def test_a_store_grown_by_sessions_has_the_fingerprint_of_one_written_at_once(
    tmp_path: Path,
) -> None:
    whole = stored(tmp_path / "whole", three_contracts())
    early = market(
        [contract(JUNE, month="202006"), contract(MAY_OIL, month="202005", tick_size=0.01)],
        [bars(JUNE, {"2020-04-17": 2869.25}), bars(MAY_OIL, {"2020-04-17": 18.27})],
        rates("EUR", {"2020-04-17": 1.0875}),
    )
    stored(tmp_path / "grown", early)
    with MarketStoreWriter(tmp_path / "grown") as writer:
        writer.append_session(
            date(2020, 4, 20),
            BarTable.joined(
                [
                    bars(MAY_OIL, {"2020-04-20": -37.63}),
                    bars(JUNE, {"2020-04-20": 2815.5}),
                    bars(SEPTEMBER, {"2020-04-20": 2810.0}),
                ]
            ),
            fx={"EUR": 1.0861},
            contracts=[contract(SEPTEMBER, month="202009")],
        )
    append(
        tmp_path / "grown",
        bars(JUNE, {"2020-04-21": 2731.0}),
        bars(SEPTEMBER, {"2020-04-21": 2725.25}),
        bars(MAY_OIL, {"2020-04-21": 10.01}),
        session=date(2020, 4, 21),
    )
    grown = MarketStore.open(tmp_path / "grown")
    assert grown.fingerprint == whole.fingerprint
    assert grown.contracts() == whole.contracts()
    assert grown.last_session == date(2020, 4, 21)
    for symbol in whole.symbols():
        assert grown.fingerprint_of(symbol) == whole.fingerprint_of(symbol)
        assert grown.bars(symbol).close.tolist() == whole.bars(symbol).close.tolist()


def test_the_smallest_change_of_a_bar_a_rate_or_a_fact_changes_the_fingerprint(
    tmp_path: Path,
) -> None:
    first = stored(tmp_path / "a").fingerprint
    data = three_contracts()
    close = data.bars.close.copy()
    close[4] = np.nextafter(close[4], np.inf)
    columns = {name: getattr(data.bars, name) for name in BAR_COLUMNS} | {"close": close}
    nudged = BarTable(
        symbols=data.bars.symbols, codes=data.bars.codes, sessions=data.bars.sessions, **columns
    )
    other_bar = MarketData(contracts=data.contracts, bars=nudged, fx=data.fx)
    other_rate = MarketData(
        contracts=data.contracts,
        bars=data.bars,
        fx={"EUR": rates("EUR", {"2020-04-17": 1.0875, "2020-04-20": 1.0862})},
    )
    other_tick = MarketData(
        contracts=(*data.contracts[:2], contract(MAY_OIL, month="202005", tick_size=0.025)),
        bars=data.bars,
        fx=data.fx,
    )
    seen = {
        stored(tmp_path / str(at), changed).fingerprint
        for at, changed in enumerate((other_bar, other_rate, other_tick))
    }
    assert len(seen | {first}) == 4


def test_a_reader_keeps_the_state_it_opened_while_a_writer_moves_on(tmp_path: Path) -> None:
    before = stored(tmp_path)
    append(tmp_path, bars(JUNE, {"2020-04-22": 2790.0}), session=date(2020, 4, 22))
    after = MarketStore.open(tmp_path)
    assert before.last_session == date(2020, 4, 21)
    assert before.bars(JUNE).close.tolist() == [2869.25, 2815.5, 2731.0]
    assert after.bars(JUNE).close.tolist() == [2869.25, 2815.5, 2731.0, 2790.0]
    assert after.contract(JUNE).last_session == date(2020, 4, 22)
    with MarketStoreWriter(tmp_path) as writer:
        writer.compact()
    assert before.bars(JUNE).close.tolist() == [2869.25, 2815.5, 2731.0]
    assert before.history_fingerprint(date(2020, 4, 21)) == after.history_fingerprint(
        date(2020, 4, 21)
    )


def test_an_error_while_writing_leaves_the_state_from_before(tmp_path: Path) -> None:
    before = stored(tmp_path).fingerprint

    def interrupted() -> None:
        with MarketStoreWriter(tmp_path) as writer:
            writer.append_session(
                date(2020, 4, 22), BarTable.joined([bars(JUNE, {"2020-04-22": 1.0})])
            )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert MarketStore.open(tmp_path).fingerprint == before


def test_only_one_process_writes_at_a_time(tmp_path: Path) -> None:
    stored(tmp_path)
    with (
        MarketStoreWriter(tmp_path),
        pytest.raises(DataError, match="another process"),
        MarketStoreWriter(tmp_path),
    ):
        pass


def test_appending_the_same_session_twice_changes_nothing(tmp_path: Path) -> None:
    stored(tmp_path)
    append(tmp_path, bars(JUNE, {"2020-04-22": 2790.0}), session=date(2020, 4, 22))
    files = sorted(path.name for path in tmp_path.iterdir())
    append(tmp_path, bars(JUNE, {"2020-04-22": 2790.0}), session=date(2020, 4, 22))
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_a_bar_that_differs_from_the_stored_one_is_not_appended(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with pytest.raises(DataError, match="ESM20 differ"):
        append(tmp_path, bars(JUNE, {"2020-04-21": 2731.25}), session=date(2020, 4, 21))
    with pytest.raises(DataError, match="does not know"):
        append(tmp_path, bars("ESZ20", {"2020-04-22": 1.0}), session=date(2020, 4, 22))
    with pytest.raises(DataError, match="another session"):
        append(tmp_path, bars(JUNE, {"2020-04-23": 1.0}), session=date(2020, 4, 22))
    assert MarketStore.open(tmp_path).fingerprint == store.fingerprint


def test_history_up_to_a_day_keeps_its_fingerprint_until_it_is_revised(tmp_path: Path) -> None:
    before = stored(tmp_path).history_fingerprint(date(2020, 4, 21))
    append(tmp_path, bars(JUNE, {"2020-04-22": 2790.0}), session=date(2020, 4, 22))
    appended = MarketStore.open(tmp_path)
    assert appended.history_fingerprint(date(2020, 4, 21)) == before
    assert appended.history_fingerprint(date(2020, 4, 22)) != before
    new = {"2020-04-17": 2869.25, "2020-04-20": 2815.5, "2020-04-21": 2730.0, "2020-04-22": 2790.0}
    with MarketStoreWriter(tmp_path) as writer:
        writer.revise(JUNE, bars(JUNE, new), recorded_at=WHEN)
    revised = MarketStore.open(tmp_path)
    assert revised.history_fingerprint(date(2020, 4, 21)) != before
    assert revised.history_fingerprint(date(2020, 4, 20)) == appended.history_fingerprint(
        date(2020, 4, 20)
    )


def test_a_revision_says_what_changed_from_what_to_what_and_when(tmp_path: Path) -> None:
    stored(tmp_path)
    old = MarketStore.open(tmp_path).bars(MAY_OIL)
    close = old.close.copy()
    close[1] = -37.5
    new = ContractBars(
        symbol=MAY_OIL,
        sessions=old.sessions[:2],
        open=old.open[:2],
        high=old.high[:2],
        low=old.low[:2],
        close=close[:2],
        volume=old.volume[:2],
        open_interest=old.open_interest[:2],
    )
    record = contract(MAY_OIL, month="202005", tick_size=0.05)
    with MarketStoreWriter(tmp_path) as writer:
        writer.revise(MAY_OIL, new, recorded_at=WHEN, contract=record)
    store = MarketStore.open(tmp_path)
    log = [(r.session, r.field, r.old, r.new) for r in store.revisions()]
    assert log[:2] == [
        (None, "tick_size", "0.01", "0.05"),
        (date(2020, 4, 20), "close", "-37.63", "-37.5"),
    ]
    assert (date(2020, 4, 21), "close", "10.01", "") in log
    assert {r.recorded_at for r in store.revisions()} == {WHEN}
    assert {r.symbol for r in store.revisions()} == {MAY_OIL}
    assert store.bars(MAY_OIL).close.tolist() == [18.27, -37.5]
    assert store.contract(MAY_OIL).tick_size == 0.05
    assert store.contract(MAY_OIL).last_session == date(2020, 4, 20)


def test_a_revision_without_a_difference_is_none(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with MarketStoreWriter(tmp_path) as writer:
        assert writer.revise(JUNE, store.bars(JUNE), recorded_at=WHEN) == []
    assert MarketStore.open(tmp_path).fingerprint == store.fingerprint
    assert MarketStore.open(tmp_path).revisions() == []


def test_many_evenings_and_revisions_survive_folding_and_compaction(tmp_path: Path) -> None:
    stored(tmp_path)
    days = [str(np.busday_offset(date(2020, 4, 22), at)) for at in range(40)]
    expected = {"2020-04-17": 2869.25, "2020-04-20": 2815.5, "2020-04-21": 2731.0}
    for at, day in enumerate(days):
        piece = bars(JUNE, {day: 2700.0 + at})
        append(tmp_path, piece, session=date.fromisoformat(day))
        expected[day] = 2700.0 + at
        if at in {5, 30}:
            expected["2020-04-17"] += 1.0
            with MarketStoreWriter(tmp_path) as writer:
                writer.revise(JUNE, bars(JUNE, expected), recorded_at=WHEN)
    folded = MarketStore.open(tmp_path)
    assert folded.bars(JUNE).close.tolist() == list(expected.values())
    assert len(list(tmp_path.glob("bars-*.arrow"))) <= 25
    assert folded.bars(SEPTEMBER).close.tolist() == [2810.0, 2725.25]
    with MarketStoreWriter(tmp_path) as writer:
        writer.compact()
    compacted = MarketStore.open(tmp_path)
    assert len(list(tmp_path.glob("bars-*.arrow"))) == 1
    assert compacted.fingerprint == folded.fingerprint
    assert compacted.bars(JUNE).close.tolist() == list(expected.values())
    assert [r.new for r in compacted.revisions() if r.field == "close"] == ["2870.25", "2871.25"]


def test_a_commit_sweeps_its_own_leftovers_and_touches_no_other_file(tmp_path: Path) -> None:
    stored(tmp_path)
    mine = ["bars-000001-99.arrow", "digests-000000-00.arrow", "manifest.json.draft"]
    foreign = ["prices.arrow", "bars.arrow", "bars-2020.arrow", "notes.draft", "bars-1-1.arrow"]
    for name in (*mine, *foreign):
        (tmp_path / name).write_text("left behind", encoding="utf-8")
    append(tmp_path, bars(JUNE, {"2020-04-22": 2790.0}), session=date(2020, 4, 22))
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & set(mine)
    assert set(foreign) <= left


def test_a_damaged_or_missing_file_is_noticed_on_opening(tmp_path: Path) -> None:
    stored(tmp_path)
    (path,) = tmp_path.glob("bars-*.arrow")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(StoreCorrupt, match="bytes"):
        MarketStore.open(tmp_path)
    path.unlink()
    with pytest.raises(StoreCorrupt, match="lost a file"):
        MarketStore.open(tmp_path)
    path.write_bytes(whole)
    assert MarketStore.open(tmp_path).bars(JUNE).close.tolist() == [2869.25, 2815.5, 2731.0]
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreCorrupt, match="manifest"):
        MarketStore.open(tmp_path)


def test_rows_out_of_order_or_doubled_are_refused() -> None:
    with pytest.raises(DataError, match="2020-04-20"):
        BarTable.joined([bars(JUNE, {"2020-04-21": 1.0, "2020-04-20": 2.0})])
    with pytest.raises(DataError, match="twice"):
        BarTable.joined([bars(JUNE, {"2020-04-21": 1.0}), bars(JUNE, {"2020-04-22": 1.0})])
