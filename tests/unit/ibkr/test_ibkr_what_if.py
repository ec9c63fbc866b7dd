"""What-ifs: the order that goes out, and what TWS's answers to it mean."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from ib_async.contract import Contract
from ib_async.order import Order, OrderState

from afterclose.adapters.ibkr.receiver import Outcome, Receiver, Reply
from afterclose.adapters.ibkr.rows import OpenOrderRow
from afterclose.adapters.ibkr.what_if import margin_impact, what_if_order
from afterclose.domain.orders import Action, TradeKind
from unit.ibkr.ibkr_values import EVENING, QUALIFIED_ES, order

UNSET = "1.7976931348623157E308"
D = Decimal
ENTRY = order()
EXIT = order(action=Action.SELL, kind=TradeKind.EXIT)


def answered(**figures: Any) -> Reply:
    row = OpenOrderRow(order=Order(whatIf=True), contract=Contract(), state=OrderState(**figures))
    return Reply(outcome=Outcome.ENDED, rows=(row,))


HEALTHY = {
    "initMarginBefore": "1000.50",
    "initMarginAfter": "23000.50",
    "initMarginChange": "22000",
    "maintMarginBefore": "900",
    "maintMarginAfter": "20900",
    "equityWithLoanAfter": "500000",
}


@pytest.mark.parametrize("order_type", ["LMT", "MKT", "ADAPTIVE"])
def test_a_what_if_is_flagged_nameless_and_plain(order_type: str) -> None:
    qualified = replace(QUALIFIED_ES, order_types=("LMT", "MKT", "ALGO"))
    written = what_if_order(
        replace(ENTRY, order_type=order_type, tif="GTC"), qualified, now=EVENING
    )

    assert written.whatIf is True
    assert (written.orderRef, written.algoStrategy, written.algoParams) == ("", "", [])
    assert (written.tif, written.goodAfterTime, written.goodTillDate) == ("DAY", "", "")
    assert (written.account, written.totalQuantity) == (ENTRY.account, ENTRY.quantity)


def test_margins_are_read_to_the_cent() -> None:
    impact = margin_impact(ENTRY, answered(**HEALTHY))

    assert (impact.initial_before, impact.initial_after) == (D("1000.50"), D("23000.50"))
    assert (impact.initial_change, impact.maintenance_change) == (D(22000), D(20000))
    assert (impact.refused, impact.quantity) == (False, ENTRY.quantity)


@pytest.mark.parametrize(
    "figures",
    [
        {"initMarginAfter": UNSET},
        {"initMarginAfter": ""},
        {"initMarginAfter": "0"},  # what opens binds something
        {"initMarginAfter": "NaN"},
    ],
)
def test_a_figure_that_is_not_set_is_unknown(figures: dict[str, str]) -> None:
    impact = margin_impact(ENTRY, answered(**{**HEALTHY, **figures}))

    assert impact.initial_change is None
    assert impact.text == "TWS left the margins unset"


def test_zeros_all_over_were_never_worked_out() -> None:
    zeros = dict.fromkeys(HEALTHY, "0.0")

    assert margin_impact(EXIT, answered(**zeros)).initial_change is None


def test_an_exit_may_leave_no_margin_at_all() -> None:
    impact = margin_impact(EXIT, answered(**{**HEALTHY, "initMarginAfter": "0"}))

    assert impact.initial_change == D("-1000.50")


def test_a_margin_before_that_is_unset_follows_from_the_change() -> None:
    impact = margin_impact(ENTRY, answered(**{**HEALTHY, "initMarginBefore": UNSET}))

    assert impact.initial_change == D(22000)


def test_a_warning_is_kept() -> None:
    impact = margin_impact(ENTRY, answered(**HEALTHY, warningText="capped"))

    assert impact.warning == "capped"


@pytest.mark.parametrize(
    ("reply", "refused"),
    [
        (Reply(outcome=Outcome.REFUSED, code=201, text="Order rejected - reason: no funds"), True),
        (Reply(outcome=Outcome.REFUSED, code=321, text="API is in Read-Only mode."), False),
        (Reply(outcome=Outcome.TIMED_OUT, text="no answer within 20 s"), False),
        (Reply(outcome=Outcome.LINE_LOST, text="the line was lost"), False),
    ],
)
def test_without_an_answer_the_margin_is_unknown_and_says_why(reply: Reply, refused: bool) -> None:  # noqa: FBT001 - a case
    impact = margin_impact(ENTRY, reply)

    assert impact.initial_change is None
    assert (impact.refused, impact.code, impact.text) == (refused, reply.code, reply.text)


def heard(order: Order) -> tuple[Receiver, list[Any]]:
    receiver = Receiver()
    told: list[Any] = []

    class Listener:
        def heard(self, row: Any) -> None:
            told.append(row)

        read = heard

        def line_lost(self) -> None:
            pass

    receiver.attach(Listener())
    receiver.decoder_calls(utc=None).openOrder(order.orderId, Contract(), order, OrderState())
    return receiver, told


def test_the_answer_to_a_what_if_is_never_told_as_an_order() -> None:
    _, told = heard(Order(orderId=5, whatIf=True))
    _, real = heard(Order(orderId=5))

    assert told == []
    assert len(real) == 1
