"""Every break has its cause: one test for each way in which two books can part."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose.domain.audit import AuditRow, PositionCheck
from afterclose.domain.breaks import Break, BreakCause, BreakKind
from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.findings import Severity
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, Fill, OrderState, TradeKind
from afterclose.stages import breaks
from make import (
    NOW,
    SESSION,
    con_id_of,
    make_contract,
    make_exit,
    make_fill,
    make_finding,
    make_order,
    make_qualified,
)

ES, ESH = make_contract("ESZ26"), make_contract("ESH27")
BUY = make_order("ESZ26", 2)


def row(order: BasketOrder = BUY, **fields: Any) -> AuditRow:
    return AuditRow(**{"order": order, "final_quantity": order.quantity, **fields})


def life(state: OrderState, order: BasketOrder = BUY, *, filled: int = 0) -> OrderLife:
    fills = (make_fill(order, filled),) if filled else ()
    return OrderLife(order=order, state=state, fills=fills, text="said the broker")


def sweep(*fills: Fill, orders: tuple[BrokerOrder, ...] = ()) -> OrderSweep:
    return OrderSweep(at=NOW, open_orders=(), completed_orders=orders, fills=fills)


def found(**fields: Any) -> tuple[Break, ...]:
    defaults: dict[str, Any] = {
        "session": SESSION,
        "wanted": {},
        "held": {},
        "rows": [],
        "approved": frozenset({BUY.order_ref}),
        "lives": {},
        "dropped": [],
        "flattened": {},
        "checks": [],
        "names": {ES: make_qualified("ESZ26")},
        "sweep": sweep(),
    }
    return breaks.breaks(breaks.BreakInputs(**{**defaults, **fields}))


def only(**fields: Any) -> Break:
    (one,) = found(**fields)
    return one


def cause(**fields: Any) -> BreakCause:
    """Of a model that wants two and of a desk that holds none."""
    return only(**{"wanted": {"TF": {ES: 2}}, "rows": [row()], **fields}).cause


def test_books_that_agree_have_no_break() -> None:
    held = {"TF": {ES: 2}}

    assert found(wanted=held, held=held) == ()
    assert found(checks=[PositionCheck(symbol="ESZ26", con_id=1, desk=2, broker=2)]) == ()


@pytest.mark.parametrize(
    ("state", "filled", "expected"),
    [
        (OrderState.CANCELLED, 0, BreakCause.NOT_FILLED),
        (OrderState.CANCELLED, 1, BreakCause.PARTLY_FILLED),
        (OrderState.REJECTED, 0, BreakCause.REJECTED),
        (OrderState.UNKNOWN, 0, BreakCause.UNKNOWN_ORDER),
        (OrderState.WORKING, 0, BreakCause.WORKING),
        (OrderState.INTENDED, 0, BreakCause.NOT_SENT),
    ],
)
def test_an_order_that_did_not_fill_whole_is_the_cause(
    state: OrderState, filled: int, expected: BreakCause
) -> None:
    lives = {BUY.order_ref: life(state, filled=filled)}

    one = only(wanted={"TF": {ES: 2}}, held={"TF": {ES: filled}}, rows=[row()], lives=lives)
    assert (one.kind, one.model, one.cause) == (BreakKind.MODEL, "TF", expected)
    assert (one.expected, one.actual, one.difference) == (2, filled, filled - 2)
    assert one.proposal


@pytest.mark.parametrize(("filled", "size"), [(1, 1), (3, 3)])
def test_an_order_that_a_person_resized_in_tws_is_said_so(filled: int, size: int) -> None:
    resized = replace(life(OrderState.CANCELLED, filled=filled), resized=size)
    lives = {BUY.order_ref: resized}

    one = only(wanted={"TF": {ES: 2}}, held={"TF": {ES: filled}}, rows=[row()], lives=lives)
    assert one.cause is BreakCause.RESIZED
    assert one.detail == f"{filled} of 2: somebody changed its size to {size} in TWS"


def test_what_an_order_for_several_models_filled_beyond_them_is_said_so() -> None:
    lives = {BUY.order_ref: replace(life(OrderState.FILLED, filled=3), resized=3)}

    one = only(checks=[check(2, 3)], lives=lives)
    assert (one.kind, one.cause) == (BreakKind.ACCOUNT, BreakCause.RESIZED)
    assert one.detail.startswith(BUY.order_ref)


def test_what_the_reviewer_took_out_is_said_so() -> None:
    assert cause(approved=frozenset()) is BreakCause.EXCLUDED_AT_APPROVAL


def test_an_evening_that_nobody_decided_on_is_said_so() -> None:
    assert cause(approved=None) is BreakCause.NOT_APPROVED


def test_a_blocked_row_names_its_findings() -> None:
    blocked = row(findings=(make_finding(code="AC105", severity=Severity.BLOCK),))

    one = only(wanted={"TF": {ES: 2}}, rows=[blocked])
    assert (one.cause, one.detail) == (BreakCause.BLOCKED_BY_AUDIT, "AC105")


def test_a_smaller_size_filled_whole_is_the_audits() -> None:
    smaller = make_order("ESZ26", 1, model_quantity=2)
    lives = {smaller.order_ref: life(OrderState.FILLED, smaller, filled=1)}
    cut = row(final_quantity=1)

    one = only(wanted={"TF": {ES: 2}}, held={"TF": {ES: 1}}, rows=[cut], lives=lives)
    assert one.cause is BreakCause.SIZED_BY_AUDIT


def test_a_reversal_that_may_not_open_is_blocked_with_its_findings() -> None:
    """Two short, and the model turns two long: without bars for the stop only the two close."""
    turn = make_order("ESZ26", 4, kind=TradeKind.REVERSAL, held_before=-2, model_quantity=4)
    lives = {turn.order_ref: life(OrderState.FILLED, replace(turn, quantity=2), filled=2)}
    found = (make_finding(code="AC405"), make_finding(code="AC413"))
    cut = row(turn, final_quantity=2, findings=found)

    one = only(wanted={"TF": {ES: 2}}, rows=[cut], lives=lives, approved=frozenset(lives))
    assert (one.cause, one.detail) == (BreakCause.BLOCKED_BY_AUDIT, "AC405, AC413")


def test_a_catch_up_that_only_closes_is_not_the_audits_doing() -> None:
    """Three short are left of an evening before, and the model is two long: only the exit goes."""
    cover = make_exit("ESZ26", signed=3, model_quantity=0)
    lives = {cover.order_ref: life(OrderState.FILLED, cover, filled=3)}

    one = only(
        wanted={"TF": {ES: 2}},
        rows=[row(cover)],
        lives=lives,
        approved=frozenset({cover.order_ref}),
    )
    assert one.cause is BreakCause.EARLIER


def test_half_the_capital_is_no_cut_by_the_audit() -> None:
    """The model trades two, the desk's order is for one: what is missing comes from before."""
    half = make_order("ESZ26", 1, model_quantity=2)
    lives = {half.order_ref: life(OrderState.FILLED, half, filled=1)}

    one = only(wanted={"TF": {ES: 2}}, held={"TF": {ES: 1}}, rows=[row(half)], lives=lives)
    assert one.cause is BreakCause.EARLIER


