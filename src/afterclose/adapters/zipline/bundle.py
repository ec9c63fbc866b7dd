"""A stock Zipline bundle as a source of market data, such as ``norgatedata-full-futures``.

The newest ingest is read as it lies on disk (bcolz columns, the assets' SQLite file); Zipline is
not needed for it and the bundle need not be registered. A bundle cannot say everything, and nothing
is guessed in its place:

- prices are thousandths: finer ticks are lost, and how many per market is a finding (AC134);
- a price of zero or less is "no price" in it: such a day is a missing bar, and counted (AC135);
- it has no currency and no calendar (those of the contract table are taken), no open interest and
  no exchange rates.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import bcolz
import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.market_calendar import market_calendar
from afterclose.adapters.marketdata.records import (
    BarTable,
    ContractBars,
    ContractRecord,
    FloatArray,
    FxSeries,
)
from afterclose.domain.contracts import read_symbol
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import ContractError, DataError, SourceUnavailable

#: What one unit of a stored integer is worth, and how far a price can be from the one ingested.
PRICE_STEP = 0.001
_STEPS_A_UNIT = 1000.0
_PRICES = ("open", "high", "low", "close")
_NO_DATE = -(2**63)
_NANOSECONDS = 1_000_000_000
_SECONDS_A_DAY = 86_400
_WHOLE = 1e-9

_CONTRACTS = """
    select sid, symbol, asset_name, exchange, start_date, end_date, notice_date, expiration_date,
           auto_close_date, multiplier, tick_size
    from futures_contracts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts:
    """What a bundle does not say of a root: its currency, its sector, and a tick if it has none."""

    currency: str
    sector: str = ""
    tick_size: float = math.nan


@dataclass(frozen=True, slots=True)
class _Row:
    """A contract of the bundle and the rows of its bars."""

    record: ContractRecord
    rows: slice


