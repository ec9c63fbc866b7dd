"""Approval: bound to exactly what was shown, for one account, for a limited time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from afterclose.domain.audit import AuditReport
from afterclose.domain.findings import Severity
from afterclose.domain.orders import Approval, TradeKind
from afterclose.errors import AccountMismatch, ApprovalVoid, ExitCode, NotApproved
from afterclose.stages.review import (
    approve,
    holds_until,
    overridden,
    reject,
    require,
    shown_digest,
)
from make import (
    ACCOUNT,
    NOW,
    TOMORROW,
    make_bars,
    make_exit,
    make_finding,
    make_order,
    make_quote,
    make_report,
    make_row,
)

HOURS = timedelta(hours=12)
ES, NQ = make_order("ESZ26"), make_order("NQZ26")
REPORT = make_report(make_row(ES), make_row(NQ))
FLAGGED = make_report(make_row(ES, findings=(make_finding(Severity.WARN),)), make_row(NQ))


def yes(report: AuditReport = REPORT, note: str = "", exclude: tuple[str, ...] = ()) -> Approval:
    return approve(
        report, reviewer="Ann", now=NOW, until=NOW + HOURS, note=note, exclude=frozenset(exclude)
    )


def changed(report: AuditReport) -> list[AuditReport]:
    """The report with one thing changed, each time another."""
    row = report.rows[0]
    other_rows = [
        replace(row, final_quantity=1),
        replace(row, order=replace(row.order, limit_price=row.order.limit_price + 1)),
        replace(row, order=replace(row.order, order_type="MKT")),
        replace(row, order=replace(row.order, tif="GTC")),
        replace(row, order=replace(row.order, account="DU7654321")),
        replace(row, close=make_bars([6001])[0]),
        replace(row, quote=make_quote(6001)),
        replace(row, drift=Decimal("0.001")),
        replace(row, position_before=1),
        replace(row, findings=(make_finding(Severity.INFO),)),
    ]
    return [
        *(replace(report, rows=(other, *report.rows[1:])) for other in other_rows),
        replace(report, rows=report.rows[:1]),
        replace(report, rows=report.rows[::-1]),
        replace(report, account="DU7654321"),
        replace(report, as_of=NOW + timedelta(seconds=1)),
        replace(report, session=TOMORROW),
        replace(report, run_id="other"),
        replace(report, findings=(make_finding(Severity.INFO),)),
    ]


def test_a_yes_names_its_orders_its_report_and_its_end() -> None:
    approval = yes()

    assert approval.order_refs == (ES.order_ref, NQ.order_ref)
    assert approval.digest == shown_digest(REPORT)
    assert (approval.account, approval.reviewer, approval.run_id) == (
        ACCOUNT,
        "Ann",
        REPORT.run_id,
    )
    assert (approval.at, approval.expires_at) == (NOW, NOW + HOURS)


def test_a_yes_holds_until_it_expires() -> None:
    approval = yes()

    assert require(approval, REPORT, account=ACCOUNT, now=NOW) == approval
    assert require(approval, REPORT, account=ACCOUNT, now=NOW + HOURS - timedelta(seconds=1))
    with pytest.raises(ApprovalVoid, match="expired"):
        require(approval, REPORT, account=ACCOUNT, now=NOW + HOURS)


@pytest.mark.parametrize("other", changed(REPORT))
def test_whatever_changes_makes_the_yes_void(other: AuditReport) -> None:
    assert shown_digest(other) != shown_digest(REPORT)
    with pytest.raises(ApprovalVoid):
        require(yes(), other, account=ACCOUNT, now=NOW)


def test_a_yes_is_for_one_account() -> None:
    with pytest.raises(AccountMismatch):
        require(yes(), REPORT, account="DU7654321", now=NOW)


def test_without_a_yes_nothing_goes() -> None:
    with pytest.raises(NotApproved) as raised:
        require(None, REPORT, account=ACCOUNT, now=NOW)
    assert raised.value.exit_code is ExitCode.REFUSED
    assert raised.value.hint


def test_a_no_is_kept_and_holds_everything_back() -> None:
    no = reject(REPORT, reviewer="Ann", now=NOW, note="too much copper")

    assert no.order_refs == ()
    with pytest.raises(NotApproved, match="too much copper"):
        require(no, REPORT, account=ACCOUNT, now=NOW)


def test_warnings_need_a_reason_and_keep_it() -> None:
    with pytest.raises(NotApproved, match="ESZ26"):
        yes(FLAGGED)
    with pytest.raises(NotApproved):
        yes(FLAGGED, note="  ")

    assert overridden(yes(FLAGGED, note="seen in TWS")) == {ES.order_ref: "seen in TWS"}


def test_an_excluded_warning_needs_no_reason() -> None:
    assert yes(FLAGGED, exclude=(ES.order_ref,)).order_refs == (NQ.order_ref,)


def test_blocked_rows_are_never_approved() -> None:
    blocked = make_report(make_row(ES, findings=(make_finding(Severity.BLOCK),)), make_row(NQ))

    assert yes(blocked, note="all the same").order_refs == (NQ.order_ref,)


def test_there_is_no_yes_to_nothing() -> None:
    nothing = make_report(make_row(ES, final_quantity=0))

    with pytest.raises(NotApproved, match="no order"):
        yes(nothing)
    with pytest.raises(NotApproved, match="no order"):
        yes(exclude=(ES.order_ref, NQ.order_ref))


def test_an_exclusion_that_names_no_order_is_refused() -> None:
    with pytest.raises(NotApproved, match="ESZ26-typo"):
        yes(exclude=("ESZ26-typo",))


def test_a_roll_does_not_open_without_its_close() -> None:
    close = make_exit("ESZ26", kind=TradeKind.ROLL_CLOSE)
    open_ = make_order("ESH27", kind=TradeKind.ROLL_OPEN, roll_pair=close.order_ref)
    close = replace(close, roll_pair=open_.order_ref)
    report = make_report(make_row(close), make_row(open_), make_row(NQ))

    assert yes(report, exclude=(close.order_ref,)).order_refs == (NQ.order_ref,)
    assert yes(report, exclude=(open_.order_ref,)).order_refs == (close.order_ref, NQ.order_ref)


#: 23:45 in New York, in winter.
RESTART = datetime(2026, 11, 20, 4, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "hours", "expected"),
    [
        # 22:10 UTC: the restart is six and a half hours away, half an hour less is 04:15.
        (datetime(2026, 11, 19, 22, 10, tzinfo=UTC), 12, datetime(2026, 11, 20, 4, 15, tzinfo=UTC)),
        (datetime(2026, 11, 19, 22, 10, tzinfo=UTC), 2, datetime(2026, 11, 20, 0, 10, tzinfo=UTC)),
        (datetime(2026, 11, 20, 4, 14, tzinfo=UTC), 12, datetime(2026, 11, 20, 4, 15, tzinfo=UTC)),
    ],
)
def test_a_yes_ends_half_an_hour_before_the_gateway_restarts(
    now: datetime, hours: int, expected: datetime
) -> None:
    assert holds_until(now, valid_for=timedelta(hours=hours), restart=RESTART) == expected


def test_a_yes_never_holds_longer_than_half_a_day() -> None:
    far = NOW + timedelta(days=2)

    assert holds_until(NOW, valid_for=timedelta(days=1), restart=far) == NOW + HOURS
    assert holds_until(NOW, valid_for=timedelta(days=1), restart=None) == NOW + HOURS


@pytest.mark.parametrize("minutes", [30, 29, 1])
def test_just_before_the_restart_nobody_can_say_yes(minutes: int) -> None:
    with pytest.raises(NotApproved, match="restarts at 2026-11-20 04:45 UTC"):
        holds_until(RESTART - timedelta(minutes=minutes), valid_for=HOURS, restart=RESTART)
