"""A reader that has nothing in common with the engine's: frames, looked up by label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from zipline.data.session_bars import CurrencyAwareSessionBarReader

from afterclose.adapters.marketdata.store import MarketData


class ExactReader(CurrencyAwareSessionBarReader):  # type: ignore[misc]  # Zipline is untyped
    """Every bar as a row of a frame, looked up by label."""

    def __init__(self, data: MarketData, calendar: Any, sids: dict[str, int]) -> None:
        self._calendar = calendar
        self._frames: dict[int, pd.DataFrame] = {}
        for bars in data.bars.split():
            frame = pd.DataFrame(
                {n: getattr(bars, n) for n in ("open", "high", "low", "close", "volume")},
                index=pd.DatetimeIndex(bars.sessions.astype("datetime64[ns]")),
            )
            self._frames[sids[bars.symbol]] = frame[frame.index.isin(calendar.sessions)]
        first = min(frame.index[0] for frame in self._frames.values())
        last = max(frame.index[-1] for frame in self._frames.values())
        self._sessions = calendar.sessions_in_range(first, last)

    trading_calendar = property(lambda self: self._calendar)
    sessions = property(lambda self: self._sessions)
    first_trading_day = property(lambda self: self._sessions[0])
    last_available_dt = property(lambda self: self._sessions[-1])

    def currency_codes(self, sids: Any) -> Any:
        return np.array(["USD" for _ in sids], dtype=object)

    def get_value(self, sid: Any, dt: pd.Timestamp, field: str) -> float:
        frame = self._frames[int(sid)]
        if dt not in frame.index:
            return 0.0 if field == "volume" else float("nan")
        return float(frame[field].to_numpy()[frame.index.get_loc(dt)])

    def get_last_traded_dt(self, asset: Any, dt: pd.Timestamp) -> Any:
        frame = self._frames[int(asset)]
        traded = frame.index[(frame.index <= dt) & (frame["volume"] > 0)]
        return traded[-1] if len(traded) else pd.NaT

    def load_raw_arrays(self, columns: Any, start_date: Any, end_date: Any, assets: Any) -> Any:
        days = self._calendar.sessions_in_range(start_date, end_date)
        blocks = []
        for column in columns:
            frames = [self._frames[int(asset)][column].reindex(days) for asset in assets]
            block = np.column_stack([frame.to_numpy() for frame in frames])
            blocks.append(np.nan_to_num(block) if column == "volume" else block)
        return blocks
