"""Which month a continuation points to: one way only, and from nothing but the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from zipline.assets.roll_finder import VolumeRollFinder

from afterclose.adapters.marketdata.store import ContractRecord
from afterclose.adapters.zipline.assets import contract_finder, contract_id
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder, TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

FIRST, LAST = date(2018, 1, 2), date(2019, 12, 31)
NOISE = (0.0, 0.5, 2.0)


Volumes = Mapping[str, Mapping[date, float]]


def stored(noise: float, *, holes: bool = True) -> MemoryStore:
    root = SmallRoot(root="CL", missing_share=0.03 * holes, irregular=30 * holes)
    return MemoryStore(
        data=small_market([root], first=FIRST, last=LAST, seed=5, volume_noise=noise)
    )


def market(
    noise: float, last: date = LAST, *, holes: bool = True
) -> tuple[Any, Any, StoreBarReader]:
    store = stored(noise, holes=holes)
    calendar = RunCalendar()
    bars = MarketBars(store, session_axis(calendar), roots=["CL"], last=last)
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    finder = contract_finder(bars.contracts.values())
    return calendar, finder, StoreBarReader(bars, calendar, symbols)


def by_the_rule(records: list[ContractRecord], volumes: Volumes, days: list[date]) -> list[int]:
    """The rule in plain words: which month each session belongs to.

    Move on to the next listed month when the current one has closed, or when the next traded more
    on the last three sessions on which both volumes are known, or near the close (seven sessions)
    on the last session.
    """
    chosen, month = [], 0
    for number in range(len(days)):
        while (following := next_month(records, volumes, days, number, month)) is not None:
            month = following
        chosen.append(month)
    return chosen


def next_month(
    records: list[ContractRecord], volumes: Volumes, days: list[date], number: int, month: int
) -> int | None:
    """The month to move to, or None to stay."""
    front, yesterday = records[month], days[max(0, number - 1)]
    later = range(month + 1, len(records))
    listed = [other for other in later if number and records[other].first_session <= yesterday]
    if days[number] > front.auto_close:
        return listed[0] if listed else (month + 1 if later else None)
    if not listed:
        return None
    if front.first_session > yesterday:
        return listed[0]
    own, other = volumes[front.symbol], volumes[records[listed[0]].symbol]
    past = [day for day in days[:number] if day in own and day in other]
    more = [other[day] > own[day] for day in past[-3:]]
    if len(more) == 3 and all(more) and past[-1] >= days[max(0, number - 25)]:
        return listed[0]
    near = front.auto_close in days and days.index(front.auto_close) - number <= 7
    leads = other.get(yesterday, 0.0) > own.get(yesterday, 0.0)
    return listed[0] if near and leads else None


@pytest.mark.parametrize("noise", NOISE)
def test_it_goes_by_the_rule(noise: float) -> None:
    calendar, finder, reader = market(noise)
    store = stored(noise)
    causal = CausalRollFinder(calendar, finder, reader)
    records = list(store.data.contracts)
    volumes = {
        bars.symbol: dict(zip(bars.sessions.tolist(), bars.volume.tolist(), strict=True))
        for bars in store.data.bars.split()
    }
    days = [session.date() for session in reader.sessions]

    expected = by_the_rule(records, volumes, days)

    assert [causal.get_contract_center("CL", day, 0).symbol for day in reader.sessions] == [
        records[month].symbol for month in expected
    ]


def test_on_smooth_volumes_that_change_over_near_the_close_it_is_ziplines_hindsight() -> None:
    calendar, finder, reader = market(0.0, holes=False)
    causal = CausalRollFinder(calendar, finder, reader)
    hindsight = VolumeRollFinder(calendar, finder, reader)
    window = (reader.sessions[5], reader.sessions[-100], 0)

    assert len(causal.get_rolls("CL", *window)) >= 5
    assert causal.get_rolls("CL", *window) == hindsight.get_rolls("CL", *window)


@pytest.mark.parametrize("noise", NOISE)
def test_more_data_change_no_past_choice(noise: float) -> None:
    calendar, finder, reader = market(noise)
    full = CausalRollFinder(calendar, finder, reader)
    _, short_finder, short_reader = market(noise, last=date(2019, 3, 5))
    short = CausalRollFinder(calendar, short_finder, short_reader)
    for session in short_reader.sessions:
        later = full.get_contract_center("CL", session, 0)

        assert short.get_contract_center("CL", session, 0).symbol == later.symbol


@pytest.mark.parametrize("offset", [0, 1])
def test_a_window_is_made_of_the_contracts_that_were_current(offset: int) -> None:
    calendar, finder, reader = market(0.5)
    causal = CausalRollFinder(calendar, finder, reader)
    sessions = reader.sessions[30:280]
    rolls = causal.get_rolls("CL", sessions[0], sessions[-1], offset)
    current: list[int] = []
    for sid, until in rolls:
        upto = sessions[-1] if until is None else until - calendar.day
        current += [sid] * (int(sessions.searchsorted(upto)) + 1 - len(current))

    expected = [causal.get_contract_center("CL", day, offset).sid for day in sessions]

    assert current == expected
    assert len(rolls) >= 4


def test_past_the_last_listed_month_there_is_no_contract() -> None:
    calendar, finder, reader = market(0.0)
    causal = CausalRollFinder(calendar, finder, reader)

    assert causal.get_contract_center("CL", reader.sessions[-1], 9) is None


def _chain(finder: Any) -> list[Any]:
    return list(finder.retrieve_all(finder._get_contract_sids("CL")))


def test_on_the_first_day_of_the_data_it_is_the_nearest_month() -> None:
    calendar, finder, reader = market(0.5)
    causal = CausalRollFinder(calendar, finder, reader)

    assert causal.get_contract_center("CL", reader.sessions[0], 0).symbol == "CLH18"


@pytest.mark.parametrize("noise", NOISE)
def test_ziplines_own_rule_from_tables_gives_ziplines_own_rolls(noise: float) -> None:
    calendar, finder, reader = market(noise)
    tabled = TabledVolumeRollFinder(calendar, finder, reader)
    plain = VolumeRollFinder(calendar, finder, reader)
    sessions = reader.sessions
    draws = np.random.default_rng(8)
    for _ in range(60):
        low, high = sorted(draws.integers(2, len(sessions), 2))
        start, end = sessions[low], sessions[high]

        assert tabled.get_rolls("CL", start, end, 0) == plain.get_rolls("CL", start, end, 0)
        assert tabled.get_contract_center("CL", end, 0) == plain.get_contract_center("CL", end, 0)


def test_a_month_listed_later_changes_nothing_before_its_listing() -> None:
    with_it = stored(0.5)
    calendar = RunCalendar()
    records = [record for record in with_it.data.contracts if record.symbol == "CLU18"]
    listing = date(2018, 7, 2)
    late = replace(records[0], first_session=listing)
    names = {
        "late": [late if r.symbol == "CLU18" else r for r in with_it.data.contracts],
        "never": [r for r in with_it.data.contracts if r.symbol != "CLU18"],
    }
    paths = {}
    for name, contracts in names.items():
        store = MemoryStore(data=replace(with_it.data, contracts=tuple(contracts)))
        bars = MarketBars(store, session_axis(calendar), roots=["CL"], last=LAST)
        symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
        finder = contract_finder(bars.contracts.values())
        reader = StoreBarReader(bars, calendar, symbols)
        rolls = CausalRollFinder(calendar, finder, reader)
        paths[name] = [
            rolls.get_contract_center("CL", day, 0).symbol
            for day in reader.sessions
            if day.date() <= listing
        ]

    assert paths["late"] == paths["never"]
    assert len(paths["late"]) > 100
