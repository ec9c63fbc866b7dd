"""What stops a sending: a halt from elsewhere, a roll's other leg, the door, a wrong account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import IbkrDesk, open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.order_life import OrderLife, lives, never_arrived
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.domain.sending import Halt, SendLimits
from afterclose.errors import AccountMismatch, ApprovalVoid, SafetyError
from afterclose.stages import submit
from integration.ibkr.gateways import PATIENCE_S, GatewayTime
from integration.sending.evenings import gateway_of, make_orders, qualify
from unit.ibkr.ibkr_values import approval, order
from unit.tws_sim.sim_market import MONDAY_EVENING, write_market

pytestmark = pytest.mark.anyio

FAR = order(quantity=3, limit_price=Decimal(6700))
HALT = Halt(at=MONDAY_EVENING, by="Ann", reason="test")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}"


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    with closing(SqlLedger(url)) as opened:
        yield opened


@asynccontextmanager
async def desk_at(
    gateway: tws_sim.RunningGateway, *orders: BasketOrder, **terms: Any
) -> AsyncIterator[IbkrDesk]:
    yes = approval(
        *orders,
        **{"at": MONDAY_EVENING, "expires_at": MONDAY_EVENING + timedelta(hours=9), **terms},
    )
    async with open_desk(
        host=gateway.host,
        port=gateway.port,
        client_id=8,
        approval=yes,
        timeout_s=PATIENCE_S,
        clock=GatewayTime(gateway),
    ) as desk:
        yield desk


async def send(
    gateway: tws_sim.RunningGateway,
    market: tws_sim.Market,
    ledger: SqlLedger,
    *orders: BasketOrder,
    follow: submit.Follow = submit.until_answered,
    **terms: Any,
) -> Mapping[str, OrderLife]:
    request = submit.SubmitRequest(
        run_id="run", orders=orders, qualified=await qualify(market), **terms
    )
    async with desk_at(gateway, *orders) as desk:
        return await submit.run(desk, ledger, request, GatewayTime(gateway), follow=follow)


async def test_a_halted_desk_sends_nothing_until_it_is_lifted(
    market: tws_sim.Market, ledger: SqlLedger
) -> None:
    ledger.record_halt(HALT)
    with gateway_of(market, "", seed=0) as gateway:
        with pytest.raises(SafetyError, match="halted at 2025-12-01 22:30:00 UTC by Ann: test"):
            await send(gateway, market, ledger, FAR)
        assert gateway.orders() == ()
        ledger.record_halt(replace(HALT, lifted=True))
        known = await send(gateway, market, ledger, FAR)

        assert [o.order_ref for o in gateway.orders()] == [FAR.order_ref]
        assert known[FAR.order_ref].state is OrderState.ACKNOWLEDGED


async def test_a_halt_written_by_another_process_ends_a_follower(
    market: tws_sim.Market, ledger: SqlLedger, url: str
) -> None:
    async def halted_meanwhile(orders: submit.Following) -> None:
        with closing(SqlLedger(url)) as other:
            other.record_halt(HALT)
        async with asyncio.timeout(90):
            await orders.final()

    with gateway_of(market, "", seed=0) as gateway:
        known = await send(gateway, market, ledger, FAR, follow=halted_meanwhile)

        assert known[FAR.order_ref].state is OrderState.ACKNOWLEDGED
        assert gateway.orders()[0].status == "PreSubmitted"


async def test_an_order_that_the_door_holds_back_stays_intended_with_its_reason(
    market: tws_sim.Market, ledger: SqlLedger
) -> None:
    small = order(order_ref="desk-20251201-MR-ESZ25-O1", model="MR", quantity=1)
    door = submit.Door(limits=SendLimits(quantity_per_order=2))
    with gateway_of(market, "", seed=0) as gateway:
        known = await send(gateway, market, ledger, FAR, small, door=door)

        assert [o.order_ref for o in gateway.orders()] == [small.order_ref]
    assert known[FAR.order_ref].state is OrderState.INTENDED
    assert "limits.quantity_per_order is 2" in known[FAR.order_ref].text


async def test_a_roll_does_not_open_when_its_close_is_rejected(
    market: tws_sim.Market, ledger: SqlLedger
) -> None:
    close, opens = make_orders(6, seed=1)[-2:]
    limited = dict(await qualify(market))
    with gateway_of(market, "[orders]\nsize_limit = 1", seed=0) as gateway:
        large = replace(close, quantity=2)
        request = submit.SubmitRequest(run_id="run", orders=(large, opens), qualified=limited)
        async with desk_at(gateway, large, opens) as desk:
            known = await submit.run(desk, ledger, request, GatewayTime(gateway))

        assert gateway.orders() == ()
    assert known[close.order_ref].state is OrderState.REJECTED
    assert known[opens.order_ref].state is OrderState.INTENDED
    assert "rejected" in known[opens.order_ref].text


async def test_the_wrong_account_is_refused_before_anything_is_written(
    market: tws_sim.Market, ledger: SqlLedger
) -> None:
    with gateway_of(market, "", seed=0) as gateway:
        with pytest.raises(AccountMismatch):
            async with desk_at(gateway, FAR, account="DU7654321"):
                raise AssertionError

        assert gateway.orders() == ()
    assert ledger.events(FAR.session) == ()


async def test_two_baskets_of_one_evening_do_not_both_go(
    market: tws_sim.Market, ledger: SqlLedger
) -> None:
    second = order(order_ref=FAR.order_ref[:-1] + "2", quantity=1)
    with gateway_of(market, "", seed=0) as gateway:
        await send(gateway, market, ledger, FAR)
        with pytest.raises(ApprovalVoid, match="is not final"):
            await send(gateway, market, ledger, second)

        assert [o.order_ref for o in gateway.orders()] == [FAR.order_ref]


def told(*events: OrderEvent) -> OrderLife:
    return lives([FAR], events)[FAR.order_ref]


def event(kind: EventKind, **what: Any) -> OrderEvent:
    return OrderEvent(order_ref=FAR.order_ref, at=MONDAY_EVENING, kind=kind, **what)


INTENT, ABSENT = event(EventKind.INTENT), event(EventKind.ABSENT, text="not in the book")
WORD = never_arrived(FAR.order_ref, at=MONDAY_EVENING, by="Ann", why="not in TWS")


def test_a_persons_word_ends_an_unknown_order_and_the_brokers_word_beats_it() -> None:
    assert told(INTENT, ABSENT).state is OrderState.UNKNOWN
    assert told(INTENT, ABSENT, WORD).state is OrderState.REJECTED
    assert "Ann" in told(INTENT, ABSENT, WORD).text
    seen = event(EventKind.STATUS, status="Submitted", perm_id=7)
    assert told(INTENT, ABSENT, WORD, seen).state is OrderState.WORKING


@pytest.mark.parametrize("code", [110, 163, 200, 321, 383])
def test_a_refusal_and_a_whole_book_without_the_order_end_it(code: int) -> None:
    refused = event(EventKind.MESSAGE, code=code, text="no")

    assert told(INTENT, refused).state is OrderState.SENT
    assert told(INTENT, refused, ABSENT).state is OrderState.REJECTED
    assert told(INTENT, refused, ABSENT).text == "no"


@pytest.mark.parametrize("code", [202, 399, 404, 2109, 10349])
def test_a_notice_and_a_book_without_the_order_do_not(code: int) -> None:
    notice = event(EventKind.MESSAGE, code=code, text="note")

    assert told(INTENT, notice, ABSENT).state is OrderState.UNKNOWN


def test_two_orders_at_the_broker_under_one_name_are_told_and_summed() -> None:
    first = event(EventKind.STATUS, status="Cancelled", perm_id=1)
    second = event(EventKind.STATUS, status="Submitted", perm_id=2)
    life = told(INTENT, first, second)

    assert life.doubled
    assert life.state is OrderState.WORKING
    assert life.remaining == 3
    assert "2 orders" in life.text
    assert told(INTENT, first, second, replace(second, status="Cancelled")).state.final


def test_an_order_that_never_left_may_be_sent_once_more() -> None:
    stayed = event(EventKind.STATUS, status="NotSent", text="not sent: the line is lost")

    assert told(INTENT, stayed).state is OrderState.INTENDED
    assert told(INTENT, stayed, INTENT).state is OrderState.SENT
    known = event(EventKind.STATUS, status="PreSubmitted", perm_id=7)
    assert told(INTENT, known, stayed).state is OrderState.ACKNOWLEDGED
