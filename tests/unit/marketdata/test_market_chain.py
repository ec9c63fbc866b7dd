from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.absence import Absence
from afterclose.adapters.marketdata.chain import Lead, leads, missing_bars
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.loaded_source import LoadedSource
from afterclose.adapters.marketdata.records import ContractBars
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import update_store
from afterclose.adapters.marketdata.verify import verify_store
from unit.marketdata.market_examples import JUNE, SEPTEMBER, bars, contract, market

NOW = datetime(2026, 3, 13, 22, tzinfo=UTC)


def with_volumes(symbol: str, volumes: dict[str, float]) -> ContractBars:
    piece = bars(symbol, dict.fromkeys(volumes, 3000.0))
    return ContractBars(
        symbol=symbol,
        sessions=piece.sessions,
        open=piece.open,
        high=piece.high,
        low=piece.low,
        close=piece.close,
        volume=np.array(list(volumes.values())),
        open_interest=piece.open_interest,
    )


def test_the_lead_goes_to_the_month_with_the_most_volume_and_may_come_back(tmp_path: Path) -> None:
    june = {"2020-06-08": 90.0, "2020-06-09": 40.0, "2020-06-10": 60.0, "2020-06-11": np.nan}
    september = {"2020-06-08": 10.0, "2020-06-09": 50.0, "2020-06-10": 60.0, "2020-06-11": 80.0}
    quiet = {"2020-06-12": 0.0}
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(
            market(
                [contract(JUNE, month="202006"), contract(SEPTEMBER, month="202009")],
                [with_volumes(JUNE, june), with_volumes(SEPTEMBER, september | quiet)],
            ),
            source="by hand",
        )
    store = MarketStore.open(tmp_path)
    assert leads(store, "ES") == [
        Lead(symbol=JUNE, first=date(2020, 6, 8), last=date(2020, 6, 8), sessions=1),
        Lead(symbol=SEPTEMBER, first=date(2020, 6, 9), last=date(2020, 6, 9), sessions=1),
        Lead(symbol=JUNE, first=date(2020, 6, 10), last=date(2020, 6, 10), sessions=1),
        Lead(symbol=SEPTEMBER, first=date(2020, 6, 11), last=date(2020, 6, 11), sessions=1),
    ]
    assert [lead.symbol for lead in leads(store, "ES", first=date(2020, 6, 10))] == [
        JUNE,
        SEPTEMBER,
    ]
    assert leads(store, "ES", last=date(2020, 6, 5)) == []
    assert leads(store, "ZC") == []


def test_missing_bars_of_a_week_are_listed_with_their_reasons() -> None:
    piece = bars(JUNE, {"2020-04-08": 2750.0, "2020-04-13": 2760.0})
    missing = missing_bars(
        contract(JUNE, month="202006"), piece, first=date(2020, 4, 7), last=date(2020, 4, 14)
    )
    assert [(bar.session.day, bar.reason) for bar in missing] == [
        (7, Absence.NOT_LISTED_YET),
        (9, Absence.HOLE),
        (14, Absence.NOT_YET_PUBLISHED),
    ]


def test_a_past_is_replayed_evening_by_evening_and_nothing_later_is_ever_seen(
    tmp_path: Path,
) -> None:
    last = date(2026, 3, 13)
    data = generate(("CL", "FDAX", "NG"), first=date(2026, 1, 2), last=last)
    evenings = [date(2026, 2, 13), date(2026, 2, 27), date(2026, 3, 12), last]
    for evening in evenings:
        source = LoadedSource(name="replay", data=data, today=evening)
        update_store(tmp_path / "replayed", source, session=evening, now=NOW)
        assert MarketStore.open(tmp_path / "replayed").last_session == evening
    with MarketStoreWriter(tmp_path / "whole") as writer:
        writer.write_all(data, source="replay")
    replayed = MarketStore.open(tmp_path / "replayed")
    assert replayed.fingerprint == MarketStore.open(tmp_path / "whole").fingerprint
    assert replayed.revisions() == []
    assert verify_store(tmp_path / "replayed") == len(data.bars)
