from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest

from afterclose import tws_sim
from integration.audit.evenings import EVENING, TOMORROW, Start


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def everything() -> tws_sim.Market:
    """Every root of the gateway's own table, sixty made-up sessions up to tomorrow."""
    return tws_sim.generated_market(until=TOMORROW, seed=11)


@pytest.fixture
def start(everything: tws_sim.Market) -> Iterator[Start]:
    """Start gateways that stop with the test; two February crude are held."""
    with ExitStack() as stack:

        def begin(scenario: str = "", *, base: str = "USD") -> tws_sim.RunningGateway:
            held = tws_sim.Holding(
                root="CL", contract_month="202602", quantity=2, average_price=Decimal(60)
            )
            cash = {"USD": Decimal(50_000_000), "EUR": Decimal(40_000_000)}
            gateway = tws_sim.running(
                market=everything,
                account=tws_sim.AccountSpec(base=base, cash=cash, positions=[held]),
                clock=tws_sim.FrozenClock(EVENING),
                scenario=tws_sim.Scenario.from_toml(scenario),
            )
            return stack.enter_context(gateway)

        yield begin
