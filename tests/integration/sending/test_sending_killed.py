"""Real processes, killed while they send; the full run is ``bench/sending_killed.py``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from afterclose import tws_sim
from integration.sending.evenings import qualify
from integration.sending.killing import play_killed
from unit.tws_sim.sim_market import write_market

pytestmark = pytest.mark.slow


def test_a_sender_that_is_killed_is_continued_by_the_next(tmp_path: Path) -> None:
    market = tws_sim.Market.from_folder(write_market(tmp_path / "market"))
    qualified = asyncio.run(qualify(market))
    wrong = [
        line
        for number in range(5)
        for line in play_killed(number, market, qualified, tmp_path)[0].wrong
    ]

    assert wrong == []
