"""What the evening looked at last knew of breaks: the next one goes on from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from afterclose.artifacts import RunFolder
from afterclose.domain.breaks import Break, BreakCause, BreakKind
from afterclose.evening import run_files
from make import NOW, SESSION

MONDAY, TUESDAY = date(2026, 11, 16), date(2026, 11, 17)


@dataclass(frozen=True, slots=True)
class Looked:
    """As much of a comparison as is read back."""

    session: date
    as_of: datetime
    breaks: tuple[Break, ...]


def looked(runs: Path, session: date, detail: str, *, run: str = "1a", hours: int = 0) -> None:
    one = Break(
        kind=BreakKind.ACCOUNT,
        symbol="ESZ26",
        model="",
        expected=0,
        actual=1,
        cause=BreakCause.MANUAL,
        detail=detail,
        proposal="",
    )
    (runs / f"{session}-{run}").mkdir(parents=True)
    said = Looked(session, NOW + timedelta(hours=hours), (one,))
    RunFolder(runs / f"{session}-{run}").write_json(run_files.RESULT, said)


def test_the_newest_evening_before_counts_and_not_the_evening_itself(tmp_path: Path) -> None:
    for session, detail in ((MONDAY, "old"), (TUESDAY, "new"), (SESSION, "tonight")):
        looked(tmp_path, session, detail)
    (tmp_path / "2026-11-18-2b").mkdir()  # prepared, and never looked at

    last, (one,) = run_files.breaks_before(tmp_path, SESSION)
    assert (last, one.detail) == (TUESDAY, "new")


def test_of_two_runs_of_an_evening_the_one_looked_at_last_counts(tmp_path: Path) -> None:
    looked(tmp_path, TUESDAY, "later", run="1a", hours=2)
    looked(tmp_path, TUESDAY, "sooner", run="2b")

    assert run_files.breaks_before(tmp_path, SESSION)[1][0].detail == "later"


def test_a_desk_without_an_earlier_evening_knows_of_none(tmp_path: Path) -> None:
    looked(tmp_path, SESSION, "tonight")

    assert run_files.breaks_before(tmp_path, SESSION) == (None, ())


def test_what_another_version_wrote_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "2026-11-17-1a").mkdir()
    (tmp_path / "2026-11-17-1a" / run_files.RESULT).write_text('{"breaks": 3}', encoding="utf-8")

    assert run_files.breaks_before(tmp_path, SESSION) == (None, ())
