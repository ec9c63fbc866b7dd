"""What looks wrong, or merely unusual, in the bars of a contract. Nothing is repaired.

======  ====================================================================================
AC120   a price below zero: it happens, and it is a price
AC121   a price of exactly zero
AC122   a price that is no multiple of the tick
AC123   a price ten, a hundred or a thousand times its neighbour: a slip of the unit
AC124   a move of more than eight average daily moves
AC125   a day at one price after a move: locked at the limit, or a bar the vendor flattened
AC126   a bar on a day on which its market is closed
AC127   a session of its market without a bar
AC128   a session without volume among sessions that traded
AC129   a contract that never traded
AC130   open, high, low and close that contradict each other
AC132   a close outside the range of the day: a settlement, not a last trade
======  ====================================================================================

One finding per contract and code; its evidence counts the sessions and names the latest. Two
sources are compared in ``comparing.py`` (AC131).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord, FloatArray
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.domain.findings import Finding, Severity

SPIKE_MOVES = 8.0
LOCKED_MOVES = 1.0
AVERAGE_OVER_SESSIONS = 20
UNIT_SLIPS = (10.0, 100.0, 1000.0)
UNIT_SLIP_TOLERANCE = 0.15
_TICK_TOLERANCE = 1e-6
_SHOWN = 3

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    code: str
    severity: Severity
    sentence: str
    hint: str
    flags: Callable[[ContractRecord, ContractBars], Flags]
    #: Whether a bar is compared with those before it; else only the bars asked for are looked at.
    compares: bool = True


def check_store(store: MarketStore, *, since: date | None = None) -> Iterator[Finding]:
    """Check every contract with a bar on or after ``since`` (None: all), and those bars only."""
    for record in store.contracts():
        if since is None or record.last_session >= since:
            yield from check_bars(record, store.bars(record.symbol), since=since)


def check_bars(
    record: ContractRecord, bars: ContractBars, *, since: date | None = None
) -> list[Finding]:
    """Check one contract. Earlier bars than ``since`` are used for comparison only."""
    if not len(bars):
        return [_never_traded(record)]
    recent = np.ones(len(bars), dtype=np.bool_)
    if since is not None:
        recent = bars.sessions >= np.datetime64(since, "D")
    found = []
    for check in _CHECKS:
        rows = _rows(check, record, bars, recent)
        if len(rows):
            found.append(_finding(check, record, bars, rows))
    found.extend(_missing_sessions(record, bars, since))
    if not np.nan_to_num(bars.volume).any():
        found.append(_never_traded(record))
    return found


def _rows(
    check: _Check, record: ContractRecord, bars: ContractBars, recent: Flags
) -> NDArray[np.int64]:
    if check.compares:
        return np.flatnonzero(check.flags(record, bars) & recent)
    places = np.flatnonzero(recent)
    if not len(places):
        return places
    flagged: NDArray[np.int64] = places[check.flags(record, bars.rows(places))]
    return flagged


def _finding(
    check: _Check, record: ContractRecord, bars: ContractBars, rows: NDArray[np.int64]
) -> Finding:
    latest = int(rows[-1])
    shown = ", ".join(str(bars.sessions[row]) for row in rows[-_SHOWN:])
    more = f" and {len(rows) - _SHOWN} sessions before" if len(rows) > _SHOWN else ""
    return Finding(
        code=check.code,
        severity=check.severity,
        subject=record.symbol,
        message=f"{check.sentence}: {shown}{more}",
        hint=check.hint,
        evidence={
            "sessions": len(rows),
            "latest": str(bars.sessions[latest]),
            "close": float(bars.close[latest]),
            "close_before": float(bars.close[latest - 1]) if latest else None,
            "volume": float(bars.volume[latest]),
        },
    )


def _prices(bars: ContractBars) -> FloatArray:
    return np.stack([bars.open, bars.high, bars.low, bars.close])


def _any_price(condition: NDArray[np.bool_]) -> Flags:
    """Sessions on which the condition holds for at least one of the four prices."""
    flags: Flags = np.logical_or.reduce(condition, axis=0)
    return flags


def _negative(_: ContractRecord, bars: ContractBars) -> Flags:
    return _any_price(_prices(bars) < 0)


def _zero(_: ContractRecord, bars: ContractBars) -> Flags:
    return _any_price(_prices(bars) == 0)


def _off_tick(record: ContractRecord, bars: ContractBars) -> Flags:
    if not record.tick_size > 0:
        return np.zeros(len(bars), dtype=np.bool_)
    ticks = _prices(bars) / record.tick_size
    away = np.abs(ticks - np.round(ticks)) > _TICK_TOLERANCE * np.maximum(1.0, np.abs(ticks))
    return _any_price(away & ~np.isnan(ticks))


def _unit_slip(_: ContractRecord, bars: ContractBars) -> Flags:
    ratio = np.ones(len(bars))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio[1:] = np.abs(np.log(bars.close[1:] / bars.close[:-1]))
    slips = np.log(np.array(UNIT_SLIPS))[:, None]
    flags: Flags = (np.abs(ratio - slips) < UNIT_SLIP_TOLERANCE).any(axis=0)
    return flags


def _moves(record: ContractRecord, bars: ContractBars) -> tuple[FloatArray, FloatArray]:
    """Absolute daily moves, and the mean of the twenty before each; at least a tick."""
    moves = np.zeros(len(bars))
    moves[1:] = np.abs(np.diff(bars.close))
    average = np.full(len(bars), np.inf)
    if len(bars) > AVERAGE_OVER_SESSIONS + 1:
        windows = sliding_window_view(moves[1:-1], AVERAGE_OVER_SESSIONS)
        average[AVERAGE_OVER_SESSIONS + 1 :] = windows.mean(axis=1)
    return moves, np.maximum(average, record.tick_size)


def _spike(record: ContractRecord, bars: ContractBars) -> Flags:
    moves, average = _moves(record, bars)
    slipped = _unit_slip(record, bars) | _zero(record, bars)
    flags: Flags = (moves > SPIKE_MOVES * average) & ~slipped
    return flags


def _limit_locked(record: ContractRecord, bars: ContractBars) -> Flags:
    moves, average = _moves(record, bars)
    one_price = (bars.high == bars.low) & (bars.open == bars.close) & (bars.high == bars.close)
    flags: Flags = one_price & (bars.volume > 0) & (moves > LOCKED_MOVES * average)
    return flags


def _on_holiday(record: ContractRecord, bars: ContractBars) -> Flags:
    sessions = market_sessions(record.calendar, *_years(bars.sessions[0], bars.sessions[-1]))
    known = bars.sessions <= np.datetime64(sessions.known_through, "D")
    flags: Flags = known & ~np.isin(bars.sessions, sessions.days)
    return flags


def _quiet(_: ContractRecord, bars: ContractBars) -> Flags:
    """No volume, or none known, between two sessions that had some."""
    traded = np.flatnonzero(bars.volume > 0)
    flags = np.zeros(len(bars), dtype=np.bool_)
    if len(traded):
        flags[traded[0] : traded[-1]] = ~(bars.volume[traded[0] : traded[-1]] > 0)
    return flags


def _contradicting(_: ContractRecord, bars: ContractBars) -> Flags:
    outside = (bars.open > bars.high) | (bars.open < bars.low)
    flags: Flags = outside | (bars.high < bars.low)
    return flags


def _settled_outside(record: ContractRecord, bars: ContractBars) -> Flags:
    """The close alone is outside: exchanges settle there, nobody trades there."""
    outside = (bars.close > bars.high) | (bars.close < bars.low)
    flags: Flags = outside & ~_contradicting(record, bars)
    return flags


def _years(first: np.datetime64, last: np.datetime64) -> tuple[date, date]:
    """Whole years, so that contracts share the sessions they are compared with."""
    begin, end = first.astype("datetime64[Y]"), last.astype("datetime64[Y]")
    return begin.astype(date), date(end.astype(date).year, 12, 31)


def _missing_sessions(
    record: ContractRecord, bars: ContractBars, since: date | None
) -> list[Finding]:
    """Sessions of its market between its first and last bar on which it has none."""
    first = bars.sessions[0] if since is None else max(bars.sessions[0], np.datetime64(since, "D"))
    if first > bars.sessions[-1]:
        return []
    days = market_sessions(record.calendar, *_years(first, bars.sessions[-1])).days
    inside = days[(days >= first) & (days <= bars.sessions[-1])]
    missing = inside[~np.isin(inside, bars.sessions)]
    if not len(missing):
        return []
    shown = ", ".join(str(day) for day in missing[-_SHOWN:])
    return [
        Finding(
            code="AC127",
            severity=Severity.INFO,
            subject=record.symbol,
            message=f"no bar on a session of its market: {shown}",
            hint="a holiday of the product the exchange calendar does not know, or a vendor's hole",
            evidence={"sessions": len(missing), "latest": str(missing[-1])},
        )
    ]


def _never_traded(record: ContractRecord) -> Finding:
    return Finding(
        code="AC129",
        severity=Severity.INFO,
        subject=record.symbol,
        message="no bar of it has any volume",
        hint="a model must not hold it: nothing would fill",
    )


_CHECKS = (
    _Check(
        code="AC120",
        severity=Severity.INFO,
        sentence="a price below zero",
        hint="percentages and logarithms of this contract mean nothing that day",
        flags=_negative,
    ),
    _Check(
        code="AC121",
        severity=Severity.WARN,
        sentence="a price of zero",
        hint="most often a vendor's way to say that there was no price",
        flags=_zero,
    ),
    _Check(
        code="AC122",
        severity=Severity.INFO,
        sentence="a price off the tick",
        hint="an average, a rounded price, or a tick that changed",
        flags=_off_tick,
    ),
    _Check(
        code="AC123",
        severity=Severity.WARN,
        sentence="a price ten, a hundred or a thousand times the one before, or a fraction so",
        hint="a slip of the unit at the vendor: wait for the correction, or trade without it",
        flags=_unit_slip,
    ),
    _Check(
        code="AC124",
        severity=Severity.WARN,
        sentence="a move of more than eight average daily moves",
        hint="compare with another source before the model's answer to it is sent",
        flags=_spike,
    ),
    _Check(
        code="AC125",
        severity=Severity.INFO,
        sentence="traded at one price only, after a move",
        hint="at its limit an order may not fill, whatever the model says; or a flattened bar",
        flags=_limit_locked,
    ),
    _Check(
        code="AC126",
        severity=Severity.INFO,
        sentence="a bar on a day on which its market is closed",
        hint="not seen by a model that runs on exchange sessions",
        flags=_on_holiday,
        compares=False,
    ),
    _Check(
        code="AC128",
        severity=Severity.INFO,
        sentence="no volume among sessions that traded",
        hint="a model's order would not have filled that day",
        flags=_quiet,
    ),
    _Check(
        code="AC130",
        severity=Severity.WARN,
        sentence="open, high, low and close contradict each other",
        hint="one of them is wrong; a fill inside the day's range cannot be believed",
        flags=_contradicting,
    ),
    _Check(
        code="AC132",
        severity=Severity.INFO,
        sentence="a close outside the range of its day",
        hint="a settlement, not a last trade: nobody traded at the price the model saw",
        flags=_settled_outside,
    ),
)
