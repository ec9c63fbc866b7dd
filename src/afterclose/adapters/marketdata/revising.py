"""Changing history in a store, and saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from afterclose.adapters.marketdata.arrange import with_bar_sessions
from afterclose.adapters.marketdata.draft import Draft, bar_digests, fx_digests
from afterclose.adapters.marketdata.manifest import LayerKind
from afterclose.adapters.marketdata.records import BarTable, ContractBars, ContractRecord, FxSeries
from afterclose.adapters.marketdata.revisions import (
    Revision,
    bar_revisions,
    contract_revisions,
    equal_bars,
    rate_revisions,
)
from afterclose.adapters.marketdata.state import StoreState
from afterclose.errors import DataError


def revise_contracts(
    draft: Draft,
    state: StoreState,
    *,
    bars: Mapping[str, ContractBars],
    contracts: Sequence[ContractRecord],
    recorded_at: datetime,
) -> list[Revision]:
    """Replace whole histories, and facts of contracts; log every value that changed."""
    offered = {record.symbol: record for record in contracts}
    symbols = list(dict.fromkeys([*bars, *offered]))
    for symbol in symbols:
        if symbol not in state.contracts:
            raise DataError(f"the market store does not hold {symbol}")
    stored = dict(zip(symbols, state.records(symbols), strict=True))
    replaced = {
        symbol: piece
        for symbol, piece in bars.items()
        if not equal_bars(state.contract_bars(symbol), piece)
    }
    log: list[Revision] = []
    for symbol in symbols:
        new = offered.get(symbol, stored[symbol])
        log.extend(contract_revisions(stored[symbol], new, recorded_at))
        if symbol in replaced:
            log.extend(bar_revisions(state.contract_bars(symbol), replaced[symbol], recorded_at))
    _replace_bars(draft, state, replaced)
    _replace_facts(draft, stored, offered, replaced)
    if log:
        draft.put_revisions(log)
    return log


def _replace_bars(draft: Draft, state: StoreState, bars: Mapping[str, ContractBars]) -> None:
    if not bars:
        return
    old = BarTable.joined(state.contract_bars(symbol) for symbol in bars)
    new = BarTable.joined(bars.values())
    draft.put_bars(LayerKind.REPLACE, new)
    draft.count_history(bar_digests(old), removed=True)
    draft.count_history(bar_digests(new))


def _replace_facts(
    draft: Draft,
    stored: Mapping[str, ContractRecord],
    offered: Mapping[str, ContractRecord],
    bars: Mapping[str, ContractBars],
) -> None:
    """New facts, and the first and last session of histories that were replaced."""
    changed = []
    for symbol, old in stored.items():
        new = offered.get(symbol, old).with_sessions(old.first_session, old.last_session)
        if symbol in bars:
            (new,) = with_bar_sessions([new], BarTable.joined([bars[symbol]]))
        if new != old:
            changed.append(new)
    if changed:
        draft.put_contracts(LayerKind.REPLACE, changed)
        draft.count_contracts(changed, instead_of=[stored[record.symbol] for record in changed])


def revise_rates(
    draft: Draft, state: StoreState, series: Mapping[str, FxSeries], recorded_at: datetime
) -> list[Revision]:
    """Where an offered rate differs from the stored one of its day, take the offered one."""
    log: list[Revision] = []
    replaced = {}
    for currency, offered in series.items():
        stored = state.fx_series(currency)
        if not len(stored):
            continue
        old = offered.rows(offered.sessions <= stored.sessions[-1])
        changes = rate_revisions(stored, old, recorded_at)
        if changes:
            log.extend(changes)
            replaced[currency] = _merged(stored, old)
    if replaced:
        draft.put_fx(LayerKind.REPLACE, replaced)
        before = {currency: state.fx_series(currency) for currency in replaced}
        draft.count_history(fx_digests(before), removed=True)
        draft.count_history(fx_digests(replaced))
        draft.put_revisions(log)
    return log


def _merged(stored: FxSeries, offered: FxSeries) -> FxSeries:
    """All days of both; where both have one, the offered rate."""
    kept = stored.rows(~np.isin(stored.sessions, offered.sessions))
    sessions = np.concatenate([kept.sessions, offered.sessions])
    order = np.argsort(sessions)
    rates = np.concatenate([kept.usd_per_unit, offered.usd_per_unit])
    return FxSeries(currency=stored.currency, sessions=sessions[order], usd_per_unit=rates[order])
