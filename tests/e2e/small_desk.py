"""A small desk with a model of its own: few markets, one order per evening and market."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from afterclose import tws_sim
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.store import MarketStoreWriter

SESSION = date(2026, 10, 21)
TOMORROW = date(2026, 10, 22)
#: 17:05 in Chicago: Globex is open for the next session.
EVENING = datetime(2026, 10, 21, 22, 5, tzinfo=UTC)
NEXT_EVENING = datetime(2026, 10, 22, 22, 5, tzinfo=UTC)
ACCOUNT = "DU1234567"
ROOTS = ("ES", "HG", "ZC", "ZN")

MODEL = '''\
"""Buys one contract of every market one evening and sells it the next; not to be traded."""

from zipline.api import continuous_future, order, set_commission, set_slippage
from zipline.finance.commission import PerContract
from zipline.finance.slippage import FixedSlippage


def initialize(context):
    set_commission(us_futures=PerContract(cost=0.85, exchange_fee=1.5))
    set_slippage(us_futures=FixedSlippage(spread=0.0))
    context.markets = [continuous_future(r, roll="volume") for r in ("ES", "HG", "ZC", "ZN")]


def handle_data(context, data):
    for market in context.markets:
        contract = data.current(market, "contract")
        held = context.portfolio.positions[contract].amount
        order(contract, -held if held else 1)
'''

SETTINGS = """\
[desk]
name = "small"
account = "{account}"

[broker]
port = {port}
timeout_s = 60
restart = "never"

[data]
store = "market"

[[models]]
name = "BUY"
entry_point = "models/buy.py"
inception = "2026-10-15"
capital_base = 1000000

[audit]
size = "model"
"""


@dataclass(frozen=True, slots=True)
class SmallDesk:
    """Where the desk is."""

    home: Path

    def configure(self, *, port: int, account: str = ACCOUNT) -> None:
        """Write the settings."""
        text = SETTINGS.format(port=port, account=account)
        (self.home / "afterclose.toml").write_text(text, encoding="utf-8")

    def gateway(
        self,
        *,
        account: str = ACCOUNT,
        scenario: str = "",
        held: tuple[tws_sim.Holding, ...] = (),
    ) -> AbstractContextManager[tws_sim.RunningGateway]:
        """A paper gateway that plays this desk's market."""
        return tws_sim.running(
            market=tws_sim.Market.from_folder(self.home / "gateway"),
            account=tws_sim.AccountSpec(account=account, cash=cash(), positions=held),
            clock=tws_sim.FrozenClock(EVENING),
            scenario=tws_sim.Scenario.from_toml(scenario),
        )


def cash() -> Mapping[str, Decimal]:
    return {"USD": Decimal(5_000_000)}


def make_small_desk(home: Path) -> SmallDesk:
    """Write market, gateway folder and model."""
    with MarketStoreWriter(home / "market") as writer:
        writer.write_all(
            generate(ROOTS, first=date(2025, 10, 1), last=SESSION, seed=3), source="generated"
        )
    ahead = generate(ROOTS, first=date(2026, 6, 1), last=TOMORROW, seed=3)
    write_gateway_folder(ahead, home / "gateway", live_on=SESSION, through=TOMORROW)
    (home / "models").mkdir()
    (home / "models" / "buy.py").write_text(MODEL, encoding="utf-8")
    return SmallDesk(home)
