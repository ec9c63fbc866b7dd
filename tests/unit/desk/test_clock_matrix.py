"""Every evening of 2024 to 2027, seen from Chicago, London, Frankfurt, Tokyo and Sydney.

Two independent witnesses: opening and closing times of ``exchange_calendars``, and a list of odd
days typed by hand. Clocks change in the United States on 10 March and 3 November 2024, 9 March and
2 November 2025, 8 March and 1 November 2026, 14 March and 7 November 2027; in Europe on the last
Sundays of March and October; in Sydney on the first Sundays of April and October; in Tokyo never.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from afterclose.adapters.marketdata.evening_table import one_market
from afterclose.clock import evening_of, is_session, next_session, session_at, session_on_or_before
from afterclose.schedule import decide, local_starts, next_evenings

FIRST, LAST = date(2024, 1, 1), date(2027, 12, 31)
ZONES = {
    "London": ZoneInfo("Europe/London"),
    "Frankfurt": ZoneInfo("Europe/Berlin"),
    "Tokyo": ZoneInfo("Asia/Tokyo"),
    "Sydney": ZoneInfo("Australia/Sydney"),
    "Chicago": ZoneInfo("America/Chicago"),
}
#: Where the person is, and an exchange there that the desk trades.
EXCHANGES = {"Frankfurt": "XEUR", "London": "XLON", "Tokyo": "XTKS", "Sydney": "XASX"}

#: Day; then the hour of the evening in London, Frankfurt, Tokyo, Sydney (there the next day), or,
#: where there is no evening, the last session before it.
ODD_DAYS: dict[date, tuple[int, int, int, int] | date] = {
    date(2024, 1, 1): date(2023, 12, 29),  # New Year
    date(2024, 1, 15): (22, 23, 7, 9),  # Martin Luther King: an early halt, a session
    date(2024, 2, 19): (22, 23, 7, 9),  # Presidents' Day
    date(2024, 3, 8): (22, 23, 7, 9),  # the Friday before the American change
    date(2024, 3, 11): (21, 22, 6, 8),  # the Monday after it
    date(2024, 3, 28): (21, 22, 6, 8),
    date(2024, 3, 29): date(2024, 3, 28),  # Good Friday
    date(2024, 4, 1): (22, 23, 6, 8),  # Easter Monday, after the European change
    date(2024, 4, 5): (22, 23, 6, 8),
    date(2024, 4, 8): (22, 23, 6, 7),  # after Sydney's
    date(2024, 5, 27): (22, 23, 6, 7),  # Memorial Day
    date(2024, 7, 4): (22, 23, 6, 7),  # Independence Day
    date(2024, 9, 2): (22, 23, 6, 7),  # Labor Day
    date(2024, 10, 4): (22, 23, 6, 7),
    date(2024, 10, 7): (22, 23, 6, 8),  # after Sydney's change
    date(2024, 10, 25): (22, 23, 6, 8),
    date(2024, 10, 28): (21, 22, 6, 8),  # after the European change
    date(2024, 11, 1): (21, 22, 6, 8),
    date(2024, 11, 4): (22, 23, 7, 9),  # after the American change
    date(2024, 11, 28): (22, 23, 7, 9),  # Thanksgiving
    date(2024, 11, 29): (22, 23, 7, 9),  # the half day after it
    date(2024, 12, 24): (22, 23, 7, 9),  # a half day
    date(2024, 12, 25): date(2024, 12, 24),
    date(2024, 12, 31): (22, 23, 7, 9),
    date(2025, 1, 1): date(2024, 12, 31),
    date(2025, 1, 9): (22, 23, 7, 9),  # a day of mourning: equities closed, futures traded
    date(2025, 3, 7): (22, 23, 7, 9),
    date(2025, 3, 10): (21, 22, 6, 8),
    date(2025, 3, 31): (22, 23, 6, 8),
    date(2025, 4, 7): (22, 23, 6, 7),
    date(2025, 4, 18): date(2025, 4, 17),
    date(2025, 6, 19): (22, 23, 6, 7),  # Juneteenth
    date(2025, 10, 6): (22, 23, 6, 8),
    date(2025, 10, 27): (21, 22, 6, 8),
    date(2025, 11, 3): (22, 23, 7, 9),
    date(2025, 12, 25): date(2025, 12, 24),
    date(2026, 1, 1): date(2025, 12, 31),
    date(2026, 3, 9): (21, 22, 6, 8),
    date(2026, 3, 30): (22, 23, 6, 8),
    date(2026, 4, 3): date(2026, 4, 2),
    date(2026, 4, 6): (22, 23, 6, 7),
    date(2026, 7, 3): (22, 23, 6, 7),  # Independence Day, observed
    date(2026, 10, 5): (22, 23, 6, 8),
    date(2026, 10, 26): (21, 22, 6, 8),
    date(2026, 11, 2): (22, 23, 7, 9),
    date(2026, 12, 25): date(2026, 12, 24),
    date(2027, 1, 1): date(2026, 12, 31),
    date(2027, 3, 15): (21, 22, 6, 8),
    date(2027, 3, 26): date(2027, 3, 25),
    date(2027, 3, 29): (22, 23, 6, 8),
    date(2027, 4, 5): (22, 23, 6, 7),
    date(2027, 10, 4): (22, 23, 6, 8),
    date(2027, 11, 1): (21, 22, 6, 8),  # Europe has changed, America not yet
    date(2027, 11, 8): (22, 23, 7, 9),
    date(2027, 12, 24): date(2027, 12, 23),  # Christmas, observed
    date(2027, 12, 31): (22, 23, 7, 9),
}


@cache
def library(name: str) -> Any:
    return exchange_calendars.get_calendar(name, start="2023-11-01", end="2028-02-29")


def days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


SESSIONS = [day for day in days() if is_session(day)]


def test_the_list_of_odd_days_has_forty_and_more() -> None:
    assert len(ODD_DAYS) >= 40


@pytest.mark.parametrize("day", ODD_DAYS, ids=str)
def test_an_odd_day_is_as_it_was_typed(day: date) -> None:
    expected = ODD_DAYS[day]
    if isinstance(expected, date):
        assert not is_session(day)
        assert session_on_or_before(day) == expected
        return

    evening = evening_of(day)
    local = {city: evening.astimezone(zone) for city, zone in ZONES.items()}

    assert is_session(day)
    assert tuple(local[c].hour for c in ("London", "Frankfurt", "Tokyo", "Sydney")) == expected
    assert local["Chicago"].time() == time(16)
    assert {c: t.date() for c, t in local.items()} == {
        "Chicago": day,
        "London": day,
        "Frankfurt": day,
        "Tokyo": day + timedelta(days=1),
        "Sydney": day + timedelta(days=1),
    }
    assert session_at(evening) == day
    assert session_at(evening - timedelta(seconds=1)) < day


def test_chicagos_sessions_are_those_of_the_library() -> None:
    theirs = [d.date() for d in library("us_futures").sessions_in_range(str(FIRST), str(LAST))]

    assert theirs == SESSIONS
    assert [next_session(s) for s in SESSIONS[:-1]] == SESSIONS[1:]


@pytest.mark.parametrize("city", EXCHANGES)
def test_every_evening_lies_between_the_sessions_of_the_exchange(city: str) -> None:
    """The last session that has closed by then, and the first that has not opened yet."""
    calendar = library(EXCHANGES[city])
    closed = [(at.to_pydatetime(), d.date()) for d, at in calendar.closes.items()]
    opening = [(at.to_pydatetime(), d.date()) for d, at in calendar.opens.items()]
    last = upcoming = 0
    for session in SESSIONS:
        evening = evening_of(session)
        while closed[last + 1][0] <= evening:
            last += 1
        while opening[upcoming][0] <= evening:
            upcoming += 1
        market = one_market(city, EXCHANGES[city], session)

        assert (market.last, market.next) == (closed[last][1], opening[upcoming][1]), session


@pytest.mark.parametrize("city", ZONES)
@pytest.mark.parametrize("minutes", [65, 180, 540], ids=str)
def test_a_timer_in_local_time_starts_every_evening_once_and_at_its_minute(
    city: str, minutes: int
) -> None:
    """As cron and Windows would: at every listed time on its weekdays; the command decides."""
    offset, zone = timedelta(minutes=minutes), ZONES[city]
    starts = local_starts(datetime(2024, 1, 1, tzinfo=UTC), (offset,), zone)
    prepared: dict[date, datetime] = {}
    newest = date(2023, 12, 29)
    for day in days():
        for at in (t for t, weekdays in starts.items() if day.weekday() in weekdays):
            now = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
            decision = decide(now, offset, prepared=[newest])
            assert not decision.missed, decision.said
            if decision.go:
                assert decision.session not in prepared
                prepared[decision.session], newest = now, decision.session

    expected = [s for s in SESSIONS if s < date(2027, 12, 30)]
    assert [s for s in prepared if s < date(2027, 12, 30)] == expected
    assert {now - evening_of(s) for s, now in prepared.items()} == {offset}
    assert len(starts) <= 3


@pytest.mark.parametrize("city", ZONES)
def test_a_timer_in_local_time_settles_every_session_five_minutes_after_its_close(
    city: str,
) -> None:
    """The two times of a desk, as cron would start them; one that waits prepares at its start."""
    settle, offset, zone = timedelta(minutes=5), timedelta(minutes=120), ZONES[city]
    starts = local_starts(datetime(2024, 1, 1, tzinfo=UTC), (settle, offset), zone)
    settled: dict[date, datetime] = {}
    prepared = {date(2023, 12, 29)}
    for day in days():
        for at in (t for t, weekdays in starts.items() if day.weekday() in weekdays):
            now = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
            decision = decide(now, offset, prepared=prepared, settle=settle)
            assert not decision.missed, decision.said
            assert not decision.go, decision.said
            if decision.waits_until is not None:
                assert decision.waits_until == evening_of(decision.session) + offset
                settled[decision.session] = now
                prepared.add(decision.session)

    expected = [s for s in SESSIONS if s < date(2027, 12, 30)]
    assert [s for s in settled if s < date(2027, 12, 30)] == expected
    assert {now - evening_of(s) for s, now in settled.items()} == {settle}


def test_evenings_to_come_are_listed_in_order() -> None:
    now = datetime(2026, 12, 24, 22, 0, tzinfo=UTC)  # the evening's close, before its start
    found = next_evenings(now, timedelta(minutes=65), 3)

    assert [(e.session, e.starts, e.trades) for e in found] == [
        (date(2026, 12, 24), datetime(2026, 12, 24, 23, 5, tzinfo=UTC), date(2026, 12, 28)),
        (date(2026, 12, 28), datetime(2026, 12, 28, 23, 5, tzinfo=UTC), date(2026, 12, 29)),
        (date(2026, 12, 29), datetime(2026, 12, 29, 23, 5, tzinfo=UTC), date(2026, 12, 30)),
    ]
