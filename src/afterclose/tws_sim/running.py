"""A gateway on a thread of its own, for tests, rehearsals and the command line."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from afterclose.tws_sim.account import AccountSpec
from afterclose.tws_sim.clock import GatewayClock
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.market import Market
from afterclose.tws_sim.orders import (
    ExecutionView,
    Order,
    OrderView,
    PositionView,
    execution_view,
    order_view,
)
from afterclose.tws_sim.scenario import Scenario
from afterclose.tws_sim.server import Server, Tap
from afterclose.tws_sim.state import restore

Result = TypeVar("Result")

_START_WITHIN_S = 30.0
_ANSWER_WITHIN_S = 120.0


class RunningGateway:
    """A gateway that listens while the ``with`` block lasts. Made by ``running``."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        host: str,
        port: int,
        tap: Tap | None = None,
        state: Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._gateway = gateway
        self._loop = asyncio.new_event_loop()
        self._server = Server(gateway, meter=time.monotonic, tap=tap, state=state)
        self._thread = threading.Thread(target=self._run, name="paper-gateway", daemon=True)
        self._listening: Future[tuple[str, int]] = Future()

    def __enter__(self) -> Self:
        self._thread.start()
        self.host, self.port = self._listening.result(_START_WITHIN_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._await(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_WITHIN_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            listening = self._loop.run_until_complete(self._server.start(self.host, self.port))
        except OSError as error:
            self._listening.set_exception(error)
            self._loop.close()
            return
        self._listening.set_result(listening)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _await(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_ANSWER_WITHIN_S)

    def _ask(self, question: Callable[[], Result]) -> Result:
        """Answer a question on the gateway's own thread, where nothing moves meanwhile."""

        async def answer() -> Result:
            return question()

        return self._await(answer())

    # -- time --------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The gateway's time."""
        return self._ask(lambda: self._gateway.now)

    def advance_to(self, when: datetime) -> None:
        """Move the clock; return when everything due has happened and was written out."""
        self._await(self._server.advance_to(when))

    # -- the book ----------------------------------------------------------------------------

    def orders(self) -> tuple[OrderView, ...]:
        """Return every order of the book, in the order of their arrival."""
        return self._ask(
            lambda: tuple(order_view(each) for each in self._gateway.exchange.orders.values())
        )

    def executions(self) -> tuple[ExecutionView, ...]:
        """Return every execution, in the order of time."""
        return self._ask(
            lambda: tuple(execution_view(each) for each in self._gateway.exchange.executions)
        )

    def positions(self) -> tuple[PositionView, ...]:
        """Return the open positions, by contract id."""
        return self._ask(self._gateway.account.views)

    # -- what a person does at TWS -----------------------------------------------------------

    def send_on(self, order_ref: str) -> None:
        """Send on the orders of this reference that a precaution holds."""
        exchange = self._gateway.exchange
        self._at_tws(order_ref, lambda order: exchange.send_on(order) if order.held else None)

    def change(self, order_ref: str, *, quantity: int) -> None:
        """Give the working orders of this reference another size."""

        def resize(order: Order) -> None:
            ticket = replace(order.ticket, quantity=Decimal(quantity))
            self._gateway.exchange.replace(order, ticket)

        self._at_tws(order_ref, resize)

    def cancel(self, order_ref: str) -> None:
        """Cancel the working orders of this reference."""
        self._at_tws(order_ref, lambda order: self._gateway.exchange.cancel(order, ""))

    def _at_tws(self, order_ref: str, act: Callable[[Order], None]) -> None:
        async def done() -> None:
            for order in list(self._gateway.exchange.working.values()):
                if order.ticket.order_ref == order_ref:
                    act(order)
            await self._server.flush()

        self._await(done())

    # -- faults ------------------------------------------------------------------------------

    def drop_connections(self) -> None:
        """Break every connection; the book and the clock stay."""

        async def drop() -> None:
            self._server.drop_connections()

        self._await(drop())

    def switch(self, scenario: Scenario | None) -> None:
        """Change the scenario while clients are connected; None is a healthy gateway."""

        async def change() -> None:
            self._gateway.switch(scenario or Scenario())
            await self._server.flush()

        self._await(change())


def running(
    *,
    market: Market,
    account: AccountSpec,
    clock: GatewayClock,
    scenario: Scenario | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    state: Path | None = None,
    tap: Tap | None = None,
) -> RunningGateway:
    """Make a gateway to be used in a ``with`` block; host and port are known on entry.

    Args:
        market: contracts, bars and rates, see ``Market.from_folder``.
        account: what the account holds at the start.
        clock: ``FrozenClock``, ``FastClock`` or ``RealClock``.
        scenario: the faults to show; none by default.
        seed: decides the faults a scenario leaves to chance; nothing else is random.
        host: the address to listen on, this machine alone unless told otherwise.
        port: the port to listen on, a free one for 0.
        state: a file that keeps the book; read at the start if it exists, written on every change.
        tap: is shown every byte.

    """
    gateway = Gateway(market=market, account=account, clock=clock, scenario=scenario, seed=seed)
    if state is not None and state.exists():
        restore(gateway, state)
        gateway.exchange.schedule_all()
        gateway.process()
    return RunningGateway(gateway, host=host, port=port, tap=tap, state=state)
