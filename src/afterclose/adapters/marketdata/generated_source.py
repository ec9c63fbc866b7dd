"""The generated market as a source that can be followed day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from afterclose.adapters.marketdata.generated import FIRST_DAY, generate
from afterclose.adapters.marketdata.generated_paths import FX_LEVELS, fx_series
from afterclose.adapters.marketdata.generated_roots import generated_roots
from afterclose.adapters.marketdata.records import (
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSource:
    """``MarketSource`` on the generated market; ``today`` is the last session it has published."""

    today: date
    seed: int = 0
    only: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The market and its seed: another seed is another market."""
        return f"generated market, seed {self.seed}"

    def roots(self) -> Sequence[str]:
        """The roots asked for, or all of the table."""
        return [root.root for root in generated_roots(self.only)]

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts as published by ``today``."""
        first = FIRST_DAY if live_on is None else max(live_on, FIRST_DAY)
        return generate([root], first=first, last=self.today, seed=self.seed).contracts

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Bars as published by ``today``."""
        last = min(last, self.today)
        start = max(FIRST_DAY, first or FIRST_DAY)
        wanted = set(symbols)
        pieces: list[ContractBars] = []
        for root in sorted({symbol[:-3] for symbol in symbols}):
            data = generate([root], first=start, last=last, seed=self.seed)
            pieces.extend(piece for piece in data.bars.split() if piece.symbol in wanted)
        return BarTable.joined(pieces)

    def rewritten(
        self,
        symbols: Sequence[str],  # noqa: ARG002 - the protocol's
        *,
        since: datetime,  # noqa: ARG002 - likewise
    ) -> Sequence[str]:
        """None: the same seed is the same history."""
        return ()

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Rates as published by ``today``."""
        start, end = max(first, FIRST_DAY), min(last, self.today)
        return {
            currency: fx_series(self.seed, currency, start, end)
            for currency in currencies
            if currency in FX_LEVELS
        }
