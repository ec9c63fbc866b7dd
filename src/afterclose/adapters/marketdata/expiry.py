"""Last trading days and first notice days by rule, on a market's own sessions.

A rule is three words: months from the delivery month, an anchor in that month, sessions from there.
``-1 to25 -3`` is WTI crude: three sessions before the last session at or before the 25th of the
month before delivery. The anchors:

=============  =====================================================================
``eom``        the last session of the month
``bom``        its first session
``to25``       the last session at or before the 25th
``before15``   the last session before the 15th
``from10``     the first session at or after the 10th
``fri3``       the third Friday, or the session before it
``last-thu``   the last Thursday, or the session before it
``first-16``   sixteen calendar days before the first of the month, or the session before
=============  =====================================================================
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.calendars import MarketSessions
from afterclose.errors import DataError

_ANCHOR = re.compile(
    r"(?P<edge>eom|bom)|(?P<day>to|before|from)(?P<number>\d+)|first-(?P<back>\d+)"
    r"|last-(?P<last>[a-z]{3})|(?P<weekday>mon|tue|wed|thu|fri)(?P<nth>\d)"
)
_ONE_DAY = np.timedelta64(1, "D")


def rule_positions(
    rule: str, months: NDArray[np.datetime64], sessions: MarketSessions
) -> NDArray[np.int64]:
    """Positions in ``sessions.days`` that a rule gives for each delivery month (datetime64[M]).

    Raises DataError for a rule it cannot read. Positions may lie outside the sessions known.
    """
    try:
        shift, anchor, offset = rule.split()
        positions = _anchored(anchor, months + np.timedelta64(int(shift), "M"), sessions)
        return positions + int(offset)
    except ValueError as error:
        raise DataError(f"not an expiry rule: {rule!r}") from error


def _anchored(
    anchor: str, months: NDArray[np.datetime64], sessions: MarketSessions
) -> NDArray[np.int64]:
    match = _ANCHOR.fullmatch(anchor)
    if match is None:
        raise ValueError(anchor)
    first = months.astype("datetime64[D]")
    end = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - _ONE_DAY
    if match["edge"] == "bom":
        return sessions.at_or_after(first)
    if match["edge"] == "eom":
        return sessions.at_or_before(end)
    if match["back"]:
        return sessions.at_or_before(first - np.timedelta64(int(match["back"]), "D"))
    if match["day"]:
        days: NDArray[np.datetime64] = np.add(first, int(match["number"]) - 1)
        return _at_day(match["day"], days, sessions)
    if match["last"]:
        wanted = match["last"].capitalize()
        return sessions.at_or_before(np.busday_offset(end, 0, roll="backward", weekmask=wanted))
    nth, wanted = int(match["nth"]) - 1, match["weekday"].capitalize()
    return sessions.at_or_before(np.busday_offset(first, nth, roll="forward", weekmask=wanted))


def _at_day(side: str, days: NDArray[np.datetime64], sessions: MarketSessions) -> NDArray[np.int64]:
    if side == "from":
        return sessions.at_or_after(days)
    return sessions.at_or_before(days if side == "to" else days - _ONE_DAY)
