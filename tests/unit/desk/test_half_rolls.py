"""Rolls that stand on one leg: what is left of them on the evenings after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.evening.half_rolls import half_rolls
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
