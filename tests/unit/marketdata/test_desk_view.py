"""The store as an evening sees it: what looks wrong tonight, and what changed since last night."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.desk_view import DeskMarketData
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.domain.contracts import read_symbol
from unit.marketdata.market_examples import JUNE, SEPTEMBER, bars, contract, market

DAYS = [str(day) for day in market_sessions("CMES", date(2020, 1, 2), date(2020, 3, 13)).days]
TONIGHT, BEFORE = date(2020, 3, 13), date(2020, 3, 12)
#: 17:30 in Chicago.
AFTER_CLOSE = datetime(2020, 3, 13, 22, 30, tzinfo=UTC)


def closes(last: float) -> dict[str, float]:
    return {day: 3000.0 + 4.0 * (at % 2) for at, day in enumerate(DAYS[:-1])} | {DAYS[-1]: last}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """June traded little and jumped; September leads and is calm."""
    data = market(
        [contract(JUNE, month="202006"), contract(SEPTEMBER, month="202009")],
        [bars(JUNE, closes(2900.0), volume=10.0), bars(SEPTEMBER, closes(3004.0))],
    )
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(data, source="typed")
    return tmp_path


def test_the_traded_month_and_the_month_that_leads_are_checked_on_tonights_bar(
    folder: Path,
) -> None:
    desk = DeskMarketData(MarketStore.open(folder))
    june, september = read_symbol(JUNE, on=TONIGHT), read_symbol(SEPTEMBER, on=TONIGHT)

    found = desk.quality([june], TONIGHT)

    assert [(f.code, f.subject) for f in found[june.root]] == [("AC124", JUNE)]
    assert desk.quality([september], TONIGHT) == {}
    assert desk.quality([june], BEFORE) == {}  # replayed: the evening before the jump
    assert desk.quality([read_symbol("CLK20", on=TONIGHT)], TONIGHT) == {}


def test_a_month_that_leads_is_checked_although_another_one_is_traded(tmp_path: Path) -> None:
    data = market(
        [contract(JUNE, month="202006"), contract(SEPTEMBER, month="202009")],
        [bars(JUNE, closes(3004.0), volume=10.0), bars(SEPTEMBER, closes(30.0))],
    )
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(data, source="typed")
    june = read_symbol(JUNE, on=TONIGHT)

    found = DeskMarketData(MarketStore.open(tmp_path)).quality([june], TONIGHT)

    assert [(f.code, f.subject) for f in found[june.root]] == [("AC123", SEPTEMBER)]


def test_history_that_changed_since_the_evening_before_is_told_by_market(folder: Path) -> None:
    whole = MarketStore.open(folder).bars(JUNE)
    assert DeskMarketData(MarketStore.open(folder)).revised(TONIGHT) == {}

    mended = {str(day): float(c) for day, c in zip(whole.sessions, whole.close, strict=True)}
    mended["2020-03-11"] = 3001.25
    with MarketStoreWriter(folder) as writer:
        writer.revise(JUNE, bars(JUNE, mended, volume=10.0), recorded_at=AFTER_CLOSE)

    found = DeskMarketData(MarketStore.open(folder)).revised(TONIGHT)["ES"]
    assert found.code == "AC133"
    assert "4 values of 1 contracts" in found.message
    assert "ESM20 2020-03-11 close: 3004.0 → 3001.25" in found.message
    assert DeskMarketData(MarketStore.open(folder)).revised(date(2020, 3, 17)) == {}
