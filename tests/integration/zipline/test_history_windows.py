"""History from fixed pasts is, to the last bit, what Zipline's own windows give."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from zipline.data.data_portal import DataPortal

from afterclose.adapters.zipline.assets import contract_finder, contract_id
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.portal import CausalPortal
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

ROOTS = (
    SmallRoot(root="CL", missing_share=0.05),
    SmallRoot(root="ES", price=3000.0, tick_size=0.25),
    SmallRoot(root="ZB", tick_size=0.015625, missing_share=0.01),
)
FIELDS = ("open", "high", "low", "close", "volume", "price")
FIRST, LAST = date(2017, 1, 3), date(2019, 12, 31)


def portals(noise: float) -> tuple[CausalPortal, DataPortal, Any, StoreBarReader]:
    store = MemoryStore(
        data=small_market(ROOTS, first=FIRST, last=LAST, seed=7, volume_noise=noise)
    )
    calendar = RunCalendar()
    bars = MarketBars(store, session_axis(calendar), roots=store.roots(), last=LAST)
    finder = contract_finder(bars.contracts.values())
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    reader = StoreBarReader(bars, calendar, symbols)
    plain = DataPortal(
        finder,
        trading_calendar=calendar,
        first_trading_day=reader.first_trading_day,
        future_daily_reader=reader,
    )
    plain._roll_finders["volume"] = CausalRollFinder(calendar, finder, reader)
    return CausalPortal(finder, reader, calendar), plain, finder, reader


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("adjustment", ["mul", "add", None])
def test_continuations_look_the_same(noise: float, adjustment: str | None) -> None:
    ours, plain, finder, reader = portals(noise)
    futures = [
        finder.create_continuous_future(root.root, offset, "volume", adjustment)
        for root in ROOTS
        for offset in (0, 1)
    ]
    for session in reader.sessions[300::23]:
        for field in FIELDS:
            for bars in (1, 20, 257):
                window = (futures, session, bars, "1d", field, "daily")

                np.testing.assert_array_equal(
                    ours.get_history_window(*window).to_numpy(),
                    plain.get_history_window(*window).to_numpy(),
                    err_msg=f"{session} {field} {bars}",
                )


def test_single_contracts_look_the_same() -> None:
    ours, plain, finder, reader = portals(0.5)
    contracts = [finder.lookup_future_symbol(symbol) for symbol in ("CLM18", "ESU18", "ZBZ18")]
    for session in reader.sessions[260:520:9]:
        for field in FIELDS:
            window = (contracts, session, 21, "1d", field, "daily")

            np.testing.assert_array_equal(
                ours.get_history_window(*window).to_numpy(),
                plain.get_history_window(*window).to_numpy(),
            )


def test_looking_back_in_time_shows_the_past_as_it_was_then() -> None:
    ours, _, finder, reader = portals(0.5)
    future = [finder.create_continuous_future("CL", 0, "volume", "mul")]
    early, late = reader.sessions[300], reader.sessions[700]
    before = ours.get_history_window(future, early, 250, "1d", "close", "daily").to_numpy().copy()
    ours.get_history_window(future, late, 250, "1d", "close", "daily")

    again = ours.get_history_window(future, early, 250, "1d", "close", "daily").to_numpy()

    np.testing.assert_array_equal(again, before)
