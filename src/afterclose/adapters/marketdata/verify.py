"""Read a whole store and prove that it is what its manifest says, and what its source has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.contract_table import contract_hash
from afterclose.adapters.marketdata.digest import MODULUS
from afterclose.adapters.marketdata.draft import bar_digests, fx_digests
from afterclose.adapters.marketdata.layers import file_digest
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    FloatArray,
)
from afterclose.adapters.marketdata.session_digests import added, stored_digests
from afterclose.adapters.marketdata.source import MarketSource
from afterclose.adapters.marketdata.state import StoreState
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.errors import StoreCorrupt


def verify_store(path: Path) -> int:
    """Check every file and every sum; return the number of bars. Raises StoreCorrupt.

    Reads everything: seconds at full scale, so for a doctor and for tests, not for an evening.
    """
    state = StoreState.open(path)
    for layer in state.manifest.layers():
        if file_digest(path / layer.file) != layer.sha256:
            raise StoreCorrupt(f"{layer.file} is not the file that was written")
    bars = BarTable.joined(state.contract_bars(symbol) for symbol in state.contracts.symbols())
    rates = {currency: state.fx_series(currency) for currency in state.fx.all_keys()}
    by_day = {
        day: sum_ for day, sum_ in added(bar_digests(bars), fx_digests(rates)).items() if sum_
    }
    kept = stored_digests(state.session_digests, state.manifest)
    if by_day != {day: sum_ for day, sum_ in kept.items() if sum_}:
        raise StoreCorrupt("the sums of the sessions do not fit the bars")
    if sum(by_day.values()) % MODULUS != int(state.manifest.history_digest, 16):
        raise StoreCorrupt("the fingerprint of history does not fit the bars")
    records = state.contracts.records(state.contracts.symbols())
    facts = sum(contract_hash(record) for record in records) % MODULUS
    if facts != int(state.manifest.contracts_digest, 16):
        raise StoreCorrupt("the fingerprint of the contracts does not fit them")
    return len(bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEquality:
    """What was compared with the source, and every contract (or currency) that differs, and how."""

    contracts: int
    bars: int
    rates: int
    differences: tuple[str, ...]


def against_source(
    store: MarketStore,
    source: MarketSource,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
) -> SourceEquality:
    """Compare every bar and rate up to the store's last session with the source's, bit for bit.

    Raises SourceUnavailable or DataError when the source cannot be read.
    """
    differences: list[str] = []
    contracts = bars = 0
    for root in sorted({*store.roots(), *source.roots()}):
        on_progress(root)
        ours = {symbol: store.bars(symbol) for symbol in store.symbols(root)}
        theirs = _offered(source, root, store.last_session)
        contracts += len(ours)
        bars += sum(len(piece) for piece in ours.values())
        both = {s: _difference(ours.get(s), theirs.get(s)) for s in sorted({*ours, *theirs})}
        differences.extend(f"{symbol}: {found}" for symbol, found in both.items() if found)
    rates, changed = _rates_against(store, source)
    return SourceEquality(
        contracts=contracts, bars=bars, rates=rates, differences=(*differences, *changed)
    )


def _offered(source: MarketSource, root: str, last: date) -> dict[str, ContractBars]:
    if root not in set(source.roots()):
        return {}
    symbols = [record.symbol for record in source.contracts(root, live_on=None)]
    pieces = source.bars(symbols, first=None, last=last).split() if symbols else ()
    return {piece.symbol: piece for piece in pieces if len(piece)}


def _difference(ours: ContractBars | None, theirs: ContractBars | None) -> str:
    if ours is None or not len(ours):
        return "" if theirs is None else "is not in the store"
    if theirs is None:
        return "is not at the source"
    if not np.array_equal(ours.sessions, theirs.sessions):
        apart = np.setxor1d(ours.sessions, theirs.sessions)
        return f"{len(apart)} sessions are in one of the two only, the last {apart[-1]}"
    bad = [
        name for name in BAR_COLUMNS if not same_bits(getattr(ours, name), getattr(theirs, name))
    ]
    return f"{', '.join(bad)} differ" if bad else ""


def same_bits(left: FloatArray, right: FloatArray) -> bool:
    """Equal to the last bit; what is unknown on both sides is equal."""
    a, b = np.ascontiguousarray(left).view(np.uint64), np.ascontiguousarray(right).view(np.uint64)
    return bool(((a == b) | (np.isnan(left) & np.isnan(right))).all())


def last_day(store: MarketStore) -> date:
    """Return the latest day of any bar or rate: a source must be asked as of then."""
    rates: list[date] = [store.fx(name).sessions[-1].item() for name in store.currencies()]
    return max([store.last_session, *rates])


def _rates_against(store: MarketStore, source: MarketSource) -> tuple[int, list[str]]:
    offered = source.fx(store.currencies(), first=date(1970, 1, 1), last=last_day(store))
    differences, rates = [], 0
    for currency in store.currencies():
        ours, theirs = store.fx(currency), offered.get(currency)
        rates += len(ours)
        if theirs is None or not np.isin(ours.sessions, theirs.sessions).all():
            differences.append(f"{currency}: rates of the store are not at the source")
            continue
        at = theirs.sessions.searchsorted(ours.sessions)
        if not same_bits(ours.usd_per_unit, theirs.usd_per_unit[at]):
            differences.append(f"{currency}: rates differ")
    return rates, differences
