"""The write side of the market store: one writer at a time, every change whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock, Timeout

from afterclose.adapters.marketdata.arrange import arranged, in_order, with_bar_sessions
from afterclose.adapters.marketdata.compaction import compacted, merge_tail
from afterclose.adapters.marketdata.draft import (
    Draft,
    bar_digests,
    fx_digests,
    rows_of,
)
from afterclose.adapters.marketdata.manifest import (
    LayerKind,
    Manifest,
    read_manifest,
    sync_folder,
)
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.revisions import (
    Revision,
    bar_revisions,
    contract_revisions,
    table_of,
)
from afterclose.adapters.marketdata.session_digests import added
from afterclose.adapters.marketdata.state import StoreState
from afterclose.errors import DataError

LOCK_NAME = "writer.lock"
_NO_TIME = datetime.min.replace(tzinfo=UTC)


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
        new_contracts = self._append_contracts(contracts, bars)
        new_bars = self._append_bars(bars)
        new_fx = self._append_fx(fx or {})
        merge_tail(self.draft)
        return Appended(bars=new_bars, contracts=new_contracts, fx=new_fx)

    def _append_contracts(self, records: Sequence[ContractRecord], bars: BarTable) -> int:
        known = self.state.contracts if self.draft.manifest.contracts else None
        changed = [
            record.symbol
            for record in records
            if known is not None and record.symbol in known and self._differs(record)
        ]
        if changed:
            raise DataError(
                f"facts of {', '.join(changed[:5])} differ from what is stored",
                hint="record them as a revision",
            )
        fresh = sorted(
            (record for record in records if known is None or record.symbol not in known),
            key=lambda record: record.delivery,
        )
        if fresh:
            names = {record.symbol: at for at, record in enumerate(fresh)}
            keep = np.array([symbol in names for symbol in bars.symbols], dtype=np.bool_)
            own = _with_symbols(bars, keep)
            dated = with_bar_sessions(fresh, in_order(own, names))
            kind = LayerKind.BASE if known is None else LayerKind.REPLACE
            self.draft.put_contracts(kind, dated)
            self.draft.count_contracts(dated)
        return len(fresh)

    def _differs(self, record: ContractRecord) -> bool:
        stored = self.state.records([record.symbol])[0]
        dated = replace(
            record, first_session=stored.first_session, last_session=stored.last_session
        )
        return dated != stored

    def _append_bars(self, bars: BarTable) -> int:
        state = self.state
        fresh = np.ones(len(bars), dtype=np.bool_)
        start = 0
        for piece in bars.split():
            if piece.symbol not in state.contracts:
                raise DataError(f"bars of a contract the store does not know: {piece.symbol}")
            stop = start + len(piece)
            fresh[start:stop] = self._fresh_rows(piece)
            start = stop
        table = rows_of(bars, fresh)
        if len(table):
            self.draft.put_bars(LayerKind.APPEND, _with_symbols(table, _has_rows(table)))
            self.draft.count_history(bar_digests(table))
        return len(table)

    def _fresh_rows(self, piece: ContractBars) -> np.ndarray:
        """Which rows are later than those stored; the others must be stored as they are."""
        last = self.state.bars.last_day(piece.symbol)
        if last is None:
            return np.ones(len(piece), dtype=np.bool_)
        fresh = piece.sessions > np.datetime64(last, "D")
        if not fresh.all():
            stored = self.state.contract_bars(piece.symbol)
            overlap = _rows(piece, ~fresh)
            at = stored.sessions.searchsorted(overlap.sessions)
            there = at < len(stored)
            if not there.all() or bar_revisions(_rows(stored, at), overlap, _NO_TIME):
                raise DataError(
                    f"bars of {piece.symbol} differ from those stored",
                    hint="a change of history is recorded as a revision",
                )
        return fresh

    def _append_fx(self, series: Mapping[str, FxSeries]) -> int:
        fresh = {}
        for currency, rates in series.items():
            last = self.state.fx.last_day(currency)
            keep = np.ones(len(rates), dtype=np.bool_)
            if last is not None:
                keep = rates.sessions > np.datetime64(last, "D")
            if keep.any():
                fresh[currency] = FxSeries(
                    currency=currency,
                    sessions=rates.sessions[keep],
                    usd_per_unit=rates.usd_per_unit[keep],
                )
        if fresh:
            self.draft.put_fx(LayerKind.APPEND, fresh)
            self.draft.count_history(fx_digests(fresh))
        return sum(len(rates) for rates in fresh.values())

    def revise(
        self,
        symbol: str,
        bars: ContractBars,
        *,
        recorded_at: datetime,
        contract: ContractRecord | None = None,
    ) -> list[Revision]:
        """Replace all bars of a contract, and its facts where given; log every value that changed.

        ``recorded_at`` is the moment of the change, with a time zone. Returns what changed; nothing
        is written when nothing did. Raises DataError for a contract the store does not hold.
        """
        if symbol not in self.state.contracts:
            raise DataError(f"the market store does not hold {symbol}")
        old_bars, old = self.state.contract_bars(symbol), self.state.records([symbol])[0]
        new = old if contract is None else contract
        table = table_of(symbol, bars)
        changes = contract_revisions(old, new, recorded_at)
        bar_changes = bar_revisions(old_bars, bars, recorded_at)
        if bar_changes:
            self.draft.put_bars(LayerKind.REPLACE, table)
            self.draft.count_history(bar_digests(table_of(symbol, old_bars)), removed=True)
            self.draft.count_history(bar_digests(table))
        if changes or bar_changes:
            dated = with_bar_sessions([new], table)
            self.draft.put_contracts(LayerKind.REPLACE, dated)
            self.draft.count_contracts(dated, instead_of=[old])
            self.draft.put_revisions([*changes, *bar_changes])
        return [*changes, *bar_changes]

    def compact(self) -> None:
        """Fold everything into one base again: slower than an append, and never needed for one."""
        compacted(self.draft)


def _rows(bars: ContractBars, keep: np.ndarray) -> ContractBars:
    columns = {name: getattr(bars, name)[keep] for name in BAR_COLUMNS}
    return ContractBars(symbol=bars.symbol, sessions=bars.sessions[keep], **columns)


def _with_symbols(table: BarTable, keep: np.ndarray) -> BarTable:
    """The table with only the contracts where ``keep`` is true."""
    pieces = [piece for piece, wanted in zip(table.split(), keep, strict=True) if wanted]
    return BarTable.joined(pieces)


def _has_rows(table: BarTable) -> np.ndarray:
    return np.bincount(table.codes, minlength=len(table.symbols)) > 0
