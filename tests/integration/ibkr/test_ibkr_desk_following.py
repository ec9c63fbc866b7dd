"""Following and cancelling orders at the paper gateway, through faults and lost lines."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.domain.orders import Action, EventKind
from afterclose.errors import (
    BrokerError,
    BrokerTimeout,
    BrokerUnavailable,
)
from integration.ibkr.gateways import (
    Start,
    advance,
    desk_of,
    following,
    qualified_by,
)
from integration.ibkr.hurry import hurried
from unit.ibkr.ibkr_values import CL, ES, order
from unit.tws_sim.sim_market import TUESDAY_CLOSE, TUESDAY_OPEN

pytestmark = pytest.mark.anyio

AT_THE_OPEN = TUESDAY_OPEN + timedelta(minutes=5)

BUY = order(quantity=3, limit_price=Decimal("6900.25"))
FAR = order(quantity=3, limit_price=Decimal(6700))
SELL_CL = order(CL, action=Action.SELL, quantity=2, limit_price=Decimal("58.10"))


# What comes back


async def test_an_order_is_followed_from_waiting_for_the_open_to_its_commission(
    start: Start,
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until(lambda events: any(e.code == 399 for e in events))
        await advance(gateway, AT_THE_OPEN)
        await seen.until(lambda events: any(e.kind is EventKind.COMMISSION for e in events))
        await seen.until_status("Filled")
    (executed,) = gateway.executions()
    fill = next(e.fill for e in seen.events if e.kind is EventKind.FILL)
    paid = next(e.fill for e in seen.events if e.kind is EventKind.COMMISSION)
    assert fill is not None
    assert paid is not None
    assert {e.order_ref for e in seen.events} == {BUY.order_ref}
    assert seen.statuses()[0] == "PreSubmitted"
    assert seen.statuses()[-1] == "Filled"
    assert (fill.quantity, fill.price, fill.at) == (3, executed.price, executed.at)
    assert (fill.perm_id, fill.exec_id) == (executed.perm_id, executed.exec_id)
    assert (paid.commission, paid.commission_currency) == (executed.commission, "USD")


async def test_partial_fills_come_one_by_one(start: Start) -> None:
    gateway = start("[orders.partial_fills]\nES = 1")
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_status("PreSubmitted")
        await advance(gateway, TUESDAY_CLOSE)
        await seen.until_status("Filled")
        await seen.until(lambda es_: sum(e.kind is EventKind.COMMISSION for e in es_) == 3)
    fills = [e.fill for e in seen.events if e.kind is EventKind.FILL and e.fill is not None]
    assert [f.quantity for f in fills] == [1, 1, 1]
    assert len({f.exec_id for f in fills}) == 3
    assert [f.price for f in fills] == [e.price for e in gateway.executions()]
    quantities = [(e.filled, e.remaining) for e in seen.events if e.filled is not None]
    assert quantities == sorted(quantities, key=lambda pair: pair[0] or 0)
    assert quantities[-1] == (3, 0)


async def test_a_refusal_is_a_message_and_a_status_of_its_own(start: Start) -> None:
    reason = "Order rejected - reason:Your account has insufficient margin"
    gateway = start(f'[orders.reject]\nES = "{reason}"')
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_status("Inactive")
    (message,) = [e for e in seen.events if e.kind is EventKind.MESSAGE]
    assert (message.order_ref, message.code, message.status) == (BUY.order_ref, 201, "")
    assert "insufficient margin" in message.text


async def test_an_order_off_its_tick_is_answered_by_a_message_alone(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(order(limit_price=Decimal("6800.1")), es)
        await seen.until(bool)
        book = await desk.sweep()
    assert [(e.kind, e.code, e.status) for e in seen.events] == [(EventKind.MESSAGE, 110, "")]
    assert (book.open_orders, book.completed_orders, book.unknown) == ((), (), ())


async def test_a_day_order_that_did_not_fill_ends_with_its_session(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, FAR) as desk, following(desk) as seen:
        await desk.place(FAR, es)
        await seen.until_status("PreSubmitted")
        await advance(gateway, TUESDAY_CLOSE)
        await seen.until_status("Cancelled")
        book = await desk.sweep()
    assert [o.status for o in book.completed_orders] == ["Cancelled"]
    assert book.completed_orders[0].order_ref == FAR.order_ref
    assert book.open_orders == ()


async def test_repeated_and_reversed_callbacks_lose_nothing(start: Start) -> None:
    gateway = start("[orders]\nduplicate_callbacks = true\nreverse_callbacks = true")
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_status("PreSubmitted")
        await advance(gateway, AT_THE_OPEN)
        await seen.until_status("Filled")
        await seen.until(lambda events: any(e.kind is EventKind.COMMISSION for e in events))
    fills = {e.fill.exec_id for e in seen.events if e.fill is not None}
    assert fills == {e.exec_id for e in gateway.executions()}
    assert {e.order_ref for e in seen.events} == {BUY.order_ref}


async def test_an_order_without_any_callback_is_found_by_the_sweep(start: Start) -> None:
    gateway = start("[orders]\nno_callback = [1]")
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        book = await desk.sweep()
    assert [o.order_ref for o in book.open_orders] == [BUY.order_ref]
    # The book's own description of it is the first word on it.
    assert {e.kind for e in seen.events} <= {EventKind.STATUS}


async def test_the_broken_line_between_tws_and_ibkr_is_told(start: Start) -> None:
    gateway = start()
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        for state in ("lost", "restored, data lost"):
            fault = tws_sim.Scenario.from_toml(f'[connection]\nconnectivity = "{state}"')
            await asyncio.to_thread(gateway.switch, fault)
        await seen.until(lambda events: any(e.code == 1101 for e in events))
    assert [(e.order_ref, e.code) for e in seen.events] == [("", 1100), ("", 1101)]


async def test_nothing_is_sent_while_tws_has_lost_ibkrs_servers(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)

    async def servers_are(state: str) -> None:
        fault = tws_sim.Scenario.from_toml(f'[connection]\nconnectivity = "{state}"')
        await asyncio.to_thread(gateway.switch, fault)

    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.sweep()
        await servers_are("lost")
        await seen.until(lambda events: any(e.code == 1100 for e in events))
        with pytest.raises(BrokerUnavailable, match="IBKR's servers; nothing was sent"):
            await desk.place(BUY, es)
        await servers_are("restored, data kept")
        await seen.until(lambda events: any(e.code == 1102 for e in events))
        await desk.place(BUY, es)
        await seen.until_status("PreSubmitted")
    assert len(gateway.orders()) == 1


async def test_the_book_is_read_again_after_tws_had_lost_ibkrs_servers(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.sweep()
        fault = '[connection]\nconnectivity = "restored, data lost"\nmissing_end = ["openOrders"]'
        await asyncio.to_thread(gateway.switch, tws_sim.Scenario.from_toml(fault))
        await seen.until(lambda events: any(e.code == 1101 for e in events))
        async with hurried(gateway):
            with pytest.raises(BrokerTimeout, match="nothing was sent"):
                await desk.place(BUY, es)
    assert gateway.orders() == ()


# Cancelling


async def test_a_cancellation_is_confirmed_by_the_orders_status(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, FAR) as desk, following(desk) as seen:
        await desk.place(FAR, es)
        await seen.until_status("PreSubmitted")
        await desk.cancel(FAR.order_ref)
        await seen.until_status("Cancelled")
        await seen.until(lambda events: any(e.code == 202 for e in events))
    message = next(e for e in seen.events if e.code == 202)
    assert (message.kind, message.status) == (EventKind.MESSAGE, "")


async def test_an_order_of_an_earlier_connection_can_be_cancelled_by_its_owner(
    start: Start,
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, FAR, client_id=8) as desk:
        await desk.place(FAR, es)
        await desk.sweep()
    async with desk_of(gateway, FAR, client_id=8) as desk, following(desk) as seen:
        await desk.cancel(FAR.order_ref)
        await seen.until_status("Cancelled")
    assert gateway.orders()[0].status == "Cancelled"


async def test_an_order_of_another_client_is_not_cancelled_and_its_owner_is_named(
    start: Start,
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, FAR, client_id=8) as desk:
        await desk.place(FAR, es)
        await desk.sweep()
    async with desk_of(gateway, FAR, client_id=18) as desk:
        with pytest.raises(BrokerError, match="client number 8 owns it"):
            await desk.cancel(FAR.order_ref)
        with pytest.raises(BrokerError, match="has no working order"):
            await desk.cancel("desk-20251201-TF-NGF26-O1")


async def test_cancelling_a_filled_order_changes_nothing_and_says_so(start: Start) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_status("PreSubmitted")
        await advance(gateway, AT_THE_OPEN)
        await seen.until_status("Filled")
        await desk.cancel(BUY.order_ref)
        await seen.until(lambda events: any(e.code == 10148 for e in events))
    assert "Filled" in next(e for e in seen.events if e.code == 10148).text
    assert seen.statuses()[-1] == "Filled"


# The line breaks


@pytest.mark.parametrize(("fault", "arrived"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_line_that_breaks_at_an_order_leaves_it_to_the_next_sweep(
    start: Start, fault: str, arrived: int
) -> None:
    gateway = start(f"[orders]\n{fault} = [1]")
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY, BUY_AGAIN) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_lost()
        with pytest.raises(BrokerUnavailable, match="nothing was sent"):
            await desk.place(BUY_AGAIN, es)
        with pytest.raises(BrokerUnavailable):
            await desk.cancel(BUY.order_ref)
    gateway.switch(None)
    async with desk_of(gateway, BUY) as desk:
        book = await desk.sweep()
    assert book.unknown == ()
    assert [o.order_ref for o in book.open_orders] == [BUY.order_ref] * arrived
    assert len(gateway.orders()) == arrived


BUY_AGAIN = order(order_ref=BUY.order_ref[:-1] + "2")


async def test_a_fill_during_a_disconnect_is_found_by_the_sweep_with_its_commission(
    start: Start,
) -> None:
    gateway = start()
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, BUY) as desk, following(desk) as seen:
        await desk.place(BUY, es)
        await seen.until_status("PreSubmitted")
        await asyncio.to_thread(gateway.drop_connections)
        await seen.until_lost()
        assert "PreSubmitted" in seen.statuses()
        assert not {"Cancelled", "Inactive"} & set(seen.statuses())
    await advance(gateway, AT_THE_OPEN)
    async with desk_of(gateway, BUY) as desk:
        book = await desk.sweep()
    (fill,) = book.fills
    assert (fill.order_ref, fill.quantity, fill.commission) == (
        BUY.order_ref,
        3,
        gateway.executions()[0].commission,
    )
    assert [o.status for o in book.completed_orders] == ["Filled"]


async def test_order_numbers_go_on_after_the_gateway_forgot_its_counter(start: Start) -> None:
    gateway = start()
    es, cl = await qualified_by(gateway, ES), await qualified_by(gateway, CL)
    async with desk_of(gateway, FAR, SELL_CL) as desk:
        await desk.place(FAR, es)
        await desk.sweep()
    gateway.switch(tws_sim.Scenario.from_toml("[connection]\nroll_back_ids = true"))
    async with desk_of(gateway, FAR, SELL_CL) as desk, following(desk) as seen:
        await desk.place(SELL_CL, cl)
        await seen.until(lambda events: any(e.order_ref == SELL_CL.order_ref for e in events))
    assert 103 not in seen.codes()
    assert [o.order_ref for o in gateway.orders()] == [FAR.order_ref, SELL_CL.order_ref]


async def test_a_second_incarnation_of_an_order_shows_in_the_book(start: Start) -> None:
    gateway = start("[orders]\ndouble_perm_ids = [1]")
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, FAR) as desk:
        await desk.place(FAR, es)
        book = await desk.sweep()
    assert [o.order_ref for o in book.open_orders] == [FAR.order_ref] * 2
    assert len({o.perm_id for o in book.open_orders}) == 2


async def test_the_events_end_when_the_desk_closes(start: Start) -> None:
    gateway = start()
    async with desk_of(gateway, BUY) as desk:
        events = desk.events()
    assert [event async for event in events] == []
