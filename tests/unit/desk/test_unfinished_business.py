"""What earlier evenings left open is said first, and blocks what it must."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from afterclose import clock as calendar
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.clock import ManualClock
from afterclose.domain.findings import Severity
from afterclose.domain.orders import BasketOrder
from afterclose.domain.runs import Mode, RunManifest, RunState, StageRecord, TradesFrom
from afterclose.errors import NotPossible
from afterclose.evening import unfinished
from afterclose.evening.journal import MANIFEST, RunJournal
from afterclose.evening.run_files import RESULT
from make import codes, filled, intent, make_order, status

TUESDAY, WEDNESDAY, THURSDAY = date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)
AT = datetime(2026, 11, 17, 22, 30, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    yield opened
    opened.close()


def evening(
    runs: Path, session: date, state: RunState, *stages: StageRecord, run: str = "aaaa"
) -> RunFolder:
    folder = RunFolder(runs / f"{session.isoformat()}-0000{run}")
    folder.path.mkdir(parents=True)
    manifest = RunManifest(
        run_id=folder.path.name, session=session, mode=Mode.PAPER, account="DU1234567",
        state=state, code_version="0", inputs_digest="0", trades_from=TradesFrom.ORDERS,
        stages=stages,
    )  # fmt: skip
    folder.write_json(MANIFEST, manifest)
    return folder


def sent(ledger: SqlLedger, session: date, *words: str) -> BasketOrder:
    order = replace(make_order(), session=session, order_ref=f"desk-{session:%Y%m%d}-TF-ESZ26-O1")
    ledger.record_orders("run", [order])
    left = replace(intent(order), at=calendar.evening_of(session))
    ledger.append_events("run", [left, *(status(order, word) for word in words)])
    return order


def test_a_new_desk_has_no_unfinished_business(tmp_path: Path, ledger: SqlLedger) -> None:
    assert unfinished.findings(tmp_path / "runs", ledger, THURSDAY) == ()
    assert unfinished.doubtful(tmp_path / "runs", ledger, THURSDAY) == {}


def test_an_evening_that_ended_well_says_nothing(tmp_path: Path, ledger: SqlLedger) -> None:
    evening(tmp_path, WEDNESDAY, RunState.SETTLED)
    sent(ledger, WEDNESDAY, "Cancelled")

    assert unfinished.findings(tmp_path, ledger, THURSDAY) == ()
    assert unfinished.doubtful(tmp_path, ledger, THURSDAY) == {}


def test_an_order_that_nobody_knows_the_fate_of_blocks_its_contract(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    evening(tmp_path, WEDNESDAY, RunState.SUBMITTED)
    sent(ledger, WEDNESDAY)  # an intent without any later word counts as sent
    (found,) = unfinished.doubtful(tmp_path, ledger, THURSDAY).values()

    assert (found.code, found.severity, found.subject) == ("AC702", Severity.BLOCK, "ESZ26")
    assert "afterclose settle --run 2026-11-18-0000aaaa" in found.hint
    assert codes(unfinished.findings(tmp_path, ledger, THURSDAY)) == ["AC703"]
    assert unfinished.doubtful(tmp_path, ledger, WEDNESDAY) == {}, "tonight's own are not earlier"


#: 16:00 in Chicago on Thursday: the session that Wednesday's orders were for is over.
CLOSE = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("word", ["PreSubmitted", "Submitted"])
def test_an_order_that_nobody_asked_for_since_the_close_blocks_its_contract(
    tmp_path: Path, ledger: SqlLedger, word: str
) -> None:
    evening(tmp_path, WEDNESDAY, RunState.SUBMITTED)
    order = sent(ledger, WEDNESDAY)
    ledger.append_events("run", [status(order, word, at=CLOSE - MINUTE)])
    (found,) = unfinished.doubtful(tmp_path, ledger, THURSDAY).values()

    assert (found.code, found.severity, found.subject) == ("AC702", Severity.BLOCK, "ESZ26")
    assert "was working" in found.message or "was acknowledged" in found.message
    assert "before tonight's close" in found.message
    assert "afterclose settle --run 2026-11-18-0000aaaa" in found.hint
    assert unfinished.doubtful(tmp_path, ledger, WEDNESDAY) == {}, "tonight's own are not earlier"

    # Its exchange had a holiday, say: it works on, and somebody has asked.
    ledger.append_events("run", [status(order, word, at=CLOSE)])
    assert unfinished.doubtful(tmp_path, ledger, THURSDAY) == {}


@pytest.mark.parametrize("word", ["Filled", "Cancelled", "Inactive"])
def test_an_evening_that_cannot_be_settled_blocks_no_contract_whose_order_is_over(
    tmp_path: Path, ledger: SqlLedger, word: str
) -> None:
    evening(tmp_path, WEDNESDAY, RunState.SUBMITTED)
    order = sent(ledger, WEDNESDAY)
    fills = [filled(order, order.quantity, "e1", at=CLOSE - MINUTE)] if word == "Filled" else []
    ledger.append_events("run", [*fills, status(order, word, at=CLOSE - MINUTE)])

    assert unfinished.doubtful(tmp_path, ledger, THURSDAY) == {}
    (said,) = unfinished.findings(tmp_path, ledger, THURSDAY)
    assert (said.code, said.severity) == ("AC703", Severity.WARN)


def test_a_preparation_that_broke_off_after_the_sending_is_not_what_is_settled(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    evening(tmp_path, WEDNESDAY, RunState.APPROVED)  # the sending process died
    sent(ledger, WEDNESDAY, "Filled")
    broken = evening(tmp_path, WEDNESDAY, RunState.STARTED, run="bbbb")
    written = (tmp_path / "2026-11-18-0000aaaa" / MANIFEST).stat().st_mtime
    os.utime(broken.path / MANIFEST, (written + 60, written + 60))
    (past,) = unfinished.past_evenings(tmp_path, ledger, THURSDAY)

    assert past.manifest.run_id == "2026-11-18-0000aaaa"
    assert past.open_to_settle


def test_an_order_by_hand_that_nobody_knows_the_fate_of_blocks_and_is_said_too(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    evening(tmp_path, TUESDAY, RunState.SETTLED)
    flattens = make_order("ESZ26", -2, session=WEDNESDAY, order_ref="desk-20261118-X-ESZ26-F1")
    ledger.record_orders("flatten-1", [flattens])
    ledger.append_events("flatten-1", [intent(flattens)])
    (found,) = unfinished.doubtful(tmp_path, ledger, THURSDAY).values()
    said = {f.code: f for f in unfinished.findings(tmp_path, ledger, THURSDAY)}

    assert (found.code, found.severity, found.subject) == ("AC702", Severity.BLOCK, "ESZ26")
    assert "afterclose resolve" in found.hint
    assert said["AC703"].severity is Severity.WARN, "the contract is blocked, not the evening"
    assert "desk-20261118-X-ESZ26-F1 is sent" in said["AC703"].message
    assert unfinished.doubtful(tmp_path, ledger, WEDNESDAY) == {}, "tonight's own are not earlier"

    ledger.append_events("flatten-1", [status(flattens, "Cancelled")])
    assert unfinished.doubtful(tmp_path, ledger, THURSDAY) == {}
    assert "AC703" not in codes(unfinished.findings(tmp_path, ledger, THURSDAY))


def test_an_order_by_hand_that_was_last_seen_working_blocks_until_somebody_has_looked(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    """Its process was killed: it may have filled since, and its session has no open evening."""
    evening(tmp_path, WEDNESDAY, RunState.SETTLED)
    name = "desk-20261118-ESZ26-F1"
    flattens = make_order("ESZ26", -2, session=WEDNESDAY, order_ref=name, model="(desk)")
    ledger.record_orders("flatten-1", [flattens])
    ledger.append_events("flatten-1", [intent(flattens), status(flattens, "Submitted")])
    (found,) = unfinished.doubtful(tmp_path, ledger, THURSDAY).values()

    assert (found.code, found.severity, found.subject) == ("AC702", Severity.BLOCK, "ESZ26")
    assert f"{name} of 2026-11-18 is working" in found.message
    ledger.append_events("flatten-1", [status(flattens, "Cancelled")])
    assert unfinished.doubtful(tmp_path, ledger, THURSDAY) == {}


def test_an_evening_that_was_sent_and_never_settled_is_named(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    evening(tmp_path, WEDNESDAY, RunState.APPROVED)  # the sending process died
    sent(ledger, WEDNESDAY, "Filled")
    (found,) = unfinished.findings(tmp_path, ledger, THURSDAY)

    assert found.code == "AC703"
    assert "1 orders left" in found.message


def test_an_evening_that_was_only_prepared_is_not_open(tmp_path: Path, ledger: SqlLedger) -> None:
    evening(tmp_path, WEDNESDAY, RunState.PREPARED)

    assert unfinished.findings(tmp_path, ledger, THURSDAY) == ()


def test_breaks_of_the_last_evening_that_was_looked_at_are_said_again(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    old = evening(tmp_path, TUESDAY, RunState.SETTLED)
    new = evening(tmp_path, WEDNESDAY, RunState.SETTLED)
    for folder, subject in ((old, "CLZ26"), (new, "ESZ26")):
        folder.write(
            RESULT, f'{{"findings": [{{"code": "AC605", "severity": 2, "subject": "{subject}"}}]}}'
        )
    (found,) = unfinished.findings(tmp_path, ledger, THURSDAY)

    assert found.code == "AC704"
    assert "AC605 ESZ26" in found.message
    assert "CLZ26" not in found.message


def test_missed_evenings_are_named_each_with_its_reason(tmp_path: Path, ledger: SqlLedger) -> None:
    failed = StageRecord(
        name="snapshot", status="failed", started=AT, finished=AT, error="nobody listens"
    )
    evening(tmp_path, date(2026, 11, 16), RunState.SETTLED)
    evening(tmp_path, WEDNESDAY, RunState.STARTED, failed)
    found = unfinished.findings(tmp_path, ledger, THURSDAY)

    assert [(f.code, f.subject) for f in found] == [
        ("AC705", "2026-11-17"), ("AC705", "2026-11-18"),
    ]  # fmt: skip
    assert "nothing was started" in found[0].message
    assert "it stopped in 'snapshot': nobody listens" in found[1].message


def test_a_weekend_and_a_holiday_are_no_missed_evenings(tmp_path: Path, ledger: SqlLedger) -> None:
    evening(tmp_path, date(2026, 12, 24), RunState.SETTLED)

    assert unfinished.findings(tmp_path, ledger, date(2026, 12, 28)) == ()


def test_half_a_folder_is_passed_over(tmp_path: Path, ledger: SqlLedger) -> None:
    (tmp_path / "2026-11-18-broken").mkdir()
    (tmp_path / "2026-11-99-odd").mkdir()

    assert unfinished.findings(tmp_path, ledger, THURSDAY) == ()


@pytest.mark.parametrize(
    ("state", "to", "word"),
    [
        (RunState.STARTED, RunState.APPROVED, "run"),
        (RunState.STARTED, RunState.SUBMITTED, "run"),
        (RunState.STARTED, RunState.SETTLED, "run"),
        (RunState.NO_TRADES, RunState.APPROVED, "nothing to decide"),
        (RunState.NO_TRADES, RunState.SUBMITTED, "nothing to send"),
        (RunState.SUBMITTED, RunState.REJECTED, "halt"),
        (RunState.SETTLED, RunState.APPROVED, "settled"),
    ],
)
def test_an_act_begins_only_where_it_can(
    tmp_path: Path, state: RunState, to: RunState, word: str
) -> None:
    folder = evening(tmp_path, THURSDAY, state)

    with pytest.raises(NotPossible) as refused:
        RunJournal.resume(folder, ManualClock(AT), to=to)

    assert word in refused.value.hint


@pytest.mark.parametrize(
    ("state", "to"),
    [
        (RunState.PREPARED, RunState.APPROVED),
        (RunState.APPROVED, RunState.APPROVED),
        (RunState.APPROVED, RunState.REJECTED),
        (RunState.REJECTED, RunState.APPROVED),
        (RunState.SUBMITTED, RunState.APPROVED),
        (RunState.APPROVED, RunState.SUBMITTED),
        (RunState.SUBMITTED, RunState.SUBMITTED),
        (RunState.SETTLED, RunState.SUBMITTED),
        (RunState.SUBMITTED, RunState.SETTLED),
        (RunState.SETTLED, RunState.SETTLED),
        (RunState.NO_TRADES, RunState.SETTLED),
    ],
)
def test_an_act_may_be_repeated(tmp_path: Path, state: RunState, to: RunState) -> None:
    folder = evening(tmp_path, THURSDAY, state)

    assert RunJournal.resume(folder, ManualClock(AT), to=to).manifest.state is state