def test_what_a_second_attempt_filled_counts_as_well() -> None:
    first, second = make_order("ESZ26", 3), make_order("ESZ26", 2, replaces=BUY.order_ref)
    again = replace(second, order_ref="desk-20261119-TF-ESZ26-O2")
    lives = {
        first.order_ref: life(OrderState.CANCELLED, first, filled=1),
        again.order_ref: life(OrderState.CANCELLED, again, filled=1),
    }
    one = only(wanted={"TF": {ES: 3}}, held={"TF": {ES: 2}}, rows=[row(first)], lives=lives)

    assert (one.cause, one.detail) == (BreakCause.PARTLY_FILLED, "2 of 3")


def test_a_trade_that_became_no_order_is_named_with_its_finding() -> None:
    dropped = [("TF", make_finding(code="AC316", subject="ESZ26", message="nothing to close"))]

    one = only(wanted={"TF": {ES: 2}}, dropped=dropped)
    assert (one.cause, one.detail) == (BreakCause.DROPPED, "AC316: nothing to close")


def test_why_another_models_trade_was_left_out_explains_nothing() -> None:
    finding = make_finding(code="AC408", subject="ESZ26", message="MR holds -3, the desk -2")

    assert only(wanted={"TF": {ES: 2}}, dropped=[("MR", finding)]).cause is BreakCause.EARLIER


def test_the_month_that_waits_for_the_other_leg_of_its_roll_is_said_so() -> None:
    close = make_exit("ESZ26", signed=-2, kind=TradeKind.ROLL_CLOSE)
    lives = {close.order_ref: life(OrderState.CANCELLED, close)}

    given = found(
        wanted={"TF": {ESH: 2}},
        held={"TF": {ES: 2}},
        rows=[row(close)],
        lives=lives,
        approved=frozenset({close.order_ref}),
    )
    assert {b.symbol: b.cause for b in given} == {
        "ESZ26": BreakCause.NOT_FILLED,
        "ESH27": BreakCause.ROLL,
    }


