"""What a timer starts: once an evening, never too early, never when it is too late."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from afterclose import schedule
from afterclose.settings import DataSettings, DataSource

OFFSET = timedelta(minutes=65)
FRIDAY, THURSDAY = date(2026, 11, 20), date(2026, 11, 19)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "prepared", "go", "missed", "session"),
    [
        (utc(20, 23, 5), [THURSDAY], True, False, FRIDAY),
        (utc(20, 23, 4), [THURSDAY], False, False, THURSDAY),  # a minute early: Thursday's is done
        (utc(20, 23, 5), [FRIDAY], False, False, FRIDAY),
        (utc(21, 12), [THURSDAY], True, False, FRIDAY),  # on Saturday, for Monday
        (utc(23, 21, 0), [THURSDAY], True, False, FRIDAY),  # an hour before Monday's close
        (utc(23, 21, 1), [THURSDAY], False, True, FRIDAY),  # no time left to trade
    ],
    ids=["on time", "early", "again", "on Saturday", "last minute", "too late"],
)
def test_an_evening_is_prepared_once_and_while_there_is_time(
    *, now: datetime, prepared: list[date], go: bool, missed: bool, session: date
) -> None:
    decision = schedule.decide(now, OFFSET, prepared=prepared)

    assert (decision.go, decision.missed, decision.session) == (go, missed, session)


SETTLE = timedelta(minutes=5)
MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("now", "prepared", "waits", "session"),
    [
        (utc(20, 22, 4), [THURSDAY], False, THURSDAY),
        (utc(20, 22, 5), [THURSDAY], True, FRIDAY),
        (utc(20, 22, 5), [], True, FRIDAY),  # Thursday's was missed: Friday's will say so
        (utc(20, 22, 5), [FRIDAY], False, THURSDAY),  # by hand, at once after the close
        (utc(20, 23, 4), [THURSDAY], True, FRIDAY),
        (utc(21, 3), [THURSDAY], False, FRIDAY),  # the timer fired late
        (utc(23, 22, 30), [THURSDAY], True, MONDAY),  # it slept through Friday's evening
    ],
    ids=["too early", "at the close", "after a missed one", "prepared", "late", "later", "asleep"],
)
def test_between_the_settling_and_the_start_the_start_is_waited_for(
    *, now: datetime, prepared: list[date], waits: bool, session: date
) -> None:
    starts = {FRIDAY: utc(20, 23, 5), MONDAY: utc(23, 23, 5)}

    decision = schedule.decide(now, OFFSET, prepared=prepared, settle=SETTLE)

    assert decision.waits_until == (starts[session] if waits else None)
    if waits:
        assert (decision.session, decision.go, decision.missed) == (session, False, False)


def test_from_the_start_on_the_evening_goes_whether_it_was_waited_for_or_not() -> None:
    for settle in (None, SETTLE):
        decision = schedule.decide(utc(20, 23, 5), OFFSET, prepared=[THURSDAY], settle=settle)

        assert (decision.session, decision.go, decision.waits_until) == (FRIDAY, True, None)


def test_on_a_holiday_nothing_is_started() -> None:
    christmas = datetime(2026, 12, 25, 23, 5, tzinfo=UTC)

    decision = schedule.decide(christmas, OFFSET, prepared=[date(2026, 12, 24)])

    assert not decision.go
    assert "2026-12-24 is prepared; the next starts 2026-12-28 23:05 UTC" in decision.said


def test_a_late_start_says_how_late() -> None:
    assert "13 h late" in schedule.decide(utc(21, 12), OFFSET, prepared=[]).said


@pytest.mark.parametrize(
    ("source", "minutes", "expected"),
    [
        (DataSource.NORGATE, None, 180),
        (DataSource.GENERATED, None, 65),
        (DataSource.FOLDER, None, 120),
        (None, None, 120),
        (DataSource.NORGATE, 0, 0),
    ],
)
def test_the_start_is_as_the_source_needs_it(
    source: DataSource | None, minutes: int | None, expected: int
) -> None:
    chosen = DataSettings(source=source, start_after_close_min=minutes)

    assert chosen.start_after_close == timedelta(minutes=expected)


@pytest.mark.parametrize(
    ("settle", "start", "timer"),
    [
        (5, None, [5, 120]),
        ("never", None, [120]),
        (30, 30, [30]),  # nothing to wait for
        (5, 0, [0]),
    ],
)
def test_a_timer_starts_at_the_settling_and_at_the_start(
    settle: int | Literal["never"], start: int | None, timer: list[int]
) -> None:
    data = DataSettings(settle_after_close_min=settle, start_after_close_min=start)

    assert data.timer_after_close == tuple(timedelta(minutes=m) for m in timer)


@pytest.mark.parametrize("minutes", [0, 60, "later"])
def test_a_settling_that_is_no_moment_before_the_opening_is_refused(minutes: object) -> None:
    with pytest.raises(ValidationError):
        DataSettings.model_validate({"settle_after_close_min": minutes})


def test_every_kind_of_timer_has_both_times() -> None:
    both = (SETTLE, OFFSET)

    assert [ln for ln in schedule.systemd_timer("d", both).splitlines() if "OnCal" in ln] == [
        "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 16:05:00 America/Chicago",
        "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 17:05:00 America/Chicago",
    ]
    starts = schedule.local_starts(utc(20, 12), both, ZoneInfo("Asia/Tokyo"))
    # Tokyo is 14 hours ahead of Chicago's summer and 15 of its winter.
    assert {at: days for at, days in starts.items() if at.minute == 5} == starts
    assert [at.hour for at in starts] == [6, 7, 8]
    assert set(starts.values()) == {(1, 2, 3, 4, 5)}  # Chicago's Monday is Tokyo's Tuesday


@pytest.mark.parametrize(
    ("minutes", "line"),
    [
        (65, "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 17:05:00 America/Chicago"),
        (600, "OnCalendar=Tue,Wed,Thu,Fri,Sat *-*-* 02:00:00 America/Chicago"),
    ],
)
def test_systemd_is_given_chicagos_clock(minutes: int, line: str) -> None:
    timer = schedule.systemd_timer("desk", (timedelta(minutes=minutes),))

    assert line in timer.splitlines()
    assert "Persistent=true" in timer


def test_a_path_with_blanks_and_signs_stays_one_word() -> None:
    what = ("/opt/py thon", "tonight", "--desk", "/desks/50% of $me")

    assert '"/opt/py thon" "tonight" "--desk" "/desks/50%% of $$me"' in schedule.systemd_service(
        "desk", what
    )
    (line,) = schedule.cron_lines("desk", what, {time(23, 5): (0, 4, 6)})
    fields = line.split(" ", 5)
    assert fields[:5] == ["5", "23", "*", "*", "1,5,0"]
    environment, _, rest = fields[5].rpartition("; ")
    words, _, mark = rest.rpartition(" # ")
    assert environment.startswith("set -a; f=~/.config/afterclose/environment; ")
    assert shlex.split(words.replace(r"\%", "%")) == list(what)
    assert mark == "afterclose desk"


def test_a_windows_task_has_a_trigger_for_each_time() -> None:
    what = (r"C:\py\python.exe", "-m", "afterclose", "tonight", "--desk", r"C:\my desk & co")
    text = schedule.windows_task("desk", what, {time(22, 5): (0, 1), time(23, 5): (4,)})
    task = ET.fromstring(text.split("\n", 1)[1])  # noqa: S314 - our own text
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"

    triggers = task.findall(f".//{space}CalendarTrigger")
    assert [t.findtext(f"{space}StartBoundary") for t in triggers] == [
        "2026-01-05T22:05:00", "2026-01-05T23:05:00",
    ]  # fmt: skip
    assert [d.tag.removeprefix(space) for d in triggers[0].iter() if d.tag.endswith("day")] == [
        "Monday", "Tuesday",
    ]  # fmt: skip
    assert task.findtext(f".//{space}Command") == what[0]
    assert (
        task.findtext(f".//{space}Arguments") == r'-m afterclose tonight --desk "C:\my desk & co"'
    )


def test_the_command_names_the_desk_wholly(tmp_path: Path) -> None:
    what = schedule.command(tmp_path / "x" / "..")

    assert what[1:] == ("-m", "afterclose", "tonight", "--desk", str(tmp_path.resolve()))
