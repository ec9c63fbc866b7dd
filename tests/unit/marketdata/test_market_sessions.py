from __future__ import annotations

from datetime import date

import exchange_calendars
import numpy as np
import pytest

from afterclose.adapters.marketdata.calendars import market_sessions, stock_holidays
from afterclose.adapters.marketdata.expiry import rule_positions
from afterclose.errors import DataError


@pytest.mark.parametrize(
    "calendar", ["us_futures", "CMES", "XEUR", "IEPA", "XHKG", "XTKS", "XASX", "XLON", "XTSE"]
)
def test_sessions_are_those_of_exchange_calendars(calendar: str) -> None:
    ours = market_sessions(calendar, date(2018, 1, 1), date(2026, 12, 31)).days
    theirs = exchange_calendars.get_calendar(calendar, start="2018-01-01", end="2026-12-31")
    assert ours.tolist() == theirs.sessions.to_numpy().astype("datetime64[D]").tolist()


def test_holidays_that_nobody_knows_yet_are_taken_for_weekdays_and_said_so() -> None:
    singapore = market_sessions("XSES", date(2025, 1, 1), date(2050, 12, 30))
    known = singapore.known_through
    later = singapore.days[singapore.days > np.datetime64(known)]
    assert date(2026, 1, 1) < known < date(2050, 1, 1)
    assert len(later) == np.busday_count(known, date(2050, 12, 31)) - (known.weekday() < 5)


def test_stock_holidays_are_those_that_come_every_year() -> None:
    """2026 as the New York Stock Exchange prints it; in 2025 it also closed for a mourning."""
    assert sorted(str(day) for day in stock_holidays(date(2026, 1, 1), date(2026, 12, 31))) == [
        "2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19",
        "2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25",
    ]  # fmt: skip
    assert date(2025, 1, 9) not in stock_holidays(date(2025, 1, 2), date(2025, 1, 31))


def test_korea_traded_on_saturdays_before_december_1998() -> None:
    korea = market_sessions("XKRX", date(1998, 11, 2), date(1998, 12, 31))
    assert korea.is_session(date(1998, 11, 7))
    assert not korea.is_session(date(1998, 12, 12))


def test_an_unknown_calendar_or_rule_is_refused() -> None:
    with pytest.raises(DataError, match="NOWHERE"):
        market_sessions("NOWHERE", date(2020, 1, 1), date(2020, 2, 1))
    sessions = market_sessions("CMES", date(2020, 1, 1), date(2020, 12, 31))
    months = np.array(["2020-06"], dtype="datetime64[M]")
    with pytest.raises(DataError, match="0 someday 0"):
        rule_positions("0 someday 0", months, sessions)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("0 eom 0", "2020-06-30"),
        ("0 bom 0", "2020-06-01"),
        ("-1 eom -2", "2020-05-27"),
        ("0 fri3 0", "2020-06-19"),
        ("0 last-thu 0", "2020-06-25"),
        ("0 before15 0", "2020-06-12"),
        ("0 to15 0", "2020-06-15"),
        ("0 from20 0", "2020-06-22"),
        ("0 first-16 0", "2020-05-15"),
        ("0 wed3 -2", "2020-06-15"),
    ],
)
def test_rules_name_days(rule: str, expected: str) -> None:
    sessions = market_sessions("CMES", date(2020, 1, 1), date(2020, 12, 31))
    at = rule_positions(rule, np.array(["2020-06"], dtype="datetime64[M]"), sessions)
    assert str(sessions.days[at[0]]) == expected
