"""What of a drift only a person can say: orders whose fate or price nobody told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from afterclose.domain.netting import Netting, SessionRecord
from afterclose.domain.order_life import filled_by_word, lives
from afterclose.domain.orders import EventKind, OrderEvent
from afterclose.evening.nav_book import Kept, doubts
from make import NOW, SESSION, filled, intent, make_order

ORDER = make_order("ESZ26", 2)
NOT_FOUND = OrderEvent(
    order_ref=ORDER.order_ref, at=NOW + timedelta(hours=1), kind=EventKind.ABSENT
)


def kept(*events: OrderEvent) -> list[Kept]:
    record = SessionRecord(session=SESSION, orders=(ORDER,), events=events, netting=Netting())
    return [(record, lives([ORDER], events))]


def test_an_order_that_is_unknown_is_a_doubt_from_the_moment_it_left() -> None:
    assert list(doubts(kept(intent(ORDER), NOT_FOUND))) == [
        (NOW, f"what became of {ORDER.order_ref}")
    ]


def test_a_fill_by_a_persons_word_is_one_when_it_left_and_when_the_word_was_given() -> None:
    before = (intent(ORDER), NOT_FOUND)
    told = filled_by_word(
        lives([ORDER], before)[ORDER.order_ref],
        quantity=2,
        price=Decimal("6000.25"),
        at=NOW + timedelta(days=1),
        by="Ann",
        why="in TWS's trade log",
    )
    said = f"when {ORDER.order_ref} filled: a person has told it"

    assert list(doubts(kept(*before, *told))) == [(NOW, said), (NOW + timedelta(days=1), said)]


def test_an_order_whose_fill_the_gateway_told_is_none() -> None:
    assert list(doubts(kept(intent(ORDER), filled(ORDER, 2, "0001.01")))) == []
