"""The message rate, as the gateway counts it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.adapters.ibkr.pace import PER_SECOND, SECOND_S, UNANSWERED_S, Pace, Window


def test_a_burst_goes_at_once_up_to_the_limit() -> None:
    window = Window()
    for _ in range(PER_SECOND):
        assert window.wait(0.0) == 0.0
        window.sent(0.0)
    assert window.wait(0.0) > 0.0


def test_the_next_waits_a_second_after_the_first_was_answered_not_after_it_was_sent() -> None:
    window = Window()
    numbers = [window.sent(0.0) for _ in range(PER_SECOND)]
    window.answered(numbers[0], 0.7)
    assert window.wait(1.5) == pytest.approx(0.7 + SECOND_S - 1.5)
    assert window.wait(0.7 + SECOND_S) == 0.0


def test_an_answer_shows_that_everything_before_it_was_read() -> None:
    window = Window()
    numbers = [window.sent(0.0) for _ in range(PER_SECOND)]
    window.answered(numbers[-1], 0.3)
    assert window.wait(0.3 + SECOND_S) == 0.0
    assert len([window.sent(2.0) for _ in range(PER_SECOND) if window.wait(2.0) == 0.0]) > 1


def test_messages_that_nothing_answers_do_not_stop_the_line_for_ever() -> None:
    window = Window()
    for _ in range(PER_SECOND):
        window.sent(0.0)
    assert window.wait(UNANSWERED_S) > 0.0
    assert window.wait(UNANSWERED_S + SECOND_S) == 0.0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.6),  # until the gateway reads it, at least
            st.floats(0, 0.6),  # until its answer is here, from then
            st.booleans(),  # whether it is answered at all
        ),
        min_size=PER_SECOND + 1,
        max_size=180,
    )
)
def test_no_second_of_the_gateway_holds_more_than_its_limit(
    delays: list[tuple[float, float, bool]],
) -> None:
    window, now, last_read = Window(), 0.0, 0.0
    reads: list[float] = []
    answers: list[tuple[float, int]] = []
    for read_after, answer_after, answered in delays:
        while (wait := window.wait(now)) > 0:
            upcoming = min((at for at, _ in answers if at > now), default=now + wait)
            now = min(now + wait, upcoming)
            for at, number in [a for a in answers if a[0] <= now]:
                window.answered(number, at)
                answers.remove((at, number))
        number = window.sent(now)
        last_read = max(last_read, now + read_after)  # it reads in order
        reads.append(last_read)
        if answered:
            answers.append((last_read + answer_after, number))
    for first in reads:
        assert sum(first <= at < first + 1.0 for at in reads) <= PER_SECOND


@pytest.mark.anyio
async def test_those_who_wait_go_on_in_their_order_when_the_gateway_answers() -> None:
    pace, gone = Pace(), list[int]()
    first = [await pace.turn() for _ in range(PER_SECOND)]

    async def go(name: int) -> None:
        await pace.turn()
        gone.append(name)

    waiting = [asyncio.create_task(go(name)) for name in range(3)]
    await asyncio.sleep(0)
    assert gone == []
    pace.answered(first[-1])
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
    assert gone == [0, 1, 2]


@pytest.mark.anyio
async def test_a_lost_line_holds_nobody_up() -> None:
    pace = Pace()
    for _ in range(PER_SECOND):
        await pace.turn()
    waiting = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    pace.let_all_go()
    async with asyncio.timeout(30):
        await waiting


@pytest.mark.anyio
async def test_one_who_gives_up_does_not_hold_up_those_behind() -> None:
    pace = Pace()
    for _ in range(PER_SECOND):
        await pace.turn()
    impatient, patient = asyncio.create_task(pace.turn()), asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    impatient.cancel()
    pace.let_all_go()
    async with asyncio.timeout(30):
        await patient
    assert impatient.cancelled()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
