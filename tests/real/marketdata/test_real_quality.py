"""The checks against the cases they were made for; skipped without AFTERCLOSE_REAL_DATA."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from afterclose.adapters.marketdata.comparing import disagreements
from afterclose.adapters.marketdata.quality import check_bars
from afterclose.adapters.marketdata.records import BAR_COLUMNS, ContractBars, ContractRecord
from afterclose.domain.findings import Finding
from unit.marketdata.market_examples import contract

REAL_DATA = os.environ.get("AFTERCLOSE_REAL_DATA")
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(REAL_DATA is None, reason="AFTERCLOSE_REAL_DATA is not set"),
]


def real_bars(symbol: str) -> ContractBars:
    """Every row the tables have of a contract, from whatever source, closes as they are."""
    rows = pd.read_parquet(
        Path(str(REAL_DATA)) / "contracts.parquet", filters=[("contract_code", "==", symbol)]
    ).sort_values("date")
    columns = {
        name: rows[name].to_numpy(np.float64)
        for name in ("open", "high", "low", "close", "volume", "open_interest")
    }
    return ContractBars(symbol=symbol, sessions=rows["date"].to_numpy("datetime64[D]"), **columns)


def findings(symbol: str, *, tick_size: float, since: date) -> dict[str, Finding]:
    record: ContractRecord = contract(symbol, month="202001", tick_size=tick_size)
    if symbol.startswith("VX"):
        record = replace(record, calendar="XCBF")
    found = check_bars(record, real_bars(symbol), since=since)
    return {finding.code: finding for finding in found}


@pytest.mark.parametrize(
    ("symbol", "tick_size", "code", "day"),
    [
        ("CLK20", 0.01, "AC120", date(2020, 4, 20)),  # settled at −37.63
        ("CLK20", 0.01, "AC124", date(2020, 4, 20)),
        ("ZRN22", 0.5, "AC121", date(2021, 12, 6)),  # three closes of zero
        ("MCAQ23", 0.1, "AC121", date(2023, 6, 23)),
        ("MFSH10", 0.1, "AC123", date(2010, 1, 11)),  # ten times its neighbours
        ("ESM21", 0.25, "AC122", date(2021, 3, 16)),  # settled at 3952.40, between two ticks
        ("CLJ20", 0.01, "AC124", date(2020, 3, 9)),  # −25 %
        ("VXG18", 0.05, "AC124", date(2018, 2, 5)),  # +112 %
        ("LBSX20", 0.1, "AC125", date(2020, 9, 11)),  # locked up, 61 lots
        ("HEM19", 0.025, "AC125", date(2019, 5, 6)),
        ("GFU19", 0.025, "AC125", date(2019, 8, 12)),
        ("6NM15", 0.0001, "AC126", date(2015, 4, 3)),  # Good Friday, a short session
        ("CLH12", 0.01, "AC127", date(2012, 2, 13)),  # a hole of the vendor
        ("VXQ14", 0.05, "AC126", date(2014, 7, 4)),
        ("ZWH06", 0.25, "AC128", date(2005, 3, 1)),  # listed, hardly traded
        ("6LV11", 0.05, "AC129", date(2011, 8, 1)),  # 6,274 contracts open, never one traded
        ("RPM19", 0.00005, "AC130", date(2019, 3, 14)),  # opened below its low
    ],
)
def test_the_case_is_found(symbol: str, tick_size: float, code: str, day: date) -> None:
    found = findings(symbol, tick_size=tick_size, since=day)
    assert code in found, list(found)


def with_close(bars: ContractBars, day: date, close: float) -> ContractBars:
    columns = {name: getattr(bars, name).copy() for name in BAR_COLUMNS}
    columns["close"][bars.sessions == np.datetime64(day)] = close
    return ContractBars(symbol=bars.symbol, sessions=bars.sessions, **columns)


def test_a_settlement_outside_the_range_of_the_day_is_told_from_a_last_trade() -> None:
    # Natural gas, March 2014: on 18 February it traded between 4.660 and 4.777 by the one source,
    # and settled at 5.551.
    day = date(2014, 2, 18)
    record = contract("NGH14", month="201403", tick_size=0.001)
    traded = real_bars("NGH14")
    settled = with_close(traded, day, 5.551)

    assert "AC132" not in {f.code for f in check_bars(record, traded, since=day)}
    found = {f.code: f for f in check_bars(record, settled, since=day)}
    assert "2014-02-18" in found["AC132"].message


@pytest.mark.parametrize(
    ("symbol", "tick_size", "day", "settlement"),
    [
        ("CLM20", 0.01, date(2020, 4, 21), 11.57),  # last trade 13.01
        ("CLM20", 0.01, date(2020, 4, 20), 20.43),  # 21.07
        ("NGH14", 0.001, date(2014, 2, 18), 5.551),  # 4.753
        ("6SH15", 0.0001, date(2015, 1, 15), 0.9813),  # 1.1484; the snapshot is from the morning
    ],
)
def test_two_sources_that_disagree_are_named_with_both_prices(
    symbol: str, tick_size: float, day: date, settlement: float
) -> None:
    record = contract(symbol, month="202001", tick_size=tick_size)
    ours = real_bars(symbol)
    theirs = with_close(ours, day, settlement)

    (found,) = disagreements(record, ours, theirs, names=("trades", "settlements"))
    assert found.code == "AC131"
    assert f"on {day}" in found.message
    assert found.message.endswith(repr(settlement))
