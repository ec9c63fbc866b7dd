"""A run that goes on from last night's checkpoint is the run from inception, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from zipline import api
from zipline.finance.execution import StopOrder
from zipline.finance.slippage import VolumeShareSlippage

from afterclose.adapters.zipline.results import model_result, write_files
from afterclose.adapters.zipline.resume import RUNS_IN_A_ROW, StartAnew, read_checkpoint
from afterclose.adapters.zipline.strategy import Strategy, load_strategy
from afterclose.adapters.zipline.task import Outcome, run_on_store
from afterclose.domain.runs import (
    CommissionRule,
    CurrencyRule,
    ModelRef,
    ModelRequest,
    RollRule,
    SlippageName,
    SlippageRule,
)
from integration.zipline.in_process import request_of, strategy_of
from integration.zipline.pending import BOTH_LEGS, CLOSING, ONE_LEG, PARTLY, STOP, pending
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

pytestmark = pytest.mark.slow

ROOTS = (
    SmallRoot(root="ES", price=3000.0, drift=0.001, tick_size=0.25),
    SmallRoot(root="CL", price=50.0, drift=0.0005, missing_share=0.04),
    SmallRoot(root="FGBL", price=150.0, drift=0.0008, currency="EUR", irregular=25),
    # So thin that orders fill over many days, some of them across the cut.
    SmallRoot(root="OJ", price=30.0, drift=0.0015, point_value=5.0, volume=900.0),
)
FIRST = date(2018, 6, 1)


def market(last: date) -> MemoryStore:
    return MemoryStore(
        data=small_market(
            ROOTS, first=date(2017, 1, 3), last=last, volume_noise=0.6, rates={"EUR": 1.1}
        )
    )


@dataclass
class Diary:
    """State of a model's own: a class, a list, a contract in a dictionary."""

    seen: list[float] = field(default_factory=list)
    held: dict[Any, int] = field(default_factory=dict)


def keeps_a_diary() -> Strategy:
    """Resting stops, recorded values, a schedule, attributes of several kinds."""

    def initialize(context: Any) -> None:
        context.futures = [api.continuous_future(root.root, roll="volume") for root in ROOTS[:2]]
        context.diary = Diary()
        context.count = 0
        api.set_slippage(us_futures=VolumeShareSlippage(volume_limit=0.001))
        api.schedule_function(trade, api.date_rules.week_start(), api.time_rules.market_open())

    def trade(context: Any, data: Any) -> None:
        for future in context.futures:
            contract = data.current(future, "contract")
            price = data.current(contract, "price")
            context.diary.seen.append(float(price))
            context.diary.held[contract] = context.count
            api.order(contract, 9 if len(context.diary.seen) % 3 else -14)
            api.order(contract, -2, style=StopOrder(price * 0.98))

    def handle_data(context: Any, data: Any) -> None:
        context.count += 1
        first = next(iter(context.diary.held), None)
        known = 0.0 if first is None else float(data.current(first, "price"))
        api.record(count=context.count, known=known, entries=len(context.diary.held))

    return strategy_of(initialize=initialize, handle_data=handle_data)


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "trend_following": lambda: load_strategy("afterclose.models.trend_following"),
    "mean_reversion": lambda: load_strategy("afterclose.models.mean_reversion"),
    "diary": keeps_a_diary,
}


def run(
    store: MemoryStore, last: date, folder: Path, strategy: Strategy, earlier: Path | None = None
) -> tuple[Outcome, dict[str, str]]:
    folder.mkdir(parents=True, exist_ok=True)
    request = request_of(first=FIRST, last=last, output=folder)
    outcome = run_on_store(
        store,
        request,
        strategy,
        say=lambda _: None,
        on_session=lambda *_: None,
        earlier=earlier,
    )
    result = model_result(outcome.tables, outcome.end, outcome.bars, request, {})
    files = write_files(outcome.tables, result, folder)
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return outcome, digests


#: What hangs over the cut, so that the proof is one of something.
PENDING: dict[tuple[str, date], set[str]] = {
    ("trend_following", date(2019, 3, 8)): {BOTH_LEGS},
    ("mean_reversion", date(2019, 3, 8)): {BOTH_LEGS},
    ("trend_following", date(2019, 3, 11)): {BOTH_LEGS, PARTLY},
    ("mean_reversion", date(2019, 3, 11)): {BOTH_LEGS, PARTLY},
    ("trend_following", date(2018, 9, 12)): {ONE_LEG, PARTLY, CLOSING},
    ("mean_reversion", date(2018, 9, 12)): {ONE_LEG, PARTLY, CLOSING},
    ("diary", date(2018, 8, 14)): {STOP},
    ("diary", date(2019, 3, 8)): {STOP},
    ("diary", date(2019, 3, 11)): {STOP},
    ("diary", date(2018, 9, 12)): {STOP, CLOSING},
}


