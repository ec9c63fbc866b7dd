"""The conformance cases, TC-01 and up. Their ids never change; a new case takes the next number.

Each case is told what it needs (``Bench``) and asserts what a client must have been told. They run
in the environment of any client library: nothing here but the standard library and the gateway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from afterclose import tws_sim
from conformance.probes import Probe, probe_of
from unit.tws_sim.sim_market import (
    MONDAY_EVENING,
    TUESDAY_CLOSE,
    TUESDAY_OPEN,
    account,
    holding,
)

MINUTE = timedelta(minutes=1)
OPEN = TUESDAY_OPEN + MINUTE
ES: dict[str, Any] = {
    "symbol": "ES",
    "exchange": "CME",
    "currency": "USD",
    "lastTradeDateOrContractMonth": "202512",
}
CL: dict[str, Any] = {
    "symbol": "CL",
    "exchange": "NYMEX",
    "currency": "USD",
    "lastTradeDateOrContractMonth": "202601",
}
DAX: dict[str, Any] = {
    "symbol": "DAX",
    "exchange": "EUREX",
    "currency": "EUR",
    "lastTradeDateOrContractMonth": "202512",
}
EURUSD: dict[str, Any] = {
    "symbol": "EUR",
    "secType": "CASH",
    "exchange": "IDEALPRO",
    "currency": "USD",
}


@dataclass(kw_only=True)
class Bench:
    """Starts gateways and clients for one case, and stops them afterwards."""

    client: str
    market: tws_sim.Market
    gateways: list[tws_sim.RunningGateway] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    def gateway(
        self,
        *,
        at: datetime = MONDAY_EVENING,
        scenario: str = "",
        holdings: tuple[tws_sim.Holding, ...] = (holding("ES", "202512", 3, "6500"),),
    ) -> tws_sim.RunningGateway:
        """Start a gateway with a frozen clock."""
        gateway = tws_sim.running(
            market=self.market,
            account=account(*holdings),
            clock=tws_sim.FrozenClock(at),
            scenario=tws_sim.Scenario.from_toml(scenario),
        )
        self.gateways.append(gateway.__enter__())
        return gateway

    def connect(self, gateway: tws_sim.RunningGateway, client_id: int = 17) -> Probe:
        """Connect a client and wait until it is ready."""
        probe = self.attempt(gateway, client_id)
        probe.ready()
        return probe

    def attempt(self, gateway: tws_sim.RunningGateway, client_id: int) -> Probe:
        """Connect a client that may be refused."""
        probe = probe_of(self.client)
        self.probes.append(probe)
        probe.connect(gateway.host, gateway.port, client_id)
        return probe

    def close(self) -> None:
        """Stop everything this case started."""
        for probe in self.probes:
            probe.disconnect()
        for gateway in self.gateways:
            gateway.__exit__(None, None, None)


class NotSupportedError(Exception):
    """The client cannot do what the case asks for."""


Case = Callable[[Bench], None]


def traded(bench: Bench, probe: Probe, *, fields: dict[str, Any], order: Any) -> int:
    """Place an order that trades at once; return its id."""
    _ = bench
    order_id = probe.place(probe.qualified(**fields), order)
    probe.wait_status(order_id, "Filled")
    probe.synchronize()
    return order_id


def tuesday(third: int) -> datetime:
    """An instant of Tuesday's session: its open, low, high and close lie at thirds 0 to 3."""
    return TUESDAY_OPEN + (TUESDAY_CLOSE - TUESDAY_OPEN) * third / 3
