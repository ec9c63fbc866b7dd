"""Data in memory as a source that can be followed day by day: rehearsals of past evenings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np

from afterclose.adapters.marketdata.arrange import cut_after
from afterclose.adapters.marketdata.records import (
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)


@dataclass(frozen=True, kw_only=True)
class LoadedSource:
    """``MarketSource`` on market data, as of the evening of ``today``: nothing later is given."""

    name: str
    data: MarketData
    today: date

    def roots(self) -> Sequence[str]:
        """Roots with a contract listed by ``today``."""
        return sorted({record.root for record in self._known.contracts})

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts listed by ``today``."""
        return [
            record
            for record in self._known.contracts
            if record.root == root and (live_on is None or record.last_session >= live_on)
        ]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Bars up to ``today``."""
        begin = np.datetime64(date.min if first is None else first, "D")
        return BarTable.joined(
            self._bars[symbol].between(begin, np.datetime64(last, "D")) for symbol in symbols
        )

    def rewritten(
        self,
        symbols: Sequence[str],
        *,
        since: datetime,  # noqa: ARG002 - memory keeps no dates of writing
    ) -> Sequence[str]:
        """All that it has: who loaded it may have loaded other bars before."""
        return [symbol for symbol in symbols if symbol in self._bars]

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Rates up to ``today``."""
        begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
        known = self._known.fx
        return {
            currency: series.rows((series.sessions >= begin) & (series.sessions <= end))
            for currency in currencies
            if (series := known.get(currency)) is not None
        }

    @cached_property
    def _known(self) -> MarketData:
        return cut_after(self.data, self.today)

    @cached_property
    def _bars(self) -> dict[str, ContractBars]:
        return {piece.symbol: piece for piece in self._known.bars.split()}
