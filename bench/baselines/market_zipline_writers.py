"""Zipline's own writers on the universe of a market store: the least a full re-ingest costs.

    python bench/baselines/market_zipline_writers.py STORE_FOLDER

Frames are made before the clock starts; timed are ``BcolzDailyBarWriter.write`` and
``AssetDBWriter.write`` alone, which is less than any bundle does. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from zipline.assets import AssetDBWriter
from zipline.data.bcolz_daily_bars import BcolzDailyBarWriter
from zipline.utils.calendar_utils import get_calendar

from afterclose.adapters.marketdata.store import MarketStore

PRICES = ("open", "high", "low", "close")


def frames(store: MarketStore, sessions: pd.DatetimeIndex) -> Iterator[tuple[int, pd.DataFrame]]:
    """Bars of each contract on every session between its first and last, as Zipline demands."""
    days = sessions.to_numpy().astype("datetime64[D]")
    for sid, symbol in enumerate(store.symbols()):
        bars = store.bars(symbol)
        inside = np.isin(bars.sessions, days)
        if not inside.any():
            continue
        known = bars.rows(inside)
        first, last = days.searchsorted(known.sessions[0]), days.searchsorted(known.sessions[-1])
        frame = pd.DataFrame(
            {name: getattr(known, name) for name in (*PRICES, "volume")},
            index=pd.DatetimeIndex(known.sessions.astype("datetime64[ns]")),
        ).reindex(sessions[first : last + 1])
        frame[list(PRICES)] = frame[list(PRICES)].ffill()
        frame["volume"] = frame["volume"].fillna(0).clip(upper=2**32 - 1)
        # Thousandths in an unsigned 32-bit integer are all there is: dear prices do not fit.
        frame[list(PRICES)] = frame[list(PRICES)].clip(lower=0, upper=4_000_000)
        yield sid, frame


def assets(store: MarketStore) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    records = list(store.contracts())
    futures = pd.DataFrame(
        {
            "symbol": [record.symbol for record in records],
            "root_symbol": [record.root for record in records],
            "asset_name": [record.name for record in records],
            "start_date": pd.to_datetime([record.first_session for record in records]),
            "end_date": pd.to_datetime([record.last_session for record in records]),
            "notice_date": _days(record.first_notice for record in records),
            "expiration_date": _days(record.last_trade for record in records),
            "auto_close_date": pd.to_datetime([record.auto_close for record in records]),
            "tick_size": [record.tick_size for record in records],
            "multiplier": [record.point_value for record in records],
            "exchange": "ALL",
        }
    )
    exchanges = pd.DataFrame([{"exchange": "ALL", "canonical_name": "ALL", "country_code": "US"}])
    roots = pd.DataFrame(
        [
            {"root_symbol": root, "root_symbol_id": at, "sector": "", "exchange": "ALL"}
            for at, root in enumerate(store.roots())
        ]
    )
    return futures, exchanges, roots


def _days(days: Iterable[date | None]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([np.datetime64("NaT") if day is None else day for day in days])


def main() -> None:
    store = MarketStore.open(Path(sys.argv[1]))
    calendar = get_calendar("us_futures")
    first, last = pd.Timestamp("2000-01-03"), pd.Timestamp(store.last_session)
    sessions = calendar.sessions_in_range(first, last)
    made = list(frames(store, sessions))
    futures, exchanges, roots = assets(store)
    with tempfile.TemporaryDirectory() as scratch:
        start = time.process_time()
        bars = BcolzDailyBarWriter(f"{scratch}/bars.bcolz", calendar, sessions[0], sessions[-1])
        bars.write(iter(made))
        AssetDBWriter(f"{scratch}/assets.sqlite").write(
            futures=futures, exchanges=exchanges, root_symbols=roots
        )
        seconds = time.process_time() - start
    rows = sum(len(frame) for _, frame in made)
    print(json.dumps({"contracts": len(made), "bars": rows, "cpu seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
