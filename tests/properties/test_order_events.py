"""The life of an order under any interleaving, repetition and loss of what is said of it."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.order_life import live
from afterclose.domain.orders import EventKind, OrderEvent, OrderState, order_ref
from make import filled, intent, make_event, make_order, status

ORDER = make_order(signed=6)
WORDS = (
    "ApiPending",
    "PendingSubmit",
    "PreSubmitted",
    "Submitted",
    "PendingCancel",
    "Cancelled",
    "ApiCancelled",
    "Inactive",
    "Filled",
    "a new word",
)

FILLS = st.lists(st.integers(1, 3), max_size=4).map(
    lambda sizes: [filled(ORDER, n, f"exec{i}.01") for i, n in enumerate(sizes)]
)
TALK = st.one_of(
    st.just(intent(ORDER)),
    st.sampled_from(WORDS).map(lambda w: status(ORDER, w)),
    st.sampled_from([201, 202, 399, 10349, 2109]).map(
        lambda code: make_event(ORDER, "message", code=code, text="words")
    ),
    st.just(make_event(ORDER, "absent")),
    st.just(make_event(ORDER, "sent")),
)


@st.composite
def histories(draw: st.DrawFn) -> list[OrderEvent]:
    """Fills once or more often, talk in between, in any order."""
    fills = draw(FILLS)
    again = draw(st.lists(st.sampled_from(fills), max_size=3)) if fills else []
    talk = draw(st.lists(TALK, max_size=8))
    return draw(st.permutations([*fills, *again, *talk]))


def executed(events: list[OrderEvent]) -> int:
    return sum({e.fill.exec_id: e.fill.quantity for e in events if e.fill}.values())


@given(histories())
def test_no_fill_is_ever_lost_or_counted_twice(events: list[OrderEvent]) -> None:
    assert live(ORDER, events).filled == executed(events)


@given(histories())
def test_an_order_is_filled_exactly_when_its_executions_say_so(events: list[OrderEvent]) -> None:
    assert (live(ORDER, events).state is OrderState.FILLED) is (executed(events) >= 6)


@given(histories(), histories())
def test_filled_is_the_end(events: list[OrderEvent], later: list[OrderEvent]) -> None:
    if live(ORDER, events).state is OrderState.FILLED:
        assert live(ORDER, [*events, *later]).state is OrderState.FILLED


@given(histories())
def test_messages_alone_change_no_state(events: list[OrderEvent]) -> None:
    heard = [e for e in events if e.kind is not EventKind.ABSENT]
    silent = [e for e in heard if e.kind is not EventKind.MESSAGE]

    assert live(ORDER, heard).state is live(ORDER, silent).state


@given(histories())
def test_only_words_executions_or_a_refusal_the_book_confirms_end_an_order(
    events: list[OrderEvent],
) -> None:
    ends = {"Cancelled", "ApiCancelled", "Inactive"}
    refused = {201} <= {e.code for e in events} and any(e.kind is EventKind.ABSENT for e in events)
    if live(ORDER, events).state.final:
        assert executed(events) >= 6 or any(e.status in ends for e in events) or refused


@given(histories())
def test_an_order_that_was_seen_is_never_intended_again(events: list[OrderEvent]) -> None:
    """Whatever was seen, a second run must not take it for an order that was never sent."""
    seen = [e for e in events if e.kind not in {EventKind.MESSAGE, EventKind.ABSENT}]
    if seen:
        assert live(ORDER, events).state is not OrderState.INTENDED


@given(histories())
def test_remaining_is_never_negative_and_nothing_remains_of_what_is_over(
    events: list[OrderEvent],
) -> None:
    life = live(ORDER, events)

    assert 0 <= life.remaining <= 6
    assert not life.state.final or life.remaining == 0


@given(
    st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True),
    st.from_regex(r"[A-Z0-9]{1,6}", fullmatch=True),
    st.dates(min_value=date(1990, 1, 1), max_value=date(2099, 12, 31)),
    st.booleans(),
    st.integers(1, 99),
)
def test_every_name_fits_the_brokers_field(
    desk: str,
    model: str,
    root: str,
    session: date,
    closes: bool,  # noqa: FBT001 - likewise
    attempt: int,
) -> None:
    name = order_ref(
        desk=desk,
        session=session,
        model=model,
        contract=FuturesContract(RootSymbol(root), ContractMonth(2027, 3)),
        closes=closes,
        attempt=attempt,
    )

    assert len(name) <= 40
    assert name.isascii()
    assert name.isprintable()
