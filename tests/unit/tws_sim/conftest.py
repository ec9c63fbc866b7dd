from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding, write_market
from unit.tws_sim.sim_session import gateway_of

MakeGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def sim_market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    folder: Path = tmp_path_factory.mktemp("market")
    return tws_sim.Market.from_folder(write_market(folder))


@pytest.fixture
def make_gateway(sim_market: tws_sim.Market) -> MakeGateway:
    """Make gateways without a server; by default in Tuesday's session, holding three ES."""

    def make(
        *holdings: tws_sim.Holding, scenario: str = "", at: datetime = TUESDAY_OPEN
    ) -> Gateway:
        spec = account(*(holdings or (holding("ES", "202512", 3, "6500"),)))
        return gateway_of(sim_market, spec, tws_sim.FrozenClock(at), scenario)

    return make
