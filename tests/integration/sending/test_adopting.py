"""A person's word on a position: two crude long and one index short are in the account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.by_hand import adopting
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.errors import BrokerUnavailable, UsageError
from integration.ibkr.hurry import hurried
from integration.sending.hand_stage import Stage, opened, work
from make import make_event
from unit.ibkr.ibkr_values import CL, EVENING, order
from unit.tws_sim.sim_market import write_market

pytestmark = pytest.mark.anyio

CRUDE = FuturesContract(RootSymbol("CL"), ContractMonth(2026, 1))
INDEX = FuturesContract(RootSymbol("ES"), ContractMonth(2025, 12))
GONE = FuturesContract(RootSymbol("CL"), ContractMonth(2019, 1))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def stage(market: tws_sim.Market, tmp_path: Path) -> Iterator[Stage]:
    with opened(market, tmp_path) as made:
        made.ledger.adopt("TF", {CRUDE: 1}, at=EVENING, note="test")
        made.ledger.adopt("MR", {INDEX: 1}, at=EVENING, note="test")
        yield made


async def adopt(stage: Stage, model: str, contract: FuturesContract, change: int) -> None:
    await adopting.adopt(stage.desk, model, {contract: change}, by="Ann", why="by hand")


async def test_what_the_account_holds_and_no_model_does_is_taken_over(stage: Stage) -> None:
    (done,) = await adopting.adopt(stage.desk, "TF", {CRUDE: 1}, by="Ann", why="by hand")

    assert (done.before, done.after, done.account) == (1, 2, 2)
    assert stage.ledger.held("TF") == {CRUDE: 2}
    assert stage.gateway.orders() == ()


async def test_what_is_no_longer_there_is_given_up(stage: Stage) -> None:
    """The desk holds one index for MR, the account is one short."""
    await adopt(stage, "MR", INDEX, -1)

    assert stage.ledger.held("MR") == {}


async def test_a_contract_that_the_gateway_knows_no_more_can_be_given_up(stage: Stage) -> None:
    stage.ledger.adopt("TF", {GONE: 3}, at=EVENING, note="expired since")
    await adopt(stage, "TF", GONE, -3)

    assert stage.ledger.held("TF") == {CRUDE: 1}


async def test_what_the_account_shows_is_not_gone_because_the_table_names_it_wrongly(
    stage: Stage,
) -> None:
    """An exchange was renamed: the gateway knows no such contract, the account holds two of it."""
    crude = stage.desk.specs[CRUDE.root]
    renamed = {**stage.desk.specs, CRUDE.root: replace(crude, ib_exchange="NYBOT")}
    stage.desk = replace(stage.desk, specs=renamed)

    with pytest.raises(BrokerUnavailable, match="which contract CLF26"):
        await adopt(stage, "TF", CRUDE, -1)
    assert stage.ledger.held("TF") == {CRUDE: 1}


@pytest.mark.parametrize(
    ("contract", "change"),
    [(CRUDE, 2), (CRUDE, -1), (CRUDE, 0), (INDEX, 1), (INDEX, -3)],
    ids=["more than is there", "away from the account", "nothing", "further apart", "past it"],
)
async def test_a_word_that_does_not_bring_the_books_together_is_refused(
    stage: Stage, contract: FuturesContract, change: int
) -> None:
    with pytest.raises(UsageError, match="does not bring them together"):
        await adopt(stage, "TF", contract, change)
    assert stage.ledger.held("TF") == {CRUDE: 1}


async def test_an_order_of_ours_that_is_open_comes_first(stage: Stage) -> None:
    waiting = order(CL, quantity=1, limit_price=Decimal("57.00"))
    await work(stage, waiting, client_id=18)
    stage.ledger.append_events("run", [make_event(waiting, "sent")])

    with pytest.raises(UsageError, match=waiting.order_ref):
        await adopt(stage, "TF", CRUDE, 1)


async def test_a_model_that_nobody_knows_gets_nothing(stage: Stage) -> None:
    with pytest.raises(UsageError, match="no model XX"):
        await adopt(stage, "XX", CRUDE, 1)


async def test_unknown_positions_are_no_positions_of_zero(stage: Stage) -> None:
    missing = tws_sim.Scenario.from_toml('[connection]\nmissing_end = ["positions"]')
    stage.gateway.switch(missing)

    with pytest.raises(BrokerUnavailable):
        async with hurried(stage.gateway):
            await adopting.adopt(stage.desk, "MR", {INDEX: -1}, by="Ann", why="by hand")
    assert stage.ledger.held("MR") == {INDEX: 1}
