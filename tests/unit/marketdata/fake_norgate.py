"""A stand-in for the vendor's package: its public functions, on the generated market.

Arguments that the real functions take and we never give are left out.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from afterclose.adapters.marketdata.records import ContractBars, ContractRecord, MarketData


class FakeNorgate:
    """``trouble`` makes the next price call fail in one of the ways the real package has."""

    def __init__(self, data: MarketData) -> None:
        self.calls: Counter[str] = Counter()
        self.trouble = ""
        self.written: dict[str, datetime | None] = {}
        self.listed_as: dict[str, str] = {}
        self._records = {self.vendor_name(record): record for record in data.contracts}
        self._bars = {piece.symbol: piece for piece in data.bars.split()}
        self._rates = data.fx
        self.released = threading.Event()

    @staticmethod
    def vendor_name(record: ContractRecord) -> str:
        letter = record.symbol[len(record.root)]
        return f"{record.root}-{record.contract_month[:4]}{letter}"

    def futures_market_session_symbols(self) -> list[str]:
        return sorted({record.root for record in self._records.values()})

    def futures_market_session_name(self, symbol: str) -> str:
        return next(r.name for r in self._records.values() if r.root == symbol)

    def futures_market_session_contracts(self, session_symbol: str) -> list[str]:
        names = [name for name, r in self._records.items() if r.root == session_symbol]
        return [self.listed_as.get(name, name) for name in names]

    def currency(self, symbol: str) -> str:
        self.calls["facts"] += 1
        return self._records[symbol].currency

    def exchange_name(self, symbol: str) -> str:
        return self._records[symbol].exchange

    def point_value(self, symbol: str) -> float:
        return self._records[symbol].point_value

    def tick_size(self, symbol: str) -> float:
        return self._records[symbol].tick_size

    def first_quoted_date(self, symbol: str) -> str:
        return self._records[symbol].first_session.isoformat()

    def last_quoted_date(self, symbol: str) -> str:
        last = self._records[symbol].last_trade
        return "9999-12-31" if last is None else last.isoformat()

    def first_notice_date(self, symbol: str) -> str:
        notice = self._records[symbol].first_notice
        return "" if notice is None else notice.isoformat()

    def classification(self, symbol: str, schemename: str, classificationresulttype: str) -> str:
        known = (schemename, classificationresulttype)
        if known != ("NorgateDataFuturesClassification", "Name"):
            raise ValueError
        return self._records[symbol].sector

    def last_price_update_time(self, symbol: str) -> datetime | None:
        self.calls["written"] += 1
        return self.written.get(symbol, datetime(2026, 1, 1, 23, tzinfo=UTC))

    def database_symbols(self, databasename: str) -> list[str]:
        if databasename != "Forex Spot":
            raise ValueError
        inverted = {"JPY", "CHF", "CAD"}
        return [f"USD{c}" if c in inverted else f"{c}USD" for c in self._rates]

    def price_timeseries(
        self,
        symbol: str,
        *,
        start_date: str = "1800-01-01",
        end_date: str = "2999-01-01",
        timeseriesformat: str = "numpy-recarray",
        datetimeformat: str = "",
    ) -> Any:  # a numpy recarray
        self.calls["prices"] += 1
        self._fail()
        if (timeseriesformat, datetimeformat) != ("numpy-recarray", "m8d"):
            raise ValueError
        if symbol in self._records:
            return _recarray(self._bars[self._records[symbol].symbol], start_date, end_date)
        return self._forex(symbol, start_date, end_date)

    def _fail(self) -> None:
        if self.trouble == "updater down":
            sys.exit(1)
        if self.trouble == "updater hangs":
            self.released.wait()
        if self.trouble == "no text":
            raise ValueError

    def _forex(self, symbol: str, start_date: str, end_date: str) -> Any:  # a numpy recarray
        series = self._rates[symbol.replace("USD", "")]
        rates = 1.0 / series.usd_per_unit if symbol.startswith("USD") else series.usd_per_unit
        keep = _between(series.sessions, start_date, end_date)
        kind = [("Date", "<M8[D]"), ("Close", "<f8")]
        rows = np.rec.array(np.zeros(int(keep.sum()), dtype=kind))
        rows["Date"], rows["Close"] = series.sessions[keep], rates[keep]
        return rows


def _between(sessions: np.ndarray[Any, Any], start: str, end: str) -> np.ndarray[Any, Any]:
    kept: np.ndarray[Any, Any] = (sessions >= np.datetime64(start)) & (
        sessions <= np.datetime64(end)
    )
    return kept


def _recarray(bars: ContractBars, start: str, end: str) -> Any:  # a numpy recarray
    keep = _between(bars.sessions, start, end)
    kind = [("Date", "<M8[D]")] + [
        (name, "<f8") for name in ("Open", "High", "Low", "Close", "Volume", "Open Interest")
    ]
    rows = np.rec.array(np.zeros(int(keep.sum()), dtype=kind))
    rows["Date"] = bars.sessions[keep]
    for name in ("open", "high", "low", "close", "volume"):
        rows[name.capitalize()] = getattr(bars, name)[keep]
    rows["Open Interest"] = bars.open_interest[keep]
    return rows


LAST = date(2026, 3, 13)
