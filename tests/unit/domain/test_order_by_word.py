"""What a person looked up of an order that the gateway no longer tells."""

from __future__ import annotations

from decimal import Decimal

import pytest

from afterclose.domain.order_life import OrderLife, filled_by_word, live
from afterclose.domain.orders import EventKind, OrderEvent, OrderState, final_fills
from make import filled, intent, make_event, make_order, status

D = Decimal
BUY = make_order(signed=3)
SENT = intent(BUY)
GONE = make_event(BUY, EventKind.ABSENT)
ONE = filled(BUY, 1, exec_id="0001.01")
TWO = filled(BUY, 1, exec_id="0002.01")
PRICE = BUY.limit_price


def told(*events: OrderEvent) -> OrderLife:
    return live(BUY, events)


def word(life: OrderLife, quantity: int) -> tuple[OrderEvent, ...]:
    return filled_by_word(
        life, quantity=quantity, price=PRICE, at=SENT.at, by="Ann", why="the trade log of TWS"
    )


def test_a_person_may_say_that_all_of_an_unknown_order_filled() -> None:
    unknown = told(SENT, GONE)
    life = told(SENT, GONE, *word(unknown, 3))

    assert unknown.state is OrderState.UNKNOWN
    assert (life.state, life.filled, life.average_price) == (OrderState.FILLED, 3, PRICE)
    assert life.text == "Ann says 3 of 3 filled: the trade log of TWS"


def test_a_part_counts_what_was_known_before_and_ends_the_rest() -> None:
    unknown = told(SENT, ONE, GONE)
    life = told(SENT, ONE, GONE, *word(unknown, 2))

    assert [f.quantity for f in life.fills] == [1, 1]
    assert (life.state.final, life.filled, life.remaining) == (True, 2, 0)


@pytest.mark.parametrize("quantity", [1, 4, 0])
def test_it_is_never_more_than_the_order_and_never_nothing_new(quantity: int) -> None:
    with pytest.raises(ValueError, match="1 of 3 are known"):
        word(told(SENT, ONE, GONE), quantity)


def test_an_execution_that_the_gateway_tells_after_all_replaces_the_word() -> None:
    words = word(told(SENT, ONE, GONE), 3)
    life = told(SENT, ONE, GONE, *words, TWO)

    assert life.filled == 2
    assert life.state is OrderState.PARTLY_FILLED
    assert told(SENT, ONE, GONE, *words, TWO, GONE).state is OrderState.UNKNOWN


def test_an_execution_that_was_known_does_not() -> None:
    words = word(told(SENT, ONE, GONE), 3)
    life = told(SENT, ONE, GONE, *words, ONE)

    assert (life.state, life.filled) == (OrderState.FILLED, 3)


def test_an_order_that_shows_alive_after_all_is_not_over() -> None:
    life = told(SENT, GONE, *word(told(SENT, GONE), 3), status(BUY, "Submitted"))

    assert not life.state.final


def test_the_word_on_one_order_is_no_matter_of_another() -> None:
    other = make_order("NQZ26", signed=3)
    words = word(told(SENT, GONE), 3)
    theirs = filled(other, 3, exec_id="0009.01")

    fills = [e.fill for e in (*words, theirs) if e.fill is not None]
    assert [f.quantity for f in final_fills(fills)] == [3, 3]


def test_a_second_word_on_an_order_replaces_the_first() -> None:
    seen = (SENT, ONE, GONE, *word(told(SENT, ONE, GONE), 2), status(BUY, "Submitted"), GONE)
    again = told(*seen)

    assert again.state is OrderState.UNKNOWN
    assert told(*seen, *word(again, 3)).filled == 3
