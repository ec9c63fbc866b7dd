"""Rows of several models become orders: what crosses, what goes together, and under which name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.netting import NET_MODEL, Netting, dealt, owners, turns, with_rows
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import Action, BasketOrder, OrderState, TradeKind
from afterclose.domain.placing import Repricing
from afterclose.errors import ApprovalVoid, NotApproved
from afterclose.stages import review
from afterclose.stages.netting import NettingInputs, net, one_by_one
from afterclose.stages.submit.overtaken import refuse_overtaken
from make import (
    NOW,
    SESSION,
    filled,
    intent,
    make_contract,
    make_exit,
    make_fill,
    make_order,
    make_report,
    make_row,
    status,
)

D = Decimal
ES = make_contract("ESZ26")
NET_O1 = "desk-20261119-NET-ESZ26-O1"
NET_C1 = "desk-20261119-NET-ESZ26-C1"


def netted(
    *rows: BasketOrder, recorded: Netting | None = None, named: tuple[str, ...] = ()
) -> Netting:
    return net(NettingInputs(desk="desk", orders=rows, recorded=recorded or Netting(), named=named))


def told(made: Netting) -> list[tuple[str, int]]:
    return [(order.order_ref, order.signed) for order in made.orders]


def crossed(made: Netting) -> list[tuple[str, str, int, Decimal]]:
    models = made.models()
    return [(models[t.bought], models[t.sold], t.quantity, t.price) for t in made.transfers]


A, B = make_order(signed=3, model="A"), make_order(signed=2, model="B")


def test_rows_of_one_side_go_as_one_order() -> None:
    made = netted(A, B)
    (order,) = made.orders

    assert told(made) == [(NET_O1, 5)]
    assert made.carried == {NET_O1: {A.order_ref: 3, B.order_ref: 2}}
    assert (order.model, order.kind, order.limit_price) == (NET_MODEL, TradeKind.ENTRY, D(6000))
    assert order.reason == "carries A +3, B +2"


def test_a_row_alone_keeps_its_own_name() -> None:
    assert netted(A).orders == (A,)
    assert netted(A).rows == ()


def test_without_netting_every_row_keeps_its_own_name() -> None:
    assert one_by_one([A, B]).orders == (A, B)


def test_opposite_rows_cross_at_their_close_and_the_rest_goes() -> None:
    short = make_order(signed=-2, model="B", reference_price=D("6000.10"))
    long = make_order(signed=5, model="A", reference_price=D("6000.10"))
    made = netted(long, short)

    assert crossed(made) == [("A", "B", 2, D("6000.00"))]
    assert told(made) == [(NET_O1, 3)]
    assert made.carried == {NET_O1: {long.order_ref: 3}}


def test_rows_that_cross_whole_send_nothing() -> None:
    made = netted(make_order(signed=2, model="A"), make_order(signed=-2, model="B"))

    assert made.orders == ()
    assert len(made.rows) == 2


def test_on_the_larger_side_closings_cross_first_then_by_size() -> None:
    leave = make_exit(signed=-2, model="A")
    large = make_order(signed=-6, model="B")
    small = make_order(signed=-3, model="C")
    made = netted(leave, large, small, make_order(signed=5, model="D"))

    # Two of the exit; of the other three, 6/9 and 3/9: two and one.
    assert crossed(made) == [
        ("D", "A", 2, D(6000)),
        ("D", "B", 2, D(6000)),
        ("D", "C", 1, D(6000)),
    ]
    assert told(made) == [(NET_O1, -6)]


def test_what_closes_never_shares_an_order_with_what_opens() -> None:
    made = netted(
        make_exit(signed=-3, model="A"),
        make_exit(signed=-1, model="B"),
        make_order(signed=-2, model="C"),
        make_order(signed=-4, model="D"),
    )

    assert told(made) == [(NET_C1, -4), (NET_O1, -6)]
    assert [o.kind for o in made.orders] == [TradeKind.EXIT, TradeKind.ENTRY]


def test_rows_with_other_terms_keep_their_own_order() -> None:
    other = replace(B, limit_price=D("6000.25"))
    later = make_order(signed=1, model="C", limit_price=D("6000.25"))
    made = netted(A, other, later)

    assert told(made) == [(A.order_ref, 3), (NET_O1, 3)]
    assert made.orders[1].limit_price == D("6000.25")


def roll(model: str, signed: int) -> tuple[BasketOrder, BasketOrder]:
    close, open_ = f"desk-20261119-{model}-ESZ26-C1", f"desk-20261119-{model}-ESH27-O1"
    return (
        make_exit("ESZ26", -signed, model=model, kind=TradeKind.ROLL_CLOSE, roll_pair=open_),
        make_order("ESH27", signed, model=model, kind=TradeKind.ROLL_OPEN, roll_pair=close),
    )


def test_rolls_go_together_and_the_open_leg_waits_for_the_common_close() -> None:
    made = netted(*roll("A", 2), *roll("B", 3))
    opening = "desk-20261119-NET-ESH27-R1"

    assert sorted(told(made)) == [(opening, 5), (NET_C1, -5)]
    pairs = {o.order_ref: o.roll_pair for o in made.orders}
    assert pairs == {NET_C1: opening, opening: NET_C1}


def test_opposite_rolls_cross_on_both_legs() -> None:
    made = netted(*roll("A", 2), *roll("B", -3))

    assert sorted(told(made)) == [("desk-20261119-NET-ESH27-R1", -1), (NET_C1, 1)]
    assert sorted(crossed(made)) == [("A", "B", 2, D(6000)), ("B", "A", 2, D(6000))]


def test_an_open_leg_whose_close_crossed_whole_waits_for_nothing() -> None:
    close, open_ = roll("A", 2)
    made = netted(close, open_, make_order("ESZ26", 2, model="B"))

    assert told(made) == [(open_.order_ref, 2)]
    assert made.orders[0].roll_pair == ""


def test_the_account_may_turn_but_no_order_of_it_does() -> None:
    leave = make_exit(signed=-3, model="A", held_before=3)
    short = make_order(signed=-2, model="B")
    made = netted(leave, short)

    assert told(made) == [(leave.order_ref, -3), (short.order_ref, -2)]


def test_names_of_orders_that_are_worked_leave_room_for_their_further_attempts() -> None:
    worked = Repricing(ticks=1, every_s=60, times=2)
    rows = [replace(A, repricing=worked), replace(B, repricing=worked)]
    others = [make_order(signed=n, model=m, limit_price=D(6001)) for m, n in (("C", 1), ("D", 1))]
    made = netted(*rows, *others)

    assert told(made) == [(NET_O1, 5), ("desk-20261119-NET-ESZ26-O4", 2)]


def test_turns_are_taken_by_who_is_furthest_behind() -> None:
    assert turns({"a": 3, "b": 2}) == ("a", "b", "a", "b", "a")
    assert turns({"a": -1, "b": -1, "c": -4}) == ("c", "a", "c", "b", "c", "c")


def test_a_share_has_the_price_of_its_own_executions_and_its_cents() -> None:
    fills = [
        make_fill(quantity=3, exec_id="e1.01", price=D(6000), commission=D("7.42")),
        make_fill(quantity=2, exec_id="e2.01", price=D(6001), commission=D("4.95")),
    ]
    shares = dealt({"a": 3, "b": 2}, fills)

    # a b a at 6000, b a at 6001; 7.42 is 4.946… and 2.473…, 4.95 is twice 2.475.
    assert [(f.quantity, f.price, f.commission) for f in shares["a"]] == [
        (2, D(6000), D("4.95")),
        (1, D(6001), D("2.48")),
    ]
    assert [(f.quantity, f.price, f.commission) for f in shares["b"]] == [
        (1, D(6000), D("2.47")),
        (1, D(6001), D("2.47")),
    ]


def test_what_an_order_filled_beyond_its_rows_goes_round_again() -> None:
    """A person made it larger in TWS: what the account holds is somebody's, and his to close."""
    assert owners({"a": 3, "b": 2}, 7) == ("a", "b", "a", "b", "a", "a", "b")
    shares = dealt({"a": 3, "b": 2}, [make_fill(quantity=7, exec_id="e1.01", price=D(6000))])
    assert {row: sum(f.quantity for f in own) for row, own in shares.items()} == {"a": 4, "b": 3}


