"""The chain of a root as a person looks at it: which month led when, and where bars are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.absence import Absence, why_missing
from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord
from afterclose.adapters.marketdata.store import MarketStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A stretch of sessions in which one month had the most volume of its root."""

    symbol: str
    first: date
    last: date
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBar:
    """A session of its market on which a contract has no bar, and why."""

    symbol: str
    session: date
    reason: Absence


def leads(
    store: MarketStore, root: str, *, first: date | None = None, last: date | None = None
) -> list[Lead]:
    """Who led from when to when. The months between two leads of a contract are not hidden.

    Sessions on which no month has any volume lead nowhere and are left out.
    """
    begin, end = np.datetime64(first or date.min, "D"), np.datetime64(last or date.max, "D")
    pieces = [store.bars(symbol).between(begin, end) for symbol in store.symbols(root)]
    days, leaders = _leaders(pieces)
    return _stretches(days, leaders, [piece.symbol for piece in pieces])


def _leaders(
    pieces: Sequence[ContractBars],
) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Per session the place of the contract with the most volume; the earlier month wins a tie."""
    if not pieces:
        return np.empty(0, dtype="datetime64[D]"), np.empty(0, dtype=np.int64)
    sessions = np.concatenate([piece.sessions for piece in pieces])
    volume = np.nan_to_num(np.concatenate([piece.volume for piece in pieces]))
    place = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    traded = volume > 0
    order = np.lexsort((place[traded], -volume[traded], sessions[traded]))
    days, first_rows = np.unique(sessions[traded][order], return_index=True)
    return days, place[traded][order][first_rows]


def _stretches(
    days: NDArray[np.datetime64], leaders: NDArray[np.int64], symbols: Sequence[str]
) -> list[Lead]:
    if not len(days):
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(leaders)) + 1])
    stops = np.concatenate([starts[1:], [len(days)]])
    return [
        Lead(
            symbol=symbols[int(leaders[start])],
            first=days[start].item(),
            last=days[stop - 1].item(),
            sessions=int(stop - start),
        )
        for start, stop in zip(starts, stops, strict=True)
    ]


def missing_bars(
    record: ContractRecord, bars: ContractBars, *, first: date, last: date
) -> list[MissingBar]:
    """Every session of its market from ``first`` to ``last`` without a bar, with its reason."""
    days = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
    sessions = market_sessions(record.calendar, first, last)
    absent = days[~np.isin(days, bars.sessions) & np.isin(days, sessions.days)]
    return [
        MissingBar(symbol=record.symbol, session=day, reason=why_missing(record, bars, day))
        for day in absent.tolist()
    ]
