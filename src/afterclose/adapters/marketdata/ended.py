"""Contracts that no longer trade are looked at again in turn: vendors mend them, too.

The evening compares three weeks of every live contract. Of the others, each session has its
twentieth: all of them pass by once in twenty sessions, and a session that was missed is made up for
by the next update. Whether an update is the first of its session follows from the store itself, so
a second one finds nothing to do, and one that was interrupted does the same again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from afterclose.adapters.marketdata.records import ContractBars
from afterclose.adapters.marketdata.revisions import equal_bars
from afterclose.adapters.marketdata.source import MarketSource
from afterclose.adapters.marketdata.state import StoreState

TURNS = 20
#: The turn before lies at most so far back, holidays included.
_TURN_BEFORE = timedelta(days=35)


def turns_between(before: date | None, session: date) -> frozenset[int]:
    """Return whose turn it is in an update from the evening of ``before`` to that of ``session``.

    None at the first load, when everything is fetched anyway.
    """
    if before is None or session <= before:
        return frozenset()
    last = int(np.busday_count("1970-01-01", session + timedelta(days=1)))
    first = int(np.busday_count("1970-01-01", before + timedelta(days=1)))
    return frozenset(number % TURNS for number in range(max(first, last - TURNS), last))


def turn_of(symbol: str) -> int:
    """Return the turn of a contract: the same for ever, on every machine."""
    return zlib.crc32(symbol.encode("ascii")) % TURNS


def mended(
    state: StoreState,
    source: MarketSource,
    ended: Iterable[str],
    *,
    before: date,
    session: date,
) -> list[ContractBars]:
    """Return the histories of ended contracts that are not what is stored any more.

    A source that has no bar of a contract now says nothing of it: what is stored stays.
    """
    turns = turns_between(before, session)
    symbols = [symbol for symbol in ended if turn_of(symbol) in turns]
    since = datetime.combine(before - _TURN_BEFORE, time(), tzinfo=UTC)
    asked = list(source.rewritten(symbols, since=since)) if symbols else []
    if not asked:
        return []
    pieces = source.bars(asked, first=None, last=session).split()
    return [p for p in pieces if len(p) and not equal_bars(state.contract_bars(p.symbol), p)]
