"""Dates and times of a trade as files carry them, and the session they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from zoneinfo import ZoneInfo

from afterclose.domain.contracts import Session

#: Globex ends its session here, and begins the next one an hour later.
_EXCHANGE_ZONE = "America/Chicago"
_SESSION_END = time(17, 0)
_YEARS = range(1970, 2200)
_SATURDAY = 5
_NOON = 12

_TIME = (
    r"(?:[T ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"\s*(?P<half>[AaPp][Mm])?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}(?::00)?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})" + _TIME, re.ASCII
)
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _TIME, re.ASCII)
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})" + _TIME, re.ASCII)
_SLASHED = re.compile(
    r"(?P<one>\d{1,2})(?P<mark>[-/])(?P<two>\d{1,2})(?P=mark)(?P<year>\d{4})" + _TIME, re.ASCII
)


class DayOrder(StrEnum):
    """Which number comes first in dates such as 05/06/2025."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"
    #: No date of the file tells, or they contradict each other.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a trade was, as far as the file says: its session, and its time where there is one."""

    session: Session
    #: None: the file gives the date alone.
    at: datetime | None


def day_order(texts: Iterable[str]) -> DayOrder:
    """Find the order of day and month that fits every slashed date of a file."""
    pairs = {
        (int(match["one"]), int(match["two"])) for match in map(_SLASHED.fullmatch, texts) if match
    }
    months = range(1, 13)
    day_first = all(two in months for _, two in pairs)
    month_first = all(one in months for one, _ in pairs)
    if day_first == month_first and any(one != two for one, two in pairs):
        return DayOrder.UNKNOWN
    return DayOrder.DAY_FIRST if day_first else DayOrder.MONTH_FIRST


def looks_like_date(text: str) -> bool:
    """Whether the text has the shape of a date in one of the forms read here."""
    return any(p.fullmatch(text) for p in (_YEAR_FIRST, _DAY_FIRST, _SLASHED, _COMPACT))


def read_moment(text: str, *, order: DayOrder) -> Moment:
    """Read a date or a time stamp.

    A time without a zone is UTC, as Zipline writes it. A date alone, and midnight (which is how
    pandas writes a date alone), is the label of its session; any other time belongs to the
    session that ends next in Chicago. Raises ValueError, whose text says what is wrong.
    """
    match = _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if match is not None:
        day = _date(match["year"], match["month"], match["day"])
    else:
        match = _SLASHED.fullmatch(text)
        if match is None:
            raise ValueError("it is no date in a form known here")
        day = _slashed_date(match, order=order)
    at = _time_stamp(day, match)
    session = day if at is None else session_of(at)
    if session.weekday() >= _SATURDAY:
        raise ValueError(f"{session} is a {session:%A}, and no session ends on it")
    return Moment(session=session, at=at)


def session_of(at: datetime) -> Session:
    """Session that a time belongs to: the date in Chicago, from 17:00 on that of the next day."""
    local = at.astimezone(ZoneInfo(_EXCHANGE_ZONE))
    day = local.date()
    if local.time() <= _SESSION_END:
        return day
    day += timedelta(days=1)
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def _slashed_date(match: re.Match[str], *, order: DayOrder) -> date:
    one, two = match["one"], match["two"]
    if order is DayOrder.UNKNOWN:
        raise ValueError("the file does not tell whether the day or the month comes first")
    if order is DayOrder.DAY_FIRST:
        return _date(match["year"], two, one)
    return _date(match["year"], one, two)


def _date(year: str, month: str, day: str) -> date:
    if int(year) not in _YEARS:
        raise ValueError(f"the year {year} is out of range")
    try:
        return date(int(year), int(month), int(day))
    except ValueError as error:
        raise ValueError("there is no such day") from error


def _time_stamp(day: date, match: re.Match[str]) -> datetime | None:
    """Time in UTC; None for a date alone, or midnight."""
    if match["hour"] is None:
        return None
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= _NOON:
            raise ValueError("there is no such time of day")
        hour = hour % _NOON + (_NOON if match["half"].lower() == "pm" else 0)
    try:
        clock = time(hour, int(match["minute"]), int(match["second"] or 0))
        zone = _zone(match["zone"])
    except ValueError as error:
        raise ValueError("there is no such time of day") from error
    if clock == time(0, 0):
        return None
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _zone(text: str | None) -> timezone:
    if not text or text in {"Z", "UTC", "GMT"}:
        return UTC
    digits = text.replace(":", "")
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-offset if text[0] == "-" else offset)
