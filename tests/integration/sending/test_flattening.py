"""Flattening at the paper gateway: what the account holds, whose it was, and what is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from afterclose import by_hand, tws_sim
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.orders import Action, BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.errors import BrokerTimeout, SafetyError
from afterclose.evening.books import read_books
from afterclose.evening.desk import Desk
from afterclose.ports import BrokerReader
from afterclose.stages.flatten import Selection
from integration.ibkr.hurry import hurried
from integration.sending.hand_stage import Stage, opened, work
from make import make_event
from unit.ibkr.ibkr_values import ACCOUNT, CL, ES, EVENING, ZC, order
from unit.tws_sim.sim_market import write_market

pytestmark = pytest.mark.anyio

CRUDE = FuturesContract(RootSymbol("CL"), ContractMonth(2026, 1))
INDEX = FuturesContract(RootSymbol("ES"), ContractMonth(2025, 12))
EVERYTHING = Selection(everything=True)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def stage(market: tws_sim.Market, tmp_path: Path) -> Iterator[Stage]:
    with opened(market, tmp_path) as made:
        yield made


def waiting(**terms: Any) -> BasketOrder:
    """Buy one crude far below the market: it stands."""
    return order(CL, **{"quantity": 1, "limit_price": Decimal("57.00"), **terms})


async def test_everything_is_closed_by_opposite_orders_at_the_market(stage: Stage) -> None:
    done = await stage.flatten(EVERYTHING)

    assert stage.positions() == {}
    assert done.left == ()
    assert {(o.root, o.action, int(o.quantity), o.order_type) for o in stage.gateway.orders()} == {
        ("CL", "SELL", 2, "MKT"),
        ("ES", "BUY", 1, "MKT"),
    }
    assert {o.order_ref for o in stage.gateway.orders()} == {
        "desk-20251201-CLF26-F1",
        "desk-20251201-ESZ25-F1",
    }


async def test_a_preview_shows_positions_and_sends_nothing(stage: Stage) -> None:
    rows = await stage.shown(Selection())

    assert {(r.name, r.position.quantity) for r in rows} == {("CLF26", 2), ("ESZ25", -1)}
    assert stage.gateway.orders() == ()


async def test_a_symbol_closes_that_root_alone(stage: Stage) -> None:
    chosen = Selection(roots=frozenset({"CL"}), contracts=frozenset({"CL"}))
    await stage.flatten(chosen)

    assert stage.positions() == {"ES202512": Decimal(-1)}


async def test_done_twice_it_does_nothing_the_second_time(stage: Stage) -> None:
    await stage.flatten(EVERYTHING)
    again = await stage.flatten(EVERYTHING)

    assert again.lives == {}
    assert len(stage.gateway.orders()) == 2


async def test_what_was_flattened_is_held_by_no_model_any_more(stage: Stage) -> None:
    stage.ledger.adopt("TF", {CRUDE: 3, INDEX: -1}, at=EVENING, note="test")
    stage.ledger.adopt("MR", {CRUDE: -1}, at=EVENING, note="test")
    await stage.flatten(EVERYTHING)

    assert stage.ledger.held("TF") == {}
    assert stage.ledger.held("MR") == {}
    assert stage.ledger.models() == ["MR", "TF"]
    assert stage.ledger.flattened("TF") == {"CL", "ES"}
    books = read_books(stage.ledger, (), EVENING.date())
    assert books.done["TF"] == {CRUDE: -3, INDEX: 1}
    assert books.held_together() == {}


async def test_one_model_is_closed_and_the_other_keeps_what_it_holds(stage: Stage) -> None:
    stage.ledger.adopt("TF", {CRUDE: 1}, at=EVENING, note="test")
    stage.ledger.adopt("MR", {CRUDE: 1, INDEX: -1}, at=EVENING, note="test")
    await stage.flatten(Selection(model="TF"))

    assert stage.positions() == {"CL202601": Decimal(1), "ES202512": Decimal(-1)}
    assert stage.ledger.held("TF") == {}
    assert stage.ledger.held("MR") == {CRUDE: 1, INDEX: -1}


async def test_a_model_is_never_closed_through_the_accounts_own_position(stage: Stage) -> None:
    stage.ledger.adopt("TF", {CRUDE: 5, INDEX: 2}, at=EVENING, note="test")
    rows = {row.name: row for row in await stage.shown(Selection(model="TF"))}
    await stage.flatten(Selection(model="TF"))

    assert rows["ESZ25"].order is None
    assert "left alone" in rows["ESZ25"].reason
    assert stage.positions() == {"ES202512": Decimal(-1)}
    assert stage.ledger.held("TF") == {CRUDE: 3, INDEX: 2}


async def test_our_own_working_order_is_cancelled_first_and_proven_gone(stage: Stage) -> None:
    await work(stage, waiting(), client_id=18)
    done = await stage.flatten(EVERYTHING)

    assert done.cancelling.asked == (waiting().order_ref,)
    assert done.cancelling.proven
    first = stage.gateway.orders()[0]
    assert (first.order_ref, first.status) == (waiting().order_ref, "Cancelled")
    assert stage.positions() == {}


async def test_ours_on_a_chosen_market_without_a_position_is_shown_and_cancelled(
    stage: Stage,
) -> None:
    """Else what was flattened would be opened again by it later."""
    corn = order(ZC, limit_price=Decimal(430))
    await work(stage, corn, client_id=18)
    of_corn = Selection(roots=frozenset({"ZC"}), contracts=frozenset({"ZC"}))
    of_crude = Selection(roots=frozenset({"CL"}), contracts=frozenset({"CL"}))
    seen = {
        name: await by_hand.survey(stage.desk, stage.request(chosen))
        for name, chosen in (("all", EVERYTHING), ("corn", of_corn), ("crude", of_crude))
    }
    done = await by_hand.carry_out(
        stage.desk,
        stage.request(of_corn),
        seen["corn"].rows,
        on_event=lambda _event: None,
        waiting=seen["corn"].waiting,
    )

    shown = {name: [o.order_ref for o in one.waiting] for name, one in seen.items()}
    assert shown == {"all": [corn.order_ref], "corn": [corn.order_ref], "crude": []}
    assert (done.cancelling.asked, done.cancelling.proven) == ((corn.order_ref,), True)
    assert [o.status for o in stage.gateway.orders()] == ["Cancelled"]
    assert stage.positions() == {"CL202601": Decimal(2), "ES202512": Decimal(-1)}


async def test_what_filled_while_nobody_listened_is_closed_and_given_to_its_model(
    stage: Stage,
) -> None:
    """The journal saw it work in the evening; by the morning it has bought a third one."""
    bought = waiting(order_type="MKT")
    await work(stage, bought, client_id=18)
    stood = [make_event(bought, "intent"), make_event(bought, status="Submitted")]
    stage.ledger.append_events("run", stood)
    done = await stage.flatten(EVERYTHING)

    assert stage.positions() == {}
    assert done.left == ()
    assert stage.ledger.held(bought.model) == {}


async def test_a_strangers_working_order_blocks_its_contract_and_is_named(stage: Stage) -> None:
    await work(stage, waiting(order_ref="somebody-else"), client_id=5)
    rows = {row.name: row for row in await stage.shown(EVERYTHING)}
    done = await stage.flatten(EVERYTHING)

    assert rows["CLF26"].order is None
    assert "somebody-else" in rows["CLF26"].reason
    assert "client 5" in rows["CLF26"].reason
    assert stage.positions() == {"CL202601": Decimal(2)}
    assert done.left is not None
    assert [row.name for row in done.left] == ["CLF26"]
    assert stage.gateway.orders()[0].status != "Cancelled"


async def test_a_close_that_may_be_out_blocks_its_contract_in_the_preview_and_says_what_to_do(
    stage: Stage,
) -> None:
    """Its process died before the bytes left, or after: the whole book and a person can say."""
    (crude,) = (row.order for row in await stage.shown(EVERYTHING) if row.name == "CLF26")
    assert crude is not None
    stage.ledger.record_orders("flatten", [crude])
    stage.ledger.append_events("flatten", [make_event(crude, "intent")])
    rows = {row.name: row for row in await stage.shown(EVERYTHING)}
    await stage.flatten(EVERYTHING)

    assert rows["CLF26"].order is None
    assert rows["CLF26"].reason == (
        f"{crude.order_ref} is unknown: look in TWS, then say what became of it: "
        "'afterclose resolve'"
    )
    assert stage.positions() == {"CL202601": Decimal(2)}
    by_hand.settle_unknown(stage.desk, crude.order_ref, by="Ann", why="nowhere in TWS")
    await stage.flatten(EVERYTHING)
    assert stage.positions() == {}


async def test_what_a_model_holds_is_in_doubt_while_an_order_of_an_earlier_evening_is(
    stage: Stage,
) -> None:
    """The account tells how much there is, but not whose: TF's two may be gone, and these MR's."""
    stage.ledger.adopt("TF", {CRUDE: 2}, at=EVENING, note="test")
    stage.ledger.adopt("MR", {CRUDE: 2}, at=EVENING, note="test")
    sold = waiting(
        order_ref="desk-20251128-CLF26-F1",
        session=date(2025, 11, 28),
        model="(desk)",
        action=Action.SELL,
        quantity=2,
    )
    stage.ledger.record_orders("flatten", [sold], parts={sold.order_ref: {"TF": -2}})
    stage.ledger.append_events("flatten", [make_event(sold, "intent")])
    (of_tf,) = await stage.shown(Selection(model="TF"))
    of_all = {row.name: row.order for row in await stage.shown(EVERYTHING)}

    assert of_tf.order is None
    assert of_tf.reason.startswith(f"{sold.order_ref} is unknown: look in TWS")
    assert of_all["CLF26"] is not None


async def test_a_position_that_changed_after_it_was_shown_is_left_alone(stage: Stage) -> None:
    shown = await stage.shown(EVERYTHING)
    buy = waiting(order_type="MKT", order_ref="by-hand")
    await work(stage, buy, client_id=5)
    await stage.flatten(EVERYTHING, shown)

    assert stage.positions() == {"CL202601": Decimal(3)}


async def test_a_position_told_from_before_a_fill_of_ours_is_not_closed_twice(stage: Stage) -> None:
    """Executions and positions are told apart: the second may be behind the first."""
    shown = await stage.shown(EVERYTHING)
    async with stage.desk.open_reader() as reader:
        before = await reader.account(ACCOUNT)
    await work(stage, waiting(action=Action.SELL, order_type="MKT"), client_id=18)
    behind = replace(stage.desk, open_reader=lambda: late_reader(stage.desk, before))
    done = await by_hand.carry_out(
        behind, stage.request(EVERYTHING), shown, on_event=lambda _event: None
    )

    assert [row.name for row in done.rows] == ["ESZ25"]
    assert stage.positions() == {"CL202601": Decimal(1)}
    await stage.flatten(EVERYTHING)
    assert stage.positions() == {}


@asynccontextmanager
async def late_reader(desk: Desk, account: AccountSnapshot) -> AsyncIterator[BrokerReader]:
    """A reader to whom the gateway tells the positions of a while ago."""
    async with desk.open_reader() as reader:
        yield cast("BrokerReader", Late(reader, account))


class Late:
    """What the reader is asked of the account it answers as it was."""

    def __init__(self, reader: BrokerReader, account: AccountSnapshot) -> None:
        self._reader = reader
        self._account = account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def account(self, _account: str) -> AccountSnapshot:
        return self._account


async def test_nothing_happens_while_the_positions_are_unknown(stage: Stage) -> None:
    missing = tws_sim.Scenario.from_toml('[connection]\nmissing_end = ["positions"]')
    stage.gateway.switch(missing)

    with pytest.raises(BrokerTimeout, match="positions"):
        async with hurried(stage.gateway):
            await stage.shown(EVERYTHING)

    assert stage.gateway.orders() == ()


async def test_limits_reach_beyond_the_market_by_ticks(stage: Stage) -> None:
    rows = {r.name: r.order for r in await stage.shown(EVERYTHING, order_type="LMT", ticks=3)}
    at_market = {r.name: r.order for r in await stage.shown(EVERYTHING, order_type="LMT")}
    crude, index = rows["CLF26"], rows["ESZ25"]
    assert crude is not None
    assert index is not None
    assert at_market["CLF26"] is not None
    assert at_market["ESZ25"] is not None

    assert (crude.action, index.action) == (Action.SELL, Action.BUY)
    assert at_market["CLF26"].limit_price - crude.limit_price == Decimal("0.03")
    assert index.limit_price - at_market["ESZ25"].limit_price == Decimal("0.75")


async def test_a_halted_desk_flattens_nothing(stage: Stage) -> None:
    shown = await stage.shown(EVERYTHING)
    by_hand.halt(stage.desk, by="Ann", reason="test")

    with pytest.raises(SafetyError, match="halted"):
        await stage.flatten(EVERYTHING, shown)

    assert stage.gateway.orders() == ()


async def test_a_halt_cancels_what_is_ours_and_leaves_what_is_not(stage: Stage) -> None:
    await work(stage, waiting(), client_id=18)
    stranger = order(ES, order_ref="somebody-else", limit_price=Decimal(6500), quantity=1)
    await work(stage, stranger, client_id=5)
    by_hand.halt(stage.desk, by="Ann", reason="test")
    ended = await by_hand.cancel_ours(stage.desk, by="Ann")

    assert ended.proven
    assert [(o.order_ref, o.status) for o in stage.gateway.orders()] == [
        (waiting().order_ref, "Cancelled"),
        ("somebody-else", "Submitted"),
    ]
    past = read_books(stage.ledger, (), EVENING.date()).past
    assert past[waiting().order_ref].state is OrderState.CANCELLED


async def test_a_gateway_that_is_lost_among_the_orders_leaves_an_answer(stage: Stage) -> None:
    """What was on its way just then, and did not arrive, is in doubt; all else is closed later."""
    shown = await stage.shown(EVERYTHING)
    dropped: list[str] = []

    def drop(event: OrderEvent) -> None:
        if event.kind is EventKind.STATUS and not dropped:
            dropped.append(event.order_ref)
            stage.gateway.drop_connections()

    done = await by_hand.carry_out(stage.desk, stage.request(EVERYTHING), shown, on_event=drop)

    arrived = {o.order_ref for o in stage.gateway.orders()}
    in_doubt = {
        life.order.contract.symbol
        for ref, life in done.lives.items()
        if ref not in arrived and life.state is not OrderState.INTENDED
    }
    assert dropped[0] in arrived
    assert in_doubt <= {"ESZ25"}  # the second of two: whether it had left is the line's secret
    assert done.lost is not None
    assert done.left is None
    again = await stage.flatten(EVERYTHING)
    assert again.left is not None
    assert {row.name for row in again.left} == in_doubt
    assert set(stage.positions()) == {"ES202512" for _ in in_doubt}
