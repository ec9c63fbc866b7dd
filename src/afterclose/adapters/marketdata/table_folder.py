"""A folder of CSV or Parquet files as a source.

::

    roots.csv        root, currency, exchange, calendar, point_value, tick_size[, name, sector]
    contracts.csv    symbol[, first_notice, last_trade, auto_close]          (optional)
    fx.csv           currency, session, usd_per_unit                         (optional)
    bars/            ES.parquet, ES.csv: one root, with a column for the contract
                     ESZ25.csv, ES-2025Z.parquet: one contract

Bars are described in ``table_files.py``. Prices, point values and ticks are in one unit of the
folder's own. Where ``auto_close`` is not given it is the second session before the earlier of first
notice and last trade; of a contract for which neither is given, before its last bar, once it has
had none for two weeks. A live contract must have one of the three.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.calendars import earlier_session
from afterclose.adapters.marketdata.rates_file import read_rates
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.table_files import SUFFIXES, FileRows, read_bars
from afterclose.domain.contracts import FuturesContract, read_symbol
from afterclose.errors import ContractError, DataError, SourceUnavailable

AUTO_CLOSE_LEAD_SESSIONS = 2
_OVER_AFTER = timedelta(days=14)
_MONTH = re.compile(r"-?(\d{4}[FGHJKMNQUVXZ]|[FGHJKMNQUVXZ](\d{2}|\d{4}))")
_ROOT_FIELDS = ("root", "currency", "exchange", "calendar", "point_value", "tick_size")

Row = Mapping[str, str]


@dataclass(frozen=True)
class TableFolder:
    """``MarketSource`` on such a folder; ``only`` restricts the roots."""

    folder: Path
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder."""
        return f"folder {self.folder.name}"

    def roots(self) -> Sequence[str]:
        """Roots of ``roots.csv``, or those of ``only`` that it has."""
        return sorted(set(self.only) & set(self._roots) if self.only else self._roots)

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts that have bars. Raises DataError for one whose end nobody states."""
        return [
            record
            for record, _ in self._chain(root)
            if live_on is None or record.last_session >= live_on
        ]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Bars from the files of the roots concerned."""
        wanted = set(symbols)
        begin = np.datetime64("0001-01-01" if first is None else first, "D")
        pieces = []
        for root in sorted({symbol[:-3] for symbol in symbols}):
            for record, piece in self._chain(root):
                if record.symbol in wanted:
                    pieces.append(piece.between(begin, np.datetime64(last, "D")))
        return BarTable.joined(pieces)

    def rewritten(self, symbols: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Contracts of roots with a file that was written since."""
        touched = {
            root
            for root in {symbol[:-3] for symbol in symbols}
            if any(_written(path) > since for path in self._files(root))
        }
        having = {r.symbol for root in touched for r in self.contracts(root, live_on=None)}
        return [symbol for symbol in symbols if symbol in having]

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Rates of ``fx.csv``; none where there is no such file."""
        path = self.folder / "fx.csv"
        known = read_rates(path) if path.exists() else {}
        begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
        return {
            currency: series.rows((series.sessions >= begin) & (series.sessions <= end))
            for currency in sorted(currencies)
            if (series := known.get(currency)) is not None
        }

    def load(self, roots: Iterable[str] | None = None) -> MarketData:
        """Everything in the folder at once."""
        chains = [pair for root in sorted(roots or self.roots()) for pair in self._chain(root)]
        currencies = sorted({record.currency for record, _ in chains} - {"USD"})
        return MarketData(
            contracts=tuple(record for record, _ in chains),
            bars=BarTable.joined(piece for _, piece in chains),
            fx=self.fx(currencies, first=date.min, last=date.max),
        )

    @cached_property
    def _roots(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for row in self._table("roots.csv"):
            missing = [name for name in _ROOT_FIELDS if not row.get(name)]
            if missing:
                raise DataError(f"roots.csv: {row.get('root')} has no {', '.join(missing)}")
            rows[row["root"]] = row
        if not rows:
            raise DataError(
                f"{self.folder} has no roots.csv with rows",
                hint=f"columns: {', '.join(_ROOT_FIELDS)}, name, sector",
            )
        return rows

    @cached_property
    def _facts(self) -> dict[str, Row]:
        return {row["symbol"]: row for row in self._table("contracts.csv")}

    def _table(self, name: str) -> list[dict[str, str]]:
        path = self.folder / name
        if not self.folder.is_dir():
            raise SourceUnavailable(f"there is no folder {self.folder}")
        if not path.exists():
            return []
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def _chain(self, root: str) -> Iterator[tuple[ContractRecord, ContractBars]]:
        """Contracts of a root with all their bars, by delivery."""
        if root not in self._roots:
            raise DataError(f"roots.csv has no row for {root}")
        found: dict[FuturesContract, ContractBars] = {}
        for path in self._files(root):
            for contract, bars in _by_contract(read_bars(path), root, path):
                if contract in found:
                    raise DataError(f"bars of {contract} are in two files, one is {path.name}")
                found[contract] = bars
        last = max((bars.sessions[-1].item() for bars in found.values()), default=date.min)
        for contract in sorted(found):
            record = self._record(contract, found[contract], last)
            yield record, found[contract]

    def _files(self, root: str) -> list[Path]:
        """Files named after the root, or after one of its contracts."""
        folder = self.folder / "bars"
        if not folder.is_dir():
            raise SourceUnavailable(f"there is no folder {folder}")
        names = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
        return [path for path in names if _is_of(root, path.stem)]

    def _record(
        self, contract: FuturesContract, bars: ContractBars, newest: date
    ) -> ContractRecord:
        root, facts = self._roots[contract.root], self._facts.get(contract.symbol, {})
        last = bars.sessions[-1].item()
        notice, trade = _date(facts.get("first_notice")), _date(facts.get("last_trade"))
        ends = [day for day in (notice, trade) if day is not None]
        auto_close = _date(facts.get("auto_close"))
        if auto_close is None:
            end = min(ends) if ends else _ended(contract, last, newest)
            auto_close = earlier_session(root["calendar"], end, AUTO_CLOSE_LEAD_SESSIONS)
        return ContractRecord(
            symbol=contract.symbol,
            root=contract.root,
            contract_month=contract.month.yyyymm,
            currency=root["currency"],
            exchange=root["exchange"],
            point_value=float(root["point_value"]),
            tick_size=float(root["tick_size"]),
            first_session=bars.sessions[0].item(),
            last_session=last,
            first_notice=notice,
            last_trade=trade,
            auto_close=auto_close,
            calendar=root["calendar"],
            name=root.get("name") or contract.root,
            sector=root.get("sector") or "",
        )


def _by_contract(
    rows: FileRows, root: str, path: Path
) -> Iterator[tuple[FuturesContract, ContractBars]]:
    order = np.lexsort((rows.sessions, rows.codes))
    codes, sessions = rows.codes[order], rows.sessions[order]
    edges = np.searchsorted(codes, np.arange(len(rows.names) + 1))
    for at, name in enumerate(rows.names):
        part = slice(int(edges[at]), int(edges[at + 1]))
        days = sessions[part]
        if not len(days):
            continue
        contract = _contract(name, root, days[-1].item(), path)
        doubled = np.flatnonzero(np.diff(days) == np.timedelta64(0, "D"))
        if len(doubled):
            raise DataError(f"{path.name} has two rows of {name} for {days[doubled[0]]}")
        columns = {column: rows.columns[column][order[part]] for column in BAR_COLUMNS}
        yield contract, ContractBars(symbol=contract.symbol, sessions=days, **columns)


def _contract(name: str, root: str, last: date, path: Path) -> FuturesContract:
    try:
        contract = read_symbol(name, on=last)
    except ContractError as error:
        raise DataError(f"{path.name}: {error}", hint=error.hint) from error
    if contract.root != root:
        raise DataError(f"{path.name} holds {name}, which is no contract of {root}")
    return contract


def _ended(contract: FuturesContract, last: date, newest: date) -> date:
    """The last bar of a contract that has had none for two weeks while its market had."""
    if last + _OVER_AFTER <= newest:
        return last
    raise DataError(
        f"nobody says when {contract} ends",
        hint="give it first_notice, last_trade or auto_close in contracts.csv",
    )


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _is_of(root: str, stem: str) -> bool:
    """Whether a file is named after a root or one of its contracts."""
    tail = stem.removeprefix(root)
    return stem.startswith(root) and (not tail or _MONTH.fullmatch(tail) is not None)


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
