"""Run a model in a process of its own, watched: progress, time limit, log, and its error in words.

Zipline needs seconds to import, holds gigabytes if asked to, and runs code that is not ours. None
of that belongs into the process that holds the approval of an evening.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from afterclose import errors
from afterclose.adapters.zipline import lifeline, wire
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.runs import Engine, ModelRequest, ModelResult
from afterclose.errors import AfterCloseError, ModelError

WORKER = "afterclose.adapters.zipline.worker"
LOG_TAIL_LINES = 20
#: So long the last words of a process that ended are waited for.
LAST_WORDS_S = 5.0

#: Status of a worker that Ctrl-C ended, too (POSIX, Windows): a terminal tells all that it started.
_INTERRUPTED = frozenset({-signal.SIGINT, 0xC000013A})

OnProgress = Callable[[str], None]


def run_model(
    request: ModelRequest,
    *,
    on_progress: OnProgress,
    resume_from: Path | None = None,
    compare_with: Path | None = None,
    engine: Engine = Engine.DESK,
) -> ModelResult:
    """Run one model to its last session and read what it left in ``request.output``.

    With ``resume_from``, the output folder of an earlier run, it goes on from there when nothing
    but new sessions came since, and starts from inception otherwise; the fact ``started`` says
    which, and why. Either way the result covers all sessions since inception. With
    ``compare_with``, likewise a folder, ``drift`` says what of the past is no longer what it was.

    Raises ModelError when the model fails (with its author's own lines) or exceeds its time limit,
    and the worker's own error (DataError, ...) when it could not start; KeyboardInterrupt when the
    person at the terminal stopped the worker, too. The folder keeps the log.
    """
    folder = request.output
    _make_folder(folder)
    task = ModelTask(
        request=request, resume_from=resume_from, compare_with=compare_with, engine=engine
    )
    wire.write_json(folder / wire.TASK_FILE, wire.task_to_json(task))
    log_path = folder / wire.LOG_FILE
    with log_path.open("w", encoding="utf-8", newline="\n") as log:
        status, in_time = _watch(folder, log, request.time_limit_s, on_progress)
    if not in_time:
        raise ModelError(
            f"model {request.model.name} did not finish in {request.time_limit_s:g} s",
            hint=f"its log is {log_path}; raise the time limit, or make the model faster",
        )
    if status in _INTERRUPTED:
        raise KeyboardInterrupt
    if (folder / wire.ERROR_FILE).exists():
        raise _error_of(wire.read_json(folder / wire.ERROR_FILE))
    if status != 0 or not (folder / wire.RESULT_FILE).exists():
        raise ModelError(
            f"the process of model {request.model.name} ended with status {status}:\n"
            f"{_tail(log_path)}",
            hint=f"its log is {log_path}",
        )
    return read_result(folder)


def read_result(folder: Path) -> ModelResult:
    """Read the result that a run left in a folder, with its timing among the facts."""
    content = wire.read_json(folder / wire.RESULT_FILE)
    content.setdefault("drift", None)  # a run of a version before
    content["facts"].update(wire.read_json(folder / wire.TIMING_FILE))
    return wire.result_from_json(content, folder=folder)


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # What an old run left must not pass for this one's.
    for name in (wire.RESULT_FILE, wire.TIMING_FILE, wire.ERROR_FILE, wire.CHECKPOINT_FILE):
        (folder / name).unlink(missing_ok=True)


def _watch(folder: Path, log: IO[str], limit_s: float, on_progress: OnProgress) -> tuple[int, bool]:
    """Run the worker; returns its exit status, and whether it ended within the limit."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", WORKER, str(folder.resolve()), lifeline.ON_A_LINE],
        stdin=subprocess.PIPE,  # never written to: it ends with us, and the worker with it
        stdout=subprocess.PIPE,
        stderr=log,
        encoding="utf-8",
        errors="replace",  # a library may write bytes past sys.stdout
    )
    expired = threading.Event()
    broken: list[Exception] = []

    def stop() -> None:
        expired.set()
        lifeline.end(process)

    # A process that the model started may hold the pipe open when the model's own is gone, so the
    # pipe's end is not waited for.
    listener = threading.Thread(target=_listen, args=(process, on_progress, broken), daemon=True)
    listener.start()
    timer = threading.Timer(limit_s, stop)
    timer.start()
    try:
        status = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            lifeline.end(process)
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
        listener.join(LAST_WORDS_S)
    if broken:
        raise broken[0]
    return status, not expired.is_set()


def _listen(
    process: subprocess.Popen[str], on_progress: OnProgress, broken: list[Exception]
) -> None:
    """Pass the worker's progress on; a listener that fails ends the run."""
    if process.stdout is None:
        return
    with process.stdout as lines:
        try:
            for line in lines:
                _pass_on(line, on_progress)
        except Exception as error:  # noqa: BLE001 - raised again where the run was started
            broken.append(error)
            lifeline.end(process)


def _pass_on(line: str, on_progress: OnProgress) -> None:
    try:
        said = json.loads(line)["progress"]
    except (ValueError, KeyError, TypeError):
        return  # a library that writes past sys.stdout
    if isinstance(said, str):
        on_progress(said)


def _error_of(content: dict[str, str]) -> AfterCloseError:
    """The worker's error, as what it was where it was raised."""
    kind = getattr(errors, content["kind"], ModelError)
    if not (isinstance(kind, type) and issubclass(kind, AfterCloseError)):
        kind = ModelError
    return kind(content["message"], hint=content["hint"])


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])
