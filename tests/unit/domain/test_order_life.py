"""The life of an order from the gateway's words, in every order in which they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.order_life import OrderLife, live, lives, sweep_events
from afterclose.domain.orders import (
    Action,
    BrokerOrder,
    EventKind,
    Fill,
    OrderEvent,
    OrderState,
    OrderSweep,
)
from unit.files.basket_orders import make_order

ORDER = make_order("HGH27", "5.1235", quantity=5, order_ref="ours")
START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


def event(kind: EventKind, **facts: Any) -> OrderEvent:
    return OrderEvent(order_ref="ours", at=START, kind=kind, **facts)


def status(word: str, **facts: Any) -> OrderEvent:
    return event(EventKind.STATUS, status=word, **facts)


def execution(number: int, quantity: int, price: str = "5.12", **facts: Any) -> Fill:
    return Fill(
        exec_id=f"0001f4e8.0000000{number}.01.01",
        order_ref="ours",
        perm_id=77,
        con_id=1,
        action=Action.BUY,
        quantity=quantity,
        price=Decimal(price),
        at=START + timedelta(seconds=number),
        account="DU1234567",
        **facts,
    )


def filled(number: int, quantity: int, price: str = "5.12") -> OrderEvent:
    return event(EventKind.FILL, fill=execution(number, quantity, price))


INTENT = event(EventKind.INTENT)
SENT = event(EventKind.SENT)


def state_after(*events: OrderEvent) -> OrderState:
    return live(ORDER, events).state


def test_an_order_nobody_has_seen_is_intended() -> None:
    life = live(ORDER, ())

    assert (life.state, life.filled, life.remaining) == (OrderState.INTENDED, 0, 5)
    assert life.average_price is None


def test_an_intent_in_the_journal_counts_as_sent() -> None:
    assert state_after(INTENT) is OrderState.SENT
    assert state_after(INTENT, SENT) is OrderState.SENT


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ApiPending", OrderState.SENT),
        ("PendingSubmit", OrderState.SENT),
        ("PreSubmitted", OrderState.ACKNOWLEDGED),
        ("Submitted", OrderState.WORKING),
        ("PendingCancel", OrderState.WORKING),
        ("Cancelled", OrderState.CANCELLED),
        ("ApiCancelled", OrderState.CANCELLED),
        ("Inactive", OrderState.REJECTED),
        ("a word nobody knows", OrderState.SENT),
    ],
)
def test_the_status_words_of_ib_are_the_state(word: str, state: OrderState) -> None:
    assert state_after(INTENT, status(word)) is state


def test_a_message_never_ends_an_order() -> None:
    life = live(
        ORDER, [INTENT, status("Submitted"), event(EventKind.MESSAGE, code=10349, text="TIF set")]
    )

    assert (life.state, life.code, life.text) == (OrderState.WORKING, 10349, "TIF set")


def test_executions_make_the_fill() -> None:
    life = live(ORDER, [INTENT, status("Submitted"), filled(1, 2, "5.10"), filled(2, 3, "5.15")])

    assert (life.state, life.filled, life.remaining) == (OrderState.FILLED, 5, 0)
    # (2 × 5.10 + 3 × 5.15) / 5
    assert life.average_price == Decimal("5.13")


def test_part_of_an_order_may_be_filled() -> None:
    life = live(ORDER, [INTENT, status("Submitted"), filled(1, 2)])

    assert (life.state, life.filled, life.remaining) == (OrderState.PARTLY_FILLED, 2, 3)


def test_a_fill_may_come_before_any_status() -> None:
    assert state_after(INTENT, filled(1, 5)) is OrderState.FILLED


def test_the_word_filled_waits_for_its_executions() -> None:
    assert state_after(INTENT, status("Filled")) is OrderState.WORKING
    assert state_after(INTENT, filled(1, 2), status("Filled")) is OrderState.PARTLY_FILLED
    assert state_after(INTENT, status("Filled"), filled(1, 5)) is OrderState.FILLED


def test_an_execution_told_again_fills_nothing_more() -> None:
    life = live(ORDER, [INTENT, filled(1, 2), filled(1, 2), filled(1, 2)])

    assert (life.state, life.filled) == (OrderState.PARTLY_FILLED, 2)


def test_a_status_repeated_late_does_not_undo_a_fill() -> None:
    for word in ("Submitted", "PreSubmitted", "PendingSubmit", "Cancelled", "Inactive"):
        assert state_after(INTENT, filled(1, 5), status(word)) is OrderState.FILLED
    assert state_after(INTENT, filled(1, 2), status("Submitted")) is OrderState.PARTLY_FILLED
    assert state_after(INTENT, status("Submitted"), status("PendingSubmit")) is OrderState.WORKING


def test_a_cancelled_order_keeps_what_was_filled() -> None:
    life = live(ORDER, [INTENT, filled(1, 2), status("Cancelled")])

    assert (life.state, life.filled, life.remaining) == (OrderState.CANCELLED, 2, 0)


def test_an_execution_may_arrive_after_the_cancellation() -> None:
    life = live(ORDER, [INTENT, status("Cancelled"), filled(1, 2)])

    assert (life.state, life.filled) == (OrderState.CANCELLED, 2)
    assert state_after(INTENT, status("Cancelled"), filled(1, 5)) is OrderState.FILLED


def test_a_commission_is_kept_with_its_execution() -> None:
    paid = execution(1, 5, commission=Decimal("2.47"))
    life = live(ORDER, [INTENT, filled(1, 5), event(EventKind.COMMISSION, fill=paid)])

    assert life.fills == (paid,)
    assert life.state is OrderState.FILLED


def test_an_order_that_a_complete_sweep_does_not_show_is_unknown() -> None:
    absent = event(EventKind.ABSENT)

    assert state_after(INTENT, absent) is OrderState.UNKNOWN
    assert state_after(INTENT, status("Submitted"), absent) is OrderState.UNKNOWN
    assert state_after(INTENT, status("Cancelled"), absent) is OrderState.CANCELLED
    assert state_after(INTENT, absent, status("Submitted")) is OrderState.WORKING


def test_the_permanent_id_is_remembered() -> None:
    life = live(ORDER, [INTENT, status("Submitted", perm_id=77), status("Submitted")])

    assert life.perm_id == 77


def test_events_go_to_their_own_orders() -> None:
    other = make_order("CLF27", "58.10", order_ref="other")
    known = lives([ORDER, other], [INTENT, status("Submitted")])

    assert {ref: life.state for ref, life in known.items()} == {
        "ours": OrderState.WORKING,
        "other": OrderState.INTENDED,
    }


def book(word: str, **facts: Any) -> BrokerOrder:
    shown: dict[str, Any] = {
        "order_ref": "ours", "perm_id": 77, "client_id": 17, "con_id": 1, "symbol": "HG",
        "action": Action.BUY, "quantity": 5, "filled": 0, "status": word, "account": "DU1234567",
    }  # fmt: skip
    return BrokerOrder(**(shown | facts))


def sweep(
    *, working: Any = (), done: Any = (), fills: Any = (), unknown: tuple[str, ...] = ()
) -> OrderSweep:
    return OrderSweep(
        at=START, open_orders=tuple(working), completed_orders=tuple(done), fills=tuple(fills),
        unknown=unknown,
    )  # fmt: skip


def known_sent(**facts: Any) -> dict[str, OrderLife]:
    return {"ours": live(ORDER, [event(EventKind.INTENT, **facts)])}


def after_sweep(swept: OrderSweep, known: dict[str, OrderLife] | None = None) -> OrderLife:
    before = known or known_sent()
    return live(ORDER, [INTENT, *sweep_events(before, swept)])


def test_a_sweep_finds_a_working_order_by_its_reference() -> None:
    life = after_sweep(sweep(working=[book("Submitted")]))

    assert (life.state, life.perm_id) == (OrderState.WORKING, 77)


def test_a_sweep_finds_an_order_without_reference_by_its_permanent_id() -> None:
    swept = sweep(done=[book("Cancelled", order_ref="")])

    assert after_sweep(swept, known_sent(perm_id=77)).state is OrderState.CANCELLED
    assert after_sweep(swept).state is OrderState.UNKNOWN


def test_a_sweep_finds_fills_of_an_order_that_is_in_no_book() -> None:
    life = after_sweep(sweep(fills=[execution(1, 2), execution(2, 3)]))

    assert (life.state, life.filled) == (OrderState.FILLED, 5)


def test_a_sweep_says_nothing_new_of_fills_known_already() -> None:
    known = {"ours": live(ORDER, [INTENT, filled(1, 2)])}

    events = sweep_events(known, sweep(fills=[execution(1, 2)]))

    assert events == ()


def test_absence_counts_only_in_a_complete_sweep() -> None:
    assert after_sweep(sweep()).state is OrderState.UNKNOWN
    assert after_sweep(sweep(unknown=("executions",))).state is OrderState.SENT


def test_an_order_never_sent_is_not_missing() -> None:
    assert sweep_events({"ours": live(ORDER, ())}, sweep()) == ()


def test_orders_of_other_people_are_not_ours() -> None:
    swept = sweep(
        working=[
            book("Submitted", order_ref="theirs", perm_id=5),
            book("Submitted", order_ref="", perm_id=0),
        ],
        fills=[],
    )

    assert [e.kind for e in sweep_events(known_sent(), swept)] == [EventKind.ABSENT]