# A quiet day, the evening of a roll, the middle of one, and the evening before an auto-close.
@pytest.mark.parametrize("name", list(STRATEGIES))
@pytest.mark.parametrize(
    ("cut", "end"),
    [
        (date(2018, 8, 14), date(2018, 8, 15)),
        (date(2019, 3, 8), date(2019, 3, 11)),
        (date(2019, 3, 11), date(2019, 3, 18)),
        (date(2018, 9, 12), date(2019, 9, 16)),
    ],
    ids=["1 session", "1 session of a roll", "5 sessions", "252 sessions"],
)
def test_going_on_gives_the_files_of_a_run_from_inception(
    tmp_path: Path, name: str, cut: date, end: date
) -> None:
    before, _ = run(market(cut), cut, tmp_path / "earlier", STRATEGIES[name]())
    later = market(end)

    resumed, files = run(later, end, tmp_path / "resumed", STRATEGIES[name](), tmp_path / "earlier")
    full, expected = run(later, end, tmp_path / "full", STRATEGIES[name]())

    assert pending(before) >= PENDING.get((name, cut), set())
    assert resumed.facts["started"] == f"going on from {cut}"
    assert files == expected
    assert len(full.tables.fills) >= 3


def test_evening_after_evening_stays_on_the_same_path(tmp_path: Path) -> None:
    strategy = STRATEGIES["diary"]()
    evenings = [date(2019, 3, day) for day in (11, 12, 13, 14)]
    earlier = None
    for evening in evenings:
        folder = tmp_path / str(evening)
        outcome, files = run(market(evening), evening, folder, strategy, earlier)
        earlier = folder

    _, expected = run(market(evenings[-1]), evenings[-1], tmp_path / "full", strategy)

    assert outcome.facts["started"] == "going on from 2019-03-13"
    assert files == expected


CUT, END = date(2018, 8, 14), date(2018, 8, 16)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    run(market(CUT), CUT, folder, STRATEGIES["diary"]())
    return folder


