"""Norgate Data as a source, through the vendor's own package (``pip install norgatedata``).

Units are the vendor's: HG, SI, KC, CT, SB, OJ and ZR in cents, 6J per 100 yen. Contracts are named
``ES-2025U`` there and ``ESU25`` here. The last quoted day of a live contract is its last trading
day; a contract of which neither that nor first notice is known is closed, to be safe, two sessions
before its delivery month. Facts of contracts the store knows already are asked for again only on
request: they change rarely, and each costs the vendor a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from afterclose.adapters.marketdata.calendars import earlier_session
from afterclose.adapters.marketdata.market_calendar import market_calendar
from afterclose.adapters.marketdata.norgate_client import (
    CALL_LIMIT_SECONDS,
    NorgateFunctions,
    limited,
)
from afterclose.adapters.marketdata.records import (
    MONTH_CODES,
    BarTable,
    ContractBars,
    ContractRecord,
    FloatArray,
    FxSeries,
    contract_symbol,
)
from afterclose.errors import DataError

AUTO_CLOSE_LEAD_SESSIONS = 2
_SYMBOL = re.compile(r"(?P<root>[0-9A-Z]+)-(?P<year>\d{4})(?P<month>[FGHJKMNQUVXZ])")
_SECTOR_SCHEME = "NorgateDataFuturesClassification"
_FOREX = "Forex Spot"
_NO_DATE = "9999-12-31"
_COLUMNS = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "open_interest": "Open Interest",
}
#: A contract's trading ends at most this many months before its delivery month (BRN: two).
_MONTHS_BEFORE_DELIVERY = 2


@dataclass(frozen=True, slots=True)
class _Name:
    """A contract in the vendor's spelling, taken apart."""

    vendor: str
    root: str
    year: int
    month: int

    @property
    def symbol(self) -> str:
        return contract_symbol(self.root, self.year, self.month)

    @property
    def months(self) -> int:
        return self.year * 12 + self.month


