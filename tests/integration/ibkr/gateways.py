"""Paper gateways for the adapter's tests, and a follower of a desk's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import IbkrDesk, open_desk
from afterclose.adapters.ibkr.reader import IbkrReader, open_reader
from afterclose.domain.contracts import MappedContract, QualifiedContract
from afterclose.domain.orders import BasketOrder, OrderEvent
from afterclose.errors import BrokerUnavailable
from unit.ibkr.ibkr_values import ACCOUNT, approval

#: Long enough for a busy machine, short enough for a test that fails.
PATIENCE_S = 60.0

Start = Callable[..., tws_sim.RunningGateway]


class GatewayTime:
    """The gateway's frozen clock, as ours."""

    def __init__(self, gateway: tws_sim.RunningGateway) -> None:
        self._gateway = gateway

    def now(self) -> datetime:
        return self._gateway.now


@asynccontextmanager
async def reader_of(
    gateway: tws_sim.RunningGateway, *, client_id: int = 7, timeout_s: float = PATIENCE_S
) -> AsyncIterator[IbkrReader]:
    async with open_reader(
        host=gateway.host,
        port=gateway.port,
        client_id=client_id,
        account=ACCOUNT,
        timeout_s=timeout_s,
        clock=GatewayTime(gateway),
        pacing_pause_s=0,
    ) as reader:
        yield reader


@asynccontextmanager
async def desk_of(
    gateway: tws_sim.RunningGateway,
    *orders: BasketOrder,
    client_id: int = 8,
    timeout_s: float = PATIENCE_S,
    **terms: Any,
) -> AsyncIterator[IbkrDesk]:
    now = gateway.now
    terms = {"at": now, "expires_at": now + timedelta(hours=2), **terms}
    async with open_desk(
        host=gateway.host,
        port=gateway.port,
        client_id=client_id,
        approval=approval(*orders, **terms),
        timeout_s=timeout_s,
        clock=GatewayTime(gateway),
    ) as desk:
        yield desk


async def qualified_by(
    gateway: tws_sim.RunningGateway, mapped: MappedContract
) -> QualifiedContract:
    async with reader_of(gateway, client_id=99) as reader:
        found = (await reader.qualify([mapped]))[mapped.contract].qualified
    assert found is not None
    return found


async def advance(gateway: tws_sim.RunningGateway, when: datetime) -> None:
    await asyncio.to_thread(gateway.advance_to, when)


class Follower:
    """Collects a desk's events and waits for some of them."""

    def __init__(self, desk: IbkrDesk) -> None:
        self.events: list[OrderEvent] = []
        self.error: BrokerUnavailable | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._follow(desk))

    async def _follow(self, desk: IbkrDesk) -> None:
        try:
            async for event in desk.events():
                async with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()
        except BrokerUnavailable as error:
            async with self._changed:
                self.error = error
                self._changed.notify_all()

    async def until(self, reached: Callable[[list[OrderEvent]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: reached(self.events))

    async def until_lost(self) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: self.error is not None)

    async def until_status(self, *words: str) -> None:
        await self.until(lambda events: any(e.status in words for e in events))

    def statuses(self) -> list[str]:
        return [e.status for e in self.events if e.status]

    def codes(self) -> list[int]:
        return [e.code for e in self.events if e.code is not None]

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@asynccontextmanager
async def following(desk: IbkrDesk) -> AsyncIterator[Follower]:
    follower = Follower(desk)
    try:
        yield follower
    finally:
        await follower.stop()
