"""History that changed after it was stored: what, when, from which value to which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    ContractBars,
    ContractRecord,
    FloatArray,
    FxSeries,
    SessionArray,
)
from afterclose.domain.findings import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One value that changed. ``session`` is None for a fact of the contract itself.

    ``old`` is empty for a bar that was not there before, ``new`` for one that is gone. Numbers are
    written so that they read back exactly.
    """

    recorded_at: datetime
    symbol: str
    session: date | None
    field: str
    old: str
    new: str


_NAMES = tuple(field.name for field in fields(Revision))
_TYPES = {"recorded_at": pa.timestamp("us", tz="UTC"), "session": pa.date32()}


def revision_batch(revisions: Sequence[Revision]) -> Any:  # pyarrow.RecordBatch
    """The rows of a revision file."""
    return pa.record_batch(
        {
            name: pa.array(
                [getattr(revision, name) for revision in revisions],
                type=_TYPES.get(name, pa.string()),
            )
            for name in _NAMES
        }
    )


def read_revisions(batches: Iterable[Any]) -> list[Revision]:  # pyarrow.RecordBatch
    """All revisions, in the order in which they were recorded."""
    return [Revision(**row) for batch in batches for row in batch.to_pylist()]


def equal_bars(old: ContractBars, new: ContractBars) -> bool:
    """Whether two histories hold the same rows, to the last bit."""
    if not np.array_equal(old.sessions, new.sessions):
        return False
    return all(bool(same(getattr(old, name), getattr(new, name)).all()) for name in BAR_COLUMNS)


def bar_revisions(old: ContractBars, new: ContractBars, recorded_at: datetime) -> list[Revision]:
    """Every value of a contract's bars that differs, added and vanished bars included."""
    sessions = np.union1d(old.sessions, new.sessions)
    before, was_there = _aligned(old, sessions)
    after, is_there = _aligned(new, sessions)
    found: list[Revision] = []
    for name in BAR_COLUMNS:
        known = was_there & is_there
        differs = (was_there != is_there) | (known & ~same(before[name], after[name]))
        found.extend(
            Revision(
                recorded_at=recorded_at,
                symbol=new.symbol,
                session=sessions[at].item(),
                field=name,
                old=repr(float(before[name][at])) if was_there[at] else "",
                new=repr(float(after[name][at])) if is_there[at] else "",
            )
            for at in np.flatnonzero(differs)
        )
    return sorted(found, key=lambda revision: revision.session or date.min)


def _aligned(
    bars: ContractBars, sessions: SessionArray
) -> tuple[dict[str, FloatArray], np.ndarray[Any, np.dtype[np.bool_]]]:
    there = np.isin(sessions, bars.sessions)
    columns = {}
    for name in BAR_COLUMNS:
        column = np.full(len(sessions), np.nan)
        column[there] = getattr(bars, name)
        columns[name] = column
    return columns, there


def same(left: FloatArray, right: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Equal to the last bit, where unknown equals unknown."""
    equal: np.ndarray[Any, np.dtype[np.bool_]] = (left == right) | (
        np.isnan(left) & np.isnan(right)
    )
    return equal


def contract_revisions(
    old: ContractRecord, new: ContractRecord, recorded_at: datetime
) -> list[Revision]:
    """Facts of a contract that the vendor changed; its first and last session follow from bars."""
    found = []
    for field in fields(ContractRecord):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after and field.name not in {"first_session", "last_session"}:
            found.append(
                Revision(
                    recorded_at=recorded_at,
                    symbol=new.symbol,
                    session=None,
                    field=field.name,
                    old="" if before is None else str(before),
                    new="" if after is None else str(after),
                )
            )
    return found


def rate_revisions(stored: FxSeries, offered: FxSeries, recorded_at: datetime) -> list[Revision]:
    """Rates that differ on a day both have, or that only the offered series has."""
    found = []
    at = np.minimum(stored.sessions.searchsorted(offered.sessions), max(len(stored) - 1, 0))
    for row, place in enumerate(at):
        there = stored.sessions[place] == offered.sessions[row]
        old = float(stored.usd_per_unit[place]) if there else None
        new = float(offered.usd_per_unit[row])
        if old != new:
            found.append(
                Revision(
                    recorded_at=recorded_at,
                    symbol=stored.currency,
                    session=offered.sessions[row].item(),
                    field="usd_per_unit",
                    old="" if old is None else repr(old),
                    new=repr(new),
                )
            )
    return found


class _Contracts(Protocol):
    def roots(self) -> Sequence[str]: ...
    def symbols(self, root: str | None = None) -> Sequence[str]: ...


def revised_roots(
    revisions: Iterable[Revision], contracts: _Contracts, *, since: datetime
) -> dict[str, Finding]:
    """AC133 per root (or currency) of which a value was changed after ``since``."""
    recent = [revision for revision in revisions if revision.recorded_at > since]
    if not recent:
        return {}
    root_of = {symbol: root for root in contracts.roots() for symbol in contracts.symbols(root)}
    by_root: dict[str, list[Revision]] = {}
    for revision in recent:
        by_root.setdefault(root_of.get(revision.symbol, revision.symbol), []).append(revision)
    return {root: _revised(root, by_root[root]) for root in sorted(by_root)}


def _revised(root: str, changes: Sequence[Revision]) -> Finding:
    symbols = sorted({change.symbol for change in changes})
    first = min((change.session for change in changes if change.session), default=None)
    shown = next((c for c in changes if c.field == "close" and c.session), changes[0])
    value = f"{shown.symbol} {shown.session or ''} {shown.field}".replace("  ", " ")
    return Finding(
        code="AC133",
        severity=Severity.INFO,
        subject=root,
        message=(
            f"history changed at the source: {len(changes)} values of {len(symbols)} contracts; "
            f"{value}: {shown.old or 'nothing'} → {shown.new or 'nothing'}"
        ),
        hint="compare what the model did before with what it does now",
        evidence={
            "values": len(changes),
            "contracts": " ".join(symbols[:6]),
            "first_session": None if first is None else first.isoformat(),
            "recorded_at": changes[-1].recorded_at.isoformat(),
        },
    )
