"""The life of an order, as a pure function of what was seen of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from afterclose.domain.book_events import sweep_events
from afterclose.domain.order_life import OrderLife, live, lives
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    EventKind,
    OrderEvent,
    OrderState,
    final_fills,
    order_ref,
)
from afterclose.errors import UsageError
from make import (
    SESSION,
    USD,
    filled,
    intent,
    make_broker_order,
    make_contract,
    make_event,
    make_fill,
    make_order,
    make_sweep,
    status,
)

D = Decimal
BUY = make_order(signed=3)
SENT, ACK = intent(BUY), status(BUY, "PreSubmitted", perm_id=4711)
WORKING = status(BUY, "Submitted")


def state(*events: OrderEvent) -> OrderState:
    return live(BUY, events).state


def test_an_order_nobody_heard_of_is_intended() -> None:
    life = live(BUY, [])

    assert (life.state, life.filled, life.remaining) == (OrderState.INTENDED, 0, 3)
    assert life.average_price is None


def test_an_intent_counts_as_sent() -> None:
    assert state(SENT) is OrderState.SENT


def test_what_held_an_order_back_is_not_said_of_it_once_it_goes() -> None:
    held = make_event(BUY, EventKind.MESSAGE, text="held back: the limit", code=201)
    stays, goes = live(BUY, [held]), live(BUY, [held, SENT])

    assert (stays.state, stays.text) == (OrderState.INTENDED, "held back: the limit")
    assert (goes.state, goes.text, goes.code) == (OrderState.SENT, "", None)
    assert not goes.refused


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ApiPending", OrderState.SENT),
        ("PendingSubmit", OrderState.SENT),
        ("PreSubmitted", OrderState.ACKNOWLEDGED),
        ("Submitted", OrderState.WORKING),
        ("PendingCancel", OrderState.WORKING),
        ("Cancelled", OrderState.CANCELLED),
        ("ApiCancelled", OrderState.CANCELLED),
        ("Inactive", OrderState.REJECTED),
    ],
)
def test_the_brokers_own_word_is_the_evidence(word: str, expected: OrderState) -> None:
    assert state(SENT, status(BUY, word)) is expected


def test_a_word_we_do_not_know_ends_nothing_and_proves_the_order_is_there() -> None:
    assert state(SENT, WORKING, status(BUY, "Suspended")) is OrderState.WORKING
    assert state(status(BUY, "Suspended")) is OrderState.SENT


@pytest.mark.parametrize("code", [201, 202, 399, 2109, 10349, 504])
@pytest.mark.parametrize("before", [SENT, ACK, WORKING], ids=["sent", "acknowledged", "working"])
def test_messages_and_errors_end_nothing(before: OrderEvent, code: int) -> None:
    message = make_event(BUY, "message", code=code, text="something happened")
    life = live(BUY, [SENT, before, message])

    assert life.state is state(SENT, before)
    assert (life.text, life.code) == ("something happened", code)


def test_executions_are_the_fill_not_the_word() -> None:
    assert state(SENT, WORKING, status(BUY, "Filled")) is OrderState.WORKING
    assert state(SENT, filled(BUY, 1, "a.01"), status(BUY, "Filled")) is OrderState.PARTLY_FILLED
    assert state(SENT, filled(BUY, 3, "a.01")) is OrderState.FILLED


def test_fills_add_up_to_the_order() -> None:
    life = live(BUY, [SENT, filled(BUY, 1, "a.01", price=D(6000))])
    assert (life.state, life.filled, life.remaining) == (OrderState.PARTLY_FILLED, 1, 2)

    life = live(BUY, [SENT, filled(BUY, 1, "a.01"), filled(BUY, 2, "b.01", price=D(6003))])
    assert (life.state, life.filled, life.remaining) == (OrderState.FILLED, 3, 0)
    assert life.average_price == D(6002)  # (6000 + 2 × 6003) / 3


def test_an_execution_told_twice_counts_once() -> None:
    assert live(BUY, [SENT, filled(BUY, 1, "a.01"), filled(BUY, 1, "a.01")]).filled == 1


def test_filled_is_the_end() -> None:
    done = [SENT, filled(BUY, 3, "a.01")]

    for later in ("Cancelled", "Inactive", "Submitted", "PreSubmitted"):
        assert state(*done, status(BUY, later)) is OrderState.FILLED
    assert state(*done, make_event(BUY, "absent")) is OrderState.FILLED


def test_a_fill_behind_a_cancellation_is_not_lost() -> None:
    cancelled = [SENT, status(BUY, "Cancelled")]
    life = live(BUY, [*cancelled, filled(BUY, 1, "a.01")])

    assert (life.state, life.filled, life.remaining) == (OrderState.CANCELLED, 1, 0)
    assert state(*cancelled, filled(BUY, 3, "a.01")) is OrderState.FILLED


def test_a_cancelled_order_stays_cancelled_behind_late_words() -> None:
    for later in (WORKING, ACK, SENT, make_event(BUY, "absent"), status(BUY, "Inactive")):
        assert state(SENT, status(BUY, "Cancelled"), later) is OrderState.CANCELLED


def test_an_inactive_order_may_come_back_to_life() -> None:
    assert state(SENT, status(BUY, "Inactive"), WORKING) is OrderState.WORKING


def heard(*before: OrderEvent, **book: object) -> OrderLife:
    """What is known after a look at the book."""
    return live(
        BUY, [*before, *sweep_events({BUY.order_ref: live(BUY, before)}, make_sweep(**book))]
    )


def sized(word: str, filled: int, remaining: int) -> OrderEvent:
    return replace(status(BUY, word), filled=filled, remaining=remaining)


def test_an_order_for_fewer_contracts_ends_with_the_executions_of_those() -> None:
    smaller = (SENT, sized("Submitted", 0, 2))
    one, two = filled(BUY, 1, "a.01"), filled(BUY, 1, "b.01")
    ended = live(BUY, [*smaller, one, two])

    assert live(BUY, smaller).remaining == 2
    assert state(*smaller, one) is OrderState.PARTLY_FILLED
    assert state(*smaller, one, sized("Filled", 2, 0)) is OrderState.PARTLY_FILLED
    assert (ended.state, ended.filled, ended.wanted) == (OrderState.CANCELLED, 2, 2)
    assert ended.by_hand == "somebody changed its size to 2 in TWS"
    assert state(SENT, one, two, sized("Filled", 2, 0)) is OrderState.CANCELLED
    # What is left of a cancelled order's size is not told, and back is back.
    assert live(BUY, [SENT, sized("Cancelled", 0, 0)]).wanted == 3
    assert live(BUY, [*smaller, sized("Submitted", 0, 3)]).text == ""


def test_an_order_for_more_contracts_is_not_over_with_ours() -> None:
    ours = (SENT, filled(BUY, 3, "a.01"))
    larger = live(BUY, [*ours, sized("Submitted", 3, 2)])

    assert state(*ours) is OrderState.FILLED
    assert (larger.state, larger.remaining) == (OrderState.PARTLY_FILLED, 2)
    assert live(BUY, [*ours, sized("Submitted", 1, 2)]).state is OrderState.FILLED  # an old word
    assert state(*ours, sized("Submitted", 3, 2), filled(BUY, 2, "b.01")) is OrderState.FILLED


def test_the_book_that_calls_fewer_contracts_filled_and_tells_them_hides_nothing() -> None:
    ended = make_broker_order(BUY, status="Filled", quantity=2, filled=2)
    fills = (make_fill(BUY, 2, exec_id="a.01"),)

    assert heard(SENT, completed_orders=(ended,), fills=fills).state is OrderState.CANCELLED
    assert heard(SENT, completed_orders=(ended,)).state is OrderState.UNKNOWN


OPEN_INACTIVE = make_broker_order(BUY, status="Inactive")


def test_an_inactive_order_among_the_open_ones_is_held_and_not_over() -> None:
    inactive = status(BUY, "Inactive")
    held = heard(SENT, inactive, open_orders=(OPEN_INACTIVE,))

    assert (held.state, held.held, held.remaining) == (OrderState.UNKNOWN, True, 3)
    assert heard(SENT, inactive, completed_orders=(OPEN_INACTIVE,)).state is OrderState.REJECTED
    assert heard(SENT, inactive).state is OrderState.REJECTED


def test_of_a_held_order_the_word_inactive_proves_nothing_new_and_the_book_does() -> None:
    held = (SENT, *sweep_events(lives([BUY], [SENT]), make_sweep(open_orders=(OPEN_INACTIVE,))))

    assert state(*held, status(BUY, "Inactive")) is OrderState.UNKNOWN
    assert state(*held, status(BUY, "PendingSubmit")) is OrderState.UNKNOWN
    assert heard(*held, open_orders=(OPEN_INACTIVE,)).state is OrderState.UNKNOWN
    assert heard(*held, completed_orders=(OPEN_INACTIVE,)).state is OrderState.REJECTED
    gone = heard(*held)
    assert (gone.state, gone.held) == (OrderState.UNKNOWN, False)
    assert state(*held, WORKING) is OrderState.WORKING
    assert state(*held, status(BUY, "Cancelled")) is OrderState.CANCELLED
    assert state(*held, filled(BUY, 3, "a.01")) is OrderState.FILLED


def test_the_words_on_a_held_order_do_not_grow_with_each_look() -> None:
    once = (SENT, *sweep_events(lives([BUY], [SENT]), make_sweep(open_orders=(OPEN_INACTIVE,))))

    assert heard(*once, open_orders=(OPEN_INACTIVE,)).text == live(BUY, once).text


def test_a_late_word_of_sending_takes_nothing_back() -> None:
    assert state(SENT, WORKING, status(BUY, "PendingSubmit")) is OrderState.WORKING
    assert state(SENT, WORKING, SENT) is OrderState.WORKING


@pytest.mark.parametrize("before", [SENT, ACK, WORKING, filled(BUY, 1, "a.01")])
def test_absence_makes_an_open_order_unknown_and_nothing_else(before: OrderEvent) -> None:
    absent = make_event(BUY, "absent")

    assert state(SENT, before, absent) is OrderState.UNKNOWN
    assert state(SENT, status(BUY, "Cancelled"), absent) is OrderState.CANCELLED


def test_evidence_ends_the_unknown() -> None:
    unknown = [SENT, make_event(BUY, "absent")]

    assert state(*unknown, WORKING) is OrderState.WORKING
    assert state(*unknown, status(BUY, "Cancelled")) is OrderState.CANCELLED
    assert state(*unknown, filled(BUY, 3, "a.01")) is OrderState.FILLED


def test_lives_are_kept_apart_by_reference() -> None:
    other = make_order("NQZ26")
    both = lives([BUY, other], [SENT, WORKING, intent(other)])

    assert {ref: life.state for ref, life in both.items()} == {
        BUY.order_ref: OrderState.WORKING,
        other.order_ref: OrderState.SENT,
    }


# -- executions ------------------------------------------------------------------------------


def test_a_correction_replaces_its_execution() -> None:
    first = make_fill(BUY, 3, exec_id="0000e0d5.67.01", price=D(6000))
    corrected = replace(first, exec_id="0000e0d5.67.02", quantity=2)

    assert final_fills([first, corrected]) == (corrected,)
    assert final_fills([corrected, first]) == (corrected,)


def test_corrections_are_counted_as_numbers() -> None:
    ninth, tenth = (make_fill(BUY, 1, exec_id=f"e.{n}") for n in ("09", "10"))

    assert final_fills([tenth, ninth]) == (tenth,)


def test_executions_without_a_dot_are_themselves() -> None:
    one, other = make_fill(BUY, 1, exec_id="a"), make_fill(BUY, 1, exec_id="b")

    assert final_fills([one, other, one]) == (one, other)


def test_a_commission_once_told_is_kept() -> None:
    plain = make_fill(BUY, 1)
    told = replace(plain, commission=D("2.05"), commission_currency=USD)

    assert final_fills([told, plain]) == (told,)
    assert final_fills([plain, told]) == (told,)


# -- sweeps ----------------------------------------------------------------------------------


def known(*events: OrderEvent, order: BasketOrder = BUY) -> dict[str, OrderLife]:
    return {order.order_ref: live(order, events)}


def kinds(events: tuple[OrderEvent, ...]) -> list[EventKind]:
    return [e.kind for e in events]


def test_a_complete_sweep_without_the_order_makes_it_absent() -> None:
    assert kinds(sweep_events(known(SENT), make_sweep())) == [EventKind.ABSENT]


def test_an_incomplete_sweep_proves_no_absence() -> None:
    for part in ("open orders", "completed orders", "executions"):
        assert sweep_events(known(SENT), make_sweep(unknown=(part,))) == ()


def test_what_was_never_sent_or_is_over_is_not_missed() -> None:
    assert sweep_events(known(), make_sweep()) == ()
    assert sweep_events(known(SENT, status(BUY, "Cancelled")), make_sweep()) == ()


def test_the_book_tells_of_open_and_completed_orders() -> None:
    open_ = make_sweep(open_orders=(make_broker_order(BUY),))
    over = make_sweep(completed_orders=(make_broker_order(BUY, status="Cancelled"),))

    assert live(BUY, [SENT, *sweep_events(known(SENT), open_)]).state is OrderState.WORKING
    assert live(BUY, [SENT, *sweep_events(known(SENT), over)]).state is OrderState.CANCELLED


def test_an_order_in_the_book_that_our_journal_lost_is_found() -> None:
    sweep = make_sweep(open_orders=(make_broker_order(BUY, status="a new word"),))

    assert live(BUY, sweep_events(known(), sweep)).state is OrderState.SENT


def test_other_peoples_orders_are_not_ours() -> None:
    foreign = make_broker_order(BUY, order_ref="by hand", perm_id=999)

    assert sweep_events(known(), make_sweep(open_orders=(foreign,))) == ()


def test_an_order_that_lost_its_reference_is_known_by_its_permanent_number() -> None:
    nameless = make_broker_order(BUY, order_ref="")
    fill = make_fill(BUY, 3, order_ref="")
    events = sweep_events(known(SENT, ACK), make_sweep(open_orders=(nameless,), fills=(fill,)))

    assert {e.order_ref for e in events} == {BUY.order_ref}
    life = live(BUY, [SENT, ACK, *events])
    assert life.state is OrderState.FILLED
    assert life.fills[0].order_ref == BUY.order_ref


def test_executions_of_the_sweep_are_told_once() -> None:
    fill = make_fill(BUY, 3)
    sweep = make_sweep(fills=(fill,))
    events = sweep_events(known(SENT), sweep)

    assert kinds(events) == [EventKind.FILL]
    assert sweep_events(known(SENT, *events), sweep) == ()


def test_a_filled_order_whose_executions_are_gone_is_unknown() -> None:
    book = make_sweep(completed_orders=(make_broker_order(BUY, status="Filled", filled=3),))
    whole = replace(book, fills=(make_fill(BUY, 3),))
    in_part = replace(book, fills=(make_fill(BUY, 2),))

    assert live(BUY, [SENT, *sweep_events(known(SENT), book)]).state is OrderState.UNKNOWN
    assert live(BUY, [SENT, *sweep_events(known(SENT), in_part)]).state is OrderState.UNKNOWN
    assert live(BUY, [SENT, *sweep_events(known(SENT), whole)]).state is OrderState.FILLED


# -- names and sides -------------------------------------------------------------------------


def test_a_name_tells_desk_session_model_contract_effect_and_attempt() -> None:
    name = order_ref(
        desk="main",
        session=SESSION,
        model="TF",
        contract=make_contract("6EZ26"),
        closes=True,
        attempt=2,
    )

    assert name == "main-20261119-TF-6EZ26-C2"


@pytest.mark.parametrize(
    ("desk", "model"),
    [("", "TF"), ("a-b", "TF"), ("désk", "TF"), ("desk", "T F"), ("d" * 30, "TF")],
)
def test_a_name_that_would_not_survive_the_broker_is_refused(desk: str, model: str) -> None:
    with pytest.raises(UsageError) as raised:
        order_ref(
            desk=desk,
            session=date(2026, 1, 2),
            model=model,
            contract=make_contract(),
            closes=False,
            attempt=1,
        )
    assert raised.value.hint


@pytest.mark.parametrize("quantity", [0, -1])
def test_an_order_without_a_quantity_cannot_be_made(quantity: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(BUY, quantity=quantity)


def test_sides_have_signs() -> None:
    assert (Action.of(5), Action.of(-5)) == (Action.BUY, Action.SELL)
    assert (BUY.signed, make_order(signed=-3).signed) == (3, -3)
    assert make_fill(make_order(signed=-3), 2).signed == -2
