"""On which days a market trades, from exchange_calendars, without its minute-by-minute schedules.

Building a whole calendar of that library takes seconds for long periods; the days alone follow from
its holidays in a fraction of that. Equality with the library's own sessions is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afterclose.adapters.marketdata.records import SessionArray
from afterclose.errors import DataError

#: Any week that every calendar knows; used only to get hold of the calendar's rules.
_KNOWN_WEEK = ("2019-01-07", "2019-01-11")
_DAYS_FOR_A_HOLIDAY_WEEK = 21


@dataclass(frozen=True, slots=True, eq=False)
class MarketSessions:
    """Sessions of one market between two days, both included."""

    calendar: str
    days: SessionArray
    #: The last day whose holidays are known; later weekdays are taken for sessions.
    known_through: date

    def __len__(self) -> int:
        return len(self.days)

    def is_session(self, day: date) -> bool:
        """Whether the market trades on that day."""
        at = int(np.searchsorted(self.days, np.datetime64(day, "D")))
        return at < len(self.days) and bool(self.days[at] == np.datetime64(day, "D"))

    def at_or_before(self, days: Any) -> NDArray[np.int64]:
        """Position of the last session at or before each day; -1 where there is none."""
        found: NDArray[np.int64] = np.searchsorted(self.days, days, side="right") - 1
        return found

    def at_or_after(self, days: Any) -> NDArray[np.int64]:
        """Position of the first session at or after each day; the length where there is none."""
        found: NDArray[np.int64] = np.searchsorted(self.days, days, side="left")
        return found


@lru_cache(maxsize=256)
def market_sessions(calendar: str, first: date, last: date) -> MarketSessions:
    """The sessions of a market, ``first`` and ``last`` included.

    Raises DataError for a calendar that exchange_calendars does not have.
    """
    try:
        rules = exchange_calendars.get_calendar(calendar, start=_KNOWN_WEEK[0], end=_KNOWN_WEEK[1])
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise DataError(
            f"there is no exchange calendar named {calendar!r}",
            hint="names: exchange_calendars.get_calendar_names()",
        ) from error
    latest_known = type(rules).bound_max()
    known = last if latest_known is None else min(last, latest_known.date())
    days = pd.date_range(first, last, freq="D")
    open_days = _weekdays(rules, days) & ~days.isin(_holidays(rules, days[0], pd.Timestamp(known)))
    sessions = days[open_days].to_numpy().astype("datetime64[D]")
    sessions.flags.writeable = False  # the same array is given to everyone who asks
    return MarketSessions(calendar=calendar, days=sessions, known_through=known)


def _weekdays(rules: Any, days: pd.DatetimeIndex) -> NDArray[np.bool_]:
    mask = np.array([mark == "1" for mark in rules.weekmask])
    result: NDArray[np.bool_] = mask[days.dayofweek]
    for start, end, weekmask in getattr(rules, "special_weekmasks", ()):
        special = np.array([mark == "1" for mark in weekmask])
        inside = np.ones(len(days), dtype=np.bool_)
        inside &= True if start is None else np.asarray(days >= start)
        inside &= True if end is None else np.asarray(days <= end)
        result = np.where(inside, special[days.dayofweek], result)
    return result


def _holidays(rules: Any, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    closed = [pd.Timestamp(day).tz_localize(None).normalize() for day in rules.adhoc_holidays]
    if rules.regular_holidays is not None and first <= last:
        closed.extend(rules.regular_holidays.holidays(first, last))
    return pd.DatetimeIndex(closed)


@lru_cache(maxsize=64)
def stock_holidays(first: date, last: date) -> frozenset[date]:
    """Holidays of the American stock exchanges that come every year, both ends included.

    Days for which they closed once (storms, mourning) are not among them.
    """
    rules = exchange_calendars.get_calendar("XNYS", start=_KNOWN_WEEK[0], end=_KNOWN_WEEK[1])
    regular = rules.regular_holidays
    if regular is None:
        return frozenset()
    return frozenset(d.date() for d in regular.holidays(pd.Timestamp(first), pd.Timestamp(last)))


def later_session(calendar: str, day: date, count: int) -> date:
    """The ``count``-th session of a market after ``day`` (1: the next one)."""
    if count < 1:
        raise DataError(f"the session {count} sessions later is not a later one")
    end = day + timedelta(days=_DAYS_FOR_A_HOLIDAY_WEEK + 3 * count)
    days = market_sessions(calendar, day + timedelta(days=1), end).days
    found: date = days[count - 1].item()
    return found


def earlier_session(calendar: str, day: date, count: int) -> date:
    """The ``count``-th session of a market before ``day`` (1: the one before)."""
    if count < 1:
        raise DataError(f"the session {count} sessions earlier is not an earlier one")
    start = day - timedelta(days=_DAYS_FOR_A_HOLIDAY_WEEK + 3 * count)
    days = market_sessions(calendar, start, day - timedelta(days=1)).days
    found: date = days[-count].item()
    return found
