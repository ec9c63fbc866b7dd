"""Types and starts of orders at the paper gateway: they trade when they were meant to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import OrderType, StartWhen
from afterclose.stages.placing import PlacingRules, place
from integration.ibkr.gateways import desk_of
from integration.sending.evenings import ESH, gateway_of, qualify
from unit.ibkr.ibkr_values import ES, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_CLOSE, TUESDAY_OPEN, write_market

pytestmark = pytest.mark.anyio

#: Would be filled at the open, if it began then.
EAGER = order(ES, quantity=1, limit_price=Decimal(6950))
#: Half past eight in Chicago.
DAY_SESSION = datetime(2025, 12, 2, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


async def settled(
    market: tws_sim.Market, rules: PlacingRules, wanted: BasketOrder = EAGER
) -> BasketOrder:
    qualified = await qualify(market)
    return place([wanted], qualified, rules, now=MONDAY_EVENING).orders[0]


async def sent(
    gateway: tws_sim.RunningGateway, market: tws_sim.Market, wanted: BasketOrder
) -> None:
    qualified = await qualify(market)
    async with desk_of(gateway, wanted) as desk:
        await desk.place(wanted, qualified[wanted.contract])
        await desk.sweep()


async def filled_at(gateway: tws_sim.RunningGateway, moment: datetime) -> bool:
    await asyncio.to_thread(gateway.advance_to, moment)
    return gateway.orders()[0].status == "Filled"


async def test_an_order_for_the_day_session_waits_for_it_through_the_night(
    market: tws_sim.Market,
) -> None:
    order_of_the_day = await settled(market, PlacingRules(start=StartWhen.DAY_SESSION))
    assert order_of_the_day.good_after == DAY_SESSION
    with gateway_of(market, "", seed=0) as gateway:
        await sent(gateway, market, order_of_the_day)

        assert not await filled_at(gateway, TUESDAY_OPEN + timedelta(hours=1))
        assert not await filled_at(gateway, DAY_SESSION - timedelta(minutes=1))
        assert await filled_at(gateway, DAY_SESSION + timedelta(minutes=1))


async def test_an_order_for_now_trades_at_the_open(market: tws_sim.Market) -> None:
    at_once = await settled(market, PlacingRules())
    with gateway_of(market, "", seed=0) as gateway:
        await sent(gateway, market, at_once)

        assert await filled_at(gateway, TUESDAY_OPEN + timedelta(minutes=5))


@pytest.mark.parametrize("kind", [OrderType.MKT, OrderType.MOC, OrderType.ADAPTIVE, OrderType.VWAP])
async def test_every_type_is_taken_and_trades_in_its_time(
    market: tws_sim.Market, kind: OrderType
) -> None:
    later = replace(EAGER, mapped=ESH, order_ref="desk-20251201-TF-ESH26-O1")
    typed = await settled(market, PlacingRules(entry=kind), later)
    with gateway_of(market, "", seed=0) as gateway:
        await sent(gateway, market, typed)
        early = await filled_at(gateway, TUESDAY_OPEN + timedelta(minutes=5))

        assert early is (kind is not OrderType.MOC or typed.order_type == "LMT")
        assert await filled_at(gateway, TUESDAY_CLOSE)
