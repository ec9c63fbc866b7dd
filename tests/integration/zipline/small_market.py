"""A small futures market made of random walks, for tests of the engine.

Quarterly contracts; prices in cents, so that a Zipline bundle can hold them; volume moves from
month to month some sessions before the auto-close, with noise where asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from exchange_calendars import get_calendar

from afterclose.adapters.marketdata.store import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
    MarketStoreWriter,
)
from afterclose.errors import DataError

QUARTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallRoot:
    """How one root of the small market behaves."""

    root: str
    price: float = 100.0
    drift: float = 0.0004
    volatility: float = 0.01
    point_value: float = 50.0
    tick_size: float = 0.01
    currency: str = "USD"
    volume: float = 20_000.0
    missing_share: float = 0.0
    #: Sessions by which every fourth contract starts late, and every fifth ends early.
    irregular: int = 0


def small_market(
    roots: Sequence[SmallRoot],
    *,
    first: date,
    last: date,
    seed: int = 1,
    volume_noise: float = 0.0,
    rates: Mapping[str, float] | None = None,
) -> MarketData:
    """Make contracts and bars from ``first`` to ``last``; the same seed gives the same prefix."""
    days = _sessions(date(first.year - 1, 1, 1), date(last.year + 3, 1, 1))
    records: list[ContractRecord] = []
    bars: list[ContractBars] = []
    for root in roots:
        for record, series in _chain(root, days, first, last, seed, volume_noise):
            records.append(record)
            bars.append(series)
    fx = {
        currency: FxSeries(
            currency=currency,
            sessions=days,
            usd_per_unit=_rate_path(currency, start, len(days), seed),
        )
        for currency, start in (rates or {}).items()
    }
    return MarketData(contracts=tuple(records), bars=BarTable.joined(bars), fx=fx)


def _rate_path(currency: str, start: float, length: int, seed: int) -> np.ndarray:
    draws = np.random.default_rng([seed, *currency.encode(), 9])
    return start * np.exp(np.cumsum(draws.normal(0.0, 0.005, length)))


def _sessions(first: date, last: date) -> np.ndarray:
    calendar = get_calendar("us_futures", start=pd.Timestamp("1990-01-01"), side="right")
    chosen = calendar.sessions_in_range(pd.Timestamp(first), pd.Timestamp(last))
    days: np.ndarray = chosen.to_numpy().astype("datetime64[D]")
    return days


def _chain(
    root: SmallRoot, days: np.ndarray, first: date, last: date, seed: int, volume_noise: float
) -> Iterator[tuple[ContractRecord, ContractBars]]:
    draws = np.random.default_rng([seed, *root.root.encode()])
    spot = root.price * np.exp(np.cumsum(draws.normal(root.drift, root.volatility, len(days))))
    for year in range(first.year, last.year + 2):
        for month, letter in QUARTERS.items():
            close_at = int(np.searchsorted(days, np.datetime64(date(year, month, 15)))) - 2
            start_at = max(int(np.searchsorted(days, np.datetime64(first))), close_at - 250)
            number = year * 4 + month // 3
            start_at += root.irregular if number % 4 == 0 else 0
            end_at = close_at + 3 - (root.irregular if number % 5 == 0 else 0)
            stop_at = min(end_at, int(np.searchsorted(days, np.datetime64(last), "right")))
            if start_at >= stop_at - 1:
                continue
            symbol = f"{root.root}{letter}{year % 100:02d}"
            noise = np.random.default_rng([seed, year, month, *root.root.encode()])
            life_at = (start_at, stop_at, close_at)
            series = _bars(symbol, root, days, spot, life_at, noise, volume_noise)
            yield _record(root, symbol, year, month, days, close_at, series), series


def _bars(
    symbol: str,
    root: SmallRoot,
    days: np.ndarray,
    spot: np.ndarray,
    life_at: tuple[int, int, int],
    noise: np.random.Generator,
    volume_noise: float,
) -> ContractBars:
    start_at, stop_at, close_at = life_at
    # Drawn for a whole life, so that a longer market has the same beginning.
    life = close_at + 3 - start_at
    width = np.abs(noise.normal(0.0, root.volatility / 2, life))
    shaken = np.exp(noise.normal(0.0, volume_noise, life)) if volume_noise else np.ones(life)
    present = noise.random(life) >= root.missing_share
    keep = slice(0, stop_at - start_at)
    to_go = close_at - np.arange(start_at, stop_at)
    close = _cents(spot[start_at:stop_at] * (1.0 + 0.0002 * to_go))
    shape = np.where(to_go > 8, 1.0 / (1.0 + np.exp((to_go - 70) / 6.0)), 0.9 ** (9 - to_go) * 0.5)
    volume = np.floor(root.volume * shape * shaken[keep])
    rows = present[keep]
    return ContractBars(
        symbol=symbol,
        sessions=days[start_at:stop_at][rows],
        open=_cents(close * (1.0 - width[keep] / 2))[rows],
        high=_cents(close * (1.0 + width[keep]))[rows],
        low=_cents(close * (1.0 - width[keep]))[rows],
        close=close[rows],
        volume=volume[rows],
        open_interest=volume[rows] * 3,
    )


def _cents(prices: np.ndarray) -> np.ndarray:
    """Prices in cents, as a Zipline bundle would give them back: thousandths times 0.001."""
    thousandths: np.ndarray = np.round(prices * 100.0) * 10.0
    return thousandths * 0.001


def _record(
    root: SmallRoot,
    symbol: str,
    year: int,
    month: int,
    days: np.ndarray,
    close_at: int,
    series: ContractBars,
) -> ContractRecord:
    last_trade: date = days[close_at + 2].item()
    return ContractRecord(
        symbol=symbol,
        root=root.root,
        contract_month=f"{year}{month:02d}",
        currency=root.currency,
        exchange="CME",
        point_value=root.point_value,
        tick_size=root.tick_size,
        first_session=series.sessions[0].item(),
        last_session=series.sessions[-1].item(),
        first_notice=None,
        last_trade=last_trade,
        auto_close=days[close_at].item(),
        calendar="us_futures",
        name=f"{root.root} {last_trade - timedelta(0)}",
        sector="test",
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemoryStore:
    """Market data as the engine reads them, without a folder."""

    data: MarketData
    fingerprint: str = "memory"

    @property
    def last_session(self) -> date:
        return max(record.last_session for record in self.data.contracts)

    def history_fingerprint(self, through: date) -> str:
        digest = hashlib.sha256()
        end = np.datetime64(through, "D")
        for bars in self.data.bars.split():
            kept = slice(0, int(np.searchsorted(bars.sessions, end, side="right")))
            for name in BAR_COLUMNS:
                digest.update(getattr(bars, name)[kept].tobytes())
        return digest.hexdigest()

    def roots(self) -> Sequence[str]:
        return sorted({record.root for record in self.data.contracts})

    def contracts(self, root: str | None = None) -> Sequence[ContractRecord]:
        return [record for record in self.data.contracts if root in (None, record.root)]

    def bars(self, symbol: str) -> ContractBars:
        return next(bars for bars in self.data.bars.split() if bars.symbol == symbol)

    def fx(self, currency: str) -> FxSeries:
        if currency not in self.data.fx:
            raise DataError(f"no exchange rate for {currency}")
        return self.data.fx[currency]


def write_store(data: MarketData, folder: Path) -> Path:
    """Write market data as a store and return its folder."""
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="test")
    return folder
