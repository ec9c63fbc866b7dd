"""Attempts at one order, and rolls that stand on one leg."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from afterclose.domain.legs import attempts_at, filled_by, last_attempts, lone_pairs
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, OrderState, TradeKind, later_attempt
from make import NOW, make_fill, make_order

CLOSE = make_order("ESZ26", -2, kind=TradeKind.ROLL_CLOSE, roll_pair="desk-20261119-TF-ESH27-O1")
OPENS = make_order("ESH27", 2, kind=TradeKind.ROLL_OPEN, roll_pair=CLOSE.order_ref)


def life(order: BasketOrder, *fills: int, state: OrderState = OrderState.WORKING) -> OrderLife:
    """A life with one fill a minute."""
    told = tuple(
        replace(
            make_fill(order, n, exec_id=f"{order.order_ref}.{i}"), at=NOW + timedelta(minutes=i)
        )
        for i, n in enumerate(fills)
    )
    return OrderLife(order=order, state=state, fills=told)


def known(*lives: OrderLife) -> dict[str, OrderLife]:
    return {one.order.order_ref: one for one in lives}


def test_legs_that_are_filled_alike_are_no_lone_leg() -> None:
    assert not list(lone_pairs(known(life(CLOSE), life(OPENS))))
    assert not list(lone_pairs(known(life(CLOSE, 1), life(OPENS, 1))))
    assert not list(lone_pairs(known(life(CLOSE, 1, 1), life(OPENS, 2))))


def test_a_leg_is_alone_from_the_fill_that_left_the_other_behind() -> None:
    (pair,) = lone_pairs(known(life(CLOSE, 1, 1), life(OPENS, 1)))

    assert (pair.lagging.order, pair.filled, pair.filled_ahead) == (OPENS, 1, 2)
    assert pair.since == NOW + timedelta(minutes=1)
    assert pair.text(NOW + timedelta(minutes=16)) == (
        "A ROLL STANDS ON ONE LEG for 15 minutes: 2 filled in ESZ26, 1 in ESH27"
    )


def test_the_close_may_be_the_leg_that_lags() -> None:
    (pair,) = lone_pairs(known(life(CLOSE), life(OPENS, 2)))

    assert pair.lagging.order == CLOSE


def test_a_smaller_leg_that_is_filled_to_its_end_is_not_behind() -> None:
    assert not list(lone_pairs(known(life(CLOSE, 2), life(replace(OPENS, quantity=1), 1))))


def test_all_attempts_at_a_leg_count_and_the_last_one_is_named() -> None:
    second = replace(
        OPENS,
        order_ref=later_attempt(OPENS.order_ref),
        replaces=OPENS.order_ref,
        quantity=1,
    )
    lives = known(life(CLOSE, 2), life(OPENS, 1, state=OrderState.CANCELLED), life(second))

    (pair,) = lone_pairs(lives)
    assert (pair.lagging.order, pair.filled) == (second, 1)
    assert filled_by(attempts_at(lives, OPENS.order_ref)) == 1
    assert [one.order for one in last_attempts(lives.values())] == [CLOSE, second]
    assert not list(lone_pairs(known(*lives.values()) | known(life(second, 1))))


def test_a_leg_whose_partner_is_not_known_is_not_judged() -> None:
    assert not list(lone_pairs(known(life(OPENS, 1))))
    assert attempts_at({}, OPENS.order_ref) == ()
