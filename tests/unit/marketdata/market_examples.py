"""Small markets, typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from afterclose.adapters.marketdata.store import (
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)


def contract(symbol: str, *, month: str, tick_size: float = 0.25) -> ContractRecord:
    return ContractRecord(
        symbol=symbol,
        root=symbol[:-3],
        contract_month=month,
        currency="USD",
        exchange="CME",
        point_value=50.0,
        tick_size=tick_size,
        first_session=date(2020, 1, 2),
        last_session=date(2020, 1, 2),
        first_notice=None,
        last_trade=date(2020, 6, 19),
        auto_close=date(2020, 6, 17),
        calendar="CMES",
        name="Example",
        sector="Examples",
    )


def bars(symbol: str, closes: Mapping[str, float], *, volume: float = 1000.0) -> ContractBars:
    values = np.array(list(closes.values()), dtype=np.float64)
    return ContractBars(
        symbol=symbol,
        sessions=np.array(list(closes), dtype="datetime64[D]"),
        open=values - 0.5,
        high=values + 1.0,
        low=values - 1.0,
        close=values,
        volume=np.full(len(values), volume),
        open_interest=np.full(len(values), np.nan),
    )


def rates(currency: str, by_day: Mapping[str, float]) -> FxSeries:
    return FxSeries(
        currency=currency,
        sessions=np.array(list(by_day), dtype="datetime64[D]"),
        usd_per_unit=np.array(list(by_day.values()), dtype=np.float64),
    )


def market(
    contracts: Sequence[ContractRecord], pieces: Sequence[ContractBars], *fx: FxSeries
) -> MarketData:
    return MarketData(
        contracts=tuple(contracts),
        bars=BarTable.joined(pieces),
        fx={series.currency: series for series in fx},
    )


JUNE, SEPTEMBER, MAY_OIL = "ESM20", "ESU20", "CLK20"


def three_contracts() -> MarketData:
    """Two months of one root given in the wrong order, and crude oil below zero."""
    return market(
        [
            contract(SEPTEMBER, month="202009"),
            contract(JUNE, month="202006"),
            contract(MAY_OIL, month="202005", tick_size=0.01),
        ],
        [
            bars(SEPTEMBER, {"2020-04-20": 2810.0, "2020-04-21": 2725.25}),
            bars(JUNE, {"2020-04-17": 2869.25, "2020-04-20": 2815.5, "2020-04-21": 2731.0}),
            bars(MAY_OIL, {"2020-04-17": 18.27, "2020-04-20": -37.63, "2020-04-21": 10.01}),
        ],
        rates("EUR", {"2020-04-17": 1.0875, "2020-04-20": 1.0861}),
    )
