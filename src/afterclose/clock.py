"""The time, and the session that an evening belongs to.

An evening starts at the CME Globex close, 16:00 in Chicago, whatever the clocks do elsewhere. This
is the only module that reads the wall clock.
"""

from __future__ import annotations

import time as time_module
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas as pd

from afterclose.errors import UsageError

CHICAGO = ZoneInfo("America/Chicago")

#: CME Globex daily close, local time in Chicago.
GLOBEX_CLOSE = time(16, 0)

#: CME Globex opening for the next day's session, local time in Chicago.
GLOBEX_OPEN = time(17, 0)

#: Sessions of the product: weekdays on which CME Globex trades, as Zipline's futures calendar.
SESSION_CALENDAR = "us_futures"

#: So late, at most, a wait is over on a machine that was asleep in the middle of it.
_LONGEST_SLEEP = timedelta(minutes=2)


class SystemClock:
    """The wall clock, in UTC."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def sleep_until(self, moment: datetime) -> None:
        """Return when the moment has come; at once when it is past.

        In pieces: while a machine sleeps its timers stand still, and the wall clock does not.
        """
        while (left := moment - self.now()) > timedelta(0):
            time_module.sleep(min(left, _LONGEST_SLEEP).total_seconds())


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when it is moved: rehearsals and tests."""

    at: datetime
    moves: list[datetime] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the time it was last moved to."""
        return self.at

    def sleep_until(self, moment: datetime) -> None:
        """Be moved to the moment, where it is not past."""
        if moment > self.at:
            self.move(moment)

    def move(self, to: datetime) -> None:
        """Go to a later moment. Raises ValueError when asked to go back."""
        if to < self.at:
            raise ValueError(f"a clock does not go back: {to} is before {self.at}")
        self.moves.append(to)
        self.at = to


def next_time_of_day(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """Return the first moment after ``now`` at which clocks in ``zone`` show ``at``, in UTC.

    Where the clocks are put forward over it, it is the moment they show an hour later.
    """
    day = now.astimezone(zone).date()
    days = (day + timedelta(days=n) for n in range(3))
    moments = (datetime.combine(d, at, tzinfo=zone).astimezone(UTC) for d in days)
    return next(moment for moment in moments if moment > now)


def next_sunday(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """Return the first moment after ``now`` at which clocks in ``zone`` show ``at`` on a Sunday."""
    found = next_time_of_day(now, at, zone)
    while found.astimezone(zone).weekday() != _SUNDAY:
        found = next_time_of_day(found, at, zone)
    return found


_SUNDAY = 6


#: Holidays follow from rules; the library would stop a year from now.
_KNOWN_UNTIL = "2040-12-31"


@cache
def _calendar() -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar(SESSION_CALENDAR, start="1990-01-02", end=_KNOWN_UNTIL)


def evening_of(session: date) -> datetime:
    """Return the moment an evening starts: the Globex close of its session, in UTC."""
    return datetime.combine(session, GLOBEX_CLOSE, tzinfo=CHICAGO).astimezone(UTC)


def opens_after(session: date) -> datetime:
    """Return the moment at which Globex opens for the session after one, in UTC."""
    day = next_session(session) - timedelta(days=1)
    return datetime.combine(day, GLOBEX_OPEN, tzinfo=CHICAGO).astimezone(UTC)


def _stamp(day: date) -> pd.Timestamp:
    """Raises UsageError for a day that the calendar does not reach."""
    first, last = (bound.date() for bound in (_calendar().first_session, _calendar().last_session))
    if not first <= day <= last:
        raise UsageError(
            f"{day} is outside the trading calendar, which knows {first} to {last}",
            hint="correct the date",
        )
    return pd.Timestamp(day)


def is_session(day: date) -> bool:
    """Whether the futures calendar has a session with this label."""
    return bool(_calendar().is_session(_stamp(day)))


def require_session(day: date) -> date:
    """Return ``day`` when it is a session. Raises UsageError when it is none."""
    if not is_session(day):
        raise UsageError(
            f"{day} ({day:%A}) is no trading session",
            hint=f"the session before it is {session_on_or_before(day)}",
        )
    return day


def session_at(now: datetime) -> date:
    """Return the last session whose Globex close has passed."""
    local = now.astimezone(CHICAGO)
    day = local.date() if local.time() >= GLOBEX_CLOSE else local.date() - timedelta(days=1)
    return session_on_or_before(day)


def session_on_or_before(day: date) -> date:
    """Return ``day`` itself when it is a session, else the last one before it."""
    found: date = _calendar().date_to_session(_stamp(day), direction="previous").date()
    return found


def next_session(session: date) -> date:
    """Return the session that tonight's orders are for. Raises UsageError off the calendar."""
    found: date = _calendar().next_session(_stamp(require_session(session))).date()
    return found


def sessions_before(session: date, count: int) -> date:
    """Return the session ``count`` sessions before ``session``."""
    window = _calendar().sessions_window(_stamp(require_session(session)), -(count + 1))
    found: date = window[0].date()
    return found
