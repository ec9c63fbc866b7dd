"""Evenings in a row, unattended, as ``bench/two_years.py`` plays two years of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from e2e.long_desk import LongDesk
from e2e.long_evenings import Tally, play

pytestmark = pytest.mark.slow

FIRST = date(2024, 6, 24)
#: Two weeks over the end of a month: the gateway restarts, and the quarter's contracts roll near.
LAST = date(2024, 7, 5)


def test_models_journal_broker_and_value_agree_every_day_or_it_is_named(tmp_path: Path) -> None:
    tally = Tally()
    desk = LongDesk(home=tmp_path, seed=5, inception=FIRST)

    play(desk, first=FIRST, last=LAST, tally=tally)

    assert tally.wrong == []
    assert tally.counts["evenings"] == 10  # Globex has a session on the Fourth of July
    assert tally.counts["orders filled"] > 0
    assert tally.counts["days of value compared"] > 0


def test_the_same_evenings_agree_on_postgresql_as_well(tmp_path: Path, postgresql: str) -> None:
    """A week of it: what is sent and filled must not depend on where the ledger lives."""
    last = date(2024, 6, 27)
    here, there = Tally(), Tally()
    file = LongDesk(home=tmp_path / "file", seed=5, inception=FIRST)
    server = LongDesk(
        home=tmp_path / "server",
        seed=5,
        inception=FIRST,
        ledger=postgresql,
        name=uuid4().hex[:8],
    )
    play(file, first=FIRST, last=last, tally=here)
    play(server, first=FIRST, last=last, tally=there)

    assert there.wrong == []
    # Not the whole tally: what answers in time on a busy machine is not the ledger's doing.
    assert there.counts["evenings"] == here.counts["evenings"] == 4
    assert there.counts["orders filled"] > 0
