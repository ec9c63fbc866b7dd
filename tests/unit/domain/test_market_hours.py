"""Sessions of a market from the hours of its contract details, by moments typed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

from afterclose.domain.hours import next_after, open_at, sessions_of

GLOBEX = "20261119:1700-20261120:1600;20261121:CLOSED;20261122:1700-20261123:1600"
HONG_KONG = "20261120:0915-20261120:1200,20261120:1300-20261120:1630;20261121:CLOSED"


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_session_is_named_by_the_day_it_ends_and_told_in_utc() -> None:
    first, second = sessions_of(GLOBEX, "America/Chicago") or ()

    assert (first.session, first.opens, first.closes) == (
        date(2026, 11, 20),
        utc(19, 23),
        utc(20, 22),
    )
    assert (second.session, second.opens) == (date(2026, 11, 23), utc(22, 23))


def test_a_lunch_break_does_not_make_two_sessions() -> None:
    (one,) = sessions_of(HONG_KONG, "Asia/Hong_Kong") or ()

    assert (one.opens, one.closes) == (utc(20, 1, 15), utc(20, 8, 30))
    assert open_at((one,), utc(20, 4, 30)) == one


def test_the_session_that_runs_and_the_one_that_comes() -> None:
    sessions = sessions_of(GLOBEX, "America/Chicago") or ()

    assert open_at(sessions, utc(20, 21, 59)) == sessions[0]
    assert open_at(sessions, utc(20, 22)) is None
    assert next_after(sessions, utc(20, 22)) == sessions[1]
    assert next_after(sessions, utc(22, 23)) is None


def test_what_cannot_be_read_is_unknown_and_never_closed() -> None:
    assert sessions_of("", "America/Chicago") is None
    assert sessions_of(GLOBEX, "") is None
    assert sessions_of("20261119:1700", "America/Chicago") is None
    assert sessions_of("20261199:1700-20261120:1600", "America/Chicago") is None


def test_clocks_that_are_put_forward_meanwhile_are_followed() -> None:
    (one,) = sessions_of("20270312:1700-20270315:1600", "America/Chicago") or ()

    assert one.opens == datetime(2027, 3, 12, 23, tzinfo=UTC)
    assert one.closes == datetime(2027, 3, 15, 21, tzinfo=UTC)
