"""Whether tonight's run may go on from an earlier one, and the files that carry it over."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import afterclose
from afterclose.adapters.zipline import wire
from afterclose.adapters.zipline.bars import BarStore, StoredContract
from afterclose.adapters.zipline.rolls import RollHistory
from afterclose.adapters.zipline.strategy import Strategy
from afterclose.adapters.zipline.tables import RunTables, read_tables
from afterclose.domain.runs import ModelRequest, RollRule

STATE_FILE = "checkpoint.pickle"
LIBRARIES = ("zipline-reloaded", "pandas", "numpy", "exchange-calendars")
#: After so many runs that went on, one starts from inception again: a week.
RUNS_IN_A_ROW = 5


class StartAnew(Exception):  # noqa: N818 - an outcome with its reason
    """A run cannot go on from this checkpoint; it starts from inception instead."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A checkpoint that agrees with tonight's request."""

    last_session: date
    runs_in_a_row: int
    state: bytes
    tables: RunTables
    rolls: RollHistory


def made_from(
    store: BarStore, request: ModelRequest, strategy: Strategy, last: date
) -> dict[str, Any]:
    """Everything that decides what a run up to ``last`` gives, as plain values.

    ``engine`` is a digest of this package, ``contracts`` one of what is known of each contract that
    was listed by then, ``history`` the store's digest of all bars and rates up to then.
    """
    return {
        "model": request.model.name,
        "model_digest": strategy.digest,
        "parameters": dict(request.model.parameters),
        "first_session": request.first_session.isoformat(),
        "capital_base": request.capital_base,
        "base_currency": request.base_currency,
        "currency": str(request.currency),
        "rolls": str(request.rolls),
        "roots": list(request.roots),
        "adopt": dict(request.adopt),
        "commission": None if request.commission is None else asdict(request.commission),
        "slippage": None if request.slippage is None else asdict(request.slippage),
        "history": store.history_fingerprint(last),
        "contracts": _contracts_digest(store.contracts(), last),
        "engine": engine_digest(),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


def _contracts_digest(contracts: Iterable[StoredContract], last: date) -> str:
    digest = hashlib.sha256()
    for contract in contracts:
        if contract.first_session <= last:
            facts = (
                contract.symbol,
                contract.contract_month,
                contract.currency,
                contract.point_value,
                contract.tick_size,
                contract.first_session,
                contract.first_notice,
                contract.last_trade,
                contract.auto_close,
            )
            digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]


def engine_digest() -> str:
    """A digest of this package's own source, and of the rules that a user's model may import."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(afterclose.__file__).parent / "models"):
        for source in sorted(folder.glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def write_checkpoint(
    folder: Path,
    *,
    origin: Mapping[str, Any],
    last: date,
    runs_in_a_row: int,
    state: bytes,
    rolls: RollHistory,
    tables: RunTables,
) -> None:
    """Leave a checkpoint beside the tables of a run; the JSON comes last and makes it valid."""
    (folder / STATE_FILE).write_bytes(state)
    wire.write_json(
        folder / wire.CHECKPOINT_FILE,
        {
            "made_from": dict(origin),
            "last_session": last.isoformat(),
            "runs_in_a_row": runs_in_a_row,
            "state_sha256": hashlib.sha256(state).hexdigest(),
            "rolls": {root: [list(roll) for roll in history] for root, history in rolls.items()},
            "tables": _summary(tables),
        },
    )


def read_checkpoint(
    folder: Path, store: BarStore, request: ModelRequest, strategy: Strategy
) -> Checkpoint:
    """Read the checkpoint of an earlier run for tonight's request.

    Raises StartAnew, with the reason, unless everything it was made from is what it is tonight.
    """
    if request.rolls is not RollRule.CAUSAL:
        raise StartAnew("only a run with causal rolls can go on from an earlier one")
    if not (folder / wire.CHECKPOINT_FILE).is_file():
        raise StartAnew("there is no checkpoint of an earlier run")
    try:
        content = wire.read_json(folder / wire.CHECKPOINT_FILE)
        checkpoint = _parsed(content, folder)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StartAnew(f"the checkpoint does not read back: {error!r}") from error
    if checkpoint.last_session >= request.last_session:
        raise StartAnew(f"the earlier run already ends on {checkpoint.last_session}")
    if checkpoint.runs_in_a_row > RUNS_IN_A_ROW:
        raise StartAnew(f"{RUNS_IN_A_ROW} runs went on since the last one from inception")
    if hashlib.sha256(checkpoint.state).hexdigest() != content["state_sha256"]:
        raise StartAnew("the state of the checkpoint is not the one that was written")
    if _summary(checkpoint.tables) != content["tables"]:
        raise StartAnew("the tables beside the checkpoint are not those of its run")
    made = made_from(store, request, strategy, checkpoint.last_session)
    _require_same(content["made_from"], made)
    return checkpoint


def _parsed(content: Mapping[str, Any], folder: Path) -> Checkpoint:
    """Read the files of a checkpoint; a run that goes on from it is one more in a row."""
    content["made_from"].keys(), content["state_sha256"], content["tables"]
    return Checkpoint(
        last_session=date.fromisoformat(content["last_session"]),
        runs_in_a_row=int(content["runs_in_a_row"]) + 1,
        state=(folder / STATE_FILE).read_bytes(),
        tables=read_tables(folder),
        rolls={
            root: [(symbol, date.fromisoformat(day)) for symbol, day in history]
            for root, history in content["rolls"].items()
        },
    )


def _summary(tables: RunTables) -> dict[str, Any]:
    """What must agree between a checkpoint and the tables beside it."""
    return {
        "fills": len(tables.fills),
        "holdings": len(tables.holdings),
        "days": len(tables.days),
        "last": f"{tables.days['session'].iloc[-1]:%Y-%m-%d}",
        "value": float(tables.days["portfolio_value"].iloc[-1]),
    }


def _require_same(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(now))
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        raise StartAnew(f"changed since the earlier run: {', '.join(changed)}")
