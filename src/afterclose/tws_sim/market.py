"""The market files: daily bars, exchange rates and last trading days, as a folder of plain CSV.

``bars.csv``       root,contract_month,session,open,high,low,close,volume
``fx.csv``         currency,session,usd_per_unit
``contracts.csv``  root,contract_month,last_trade_date      (optional; the date may be empty)

Roots and price units are the data vendor's; months are yyyymm, dates yyyy-mm-dd, numbers decimal
text. Open, high and low may be empty (a close is all that is known); prices may be negative.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from afterclose.tws_sim.contracts import Listing

_BAR_COLUMNS = ("root", "contract_month", "session", "open", "high", "low", "close", "volume")
_FX_COLUMNS = ("currency", "session", "usd_per_unit")
_CONTRACT_COLUMNS = ("root", "contract_month", "last_trade_date")
_MONTH_LENGTH = 6


class MarketFileError(ValueError):
    """A market file cannot be read; the text says which line and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One session, in IB's price units; open, high and low are None where only a close is known."""

    session: date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal
    volume: int

    def scaled(self, scale: Decimal) -> Bar:
        """Return the bar in another price unit."""
        if scale == 1:
            return self
        return Bar(
            session=self.session,
            open=None if self.open is None else self.open * scale,
            high=None if self.high is None else self.high * scale,
            low=None if self.low is None else self.low * scale,
            close=self.close * scale,
            volume=self.volume,
        )


class History:
    """The bars of one contract month, oldest first, in the vendor's unit."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        by_session = {bar.session: bar for bar in bars}
        self.bars: tuple[Bar, ...] = tuple(by_session[day] for day in sorted(by_session))
        self._sessions = [bar.session for bar in self.bars]

    def on(self, session: date) -> Bar | None:
        """Return the bar of a session."""
        bar = self.last(session)
        return bar if bar is not None and bar.session == session else None

    def last(self, session: date) -> Bar | None:
        """Return the newest bar of a session or before it."""
        index = bisect_right(self._sessions, session)
        return self.bars[index - 1] if index else None

    def until(self, session: date) -> tuple[Bar, ...]:
        """Return the bars up to and including a session."""
        return self.bars[: bisect_right(self._sessions, session)]


_NO_HISTORY = History(())


class Market:
    """Everything the gateway knows about prices. Immutable once made."""

    def __init__(
        self,
        *,
        histories: Mapping[tuple[str, str], History],
        fx: Mapping[str, Mapping[date, Decimal]],
        last_trade_dates: Mapping[tuple[str, str], date | None],
    ) -> None:
        self._histories = dict(histories)
        self._fx = {
            currency: (sorted(rates), dict(rates)) for currency, rates in fx.items() if rates
        }
        self._months: defaultdict[str, dict[str, date | None]] = defaultdict(dict)
        for root, month in sorted({*histories, *last_trade_dates}):
            self._months[root][month] = last_trade_dates.get((root, month))

    @classmethod
    def from_folder(cls, folder: Path | str) -> Market:
        """Read a market folder.

        Raises MarketFileError where a line cannot be read, and OSError where a file is missing.
        """
        folder = Path(folder)
        rows: defaultdict[tuple[str, str], list[Bar]] = defaultdict(list)
        for line, row in _rows(folder / "bars.csv", _BAR_COLUMNS):
            rows[row[0], _month(row[1], line)].append(_bar(row, line))
        fx: defaultdict[str, dict[date, Decimal]] = defaultdict(dict)
        for line, row in _rows(folder / "fx.csv", _FX_COLUMNS):
            fx[row[0]][_day(row[1], line)] = _positive(row[2], line)
        stated: dict[tuple[str, str], date | None] = {}
        if (folder / "contracts.csv").exists():
            for line, row in _rows(folder / "contracts.csv", _CONTRACT_COLUMNS):
                # Left empty, the month is listed all the same, and ends by the gateway's own rule.
                day = _day(row[2], line) if row[2] else None
                stated[row[0], _month(row[1], line)] = day
        histories = {key: History(bars) for key, bars in rows.items()}
        return cls(histories=histories, fx=fx, last_trade_dates=stated)

    @property
    def roots(self) -> tuple[str, ...]:
        """The roots that have bars or stated contracts, in the vendor's spelling."""
        return tuple(self._months)

    @property
    def currencies(self) -> tuple[str, ...]:
        """The currencies with a dollar rate; the dollar itself is always known."""
        return tuple(sorted({"USD", *self._fx}))

    def months(self, root: str) -> Mapping[str, date | None]:
        """Return the contract months of a root, each with its stated last trading day, if any."""
        return self._months.get(root, {})

    def history(self, listing: Listing) -> History:
        """Return the bars behind a listed contract, in the *vendor's* unit; maybe none."""
        key = (listing.product.price_root, listing.contract_month)
        return self._histories.get(key, _NO_HISTORY)

    def fx_bars(self, currency: str, session: date) -> list[tuple[date, Decimal]]:
        """Return (session, dollars per unit) up to a session, oldest first."""
        if currency not in self._fx:
            return []
        sessions, rates = self._fx[currency]
        return [(day, rates[day]) for day in sessions[: bisect_right(sessions, session)]]

    def usd_per_unit(self, currency: str, session: date) -> Decimal | None:
        """Return the newest dollar rate of a session or before it; None where there is none."""
        if currency == "USD":
            return Decimal(1)
        if currency not in self._fx:
            return None
        sessions, rates = self._fx[currency]
        index = bisect_right(sessions, session)
        return rates[sessions[index - 1]] if index else None


class _Line(NamedTuple):
    """A place in a file, put into words only where something is wrong with it."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file} line {self.number}"


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[_Line, list[str]]]:
    name = path.name
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise MarketFileError(f"{path.name}: columns missing: {', '.join(missing)}")
        places = [header.index(name) for name in columns]
        for row in reader:
            line = _Line(name, reader.line_num)
            if not row:
                continue
            if len(row) < len(header):
                raise MarketFileError(f"{line}: expected {len(header)} fields, was {len(row)}")
            yield line, [row[place] for place in places]


def _bar(row: list[str], line: _Line) -> Bar:
    close = _number(row[6], line)
    if close is None:
        raise MarketFileError(f"{line}: close is empty")
    volume = _number(row[7], line)
    return Bar(
        session=_day(row[2], line),
        open=_number(row[3], line),
        high=_number(row[4], line),
        low=_number(row[5], line),
        close=close,
        volume=0 if volume is None else int(volume),
    )


def _number(text: str, line: _Line) -> Decimal | None:
    if text == "":
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise MarketFileError(f"{line}: expected a number, was {text!r}") from error
    if not number.is_finite():
        raise MarketFileError(f"{line}: expected a finite number, was {text!r}")
    return number


def _positive(text: str, line: _Line) -> Decimal:
    number = _number(text, line)
    if number is None or number <= 0:
        raise MarketFileError(f"{line}: a rate must be positive, was {text!r}")
    return number


@lru_cache(maxsize=65_536)
def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day(text: str, line: _Line) -> date:
    day = _date(text)
    if day is None:
        raise MarketFileError(f"{line}: expected yyyy-mm-dd, was {text!r}")
    return day


def _month(text: str, line: _Line) -> str:
    if len(text) == _MONTH_LENGTH and text.isdigit() and 1 <= int(text[4:]) <= 12:  # noqa: PLR2004
        return text
    raise MarketFileError(f"{line}: expected yyyymm, was {text!r}")