def resized(word: str, filled_: int, remaining: int) -> tuple[OrderLife, OrderLife]:
    made = netted(A, B)
    (order,) = made.orders
    size = replace(status(order, word), filled=filled_, remaining=remaining)
    fills = [filled(order, filled_, "e.01")] if filled_ else []
    known = with_rows(lives([order, A, B], [intent(order), *fills, size]), made)
    return known[A.order_ref], known[B.order_ref]


def test_rows_of_an_order_that_a_person_resized_are_told_what_they_come_to() -> None:
    a, b = resized("Submitted", 5, 2)
    assert (a.state, a.filled, a.remaining) == (OrderState.PARTLY_FILLED, 3, 1)
    assert (b.state, b.filled, b.remaining) == (OrderState.PARTLY_FILLED, 2, 1)
    assert a.by_hand == "somebody changed its size to 4 in TWS"

    a, b = resized("Filled", 4, 0)
    assert (a.state, a.filled, a.by_hand) == (
        OrderState.CANCELLED,
        2,
        "somebody changed its size to 2 in TWS",
    )
    assert (b.state, b.filled, b.by_hand) == (OrderState.FILLED, 2, "")


@pytest.mark.parametrize(
    ("word", "part", "states"),
    [
        ("Submitted", 0, [OrderState.WORKING, OrderState.WORKING]),
        ("Submitted", 1, [OrderState.PARTLY_FILLED, OrderState.WORKING]),
        ("Cancelled", 3, [OrderState.CANCELLED, OrderState.CANCELLED]),
        ("Inactive", 0, [OrderState.REJECTED, OrderState.REJECTED]),
        ("Filled", 5, [OrderState.FILLED, OrderState.FILLED]),
    ],
)
def test_a_row_is_what_its_order_is(word: str, part: int, states: list[OrderState]) -> None:
    made = netted(A, B)
    (order,) = made.orders
    events = [intent(order), *([filled(order, part, "e.01")] if part else []), status(order, word)]
    known = with_rows(lives([order, A, B], events), made)

    assert [known[row.order_ref].state for row in (A, B)] == states
    assert sum(known[row.order_ref].filled for row in (A, B)) == part


