"""The evening starts at 16:00 in Chicago. All expected moments are typed by hand.

Clocks change in the United States on 8 March and 1 November 2026, in Europe on 29 March and 25
October 2026; Chicago is UTC−6 in winter and UTC−5 in summer.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from afterclose.clock import (
    ManualClock,
    SystemClock,
    evening_of,
    is_session,
    next_session,
    next_time_of_day,
    opens_after,
    require_session,
    session_at,
    session_on_or_before,
    sessions_before,
)
from afterclose.errors import UsageError


class SleepyMachine(SystemClock):
    """It shows the times it is given, one after the other: asleep for a while in between."""

    def __init__(self, *shown: datetime) -> None:
        self.shown = list(shown)

    def now(self) -> datetime:
        return self.shown.pop(0)


def test_a_moment_that_passed_while_the_machine_slept_is_not_waited_for_any_longer() -> None:
    starts = utc(2026, 11, 20, 23, 5)
    nearly, long_after = starts - timedelta(milliseconds=1), starts + timedelta(hours=9)
    machine = SleepyMachine(nearly, nearly, long_after)

    machine.sleep_until(starts)

    assert machine.shown == []
    SleepyMachine(long_after).sleep_until(starts)  # a timer that fires late: at once


def test_a_clock_that_is_moved_goes_on_and_never_back() -> None:
    clock = ManualClock(utc(2026, 11, 20, 22, 5))
    clock.sleep_until(utc(2026, 11, 20, 23, 5))
    clock.sleep_until(utc(2026, 11, 20, 22, 30))

    assert clock.moves == [utc(2026, 11, 20, 23, 5)]


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (date(2026, 1, 15), utc(2026, 1, 15, 22)),
        (date(2026, 3, 6), utc(2026, 3, 6, 22)),  # the Friday before the American change
        (date(2026, 3, 9), utc(2026, 3, 9, 21)),  # the Monday after it
        (date(2026, 3, 27), utc(2026, 3, 27, 21)),  # before the European change: no difference
        (date(2026, 3, 30), utc(2026, 3, 30, 21)),
        (date(2026, 7, 1), utc(2026, 7, 1, 21)),
        (date(2026, 10, 23), utc(2026, 10, 23, 21)),  # before the European change
        (date(2026, 10, 26), utc(2026, 10, 26, 21)),
        (date(2026, 10, 30), utc(2026, 10, 30, 21)),  # the Friday before the American change
        (date(2026, 11, 2), utc(2026, 11, 2, 22)),  # the Monday after it
    ],
)
def test_an_evening_starts_at_the_close_in_chicago(session: date, expected: datetime) -> None:
    assert evening_of(session) == expected
    assert evening_of(session).tzinfo is UTC


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (utc(2026, 11, 19, 21, 59), date(2026, 11, 18)),  # 15:59 in Chicago, winter
        (utc(2026, 11, 19, 22, 0), date(2026, 11, 19)),
        (utc(2026, 7, 1, 20, 59), date(2026, 6, 30)),  # 15:59 in Chicago, summer
        (utc(2026, 7, 1, 21, 0), date(2026, 7, 1)),
        (utc(2026, 11, 20, 5, 59), date(2026, 11, 19)),  # 23:59 in Chicago
        (utc(2026, 11, 20, 6, 0), date(2026, 11, 19)),  # midnight: still the evening before
        (utc(2026, 11, 21, 23, 0), date(2026, 11, 20)),  # a Saturday
        (utc(2026, 11, 23, 15, 0), date(2026, 11, 20)),  # Monday morning
        (utc(2026, 3, 9, 20, 59), date(2026, 3, 6)),  # first Monday of summer time, 15:59
        (utc(2026, 3, 9, 21, 0), date(2026, 3, 9)),
        (utc(2026, 11, 2, 21, 30), date(2026, 10, 30)),  # first Monday of winter time, 15:30
        (utc(2026, 12, 25, 22, 30), date(2026, 12, 24)),  # Christmas
        (utc(2026, 4, 3, 21, 30), date(2026, 4, 2)),  # Good Friday
    ],
)
def test_the_session_is_the_last_one_that_has_closed(now: datetime, session: date) -> None:
    assert session_at(now) == session


def test_the_session_does_not_depend_on_where_we_are() -> None:
    tokyo = timezone(timedelta(hours=9))

    assert session_at(datetime(2026, 11, 20, 7, 0, tzinfo=tokyo)) == date(2026, 11, 19)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 19), True),
        (date(2026, 11, 21), False),  # Saturday
        (date(2026, 11, 22), False),  # Sunday
        (date(2026, 12, 25), False),
        (date(2026, 1, 1), False),
        (date(2026, 4, 3), False),  # Good Friday
        (date(2026, 11, 26), True),  # Thanksgiving: futures trade, shortened
        (date(2026, 7, 3), True),
        (date(2020, 3, 9), True),
    ],
)
def test_sessions_are_the_days_on_which_futures_trade(day: date, expected: object) -> None:
    assert is_session(day) is expected


@pytest.mark.parametrize(
    ("session", "following"),
    [
        (date(2026, 11, 19), date(2026, 11, 20)),
        (date(2026, 11, 20), date(2026, 11, 23)),  # over a weekend
        (date(2026, 12, 24), date(2026, 12, 28)),  # over Christmas and a weekend
        (date(2026, 4, 2), date(2026, 4, 6)),  # over Good Friday
    ],
)
def test_orders_are_for_the_following_session(session: date, following: date) -> None:
    assert next_session(session) == following


def test_sessions_are_counted_backwards() -> None:
    assert sessions_before(date(2026, 11, 20), 0) == date(2026, 11, 20)
    assert sessions_before(date(2026, 11, 20), 5) == date(2026, 11, 13)
    assert sessions_before(date(2026, 12, 28), 1) == date(2026, 12, 24)


def test_a_day_without_a_session_falls_back_to_the_one_before() -> None:
    assert session_on_or_before(date(2026, 11, 22)) == date(2026, 11, 20)
    assert session_on_or_before(date(2026, 11, 20)) == date(2026, 11, 20)


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2026, 12, 25)])
def test_an_evening_on_a_day_without_a_session_is_refused_in_words(day: date) -> None:
    for ask in (require_session, next_session, lambda d: sessions_before(d, 3)):
        with pytest.raises(UsageError, match=day.isoformat()) as raised:
            ask(day)
        assert raised.value.hint


@pytest.mark.parametrize("day", [date(1900, 1, 2), date(2200, 1, 2)])
def test_a_day_beyond_the_calendar_is_refused_in_words(day: date) -> None:
    for ask in (is_session, next_session, session_on_or_before):
        with pytest.raises(UsageError, match="outside the trading calendar"):
            ask(day)


def test_a_manual_clock_moves_only_forwards() -> None:
    clock = ManualClock(utc(2026, 11, 19, 22))
    clock.move(utc(2026, 11, 19, 23))

    assert clock.now() == utc(2026, 11, 19, 23)
    with pytest.raises(ValueError, match="does not go back"):
        clock.move(utc(2026, 11, 19, 22, 59))
    assert clock.moves == [utc(2026, 11, 19, 23)]


def test_the_wall_clock_is_aware() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("session", "opening"),
    [
        (date(2024, 3, 7), utc(2024, 3, 7, 23)),  # Thursday, winter
        (date(2024, 3, 8), utc(2024, 3, 10, 22)),  # Friday; on Sunday the clocks are forward
        (date(2024, 3, 28), utc(2024, 3, 31, 22)),  # before Good Friday
        (date(2024, 12, 24), utc(2024, 12, 25, 23)),  # Christmas evening
    ],
)
def test_the_next_session_opens_at_five_on_the_day_before_it(
    session: date, opening: datetime
) -> None:
    assert opens_after(session) == opening


NEW_YORK, TOKYO = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("now", "at", "zone", "expected"),
    [
        (utc(2026, 11, 19, 22), time(23, 45), NEW_YORK, utc(2026, 11, 20, 4, 45)),
        (utc(2026, 11, 20, 4, 45), time(23, 45), NEW_YORK, utc(2026, 11, 21, 4, 45)),
        (utc(2026, 7, 1, 22), time(23, 45), NEW_YORK, utc(2026, 7, 2, 3, 45)),  # summer
        (utc(2026, 10, 31, 22), time(23, 45), NEW_YORK, utc(2026, 11, 1, 3, 45)),
        (utc(2026, 11, 1, 12), time(23, 45), NEW_YORK, utc(2026, 11, 2, 4, 45)),  # put back
        (utc(2026, 11, 19, 22), time(6, 0), TOKYO, utc(2026, 11, 20, 21)),
        (utc(2026, 3, 8, 6), time(2, 30), NEW_YORK, utc(2026, 3, 8, 7, 30)),  # never shown: 03:30
    ],
)
def test_the_next_time_of_day_follows_the_clocks_of_its_zone(
    now: datetime, at: time, zone: ZoneInfo, expected: datetime
) -> None:
    assert next_time_of_day(now, at, zone) == expected