def test_what_the_model_added_while_it_rolled_is_told_as_that() -> None:
    """It closes two and opens three; a roll of the desk opens what it closes."""
    close = make_exit("ESZ26", signed=-2, kind=TradeKind.ROLL_CLOSE)
    roll = make_order(
        "ESH27", 2, kind=TradeKind.ROLL_OPEN, roll_pair=close.order_ref, model_quantity=3
    )
    lives = {o.order_ref: life(OrderState.FILLED, o, filled=2) for o in (close, roll)}

    one = only(
        wanted={"TF": {ESH: 3}}, held={"TF": {ESH: 2}}, rows=[row(close), row(roll)], lives=lives
    )
    assert (one.cause, one.detail) == (
        BreakCause.ROLL_ALONE,
        "the model closed 2 and opened 3",
    )


def test_a_rest_left_before_keeps_its_origin_through_a_roll() -> None:
    known = Break(
        kind=BreakKind.MODEL,
        symbol="ESZ26",
        model="TF",
        expected=3,
        actual=2,
        cause=BreakCause.NOT_FILLED,
        detail="0 of 1",
        proposal="",
    )
    one = only(
        wanted={"TF": {ESH: 3}},
        held={"TF": {ESH: 2}},
        before=[known],
        before_session=date(2026, 11, 18),
    )
    assert (one.symbol, one.cause) == ("ESH27", BreakCause.EARLIER)
    assert one.origin == "not filled on 2026-11-18"


def test_what_a_person_said_since_the_evening_is_told_as_that() -> None:
    one = only(held={"TF": {ES: 3}}, wanted={"TF": {}}, adopted={"TF": frozenset({ES})})

    assert (one.expected, one.actual, one.cause) == (0, 3, BreakCause.ADOPTED)


def test_a_flattened_market_stays_out_and_is_said_so() -> None:
    assert cause(rows=[], flattened={"TF": frozenset({ES.root})}) is BreakCause.FLATTENED


def test_what_no_order_of_this_evening_explains_was_left_before() -> None:
    assert cause(rows=[]) is BreakCause.EARLIER


def test_every_difference_of_a_model_is_a_finding_with_cause_and_proposal() -> None:
    (finding,) = breaks.break_findings(found(wanted={"TF": {ES: 2}}, rows=[]))

    assert (finding.code, finding.subject) == ("AC611", "ESZ26")
    assert "TF wants +2, the desk holds +0" in finding.message
    assert finding.hint


# -- desk and account --------------------------------------------------------------------------


def check(desk: int, broker: int | None) -> PositionCheck:
    return PositionCheck(symbol="ESZ26", con_id=con_id_of(ES), desk=desk, broker=broker)


def foreign(quantity: int, client: int | None = None) -> Fill:
    order = make_order("ESZ26", quantity, order_ref="somebody")
    return make_fill(order, abs(quantity), perm_id=99, client_id=client)


def completed(client: int) -> tuple[BrokerOrder, ...]:
    """Of a completed order the gateway does not tell the client: -1 stands for that."""
    return (
        BrokerOrder(
            order_ref="",
            perm_id=99,
            client_id=client,
            con_id=con_id_of(ES),
            symbol="ES",
            action=BUY.action,
            quantity=3,
            filled=3,
            status="Filled",
            account="DU1234567",
        ),
    )


def test_a_trade_by_hand_is_shown_with_its_price() -> None:
    one = only(checks=[check(2, 5)], sweep=sweep(foreign(3, 0), orders=completed(-1)))

    assert (one.kind, one.cause) == (BreakKind.ACCOUNT, BreakCause.MANUAL)
    assert one.detail == "BUY 3 at 6000"


def test_another_program_is_shown_with_its_number() -> None:
    one = only(checks=[check(2, 5)], sweep=sweep(foreign(3, 31), orders=completed(-1)))

    assert one.cause is BreakCause.OTHER_CLIENT
    assert "client 31" in one.detail


def test_a_trade_of_nobody_known_is_not_called_a_hands() -> None:
    one = only(checks=[check(2, 5)], sweep=sweep(foreign(3)))

    assert (one.cause, one.detail) == (
        BreakCause.NOT_TOLD,
        "by whom is not told: BUY 3 at 6000",
    )


def test_trades_that_explain_a_part_of_a_difference_say_which() -> None:
    one = only(checks=[check(2, 5)], sweep=sweep(foreign(-1, 0)))

    assert one.detail == "SELL 1 at 6000; that is -1 of +3"


# -- what an earlier evening knew --------------------------------------------------------------

