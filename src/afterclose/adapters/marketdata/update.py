"""Bring a store up to a session: new bars, new listings, and history that changed at the source.

The last bars of every live contract are compared with what is stored, and in turn the whole of
those that no longer trade (``ended.py``). Where they differ the contract is fetched whole and
replaced, and every changed value is logged. A contract of which the source has no bars any more is
told of, and stays. The update is one commit; it can be interrupted and run again at any point.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np

from afterclose.adapters.marketdata.ended import mended
from afterclose.adapters.marketdata.records import BarTable, ContractBars, ContractRecord
from afterclose.adapters.marketdata.revisions import Revision, equal_bars
from afterclose.adapters.marketdata.source import MarketSource
from afterclose.adapters.marketdata.state import StoreState
from afterclose.adapters.marketdata.writer import MarketStoreWriter
from afterclose.domain.findings import Finding

#: Three weeks of bars are compared each evening: vendors mend yesterday far more than last month.
OVERLAP = timedelta(days=21)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootUpdate:
    """What an update brought for one market. ``newest`` is the last session any contract has.

    ``vanished`` are contracts of which the source has no bars any more; they stay as they are.
    """

    root: str
    bars: int
    new_contracts: tuple[str, ...]
    revised: tuple[str, ...]
    newest: date | None
    vanished: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUpdate:
    """What an update brought.

    ``revisions`` is history that changed, value by value; ``without_rates`` are currencies of
    stored contracts for which there is no exchange rate at all: their markets cannot be sized.
    ``passed_over`` are roots that had the session before; ``failed`` are roots, ``rates_failed``
    currencies of which the source gave nothing, and why; ``findings`` say what it cannot keep.
    """

    session: date
    roots: tuple[RootUpdate, ...]
    revisions: tuple[Revision, ...]
    rates: int
    without_rates: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    rates_failed: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def bars(self) -> int:
        """Rows that were not there before."""
        return sum(root.bars for root in self.roots)


@dataclass(slots=True)
class _Gathered:
    """What the source gave for one root, sorted by what must be done with it."""

    appended: list[ContractBars]
    listed: list[ContractRecord]
    replaced: list[tuple[ContractBars, ContractRecord | None]]
    restated: list[ContractRecord]
    vanished: list[str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """The state before the update, and the last day (since 1970-01-01) of each contract in it."""

    state: StoreState
    last_days: Mapping[str, int]

    @classmethod
    def of(cls, state: StoreState) -> Self:
        return cls(state, state.bars.last_days())

    def newest(self, root: str) -> date | None:
        """The last session of any contract of a root."""
        chain = self.state.contracts.chain(root)
        last = max((self.last_days.get(symbol, 0) for symbol in chain), default=0)
        return date(1970, 1, 1) + timedelta(days=last) if last else None

    def later(self, piece: ContractBars) -> ContractBars:
        """The rows later than those stored."""
        last = self.last_days.get(piece.symbol)
        return piece if last is None else piece.after(np.datetime64(last, "D"))


def update_store(
    path: Path,
    source: MarketSource,
    *,
    session: date,
    now: datetime,
    roots: Collection[str] | None = None,
    on_progress: Callable[[RootUpdate], None] = lambda _: None,
) -> StoreUpdate:
    """Bring the store at ``path`` (created if there is none) up to ``session``.

    ``now`` dates the revisions. Raises SourceUnavailable when the source fails (the store stays as
    it was) and DataError when another process is writing.
    """
    wanted = sorted(source.roots() if roots is None else roots)
    with MarketStoreWriter(path) as writer:
        writer.name_source(source.name)
        stored = _Stored.of(writer.state)
        gathered = {}
        done: list[RootUpdate] = []
        for root in wanted:
            gathered[root] = _gather(stored, source, root, session)
            done.append(_summary(root, gathered[root], stored))
            on_progress(done[-1])
        revisions = _write(writer, list(gathered.values()), now)
        rates, rate_changes = _update_fx(writer, source, session, now)
        without_rates = currencies_without_rates(writer.state)
    return StoreUpdate(
        session=session,
        roots=tuple(done),
        revisions=(*revisions, *rate_changes),
        rates=rates,
        without_rates=without_rates,
    )


def currencies_without_rates(state: StoreState) -> tuple[str, ...]:
    """Currencies of stored contracts for which there is no exchange rate at all."""
    foreign = state.contracts.currencies() - {"USD"}
    return tuple(sorted(foreign - set(state.fx.all_keys())))


def _gather(stored: _Stored, source: MarketSource, root: str, session: date) -> _Gathered:
    state, newest = stored.state, stored.newest(root)
    first = None if newest is None else newest - OVERLAP
    records = source.contracts(root, live_on=first)
    known = [record for record in records if record.symbol in state.contracts]
    fresh = [record for record in records if record.symbol not in state.contracts]
    result = _Gathered(appended=[], listed=[], replaced=[], restated=[], vanished=[])
    _gather_known(result, stored, source, known, first, session)
    _gather_ended(result, stored, source, root, session, live={r.symbol for r in known})
    if fresh:
        listed = {record.symbol: record for record in fresh}
        for piece in source.bars(list(listed), first=None, last=session).split():
            if len(piece):
                result.listed.append(listed[piece.symbol])
                result.appended.append(piece)
    return result


def _gather_known(
    result: _Gathered,
    stored: _Stored,
    source: MarketSource,
    records: Sequence[ContractRecord],
    first: date | None,
    session: date,
) -> None:
    if not records:
        return
    by_symbol = {record.symbol: record for record in records}
    facts = {record.symbol: record for record in stored.state.records(by_symbol)}
    changed = []
    for piece in source.bars(list(by_symbol), first=first, last=session).split():
        have = stored.state.contract_bars(piece.symbol)
        if _agrees(have, piece, first):
            result.appended.append(stored.later(piece))
            if _restated(facts[piece.symbol], by_symbol[piece.symbol]):
                result.restated.append(by_symbol[piece.symbol])
        else:
            changed.append(piece.symbol)
    if changed:
        for piece in source.bars(changed, first=None, last=session).split():
            if len(piece):
                result.replaced.append((piece, by_symbol[piece.symbol]))
            else:
                result.vanished.append(piece.symbol)


def _gather_ended(
    result: _Gathered,
    stored: _Stored,
    source: MarketSource,
    root: str,
    session: date,
    *,
    live: Collection[str],
) -> None:
    """Histories of contracts no longer traded, those whose turn it is, that were mended."""
    newest, before = stored.newest(root), stored.state.manifest.last_date
    if newest is None or before is None:
        return
    edge = (newest - OVERLAP - date(1970, 1, 1)).days
    ended = [
        symbol
        for symbol in stored.state.contracts.chain(root)
        if symbol not in live and stored.last_days.get(symbol, edge) < edge
    ]
    for piece in mended(stored.state, source, ended, before=before, session=session):
        result.replaced.append((piece, None))


def _agrees(stored: ContractBars, offered: ContractBars, first: date | None) -> bool:
    """Whether the bars of the compared weeks are the same, none missing and none new between."""
    if not len(stored):
        return not len(offered)
    since = stored.sessions[0] if first is None else np.datetime64(first, "D")
    last = stored.sessions[-1]
    return equal_bars(stored.between(since, last), offered.between(since, last))


def _restated(stored: ContractRecord, offered: ContractRecord) -> bool:
    return stored != offered.with_sessions(stored.first_session, stored.last_session)


def _summary(root: str, found: _Gathered, stored: _Stored) -> RootUpdate:
    fresh = 0
    newest = stored.newest(root)
    for piece in [*found.appended, *(bars for bars, _ in found.replaced)]:
        fresh += len(stored.later(piece))
        if len(piece):
            latest: date = piece.sessions[-1].item()
            newest = latest if newest is None else max(newest, latest)
    return RootUpdate(
        root=root,
        bars=fresh,
        new_contracts=tuple(record.symbol for record in found.listed),
        revised=tuple(bars.symbol for bars, _ in found.replaced),
        newest=newest,
        vanished=tuple(found.vanished),
    )


def _write(
    writer: MarketStoreWriter, gathered: Sequence[_Gathered], now: datetime
) -> list[Revision]:
    listed = [record for found in gathered for record in found.listed]
    appended = [piece for found in gathered for piece in found.appended]
    writer.append(BarTable.joined(appended), contracts=listed)
    replaced = [pair for found in gathered for pair in found.replaced]
    restated = [record for found in gathered for record in found.restated]
    return writer.revise_all(
        bars={bars.symbol: bars for bars, _ in replaced},
        contracts=[*(record for _, record in replaced if record), *restated],
        recorded_at=now,
    )


def _update_fx(
    writer: MarketStoreWriter, source: MarketSource, session: date, now: datetime
) -> tuple[int, list[Revision]]:
    """New rates, and changed ones of the compared weeks."""
    currencies = writer.state.contracts.currencies() - {"USD"}
    newest = [writer.state.fx.last_day(currency) for currency in currencies]
    known = [day for day in newest if day is not None]
    first = date(1970, 1, 1)
    if known and len(known) == len(currencies):
        first += timedelta(days=min(known)) - OVERLAP
    series = source.fx(sorted(currencies), first=first, last=session)
    known_series = {currency: rates for currency, rates in series.items() if len(rates)}
    return writer.update_rates(known_series, recorded_at=now)
