"""What a person, or a precaution, does with our orders in TWS: held, sent on, resized, ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import IbkrDesk, open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.errors import ApprovalVoid
from afterclose.evening.books import numbers_from
from afterclose.stages import cancelling, submit
from integration.ibkr.gateways import PATIENCE_S, GatewayTime
from integration.sending.evenings import AFTER_THE_OPEN, gateway_of, make_orders, qualify
from unit.ibkr.ibkr_values import approval, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN, write_market

pytestmark = pytest.mark.anyio

#: Far above the market: it fills as soon as it stands in it.
FIRST = order(quantity=3, limit_price=Decimal(6950))
SECOND = replace(FIRST, order_ref=f"{FIRST.order_ref[:-1]}2")
HOLD = '[orders]\nhold = { ES = "The order size exceeds the Size Limit." }'


@dataclass
class Stage:
    """A gateway and a desk's ledger."""

    gateway: tws_sim.RunningGateway
    market: tws_sim.Market
    ledger: SqlLedger

    @asynccontextmanager
    async def desk(self, *orders: BasketOrder) -> AsyncIterator[IbkrDesk]:
        ends = MONDAY_EVENING + timedelta(hours=12)
        async with open_desk(
            host=self.gateway.host,
            port=self.gateway.port,
            client_id=8,
            approval=approval(*orders, at=MONDAY_EVENING, expires_at=ends),
            timeout_s=PATIENCE_S,
            clock=GatewayTime(self.gateway),
            numbers_from=numbers_from(self.ledger, GatewayTime(self.gateway)),
        ) as desk:
            yield desk

    async def send(self, *orders: BasketOrder) -> Mapping[str, OrderLife]:
        request = submit.SubmitRequest(
            run_id="run", orders=orders, qualified=await qualify(self.market)
        )
        async with self.desk(*orders) as desk:
            return await submit.run(desk, self.ledger, request, GatewayTime(self.gateway))

    async def send_and_die(self, order: BasketOrder) -> None:
        """Place it, write down the gateway's first words, and read no book any more."""
        intent = OrderEvent(order_ref=order.order_ref, at=MONDAY_EVENING, kind=EventKind.INTENT)
        self.ledger.record_orders("run", [order])
        self.ledger.append_events("run", [intent])
        qualified = await qualify(self.market)
        async with self.desk(order) as desk:
            await desk.place(order, qualified[order.contract])
            async for event in desk.events():
                self.ledger.append_events("run", [event])
                if event.status == "Inactive":
                    return

    def told(self, ref: str) -> OrderLife:
        session = FIRST.session
        return lives(self.ledger.orders(session), self.ledger.events(session))[ref]

    def book(self) -> dict[str, str]:
        return {view.order_ref: view.status for view in self.gateway.orders()}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The gateway holds every order in ES."""
    market = tws_sim.Market.from_folder(write_market(tmp_path / "market"))
    url = f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}"
    with gateway_of(market, HOLD, seed=0) as gateway, closing(SqlLedger(url)) as ledger:
        yield Stage(gateway, market, ledger)


# Held by a precaution: inactive, and yet a click away from the market


async def test_a_held_order_is_unknown_says_what_to_do_and_is_not_sent_again(stage: Stage) -> None:
    known = (await stage.send(FIRST))[FIRST.order_ref]

    assert (known.state, known.held) == (OrderState.UNKNOWN, True)
    assert "Cancel it in TWS or with 'afterclose halt'" in known.text
    assert known.text.endswith("; The order size exceeds the Size Limit.")
    assert known.remaining == 3
    assert (await stage.send(FIRST))[FIRST.order_ref] == known
    assert stage.book() == {FIRST.order_ref: "Inactive"}


async def test_a_roll_does_not_open_while_its_close_is_held(stage: Stage) -> None:
    close, opens = make_orders(6, seed=1)[-2:]
    for _ in range(2):
        known = await stage.send(close, opens)

    assert known[close.order_ref].state is OrderState.UNKNOWN
    assert known[opens.order_ref].state is OrderState.INTENDED
    assert stage.book() == {close.order_ref: "Inactive"}


async def test_no_second_basket_goes_beside_an_order_that_only_seemed_rejected(
    stage: Stage,
) -> None:
    """Our process died on the word "Inactive"; the next evening's run made another attempt."""
    await stage.send_and_die(FIRST)
    assert stage.told(FIRST.order_ref).state is OrderState.REJECTED

    with pytest.raises(ApprovalVoid, match=f"{FIRST.order_ref} is not final"):
        await stage.send(SECOND)

    assert stage.told(FIRST.order_ref).state is OrderState.UNKNOWN
    assert stage.book() == {FIRST.order_ref: "Inactive"}


