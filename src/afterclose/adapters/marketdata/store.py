"""The market store: exact daily bars of futures contracts, one session at a time, from any source.

A folder of immutable Arrow files and one small manifest (``docs/market-store.md``). Readers map the
files, so several processes share one copy, and see the old state or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np

from afterclose.adapters.marketdata.digest import row_hashes, total
from afterclose.adapters.marketdata.manifest import Manifest, read_manifest
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.revisions import Revision, read_revisions
from afterclose.adapters.marketdata.session_digests import digest_through
from afterclose.adapters.marketdata.state import StoreState
from afterclose.adapters.marketdata.writer import MarketStoreWriter
from afterclose.errors import DataError

__all__ = [
    "BAR_COLUMNS",
    "BarTable",
    "ContractBars",
    "ContractRecord",
    "FxSeries",
    "MarketData",
    "MarketStore",
    "MarketStoreWriter",
    "Revision",
    "is_store",
]


class MarketStore:
    """The read side: one state of the store, fixed when it was opened."""

    def __init__(self, state: StoreState) -> None:
        self._state = state

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store in folder ``path``.

        Raises DataError when there is none, StoreCorrupt when it does not read back as written.
        """
        return cls(StoreState.open(Path(path)))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._state.folder

    @property
    def source(self) -> str:
        """Where the data came from, as its loader named it."""
        return self._state.manifest.source

    @property
    def last_session(self) -> date:
        """The latest session any bar belongs to. Raises DataError when there is no bar."""
        last = self._state.manifest.last_date
        if last is None:
            raise DataError(f"the market store in {self.path} holds no bars")
        return last

    @property
    def fingerprint(self) -> str:
        """A digest of all content: bars, exchange rates and what is known of each contract.

        It does not depend on how the content got there (at once or session by session).
        """
        return fingerprint_text(self._state.manifest)

    def roots(self) -> Sequence[str]:
        """All roots, in alphabetical order."""
        return self._state.contracts.roots()

    def symbols(self, root: str | None = None) -> Sequence[str]:
        """Contract symbols by root, then by delivery month."""
        table = self._state.contracts
        return table.symbols() if root is None else table.chain(root)

    def contracts(self, root: str | None = None) -> Sequence[ContractRecord]:
        """Contracts by root, then by delivery month; none for a root it does not hold."""
        return self._state.records(self.symbols(root))

    def contract(self, symbol: str) -> ContractRecord:
        """One contract. Raises DataError for a symbol it does not hold."""
        self._require(symbol)
        return self._state.records([symbol])[0]

    def bars(self, symbol: str) -> ContractBars:
        """All bars of a contract, oldest first. Raises DataError for a symbol it does not hold."""
        self._require(symbol)
        return self._state.contract_bars(symbol)

    def currencies(self) -> Sequence[str]:
        """Currencies with exchange rates, in alphabetical order."""
        return sorted(self._state.fx.all_keys())

    def fx(self, currency: str) -> FxSeries:
        """Dollars per unit of a currency. Raises DataError for one it has no rate for."""
        if currency not in set(self._state.fx.all_keys()):
            raise DataError(
                f"the market store has no exchange rate for {currency}",
                hint="load a source that has it, or leave out the markets in that currency",
            )
        return self._state.fx_series(currency)

    def fingerprint_of(self, symbol: str, through: date | None = None) -> str:
        """A digest of the bars of one contract, up to and including ``through`` where given."""
        bars = self.bars(symbol)
        keep = slice(None)
        if through is not None:
            keep = slice(
                0, int(bars.sessions.searchsorted(np.datetime64(through, "D"), side="right"))
            )
        table = BarTable.joined([bars])
        columns = [getattr(table, name)[keep] for name in BAR_COLUMNS]
        hashes = row_hashes([symbol], table.codes[keep], table.sessions[keep], columns)
        return f"{total(hashes):016x}"

    def history_fingerprint(self, through: date) -> str:
        """A digest of every bar and exchange rate up to and including ``through``.

        It stays what it was when later sessions are appended, and changes when anything at or
        before ``through`` is revised, added or removed. Cheap: no bar is read.
        """
        return f"{digest_through(self._state.session_digests, self._state.manifest, through):016x}"

    def revisions(self) -> Sequence[Revision]:
        """Every change made to history after it was first stored, oldest first."""
        return read_revisions(self._state.revisions)

    def _require(self, symbol: str) -> None:
        if symbol not in self._state.contracts:
            raise DataError(f"the market store does not hold {symbol}")


def is_store(path: Path) -> bool:
    """Whether there is a store in the folder."""
    return read_manifest(Path(path)) is not None


def fingerprint_text(manifest: Manifest) -> str:
    """The fingerprint of a state, from the sums its manifest keeps."""
    sums = f"{manifest.history_digest}{manifest.contracts_digest}"
    return hashlib.sha256(sums.encode()).hexdigest()
