from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import ib_async
import pytest

from afterclose import tws_sim
from conformance.event_log import PATIENCE_S
from unit.tws_sim.sim_market import MONDAY_EVENING, account, holding, write_market

Start = Callable[..., tws_sim.RunningGateway]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    folder: Path = tmp_path_factory.mktemp("market")
    return tws_sim.Market.from_folder(write_market(folder))


@pytest.fixture
def start(market: tws_sim.Market) -> Iterator[Start]:
    """Start gateways that stop with the test; by default on a Monday evening, holding three ES."""
    with ExitStack() as stack:

        def begin(
            *holdings: tws_sim.Holding, scenario: str = "", at: datetime = MONDAY_EVENING
        ) -> tws_sim.RunningGateway:
            gateway = tws_sim.running(
                market=market,
                account=account(*(holdings or (holding("ES", "202512", 3, "6500"),))),
                clock=tws_sim.FrozenClock(at),
                scenario=tws_sim.Scenario.from_toml(scenario),
            )
            return stack.enter_context(gateway)

        yield begin


class Desk:
    """An ib_async client with what a test needs to wait without sleeping."""

    def __init__(self) -> None:
        self.ib = ib_async.IB()
        self.errors: list[tuple[int, int, str]] = []
        self.ib.errorEvent += self._note

    def _note(self, request_id: int, code: int, text: str, _contract: object) -> None:
        self.errors.append((request_id, code, text))

    async def connect(self, gateway: tws_sim.RunningGateway, client_id: int = 17) -> None:
        await self.ib.connectAsync(
            gateway.host, gateway.port, clientId=client_id, timeout=PATIENCE_S, raiseSyncErrors=True
        )

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for the next messages until a condition holds."""
        with anyio.fail_after(PATIENCE_S):
            while not reached():
                await self.ib.updateEvent

    async def advance(self, gateway: tws_sim.RunningGateway, when: datetime) -> None:
        """Move the gateway's clock, and receive what that brings."""
        await anyio.to_thread.run_sync(gateway.advance_to, when)
        await self.ib.reqCurrentTimeAsync()

    def cancel_by_id(self, order_id: int) -> None:
        """Ask for a cancellation without ib_async's own checks."""
        client: Any = self.ib.client  # its methods carry no types
        client.cancelOrder(order_id)

    def codes(self) -> list[int]:
        """The codes of all errors so far, without the greetings."""
        return [code for _, code, _ in self.errors if code not in {2104, 2106, 2158}]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    made.ib.disconnect()
