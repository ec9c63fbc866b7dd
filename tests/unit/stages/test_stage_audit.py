"""The audit as a whole: rows in are rows out, final quantities, and what concerns the evening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.audit import AuditReport, Sizing
from afterclose.domain.findings import Finding, Severity, Verdict
from afterclose.domain.market import Qualification, QualificationState
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.stages.audit import AuditInputs, AuditRules, SizedRow, audit
from make import (
    ACCOUNT,
    NOW,
    TOMORROW,
    codes,
    found,
    make_account,
    make_contract,
    make_exit,
    make_finding,
    make_order,
    make_position,
    make_snapshot,
    severities,
)

D = Decimal
ES, ESH = make_contract("ESZ26"), make_contract("ESH27")
MISSING = Qualification(state=QualificationState.MISSING, text="200")


def audited(
    *orders: BasketOrder,
    symbols: Sequence[str] = ("ESZ26",),
    sized: Mapping[str, SizedRow] | None = None,
    notes: Mapping[str, tuple[Finding, ...]] | None = None,
    findings: tuple[Finding, ...] = (),
    **live: Any,
) -> AuditReport:
    return audit(
        AuditInputs(
            run_id="2026-11-19-0badcafe",
            account=ACCOUNT,
            orders=orders,
            sized=sized or {},
            notes=notes or {},
            snapshot=make_snapshot(*symbols, **live),
            rules=AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW),
            findings=findings,
        )
    )


def holding(**quantities: int) -> dict[str, Any]:
    return {"account": make_account(*(make_position(s, q) for s, q in quantities.items()))}


def quantities(report: AuditReport) -> list[int]:
    return [r.final_quantity for r in report.rows]


def test_an_evening_without_orders_is_clear_and_empty() -> None:
    report = audited()

    assert (report.rows, report.verdict, report.cleared_orders()) == ((), Verdict.CLEAR, ())


def test_every_order_has_its_row_whatever_is_missing() -> None:
    orders = [make_order("ESZ26"), make_exit("NQZ26"), make_order("CLF27")]
    report = audited(*orders, qualifications={}, bars={}, quotes={})

    assert [r.order for r in report.rows] == orders
    assert all(r.verdict is Verdict.BLOCKED for r in report.rows)
    assert report.cleared_orders() == ()
    assert report.excluded_rows() == report.rows


def test_a_blocked_row_blocks_itself_and_not_the_evening() -> None:
    report = audited(
        make_order("ESZ26"),
        make_order("ESH27"),
        symbols=("ESZ26", "ESH27"),
        qualifications={ES: found("ESZ26"), ESH: MISSING},
    )

    assert report.verdict is Verdict.LOOK
    assert [o.contract for o in report.cleared_orders()] == [ES]
    assert [r.order.contract for r in report.excluded_rows()] == [ESH]


def test_a_blocked_evening_sends_nothing() -> None:
    report = audited(make_order(), findings=(make_finding(Severity.BLOCK, code="AC108"),))

    assert report.verdict is Verdict.BLOCKED
    assert report.cleared_orders() == ()


def test_notes_and_sizes_come_into_their_rows() -> None:
    order = make_order(signed=5)
    sized = SizedRow(
        sizing=Sizing(window=20, width=D(3)),
        quantity=3,
        mismatch=True,
        findings=(make_finding(code="AC401"),),
    )
    (row,) = audited(
        order,
        sized={order.order_ref: sized},
        notes={order.order_ref: (make_finding(Severity.INFO, code="AC109"),)},
    ).rows

    assert codes(row.findings) == ["AC109", "AC401"]
    assert (row.final_quantity, row.position_mismatch) == (3, True)
    assert row.sizing == sized.sizing


def test_the_position_before_and_after_is_the_accounts() -> None:
    (row,) = audited(make_order(signed=2), **holding(ESZ26=4)).rows

    assert (row.position_before, row.position_after) == (4, 6)
    assert (
        audited(make_order(), account=make_account(positions=None)).rows[0].position_after is None
    )


# -- closings never exceed the account -------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_an_exit_is_cut_to_what_the_account_holds(side: int) -> None:
    report = audited(make_exit(signed=-5 * side), **holding(ESZ26=3 * side))

    assert quantities(report) == [3]
    assert severities(report.rows[0].findings) == {"AC309": Severity.WARN}


@pytest.mark.parametrize("held", [0, -4])
def test_an_exit_of_what_is_not_there_is_blocked(held: int) -> None:
    report = audited(make_exit(signed=-5), **holding(ESZ26=held))

    assert quantities(report) == [0]
    assert severities(report.rows[0].findings) == {"AC305": Severity.BLOCK}


def test_exits_of_two_models_share_one_position() -> None:
    report = audited(make_exit(signed=-3), make_exit(signed=-3, model="MR"), **holding(ESZ26=5))

    assert quantities(report) == [3, 2]


def test_a_blocked_exit_leaves_its_share_to_the_other_model() -> None:
    first, second = make_exit(signed=-3), make_exit(signed=-3, model="MR")
    report = audited(
        first,
        second,
        notes={first.order_ref: (make_finding(Severity.BLOCK, code="AC207"),)},
        **holding(ESZ26=3),
    )

    assert [o.order_ref for o in report.cleared_orders()] == [second.order_ref]
    assert report.cleared_orders()[0].quantity == 3


def test_an_opening_is_not_cut_by_the_position() -> None:
    assert quantities(audited(make_order(signed=5), **holding(ESZ26=1))) == [5]


# -- rolls -----------------------------------------------------------------------------------

CLOSE = make_exit("ESZ26", -3, kind=TradeKind.ROLL_CLOSE, roll_pair="desk-20261119-TF-ESH27-O1")
OPEN = make_order("ESH27", 3, kind=TradeKind.ROLL_OPEN, roll_pair=CLOSE.order_ref)


def rolled(*orders: BasketOrder, **live: Any) -> AuditReport:
    return audited(*orders, symbols=("ESZ26", "ESH27"), **{**holding(ESZ26=3), **live})


def test_both_legs_of_a_roll_go() -> None:
    report = rolled(CLOSE, OPEN)

    assert report.cleared_orders() == (CLOSE, OPEN)


def test_the_open_leg_opens_no_more_than_the_close_leg_closes() -> None:
    report = rolled(CLOSE, OPEN, **holding(ESZ26=2))

    assert quantities(report) == [2, 2]


def test_a_blocked_open_leg_leaves_the_close_leg_as_an_exit() -> None:
    report = rolled(CLOSE, OPEN, qualifications={ES: found("ESZ26"), ESH: MISSING})

    assert report.cleared_orders() == (CLOSE,)
    assert severities(report.rows[0].findings)["AC308"] is Severity.WARN


def test_a_close_leg_whose_open_leg_became_no_order_is_an_exit() -> None:
    report = rolled(CLOSE)

    assert report.cleared_orders() == (CLOSE,)
    assert codes(report.rows[0].findings) == ["AC308"]


@pytest.mark.parametrize(
    "live",
    [
        {"qualifications": {ES: MISSING, ESH: found("ESH27")}},
        {"account": make_account()},
        {"account": make_account(positions=None)},
    ],
    ids=["not found", "nothing held", "positions unknown"],
)
def test_a_close_leg_that_does_not_go_holds_the_open_leg_back(live: dict[str, Any]) -> None:
    report = rolled(CLOSE, OPEN, **live)

    assert report.cleared_orders() == ()
    assert severities(report.rows[1].findings)["AC307"] is Severity.BLOCK
    assert report.rows[1].final_quantity == 0


def test_an_open_leg_without_a_close_leg_does_not_go() -> None:
    assert rolled(OPEN).cleared_orders() == ()


# -- the evening -----------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "expected"), [(30, []), (31, ["AC501"]), (-31, ["AC501"])])
def test_clocks_that_disagree_are_said(seconds: int, expected: list[str]) -> None:
    report = audited(server_time=NOW + timedelta(seconds=seconds))

    assert codes(report.findings) == expected


def test_how_far_two_clocks_are_apart_is_said_in_a_unit_a_person_counts_in() -> None:
    for seconds, said in ((31, "31 s"), (150, "2 min"), (7_199, "119 min"), (180_026, "2 days")):
        (finding,) = audited(server_time=NOW + timedelta(seconds=seconds)).findings
        assert finding.message == f"the gateway's clock is {said} from ours"


def test_an_unknown_server_time_is_no_disagreement() -> None:
    assert codes(audited(server_time=None).findings) == ["AC517"]


def test_what_the_account_did_not_answer_is_said() -> None:
    report = audited(account=make_account(unknown=("positions",)))

    assert codes(report.findings) == ["AC502"]
    assert "positions" in report.findings[0].message


def test_sides_are_read_by_symbol_and_delivery() -> None:
    orders = [make_order("ESH27"), make_order("CLF27"), make_order("ESZ26"), make_exit("NQZ26")]
    report = audited(*orders)

    assert [r.order.contract.symbol for r in report.side(Action.BUY)] == ["CLF27", "ESZ26", "ESH27"]
    assert [r.order.contract.symbol for r in report.side(Action.SELL)] == ["NQZ26"]
