"""Two sources beside each other: which bars they do not agree on. Neither is taken for the truth.

A daily close is the settlement at one vendor and the last trade at another: a tick or two apart on
most days, dollars apart on a day like 21 April 2020 in crude oil. What is further apart than that
is AC131, per contract; the contracts and sessions that only one of them has are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from afterclose.adapters.marketdata.records import BarTable, ContractBars, ContractRecord
from afterclose.adapters.marketdata.source import MarketSource
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.domain.findings import Finding, Severity

DISAGREEMENT_TICKS = 2.0
_TICK_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two sources say of the contracts that both have.

    ``sessions`` counts the closes compared, ``ours_alone`` and ``theirs_alone`` the bars that only
    one of them has between the first and the last bar of the other. ``unmatched`` are contracts of
    the compared roots that the other source does not have at all.
    """

    contracts: int
    sessions: int
    ours_alone: int
    theirs_alone: int
    unmatched: tuple[str, ...]
    findings: tuple[Finding, ...]


def compare(
    store: MarketStore,
    other: MarketSource,
    *,
    roots: Sequence[str],
    since: date,
    through: date,
    tolerance_ticks: float = DISAGREEMENT_TICKS,
) -> Comparison:
    """Compare the closes of contracts with a bar since then, root by root. Nothing is changed.

    Raises SourceUnavailable or DataError when the other source cannot be read.
    """
    pairs = []
    unmatched: list[str] = []
    theirs_has = set(other.roots())
    for root in roots:
        records = [r for r in store.contracts(root) if r.last_session >= since]
        known = (
            {r.symbol for r in other.contracts(root, live_on=since)} if root in theirs_has else ()
        )
        both = [record for record in records if record.symbol in known]
        unmatched.extend(record.symbol for record in records if record.symbol not in known)
        symbols = [record.symbol for record in both]
        table = other.bars(symbols, first=since, last=through) if symbols else BarTable.joined([])
        theirs = {piece.symbol: piece for piece in table.split()}
        for record in both:
            ours = _within(store.bars(record.symbol), since, through)
            pairs.append((record, ours, theirs[record.symbol]))
    names = (store.source, other.name)
    return Comparison(
        contracts=len(pairs),
        sessions=sum(len(np.intersect1d(a.sessions, b.sessions)) for _, a, b in pairs),
        ours_alone=sum(_alone(ours, theirs) for _, ours, theirs in pairs),
        theirs_alone=sum(_alone(theirs, ours) for _, ours, theirs in pairs),
        unmatched=tuple(unmatched),
        findings=tuple(
            finding
            for record, ours, theirs in pairs
            for finding in disagreements(
                record, ours, theirs, names=names, tolerance_ticks=tolerance_ticks
            )
        ),
    )


def _within(bars: ContractBars, first: date, last: date) -> ContractBars:
    return bars.between(np.datetime64(first, "D"), np.datetime64(last, "D"))


def _alone(bars: ContractBars, others: ContractBars) -> int:
    """Bars without a counterpart, in the time that the other has."""
    if not len(bars) or not len(others):
        return 0
    inside = bars.between(others.sessions[0], others.sessions[-1])
    return int((~np.isin(inside.sessions, others.sessions)).sum())


def disagreements(
    record: ContractRecord,
    ours: ContractBars,
    theirs: ContractBars,
    *,
    names: tuple[str, str],
    tolerance_ticks: float = DISAGREEMENT_TICKS,
) -> list[Finding]:
    """AC131 where two sources have closes of one session further apart than the tolerance."""
    days, left, right = np.intersect1d(ours.sessions, theirs.sessions, return_indices=True)
    gap = np.abs(ours.close[left] - theirs.close[right])
    tick = record.tick_size if record.tick_size > 0 else 0.0  # not known: every gap is one
    apart = np.flatnonzero(gap > tolerance_ticks * tick * (1 + _TICK_TOLERANCE))
    if not len(apart):
        return []
    at = int(apart[-1])
    first, second = float(ours.close[left[at]]), float(theirs.close[right[at]])
    return [
        Finding(
            code="AC131",
            severity=Severity.WARN,
            subject=record.symbol,
            message=f"{names[0]} closes at {first!r} on {days[at]}, {names[1]} at {second!r}",
            hint="a settlement against a last trade, another month, or an error in one of them",
            evidence={"sessions": len(apart), "latest": str(days[at]), "gap": float(gap[at])},
        )
    ]