@dataclass(frozen=True, kw_only=True)
class ZiplineBundle:
    """``MarketSource`` on the newest ingest of a bundle.

    ``home`` is Zipline's own folder (``~/.zipline`` unless ``ZIPLINE_ROOT`` says otherwise),
    ``facts`` is by root, ``only`` restricts the roots, ``rates`` are exchange rates from elsewhere.
    """

    home: Path
    bundle: str
    facts: Mapping[str, RootFacts]
    only: tuple[str, ...] = ()
    rates: Mapping[str, FxSeries] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The bundle."""
        return f"Zipline bundle {self.bundle}"

    def roots(self) -> Sequence[str]:
        """Roots with a contract. Raises DataError for one of which nobody says the currency."""
        return sorted(self._chains)

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts with a bar. Raises DataError for a root the bundle does not have."""
        return [
            row.record
            for row in self._chain(root)
            if live_on is None or row.record.last_session >= live_on
        ]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Bars as the bundle keeps them: thousandths. Open interest is unknown."""
        begin = np.datetime64("0001-01-01" if first is None else first, "D")
        end = np.datetime64(last, "D")
        return BarTable.joined(self._bars(symbol).between(begin, end) for symbol in symbols)

    def rewritten(
        self,
        symbols: Sequence[str],
        *,
        since: datetime,
    ) -> Sequence[str]:
        """All that it has, when it was ingested since: an ingest writes everything anew."""
        written = datetime.fromtimestamp(self._ingest.stat().st_mtime, UTC)
        return [s for s in symbols if s in self._by_symbol] if written > since else []

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """The rates it was given; a bundle has none."""
        begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
        return {
            currency: series.rows((series.sessions >= begin) & (series.sessions <= end))
            for currency in currencies
            if (series := self.rates.get(currency)) is not None
        }

    def losses(self) -> list[Finding]:
        """What the bundle could not keep: one finding per root and kind, the worst root first."""
        found = [loss for root in self.roots() if (loss := self._lost_decimals(root))]
        found.sort(key=lambda f: -float(f.evidence["ticks"] or 0))
        found.extend(loss for root in self.roots() if (loss := self._lost_prices(root)))
        return found

    def _lost_decimals(self, root: str) -> Finding | None:
        tick = self._chain(root)[-1].record.tick_size
        steps = tick / PRICE_STEP
        if not tick > 0 or abs(steps - round(steps)) < _WHOLE * max(1.0, steps):
            return None
        return lost_decimals(root, tick_size=tick, off_by=PRICE_STEP / 2)

    def _lost_prices(self, root: str) -> Finding | None:
        lost = [
            (row.record.symbol, day)
            for row in self._chain(root)
            for day in self._days(row.rows)[self._priceless(row.rows)].tolist()
        ]
        if not lost:
            return None
        symbol, day = max(lost, key=lambda pair: pair[1])
        return Finding(
            code="AC135",
            severity=Severity.WARN,
            subject=root,
            message=f"{len(lost)} sessions were traded and have no close, the last {symbol} {day}",
            hint="a price of zero or below cannot be kept in a bundle; these bars are missing",
            evidence={"sessions": len(lost), "latest": str(day)},
        )

    @cached_property
    def _ingest(self) -> Path:
        folder = self.home / "data" / self.bundle
        ingests = [
            path
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.is_dir() and not path.name.startswith(".")
        ]
        if not ingests:
            raise SourceUnavailable(
                f"there is no ingest of a Zipline bundle {self.bundle!r} in {self.home}",
                hint=f"zipline ingest -b {self.bundle}; or name Zipline's folder in data.folder",
            )
        return max(ingests, key=lambda path: path.name)

    @cached_property
    def _table(self) -> Any:  # bcolz.ctable
        path = self._ingest / "daily_equities.bcolz"
        if not path.is_dir():
            raise DataError(f"the bundle in {self._ingest} has no daily bars")
        return bcolz.ctable(rootdir=str(path), mode="r")

    @cached_property
    def _columns(self) -> dict[str, NDArray[np.uint32]]:
        """Whole columns: contracts lie one after the other in compressed blocks."""
        return {name: self._table[name][:] for name in (*_PRICES, "volume", "day")}

    @cached_property
    def _chains(self) -> dict[str, list[_Row]]:
        """Contracts with a bar, by root and then by delivery."""
        first, last = (self._table.attrs[name] for name in ("first_row", "last_row"))
        chains: dict[str, list[_Row]] = {}
        for line in self._lines():
            sid = str(line["sid"])
            if sid not in first:
                continue
            row = self._row(line, slice(int(first[sid]), int(last[sid]) + 1))
            if row is not None and (not self.only or row.record.root in self.only):
                chains.setdefault(row.record.root, []).append(row)
        for chain in chains.values():
            chain.sort(key=lambda row: row.record.contract_month)
        return chains

    @cached_property
    def _by_symbol(self) -> dict[str, _Row]:
        return {row.record.symbol: row for chain in self._chains.values() for row in chain}

    def _chain(self, root: str) -> list[_Row]:
        if root not in self._chains:
            raise DataError(f"{self.name} has no bars of {root}")
        return self._chains[root]

    def _lines(self) -> list[Mapping[str, Any]]:
        files = sorted(self._ingest.glob("assets-*.sqlite"))
        if not files:
            raise DataError(f"the bundle in {self._ingest} has no assets")
        address = f"{files[-1].resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute(_CONTRACTS)]
        except sqlite3.Error as error:
            raise DataError(f"{files[-1].name} cannot be read: {error}") from error

    def _row(self, line: Mapping[str, Any], rows: slice) -> _Row | None:
        """A contract with its facts; None for one without a single price."""
        known = self._days(rows)[self._known(rows)]
        if not len(known):
            return None
        first, last = known[0].item(), known[-1].item()
        try:
            contract = read_symbol(str(line["symbol"]), on=last)
        except ContractError as error:
            raise DataError(f"{self.name}: {error}", hint=error.hint) from error
        root = str(contract.root)
        if self.only and root not in self.only:
            return None
        facts = self.facts.get(root)
        if facts is None:
            raise DataError(
                f"a bundle does not say in which currency {root} is, nor does the contract table",
                hint=f"name it in the settings, data.currencies = {{ {root} = 'USD' }}, "
                "or the markets to keep in data.roots",
            )
        exchange, tick = str(line["exchange"] or ""), float(line["tick_size"] or math.nan)
        trade, end = _day(line["expiration_date"]), _day(line["auto_close_date"])
        record = ContractRecord(
            symbol=contract.symbol,
            root=root,
            contract_month=contract.month.yyyymm,
            currency=facts.currency,
            exchange=exchange,
            point_value=float(line["multiplier"] or math.nan),
            tick_size=tick if tick > 0 else facts.tick_size,
            first_session=first,
            last_session=last,
            first_notice=_day(line["notice_date"]),
            last_trade=trade,
            auto_close=end or trade or last,
            calendar=market_calendar(
                root, exchange=exchange, currency=facts.currency, sector=facts.sector
            ),
            name=str(line["asset_name"] or root),
            sector=facts.sector,
        )
        return _Row(record, rows)

    def _days(self, rows: slice) -> NDArray[np.datetime64]:
        seconds = self._columns["day"][rows].astype(np.int64)
        days: NDArray[np.datetime64] = (seconds // _SECONDS_A_DAY).astype("datetime64[D]")
        return days

    def _known(self, rows: slice) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = self._columns["close"][rows] > 0
        return known

    def _priceless(self, rows: slice) -> NDArray[np.bool_]:
        """Traded, and no close: what was there could not be kept."""
        traded: NDArray[np.bool_] = self._columns["volume"][rows] > 0
        return traded & ~self._known(rows)

    def _bars(self, symbol: str) -> ContractBars:
        row = self._by_symbol.get(symbol)
        if row is None:
            raise DataError(f"{self.name} has no bars of {symbol}")
        known = self._known(row.rows)
        prices = {name: _prices(self._columns[name][row.rows][known]) for name in _PRICES}
        return ContractBars(
            symbol=symbol,
            sessions=self._days(row.rows)[known],
            volume=self._columns["volume"][row.rows][known].astype(np.float64),
            open_interest=np.full(int(known.sum()), np.nan),
            **prices,
        )


def lost_decimals(root: str, *, tick_size: float, off_by: float) -> Finding:
    """AC134: prices of a root are in a bundle as thousandths, ``off_by`` away from their own."""
    ticks = off_by / tick_size
    return Finding(
        code="AC134",
        severity=Severity.WARN,
        subject=root,
        message=f"a bundle keeps three decimals, the tick is {tick_size!r}: "
        f"prices are off by up to {ticks:.2g} ticks",
        hint="models on a bundle see rounded prices; the market store has them exactly",
        evidence={"tick_size": tick_size, "ticks": ticks},
    )


def _prices(thousandths: NDArray[np.uint32]) -> FloatArray:
    """Thousandths as the nearest float64; what is not there is NaN."""
    prices: FloatArray = thousandths.astype(np.float64) / _STEPS_A_UNIT
    prices[thousandths == 0] = np.nan
    return prices


def _day(nanoseconds: int | None) -> date | None:
    if nanoseconds is None or nanoseconds == _NO_DATE:
        return None
    return (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=nanoseconds // _NANOSECONDS)
    ).date()
