"""A paper gateway that speaks the TWS API: for rehearsals, tests and other people's programs.

Needs the standard library alone. It shares no code with the product's own broker adapter nor with
any client library, and reads contract facts of its own: two independent readings, so that a
misunderstanding on either side shows.

    with tws_sim.running(market=market, account=account, clock=tws_sim.FrozenClock(at)) as gateway:
        ...  # connect any TWS API client to gateway.host, gateway.port
"""

from afterclose.tws_sim.account import AccountSpec, Holding, MissingRateError
from afterclose.tws_sim.clock import FastClock, FrozenClock, GatewayClock, RealClock
from afterclose.tws_sim.generated import generated_market
from afterclose.tws_sim.market import Bar, Market, MarketFileError
from afterclose.tws_sim.orders import ExecutionView, OrderView, PositionView
from afterclose.tws_sim.running import RunningGateway, running
from afterclose.tws_sim.scenario import Connectivity, PriceShift, Scenario, ScenarioError
from afterclose.tws_sim.serving import serve
from afterclose.tws_sim.state import StateError
from afterclose.tws_sim.wire_log import WireEvent, WireLog

__all__ = [
    "AccountSpec",
    "Bar",
    "Connectivity",
    "ExecutionView",
    "FastClock",
    "FrozenClock",
    "GatewayClock",
    "Holding",
    "Market",
    "MarketFileError",
    "MissingRateError",
    "OrderView",
    "PositionView",
    "PriceShift",
    "RealClock",
    "RunningGateway",
    "Scenario",
    "ScenarioError",
    "StateError",
    "WireEvent",
    "WireLog",
    "generated_market",
    "running",
    "serve",
]
