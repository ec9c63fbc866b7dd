"""A gateway that restarts is waited for: before the first question to it, never after one.

Nobody listens, the door is closed at once, or hands are not shaken in time: so a gateway looks
that restarts, which takes a minute or two. Another account and a client number in use are no
restart, and are raised at once. Nothing is open while it is waited for, and nothing was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from afterclose.errors import BrokerUnavailable
from afterclose.ports import BrokerReader, Clock

#: A gateway that does not answer is tried again after this long.
ASK_AGAIN = timedelta(seconds=5)


async def _sleep(length: timedelta) -> None:
    """Somebody may sit there and press Ctrl-C: the loop must hear it."""
    await asyncio.sleep(length.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a gateway that does not answer is waited for; by default not at all.

    ``ends`` is the moment from which nothing is tried any more, whatever is left of ``longest``.
    """

    longest: timedelta = timedelta()
    ends: datetime | None = None
    pause: Callable[[timedelta], Awaitable[None]] = _sleep

    def until(self, now: datetime) -> datetime:
        """Return the moment from which no further try begins."""
        end = now + self.longest
        return end if self.ends is None else min(end, self.ends)

    def all_in_all(self, now: datetime) -> Patience:
        """Return the same for several gateways to be opened: they wait so long together."""
        return replace(self, ends=self.until(now))


#: A gateway that does not answer is not waited for.
AT_ONCE = Patience()


@asynccontextmanager
async def opened(
    open_reader: Callable[[], AbstractAsyncContextManager[BrokerReader]],
    patience: Patience,
    clock: Clock,
    say: Callable[[str], None],
) -> AsyncIterator[BrokerReader]:
    """Open the gateway for looking, and wait for it first where it does not answer; say so.

    Raises BrokerUnavailable at the end of the wait, and at once what no waiting mends. A line that
    breaks later is not opened again: whoever asks knows what he had asked.
    """
    async with AsyncExitStack() as line:
        yield await _reached(line, open_reader, patience, clock, say)


async def _reached(
    line: AsyncExitStack,
    open_reader: Callable[[], AbstractAsyncContextManager[BrokerReader]],
    patience: Patience,
    clock: Clock,
    say: Callable[[str], None],
) -> BrokerReader:
    begun = clock.now()
    until = patience.until(begun)
    tries = int(patience.longest / ASK_AGAIN)  # a clock that is set back prolongs nothing
    for left in range(tries, -1, -1):
        try:
            reader = await line.enter_async_context(open_reader())
        except BrokerUnavailable as error:
            if not left or clock.now() + ASK_AGAIN > until:
                raise _given_up(error, clock.now() - begun) from error
            if left == tries:
                say(_waiting(error, until))
            await patience.pause(ASK_AGAIN)
            if clock.now() > until:  # a machine that slept meanwhile does not go on hours later
                raise _given_up(error, clock.now() - begun) from error
        else:
            if left < tries:
                say(f"the gateway is back, after {_length(clock.now() - begun)}")
            return reader
    raise AssertionError  # the last try returns or raises


def _waiting(error: BrokerUnavailable, until: datetime) -> str:
    return (
        f"{error}: a gateway that restarts is back in a minute or two, so it is tried again until "
        f"{until:%H:%M:%S} UTC"
    )


def _given_up(error: BrokerUnavailable, waited: timedelta) -> BrokerUnavailable:
    if waited < ASK_AGAIN:
        return error
    return BrokerUnavailable(
        f"{error}; it was waited for, for {_length(waited)}", hint=error.hint, code=error.code
    )


def _length(time: timedelta) -> str:
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
