"""Business days and holidays, as far as last trading days and sessions need them.

The rules are the exchanges' common public holidays, computed; early closings and one-off closures
(a president's funeral, a typhoon) are not in them. A bar on such a day is served as history all the
same.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from functools import cache

_DAY = timedelta(days=1)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = range(6)


class Region(StrEnum):
    """Whose holidays count."""

    UNITED_STATES = "us"
    CANADA = "canada"
    EUROPE = "europe"
    BRITAIN = "britain"
    ASIA = "asia"


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous computus)."""
    golden, century = year % 19, year // 100
    skipped = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon = skipped - (skipped // 28) * (1 - (skipped // 28) * (29 // (skipped + 1)))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    offset = moon - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    """Return the nth (1-based) weekday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def last_weekday(year: int, month: int, weekday: int) -> date:
    """Return the last such weekday of a month."""
    last = month_start(year, month + 1) - _DAY
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def month_start(year: int, month: int) -> date:
    """Return the first day of a month; months beyond 1..12 run over into other years."""
    index = year * 12 + month - 1
    return date(index // 12, index % 12 + 1, 1)


def _observed(day: date) -> date:
    if day.weekday() == SATURDAY:
        return day - _DAY
    return day if day.weekday() <= FRIDAY else day + _DAY


def _united_states(year: int) -> set[date]:
    days = {
        _observed(date(year, 1, 1)),
        nth_weekday(year, 1, MONDAY, 3),
        nth_weekday(year, 2, MONDAY, 3),
        easter(year) - 2 * _DAY,
        last_weekday(year, 5, MONDAY),
        _observed(date(year, 7, 4)),
        nth_weekday(year, 9, MONDAY, 1),
        nth_weekday(year, 11, THURSDAY, 4),
        _observed(date(year, 12, 25)),
    }
    if year >= 2022:  # noqa: PLR2004 - the first year exchanges kept Juneteenth
        days.add(_observed(date(year, 6, 19)))
    return days


def _canada(year: int) -> set[date]:
    victoria = date(year, 5, 24)
    return {
        _observed(date(year, 1, 1)),
        nth_weekday(year, 2, MONDAY, 3),
        easter(year) - 2 * _DAY,
        victoria - timedelta(days=victoria.weekday()),
        _observed(date(year, 7, 1)),
        nth_weekday(year, 8, MONDAY, 1),
        nth_weekday(year, 9, MONDAY, 1),
        nth_weekday(year, 10, MONDAY, 2),
        date(year, 12, 25),
        date(year, 12, 26),
    }


def _europe(year: int) -> set[date]:
    sunday = easter(year)
    fixed = {date(year, 1, 1), date(year, 5, 1), date(year, 12, 25), date(year, 12, 26)}
    return fixed | {sunday - 2 * _DAY, sunday + _DAY}


def _britain(year: int) -> set[date]:
    sunday = easter(year)
    return {
        date(year, 1, 1),
        sunday - 2 * _DAY,
        sunday + _DAY,
        nth_weekday(year, 5, MONDAY, 1),
        last_weekday(year, 5, MONDAY),
        last_weekday(year, 8, MONDAY),
        date(year, 12, 25),
        date(year, 12, 26),
    }


@cache
def bank_holidays(region: Region, year: int) -> frozenset[date]:
    """Return the days of a year on which the region's banks are closed."""
    if region is Region.UNITED_STATES:
        return frozenset(_united_states(year))
    if region is Region.CANADA:
        return frozenset(_canada(year))
    if region is Region.EUROPE:
        return frozenset(_europe(year))
    if region is Region.BRITAIN:
        return frozenset(_britain(year))
    return frozenset({date(year, 1, 1), easter(year) - 2 * _DAY, date(year, 12, 25)})


@cache
def closed_days(region: Region, year: int) -> frozenset[date]:
    """Return the weekdays without any session.

    Fewer than bank holidays: American futures trade a short session on most of those.
    """
    if region in {Region.UNITED_STATES, Region.ASIA, Region.BRITAIN}:
        new_year, christmas = _observed(date(year, 1, 1)), _observed(date(year, 12, 25))
        return frozenset({new_year, easter(year) - 2 * _DAY, christmas})
    return bank_holidays(region, year)


def is_business_day(region: Region, day: date) -> bool:
    """Say whether a day is neither a weekend day nor a bank holiday."""
    return day.weekday() <= FRIDAY and day not in bank_holidays(region, day.year)


def shift(region: Region, day: date, count: int) -> date:
    """Go a number of business days forward (positive) or back (negative) from a day."""
    step = _DAY if count > 0 else -_DAY
    for _ in range(abs(count)):
        day += step
        while not is_business_day(region, day):
            day += step
    return day


def on_or_before(region: Region, day: date) -> date:
    """Return the day itself where it is a business day, else the last one before it."""
    return day if is_business_day(region, day) else shift(region, day, -1)


def on_or_after(region: Region, day: date) -> date:
    """Return the day itself where it is a business day, else the next one after it."""
    return day if is_business_day(region, day) else shift(region, day, 1)


def last_business_day(region: Region, year: int, month: int) -> date:
    """Return the last business day of a month."""
    return shift(region, month_start(year, month + 1), -1)
