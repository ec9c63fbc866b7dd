"""A desk with positions before the paper gateway, for what is done by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from afterclose import by_hand, tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ibkr.reader import open_reader
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.orders import BasketOrder
from afterclose.evening.desk import Desk
from afterclose.settings import load
from afterclose.stages.flatten import FlattenRow, Selection
from integration.ibkr.gateways import PATIENCE_S, GatewayTime, desk_of, qualified_by
from unit.ibkr.ibkr_values import ACCOUNT, EVENING
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding

#: Five minutes into the session of Tuesday, which belongs to the evening of Monday.
OPEN = TUESDAY_OPEN + timedelta(minutes=5)
HELD = (holding("CL", "202601", 2, "59"), holding("ES", "202512", -1, "6800"))


@dataclass
class Stage:
    """A gateway with two crude and minus one index future, and a desk before it."""

    gateway: tws_sim.RunningGateway
    desk: Desk
    ledger: SqlLedger

    def request(self, selection: Selection, **terms: Any) -> by_hand.FlattenRequest:
        return by_hand.FlattenRequest(selection=selection, by="Ann", **terms)

    async def shown(self, selection: Selection, **terms: Any) -> tuple[FlattenRow, ...]:
        return await by_hand.preview(self.desk, self.request(selection, **terms))

    async def flatten(
        self, selection: Selection, shown: Sequence[FlattenRow] | None = None, **terms: Any
    ) -> by_hand.Flattened:
        rows = await self.shown(selection, **terms) if shown is None else shown
        request = self.request(selection, **terms)
        return await by_hand.carry_out(self.desk, request, rows, on_event=lambda _event: None)

    def positions(self) -> dict[str, Decimal]:
        return {f"{p.root}{p.contract_month}": p.quantity for p in self.gateway.positions()}


@contextmanager
def opened(
    market: tws_sim.Market,
    home: Path,
    *,
    scenario: str = "",
    held: Sequence[tws_sim.Holding] = HELD,
) -> Iterator[Stage]:
    """A gateway that holds two crude and minus one index future, or others, and its desk."""
    url = f"sqlite:///{(home / 'ledger.sqlite').as_posix()}"
    with (
        tws_sim.running(
            market=market,
            account=account(*held),
            clock=tws_sim.FrozenClock(OPEN),
            scenario=tws_sim.Scenario.from_toml(scenario),
        ) as gateway,
        closing(SqlLedger(url)) as ledger,
    ):
        yield Stage(gateway, make_desk(home, gateway, ledger), ledger)


def make_desk(
    home: Path,
    gateway: tws_sim.RunningGateway,
    ledger: SqlLedger,
    *,
    timeout_s: float = PATIENCE_S,
) -> Desk:
    settings = f'[desk]\nname = "desk"\naccount = "{ACCOUNT}"\n[broker]\nport = {gateway.port}\n'
    (home / "afterclose.toml").write_text(settings, encoding="utf-8")
    address: dict[str, Any] = {"host": gateway.host, "port": gateway.port, "timeout_s": timeout_s}
    clock = GatewayTime(gateway)
    nothing = cast("Any", None)  # flattening asks for no bars, no models and no files
    return Desk(
        settings=load(home),
        specs=packaged_specs(),
        clock=clock,
        market=nothing,
        runner=nothing,
        ledger=ledger,
        baskets=nothing,
        open_reader=lambda: open_reader(**address, client_id=17, account=ACCOUNT, clock=clock),
        open_order_desk=lambda yes: open_desk(**address, client_id=18, approval=yes, clock=clock),
        code_version="test",
        say=lambda _text: None,
    )


async def work(stage: Stage, wanted: BasketOrder, *, client_id: int) -> None:
    """Let an order stand in the market, of this desk (client 18) or of another program."""
    if client_id == 18:
        stage.ledger.record_orders("run", [wanted])
    found = await qualified_by(stage.gateway, wanted.mapped)
    terms: dict[str, Any] = {"at": EVENING, "expires_at": OPEN + timedelta(hours=2)}
    async with desk_of(stage.gateway, wanted, client_id=client_id, **terms) as desk:
        await desk.place(wanted, found)
        await desk.sweep()
