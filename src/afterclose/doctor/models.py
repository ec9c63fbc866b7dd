"""The models: do they import, when do they start, what capital do they get."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from afterclose.doctor.diagnosis import Diagnosis, fails, good, unknown
from afterclose.domain.contracts import Session
from afterclose.settings import ModelSettings, Settings

PART = "models"
_WITHIN_S = 120.0
#: Runs in a process of its own: a model is the trader's code, and Zipline costs seconds.
_IMPORTS = """\
import contextlib, io, json, sys
from afterclose.adapters.zipline.strategy import load_strategy, settle_in
from afterclose.errors import AfterCloseError
for entry_point in json.loads(sys.argv[1]):
    said = ["", ""]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            settle_in(entry_point)
            load_strategy(entry_point)
        except AfterCloseError as error:
            said = [str(error) or type(error).__name__, error.hint]
    print(json.dumps([entry_point, *said]), flush=True)
"""


def check(settings: Settings, session: Session) -> Iterator[Diagnosis]:
    """Import every model in one process, and look at its settings."""
    if not settings.models:
        yield fails(PART, "models", "none is configured", "add a [[models]] section")
        return
    imported = imports(settings)
    for model in settings.models:
        yield _imported(model, _entry_point(settings, model), imported)
        yield from _inception(model, session)


def _entry_point(settings: Settings, model: ModelSettings) -> str:
    if not model.entry_point.endswith(".py"):
        return model.entry_point
    return str(settings.resolve(Path(model.entry_point)).resolve())


def imports(settings: Settings) -> Mapping[str, tuple[str, str]] | None:
    """Return error and remedy by entry point, empty for those that import; None: no answer."""
    names = [_entry_point(settings, model) for model in settings.models]
    try:
        done = subprocess.run(  # noqa: S603 - our own program on the desk's own models
            [sys.executable, "-c", _IMPORTS, json.dumps(names)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        return None
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    if len(answers) < len(names) and done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        missing = names[len(answers)]
        answers.append([missing, last, "run it by itself to see where"])
    return {entry: (said, remedy) for entry, said, remedy in answers}


def _imported(
    model: ModelSettings, entry_point: str, imported: Mapping[str, tuple[str, str]] | None
) -> Diagnosis:
    if imported is None:
        return fails(
            PART, model.name, f"did not import within {_WITHIN_S:g} s", f"look into {entry_point}"
        )
    if entry_point not in imported:
        return unknown(PART, model.name, "not reached: a model before it ended the process")
    said, remedy = imported[entry_point]
    if said:
        return fails(PART, model.name, said, remedy or f"correct {model.entry_point}")
    return good(PART, model.name, f"{model.entry_point} imports")


def _inception(model: ModelSettings, session: Session) -> Iterator[Diagnosis]:
    try:
        inception = date.fromisoformat(model.inception)
    except ValueError:
        yield fails(
            PART,
            model.name,
            f"inception is {model.inception!r}, no date",
            "write the session on whose evening the model starts: yyyy-mm-dd",
        )
        return
    if inception > session:
        yield fails(
            PART,
            model.name,
            f"starts on {inception}, after the evening of {session}",
            "wait, or correct inception",
        )
