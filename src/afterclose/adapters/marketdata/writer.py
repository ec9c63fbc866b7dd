"""The write side of the market store: one writer at a time, every change whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock, Timeout

from afterclose.adapters.marketdata.appending import append_bars, append_contracts, append_rates
from afterclose.adapters.marketdata.arrange import arranged
from afterclose.adapters.marketdata.compaction import compacted, merge_tail
from afterclose.adapters.marketdata.draft import Draft, bar_digests, fx_digests
from afterclose.adapters.marketdata.manifest import (
    LayerKind,
    Manifest,
    read_manifest,
    sync_folder,
)
from afterclose.adapters.marketdata.records import (
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.revising import revise_contracts, revise_rates
from afterclose.adapters.marketdata.revisions import Revision
from afterclose.adapters.marketdata.session_digests import added
from afterclose.adapters.marketdata.state import StoreState
from afterclose.errors import DataError

LOCK_NAME = "writer.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What one append brought: rows that were new, contracts that were new."""

    bars: int
    contracts: int
    fx: int


class MarketStoreWriter:
    """Changes a store; use as a context manager. What is done inside becomes visible at its end.

    All changes of one ``with`` block are one commit: an exception inside it, or the death of the
    process at any moment, leaves the state from before. ``commit()`` may be called in between.

    Raises DataError when another process is writing.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 0.0) -> None:
        self._folder = Path(path)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._lock: FileLock | None = None
        self._draft: Draft | None = None
        self._state: StoreState | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / LOCK_NAME)
        try:
            lock.acquire(timeout=self._lock_timeout_seconds)
        except Timeout as error:
            raise DataError(
                f"another process is writing to the market store in {self._folder}",
                hint="wait until it has finished; a dead process holds no lock",
            ) from error
        self._lock = lock
        self._draft = Draft(self._folder, read_manifest(self._folder) or Manifest())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self._state = None
            self._draft = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    @property
    def draft(self) -> Draft:
        """The state being put together. Raises DataError outside the ``with`` block."""
        if self._draft is None:
            raise DataError("the market store is not open for writing")
        return self._draft

    @property
    def state(self) -> StoreState:
        """What a reader would see if everything so far were committed."""
        if self._state is None or self._state.manifest is not self.draft.manifest:
            self._state = self.draft.state()
        return self._state

    def commit(self) -> None:
        """Make everything so far visible, in one step; nothing happens when nothing changed."""
        before = read_manifest(self._folder) or Manifest()
        if self.draft.manifest == before:
            return
        sync_folder(self._folder)
        self.draft.commit()

    def write_all(self, data: MarketData, *, source: str) -> None:
        """Replace the whole content. The log of revisions is kept."""
        draft = self.draft
        records, table = arranged(data)
        empty = f"{0:016x}"
        draft.manifest = draft.manifest.with_changes(
            source=source,
            last_session="",
            history_digest=empty,
            contracts_digest=empty,
            recent_digests={},
            session_digests=(),
        )
        draft.put_contracts(LayerKind.BASE, records)
        draft.put_bars(LayerKind.BASE, table)
        draft.put_fx(LayerKind.BASE, data.fx)
        by_day = added(bar_digests(table), fx_digests(data.fx))
        draft.count_history(by_day)
        draft.put_session_digests(by_day)
        draft.count_contracts(records)

    def append_session(
        self,
        session: date,
        bars: BarTable,
        *,
        fx: Mapping[str, float] | None = None,
        contracts: Sequence[ContractRecord] = (),
    ) -> Appended:
        """Add the bars of one session, its exchange rates, and contracts listed since.

        Rows that are already there with the same values are passed over, so it can be run again.
        Raises DataError for bars of another session, of an unknown contract, or that differ from
        what is stored (that is a revision).
        """
        day = np.datetime64(session, "D")
        if (bars.sessions != day).any():
            raise DataError(f"bars of another session were offered for {session}")
        rates = {
            currency: FxSeries(
                currency=currency,
                sessions=np.array([day]),
                usd_per_unit=np.array([rate], dtype=np.float64),
            )
            for currency, rate in (fx or {}).items()
        }
        return self.append(bars, fx=rates, contracts=contracts)

    def append(
        self,
        bars: BarTable,
        *,
        fx: Mapping[str, FxSeries] | None = None,
        contracts: Sequence[ContractRecord] = (),
    ) -> Appended:
        """Add bars later than the last of their contracts; see ``append_session``."""
        added_contracts = append_contracts(self.draft, self.state, contracts, bars)
        added_bars = append_bars(self.draft, self.state, bars)
        added_rates = append_rates(self.draft, self.state, fx or {})
        merge_tail(self.draft)
        return Appended(bars=added_bars, contracts=added_contracts, fx=added_rates)

    def revise(
        self,
        symbol: str,
        bars: ContractBars,
        *,
        recorded_at: datetime,
        contract: ContractRecord | None = None,
    ) -> list[Revision]:
        """Replace all bars of one contract; see ``revise_all``."""
        contracts = [] if contract is None else [contract]
        return self.revise_all(bars={symbol: bars}, contracts=contracts, recorded_at=recorded_at)

    def revise_all(
        self,
        *,
        bars: Mapping[str, ContractBars],
        contracts: Sequence[ContractRecord] = (),
        recorded_at: datetime,
    ) -> list[Revision]:
        """Replace whole histories, and facts of contracts; log every value that changed.

        ``recorded_at`` is the moment of the change, with a time zone. Returns what changed; nothing
        is written when nothing did. Raises DataError for a contract the store does not hold.
        """
        log = revise_contracts(
            self.draft, self.state, bars=bars, contracts=contracts, recorded_at=recorded_at
        )
        merge_tail(self.draft)
        return log

    def update_rates(
        self, series: Mapping[str, FxSeries], *, recorded_at: datetime
    ) -> tuple[int, list[Revision]]:
        """Add later rates and take over changed ones; the number added, and what changed."""
        log = revise_rates(self.draft, self.state, series, recorded_at)
        later = append_rates(self.draft, self.state, series)
        merge_tail(self.draft)
        return later, log

    def name_source(self, source: str) -> None:
        """Say where the data comes from. Raises DataError when the store has another source."""
        present = self.draft.manifest.source
        if present and present != source:
            raise DataError(
                f"the market store in {self._folder} was filled from {present}, not {source}",
                hint="keep one store per source, or load this one anew",
            )
        if not present:
            self.draft.manifest = self.draft.manifest.with_changes(source=source)

    def compact(self) -> None:
        """Fold everything into one base again: slower than an append, and never needed for one."""
        compacted(self.draft)
