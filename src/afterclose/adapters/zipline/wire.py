"""Requests and results as JSON: what crosses the border between our process and the model's.

Both sides import this module, so it knows neither Zipline nor pandas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from afterclose.domain.history import Cause, Changed, HistoryChange, HistoryDrift
from afterclose.domain.runs import (
    AutoClose,
    CommissionRule,
    CurrencyRule,
    Engine,
    FeePer,
    ModelOrder,
    ModelPosition,
    ModelRef,
    ModelRequest,
    ModelResult,
    ModelTransaction,
    RollRule,
    SlippageName,
    SlippageRule,
)

TASK_FILE = "task.json"
RESULT_FILE = "result.json"
TIMING_FILE = "timing.json"
ERROR_FILE = "error.json"
LOG_FILE = "model.log"
CHECKPOINT_FILE = "checkpoint.json"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file with sorted keys; floats read back to the last bit."""
    text = json.dumps(content, indent=1, sort_keys=True, default=_plain)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path | StrEnum):
        return str(value)
    raise TypeError(f"{value!r} has no place in JSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTask:
    """What the model's process is to do.

    ``resume_from`` is the folder of an earlier run to go on from, ``compare_with`` the one whose
    past tonight's is compared with.
    """

    request: ModelRequest
    resume_from: Path | None = None
    compare_with: Path | None = None
    engine: Engine = Engine.DESK


def task_to_json(task: ModelTask) -> dict[str, Any]:
    """Turn a task into plain values."""
    return {
        "request": request_to_json(task.request),
        "resume_from": _folder(task.resume_from),
        "compare_with": _folder(task.compare_with),
        "engine": str(task.engine),
    }


def _folder(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def task_from_json(content: Mapping[str, Any]) -> ModelTask:
    """Turn plain values back into a task."""
    folders = {
        name: None if content[name] is None else Path(content[name])
        for name in ("resume_from", "compare_with")
    }
    return ModelTask(
        request=request_from_json(content["request"]),
        **folders,
        engine=Engine(content["engine"]),
    )


def request_to_json(request: ModelRequest) -> dict[str, Any]:
    """Turn a request into plain values; a relative path becomes absolute."""
    content = asdict(request)
    content["store"] = str(request.store.resolve())
    content["output"] = str(request.output.resolve())
    if request.model.entry_point.endswith(".py"):
        content["model"]["entry_point"] = str(Path(request.model.entry_point).resolve())
    content["model"]["parameters"] = dict(request.model.parameters)
    content["adopt"] = dict(request.adopt)
    return content


def request_from_json(content: Mapping[str, Any]) -> ModelRequest:
    """Turn plain values back into a request."""
    values = dict(content)
    return ModelRequest(
        **{
            **values,
            "model": ModelRef(**values["model"]),
            "store": Path(values["store"]),
            "output": Path(values["output"]),
            "first_session": date.fromisoformat(values["first_session"]),
            "last_session": date.fromisoformat(values["last_session"]),
            "rolls": RollRule(values["rolls"]),
            "currency": CurrencyRule(values["currency"]),
            "roots": tuple(values["roots"]),
            "commission": _commission(values["commission"]),
            "slippage": _slippage(values["slippage"]),
        }
    )


def _commission(content: Mapping[str, Any] | None) -> CommissionRule | None:
    if content is None:
        return None
    return CommissionRule(**{**content, "fee_per": FeePer(content["fee_per"])})


def _slippage(content: Mapping[str, Any] | None) -> SlippageRule | None:
    if content is None:
        return None
    return SlippageRule(**{**content, "model": SlippageName(content["model"])})


def result_to_json(result: ModelResult) -> dict[str, Any]:
    """Turn a result into plain values. Files are named relative to the result's folder."""
    content = asdict(result)
    content["files"] = {name: path.name for name, path in result.files.items()}
    return content


def result_from_json(content: Mapping[str, Any], *, folder: Path) -> ModelResult:
    """Turn plain values back into a result whose files lie in ``folder``."""
    day = date.fromisoformat
    return ModelResult(
        model=content["model"],
        first_session=day(content["first_session"]),
        last_session=day(content["last_session"]),
        capital_base=content["capital_base"],
        transactions=tuple(
            ModelTransaction(**{**row, "session": day(row["session"])})
            for row in content["transactions"]
        ),
        positions=tuple(ModelPosition(**row) for row in content["positions"]),
        open_orders=tuple(
            ModelOrder(**{**row, "created": day(row["created"])}) for row in content["open_orders"]
        ),
        auto_closes=tuple(
            AutoClose(**{**row, "auto_close": day(row["auto_close"])})
            for row in content["auto_closes"]
        ),
        portfolio_value=tuple((day(at), value) for at, value in content["portfolio_value"]),
        last_closes={
            symbol: (day(at), close) for symbol, (at, close) in content["last_closes"].items()
        },
        facts=content["facts"],
        files={name: folder / file for name, file in content["files"].items()},
        drift=_drift(content["drift"]),
    )


def _drift(content: Mapping[str, Any] | None) -> HistoryDrift | None:
    if content is None:
        return None
    return HistoryDrift(
        **{
            **content,
            "since": date.fromisoformat(content["since"]),
            "changes": tuple(_change(change) for change in content["changes"]),
            "reasons": tuple(content["reasons"]),
            "by_cause": {Cause(cause): count for cause, count in content["by_cause"].items()},
        }
    )


def _change(content: Mapping[str, Any]) -> HistoryChange:
    return HistoryChange(
        **{
            **content,
            "kind": Changed(content["kind"]),
            "session": date.fromisoformat(content["session"]),
            "causes": tuple(Cause(cause) for cause in content["causes"]),
        }
    )
