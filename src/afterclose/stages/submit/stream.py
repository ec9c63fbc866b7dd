"""Events as they come, those that are there already together.

One commit makes a whole handful durable: while the disk is written the gateway goes on talking, and
an order's three words would otherwise cost three turns of the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from afterclose.domain.orders import OrderEvent


async def together(events: AsyncIterator[OrderEvent]) -> AsyncIterator[tuple[OrderEvent, ...]]:
    """Yield what has come, at least one event at a time and in its order.

    Ends as the stream does, or with what the stream ends with, after its last event.
    """
    come: asyncio.Queue[OrderEvent | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(events, come))
    try:
        while (first := await come.get()) is not None:
            some = [first]
            over = False
            while not come.empty() and not over:
                following = come.get_nowait()
                over = following is None
                some.extend([following] if following is not None else [])
            yield tuple(some)
            if over:
                break
        await pump  # and raise what it ended with
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(events: AsyncIterator[OrderEvent], come: asyncio.Queue[OrderEvent | None]) -> None:
    try:
        async for event in events:
            come.put_nowait(event)
    finally:
        come.put_nowait(None)
