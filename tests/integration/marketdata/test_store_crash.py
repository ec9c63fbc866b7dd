from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from afterclose.adapters.marketdata.store import BAR_COLUMNS, MarketStore
from afterclose.adapters.marketdata.verify import verify_store
from integration.marketdata.growing_store import (
    FIRST_DAY,
    contracts_after,
    expected_bars,
    expected_rates,
    last_number,
    symbol_of,
)

KILLS = 200
#: Side by side, each with a process that is killed.
STORES = 2
READ_SESSIONS = 120
SCRIPT = Path(__file__).with_name("growing_store.py")


def killed_while_growing(path: Path, chance: random.Random) -> int:
    """Start the growing process, kill it at a random moment, return the last commit it reported."""
    child = growing(path)
    assert child.stdout is not None
    reported = [int(child.stdout.readline())]  # it is running: from here on any moment will do
    timer = threading.Timer(chance.uniform(0.0, 0.12), child.kill)
    timer.start()
    reported.extend(int(line) for line in child.stdout if line.endswith("\n"))
    child.wait()
    child.stdout.close()
    timer.join()
    return reported[-1]


def growing(path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
    )


def test_readers_see_whole_states_only_while_a_writer_commits(tmp_path: Path) -> None:
    path = tmp_path / "store"
    child = growing(path)
    assert child.stdout is not None
    reported = int(child.stdout.readline())
    seen = set()
    try:
        while reported < READ_SESSIONS:
            number = last_number(path)
            require_whole_state(path, number)
            seen.add(number)
            reported = int(child.stdout.readline())
    finally:
        child.kill()
        child.stdout.close()
        child.wait()
    assert len(seen) > 1


def require_whole_state(path: Path, at_least: int) -> None:
    """One opening is one state: bars, contracts and last session of the same commit."""
    store = MarketStore.open(path)
    number = (store.last_session - FIRST_DAY).days
    assert number >= at_least
    for place in range(len(contracts_after(number))):
        bars, expected = store.bars(symbol_of(place)), expected_bars(place, number)
        assert bars.close.tolist() == expected.close.tolist()


@pytest.mark.slow
def test_no_bar_is_lost_or_damaged_by_killing_the_update_two_hundred_times(tmp_path: Path) -> None:
    stores = [(tmp_path / f"store-{at}", random.Random(20260822 + at)) for at in range(STORES)]
    with ThreadPoolExecutor(STORES) as pool:
        kills = list(pool.map(lambda pair: kill_again_and_again(*pair), stores))

    assert sum(kills) == KILLS


def kill_again_and_again(path: Path, chance: random.Random) -> int:
    """Kill the growing process, look at every bar, start it again; return how often."""
    previous, kills = -1, 0
    while kills < KILLS // STORES:
        reported = killed_while_growing(path, chance)
        kills += 1
        number = last_number(path)
        assert number >= reported > previous
        previous = number
        require_exact(path, number)
    assert verify_store(path) == sum(
        len(expected_bars(place, previous)) for place in range(len(contracts_after(previous)))
    )
    assert previous > KILLS // STORES
    return kills


def require_exact(path: Path, number: int) -> None:
    """Every contract and every bar up to that session, to the last bit, and nothing else."""
    store = MarketStore.open(path)
    places = range(len(contracts_after(number)))
    assert sorted(store.symbols()) == [symbol_of(place) for place in places]
    for place in places:
        bars, expected = store.bars(symbol_of(place)), expected_bars(place, number)
        assert (bars.sessions == expected.sessions).all()
        for name in BAR_COLUMNS:
            assert np.array_equal(getattr(bars, name), getattr(expected, name), equal_nan=True)
    rates, theirs = store.fx("EUR"), expected_rates(number)
    assert (rates.sessions == theirs.sessions).all()
    assert rates.usd_per_unit.tolist() == theirs.usd_per_unit.tolist()
