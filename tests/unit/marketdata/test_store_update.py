from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from afterclose.adapters.marketdata.ended import turns_between
from afterclose.adapters.marketdata.freshness import Freshness, market_freshness
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.generated_source import GeneratedSource
from afterclose.adapters.marketdata.records import BarTable, ContractRecord, FxSeries
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import RootUpdate, update_store
from afterclose.adapters.marketdata.verify import verify_store
from afterclose.errors import DataError, SourceUnavailable
from unit.marketdata.market_examples import (
    JUNE,
    MAY_OIL,
    SEPTEMBER,
    bars,
    contract,
    rates,
    three_contracts,
)

NOW = datetime(2020, 4, 22, 22, 0, tzinfo=UTC)
TUESDAY, WEDNESDAY = date(2020, 4, 21), date(2020, 4, 22)


@dataclass
class Vendor:
    """A data vendor in memory: what it publishes can be changed between two evenings."""

    closes: dict[str, dict[str, float]]
    listed: dict[str, ContractRecord]
    euro: dict[str, float]
    down_for: str = ""
    empty: set[str] = field(default_factory=set)
    asked_again: list[str] = field(default_factory=list)
    asked_whole: list[str] = field(default_factory=list)
    name: str = "vendor"

    def roots(self) -> Sequence[str]:
        return sorted({record.root for record in self.listed.values()})

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        if root == self.down_for:
            raise SourceUnavailable("the vendor does not answer")
        since = "" if live_on is None else live_on.isoformat()
        chain = [record for record in self.listed.values() if record.root == root]
        return [record for record in chain if max(self.closes[record.symbol]) >= since]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        if first is None:
            self.asked_whole.extend(symbols)
        begin = first or date.min
        return BarTable.joined(
            bars(
                symbol,
                {
                    day: close
                    for day, close in self.closes[symbol].items()
                    if begin <= date.fromisoformat(day) <= last and symbol not in self.empty
                },
            )
            for symbol in symbols
        )

    def rewritten(
        self,
        symbols: Sequence[str],
        *,
        since: datetime,  # noqa: ARG002 - this vendor keeps no dates
    ) -> Sequence[str]:
        self.asked_again.extend(symbols)
        return [symbol for symbol in symbols if symbol in self.closes]

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        known = {day: r for day, r in self.euro.items() if first <= date.fromisoformat(day) <= last}
        return {"EUR": rates("EUR", known)} if "EUR" in currencies else {}


def vendor() -> Vendor:
    records = [
        replace(contract(JUNE, month="202006"), currency="EUR"),
        replace(contract(SEPTEMBER, month="202009"), currency="EUR"),
        contract(MAY_OIL, month="202005", tick_size=0.01),
    ]
    data = three_contracts()
    closes = {
        piece.symbol: dict(
            zip(piece.sessions.astype(str).tolist(), piece.close.tolist(), strict=True)
        )
        for piece in data.bars.split()
    }
    listed = {record.symbol: record for record in records}
    return Vendor(closes, listed, {"2020-04-17": 1.0875, "2020-04-20": 1.0861})


def updated(path: Path, source: Vendor, session: date) -> MarketStore:
    update_store(path, source, session=session, now=NOW)
    return MarketStore.open(path)


