"""On any market: our reader reads what is stored, and our rolls obey their own laws.

Markets are drawn with noise on the volumes, holes, months that are listed late and months that stop
early.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zipline.assets.roll_finder import VolumeRollFinder

from afterclose.adapters.zipline.assets import contract_finder, contract_id
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder, TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from integration.zipline.exact_reader import ExactReader
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

pytestmark = pytest.mark.slow

FIRST, LAST = date(2018, 1, 2), date(2019, 6, 28)
CALENDAR = RunCalendar()
FIELDS = ["open", "high", "low", "close", "volume"]
FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Drawn:
    """A random market with both readers of it."""

    finder: Any
    ours: StoreBarReader
    plain: ExactReader
    draws: np.random.Generator

    def sessions(self, number: int) -> list[Any]:
        at = np.sort(self.draws.integers(2, len(self.ours.sessions), number))
        return [self.ours.sessions[int(each)] for each in at]


def open_at(store: MemoryStore, last: date, seed: int) -> Drawn:
    bars = MarketBars(store, session_axis(CALENDAR), roots=["CL"], last=last)
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    sids = {symbol: sid for sid, symbol in symbols.items()}
    return Drawn(
        finder=contract_finder(bars.contracts.values()),
        ours=StoreBarReader(bars, CALENDAR, symbols),
        plain=ExactReader(store.data, CALENDAR, sids),
        draws=np.random.default_rng(seed),
    )


@st.composite
def stores(draw: st.DrawFn) -> tuple[MemoryStore, int]:
    root = SmallRoot(
        root="CL",
        volume=draw(st.sampled_from([50.0, 900.0, 20_000.0])),
        missing_share=draw(st.sampled_from([0.0, 0.02, 0.1, 0.4])),
        irregular=draw(st.sampled_from([0, 5, 30, 90])),
    )
    seed = draw(st.integers(0, 10_000))
    data = small_market(
        [root],
        first=FIRST,
        last=LAST,
        seed=seed,
        volume_noise=draw(st.sampled_from([0.0, 0.25, 1.0, 3.0])),
    )
    return MemoryStore(data=data), seed


@FEW
@given(stores())
def test_the_reader_reads_what_is_stored(drawn: tuple[MemoryStore, int]) -> None:
    market = open_at(drawn[0], LAST, drawn[1])
    assets = market.finder.retrieve_all(market.finder.futures_sids)
    for start, end in zip(market.sessions(6)[::2], market.sessions(6)[1::2], strict=True):
        low, high = sorted((start, end))
        blocks = zip(
            market.ours.load_raw_arrays(FIELDS, low, high, assets),
            market.plain.load_raw_arrays(FIELDS, low, high, assets),
            strict=True,
        )
        for ours, plain in blocks:
            np.testing.assert_array_equal(ours, plain)
        for asset in assets:
            ours, plain = (r.get_last_traded_dt(asset, high) for r in (market.ours, market.plain))
            assert ours is plain or ours == plain
            for field in FIELDS:
                np.testing.assert_equal(
                    market.ours.get_value(asset, high, field),
                    market.plain.get_value(asset, high, field),
                )


@FEW
@given(stores())
def test_ziplines_rule_from_tables_is_ziplines_rule_on_a_plain_reader(
    drawn: tuple[MemoryStore, int],
) -> None:
    market = open_at(drawn[0], LAST, drawn[1])
    tabled = TabledVolumeRollFinder(CALENDAR, market.finder, market.ours)
    plain = VolumeRollFinder(CALENDAR, market.finder, market.plain)
    for start, end in zip(market.sessions(8), market.sessions(8), strict=True):
        low, high = sorted((start, end))
        for offset in (0, 1):
            assert tabled.get_rolls("CL", low, high, offset) == plain.get_rolls(
                "CL", low, high, offset
            )
            assert tabled.get_contract_center("CL", high, offset) == plain.get_contract_center(
                "CL", high, offset
            )


@FEW
@given(stores())
def test_causal_rolls_go_one_way_and_no_later_bar_changes_them(
    drawn: tuple[MemoryStore, int],
) -> None:
    store, seed = drawn
    whole = open_at(store, LAST, seed)
    cut = whole.sessions(3)[1]
    ended = open_at(store, cut.date(), seed)
    full, then = (
        CausalRollFinder(CALENDAR, market.finder, market.ours) for market in (whole, ended)
    )
    path = [full.get_contract_center("CL", day, 0) for day in whole.ours.sessions]
    closes = [asset.auto_close_date for asset in path if asset is not None]

    assert closes == sorted(closes)
    for day, asset in zip(whole.ours.sessions, path, strict=True):
        if day <= cut:
            assert then.get_contract_center("CL", day, 0) == asset
    low = whole.ours.sessions[2]
    # The walk to the cut is the beginning of the walk to the end.
    before = [sid for sid, _ in then.get_rolls("CL", low, cut, 0)]
    assert [sid for sid, _ in full.get_rolls("CL", low, LAST_SESSION, 0)][: len(before)] == before


LAST_SESSION = CALENDAR.sessions[CALENDAR.sessions.searchsorted(np.datetime64(LAST))]
