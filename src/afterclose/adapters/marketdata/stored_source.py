"""A store as a source: to compare two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from afterclose.adapters.marketdata.records import BarTable, ContractRecord, FxSeries
from afterclose.adapters.marketdata.store import MarketStore


@dataclass(frozen=True)
class StoredSource:
    """``MarketSource`` on an open store."""

    store: MarketStore

    @property
    def name(self) -> str:
        """Where that store is, and where its data came from."""
        return f"{self.store.path.name} ({self.store.source})"

    def roots(self) -> Sequence[str]:
        """Every root of the store."""
        return self.store.roots()

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts of the store."""
        return [
            record
            for record in self.store.contracts(root)
            if live_on is None or record.last_session >= live_on
        ]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Bars of the store."""
        begin = np.datetime64("0001-01-01" if first is None else first, "D")
        end = np.datetime64(last, "D")
        return BarTable.joined(self.store.bars(symbol).between(begin, end) for symbol in symbols)

    def rewritten(self, symbols: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Contracts that were revised in the store since."""
        revised = {r.symbol for r in self.store.revisions() if r.recorded_at > since}
        return [symbol for symbol in symbols if symbol in revised]

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Rates of the store."""
        begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
        known = set(self.store.currencies())
        found = {c: self.store.fx(c) for c in currencies if c in known}
        return {
            currency: series.rows((series.sessions >= begin) & (series.sessions <= end))
            for currency, series in found.items()
        }