@dataclass(frozen=True, slots=True, kw_only=True)
class NorgateSource:
    """``MarketSource`` on Norgate Data.

    ``known`` are contracts whose facts need not be asked for again (those of the store), unless
    ``ask_facts_again``. ``only`` restricts the roots; empty means all of the subscription.
    """

    functions: NorgateFunctions
    only: tuple[str, ...] = ()
    known: Mapping[str, ContractRecord] = field(default_factory=dict)
    ask_facts_again: bool = False
    limit_seconds: float = CALL_LIMIT_SECONDS

    @property
    def name(self) -> str:
        """The vendor."""
        return "Norgate Data"

    def roots(self) -> Sequence[str]:
        """Session symbols of the subscription, or those of ``only`` that it has."""
        listed = self._ask("futures_market_session_symbols")
        return sorted(set(self.only) & set(listed) if self.only else listed)

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts of a session symbol; those long delivered are not asked about."""
        names = self._names(root)
        if live_on is not None:
            earliest = live_on.year * 12 + live_on.month - _MONTHS_BEFORE_DELIVERY
            names = [name for name in names if name.months >= earliest]
        return [self._record(name) for name in names]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Unpadded daily bars, as the vendor has them."""
        vendor_names = {
            name.symbol: name.vendor
            for root in sorted({symbol[:-3] for symbol in symbols})
            for name in self._names(root)
        }
        return BarTable.joined(
            self._bars(symbol, vendor_names[symbol], first, last) for symbol in symbols
        )

    def rewritten(self, symbols: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Contracts whose prices the vendor has written since; one call a contract.

        One without a date of writing is named, one that is no longer listed is not.
        """
        listed = {
            name.symbol: name.vendor
            for root in sorted({symbol[:-3] for symbol in symbols})
            for name in self._names(root)
        }
        return [
            symbol
            for symbol in symbols
            if symbol in listed and self._written_since(listed[symbol], since)
        ]

    def _written_since(self, vendor: str, since: datetime) -> bool:
        written = self._ask("last_price_update_time", vendor)
        if not isinstance(written, datetime):
            return True
        aware = written if written.tzinfo else written.replace(tzinfo=UTC)
        return aware > since

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Daily spot rates, direct (``EURUSD``) or as the inverse (``USDJPY``)."""
        quoted = set(self._ask("database_symbols", _FOREX))
        series = {}
        for currency in currencies:
            direct, inverse = f"{currency}USD", f"USD{currency}"
            if direct in quoted:
                bars = self._bars(currency, direct, first, last)
                rates = bars.close
            elif inverse in quoted:
                bars = self._bars(currency, inverse, first, last)
                rates = 1.0 / bars.close
            else:
                continue
            series[currency] = FxSeries(
                currency=currency, sessions=bars.sessions, usd_per_unit=rates
            )
        return series

    def _ask(self, function: str, *arguments: str, **settings: Any) -> Any:
        call = getattr(self.functions, function)
        what = f"Norgate {function}({', '.join(arguments)})"
        return limited(what, lambda: call(*arguments, **settings), self.limit_seconds)

    def _names(self, root: str) -> list[_Name]:
        names = []
        for vendor in self._ask("futures_market_session_contracts", root):
            match = _SYMBOL.fullmatch(vendor)
            if match is None:
                raise DataError(f"Norgate lists a contract of {root} named {vendor!r}")
            month = MONTH_CODES.index(match["month"]) + 1
            names.append(_Name(vendor, match["root"], int(match["year"]), month))
        return sorted(names, key=lambda name: name.months)

    def _record(self, name: _Name) -> ContractRecord:
        stored = self.known.get(name.symbol)
        if stored is not None and not self.ask_facts_again:
            return stored
        exchange = str(self._ask("exchange_name", name.vendor))
        currency = str(self._ask("currency", name.vendor))
        sector = str(self._ask("classification", name.vendor, _SECTOR_SCHEME, "Name") or "")
        calendar = market_calendar(name.root, exchange=exchange, currency=currency, sector=sector)
        notice, trade = self._date("first_notice_date", name), self._date("last_quoted_date", name)
        first = self._date("first_quoted_date", name) or date(name.year, name.month, 1)
        return ContractRecord(
            symbol=name.symbol,
            root=name.root,
            contract_month=f"{name.year:04d}{name.month:02d}",
            currency=currency,
            exchange=exchange,
            point_value=float(self._ask("point_value", name.vendor)),
            tick_size=float(self._ask("tick_size", name.vendor)),
            first_session=first,
            last_session=first,
            first_notice=notice,
            last_trade=trade,
            auto_close=_auto_close(name, calendar, notice, trade),
            calendar=calendar,
            name=str(self._ask("futures_market_session_name", name.root) or name.root),
            sector=sector,
        )

    def _date(self, function: str, name: _Name) -> date | None:
        text = str(self._ask(function, name.vendor) or "")[: len(_NO_DATE)]
        return None if text in {"", _NO_DATE} else date.fromisoformat(text)

    def _bars(self, symbol: str, vendor: str, first: date | None, last: date) -> ContractBars:
        if first is not None and first > last:
            raise DataError(f"asked for bars from {first} to {last}")
        settings = {
            "end_date": last.isoformat(),
            "timeseriesformat": "numpy-recarray",
            "datetimeformat": "m8d",
        }
        if first is not None:
            settings["start_date"] = first.isoformat()
        rows = self._ask("price_timeseries", vendor, **settings)
        columns = {name: _column(rows, theirs) for name, theirs in _COLUMNS.items()}
        sessions = np.asarray(rows["Date"]).astype("datetime64[D]")
        return ContractBars(symbol=symbol, sessions=sessions, **columns)


def _column(rows: Any, name: str) -> FloatArray:
    """A column as float64; forex has no volume and no open interest."""
    if name not in rows.dtype.names:
        return np.full(len(rows), np.nan)
    return np.ascontiguousarray(rows[name], dtype=np.float64)


def _auto_close(name: _Name, calendar: str, notice: date | None, trade: date | None) -> date:
    ends = [day for day in (notice, trade) if day is not None]
    end = min(ends, default=date(name.year, name.month, 1))
    return earlier_session(calendar, end, AUTO_CLOSE_LEAD_SESSIONS)
