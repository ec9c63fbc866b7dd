"""Keeps to IB's message rate: at most fifty messages a second, as *the gateway* counts them.

Counting our own sending times is not enough: when the gateway reads one burst late and the next in
time, both fall into one of its seconds, and it answers with error 100 and may hang up (ib_async's
own throttle counts that way). Here a message counts until a second after the gateway is *known* to
have read it: it has answered it, or a later one, since it reads in order. So no second of the
gateway can hold more than the limit, however slow it or the line is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

#: IB: half the market data lines a second, and a login has a hundred by default.
LIMIT = 50
#: One is kept back for what is not ours to count.
PER_SECOND = LIMIT - 1
#: A second, what two clocks may disagree by, and what this machine's clock cannot tell apart
#: (on Windows a sixty-fourth of a second).
SECOND_S = 1.005 + time.get_clock_info("monotonic").resolution
#: A message that nothing answers counts as read by then.
UNANSWERED_S = 10.0


@dataclass(slots=True)
class _Sent:
    number: int
    sent_at: float
    read_by: float | None = None

    def counts_until(self) -> float:
        read_by = self.sent_at + UNANSWERED_S if self.read_by is None else self.read_by
        return read_by + SECOND_S


class Window:
    """Which messages may still lie within one second of the gateway. Pure: time is passed in."""

    def __init__(self) -> None:
        self._counting: deque[_Sent] = deque()
        self._sent = 0

    def wait(self, now: float) -> float:
        """Return the seconds until another message may go; 0 when it may go now."""
        while self._counting and self._counting[0].counts_until() <= now:
            self._counting.popleft()
        if len(self._counting) < PER_SECOND:
            return 0.0
        return self._counting[0].counts_until() - now

    def sent(self, now: float) -> int:
        """Note that a message goes now; return its number."""
        self._sent += 1
        self._counting.append(_Sent(self._sent, now))
        return self._sent

    def answered(self, number: int, now: float) -> None:
        """Note that the gateway has read this message, and so all before it."""
        for message in self._counting:
            if message.number > number:
                return
            if message.read_by is None:
                message.read_by = now


class Pace:
    """Lets one message go after the other, first come first served."""

    def __init__(self) -> None:
        self._window = Window()
        self._queue = asyncio.Lock()
        self._changed = asyncio.Event()
        self._open = False

    async def turn(self) -> int:
        """Wait until a message may go; return the number it is answered by."""
        async with self._queue:
            while not self._open and (wait := self._window.wait(_now())) > 0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            return self._window.sent(_now())

    def answered(self, number: int) -> None:
        """Note that the gateway has read this message."""
        self._window.answered(number, _now())
        self._changed.set()

    def let_all_go(self) -> None:
        """Hold nobody up any more: the line is gone, and sending will say so."""
        self._open = True
        self._changed.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
