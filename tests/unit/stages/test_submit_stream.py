"""Events as they come: none is lost, none comes twice, their order stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from afterclose.domain.orders import EventKind, OrderEvent
from afterclose.errors import BrokerUnavailable
from afterclose.stages.submit.stream import together
from make import NOW

pytestmark = pytest.mark.anyio


def word(number: int) -> OrderEvent:
    return OrderEvent(order_ref=f"o{number}", at=NOW, kind=EventKind.MESSAGE)


async def test_what_is_there_already_comes_together_and_in_its_order() -> None:
    more = asyncio.Event()

    async def words() -> AsyncIterator[OrderEvent]:
        for number in range(3):
            yield word(number)
        await more.wait()
        yield word(3)

    seen = []
    async for come in together(words()):
        seen.append([event.order_ref for event in come])
        more.set()

    assert seen == [["o0", "o1", "o2"], ["o3"]]


async def test_the_end_of_the_line_is_told_after_its_last_word() -> None:
    async def words() -> AsyncIterator[OrderEvent]:
        yield word(0)
        raise BrokerUnavailable("the line broke")

    seen: list[OrderEvent] = []

    async def listen() -> None:
        async for come in together(words()):
            seen.extend(come)

    with pytest.raises(BrokerUnavailable, match="the line broke"):
        await listen()

    assert [event.order_ref for event in seen] == ["o0"]


async def test_a_listener_that_stops_leaves_nothing_running() -> None:
    heard, stopped = asyncio.Event(), asyncio.Event()

    async def words() -> AsyncIterator[OrderEvent]:
        try:
            yield word(0)
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def listen() -> None:
        async for _ in together(words()):
            heard.set()

    listener = asyncio.create_task(listen())
    async with asyncio.timeout(60):
        await heard.wait()
        listener.cancel()
        await stopped.wait()
