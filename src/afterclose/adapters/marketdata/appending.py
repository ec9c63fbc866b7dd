"""Adding to a store: rows later than the last of their series, contracts listed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.arrange import in_order, with_bar_sessions
from afterclose.adapters.marketdata.draft import Draft, bar_digests, fx_digests
from afterclose.adapters.marketdata.manifest import LayerKind
from afterclose.adapters.marketdata.records import BarTable, ContractBars, ContractRecord, FxSeries
from afterclose.adapters.marketdata.revisions import equal_bars
from afterclose.adapters.marketdata.state import StoreState
from afterclose.errors import DataError


def append_contracts(
    draft: Draft, state: StoreState, records: Sequence[ContractRecord], bars: BarTable
) -> int:
    """Add contracts the store does not know. Raises DataError for other facts of a known one."""
    fresh = [record for record in records if record.symbol not in state.contracts]
    known = [record for record in records if record.symbol in state.contracts]
    for stored, offered in zip(
        state.records(record.symbol for record in known), known, strict=True
    ):
        if stored != offered.with_sessions(stored.first_session, stored.last_session):
            raise DataError(
                f"facts of {offered.symbol} differ from what is stored",
                hint="record them as a revision",
            )
    if fresh:
        fresh.sort(key=lambda record: record.delivery)
        names = {record.symbol: at for at, record in enumerate(fresh)}
        own = BarTable.joined(piece for piece in bars.split() if piece.symbol in names)
        dated = with_bar_sessions(fresh, in_order(own, names))
        first_ever = not draft.manifest.contracts
        draft.put_contracts(LayerKind.BASE if first_ever else LayerKind.REPLACE, dated)
        draft.count_contracts(dated)
    return len(fresh)


def append_bars(draft: Draft, state: StoreState, bars: BarTable) -> int:
    """Add the rows that are not there yet. Raises DataError for one that contradicts the store."""
    fresh = []
    for piece in bars.split():
        if piece.symbol not in state.contracts:
            raise DataError(f"bars of a contract the store does not know: {piece.symbol}")
        later = piece.rows(_later_rows(state, piece))
        if len(later):
            fresh.append(later)
    if fresh:
        table = BarTable.joined(fresh)
        draft.put_bars(LayerKind.APPEND if draft.manifest.bars else LayerKind.BASE, table)
        draft.count_history(bar_digests(table))
        return len(table)
    return 0


def _later_rows(state: StoreState, piece: ContractBars) -> NDArray[np.bool_]:
    """Which rows are later than those stored; the others must be stored as they are."""
    last = state.bars.last_day(piece.symbol)
    if last is None:
        return np.ones(len(piece), dtype=np.bool_)
    later: NDArray[np.bool_] = piece.sessions > np.datetime64(last, "D")
    if not later.all():
        overlap = piece.rows(~later)
        stored = state.contract_bars(piece.symbol)
        at = stored.sessions.searchsorted(overlap.sessions)
        if not equal_bars(stored.rows(np.minimum(at, len(stored) - 1)), overlap):
            raise DataError(
                f"bars of {piece.symbol} differ from those stored",
                hint="a change of history is recorded as a revision",
            )
    return later


def append_rates(draft: Draft, state: StoreState, series: Mapping[str, FxSeries]) -> int:
    """Add the rates that are later than those stored."""
    fresh = {}
    for currency, rates in series.items():
        last = state.fx.last_day(currency)
        later = rates if last is None else rates.rows(rates.sessions > np.datetime64(last, "D"))
        if len(later):
            fresh[currency] = later
    if fresh:
        draft.put_fx(LayerKind.APPEND if draft.manifest.fx else LayerKind.BASE, fresh)
        draft.count_history(fx_digests(fresh))
    return sum(len(rates) for rates in fresh.values())