YESTERDAY = date(2026, 11, 18)


def earlier(kind: BreakKind, cause: BreakCause, actual: int, **fields: Any) -> Break:
    defaults: dict[str, Any] = {"detail": "", "proposal": "", "model": "", "expected": 2}
    return Break(kind=kind, symbol="ESZ26", cause=cause, actual=actual, **{**defaults, **fields})


def test_a_trade_by_hand_of_yesterday_is_still_that_today() -> None:
    by_hand = earlier(BreakKind.ACCOUNT, BreakCause.MANUAL, 5, detail="BUY 3 at 6000")

    one = only(checks=[check(4, 7)], before=[by_hand], before_session=YESTERDAY)
    assert (one.cause, one.detail) == (BreakCause.MANUAL, "BUY 3 at 6000")
    assert one.origin == "traded by hand on 2026-11-18"


def test_a_difference_that_grew_since_is_told_with_what_it_began_as() -> None:
    by_hand = earlier(BreakKind.ACCOUNT, BreakCause.MANUAL, 5, detail="BUY 3 at 6000")

    one = only(checks=[check(2, 6)], before=[by_hand], before_session=YESTERDAY)
    assert (one.cause, one.detail) == (BreakCause.NOT_TOLD, "")
    assert one.origin == "traded by hand on 2026-11-18"


def test_a_difference_of_the_other_side_is_a_new_one() -> None:
    by_hand = earlier(BreakKind.ACCOUNT, BreakCause.MANUAL, 5)

    one = only(checks=[check(2, 0)], before=[by_hand], before_session=YESTERDAY)
    assert (one.cause, one.origin) == (BreakCause.NOT_TOLD, "")


def test_an_entry_not_caught_up_keeps_the_cause_of_the_evening_on_which_it_began() -> None:
    """Also when that was evenings ago: the one looked at last passes it on."""
    left = make_finding(code="AC408", subject="ESZ26", message="TF holds +2, the desk +0")
    origin = "not filled on 2026-11-12"
    known = earlier(BreakKind.MODEL, BreakCause.DROPPED, 0, model="TF", origin=origin)

    (one,) = found(
        wanted={"TF": {ES: 2}},
        dropped=[("TF", left)],
        before=[known],
        before_session=YESTERDAY,
    )
    assert (one.cause, one.origin) == (BreakCause.DROPPED, origin)
    assert breaks.break_findings([one])[0].message.endswith("it began as not filled on 2026-11-12")


def test_a_fill_of_ours_is_nobody_elses_trade() -> None:
    own = frozenset({"somebody"})

    one = only(checks=[check(2, 5)], sweep=sweep(foreign(3)), ours=own)
    assert one.cause is BreakCause.NOT_TOLD


def test_a_contract_whose_life_ended_is_no_longer_at_the_broker() -> None:
    ended = {ES: make_qualified("ESZ26", last_trade_date=date(2026, 11, 19))}

    assert only(checks=[check(2, 0)], names=ended).cause is BreakCause.CORPORATE_CALENDAR


def test_what_was_closed_by_hand_on_its_last_day_is_a_hands_doing() -> None:
    ended = {ES: make_qualified("ESZ26", last_trade_date=SESSION)}
    by_hand = sweep(foreign(-2, 0))

    one = only(checks=[check(2, 0)], names=ended, sweep=by_hand)
    assert one.cause is BreakCause.MANUAL
    part = only(checks=[check(3, 0)], names=ended, sweep=by_hand)
    assert part.cause is BreakCause.CORPORATE_CALENDAR


def test_an_unknown_order_of_ours_may_be_why() -> None:
    lives = {BUY.order_ref: life(OrderState.UNKNOWN)}

    assert only(checks=[check(0, 2)], lives=lives).cause is BreakCause.UNKNOWN_ORDER


def test_a_difference_that_nothing_tells_of_is_named_as_that() -> None:
    assert only(checks=[check(2, 1)]).cause is BreakCause.NOT_TOLD


def test_an_unknown_position_is_no_break() -> None:
    assert found(checks=[check(2, None)]) == ()


def test_every_cause_has_a_proposal() -> None:
    assert set(breaks._PROPOSALS) == set(BreakCause)


def test_every_cause_is_told_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settle.md").read_text(encoding="utf-8")
    table = page.partition("## Breaks")[2].partition("## A position")[0]

    assert [
        c.value for c in BreakCause if c.value.removesuffix(" by the broker") not in table
    ] == []


def test_prices_are_told_as_they_are() -> None:
    assert make_fill(BUY, 1).price == Decimal(6000)
