"""What a source of market data must be able to do, so that the store can follow it day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from afterclose.adapters.marketdata.records import BarTable, ContractRecord, FxSeries


class MarketSource(Protocol):
    """A data vendor, a folder of files, a generator.

    Every method raises SourceUnavailable when the source does not answer and DataError when its
    answer makes no sense. A source never repairs data: what it does not have, it leaves out.
    """

    @property
    def name(self) -> str:
        """What a person calls it; kept in the store."""

    def roots(self) -> Sequence[str]:
        """Every root it has, in alphabetical order."""

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        """Contracts of a root that traded on ``live_on`` or later; None: all there ever were."""

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        """Daily bars from ``first`` (None: from the beginning) to ``last``, both included."""

    def rewritten(self, symbols: Sequence[str], *, since: datetime) -> Sequence[str]:
        """Which of these contracts, no longer traded, may have other bars than at ``since``.

        A source that cannot tell names all that it has; one that never changes history, none.
        """

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        """Dollars per unit by day; a currency it has no rates for is left out."""
