"""Rolls that stand on one leg: what is left of them on the evenings after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.evening.half_rolls import half_rolls, unlike_legs
from make import SESSION, TOMORROW, filled, intent, make_contract, make_exit, make_order, renamed

ESH = make_contract("ESH27")
CLOSE = make_exit("ESZ26", -5, kind=TradeKind.ROLL_CLOSE, roll_pair="desk-20261119-TF-ESH27-O1")
OPEN = make_order("ESH27", 5, kind=TradeKind.ROLL_OPEN, roll_pair="desk-20261119-TF-ESZ26-C1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    yield opened
    opened.close()


def trade(ledger: SqlLedger, *fills: tuple[BasketOrder, int]) -> None:
    orders = [order for order, _ in fills]
    ledger.record_orders("run", orders)
    for order, quantity in fills:
        ledger.append_events("run", [intent(order)])
        if quantity:
            ledger.append_events("run", [filled(order, quantity, f"{order.order_ref}.01")])


def on(order: BasketOrder, session: date) -> BasketOrder:
    name = order.order_ref.replace("20261119", f"{session:%Y%m%d}")
    return renamed(order, session=session, order_ref=name)


def test_what_was_closed_and_not_opened_is_left(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 5), (OPEN, 2))

    assert half_rolls(ledger, TOMORROW) == {"TF": {ESH: 3}}


def test_a_roll_that_filled_alike_is_over(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 3), (OPEN, 3))

    assert half_rolls(ledger, TOMORROW) == {}


def test_a_leg_that_opened_further_than_the_other_closed_is_no_gap(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 1), (OPEN, 5))

    assert half_rolls(ledger, TOMORROW) == {}


def test_a_close_that_went_alone_was_an_exit(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 5))

    assert half_rolls(ledger, TOMORROW) == {}


def test_tonights_own_roll_is_not_counted(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 5), (OPEN, 0))

    assert half_rolls(ledger, SESSION) == {}


def test_a_completion_of_the_next_evening_is_counted_and_its_rest_goes_on(
    ledger: SqlLedger,
) -> None:
    later = on(renamed(OPEN, quantity=3, catch_up=True, roll_pair=""), TOMORROW)
    trade(ledger, (CLOSE, 5), (OPEN, 2))
    trade(ledger, (later, 1))

    assert half_rolls(ledger, date(2026, 11, 23)) == {"TF": {ESH: 2}}


def test_a_model_that_left_and_entered_anew_has_no_half_roll(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 5), (OPEN, 2))
    trade(ledger, (on(make_exit("ESH27", -2), TOMORROW), 2))

    assert half_rolls(ledger, date(2026, 11, 23)) == {}


def test_after_five_sessions_it_is_nobodys_roll_any_more(ledger: SqlLedger) -> None:
    trade(ledger, (CLOSE, 5), (OPEN, 2))

    assert half_rolls(ledger, date(2026, 11, 30)) == {}


BY_HAND = "desk-20261119-ESZ26-RC1", "desk-20261119-ESH27-RO1"
HAND_CLOSE = renamed(CLOSE, order_ref=BY_HAND[0], roll_pair=BY_HAND[1], model="(desk)")
HAND_OPEN = renamed(OPEN, order_ref=BY_HAND[1], roll_pair=BY_HAND[0], model="(desk)")


def by_hand(ledger: SqlLedger, closed: int, opened: int, **owners: int) -> None:
    """Roll five by hand; ``owners`` is what each model had of them, the rest is nobody's."""
    parts = {
        HAND_CLOSE.order_ref: {model: -had for model, had in owners.items()},
        HAND_OPEN.order_ref: owners,
    }
    ledger.record_orders("roll", [HAND_CLOSE, HAND_OPEN], parts=parts)
    for order, quantity in ((HAND_CLOSE, closed), (HAND_OPEN, opened)):
        if quantity:
            ledger.append_events("roll", [filled(order, quantity, f"{order.order_ref}.01")])


def test_a_roll_by_hand_that_was_only_closed_is_left_to_each_of_its_models(
    ledger: SqlLedger,
) -> None:
    by_hand(ledger, 5, 0, TF=3, MR=1)

    assert half_rolls(ledger, TOMORROW) == {"TF": {ESH: 3}, "MR": {ESH: 1}}
    assert unlike_legs(ledger, ESH.root, SESSION) == {
        "TF": {ESH: 3},
        "MR": {ESH: 1},
        "(desk)": {ESH: 1},
    }
    assert ledger.rolled("TF") == {CLOSE.contract: ESH}


def test_a_roll_by_hand_whose_legs_filled_alike_leaves_nothing(ledger: SqlLedger) -> None:
    by_hand(ledger, 5, 5, TF=5)

    assert half_rolls(ledger, TOMORROW) == {}
    assert unlike_legs(ledger, ESH.root, SESSION) == {}


def test_what_a_roll_by_hand_opened_too_early_is_told_with_the_other_sign_and_to_no_evening(
    ledger: SqlLedger,
) -> None:
    by_hand(ledger, 2, 5, TF=5)

    assert half_rolls(ledger, TOMORROW) == {}
    assert unlike_legs(ledger, ESH.root, SESSION) == {"TF": {ESH: -3}}


def test_what_was_flattened_after_it_was_half_rolled_is_rolled_no_more(ledger: SqlLedger) -> None:
    by_hand(ledger, 3, 0, TF=5)
    rest = renamed(CLOSE, order_ref="desk-20261119-ESZ26-F1", model="(desk)", roll_pair="")
    rest = renamed(rest, kind=TradeKind.EXIT, quantity=2)
    ledger.record_orders("flatten", [rest], parts={rest.order_ref: {"TF": -2}})
    later = filled(rest, 2, "flat.01")
    assert later.fill is not None
    at = later.fill.at + timedelta(minutes=1)
    ledger.append_events("flatten", [replace(later, fill=replace(later.fill, at=at))])

    assert half_rolls(ledger, TOMORROW) == {}
    assert unlike_legs(ledger, ESH.root, SESSION) == {}
