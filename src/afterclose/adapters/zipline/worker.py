"""The model's own process: ``python -m afterclose.adapters.zipline.worker FOLDER``.

Reads ``request.json`` in the folder and leaves the result files there. Progress goes to standard
output, one JSON object a line; everything else that is printed or logged is the model's log. Exit
status: 0 done, 1 the model or its data failed and ``error.json`` says how.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from afterclose.adapters.zipline import wire
from afterclose.domain.findings import Scalar
from afterclose.domain.runs import ModelRequest, ModelResult
from afterclose.errors import AfterCloseError

PROGRESS_EVERY_S = 0.5

Say = Callable[[str], None]


def run_request(request: ModelRequest, *, say: Say) -> ModelResult:
    """Run a request in this process and write its files. ``say`` hears of the progress."""
    say("starting Zipline")
    # Imported here: the error of a broken installation must still reach error.json.
    from afterclose.adapters.marketdata.store import MarketStore  # noqa: PLC0415
    from afterclose.adapters.zipline.engine import open_market, simulate  # noqa: PLC0415
    from afterclose.adapters.zipline.results import model_result, write_files  # noqa: PLC0415
    from afterclose.adapters.zipline.strategy import load_strategy  # noqa: PLC0415

    store = MarketStore.open(request.store)
    say("reading the market store")
    market = open_market(store, request)
    strategy = load_strategy(request.model.entry_point)
    simulation = simulate(market, request, strategy, on_session=_reporter(say))
    facts = _facts(request, store.fingerprint, strategy.digest)
    facts["bars_off_calendar"] = market.bars.off_calendar_bars
    facts["sessions"] = len(simulation.performance)
    result = model_result(simulation, request, facts)
    files = write_files(simulation, result, request)
    return replace(result, files=files)


def _facts(request: ModelRequest, fingerprint: str, model_digest: str) -> dict[str, Scalar]:
    facts: dict[str, Scalar] = {
        "store_fingerprint": fingerprint,
        "model_digest": model_digest,
        "entry_point": request.model.entry_point,
        "rolls": str(request.rolls),
        "currency": str(request.currency),
        "base_currency": request.base_currency,
        "python": platform.python_version(),
    }
    for library in ("zipline-reloaded", "pandas", "numpy"):
        facts[library] = version(library)
    return facts


def _reporter(say: Say) -> Callable[[int, int, object], None]:
    """Speak at most twice a second, and at the last session."""
    heard = [time.monotonic()]

    def report(done: int, total: int, session: object) -> None:
        now = time.monotonic()
        if done == total or now - heard[0] >= PROGRESS_EVERY_S:
            heard[0] = now
            say(f"session {done} of {total}, {session:%Y-%m-%d}")

    return report


def main(folder: Path, progress: TextIO) -> int:
    """Run the request of a folder; see the module's text for what is left there."""

    def say(text: str) -> None:
        progress.write(json.dumps({"progress": text}) + "\n")
        progress.flush()

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    logging.captureWarnings(capture=True)
    began = time.perf_counter(), time.process_time()
    try:
        request = wire.request_from_json(wire.read_json(folder / wire.REQUEST_FILE))
        result = run_request(request, say=say)
    except AfterCloseError as error:
        kind = type(error).__name__
        wire.write_json(
            folder / wire.ERROR_FILE, {"kind": kind, "message": str(error), "hint": error.hint}
        )
        return 1
    wire.write_json(folder / wire.RESULT_FILE, wire.result_to_json(result))
    wire.write_json(
        folder / wire.TIMING_FILE,
        {
            "seconds": time.perf_counter() - began[0],
            "cpu_seconds": time.process_time() - began[1],
        },
    )
    return 0


if __name__ == "__main__":
    own_output, sys.stdout = sys.stdout, sys.stderr  # what a model prints belongs to its log
    sys.exit(main(Path(sys.argv[1]), own_output))