def test_the_approval_of_rows_is_that_of_the_orders_made_of_them() -> None:
    report = make_report(make_row(A), make_row(B))
    yes = review.approve(report, reviewer="Ann", now=NOW, until=NOW.replace(hour=23))
    orders = review.for_orders(yes, netted(A, B))

    assert set(orders.order_refs) == {A.order_ref, B.order_ref, NET_O1}
    with pytest.raises(NotApproved, match="not made of approved rows"):
        review.for_orders(yes, netted(A, B, make_order(signed=1, model="C")))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    yield opened
    opened.close()


def test_what_goes_on_with_an_order_carries_what_that_one_left(ledger: SqlLedger) -> None:
    made = netted(A, B)
    (order,) = made.orders
    ledger.record_netting("run", made)
    ledger.append_events(
        "run", [intent(order), filled(order, 2, "e1.01"), status(order, "Cancelled")]
    )
    name = NET_O1.replace("O1", "O2")
    rest = replace(order, order_ref=name, quantity=3, replaces=NET_O1, held_before=2)
    refuse_overtaken(ledger, [rest])
    ledger.record_orders("run", [rest])
    ledger.append_events("run", [intent(rest), filled(rest, 3, "e2.01")])

    assert ledger.netting(SESSION).carried[name] == {A.order_ref: 2, B.order_ref: 1}
    assert ledger.held("A") == {ES: 3}
    assert ledger.held("B") == {ES: 2}


def test_rows_meet_their_own_order_again_when_it_was_gone_on_with(ledger: SqlLedger) -> None:
    rule = Repricing(ticks=4, times=1, every_s=60)
    rows = [replace(row, repricing=rule) for row in (A, B)]
    made = netted(*rows)
    (order,) = made.orders
    ledger.record_netting("run", made)
    further = replace(
        order,
        order_ref="desk-20261119-NET-ESZ26-O2",
        replaces=order.order_ref,
        limit_price=order.limit_price + 1,
        repricing=None,
    )
    ledger.record_orders("run", [further])

    recorded = ledger.netting(SESSION)
    assert recorded.carried[further.order_ref] == recorded.carried[order.order_ref]
    named = tuple(o.order_ref for o in ledger.orders(SESSION))
    assert told(netted(*rows, recorded=recorded, named=named)) == [(NET_O1, 5)]


def test_a_row_that_left_with_others_does_not_go_again_alone(ledger: SqlLedger) -> None:
    made = netted(A, B)
    (order,) = made.orders
    ledger.record_netting("run", made)
    ledger.append_events("run", [intent(order), status(order, "Submitted")])

    with pytest.raises(ApprovalVoid, match="is not final"):
        refuse_overtaken(ledger, [A], netted(A))
    ledger.append_events("run", [filled(order, 5, "e1.01")])
    with pytest.raises(ApprovalVoid, match=r"it now holds \+3"):
        refuse_overtaken(ledger, [A], netted(A))


def test_a_dry_run_knows_of_a_rival_what_the_book_said_and_the_ledger_does_not_have_yet(
    ledger: SqlLedger,
) -> None:
    second = replace(A, order_ref=f"{A.order_ref[:-1]}2")
    ledger.record_orders("run", [A])
    ledger.append_events("run", [intent(A), status(A, "Inactive")])
    refuse_overtaken(ledger, [second])
    seen = lives([A, second], [*ledger.events(SESSION), status(A, "Submitted")])

    with pytest.raises(ApprovalVoid, match=f"{A.order_ref} is not final"):
        refuse_overtaken(ledger, [second], known=seen)


def test_a_person_who_flattened_a_market_is_told_when_a_model_opens_it_again(
    ledger: SqlLedger,
) -> None:
    gone = make_exit(signed=-1, model="(desk)", order_ref="desk-20261119-ESZ26-F1")
    ledger.record_orders("run", [gone], parts={gone.order_ref: {"A": -1}})
    ledger.append_events("run", [intent(gone), filled(gone, 1, "e1.01")])
    assert ledger.flattened("A") == {ES.root}
    made = netted(A, B)
    (order,) = made.orders
    ledger.record_netting("run", made)
    ledger.append_events("run", [intent(order), filled(order, 5, "e2.01")])

    assert ledger.flattened("A") == frozenset()
    assert order.action is Action.BUY
