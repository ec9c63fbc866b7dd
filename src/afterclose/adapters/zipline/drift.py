"""Tonight's history against last night's: what changed in sessions that were already over.

A model's past decides its present. If it is not what it was yesterday (a revised bar, a changed
model, a newer library) the orders of tonight rest on another history than the positions at the
broker do; a person should know before money moves.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Protocol

import pandas as pd

from afterclose.adapters.zipline.tables import RunTables
from afterclose.domain.findings import Scalar
from afterclose.domain.history import Cause, Changed, HistoryChange, HistoryDrift

CHANGES_FILE = "history_changes.csv"
#: So many changes travel with the result; all are in the file.
SHOWN = 50
_MONTH_CODE = 3


class StoredRevision(Protocol):
    """One value of the market store that changed after it was stored."""

    @property
    def symbol(self) -> str: ...
    @property
    def session(self) -> date | None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PastRun:
    """What a run says of its past: its tables, and the facts that decide them."""

    model: str
    last_session: date
    tables: RunTables
    facts: Mapping[str, Scalar]


#: Facts of a run that explain a different past: the cause, and its words.
_FACTS: Mapping[str, tuple[Cause, str]] = {
    "model_digest": (Cause.MODEL, "the model's source changed"),
    "parameters": (Cause.MODEL, "the model's parameters changed"),
    "first_session": (Cause.SETTINGS, "another inception"),
    "capital_base": (Cause.SETTINGS, "another capital"),
    "adopt": (Cause.SETTINGS, "other adopted positions"),
    "roots": (Cause.SETTINGS, "other markets are offered to the model"),
    "costs": (Cause.SETTINGS, "other commissions or slippage"),
    "rolls": (Cause.SETTINGS, "another rule chooses the contracts"),
    "currency": (Cause.SETTINGS, "another currency rule"),
    "base_currency": (Cause.SETTINGS, "another base currency"),
    "engine": (Cause.SETTINGS, "another engine ran the model"),
    "afterclose_engine": (Cause.LIBRARY, "another version of the engine"),
    "zipline-reloaded": (Cause.LIBRARY, "another version of Zipline"),
    "pandas": (Cause.LIBRARY, "another version of pandas"),
    "numpy": (Cause.LIBRARY, "another version of numpy"),
    "exchange-calendars": (Cause.LIBRARY, "another version of the calendars"),
    "python": (Cause.LIBRARY, "another version of Python"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revised:
    """What of the store changed between two runs: symbol (or currency) → first session concerned.

    ``facts`` are contracts of which a fact changed (a date, a point value): that has no session.
    ``anew`` says that bars are different and the store's log does not say which.
    """

    since: Mapping[str, date] = field(default_factory=dict)
    facts: frozenset[str] = frozenset()
    anew: bool = False

    @classmethod
    def of(
        cls, revisions: Iterable[StoredRevision], *, through: date, different: bool = False
    ) -> Revised:
        """Sum up the revisions of sessions up to ``through``, the last that both runs cover.

        ``different`` says whether any bar of those sessions is another than it was.
        """
        since: dict[str, date] = {}
        facts = set()
        for revision in revisions:
            if revision.session is None:
                facts.add(revision.symbol)
            elif revision.session <= through:
                known = since.get(revision.symbol, revision.session)
                since[revision.symbol] = min(known, revision.session)
        return cls(since=since, facts=frozenset(facts), anew=different and not since)

    def before(self, session: date) -> bool:
        """Whether anything was revised at or before a session."""
        earlier = any(first <= session for first in self.since.values())
        return earlier or bool(self.facts) or self.anew


def compare_histories(
    before: PastRun, after: PastRun, *, revised: Revised | None = None
) -> tuple[HistoryDrift, Sequence[HistoryChange]]:
    """Compare two runs of one model over the sessions that both cover.

    Returns the summary that travels with the result, and every change.
    """
    last = min(before.last_session, after.last_session)
    old, new = _up_to(before.tables, last), _up_to(after.tables, last)
    if _same(old, new):
        return HistoryDrift(model=after.model, since=before.last_session), ()
    found = chain(_values(old, new, after.model), _fills(old, new), _holdings(old, new))
    ordered = sorted(found, key=lambda change: (change.session, change.kind, change.subject))
    revised = revised or Revised()
    facts = _changed_facts(before.facts, after.facts)
    changes = _explained(ordered, facts, revised)
    drift = HistoryDrift(
        model=after.model,
        since=before.last_session,
        changes=tuple(changes[:SHOWN]),
        total=len(changes),
        digest=_digest(after.model, changes) if changes else "",
        reasons=tuple(_reasons(before.facts, after.facts, facts, revised)) if changes else (),
        by_cause=dict(Counter(change.causes[0] for change in changes)),
    )
    return drift, changes


def write_changes(changes: Sequence[HistoryChange], folder: Path) -> Path | None:
    """Write every change as CSV; an old file never stays behind."""
    path = folder / CHANGES_FILE
    path.unlink(missing_ok=True)
    if not changes:
        return None
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["session", "kind", "subject", "before", "after", "causes"])
        writer.writerows(_row(change) for change in changes)
    return path


def _row(change: HistoryChange) -> list[str]:
    causes = "; ".join(change.causes)
    return [
        change.session.isoformat(),
        change.kind.value,
        change.subject,
        change.before,
        change.after,
        causes,
    ]


def _digest(model: str, changes: Iterable[HistoryChange]) -> str:
    """Names the differences themselves: the same tomorrow, as long as they are the same."""
    digest = hashlib.sha256(model.encode())
    for change in changes:
        digest.update("\x1f".join(_row(change)[:5]).encode() + b"\x1e")
    return digest.hexdigest()[:16]


def _up_to(tables: RunTables, last: date) -> RunTables:
    end = pd.Timestamp(last)
    closes = tables.fills["close_at"].dt.tz_localize(None).dt.normalize()
    return RunTables(
        fills=tables.fills[closes <= end].reset_index(drop=True),
        holdings=tables.holdings[tables.holdings["session"] <= end].reset_index(drop=True),
        days=tables.days[tables.days["session"] <= end].reset_index(drop=True),
    )


_FILL = ["close_at", "symbol", "amount", "price", "order_id"]
_HELD = ["session", "symbol", "amount", "last_price"]
_DAY = ["session", "portfolio_value"]


def _same(old: RunTables, new: RunTables) -> bool:
    """The quick way, on all but the rarest evening. Equal means equal to the last bit."""
    return (
        old.fills[_FILL].equals(new.fills[_FILL])
        and old.holdings[_HELD].equals(new.holdings[_HELD])
        and old.days[_DAY].equals(new.days[_DAY])
    )


def _values(old: RunTables, new: RunTables, model: str) -> Iterator[HistoryChange]:
    first, second = (
        dict(zip(run.days["session"].dt.date, run.days["portfolio_value"], strict=True))
        for run in (old, new)
    )
    for session in first.keys() | second.keys():
        before, after = first.get(session), second.get(session)
        if before != after:
            lacking = before is None or after is None
            yield HistoryChange(
                kind=Changed.SESSIONS if lacking else Changed.VALUE,
                session=session,
                subject=model,
                before=_money(before),
                after=_money(after),
            )


def _money(value: float | None) -> str:
    return "not simulated" if value is None else f"{value!r}"


def _fills(old: RunTables, new: RunTables) -> Iterator[HistoryChange]:
    yield from _by_contract(
        Changed.TRANSACTIONS, _grouped(old.fills, "close_at"), _grouped(new.fills, "close_at")
    )


def _holdings(old: RunTables, new: RunTables) -> Iterator[HistoryChange]:
    yield from _by_contract(
        Changed.POSITION, _grouped(old.holdings, "session"), _grouped(new.holdings, "session")
    )


_Rows = dict[tuple[date, str], tuple[str, ...]]


def _grouped(frame: pd.DataFrame, day: str) -> _Rows:
    """What happened in a session and contract, in words that are exact."""
    fills = day == "close_at"
    prices = frame["price" if fills else "last_price"].tolist()
    automatic = (frame["order_id"] == "").tolist() if fills else [False] * len(frame)
    amounts, symbols = frame["amount"].tolist(), frame["symbol"].tolist()
    found: defaultdict[tuple[date, str], tuple[str, ...]] = defaultdict(tuple)
    for session, symbol, amount, price, alone in zip(
        frame[day].dt.date, symbols, amounts, prices, automatic, strict=True
    ):
        text = f"{amount:+d} at {price!r}{' (automatic close)' if alone else ''}"
        found[session, symbol] += (text,)
    return dict(found)


def _by_contract(kind: Changed, old: _Rows, new: _Rows) -> Iterator[HistoryChange]:
    for session, symbol in old.keys() | new.keys():
        rows = [run.get((session, symbol), ()) for run in (old, new)]
        if rows[0] != rows[1]:
            before, after = ("; ".join(row) or "none" for row in rows)
            yield HistoryChange(
                kind=kind, session=session, subject=symbol, before=before, after=after
            )


def _changed_facts(old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> list[str]:
    return [name for name in _FACTS if old.get(name) != new.get(name)]


def _explained(
    changes: Sequence[HistoryChange], facts: Sequence[str], revised: Revised
) -> list[HistoryChange]:
    """Give every change its likely causes."""
    everywhere = tuple(dict.fromkeys(_FACTS[name][0] for name in facts))
    rolled = _rolled(changes)
    explained: list[HistoryChange] = []
    for change in changes:
        own = []
        if change.subject in revised.since and revised.since[change.subject] <= change.session:
            own.append(Cause.BAR)
        if (change.session, change.subject[:-_MONTH_CODE]) in rolled:
            own.append(Cause.ROLL)
        if Cause.BAR not in own and revised.before(change.session):
            own.append(Cause.BAR)
        causes = tuple(dict.fromkeys((*everywhere, *own))) or (Cause.UNKNOWN,)
        if causes == (Cause.UNKNOWN,) and explained:
            causes = explained[-1].causes  # it follows from what changed before
        explained.append(replace(change, causes=causes))
    return explained


def _rolled(changes: Iterable[HistoryChange]) -> set[tuple[date, str]]:
    """Sessions on which one month of a root took the place of another."""
    gone, come = set(), set()
    for change in changes:
        if change.kind in {Changed.TRANSACTIONS, Changed.POSITION}:
            place = (change.session, change.subject[:-_MONTH_CODE])
            if change.after == "none":
                gone.add(place)
            elif change.before == "none":
                come.add(place)
    return gone & come


def _reasons(
    old: Mapping[str, Scalar], new: Mapping[str, Scalar], facts: Iterable[str], revised: Revised
) -> Iterator[str]:
    for name in facts:
        yield f"{_FACTS[name][1]} ({old.get(name)} → {new.get(name)})"
    for symbol, first in sorted(revised.since.items(), key=lambda item: (item[1], item[0])):
        yield f"{symbol} was revised from {first} on"
    for symbol in sorted(revised.facts):
        yield f"a fact of {symbol} was revised"
    if revised.anew:
        yield "bars differ, and the store's log does not say which: it was loaded anew"
