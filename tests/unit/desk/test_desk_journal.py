"""The journal of a run: its manifest is true at every moment, also after a failure."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from afterclose.artifacts import RunFolder
from afterclose.clock import ManualClock
from afterclose.domain.runs import Mode, RunManifest, RunState, TradesFrom
from afterclose.errors import BrokerTimeout, DataError
from afterclose.evening.journal import LOG, MANIFEST, RunJournal
from make import ACCOUNT, NOW, SESSION, make_finding


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "2026-11-19-0badcafe")


@pytest.fixture
def journal(folder: RunFolder, clock: ManualClock) -> RunJournal:
    manifest = RunManifest(
        run_id="2026-11-19-0badcafe",
        session=SESSION,
        mode=Mode.PAPER,
        account=ACCOUNT,
        state=RunState.STARTED,
        code_version="0.1.0",
        inputs_digest="i",
        trades_from=TradesFrom.ORDERS,
    )
    return RunJournal.start(folder, manifest, clock)


def on_disk(folder: RunFolder) -> RunManifest:
    return folder.read_json(MANIFEST, RunManifest)


def log_lines(folder: RunFolder) -> list[dict[str, Any]]:
    text = (folder.path / LOG).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_is_on_disk_from_its_first_moment(journal: RunJournal, folder: RunFolder) -> None:
    assert on_disk(folder) == journal.manifest
    assert on_disk(folder).state is RunState.STARTED


def test_a_stage_is_recorded_with_its_times_files_and_findings(
    journal: RunJournal, folder: RunFolder, clock: ManualClock
) -> None:
    with journal.stage("audit") as stage:
        clock.move(NOW + timedelta(seconds=9))
        stage.found([make_finding(), make_finding()])
        stage.wrote(folder.write("40-audit.json", "{}"))
    (record,) = on_disk(folder).stages

    assert (record.name, record.status, record.error) == ("audit", "done", "")
    assert (record.started, record.finished) == (NOW, NOW + timedelta(seconds=9))
    assert (record.artefacts, record.findings) == (("40-audit.json",), 2)


def test_a_stage_that_fails_is_recorded_as_failed(journal: RunJournal, folder: RunFolder) -> None:
    with pytest.raises(BrokerTimeout), journal.stage("snapshot"):
        raise BrokerTimeout("no answer in 20 s")
    (record,) = on_disk(folder).stages

    assert record.status == "failed"
    assert record.error == "BrokerTimeout: no answer in 20 s"
    assert log_lines(folder)[-1]["event"] == "failed"


def test_an_interrupted_stage_is_recorded_as_failed(journal: RunJournal, folder: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), journal.stage("snapshot"):
        raise KeyboardInterrupt
    assert on_disk(folder).stages[0].status == "failed"
    assert on_disk(folder).stages[0].error == "stopped by the person at the terminal"


def test_a_stage_run_again_stands_once_and_last(journal: RunJournal, folder: RunFolder) -> None:
    for name in ("settle", "review", "settle"):
        with journal.stage(name):
            pass

    assert [s.name for s in on_disk(folder).stages] == ["review", "settle"]


def test_a_state_is_entered_with_its_notes(journal: RunJournal, folder: RunFolder) -> None:
    journal.enter(RunState.PREPARED, orders=3)
    journal.enter(RunState.APPROVED, reviewer="Ann")

    assert on_disk(folder).state is RunState.APPROVED
    assert on_disk(folder).notes == {"orders": 3, "reviewer": "Ann"}


def test_a_new_report_gives_the_run_its_state_and_notes_anew(
    journal: RunJournal, folder: RunFolder
) -> None:
    journal.enter(RunState.SUBMITTED, orders=3, reviewer="Ann")
    journal.enter(RunState.PREPARED)
    assert on_disk(folder).state is RunState.SUBMITTED

    journal.prepared(RunState.PREPARED, orders=2)
    assert on_disk(folder).state is RunState.PREPARED
    assert on_disk(folder).notes == {"orders": 2}


def test_a_run_is_taken_up_again_where_it_was(
    journal: RunJournal, folder: RunFolder, clock: ManualClock
) -> None:
    journal.enter(RunState.PREPARED)

    assert RunJournal.resume(folder, clock).manifest == journal.manifest


def test_a_run_that_was_never_prepared_cannot_be_taken_up(
    tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(DataError) as raised:
        RunJournal.resume(RunFolder(tmp_path), clock)
    assert raised.value.hint


def test_every_line_of_the_log_names_run_stage_and_time(
    journal: RunJournal, folder: RunFolder
) -> None:
    with journal.stage("audit") as stage:
        stage.found([make_finding(message="quote “x”\nsecond line")])
    lines = log_lines(folder)

    assert [line["event"] for line in lines] == ["started", "finding", "done"]
    for line in lines:
        assert line["run_id"] == "2026-11-19-0badcafe"
        assert line["stage"] == "audit"
        assert line["at"] == "2026-11-19T22:10:00+00:00"


def test_a_run_begun_again_starts_its_log_anew(journal: RunJournal, folder: RunFolder) -> None:
    with journal.stage("audit"):
        pass
    RunJournal.start(folder, journal.manifest, ManualClock(NOW))

    assert not (folder.path / LOG).exists()


def test_a_log_names_no_account_and_no_key(journal: RunJournal, folder: RunFolder) -> None:
    said = f"{ACCOUNT} is not U7654321; json://h/?token=s3cret, postgresql://me:word@h/desk"

    with journal.stage("audit") as stage:
        stage.found([make_finding(message=said)])
    with pytest.raises(DataError), journal.stage("snapshot"):
        raise DataError(said)

    log = (folder.path / LOG).read_text(encoding="utf-8")
    assert [line["event"] for line in log_lines(folder)] == [
        "started", "finding", "done", "started", "failed",
    ]  # fmt: skip
    for secret in (ACCOUNT, "U7654321", "s3cret", "me:word"):
        assert secret not in log
    assert on_disk(folder).account == ACCOUNT  # the manifest is the desk's own record
