"""The model's own process: ``python -m afterclose.adapters.zipline.worker FOLDER``.

Reads ``task.json`` in the folder and leaves the result files there. Progress goes to standard
output, one JSON object a line; everything else that is printed or logged is the model's log. Exit
status: 0 done, 1 the model or its data failed and ``error.json`` says how. With ``on-a-line``
behind the folder, standard input is the line to the parent, and the process ends when it is gone.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from afterclose.adapters.zipline import lifeline, strategy, wire
from afterclose.errors import AfterCloseError

PROGRESS_EVERY_S = 0.5


def main(folder: Path, progress: TextIO) -> int:
    """Do the task of a folder; see the module's text for what is left there."""

    def say(text: str) -> None:
        progress.write(json.dumps({"progress": text}) + "\n")
        progress.flush()

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    logging.captureWarnings(capture=True)
    began = time.perf_counter(), time.process_time()
    try:
        task = wire.task_from_json(wire.read_json(folder / wire.TASK_FILE))
        strategy.settle_in(task.request.model.entry_point)
        say("starting Zipline")
        # Imported late: it takes seconds, and a broken installation is an error to report.
        from afterclose.adapters.zipline.task import do_task  # noqa: PLC0415

        result = do_task(task, say=say, on_session=_reporter(say))
    except AfterCloseError as error:
        kind = type(error).__name__
        wire.write_json(
            folder / wire.ERROR_FILE, {"kind": kind, "message": str(error), "hint": error.hint}
        )
        return 1
    timing = {
        "seconds": time.perf_counter() - began[0],
        "cpu_seconds": time.process_time() - began[1],
    }
    wire.write_json(folder / wire.TIMING_FILE, timing)
    wire.write_json(folder / wire.RESULT_FILE, wire.result_to_json(result))
    return 0


def _reporter(say: Callable[[str], None]) -> Callable[[int, int, object], None]:
    """Speak at most twice a second, and at the last session."""
    heard = [time.monotonic()]

    def report(done: int, total: int, session: object) -> None:
        now = time.monotonic()
        if done == total or now - heard[0] >= PROGRESS_EVERY_S:
            heard[0] = now
            say(f"session {done} of {total}, {session:%Y-%m-%d}")

    return report


if __name__ == "__main__":
    if lifeline.ON_A_LINE in sys.argv[2:]:
        lifeline.hold_on()
    own_output, sys.stdout = sys.stdout, sys.stderr  # what a model prints belongs to its log
    sys.exit(main(Path(sys.argv[1]).resolve(), own_output))
