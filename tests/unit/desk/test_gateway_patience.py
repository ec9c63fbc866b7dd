"""A gateway that restarts is waited for before the first question to it, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from afterclose.adapters.patience import AT_ONCE, Patience, opened
from afterclose.adapters.recorded import RecordedReader
from afterclose.clock import ManualClock
from afterclose.errors import AccountMismatch, AfterCloseError, BrokerError, BrokerUnavailable
from afterclose.ports import BrokerReader
from make import make_snapshot

pytestmark = pytest.mark.anyio
NINE = datetime(2026, 11, 19, 21, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOWN = BrokerUnavailable("nobody listens at 127.0.0.1:4002", hint="start IB Gateway")


@dataclass
class Door:
    """A gateway's door: what each knock comes to, on a clock that the pauses move."""

    answers: list[AfterCloseError | None]
    step: timedelta = timedelta(seconds=5)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NINE))
    knocks: int = 0
    closed: int = 0
    said: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[BrokerReader]:
        self.knocks += 1
        answer = self.answers.pop(0) if self.answers else DOWN
        if answer is not None:
            raise answer
        try:
            yield RecordedReader(make_snapshot())
        finally:
            self.closed += 1

    async def pause(self, _length: timedelta) -> None:
        self.clock.move(self.clock.now() + self.step)

    def wait(
        self, longest: timedelta, ends: datetime | None = None
    ) -> AbstractAsyncContextManager[BrokerReader]:
        patience = Patience(longest=longest, ends=ends, pause=self.pause)
        return opened(self.reader, patience, self.clock, self.said.append)


async def test_a_gateway_that_is_back_in_time_is_asked_and_both_is_said() -> None:
    door = Door([DOWN, DOWN, None])
    async with door.wait(MINUTE) as reader:
        assert await reader.accounts() == ("DU1234567",)

    assert (door.knocks, door.closed) == (3, 1)
    assert door.clock.now() == NINE + timedelta(seconds=10)
    assert [text.split(":")[0] for text in door.said] == [
        "nobody listens at 127.0.0.1",
        "the gateway is back, after 10 s",
    ]
    assert "until 21:01:00 UTC" in door.said[0]


async def test_a_gateway_that_is_there_is_not_waited_for_and_nothing_is_said() -> None:
    door = Door([None])
    async with door.wait(MINUTE):
        pass

    assert (door.knocks, door.said, door.clock.now()) == (1, [], NINE)


async def test_a_gateway_that_stays_away_is_given_up_at_the_end_with_its_hint() -> None:
    door = Door([])
    with pytest.raises(
        BrokerUnavailable, match=r"nobody listens .*waited for, for 1 min 0 s"
    ) as up:
        async with door.wait(MINUTE):
            pass

    assert up.value.hint == "start IB Gateway"
    assert door.clock.now() == NINE + MINUTE
    assert len(door.said) == 1


async def test_the_time_that_the_evening_has_ends_the_wait_before_its_own_length() -> None:
    door = Door([])
    with pytest.raises(BrokerUnavailable):
        async with door.wait(timedelta(hours=1), ends=NINE + timedelta(seconds=12)):
            pass
    late = Door([])
    with pytest.raises(BrokerUnavailable):
        async with late.wait(timedelta(hours=1), ends=NINE - MINUTE):
            pass

    assert (door.knocks, door.clock.now()) == (3, NINE + timedelta(seconds=10))
    assert (late.knocks, late.clock.now()) == (1, NINE)


async def test_several_that_are_opened_wait_together_no_longer_than_one_alone() -> None:
    door = Door([])
    together = Patience(longest=MINUTE, pause=door.pause).all_in_all(NINE)
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            async with opened(door.reader, together, door.clock, door.said.append):
                pass

    assert door.clock.now() == NINE + MINUTE
    assert door.knocks == 13 + 1 + 1


async def test_a_machine_that_slept_through_the_wait_does_not_go_on_hours_later() -> None:
    door = Door([DOWN, None], step=timedelta(hours=9))
    with pytest.raises(BrokerUnavailable):
        async with door.wait(MINUTE):
            pass

    assert door.knocks == 1


async def test_a_clock_that_stands_still_prolongs_nothing() -> None:
    door = Door([], step=timedelta())
    with pytest.raises(BrokerUnavailable):
        async with door.wait(MINUTE):
            pass

    assert door.knocks == 13  # a minute's tries, five seconds apart, and the first


@pytest.mark.parametrize(
    "refused",
    [
        AccountMismatch("the login has DU7"),
        BrokerError("client number 17 is in use", code=326),
    ],
    ids=["another account", "a client number in use"],
)
async def test_what_no_waiting_mends_is_raised_at_once(refused: AfterCloseError) -> None:
    door = Door([refused, None])
    with pytest.raises(type(refused)):
        async with door.wait(MINUTE):
            pass

    assert (door.knocks, door.said, door.clock.now()) == (1, [], NINE)


async def test_a_line_that_breaks_later_is_not_opened_a_second_time() -> None:
    door = Door([None, None])
    with pytest.raises(BrokerUnavailable, match="the line was lost"):
        async with door.wait(MINUTE):
            raise BrokerUnavailable("the line was lost")

    assert (door.knocks, door.closed, door.said) == (1, 1, [])


async def test_without_patience_one_try_is_all_and_its_words_are_the_gateways() -> None:
    door = Door([])
    with pytest.raises(BrokerUnavailable) as down:
        async with opened(door.reader, AT_ONCE, door.clock, door.said.append):
            pass

    assert str(down.value) == str(DOWN)
    assert (door.knocks, door.said) == (1, [])
