"""Rolls by hand at the paper gateway: the close first, as much opened as closed, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose import by_hand, tws_sim
from afterclose.by_hand import rolling
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.errors import ApprovalVoid, SafetyError, UsageError
from afterclose.evening import settling
from afterclose.evening.books import read_books
from integration.sending.hand_stage import Stage, opened, work
from make import make_event
from unit.ibkr.ibkr_values import ES, EVENING, order
from unit.tws_sim.sim_market import write_market

pytestmark = pytest.mark.anyio

DECEMBER = FuturesContract(RootSymbol("ES"), ContractMonth(2025, 12))
MARCH = FuturesContract(RootSymbol("ES"), ContractMonth(2026, 3))
CRUDE = FuturesContract(RootSymbol("CL"), ContractMonth(2026, 1))
INDEX = rolling.RollRequest(symbol="es", by="Ann")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def stage(market: tws_sim.Market, tmp_path: Path) -> Iterator[Stage]:
    with opened(market, tmp_path) as made:
        yield made


async def roll(
    stage: Stage,
    request: rolling.RollRequest = INDEX,
    shown: rolling.Roll | None = None,
) -> rolling.Rolled:
    seen = shown or await rolling.preview(stage.desk, request)
    return await rolling.carry_out(stage.desk, request, seen, on_event=lambda _event: None)


async def test_a_position_goes_into_the_next_month_and_stays_with_its_models(
    stage: Stage,
) -> None:
    stage.ledger.adopt("TF", {DECEMBER: -2}, at=EVENING, note="test")
    stage.ledger.adopt("MR", {DECEMBER: 1}, at=EVENING, note="test")
    done = await roll(stage)

    assert stage.positions() == {"CL202601": Decimal(2), "ES202603": Decimal(-1)}
    assert [(o.order_ref, o.action, int(o.quantity)) for o in stage.gateway.orders()] == [
        ("desk-20251201-ESZ25-RC1", "BUY", 1),
        ("desk-20251201-ESH26-RO1", "SELL", 1),
    ]
    assert stage.ledger.held("TF") == {MARCH: -2}
    assert stage.ledger.held("MR") == {MARCH: 1}
    assert {life.state for life in done.lives.values()} == {OrderState.FILLED}


async def test_a_rolled_market_was_not_left_and_its_books_say_so(stage: Stage) -> None:
    stage.ledger.adopt("TF", {DECEMBER: -1}, at=EVENING, note="test")
    await roll(stage)

    assert stage.ledger.flattened("TF") == frozenset()
    assert stage.ledger.rolled("TF") == {DECEMBER: MARCH}
    books = read_books(stage.ledger, (), EVENING.date())
    assert books.done["TF"] == {DECEMBER: 1, MARCH: -1}
    assert books.complete["TF"] == {MARCH}


async def test_a_preview_shows_both_orders_and_sends_nothing(stage: Stage) -> None:
    shown = await rolling.preview(stage.desk, INDEX)

    assert [(o.contract, o.signed) for o in shown.legs.orders] == [(DECEMBER, 1), (MARCH, -1)]
    assert stage.gateway.orders() == ()


async def test_what_cannot_be_rolled_is_said_and_nothing_goes(stage: Stage) -> None:
    async def refused(symbol: str, into: str = "") -> str:
        with pytest.raises(UsageError) as raised:
            await rolling.preview(stage.desk, replace(INDEX, symbol=symbol, into=into))
        return str(raised.value)

    assert "holds nothing of ZC" in await refused("ZC")
    assert "cannot be rolled into ESZ25" in await refused("ES", "ESZ25")
    assert "cannot be rolled into CLG26" in await refused("ES", "CLG26")
    assert "does not know ESJ26" in await refused("ES", "ESJ26")


async def test_the_new_month_stays_closed_when_the_old_one_is_not_taken(
    market: tws_sim.Market, tmp_path: Path
) -> None:
    with opened(market, tmp_path, scenario="[orders]\nsize_limit = 1") as stage:
        crude = replace(INDEX, symbol="CLF26", into="CLG26")
        done = await roll(stage, crude)

        assert stage.gateway.orders() == ()
        states = {ref[-3:]: life.state for ref, life in done.lives.items()}
    assert states == {"RC1": OrderState.REJECTED, "RO1": OrderState.INTENDED}


async def test_a_position_that_changed_after_it_was_shown_is_left_alone(stage: Stage) -> None:
    shown = await rolling.preview(stage.desk, INDEX)
    other = order(ES, order_ref="by-hand", quantity=2, order_type="MKT")
    await work(stage, other, client_id=5)

    with pytest.raises(ApprovalVoid, match="another one than you saw"):
        await roll(stage, shown=shown)

    assert [o.order_ref for o in stage.gateway.orders()] == ["by-hand"]


async def test_a_strangers_order_on_the_new_month_blocks_the_roll(stage: Stage) -> None:
    march = order(replace(ES, contract=MARCH), order_ref="somebody-else", limit_price=Decimal(6500))
    await work(stage, march, client_id=5)

    with pytest.raises(UsageError, match="somebody-else"):
        await rolling.preview(stage.desk, INDEX)


async def test_a_halted_desk_does_not_roll(stage: Stage) -> None:
    shown = await rolling.preview(stage.desk, INDEX)
    by_hand.halt(stage.desk, by="Ann", reason="test")

    with pytest.raises(SafetyError, match="halted"):
        await roll(stage, shown=shown)

    assert stage.gateway.orders() == ()


async def test_a_roll_that_was_killed_between_its_legs_is_completed_by_the_same_command(
    stage: Stage,
) -> None:
    stage.ledger.adopt("TF", {DECEMBER: -1}, at=EVENING, note="test")
    await close_alone(stage)
    held = dict(stage.ledger.held("TF"))
    shown = await rolling.preview(stage.desk, INDEX)
    await roll(stage)

    assert held == {}
    assert [(o.order_ref, o.signed) for o in shown.legs.orders] == [
        ("desk-20251201-ESH26-RO2", -1),
    ]
    assert stage.positions() == {"CL202601": Decimal(2), "ES202603": Decimal(-1)}
    assert stage.ledger.held("TF") == {MARCH: -1}


async def test_a_root_that_was_rolled_is_not_rolled_on_by_the_same_command(stage: Stage) -> None:
    await roll(stage)

    with pytest.raises(UsageError, match="ESZ25 was rolled into ESH26 already"):
        await rolling.preview(stage.desk, INDEX)

    on = await rolling.preview(stage.desk, replace(INDEX, symbol="ESH26"))
    assert [o.contract.symbol for o in on.legs.orders] == ["ESH26", "ESM26"]


async def test_a_leg_that_may_be_out_keeps_the_roll_from_going_on_and_says_what_to_do(
    stage: Stage,
) -> None:
    await close_alone(stage)
    stage.ledger.append_events("roll", [make_event(opening(stage), "intent")])

    with pytest.raises(UsageError, match=r"ESH26-RO1 is unknown.*'afterclose resolve'"):
        await rolling.preview(stage.desk, INDEX)

    ref = opening(stage).order_ref
    by_hand.settle_unknown(stage.desk, ref, by="Ann", why="nowhere in TWS")
    await roll(stage)
    assert stage.positions() == {"CL202601": Decimal(2), "ES202603": Decimal(-1)}


async def close_alone(stage: Stage) -> None:
    """Roll until the close has filled; of the opening order only the name is written."""
    shown = await rolling.preview(stage.desk, INDEX)
    close, opens = shown.legs.orders
    stage.ledger.record_orders("roll", [close, opens], parts=shown.legs.parts)
    stage.ledger.append_events("roll", [make_event(close, "intent")])
    await work(stage, close, client_id=18)
    async with stage.desk.open_reader() as reader:
        settling.hear(stage.desk, await reader.sweep())


def opening(stage: Stage) -> BasketOrder:
    ref = "desk-20251201-ESH26-RO1"
    return stage.ledger.named([ref])[ref]
