"""Put an evening's entries into this machine's scheduler, or take them out again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from afterclose import schedule
from afterclose.artifacts import write_atomically
from afterclose.errors import SourceUnavailable, UsageError

_UNITS = Path(".config", "systemd", "user")
#: There while systemd runs this machine; its programs alone may be installed anywhere.
_SYSTEMD_RUNS = Path("/run/systemd/system")
_LOCAL_TIME = Path("/etc/localtime")
#: What the crontab programs say where a user has none; everything else is trouble.
_NO_CRONTAB = ("no crontab", "no such file", "can't open")


class Scheduler(StrEnum):
    """What starts things on a machine."""

    SYSTEMD = "systemd"
    CRON = "cron"
    WINDOWS = "windows"


def chosen(kind: str) -> Scheduler:
    """Return the scheduler that was named, or this machine's. Raises UsageError."""
    if kind:
        try:
            return Scheduler(kind)
        except ValueError:
            known = ", ".join(Scheduler)
            raise UsageError(f"{kind!r} is no scheduler", hint=f"known are {known}") from None
    if sys.platform == "win32":
        return Scheduler.WINDOWS
    return Scheduler.SYSTEMD if _SYSTEMD_RUNS.is_dir() else Scheduler.CRON


def machine_zone() -> tzinfo | None:
    """Return the zone that a scheduler goes by: the machine's, whatever TZ says in this shell.

    None where the machine keeps it elsewhere: then it is what this process goes by.
    """
    try:
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return None


def install(
    kind: Scheduler, name: str, texts: Sequence[tuple[str, str]], what: Sequence[str]
) -> str:
    """Put the entries in their place, instead of older ones of this desk; say where that is.

    Raises SourceUnavailable.
    """
    if kind is Scheduler.SYSTEMD:
        timer = _install_units(name, texts)
        return f"{timer}; so that it runs while you are logged out: loginctl enable-linger"
    if kind is Scheduler.CRON:
        lines = texts[0][1].splitlines()
        _run("crontab", "-", given=schedule.crontab_with(_crontab(), what, lines))
        return "the crontab; lines of this desk that stood there were replaced"
    with tempfile.TemporaryDirectory() as folder_name:
        written = Path(folder_name) / texts[0][0]
        written.write_text(texts[0][1], encoding="utf-16")
        _run("schtasks", "/Create", "/F", "/TN", name, "/XML", str(written))
    return f"the scheduled task {name}, which runs while you are logged in"


def _install_units(name: str, texts: Sequence[tuple[str, str]]) -> Path:
    """Write the units and start the timer. Where systemd refuses, what was there before stays."""
    _require("systemctl")
    folder = Path.home() / _UNITS
    units = [folder / file for file, _ in texts]
    before = {unit: unit.read_bytes() for unit in units if unit.is_file()}
    for unit, (_, text) in zip(units, texts, strict=True):
        write_atomically(unit, text.encode())
    try:
        _run("systemctl", "--user", "daemon-reload")
        _run("systemctl", "--user", "enable", "--now", f"{name}.timer")
    except SourceUnavailable:
        for unit in units:  # the schedule of until now goes on, also after a start of the machine
            if unit in before:
                write_atomically(unit, before[unit])
            else:
                unit.unlink(missing_ok=True)
        raise
    return folder / f"{name}.timer"


def remove(kind: Scheduler, name: str, what: Sequence[str]) -> str:
    """Take the desk's entries out, and nobody else's; say where from. Raises SourceUnavailable."""
    if kind is Scheduler.SYSTEMD:
        _run("systemctl", "--user", "disable", "--now", f"{name}.timer")
        for ending in ("timer", "service"):
            (Path.home() / _UNITS / f"{name}.{ending}").unlink(missing_ok=True)
        _run("systemctl", "--user", "daemon-reload")
        return f"{name}.timer"
    if kind is Scheduler.CRON:
        _run("crontab", "-", given=schedule.crontab_with(_crontab(), what, ()))
        return "the crontab"
    _run("schtasks", "/Delete", "/F", "/TN", name)
    return f"the scheduled task {name}"


def _crontab() -> str:
    """Return the user's crontab; empty where he has none.

    One that is there and could not be read must not be written over.
    """
    done = _start("crontab", "-l")
    if done.returncode and not any(word in done.stderr.lower() for word in _NO_CRONTAB):
        raise _refused("crontab", ("-l",), done)
    return "" if done.returncode else done.stdout


def _run(program: str, *arguments: str, given: str = "") -> None:
    done = _start(program, *arguments, given=given)
    if done.returncode:
        raise _refused(program, arguments, done)


def _start(program: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = (_require(program), *arguments)
    return subprocess.run(  # noqa: S603 - this machine's own scheduler
        command, input=given, capture_output=True, text=True, encoding="utf-8", check=False
    )


def _require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise SourceUnavailable(
            f"this machine has no {program}",
            hint="print the entries with another --for: systemd, cron or windows",
        )
    return found


def _refused(
    program: str, arguments: Sequence[str], done: subprocess.CompletedProcess[str]
) -> SourceUnavailable:
    return SourceUnavailable(
        f"{program} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}",
        hint="run it by hand to see more; 'afterclose schedule' prints the entries",
    )