async def test_no_second_basket_goes_beside_a_rejected_order_that_came_to_life(
    stage: Stage,
) -> None:
    await stage.send_and_die(FIRST)
    await asyncio.to_thread(stage.gateway.send_on, FIRST.order_ref)

    with pytest.raises(ApprovalVoid, match="is not final"):
        await stage.send(SECOND)

    assert stage.told(FIRST.order_ref).state is OrderState.ACKNOWLEDGED
    assert stage.book() == {FIRST.order_ref: "PreSubmitted"}


async def test_what_a_person_sends_on_is_followed_to_its_fills(stage: Stage) -> None:
    await stage.send(FIRST)
    await asyncio.to_thread(stage.gateway.send_on, FIRST.order_ref)
    await asyncio.to_thread(stage.gateway.advance_to, AFTER_THE_OPEN)
    known = (await stage.send(FIRST))[FIRST.order_ref]

    assert (known.state, known.filled, known.held) == (OrderState.FILLED, 3, False)


async def test_what_is_cancelled_is_over_and_the_next_attempt_may_go(stage: Stage) -> None:
    await stage.send(FIRST)
    async with stage.desk() as desk:
        ended = await cancelling.run(desk, stage.ledger, run_id="run")
    await asyncio.to_thread(stage.gateway.switch, None)

    assert ended.proven
    assert stage.told(FIRST.order_ref).state is OrderState.CANCELLED
    assert (await stage.send(SECOND))[SECOND.order_ref].state is OrderState.ACKNOWLEDGED
    assert stage.book() == {FIRST.order_ref: "Cancelled", SECOND.order_ref: "PreSubmitted"}


# Resized


async def test_an_order_that_a_person_made_smaller_ends_with_what_he_left(stage: Stage) -> None:
    await asyncio.to_thread(stage.gateway.switch, None)
    await stage.send(FIRST)
    await asyncio.to_thread(partial(stage.gateway.change, FIRST.order_ref, quantity=1))
    waits = (await stage.send(FIRST))[FIRST.order_ref]
    await asyncio.to_thread(stage.gateway.advance_to, AFTER_THE_OPEN)
    ended = (await stage.send(FIRST))[FIRST.order_ref]

    assert (waits.state, waits.remaining) == (OrderState.ACKNOWLEDGED, 1)
    assert (ended.state, ended.filled, ended.remaining) == (OrderState.CANCELLED, 1, 0)
    assert waits.text == ended.by_hand == "somebody changed its size to 1 in TWS"
    assert [(o.order_ref, int(o.filled)) for o in stage.gateway.orders()] == [(FIRST.order_ref, 1)]


async def test_an_order_that_a_person_made_larger_is_not_over_when_ours_is(stage: Stage) -> None:
    slices = tws_sim.Scenario.from_toml("[orders]\npartial_fills = { ES = 3 }")
    await asyncio.to_thread(stage.gateway.switch, slices)
    await stage.send(FIRST)
    await asyncio.to_thread(partial(stage.gateway.change, FIRST.order_ref, quantity=5))
    await asyncio.to_thread(stage.gateway.advance_to, TUESDAY_OPEN)
    first = (await stage.send(FIRST))[FIRST.order_ref]
    with pytest.raises(ApprovalVoid, match="is not final"):
        await stage.send(SECOND)
    await asyncio.to_thread(stage.gateway.advance_to, AFTER_THE_OPEN)
    ended = (await stage.send(FIRST))[FIRST.order_ref]

    assert (first.state, first.filled, first.remaining) == (OrderState.PARTLY_FILLED, 3, 2)
    assert (ended.state, ended.filled) == (OrderState.FILLED, 5)


# Order numbers reset


async def test_an_order_goes_also_where_its_number_was_used_by_one_that_was_cancelled(
    stage: Stage,
) -> None:
    """After "Reset API order ID sequence" the gateway offers 1, and tells no number of FIRST."""
    await asyncio.to_thread(stage.gateway.switch, None)
    await stage.send(FIRST)
    await asyncio.to_thread(stage.gateway.cancel, FIRST.order_ref)
    reset = tws_sim.Scenario.from_toml("[connection]\nroll_back_ids = true")
    await asyncio.to_thread(stage.gateway.switch, reset)

    assert (await stage.send(SECOND))[SECOND.order_ref].state is OrderState.ACKNOWLEDGED
    assert stage.book() == {FIRST.order_ref: "Cancelled", SECOND.order_ref: "PreSubmitted"}
