"""Deadlines without waiting: the loop's time goes on once the gateway has had its say.

A short deadline would also pass for what is merely late on a busy machine; a long one would be
waited for where nothing ever comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from afterclose import tws_sim

#: The gateway has its say as many times as a patience has seconds before that is over.
_STEP_S = 1.0
#: Of the loop, in which what was sent is read, and what was read is answered.
_ROUNDS = 5


class LoopTime:
    """The running loop's time, which can be put forward or made to stand; it does not go back."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        self._stands_at: float | None = None
        self._real = loop.time
        loop.time = self._now  # type: ignore[method-assign]  # the one way in

    def put_forward(self, seconds: float) -> None:
        """Let so much time pass at once: what is due is called as soon as the loop runs on."""
        self._ahead_s += seconds

    def stand_still(self) -> None:
        """Let nothing become due until ``go_on``, however long this machine takes."""
        self._stands_at = self._now()

    def go_on(self) -> None:
        self._stands_at = None

    def _now(self) -> float:
        return self._real() + self._ahead_s if self._stands_at is None else self._stands_at


@asynccontextmanager
async def hurried(gateway: tws_sim.RunningGateway | None = None) -> AsyncIterator[None]:
    """Let a second pass whenever the gateway, which reads in order, has read what we sent.

    Without a gateway the other side is a peer in this loop, which reads when it goes round.
    """
    time = LoopTime()
    hurrying = asyncio.create_task(_hurry(gateway, time))
    try:
        yield
    finally:
        hurrying.cancel()
        await asyncio.gather(hurrying, return_exceptions=True)


async def _hurry(gateway: tws_sim.RunningGateway | None, time: LoopTime) -> None:
    while True:
        if gateway is not None:
            await asyncio.to_thread(lambda: gateway.now)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        time.put_forward(_STEP_S)
