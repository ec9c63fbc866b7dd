"""Which month a continuation points to: one way only, and from nothing but the past."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from zipline.assets.roll_finder import VolumeRollFinder

from afterclose.adapters.zipline.assets import contract_finder, contract_id
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder, TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

FIRST, LAST = date(2018, 1, 2), date(2019, 12, 31)
NOISE = (0.0, 0.5, 2.0)


class EndsAt:
    """A reader whose data end at a session: what an evening has."""

    def __init__(self, reader: StoreBarReader, end: pd.Timestamp) -> None:
        self._reader, self.last_available_dt = reader, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def market(noise: float, last: date = LAST) -> tuple[Any, Any, StoreBarReader]:
    root = SmallRoot(root="CL", missing_share=0.03)
    store = MemoryStore(
        data=small_market([root], first=FIRST, last=LAST, seed=5, volume_noise=noise)
    )
    calendar = RunCalendar()
    bars = MarketBars(store, session_axis(calendar), roots=["CL"], last=last)
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    finder = contract_finder(bars.contracts.values())
    return calendar, finder, StoreBarReader(bars, calendar, symbols)


@pytest.mark.parametrize("noise", NOISE)
def test_it_is_what_zipline_says_that_evening_and_never_goes_back(noise: float) -> None:
    calendar, finder, reader = market(noise)
    causal = CausalRollFinder(calendar, finder, reader)
    order = {contract.sid: number for number, contract in enumerate(_chain(finder))}
    furthest = 0
    for session in reader.sessions[1:]:
        evening = VolumeRollFinder(calendar, finder, EndsAt(reader, session))
        furthest = max(furthest, order[evening.get_contract_center("CL", session, 0).sid])

        assert order[causal.get_contract_center("CL", session, 0).sid] == furthest


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
