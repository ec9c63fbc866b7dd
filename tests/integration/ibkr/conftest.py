from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import pytest

from afterclose import tws_sim
from integration.ibkr.gateways import Start
from unit.tws_sim.sim_market import MONDAY_EVENING, account, holding, write_market


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def start(market: tws_sim.Market) -> Iterator[Start]:
    """Start gateways that stop with the test: a Monday evening, two January crude held."""
    with ExitStack() as stack:

        def begin(scenario: str = "", *, at: datetime = MONDAY_EVENING) -> tws_sim.RunningGateway:
            gateway = tws_sim.running(
                market=market,
                account=account(holding("CL", "202601", 2, "59")),
                clock=tws_sim.FrozenClock(at),
                scenario=tws_sim.Scenario.from_toml(scenario),
            )
            return stack.enter_context(gateway)

        yield begin
