"""Bars of the market store, laid on Zipline's sessions, and exchange rates laid on the same days.

Zipline asks for single values and for blocks of sessions, in any order, millions of times. Here a
contract's bars sit in one float64 array per field with a position on the calendar; everything else
in this package works with those positions.

Bars on days that are no session of the simulation calendar (a settlement on Good Friday, a foreign
market on Christmas) have no place in a run; they are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from afterclose.errors import DataError

FloatArray = NDArray[np.float64]
DayArray = NDArray[np.datetime64]
IndexArray = NDArray[np.int64]

PRICE_FIELDS = ("open", "high", "low", "close")
FIELDS = (*PRICE_FIELDS, "volume")
_EPOCH = date(1970, 1, 1).toordinal()


class StoredContract(Protocol):
    """What a run must know of a contract. See the market store for the meaning of each."""

    @property
    def symbol(self) -> str: ...
    @property
    def root(self) -> str: ...
    @property
    def contract_month(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def exchange(self) -> str: ...
    @property
    def point_value(self) -> float: ...
    @property
    def tick_size(self) -> float: ...
    @property
    def first_session(self) -> date: ...
    @property
    def last_session(self) -> date: ...
    @property
    def first_notice(self) -> date | None: ...
    @property
    def last_trade(self) -> date | None: ...
    @property
    def auto_close(self) -> date: ...
    @property
    def name(self) -> str: ...
    @property
    def sector(self) -> str: ...


class StoredBars(Protocol):
    """Daily bars of one contract, oldest first. NaN is a value that is not known."""

    @property
    def sessions(self) -> DayArray: ...
    @property
    def open(self) -> FloatArray: ...
    @property
    def high(self) -> FloatArray: ...
    @property
    def low(self) -> FloatArray: ...
    @property
    def close(self) -> FloatArray: ...
    @property
    def volume(self) -> FloatArray: ...


class StoredRates(Protocol):
    """Dollars per unit of a currency, oldest first."""

    @property
    def sessions(self) -> DayArray: ...
    @property
    def usd_per_unit(self) -> FloatArray: ...


class BarStore(Protocol):
    """The side of the market store that a run reads."""

    @property
    def last_session(self) -> date: ...
    @property
    def fingerprint(self) -> str: ...
    def history_fingerprint(self, through: date) -> str: ...
    def roots(self) -> Sequence[str]: ...
    def contracts(self, root: str | None = None) -> Sequence[StoredContract]: ...
    def bars(self, symbol: str) -> StoredBars: ...
    def fx(self, currency: str) -> StoredRates: ...


def day_numbers(days: DayArray) -> IndexArray:
    """Days as integers (0 is 1970-01-01), which search faster than dates."""
    numbers: IndexArray = days.astype("datetime64[D]").astype(np.int64)
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionAxis:
    """The sessions of a calendar as day numbers, and where a day lies among them."""

    numbers: IndexArray

    def __len__(self) -> int:
        return len(self.numbers)

    def at_or_after(self, day: date) -> int:
        """Position of the first session on or after ``day``; the length when there is none."""
        return int(np.searchsorted(self.numbers, day.toordinal() - _EPOCH, side="left"))

    def at_or_before(self, day: date) -> int:
        """Position of the last session on or before ``day``; -1 when there is none."""
        return int(np.searchsorted(self.numbers, day.toordinal() - _EPOCH, side="right")) - 1

    def day(self, position: int) -> date:
        """The session at a position."""
        return date.fromordinal(int(self.numbers[position]) + _EPOCH)


class ContractSeries:
    """One contract's bars on the session axis, laid out field by field when first asked for.

    ``field(name)[i]`` is session ``first + i``. Prices are NaN where there is no bar; ``volume`` is
    0 there, as Zipline expects, and ``known_volume`` is NaN where the volume is not known.
    ``off_calendar`` counts bars on days that are no session.
    """

    def __init__(self, bars: StoredBars, axis: SessionAxis, *, stop: int) -> None:
        days = day_numbers(bars.sessions)
        found = np.searchsorted(axis.numbers, days)
        inside = found < len(axis)
        on_session = inside & (axis.numbers[np.where(inside, found, 0)] == days)
        self._bars = bars
        self._kept = on_session & (found < stop)
        positions = found[self._kept]
        self.first = int(positions[0]) if len(positions) else 0
        self._offsets = positions - self.first
        self._length = int(self._offsets[-1]) + 1 if len(positions) else 0
        self.off_calendar = int((~on_session).sum())
        self._fields: dict[str, FloatArray] = {}

    def __len__(self) -> int:
        return self._length

    def field(self, name: str) -> FloatArray:
        """All values of a field: open, high, low, close, volume or known_volume."""
        found = self._fields.get(name)
        if found is None:
            found = self._fields[name] = self._lay_out(name)
        return found

    def _lay_out(self, name: str) -> FloatArray:
        if name == "volume":
            known = self.field("known_volume")
            if not np.isnan(known).any():
                return known
            volume: FloatArray = np.nan_to_num(known)
            return volume
        source = "volume" if name == "known_volume" else name
        values: FloatArray = np.asarray(getattr(self._bars, source), dtype=np.float64)
        column: FloatArray = values[self._kept]
        if len(column) == self._length:
            return column
        spread = np.full(self._length, np.nan)
        spread[self._offsets] = column
        return spread

    def slice(self, name: str, start: int, stop: int) -> FloatArray:
        """Values of sessions ``start`` up to, not including, ``stop``."""
        filler = 0.0 if name == "volume" else np.nan
        out = np.full(stop - start, filler)
        low, high = max(start, self.first), min(stop, self.first + self._length)
        if low < high:
            out[low - start : high - start] = self.field(name)[low - self.first : high - self.first]
        return out


class MarketBars:
    """All contracts of the chosen roots on one session axis; bars are laid out when first needed.

    ``stop`` is the position after the last session a run may see.
    """

    def __init__(
        self, store: BarStore, axis: SessionAxis, *, roots: Iterable[str], last: date
    ) -> None:
        self.axis = axis
        self.store = store
        self.stop = axis.at_or_before(last) + 1
        self.contracts: dict[str, StoredContract] = {
            contract.symbol: contract for root in roots for contract in store.contracts(root)
        }
        if not self.contracts:
            raise DataError(
                "no contract of the chosen roots is in the market store",
                hint="load data for them, or choose other roots",
            )
        self._series: dict[str, ContractSeries] = {}

    @property
    def roots(self) -> tuple[str, ...]:
        """Roots that have contracts here, in alphabetical order."""
        return tuple(sorted({contract.root for contract in self.contracts.values()}))

    @property
    def first(self) -> int:
        """Position of the first session that has any bar."""
        return self.axis.at_or_after(min(c.first_session for c in self.contracts.values()))

    @property
    def last_day(self) -> date:
        """The last session a run may see."""
        return self.axis.day(self.stop - 1)

    def series(self, symbol: str) -> ContractSeries:
        """Bars of one contract."""
        found = self._series.get(symbol)
        if found is None:
            found = ContractSeries(self.store.bars(symbol), self.axis, stop=self.stop)
            self._series[symbol] = found
        return found

    @property
    def off_calendar_bars(self) -> int:
        """Bars left out so far because their day is no session of the simulation."""
        return sum(series.off_calendar for series in self._series.values())


class ExchangeRates:
    """Money of the base currency for one unit of another, per session; the last known one holds.

    A rate of a later day is never used for an earlier one.
    """

    def __init__(self, store: BarStore, axis: SessionAxis, *, base: str) -> None:
        self._store = store
        self._axis = axis
        self.base = base
        self._rates: dict[str, FloatArray] = {}

    def per_unit(self, currency: str, position: int) -> float:
        """Base money per unit of ``currency`` at a session; NaN when none is known yet."""
        if currency == self.base:
            return 1.0
        return float(self._dollars(currency)[position] / self._dollars(self.base)[position])

    def _dollars(self, currency: str) -> FloatArray:
        found = self._rates.get(currency)
        if found is None:
            found = self._rates[currency] = self._lay_out(currency)
        return found

    def _lay_out(self, currency: str) -> FloatArray:
        if currency == "USD":
            return np.ones(len(self._axis))
        try:
            rates = self._store.fx(currency)
        except DataError:
            return np.full(len(self._axis), np.nan)
        known = np.isfinite(rates.usd_per_unit)
        days, values = day_numbers(rates.sessions[known]), rates.usd_per_unit[known]
        last_known = np.searchsorted(days, self._axis.numbers, side="right") - 1
        out = np.full(len(self._axis), np.nan)
        out[last_known >= 0] = values[last_known[last_known >= 0]]
        return out
