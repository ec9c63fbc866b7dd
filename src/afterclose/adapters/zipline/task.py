"""From a task to the files of a run: open the store, go on or start anew, simulate, write."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.zipline.algorithm import EndState, Market, Progress
from afterclose.adapters.zipline.bars import BarStore, MarketBars
from afterclose.adapters.zipline.checkpoint import StateNotRead, read_state
from afterclose.adapters.zipline.drift import (
    PastRun,
    Revised,
    compare_histories,
    write_changes,
)
from afterclose.adapters.zipline.engine import open_market, simulate
from afterclose.adapters.zipline.results import model_result, write_files
from afterclose.adapters.zipline.resume import (
    LIBRARIES,
    Checkpoint,
    StartAnew,
    engine_digest,
    made_from,
    read_checkpoint,
    write_checkpoint,
)
from afterclose.adapters.zipline.runner import read_result
from afterclose.adapters.zipline.strategy import Strategy, load_strategy
from afterclose.adapters.zipline.tables import RunTables, read_tables, run_tables
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.findings import Scalar
from afterclose.domain.history import HistoryChange, HistoryDrift
from afterclose.domain.runs import Engine, ModelRequest, ModelResult, RollRule

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """A run, whichever way it was made."""

    tables: RunTables
    end: EndState
    bars: MarketBars
    facts: dict[str, Scalar]


def do_task(task: ModelTask, *, say: Say, on_session: Progress) -> ModelResult:
    """Run the model of a task and leave its files in the output folder."""
    request = task.request
    say("reading the market store")
    store = MarketStore.open(request.store)
    strategy = load_strategy(request.model.entry_point)
    if "analyze" in strategy.functions:
        _draw_without_windows()
    if task.engine is Engine.STOCK:
        outcome = _by_stock(store, request, strategy)
    else:
        outcome = run_on_store(
            store, request, strategy, say=say, on_session=on_session, earlier=task.resume_from
        )
    facts = {**_facts(store, request, strategy), **outcome.facts, "engine": str(task.engine)}
    facts["store_revisions"] = len(store.revisions())
    facts["history"] = store.history_fingerprint(request.last_session)
    facts["sessions"] = len(outcome.tables.days)
    facts["bars_off_calendar"] = outcome.bars.off_calendar_bars
    say("writing the results")
    result = model_result(outcome.tables, outcome.end, outcome.bars, request, facts)
    files = write_files(outcome.tables, result, request.output)
    drift = None
    if task.compare_with is not None:
        say("comparing tonight's history with the last one")
        drift, changes = _drift(store, task.compare_with, outcome.tables, result)
        path = write_changes(changes, request.output)
        files |= {} if path is None else {path.name: path}
    return replace(result, files=files, drift=drift)


def _draw_without_windows() -> None:
    """An ``analyze`` that shows its charts must not wait for a person to close them."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - seconds; most models draw nothing
    except ImportError:
        return
    mpl.use("Agg")


def _drift(
    store: MarketStore, folder: Path, tables: RunTables, result: ModelResult
) -> tuple[HistoryDrift, Sequence[HistoryChange]]:
    """Compare with an earlier run; one that does not read back is said, and is no clean bill."""
    try:
        earlier = read_result(folder)
        before = PastRun(
            model=earlier.model,
            last_session=earlier.last_session,
            tables=read_tables(folder),
            facts=earlier.facts,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        unreadable = f"{folder}: {error!r}"
        return HistoryDrift(
            model=result.model, since=result.first_session, unreadable=unreadable
        ), ()
    after = PastRun(
        model=result.model, last_session=result.last_session, tables=tables, facts=result.facts
    )
    known = earlier.facts.get("store_revisions")
    new = store.revisions()[known if isinstance(known, int) else 0 :]
    history = store.history_fingerprint(earlier.last_session)
    revised = Revised.of(
        new, through=earlier.last_session, different=history != earlier.facts.get("history")
    )
    return compare_histories(before, after, revised=revised)


def run_on_store(
    store: BarStore,
    request: ModelRequest,
    strategy: Strategy,
    *,
    say: Say,
    on_session: Progress,
    earlier: Path | None = None,
) -> Outcome:
    """Simulate on the market store, going on from an earlier run where that is possible."""
    beginning = _beginning(store, request, strategy, earlier)
    checkpoint, market, started = beginning.checkpoint, beginning.market, beginning.started
    say(started)
    run = simulate(
        market,
        request,
        strategy,
        on_session=on_session,
        state=beginning.state,
        after=pd.Timestamp(checkpoint.last_session) if checkpoint else None,
    )
    tables = checkpoint.tables.followed_by(run.tables) if checkpoint else run.tables
    facts: dict[str, Scalar] = {"started": started}
    if run.state and request.rolls is RollRule.CAUSAL:
        write_checkpoint(
            request.output,
            origin=made_from(store, request, strategy, request.last_session),
            last=request.last_session,
            runs_in_a_row=checkpoint.runs_in_a_row if checkpoint else 0,
            state=run.state,
            rolls=market.portal.rolls.history(),
            tables=tables,
        )
    elif run.state_missing:
        facts["checkpoint"] = f"none: {run.state_missing}"
        say(f"the next run starts from inception: {run.state_missing}")
    return Outcome(tables=tables, end=run.end, bars=market.bars, facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Beginning:
    """Where a run begins: its market, and the checkpoint and state it goes on from."""

    market: Market
    started: str
    checkpoint: Checkpoint | None = None
    state: Mapping[str, Any] | None = None


def _beginning(
    store: BarStore, request: ModelRequest, strategy: Strategy, earlier: Path | None
) -> _Beginning:
    if earlier is None:
        return _Beginning(market=open_market(store, request), started="from inception")
    try:
        checkpoint = read_checkpoint(earlier, store, request, strategy)
        last = checkpoint.last_session
        market = open_market(store, request, known_rolls=checkpoint.rolls, through=last)
        return _Beginning(
            market=market,
            started=f"going on from {last}",
            checkpoint=checkpoint,
            state=read_state(checkpoint.state, market.finder),
        )
    except (StartAnew, StateNotRead) as reason:
        market = open_market(store, request)
        return _Beginning(market=market, started=f"from inception: {reason}")


def _by_stock(store: BarStore, request: ModelRequest, strategy: Strategy) -> Outcome:
    """Plain Zipline on a bundle of the same bars."""
    from afterclose.adapters.zipline.stock import run_stock  # noqa: PLC0415 - rarely asked for

    performance, end, bars = run_stock(store, request, strategy)
    tables = run_tables(performance, end, lambda *_: 1.0)
    return Outcome(tables=tables, end=end, bars=bars, facts={"started": "from inception"})


def _facts(store: BarStore, request: ModelRequest, strategy: Strategy) -> dict[str, Scalar]:
    return {
        "store_fingerprint": store.fingerprint,
        "model_digest": strategy.digest,
        "entry_point": request.model.entry_point,
        "rolls": str(request.rolls),
        "currency": str(request.currency),
        "base_currency": request.base_currency,
        "first_session": request.first_session.isoformat(),
        "capital_base": request.capital_base,
        "parameters": json.dumps(dict(request.model.parameters), sort_keys=True),
        "roots": " ".join(request.roots),
        "adopt": json.dumps(dict(request.adopt), sort_keys=True),
        "costs": f"{request.commission} {request.slippage}",
        "afterclose_engine": engine_digest(),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }
