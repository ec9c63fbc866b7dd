"""A run that goes on is the run from inception, on real history through the crash of 2020."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.zipline.results import model_result, write_files
from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.adapters.zipline.task import Outcome, run_on_store
from afterclose.domain.runs import ModelRef, ModelRequest
from integration.zipline.pending import BOTH_LEGS, CLOSING, PARTLY, pending

FOLDER = os.environ.get("AFTERCLOSE_REAL_DATA")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="AFTERCLOSE_REAL_DATA is not set"),
]

INCEPTION, EVENING = date(2019, 2, 1), date(2020, 3, 9)
MODELS = {"TF": "afterclose.models.trend_following", "MR": "afterclose.models.mean_reversion"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    folder = tmp_path_factory.mktemp("real") / "store"
    data = RealHistory(folder=Path(str(FOLDER))).load(first=date(2017, 6, 1), last=EVENING)
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="real history")
    return MarketStore.open(folder)


def run(
    store: MarketStore, name: str, last: date, folder: Path, earlier: Path | None = None
) -> tuple[Outcome, dict[str, str]]:
    folder.mkdir(parents=True, exist_ok=True)
    request = ModelRequest(
        model=ModelRef(name=name, entry_point=MODELS[name]),
        store=Path(),
        first_session=INCEPTION,
        last_session=last,
        capital_base=10_000_000.0,
        output=folder,
    )
    outcome = run_on_store(
        store,
        request,
        load_strategy(MODELS[name]),
        say=lambda _: None,
        on_session=lambda *_: None,
        earlier=earlier,
    )
    result = model_result(outcome.tables, outcome.end, outcome.bars, request, {})
    files = write_files(outcome.tables, result, folder)
    return outcome, {
        kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in files.items()
    }


@pytest.mark.parametrize("name", sorted(MODELS))
def test_one_five_and_252_sessions_later_it_is_the_run_from_inception(
    store: MarketStore, name: str, tmp_path: Path
) -> None:
    full, expected = run(store, name, EVENING, tmp_path / "full")
    sessions = [day.date() for day in full.tables.days["session"]]

    for after in (1, 5, 252):
        cut = sessions[-1 - after]
        run(store, name, cut, tmp_path / f"to{after}")
        resumed, files = run(store, name, EVENING, tmp_path / f"on{after}", tmp_path / f"to{after}")

        assert resumed.facts["started"] == f"going on from {cut}"
        assert files == expected

    assert len(full.tables.fills) > 50


@pytest.mark.parametrize("name", sorted(MODELS))
def test_what_hangs_over_the_end_of_a_year_is_carried_over(
    store: MarketStore, name: str, tmp_path: Path
) -> None:
    cut = date(2019, 12, 31)
    before, _ = run(store, name, cut, tmp_path / "to")

    assert pending(before) == {BOTH_LEGS, CLOSING, *([PARTLY] if name == "MR" else [])}
    for end in (date(2020, 1, 2), date(2020, 1, 8)):  # one and five sessions later
        _, expected = run(store, name, end, tmp_path / f"full to {end}")
        resumed, files = run(store, name, end, tmp_path / f"on to {end}", tmp_path / "to")

        assert resumed.facts["started"] == f"going on from {cut}"
        assert files == expected
