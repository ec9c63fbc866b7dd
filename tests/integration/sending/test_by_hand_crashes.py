"""Our process dies at every write of a flattening and of a roll, and the command is given again.

The whole of it, under other faults and with other things done in between, is
``bench/sending_by_hand.py``.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from afterclose import tws_sim
from integration.sending.hand_evenings import (
    IN_PARTS,
    WRITES,
    HandEvening,
    Then,
    play,
)
from integration.sending.hand_truth import Act
from unit.tws_sim.sim_market import write_market

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.mark.parametrize("act", Act)
async def test_whatever_write_is_the_last_each_position_is_closed_once_and_nothing_is_forgotten(
    act: Act, market: tws_sim.Market, tmp_path: Path
) -> None:
    wrong: list[str] = []
    for point in count(1):
        evening = HandEvening(
            act=act,
            scenario=IN_PARTS,
            crash_at=point,
            crash_after=point % 2 == 0,
            then=tuple(Then)[point % len(Then)],
        )
        home = tmp_path / str(point)
        home.mkdir()
        outcome = await play(evening, market, home)
        wrong += [f"{evening}: {line}" for line in outcome.wrong]
        if evening.survived(outcome.writes):
            break

    assert wrong == []
    assert point > WRITES


@pytest.mark.parametrize("act", Act)
async def test_undisturbed_it_is_done_at_once(
    act: Act, market: tws_sim.Market, tmp_path: Path
) -> None:
    outcome = await play(HandEvening(act=act), market, tmp_path)

    assert outcome.wrong == []
    assert (outcome.runs, outcome.orders) == (1, 2)
    assert outcome.writes >= WRITES
