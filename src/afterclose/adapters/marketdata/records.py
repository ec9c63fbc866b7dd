"""What the market store holds: contracts, their daily bars, exchange rates.

Prices are float64 in the data vendor's unit (cents where the vendor quotes cents), to the last bit.
Negative and zero prices are prices. A missing bar has no row; a value that is unknown is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from afterclose.errors import DataError

FloatArray = NDArray[np.float64]
SessionArray = NDArray[np.datetime64]
Rows = slice | NDArray[np.bool_] | NDArray[np.int64]

BAR_COLUMNS = ("open", "high", "low", "close", "volume", "open_interest")
MONTH_CODES = "FGHJKMNQUVXZ"


def contract_symbol(root: str, year: int, month: int) -> str:
    """``('ES', 2025, 12)`` → ``'ESZ25'``, as Zipline and the vendors' Zipline names spell it."""
    return f"{root}{MONTH_CODES[month - 1]}{year % 100:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRecord:
    """One listed futures contract as the data vendor knows it. Its identity is the symbol.

    ``contract_month`` carries the full year (``'202512'``), so no century is guessed.
    ``first_session`` and ``last_session`` are those of its bars; the last one grows while it
    lives. ``auto_close`` is the session on which Zipline must have closed it: by default the second
    session before the earlier of first notice and last trade. ``calendar`` is the
    exchange_calendars code of the contract's own market; ``point_value`` and ``tick_size`` are in
    the vendor's price unit.
    """

    symbol: str
    root: str
    contract_month: str
    currency: str
    exchange: str
    point_value: float
    tick_size: float
    first_session: date
    last_session: date
    first_notice: date | None
    last_trade: date | None
    auto_close: date
    calendar: str
    name: str
    sector: str

    def with_sessions(self, first: date, last: date) -> ContractRecord:
        """The same contract with the sessions of its bars."""
        return replace(self, first_session=first, last_session=last)

    @property
    def delivery(self) -> tuple[str, str]:
        """The order of a chain: root, then contract month."""
        return (self.root, self.contract_month)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContractBars:
    """Daily bars of one contract, oldest first; views into the store where possible."""

    symbol: str
    sessions: SessionArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    open_interest: FloatArray

    def __len__(self) -> int:
        return len(self.sessions)

    def rows(self, part: Rows) -> ContractBars:
        """Some of the rows: a slice, a mask or positions."""
        columns = {name: getattr(self, name)[part] for name in BAR_COLUMNS}
        return ContractBars(symbol=self.symbol, sessions=self.sessions[part], **columns)

    def between(self, first: np.datetime64, last: np.datetime64) -> ContractBars:
        """The rows of two days and of those between them."""
        start = int(self.sessions.searchsorted(first, side="left"))
        stop = int(self.sessions.searchsorted(last, side="right"))
        return self.rows(slice(start, stop))

    def after(self, day: np.datetime64) -> ContractBars:
        """The rows later than a day."""
        start = int(self.sessions.searchsorted(day, side="right"))
        return self.rows(slice(start, None))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FxSeries:
    """Dollars for one unit of ``currency``, by day, oldest first."""

    currency: str
    sessions: SessionArray
    usd_per_unit: FloatArray

    def __len__(self) -> int:
        return len(self.sessions)

    def rows(self, part: Rows) -> FxSeries:
        """Some of the rows: a slice, a mask or positions."""
        return FxSeries(
            currency=self.currency,
            sessions=self.sessions[part],
            usd_per_unit=self.usd_per_unit[part],
        )

    def asof(self, day: date) -> float:
        """The rate of ``day`` or of the last day before it; NaN where there is none."""
        at = int(np.searchsorted(self.sessions, np.datetime64(day, "D"), side="right")) - 1
        return float(self.usd_per_unit[at]) if at >= 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BarTable:
    """Bars of many contracts in flat columns: row *i* belongs to ``symbols[codes[i]]``.

    Rows are grouped by contract in the order of ``symbols`` and ascend by session within each.
    """

    symbols: tuple[str, ...]
    codes: NDArray[np.int32]
    sessions: SessionArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    open_interest: FloatArray

    def __post_init__(self) -> None:
        lengths = {len(self.sessions), len(self.codes)}
        lengths.update(len(getattr(self, name)) for name in BAR_COLUMNS)
        if len(lengths) != 1:
            raise DataError(f"columns of a bar table differ in length: {sorted(lengths)}")
        if len(set(self.symbols)) != len(self.symbols):
            raise DataError("a bar table names a contract twice")
        self._require_order()

    def _require_order(self) -> None:
        if not len(self.codes):
            return
        if int(self.codes.min()) < 0 or int(self.codes.max()) >= len(self.symbols):
            raise DataError("a bar table has rows of a contract it does not name")
        step = np.diff(self.codes)
        later = np.diff(self.sessions) > np.timedelta64(0, "D")
        bad = (step < 0) | ((step == 0) & ~later)
        if bad.any():
            row = int(np.flatnonzero(bad)[0]) + 1
            symbol, session = self.symbols[self.codes[row]], self.sessions[row]
            raise DataError(
                f"bars of {symbol} are not in order or doubled at {session}",
                hint="one row per contract and session, contracts one after the other",
            )

    def __len__(self) -> int:
        return len(self.sessions)

    @classmethod
    def sorted(
        cls,
        *,
        symbols: Sequence[str],
        codes: NDArray[np.int32],
        sessions: SessionArray,
        columns: Mapping[str, FloatArray],
    ) -> Self:
        """A table from rows in any order. A contract with two rows for one session is an error."""
        order = np.lexsort((sessions, codes))
        taken = {name: np.asarray(columns[name], dtype=np.float64)[order] for name in BAR_COLUMNS}
        return cls(
            symbols=tuple(symbols),
            codes=codes[order],
            sessions=sessions[order].astype("datetime64[D]"),
            **taken,
        )

    @classmethod
    def joined(cls, bars: Iterable[ContractBars]) -> Self:
        """Contracts one after the other, in the order given."""
        pieces = list(bars)
        lengths = [len(piece) for piece in pieces]
        codes = np.repeat(np.arange(len(pieces), dtype=np.int32), lengths)

        def column(name: str) -> FloatArray:
            parts = [getattr(piece, name) for piece in pieces]
            return np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)

        sessions = [piece.sessions for piece in pieces]
        return cls(
            symbols=tuple(piece.symbol for piece in pieces),
            codes=codes,
            sessions=np.concatenate(sessions) if sessions else np.empty(0, dtype="datetime64[D]"),
            **{name: column(name) for name in BAR_COLUMNS},
        )

    def split(self) -> Iterable[ContractBars]:
        """The bars contract by contract, as views; a contract without rows comes out empty."""
        edges = np.searchsorted(self.codes, np.arange(len(self.symbols) + 1))
        for index, symbol in enumerate(self.symbols):
            part = slice(int(edges[index]), int(edges[index + 1]))
            yield ContractBars(
                symbol=symbol,
                sessions=self.sessions[part],
                **{name: getattr(self, name)[part] for name in BAR_COLUMNS},
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarketData:
    """Everything a source gives at once: contracts, their bars, exchange rates by currency."""

    contracts: tuple[ContractRecord, ...]
    bars: BarTable
    fx: Mapping[str, FxSeries]
