"""Trading hours as contract details carry them.

``20261119:1700-20261120:1600;20261121:CLOSED``: intervals in the zone of the contract, one or more
a day, separated by commas. An interval belongs to the session on whose date it ends.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum

_CLOSED = re.compile(r"(\d{8}):CLOSED")
_INTERVAL = re.compile(r"(\d{8}):\d{4}-(\d{8}):\d{4}")


class Opening(StrEnum):
    """Whether a market trades in a session."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


def opening_on(hours: str, session: date) -> Opening:
    """Read whether a market trades in a session; unknown where the hours do not reach it."""
    open_days: set[date] = set()
    told: set[date] = set()
    for part in filter(None, re.split(r"[;,]", hours)):
        interval, closed = _INTERVAL.fullmatch(part), _CLOSED.fullmatch(part)
        if interval is not None:
            open_days.add(_day(interval[2]))
        elif closed is not None:
            told.add(_day(closed[1]))
        else:
            return Opening.UNKNOWN
    if session in open_days:
        return Opening.OPEN
    reaches = max(open_days | told, default=date.min) >= session
    return Opening.CLOSED if reaches else Opening.UNKNOWN


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
