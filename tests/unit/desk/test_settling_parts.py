"""Act three: whose executions are taken from the broker's book."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.book_events import sweep_events
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.order_life import lives
from afterclose.domain.orders import EventKind, Fill, OrderState
from afterclose.domain.sending import DESK_MODEL
from afterclose.evening import settling
from make import NOW, SESSION, make_event, make_fill, make_order

YESTERDAY = date(2026, 11, 18)
LEFT = make_order("ESZ26", 2, order_ref="desk-20261118-TF-ESZ26-O1", session=YESTERDAY)
TONIGHT = make_order("ZNZ26", 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with closing(SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")) as ledger:
        for order in (LEFT, TONIGHT):
            ledger.record_orders("run", [order])
            ledger.append_events("run", [make_event(order, kind=EventKind.SENT)])
        yield ledger


def book(*fills: Fill) -> OrderSweep:
    return OrderSweep(at=NOW, open_orders=(), completed_orders=(), fills=fills)


def test_what_filled_of_an_earlier_evenings_order_is_written_down(ledger: SqlLedger) -> None:
    """Its exchange was closed: it worked on, and filled after its own evening was looked at."""
    told = book(make_fill(LEFT, 2))
    known = settling.lives_in(ledger, SESSION, told)
    ledger.append_events("run", sweep_events(known, told))

    assert lives([LEFT], ledger.events(YESTERDAY))[LEFT.order_ref].filled == 2
    assert ledger.held("TF") == {LEFT.contract: 2}


def test_an_evening_of_which_the_book_tells_nothing_is_left_to_its_own_settling(
    ledger: SqlLedger,
) -> None:
    assert set(settling.lives_in(ledger, SESSION, book())) == {TONIGHT.order_ref}


def test_an_order_by_hand_that_no_book_shows_any_more_is_unknown_so_that_a_person_can_settle_it(
    ledger: SqlLedger,
) -> None:
    """Its process was killed, and no evening of its own would ever have looked for it."""
    flattening = make_order(
        "CLZ26", -2, order_ref="desk-20261118-CLZ26-F1", session=YESTERDAY, model=DESK_MODEL
    )
    ledger.record_orders("flatten", [flattening])
    ledger.append_events("flatten", [make_event(flattening, kind=EventKind.INTENT)])
    settling.write_down(ledger, "settle", SESSION, book())
    known = lives([flattening], ledger.events(YESTERDAY))

    assert known[flattening.order_ref].state is OrderState.UNKNOWN
    assert lives([LEFT], ledger.events(YESTERDAY))[LEFT.order_ref].state is OrderState.UNKNOWN


def test_a_strangers_execution_brings_no_evening_in(ledger: SqlLedger) -> None:
    stranger = make_fill(make_order("ESZ26", 1, order_ref="somebody"), 1)

    assert set(settling.lives_in(ledger, SESSION, book(stranger))) == {TONIGHT.order_ref}