def test_the_first_update_loads_everything_and_the_second_finds_nothing_new(
    tmp_path: Path,
) -> None:
    source = vendor()
    first = update_store(tmp_path, source, session=TUESDAY, now=NOW)
    assert (first.bars, first.rates) == (8, 2)
    before = MarketStore.open(tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    second = update_store(tmp_path, source, session=TUESDAY, now=NOW)
    assert (second.bars, second.rates, second.revisions) == (0, 0, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert MarketStore.open(tmp_path).fingerprint == before.fingerprint
    assert before.source == "vendor"


def test_a_session_brings_new_bars_new_listings_and_says_so_market_by_market(
    tmp_path: Path,
) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    source.closes[JUNE]["2020-04-22"] = 2790.75
    source.listed["ESZ20"] = replace(contract("ESZ20", month="202012"), currency="EUR")
    source.closes["ESZ20"] = {"2020-04-21": 2720.0, "2020-04-22": 2788.0}
    seen: list[RootUpdate] = []
    result = update_store(tmp_path, source, session=WEDNESDAY, now=NOW, on_progress=seen.append)
    assert tuple(seen) == result.roots
    oil, index = seen
    assert (oil.root, oil.bars, oil.newest) == ("CL", 0, TUESDAY)
    assert (index.root, index.bars, index.newest) == ("ES", 3, WEDNESDAY)
    assert index.new_contracts == ("ESZ20",)
    store = MarketStore.open(tmp_path)
    assert store.bars("ESZ20").close.tolist() == [2720.0, 2788.0]
    assert store.bars(JUNE).close.tolist() == [2869.25, 2815.5, 2731.0, 2790.75]


def test_a_listing_is_stored_with_its_first_bar_and_not_before(tmp_path: Path) -> None:
    source = vendor()
    source.listed["ESZ20"] = replace(contract("ESZ20", month="202012"), currency="EUR")
    source.closes["ESZ20"] = {"2020-04-22": 2788.0}
    assert "ESZ20" not in updated(tmp_path, source, TUESDAY).symbols()
    store = updated(tmp_path, source, WEDNESDAY)
    assert store.contract("ESZ20").first_session == WEDNESDAY


def test_a_changed_close_in_the_last_weeks_is_fetched_whole_and_logged(tmp_path: Path) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    source.asked_whole.clear()
    source.closes[MAY_OIL]["2020-04-20"] = -37.36
    source.closes[MAY_OIL]["2020-04-22"] = 13.78
    result = update_store(tmp_path, source, session=WEDNESDAY, now=NOW)
    assert source.asked_whole == [MAY_OIL]
    (close,) = [
        change
        for change in result.revisions
        if change.field == "close" and change.session == date(2020, 4, 20)
    ]
    assert (close.symbol, close.old, close.new) == (MAY_OIL, "-37.63", "-37.36")
    store = MarketStore.open(tmp_path)
    assert store.bars(MAY_OIL).close.tolist() == [18.27, -37.36, 10.01, 13.78]
    assert list(store.revisions()) == list(result.revisions)
    verify_store(tmp_path)


@pytest.mark.parametrize("gone", [True, False])
def test_a_bar_that_vanished_or_appeared_between_is_a_revision(tmp_path: Path, gone: bool) -> None:  # noqa: FBT001 - the two cases of one test
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    if gone:
        del source.closes[JUNE]["2020-04-20"]
    else:
        source.closes[SEPTEMBER] = {"2020-04-17": 2860.0} | source.closes[SEPTEMBER]
    store = updated(tmp_path, source, TUESDAY)
    assert {change.symbol for change in store.revisions()} == {JUNE if gone else SEPTEMBER}
    assert len(store.bars(JUNE)) == (2 if gone else 3)
    assert len(store.bars(SEPTEMBER)) == (2 if gone else 3)
    first = date(2020, 4, 20) if gone else date(2020, 4, 17)
    assert store.contract(SEPTEMBER).first_session == first


def test_a_contract_whose_bars_all_vanished_is_followed_again_when_they_return(
    tmp_path: Path,
) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    closes = dict(source.closes[MAY_OIL])
    with MarketStoreWriter(tmp_path) as writer:
        writer.revise(MAY_OIL, bars(MAY_OIL, {}), recorded_at=NOW)
    assert len(MarketStore.open(tmp_path).bars(MAY_OIL)) == 0
    result = update_store(tmp_path, source, session=TUESDAY, now=NOW)
    assert {root.root: root.bars for root in result.roots} == {"CL": 3, "ES": 0}
    store = MarketStore.open(tmp_path)
    assert store.bars(MAY_OIL).close.tolist() == list(closes.values())
    verify_store(tmp_path)


def test_a_contract_of_which_the_source_has_nothing_any_more_is_told_of_and_kept(
    tmp_path: Path,
) -> None:
    source = vendor()
    before = updated(tmp_path, source, TUESDAY)
    source.closes[JUNE]["2020-04-22"] = 2790.75
    source.empty = {MAY_OIL}
    result = update_store(tmp_path, source, session=WEDNESDAY, now=NOW)
    assert {root.root: root.vanished for root in result.roots} == {"CL": (MAY_OIL,), "ES": ()}
    assert result.revisions == ()
    store = MarketStore.open(tmp_path)
    assert store.fingerprint_of(MAY_OIL) == before.fingerprint_of(MAY_OIL)
    assert store.last_session == WEDNESDAY


def test_a_contract_no_longer_traded_is_compared_whole_once_in_twenty_sessions(
    tmp_path: Path,
) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    source.closes["CLM20"] = {str(day): 20.0 for day in weekdays(date(2020, 4, 22), 60)}
    source.listed["CLM20"] = contract("CLM20", month="202006", tick_size=0.01)
    days = [date.fromisoformat(day) for day in source.closes["CLM20"]]
    for day in days[:30]:
        updated(tmp_path, source, day)
    source.closes[MAY_OIL]["2020-04-20"] = -37.36
    source.asked_again.clear()

    found = [update_store(tmp_path, source, session=day, now=NOW) for day in days[30:50]]

    assert source.asked_again.count(MAY_OIL) == 1
    (change,) = [r for update in found for r in update.revisions if r.field == "close"]
    assert (change.symbol, change.old, change.new) == (MAY_OIL, "-37.63", "-37.36")
    store = MarketStore.open(tmp_path)
    assert store.bars(MAY_OIL).close.tolist() == [18.27, -37.36, 10.01]
    verify_store(tmp_path)
    source.asked_again.clear()
    update_store(tmp_path, source, session=days[49], now=NOW)
    assert source.asked_again == []  # the same evening again


def test_evenings_that_were_missed_do_not_spare_a_contract_its_turn() -> None:
    friday, monday = date(2020, 4, 17), date(2020, 4, 20)
    every = frozenset(range(20))
    assert len(turns_between(friday, monday)) == 1
    assert turns_between(friday, monday) != turns_between(monday, date(2020, 4, 21))
    assert len(turns_between(friday, date(2020, 4, 24))) == 5
    assert turns_between(friday, date(2020, 5, 15)) == every
    assert turns_between(friday, date(2020, 12, 18)) == every
    assert turns_between(monday, monday) == turns_between(None, monday) == frozenset()


def weekdays(first: date, count: int) -> list[date]:
    every = (first + timedelta(days=at) for at in range(2 * count))
    return [day for day in every if day.weekday() < 5][:count]


def test_facts_and_rates_that_changed_are_logged(tmp_path: Path) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    source.listed[JUNE] = replace(source.listed[JUNE], auto_close=date(2020, 6, 16))
    source.euro = {"2020-04-17": 1.0875, "2020-04-20": 1.0862, "2020-04-21": 1.0855}
    store = updated(tmp_path, source, TUESDAY)
    assert [(r.symbol, r.field, r.old, r.new) for r in store.revisions()] == [
        (JUNE, "auto_close", "2020-06-17", "2020-06-16"),
        ("EUR", "usd_per_unit", "1.0861", "1.0862"),
    ]
    assert store.contract(JUNE).auto_close == date(2020, 6, 16)
    assert store.fx("EUR").usd_per_unit.tolist() == [1.0875, 1.0862, 1.0855]
    verify_store(tmp_path)


def test_a_currency_without_any_rate_is_named(tmp_path: Path) -> None:
    source = vendor()
    source.euro = {}
    assert update_store(tmp_path, source, session=TUESDAY, now=NOW).without_rates == ("EUR",)
    source.euro = {"2020-04-21": 1.0855}
    assert update_store(tmp_path, source, session=TUESDAY, now=NOW).without_rates == ()


def test_a_source_that_fails_in_between_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    source = vendor()
    before = updated(tmp_path, source, TUESDAY).fingerprint
    source.closes[MAY_OIL]["2020-04-22"] = 13.78
    source.down_for = "ES"
    with pytest.raises(SourceUnavailable):
        update_store(tmp_path, source, session=WEDNESDAY, now=NOW)
    assert MarketStore.open(tmp_path).fingerprint == before
    source.down_for = ""
    assert updated(tmp_path, source, WEDNESDAY).last_session == WEDNESDAY


def test_a_store_is_not_continued_from_another_source(tmp_path: Path) -> None:
    source = vendor()
    updated(tmp_path, source, TUESDAY)
    source.name = "another vendor"
    with pytest.raises(DataError, match="filled from vendor"):
        update_store(tmp_path, source, session=WEDNESDAY, now=NOW)


def test_a_store_that_missed_weeks_catches_up_with_what_expired_meanwhile(tmp_path: Path) -> None:
    roots = ("CL", "HSI", "ZC")
    start, end = date(2026, 7, 1), date(2026, 9, 15)
    with MarketStoreWriter(tmp_path / "followed") as writer:
        writer.write_all(
            generate(roots, first=date(2026, 1, 2), last=start),
            source=GeneratedSource(today=end, only=roots).name,
        )
    update_store(
        tmp_path / "followed", GeneratedSource(today=end, only=roots), session=end, now=NOW
    )
    with MarketStoreWriter(tmp_path / "whole") as writer:
        writer.write_all(generate(roots, first=date(2026, 1, 2), last=end), source="x")
    followed = MarketStore.open(tmp_path / "followed")
    whole = MarketStore.open(tmp_path / "whole")
    assert followed.contracts() == whole.contracts()
    assert followed.fingerprint == whole.fingerprint


def test_each_market_owes_the_bar_of_its_own_last_session(tmp_path: Path) -> None:
    # 2026-04-06 is Easter Monday: a session in Chicago, a holiday in Frankfurt and Hong Kong.
    monday = date(2026, 4, 6)
    data = generate(("ES", "FDAX", "HSI", "ZC"), first=date(2026, 2, 2), last=monday)
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(data, source="x")
    store = MarketStore.open(tmp_path)
    answers = {answer.root: answer for answer in market_freshness(store, monday)}
    assert {root: answer.status for root, answer in answers.items()} == {
        "ES": Freshness.FRESH,
        "FDAX": Freshness.HOLIDAY,
        "HSI": Freshness.HOLIDAY,
        "ZC": Freshness.FRESH,
    }
    assert answers["FDAX"].expected == answers["FDAX"].newest == date(2026, 4, 2)
    tuesday = market_freshness(store, date(2026, 4, 7))
    assert {a.root for a in tuesday if a.status is Freshness.LATE} == {"ES", "FDAX", "ZC"}
    late = next(a.finding for a in tuesday if a.root == "ES")
    assert late is not None
    assert (late.code, late.evidence["expected"]) == ("AC107", "2026-04-07")
    ended = market_freshness(store, date(2026, 6, 1))
    assert {a.status for a in ended} == {Freshness.ENDED}


@pytest.mark.parametrize(
    ("evening", "bars_until", "without_close", "late"),
    [
        # Labor Day: London's oil and Frankfurt trade like on any other Monday.
        ("2026-09-07", "2026-09-04", {"CC", "ES", "ZC"}, {"BRN", "FDAX"}),
        ("2026-09-07", "2026-09-03", set(), {"BRN", "CC", "ES", "FDAX", "ZC"}),
        ("2026-09-08", "2026-09-04", set(), {"BRN", "CC", "ES", "FDAX", "ZC"}),
        ("2026-06-19", "2026-06-18", {"CC", "ES", "ZC"}, {"BRN", "FDAX"}),  # Juneteenth
        ("2026-07-03", "2026-07-02", {"CC", "ES", "ZC"}, {"BRN", "FDAX"}),
        ("2026-11-26", "2026-11-25", {"CC", "ES", "ZC"}, {"BRN", "FDAX"}),  # Thanksgiving
        ("2026-11-27", "2026-11-25", set(), {"BRN", "CC", "ES", "FDAX", "ZC"}),  # short, a close
        ("2026-12-24", "2026-12-23", set(), {"BRN", "CC", "ES", "ZC"}),  # Frankfurt is closed
    ],
)
def test_on_an_american_holiday_its_markets_have_no_close_and_others_owe_theirs(
    tmp_path: Path, evening: str, bars_until: str, without_close: set[str], late: set[str]
) -> None:
    roots = ("BRN", "CC", "ES", "FDAX", "ZC")
    last = date.fromisoformat(bars_until)
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(generate(roots, first=date(2026, 5, 1), last=last, seed=1), source="x")
    answers = market_freshness(MarketStore.open(tmp_path), date.fromisoformat(evening))

    assert {a.root for a in answers if a.status is Freshness.NO_CLOSE} == without_close
    assert {a.root for a in answers if a.status is Freshness.LATE} == late
    said = [a.no_close for a in answers if a.no_close is not None]
    assert {(f.code, f.subject) for f in said} == {("AC137", root) for root in without_close}
    assert {a.root for a in answers if a.finding is not None} == late


def test_a_bar_of_an_american_holiday_is_taken_where_there_is_one(tmp_path: Path) -> None:
    labor_day = date(2026, 9, 7)
    data = generate(("ES",), first=date(2026, 5, 1), last=labor_day, seed=1)
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(data, source="x")
    (answer,) = market_freshness(MarketStore.open(tmp_path), labor_day)

    assert (answer.status, answer.newest) == (Freshness.FRESH, labor_day)


def test_an_evening_before_a_market_s_first_bar_is_answered(tmp_path: Path) -> None:
    store = updated(tmp_path, vendor(), TUESDAY)
    answers = market_freshness(store, date(1999, 1, 4))

    assert {(a.status, a.behind) for a in answers} == {(Freshness.ENDED, ())}


def test_a_later_bar_in_the_store_does_not_make_an_earlier_evening_look_fresh(
    tmp_path: Path,
) -> None:
    source = vendor()
    del source.closes[MAY_OIL]["2020-04-20"]
    store = updated(tmp_path, source, TUESDAY)
    answers = {answer.root: answer for answer in market_freshness(store, date(2020, 4, 20))}
    assert answers["CL"].status is Freshness.LATE
    assert answers["CL"].newest == date(2020, 4, 17)
    assert answers["ES"].status is Freshness.FRESH


def test_a_contract_that_lacks_the_newest_bar_of_its_market_is_named(tmp_path: Path) -> None:
    source = vendor()
    source.closes[JUNE]["2020-04-22"] = 2790.75
    store = updated(tmp_path, source, WEDNESDAY)
    answer = next(a for a in market_freshness(store, WEDNESDAY) if a.root == "ES")
    assert answer.status is Freshness.FRESH
    assert answer.behind == (SEPTEMBER,)
    assert np.isfinite(store.bars(SEPTEMBER).close).all()
