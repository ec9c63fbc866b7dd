"""A process that does not outlive the one that started it, nor leave its own children behind.

The parent holds the other end of a pipe, and never writes. Its end closes when the parent is gone,
however it went: the one sign of that on every system, and Ctrl-C stays the terminal's to deliver.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

import psutil

#: Second argument of a process that has the line as its standard input.
ON_A_LINE = "on-a-line"
_PARENT_GONE = 1


def hold_on() -> None:
    """End this process, and what it started, when the line on its standard input ends.

    The model's own standard input is empty from here on.
    """
    line = os.dup(0)  # not inherited by what the model starts
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - its number is wanted
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()


def _end_with(line: int) -> None:
    try:
        while os.read(line, 1):
            pass  # nobody writes
        _kill(_children(os.getpid()))
    finally:
        os._exit(_PARENT_GONE)  # at once: nothing more is written, whatever the model is at


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    children = _children(process.pid) if process.poll() is None else ()
    process.kill()
    _kill(children)


def _children(pid: int) -> Sequence[psutil.Process]:
    """What a process started, and what that started; not what cut itself off."""
    try:
        found: Sequence[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return ()
    return found


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()  # by its start as well as its number: never another's
        except psutil.Error:
            continue
