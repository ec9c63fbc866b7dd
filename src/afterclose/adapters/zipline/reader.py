"""Zipline's view of the market store: a session bar reader on exact float64 prices.

It serves the simulation calendar directly, so Zipline needs no re-indexing reader, and it knows no
bar after the last session of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from zipline.data.session_bars import CurrencyAwareSessionBarReader

from afterclose.adapters.zipline.bars import ContractSeries, MarketBars


class StoreBarReader(CurrencyAwareSessionBarReader):  # type: ignore[misc]  # Zipline is untyped
    """Daily bars of the store for the contracts that an asset finder knows.

    ``symbols`` gives the symbol of each contract id. Prices of a missing bar are NaN and its volume
    is 0; negative prices are prices.
    """

    def __init__(self, bars: MarketBars, calendar: Any, symbols: dict[int, str]) -> None:
        self._bars = bars
        self._calendar = calendar
        self._symbols = symbols
        self._sessions: pd.DatetimeIndex = calendar.sessions[bars.first : bars.stop]
        self._position = {
            stamp: position for position, stamp in enumerate(calendar.sessions[: bars.stop].asi8)
        }
        self._series: dict[int, ContractSeries] = {}

    @property
    def trading_calendar(self) -> Any:
        """The simulation calendar itself."""
        return self._calendar

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Sessions with data, of any contract."""
        return self._sessions

    @property
    def first_trading_day(self) -> pd.Timestamp:
        """The first of them."""
        first: pd.Timestamp = self._sessions[0]
        return first

    @property
    def last_available_dt(self) -> pd.Timestamp:
        """The last session the run may see."""
        last: pd.Timestamp = self._sessions[-1]
        return last

    def currency_codes(self, sids: Sequence[int]) -> NDArray[np.object_]:
        """Currency of each contract."""
        contracts = self._bars.contracts
        codes = [contracts[self._symbols[int(sid)]].currency for sid in sids]
        return np.array(codes, dtype=object)

    def series(self, sid: int) -> ContractSeries:
        """Bars of the contract with this id."""
        found = self._series.get(sid)
        if found is None:
            found = self._series[sid] = self._bars.series(self._symbols[sid])
        return found

    def get_value(self, sid: Any, dt: pd.Timestamp, field: str) -> float:
        """One value of one contract and session; Zipline asks with an asset or with an id."""
        series = self.series(int(sid))
        offset = self._position.get(dt.value, -1) - series.first
        if 0 <= offset < len(series):
            return float(series.field(field)[offset])
        return 0.0 if field == "volume" else np.nan

    def get_last_traded_dt(self, asset: Any, dt: pd.Timestamp) -> Any:
        """The last session up to ``dt`` on which the contract traded; NaT when there is none."""
        series = self.series(int(asset))
        last = min(self._at_or_before(dt) - series.first, len(series) - 1)
        if last < 0:
            return pd.NaT
        traded = np.flatnonzero(series.field("volume")[: last + 1])
        return self._calendar.sessions[series.first + traded[-1]] if len(traded) else pd.NaT

    def load_raw_arrays(
        self, columns: Sequence[str], start_date: Any, end_date: Any, assets: Sequence[Any]
    ) -> list[NDArray[np.float64]]:
        """A block of sessions by contracts for each column."""
        start = self._position[start_date.value]
        stop = self._position[end_date.value] + 1
        series = [self.series(int(asset)) for asset in assets]
        return [
            np.column_stack([each.slice(column, start, stop) for each in series])
            if series
            else np.empty((stop - start, 0))
            for column in columns
        ]

    def _at_or_before(self, dt: pd.Timestamp) -> int:
        position = self._position.get(dt.value)
        if position is not None:
            return position
        return int(np.searchsorted(self._calendar.sessions.asi8, dt.value, side="right")) - 1
