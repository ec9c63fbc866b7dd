"""Which order goes when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import TradeKind
from afterclose.stages.submit import SubmitRequest, in_sending_order, leaving, to_send
from make import intent, make_exit, make_order, make_qualified, status

KIND = TradeKind
ORDERS = [
    make_order("ESZ26", 1, kind=KIND.ENTRY),
    make_order("ZNZ26", 1, kind=KIND.ROLL_OPEN),
    make_order("CLZ26", 1, kind=KIND.ADD),
    make_order("ZNU26", -1, kind=KIND.ROLL_CLOSE),
    make_order("GCZ26", -1, kind=KIND.REVERSAL),
    make_order("NGZ26", -1, kind=KIND.EXIT),
    make_order("ZBU26", -1, kind=KIND.ROLL_CLOSE),
    make_order("HGZ26", -1, kind=KIND.REDUCE),
    make_order("ZBZ26", 1, kind=KIND.ROLL_OPEN),
    make_order("SIZ26", -1, kind=KIND.AUTO_CLOSE),
]


def test_what_closes_goes_first_then_rolls_leg_by_leg_then_what_opens() -> None:
    assert [o.contract.symbol for o in in_sending_order(ORDERS)] == [
        *("SIZ26", "NGZ26", "HGZ26"),
        *("ZBU26", "ZBZ26", "ZNU26", "ZNZ26"),
        *("GCZ26", "CLZ26", "ESZ26"),
    ]


def test_an_order_that_may_have_left_is_never_among_those_to_send() -> None:
    known = lives(ORDERS, [intent(ORDERS[0]), status(ORDERS[2], "Inactive")])
    refs = {o.order_ref for o in to_send(known, ORDERS)}

    assert {o.order_ref for o in ORDERS} - refs == {ORDERS[0].order_ref, ORDERS[2].order_ref}


def test_a_dry_run_keeps_a_leg_whose_closing_one_was_rejected_as_a_sending_does() -> None:
    opens = make_order("ZNZ26", 1, kind=KIND.ROLL_OPEN)
    close = make_exit("ZNU26", -1, kind=KIND.ROLL_CLOSE, roll_pair=opens.order_ref)
    opens = replace(opens, roll_pair=close.order_ref)
    asked = SubmitRequest(
        run_id="run",
        orders=[close, opens],
        qualified={o.contract: make_qualified(o.contract.symbol) for o in (close, opens)},
    )
    untouched = lives([close, opens], [])
    rejected = lives([close, opens], [intent(close), status(close, "Inactive")])
    taken = lives([close, opens], [intent(close), status(close, "PreSubmitted")])

    def reasons(known: Mapping[str, OrderLife]) -> list[str]:
        return [one.reason for one in leaving(asked, known, {})]

    assert reasons(untouched) == ["", ""]
    assert reasons(rejected) == [f"the leg that closes, {close.order_ref}, is rejected"]
    assert reasons(taken) == [""]
