"""Two machines and one ledger on PostgreSQL: one goes on where the other fell silent."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ledger.place import Place
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.errors import LedgerElsewhere
from afterclose.stages import submit
from integration.ibkr.gateways import PATIENCE_S, GatewayTime
from integration.sending.evenings import gateway_of, make_orders, qualify
from unit.ibkr.ibkr_values import approval
from unit.tws_sim.sim_market import MONDAY_EVENING, write_market

pytestmark = pytest.mark.anyio

HOME = Place(machine="machine-a", name="home")
CLOUD = Place(machine="machine-b", name="cloud")
ORDERS = make_orders(6, seed=1)
SENT = {o.order_ref for o in ORDERS}


class Died(Exception):  # noqa: N818 - what happens to a machine
    """The power went."""


async def dies(_orders: submit.Following) -> None:
    raise Died


async def send(
    gateway: tws_sim.RunningGateway,
    market: tws_sim.Market,
    ledger: SqlLedger,
    *,
    follow: submit.Follow = submit.until_answered,
) -> None:
    request = submit.SubmitRequest(
        run_id="run", orders=ORDERS, qualified=await qualify(market), answer_timeout_s=PATIENCE_S
    )
    yes = approval(*ORDERS, at=MONDAY_EVENING, expires_at=MONDAY_EVENING + timedelta(hours=9))
    clock = GatewayTime(gateway)
    with ledger.exclusive():
        async with open_desk(
            host=gateway.host,
            port=gateway.port,
            client_id=8,
            approval=yes,
            timeout_s=PATIENCE_S,
            clock=clock,
        ) as desk:
            await submit.run(desk, ledger, request, clock, follow=follow)


async def test_another_machine_sends_what_the_first_had_not(
    postgresql: str, tmp_path: Path
) -> None:
    """The line breaks at the third order, and the first machine is never heard of again."""
    market = tws_sim.Market.from_folder(write_market(tmp_path))
    desk = uuid4().hex[:8]
    with (
        gateway_of(market, "[orders]\ndrop_after = [3]", seed=0) as gateway,
        closing(SqlLedger(postgresql, desk=desk, here=HOME, lease_for=timedelta(0))) as home,
        closing(SqlLedger(postgresql, desk=desk, here=CLOUD)) as cloud,
    ):
        with pytest.raises(Died):
            await send(gateway, market, home, follow=dies)
        before = {o.order_ref for o in gateway.orders()}
        await send(gateway, market, cloud)

        everything = [o.order_ref for o in gateway.orders()]
    assert 0 < len(before) < len(SENT)
    assert sorted(everything) == sorted(SENT)  # each once


async def test_a_machine_that_lost_its_lease_places_no_order(
    postgresql: str, tmp_path: Path
) -> None:
    market = tws_sim.Market.from_folder(write_market(tmp_path))
    desk = uuid4().hex[:8]
    with (
        gateway_of(market, "", seed=0) as gateway,
        closing(SqlLedger(postgresql, desk=desk, here=HOME, lease_for=timedelta(0))) as home,
        closing(SqlLedger(postgresql, desk=desk, here=CLOUD)) as cloud,
    ):
        with home.exclusive():
            cloud.record_orders("run", ORDERS)
            with pytest.raises(LedgerElsewhere, match="cloud"):
                await send(gateway, market, home)

        assert gateway.orders() == ()
        assert cloud.events(ORDERS[0].session) == ()


async def test_two_machines_do_not_send_at_once(postgresql: str, tmp_path: Path) -> None:
    market = tws_sim.Market.from_folder(write_market(tmp_path))
    desk = uuid4().hex[:8]

    with (
        gateway_of(market, "", seed=0) as gateway,
        closing(SqlLedger(postgresql, desk=desk, here=HOME)) as home,
        closing(SqlLedger(postgresql, desk=desk, here=CLOUD)) as cloud,
    ):

        async def meanwhile(_orders: submit.Following) -> None:
            with pytest.raises(LedgerElsewhere, match="home is writing"):
                await send(gateway, market, cloud)

        await send(gateway, market, home, follow=meanwhile)
        assert sorted(o.order_ref for o in gateway.orders()) == sorted(SENT)
