"""Trading hours as contract details carry them, as moments in UTC. Pure.

``20261119:1700-20261120:1600;20261121:CLOSED``: intervals in the zone of the contract, one or more
a session, separated by commas. An interval belongs to the session on whose date it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_INTERVAL = re.compile(r"(\d{8}):(\d{4})-(\d{8}):(\d{4})")
_CLOSED = re.compile(r"\d{8}:CLOSED")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHours:
    """One session of a market: its date, its first opening and its last close, in UTC."""

    session: date
    opens: datetime
    closes: datetime


def sessions_of(hours: str, zone: str) -> tuple[OpenHours, ...] | None:
    """Read the sessions of a market, in order; None where hours or zone cannot be read."""
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    found: dict[date, OpenHours] = {}
    for part in filter(None, re.split(r"[;,]", hours)):
        interval = _INTERVAL.fullmatch(part)
        if interval is None:
            if _CLOSED.fullmatch(part):
                continue
            return None
        try:
            opens = _moment(interval[1], interval[2], where)
            closes = _moment(interval[3], interval[4], where)
            session = _moment(interval[3], "0000", where).date()
        except ValueError:
            return None
        one = OpenHours(session=session, opens=opens, closes=closes)
        found[session] = _joined(found.get(session), one)
    return tuple(found[session] for session in sorted(found)) or None


def open_at(sessions: Iterable[OpenHours], now: datetime) -> OpenHours | None:
    """Return the session that is open; breaks within it count as open."""
    return next((s for s in sessions if s.opens <= now < s.closes), None)


def next_after(sessions: Iterable[OpenHours], now: datetime) -> OpenHours | None:
    """Return the first session that opens after this moment, None where the hours end before."""
    return next((s for s in sessions if s.opens > now), None)


def _joined(known: OpenHours | None, one: OpenHours) -> OpenHours:
    if known is None:
        return one
    return OpenHours(
        session=one.session,
        opens=min(known.opens, one.opens),
        closes=max(known.closes, one.closes),
    )


def _moment(day: str, clock: str, zone: ZoneInfo) -> datetime:
    local = datetime.strptime(f"{day}{clock}", "%Y%m%d%H%M")  # noqa: DTZ007 - the zone follows
    return local.replace(tzinfo=zone).astimezone(UTC)
