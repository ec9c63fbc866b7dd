"""A slice of the matrix: every fault of the gateway once, with a crash somewhere.

The whole of it is ``bench/sending.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from afterclose import tws_sim
from integration.sending.desks import DESKS
from integration.sending.evenings import Evening, make_orders, play, qualify
from integration.sending.scenarios import SCENARIOS, doubts, of_desk
from unit.tws_sim.sim_market import write_market

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NAMES = sorted(SCENARIOS)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.mark.parametrize("name", NAMES)
async def test_whatever_fails_nothing_is_sent_twice_lost_or_told_wrongly(
    name: str, market: tws_sim.Market, tmp_path: Path
) -> None:
    number = NAMES.index(name)
    evening = Evening(
        scenario=SCENARIOS[name],
        orders=make_orders(3, seed=number),
        crash_at=number % 13,
        crash_after=number % 2 == 0,
        seed=number,
    )
    outcome = await play(evening, market, await qualify(market), tmp_path / "ledger.sqlite")

    assert outcome.wrong == []
    assert doubts(name, evening, outcome) == []


@pytest.mark.parametrize("desk", DESKS)
async def test_the_same_holds_where_limits_are_worked_rows_netted_and_legs_alone(
    desk: str, market: tws_sim.Market, tmp_path: Path
) -> None:
    name, number = "partial fills", DESKS.index(desk)
    evening = of_desk(desk, SCENARIOS[name], number, crash_at=9 + 2 * number, after=number > 2)
    outcome = await play(evening, market, await qualify(market), tmp_path / "ledger.sqlite")

    assert outcome.wrong == []
    assert doubts(name, evening, outcome) == []


async def test_sixty_orders_of_a_healthy_evening_all_end_known(
    market: tws_sim.Market, tmp_path: Path
) -> None:
    evening = Evening(scenario="", orders=make_orders(60, seed=1))
    outcome = await play(evening, market, await qualify(market), tmp_path / "ledger.sqlite")

    assert outcome.wrong == []
    assert outcome.placed == 60
    assert not {"unknown", "intended", "sent"} & set(outcome.states)
