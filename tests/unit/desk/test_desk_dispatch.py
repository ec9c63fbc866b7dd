"""When the gateway is not to be counted on, by the settings and by moments typed by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from afterclose.evening.dispatch import before_restart, restarts
from afterclose.settings import load

#: Thursday evening, 16:10 in Chicago, 17:10 in New York.
NOW = datetime(2026, 11, 19, 22, 10, tzinfo=UTC)


def windows(home: Path, text: str, now: datetime = NOW) -> list[tuple[str, str]]:
    (home / "afterclose.toml").write_text(text, encoding="utf-8")
    found = restarts(load(home), now)
    return [(f"{w.begins:%a %d %H:%M}", f"{w.ends:%a %d %H:%M}") for w in found]


def test_by_default_they_are_ibs_own(tmp_path: Path) -> None:
    assert windows(tmp_path, "") == [
        ("Fri 20 04:45", "Fri 20 05:45"),
        ("Sun 22 06:00", "Sun 22 07:00"),
    ]


def test_a_restart_that_has_begun_is_still_told(tmp_path: Path) -> None:
    within = datetime(2026, 11, 20, 5, 44, tzinfo=UTC)

    assert windows(tmp_path, "", within)[0] == ("Fri 20 04:45", "Fri 20 05:45")
    assert windows(tmp_path, "", within + timedelta(minutes=1))[0][0] == "Sat 21 04:45"


def test_summer_in_new_york_is_an_hour_earlier_in_utc(tmp_path: Path) -> None:
    july = datetime(2026, 7, 16, 21, 10, tzinfo=UTC)

    assert windows(tmp_path, "", july)[0] == ("Fri 17 03:45", "Fri 17 04:45")


def test_a_desk_sets_its_own_times_or_none(tmp_path: Path) -> None:
    own = (
        '[broker]\nrestart = "06:00"\nrestart_zone = "Europe/London"\n'
        '[sending]\nrestart_takes_s = 300\nweekly_login = "never"\nbefore_restart_s = 30\n'
    )

    assert windows(tmp_path, own) == [("Fri 20 06:00", "Fri 20 06:05")]
    assert before_restart(load(tmp_path)) == timedelta(seconds=30)
    assert windows(tmp_path, '[broker]\nrestart = "never"\n') == []
