"""Placing orders at the paper gateway: what goes out, and what the door keeps in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.domain.orders import Action, BasketOrder
from afterclose.errors import (
    AccountMismatch,
    ApprovalVoid,
    BrokerTimeout,
    BrokerUnavailable,
    ContractError,
    NotApproved,
    RunAlreadySubmitted,
)
from afterclose.tws_sim import server
from integration.ibkr.gateways import (
    Start,
    advance,
    desk_of,
    following,
    qualified_by,
    reader_of,
)
from integration.ibkr.hurry import LoopTime, hurried
from unit.ibkr.ibkr_values import CL, ES, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN

pytestmark = pytest.mark.anyio

AT_THE_OPEN = TUESDAY_OPEN + timedelta(minutes=5)

BUY = order(quantity=3, limit_price=Decimal("6900.25"))
FAR = order(quantity=3, limit_price=Decimal(6700))
SELL_CL = order(CL, action=Action.SELL, quantity=2, limit_price=Decimal("58.10"))


# What goes out


async def test_an_order_reaches_the_gateways_book_with_exactly_its_terms(start: Start) -> None:
    gateway = start()
    es, cl = await qualified_by(gateway, ES), await qualified_by(gateway, CL)
    async with desk_of(gateway, BUY, SELL_CL) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await desk.place(SELL_CL, cl)
        await seen.until(lambda events: len({e.order_ref for e in events}) == 2)
    first, second = gateway.orders()
    assert (first.order_ref, first.action) == (BUY.order_ref, "BUY")
    assert first.quantity == 3
    assert (first.root, first.contract_month, first.limit_price) == (
        "ES",
        "202512",
        Decimal("6900.25"),
    )
    assert (second.order_ref, second.action) == (SELL_CL.order_ref, "SELL")
    assert second.quantity == 2
    assert second.limit_price == Decimal("58.1")
    assert 10349 not in seen.codes()  # the time in force was ours, not a preset's


@pytest.mark.parametrize("at_a_time", [65_536, 64], ids=["all at once", "word by word"])
async def test_a_desk_that_closes_at_once_takes_no_order_along(
    start: Start, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """A socket that is closed with answers unread in it breaks the line: what came last is lost."""
    monkeypatch.setattr(server, "_READ_SIZE", at_a_time)
    gateway = start()
    es = await qualified_by(gateway, ES)
    orders = [
        order(order_ref=f"desk-20251201-{name}-ESZ25-{side[0]}1", action=side, quantity=1,
              limit_price=Decimal(6700 if side is Action.BUY else 6900))
        for name in (f"M{n}" for n in range(15))
        for side in (Action.BUY, Action.SELL)
    ]  # fmt: skip
    async with desk_of(gateway, *orders) as desk:
        for each in orders:
            await desk.place(each, es)
    async with reader_of(gateway) as reader:
        book = await reader.sweep()
    assert [o.order_ref for o in gateway.orders()] == [o.order_ref for o in orders]
    assert len(book.open_orders) == 30


def sixty_orders() -> list[BasketOrder]:
    """Fifteen on each side of two contracts, as many as IB takes, all far from the market."""
    return [
        order(
            mapping,
            order_ref=f"desk-20251201-M{n}-{mapping.contract.symbol}-{side[0]}1",
            action=side,
            quantity=1,
            limit_price=Decimal(low if side is Action.BUY else high),
        )
        for mapping, low, high in ((ES, 6700, 6900), (CL, 58, 60))
        for side in (Action.BUY, Action.SELL)
        for n in range(15)
    ]


async def test_a_burst_beyond_the_message_rate_is_paced_and_complete(start: Start) -> None:
    gateway, orders = start(), sixty_orders()
    es, cl = await qualified_by(gateway, ES), await qualified_by(gateway, CL)
    async with desk_of(gateway, *orders) as desk, following(desk) as seen:
        await asyncio.gather(
            *(desk.place(each, es if each.mapped is ES else cl) for each in orders)
        )
        await seen.until(lambda events: len({e.order_ref for e in events}) == 60)
    assert 100 not in seen.codes()
    assert len(gateway.orders()) == 60


async def test_orders_that_wait_for_their_turn_stay_here_when_tws_loses_ibkrs_servers(
    start: Start,
) -> None:
    gateway, orders = start(), sixty_orders()
    es, cl = await qualified_by(gateway, ES), await qualified_by(gateway, CL)
    async with desk_of(gateway, *orders) as desk, following(desk) as seen:
        time = LoopTime()
        time.stand_still()  # the second of the first fifty messages is not over
        placing = asyncio.gather(
            *(desk.place(each, es if each.mapped is ES else cl) for each in orders),
            return_exceptions=True,
        )
        await seen.until(lambda events: len({e.order_ref for e in events}) > 30)
        lost = tws_sim.Scenario.from_toml('[connection]\nconnectivity = "lost"')
        await asyncio.to_thread(gateway.switch, lost)
        await seen.until(lambda events: any(e.code == 1100 for e in events))
        time.go_on()
        outcomes = await placing
    kept = [o for o, end in zip(orders, outcomes, strict=True) if end is not None]
    assert {type(end) for end in outcomes} == {type(None), BrokerUnavailable}
    sent = {o.order_ref for o in gateway.orders()}
    assert sent.isdisjoint({o.order_ref for o in kept})
    assert len(sent) + len(kept) == 60


# The door


async def test_only_orders_of_the_approval_go_through_and_only_for_its_account(
    start: Start,
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    other = order(order_ref="desk-20251201-MR-ESZ25-O1")
    astray = order(account="U7654321")
    async with desk_of(gateway, BUY) as desk:
        with pytest.raises(NotApproved, match="not among the approved"):
            await desk.place(other, es)
        with pytest.raises(NotApproved, match="U7654321"):
            await desk.place(astray, es)
    assert gateway.orders() == ()


async def test_a_further_attempt_needs_an_approval_of_its_own(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    again = order(order_ref=BUY.order_ref[:-1] + "2", limit_price=Decimal(6900))
    third = order(order_ref=BUY.order_ref[:-1] + "3", limit_price=Decimal(6900))
    async with desk_of(gateway, BUY) as desk:
        with pytest.raises(NotApproved, match="O2 is not among the approved"):
            await desk.place(again, es)
    async with desk_of(gateway, BUY, attempts=((BUY.order_ref, 1),)) as desk:
        await desk.place(again, es)
        with pytest.raises(NotApproved, match="O3 is not among the approved"):
            await desk.place(third, es)
        await desk.sweep()
    assert [o.order_ref for o in gateway.orders()] == [again.order_ref]


async def test_an_approval_that_ended_opens_nothing(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY, expires_at=MONDAY_EVENING) as desk:
        with pytest.raises(ApprovalVoid, match="ended at 22:30:00"):
            await desk.place(BUY, es)
    assert gateway.orders() == ()


async def test_a_gateway_of_another_account_gets_no_desk(start: Start) -> None:
    gateway = start()
    with pytest.raises(AccountMismatch):
        async with desk_of(gateway, BUY, account="DU7654321"):
            pass


async def test_one_reference_is_sent_once_by_one_desk(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk:
        await desk.place(BUY, es)
        with pytest.raises(RunAlreadySubmitted):
            await desk.place(BUY, es)
        await desk.sweep()
    assert len(gateway.orders()) == 1


@pytest.mark.parametrize("later", [MONDAY_EVENING, AT_THE_OPEN])
async def test_one_reference_is_sent_once_whichever_desk_comes_later(
    start: Start, later: object
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY, client_id=8) as desk:
        await desk.place(BUY, es)
        await desk.sweep()
    if later == AT_THE_OPEN:
        await advance(gateway, AT_THE_OPEN)  # filled: no longer among the open orders
    async with desk_of(gateway, BUY, client_id=18) as desk:
        with pytest.raises(RunAlreadySubmitted):
            await desk.place(BUY, es)
        await desk.sweep()
    assert len(gateway.orders()) == 1


@pytest.mark.parametrize("part", ["openOrders", "completedOrders", "executions"])
async def test_nothing_is_sent_while_the_book_cannot_be_read_whole(start: Start, part: str) -> None:
    gateway = start(f'[connection]\nmissing_end = ["{part}"]')
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, hurried(gateway):
        with pytest.raises(BrokerTimeout, match="nothing was sent"):
            await desk.place(BUY, es)
    assert gateway.orders() == ()


async def test_an_order_is_not_sent_for_another_contract_than_its_own(start: Start) -> None:
    gateway = start()
    cl = await qualified_by(gateway, CL)
    async with desk_of(gateway, BUY) as desk:
        with pytest.raises(ContractError, match="is for ESZ25, not for CLF26"):
            await desk.place(BUY, cl)
    assert gateway.orders() == ()


async def test_an_order_type_that_the_contract_does_not_take_is_not_sent(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk:
        with pytest.raises(ContractError, match="not supported"):
            await desk.place(order(order_type="TRAIL"), es)
    assert gateway.orders() == ()