def tonight(**changes: Any) -> ModelRequest:
    return replace(request_of(first=FIRST, last=END), **changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": ModelRef(name="TEST", entry_point="test", parameters={"n": 2})}, "parameters"),
        ({"capital_base": 2_000_000.0}, "capital_base"),
        ({"base_currency": "EUR"}, "base_currency"),
        ({"first_session": date(2018, 6, 4)}, "first_session"),
        ({"roots": ("ES",)}, "roots"),
        ({"currency": CurrencyRule.NATIVE}, "currency"),
        ({"adopt": {"ESU18": 1}}, "adopt"),
        ({"commission": CommissionRule(per_contract=0.5)}, "commission"),
        ({"slippage": SlippageRule(model=SlippageName.NONE)}, "slippage"),
        ({"rolls": RollRule.ZIPLINE}, "causal rolls"),
        ({"last_session": CUT}, "already ends on 2018-08-14"),
    ],
)
def test_another_request_starts_anew_and_says_why(
    earlier: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(StartAnew, match=named):
        read_checkpoint(earlier, market(END), tonight(**changes), keeps_a_diary())


def test_a_revised_bar_of_the_past_starts_anew(earlier: Path) -> None:
    store = market(END)
    store.data.bars.close[10] += 0.01

    with pytest.raises(StartAnew, match="changed since the earlier run: history"):
        read_checkpoint(earlier, store, tonight(), keeps_a_diary())


def test_a_changed_model_starts_anew(earlier: Path) -> None:
    changed = replace(keeps_a_diary(), digest="another")

    with pytest.raises(StartAnew, match="model_digest"):
        read_checkpoint(earlier, market(END), tonight(), changed)


@pytest.mark.parametrize("fact", ["auto_close", "last_trade", "first_notice"])
def test_a_moved_date_of_a_contract_starts_anew(earlier: Path, fact: str) -> None:
    store = market(END)
    first, *rest = store.data.contracts
    change: dict[str, Any] = {fact: date(2017, 3, 10)}
    moved = replace(first, **change)
    store = replace(store, data=replace(store.data, contracts=(moved, *rest)))

    with pytest.raises(StartAnew, match="contracts"):
        read_checkpoint(earlier, store, tonight(), keeps_a_diary())


@pytest.fixture
def copied(earlier: Path, tmp_path: Path) -> Path:
    """The folder of the earlier run, to be damaged."""
    for path in earlier.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_damaged_state_starts_anew(copied: Path) -> None:
    state = copied / "checkpoint.pickle"
    state.write_bytes(state.read_bytes()[:-1] + b"!")

    with pytest.raises(StartAnew, match="not the one that was written"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


@pytest.mark.parametrize("name", ["checkpoint.json", "fills.parquet", "days.parquet"])
def test_a_file_that_was_being_written_when_the_power_went_starts_anew(
    copied: Path, name: str
) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(StartAnew, match="does not read back"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


@pytest.mark.parametrize("text", ["null", "{}", '{"last_session": 3, "made_from": 3}'])
def test_a_checkpoint_that_is_something_else_starts_anew(copied: Path, text: str) -> None:
    (copied / "checkpoint.json").write_text(text, encoding="utf-8")

    with pytest.raises(StartAnew, match="does not read back"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


def test_a_state_that_was_never_written_starts_anew(copied: Path) -> None:
    (copied / "checkpoint.pickle").unlink()

    with pytest.raises(StartAnew, match="does not read back"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


def test_tables_of_another_run_start_anew(copied: Path) -> None:
    days = pd.read_parquet(copied / "days.parquet")
    days.iloc[:-1].to_parquet(copied / "days.parquet", index=False)

    with pytest.raises(StartAnew, match="tables beside the checkpoint are not those of its run"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


@pytest.mark.parametrize("library", ["zipline-reloaded", "pandas", "numpy", "python", "engine"])
def test_another_version_starts_anew(copied: Path, library: str) -> None:
    path = copied / "checkpoint.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["made_from"][library] = "0.0.1"
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(StartAnew, match=f"changed since the earlier run: {library}$"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


def test_after_a_week_of_going_on_it_starts_anew_by_itself(copied: Path) -> None:
    checkpoint = copied / "checkpoint.json"
    text = checkpoint.read_text(encoding="utf-8")
    text = text.replace('"runs_in_a_row": 0', f'"runs_in_a_row": {RUNS_IN_A_ROW}')
    checkpoint.write_text(text, encoding="utf-8")

    with pytest.raises(StartAnew, match="5 runs went on since"):
        read_checkpoint(copied, market(END), tonight(), keeps_a_diary())


class NotBack(Exception):  # noqa: N818 - what a broker's library may raise, and a model may keep
    """Pickles, and does not come back: it is made again without its second argument."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class NotKept:
    """Raises what it likes when it is to be kept."""

    def __reduce__(self) -> Any:
        raise ValueError("not me")


def test_a_state_that_does_not_come_back_starts_anew_with_the_reason(tmp_path: Path) -> None:
    def initialize(context: Any) -> None:
        context.last_error = NotBack(3, "three")

    strategy = strategy_of(initialize=initialize)
    run(market(CUT), CUT, tmp_path / "earlier", strategy)

    outcome, _ = run(market(END), END, tmp_path / "tonight", strategy, tmp_path / "earlier")

    started = str(outcome.facts["started"])
    assert started.startswith("from inception: the state of the model does not read back")
    assert "NotBack" in started
    assert len(outcome.tables.days) == 55  # the weekdays from June 1 to August 16


def test_what_a_model_took_away_stays_away(tmp_path: Path) -> None:
    def initialize(context: Any) -> None:
        context.warming_up = True

    def handle_data(context: Any, data: Any) -> None:
        if hasattr(context, "warming_up") and data.current_session.date() > FIRST:
            del context.warming_up
        api.record(warm=float(hasattr(context, "warming_up")))

    strategy = strategy_of(initialize=initialize, handle_data=handle_data)
    run(market(CUT), CUT, tmp_path / "earlier", strategy)

    resumed, files = run(market(END), END, tmp_path / "on", strategy, tmp_path / "earlier")
    _, expected = run(market(END), END, tmp_path / "full", strategy)

    assert resumed.facts["started"] == f"going on from {CUT}"
    assert files == expected
    assert resumed.tables.days["recorded_warm"].sum() == 1.0


COUNTS = """
import random
from zipline.api import record
seen, limit = [], 3

class State:
    count = 0

def initialize(context):
    global limit
    limit = 5  # made again by every run
    random.seed(7)

def handle_data(context, data, earlier=[]):
    if WHERE == "seen":
        seen.append(1)
    elif WHERE == "State.count":
        State.count += 1
    elif WHERE == "handle_data.__defaults__":
        earlier.append(1)
    elif WHERE == "handle_data.calls":
        handle_data.calls = getattr(handle_data, "calls", 0) + 1
    elif WHERE == "generator":
        random.random()
    record(seen=len(seen), limit=limit)
"""


@pytest.mark.parametrize(
    "where",
    [
        "seen",
        "State.count",
        "handle_data.__defaults__",
        "handle_data.calls",
        "generator",
        "nowhere",
    ],
)
def test_a_model_that_counts_in_its_module_leaves_no_checkpoint(tmp_path: Path, where: str) -> None:
    path = tmp_path / "counts.py"
    path.write_text(COUNTS.replace("WHERE", repr(where)), encoding="utf-8")

    outcome, _ = run(market(CUT), CUT, tmp_path, load_strategy(str(path)))

    told = outcome.facts.get("checkpoint", "")
    assert (f"global variable {where} of" in str(told)) == (where != "nowhere")
    assert (tmp_path / "checkpoint.json").exists() == (where == "nowhere")


@pytest.mark.parametrize("rule", [lambda: 1, NotKept()], ids=["a lambda", "what refuses"])
def test_a_model_with_something_that_cannot_be_kept_leaves_no_checkpoint(
    tmp_path: Path, rule: Any
) -> None:
    def initialize(context: Any) -> None:
        context.rule = rule

    outcome, _ = run(market(CUT), CUT, tmp_path, strategy_of(initialize=initialize))

    assert str(outcome.facts["checkpoint"]).startswith("none: an attribute of the model")
    assert not (tmp_path / "checkpoint.json").exists()
