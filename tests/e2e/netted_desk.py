"""Two models on one desk whose wishes are written down by the test: no engine runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from afterclose import nightly, tws_sim
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_desk
from afterclose.domain.contracts import read_symbol
from afterclose.domain.runs import ModelOrder, ModelPosition, ModelRequest, ModelResult
from afterclose.evening.desk import Desk
from afterclose.settings import load
from e2e.small_desk import ACCOUNT, EVENING, ROOTS, SESSION, TOMORROW, cash

SETTINGS = """\
[desk]
name = "small"
account = "{account}"

[broker]
port = {port}
timeout_s = 60

[data]
store = "market"

[audit]
size = "model"

[sending]
max_drift = 0.5

[basket]
net = {net}
exit_offset_ticks = 400

[[models]]
name = "A"
entry_point = "a.py"
inception = "2026-10-15"

[[models]]
name = "B"
entry_point = "b.py"
inception = "2026-10-15"
"""

Wishes = Mapping[str, Mapping[str, tuple[int, int]]]


@dataclass
class Script:
    """A runner whose models have what the test says: model → symbol → (before, after)."""

    home: Path
    wishes: Wishes = field(default_factory=dict)

    def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
        on_progress(request.model.name)
        wanted = self.wishes.get(request.model.name, {})
        closes = {s: self._close(s, request.last_session) for s in wanted}
        return ModelResult(
            model=request.model.name,
            first_session=request.first_session,
            last_session=request.last_session,
            capital_base=1_000_000.0,
            transactions=(),
            positions=tuple(
                ModelPosition(symbol=s, amount=before, last_price=closes[s])
                for s, (before, _) in wanted.items()
                if before
            ),
            open_orders=tuple(
                ModelOrder(
                    symbol=s,
                    amount=after - before,
                    filled=0,
                    created=request.last_session,
                    order_id=f"{request.model.name}-{s}",
                )
                for s, (before, after) in wanted.items()
                if after != before
            ),
            auto_closes=(),
            portfolio_value=((request.last_session, 1_000_000.0),),
            last_closes={s: (request.last_session, close) for s, close in closes.items()},
            facts={},
        )

    def _close(self, symbol: str, session: date) -> float:
        store = MarketStore.open(self.home / "market")
        from afterclose.adapters.marketdata.desk_view import DeskMarketData  # noqa: PLC0415

        close = DeskMarketData(store).last_close(read_symbol(symbol, on=session), session)
        assert close is not None
        return float(close)


@dataclass
class GatewayClock:
    """The gateway's time, which a test moves."""

    gateway: tws_sim.RunningGateway

    def now(self) -> datetime:
        return self.gateway.now


def make_market(home: Path) -> None:
    """Two sessions of bars, and the gateway's own."""
    with MarketStoreWriter(home / "market") as writer:
        writer.write_all(
            generate(ROOTS, first=date(2025, 10, 1), last=TOMORROW, seed=3), source="generated"
        )
    ahead = generate(ROOTS, first=date(2026, 6, 1), last=date(2026, 10, 23), seed=3)
    write_gateway_folder(ahead, home / "gateway", live_on=SESSION, through=date(2026, 10, 23))


def gateway_at(home: Path, scenario: str, *, port: int = 0) -> tws_sim.RunningGateway:
    return tws_sim.running(
        market=tws_sim.Market.from_folder(home / "gateway"),
        account=tws_sim.AccountSpec(account=ACCOUNT, cash=cash()),
        clock=tws_sim.FrozenClock(EVENING),
        scenario=tws_sim.Scenario.from_toml(scenario),
        port=port,
    )


def desk_at(
    home: Path, gateway: tws_sim.RunningGateway, script: Script, *, net: bool = True
) -> Desk:
    text = SETTINGS.format(account=ACCOUNT, port=gateway.port, net=str(net).lower())
    (home / "afterclose.toml").write_text(text, encoding="utf-8")
    return open_desk(load(home), GatewayClock(gateway), say=lambda _: None, runner=script)


async def prepared_and_sent(desk: Desk, session: date) -> RunFolder:
    """Prepare, approve all of it, and send."""
    folder = await nightly.prepare(desk, session)
    nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    await nightly.trade(desk, folder, on_event=lambda _: None)
    return folder
