"""Tonight's history against last night's: what changed in sessions that were already over.

A model's past decides its present. If it is not what it was yesterday (a revised bar, a changed
model, a newer library) the orders of tonight rest on another history than the positions at the
broker do; a person should know before money moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import zip_longest

from afterclose.domain.findings import Scalar
from afterclose.domain.runs import ModelResult, ModelTransaction


class Changed(StrEnum):
    """What of the past is different."""

    TRANSACTIONS = "transactions"
    VALUE = "portfolio value"
    SESSIONS = "sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChange:
    """One difference in a session both runs cover. ``before`` and ``after`` are for a person."""

    kind: Changed
    session: date
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDrift:
    """All differences, oldest first, and what probably caused them; empty when there is none."""

    changes: tuple[HistoryChange, ...]
    causes: tuple[str, ...]


#: Facts of a run that explain a different past, in words.
_CAUSES = {
    "model_digest": "the model's source changed",
    "rolls": "another rule chooses the contracts",
    "currency": "another currency rule",
    "base_currency": "another base currency",
    "engine": "another engine ran the model",
    "zipline-reloaded": "another version of Zipline",
    "pandas": "another version of pandas",
    "numpy": "another version of numpy",
    "exchange-calendars": "another version of the calendars",
    "python": "another version of Python",
}


def compare_histories(
    before: ModelResult, after: ModelResult, *, revised: Mapping[str, date] | None = None
) -> HistoryDrift:
    """Compare two runs of one model over the sessions that both cover.

    ``revised`` names contracts whose past bars changed in the store since the earlier run, each
    with the first session concerned; the store's log of revisions has them.
    """
    last = min(before.last_session, after.last_session)
    changes = tuple(
        sorted(
            (*_sessions(before, after, last), *_transactions(before, after, last)),
            key=lambda change: (change.session, change.kind, change.subject),
        )
    )
    if not changes:
        return HistoryDrift(changes=(), causes=())
    causes = _causes(before.facts, after.facts, revised or {}, changes[0].session)
    return HistoryDrift(changes=changes, causes=tuple(causes))


def _sessions(before: ModelResult, after: ModelResult, last: date) -> Iterator[HistoryChange]:
    values = [
        {session: value for session, value in run.portfolio_value if session <= last}
        for run in (before, after)
    ]
    for session in sorted(values[0].keys() | values[1].keys()):
        old, new = values[0].get(session), values[1].get(session)
        if old == new:
            continue
        kind = Changed.SESSIONS if old is None or new is None else Changed.VALUE
        yield HistoryChange(
            kind=kind, session=session, subject=before.model, before=_money(old), after=_money(new)
        )


def _money(value: float | None) -> str:
    return "not simulated" if value is None else f"{value:.2f}"


def _transactions(before: ModelResult, after: ModelResult, last: date) -> Iterator[HistoryChange]:
    old, new = (_by_contract(run, last) for run in (before, after))
    for session, symbol in sorted(old.keys() | new.keys()):
        fills = [run.get((session, symbol), ()) for run in (old, new)]
        if any(one != other for one, other in zip_longest(*fills)):
            yield HistoryChange(
                kind=Changed.TRANSACTIONS,
                session=session,
                subject=symbol,
                before=_fills(fills[0]),
                after=_fills(fills[1]),
            )


def _by_contract(
    run: ModelResult, last: date
) -> dict[tuple[date, str], tuple[ModelTransaction, ...]]:
    found: dict[tuple[date, str], tuple[ModelTransaction, ...]] = {}
    for fill in run.transactions:
        if fill.session <= last:
            key = (fill.session, fill.symbol)
            found[key] = (*found.get(key, ()), fill)
    return found


def _fills(fills: tuple[ModelTransaction, ...]) -> str:
    return "; ".join(f"{fill.amount:+d} at {fill.price!r}" for fill in fills) or "none"


def _causes(
    old: Mapping[str, Scalar],
    new: Mapping[str, Scalar],
    revised: Mapping[str, date],
    since: date,
) -> Iterator[str]:
    for fact, cause in _CAUSES.items():
        if old.get(fact) != new.get(fact):
            yield f"{cause} ({old.get(fact)} → {new.get(fact)})"
    for symbol, first in sorted(revised.items(), key=lambda item: (item[1], item[0])):
        if first <= since:
            yield f"bars of {symbol} were revised from {first} on"
    if revised and min(revised.values()) > since:
        yield f"the store was revised, from {min(revised.values())} on"
