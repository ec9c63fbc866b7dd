"""This machine: Python, libraries, time zones, disk, the desk's folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from afterclose.doctor.diagnosis import Diagnosis, fails, good, note

PART = "machine"
_OLDEST = (3, 11)
#: Libraries without which an evening fails, and the versions it was proved with: a prefix.
LIBRARIES: Mapping[str, str] = {
    "zipline-reloaded": "3.2.1",
    "ib_async": "2.1.0",
    "pandas": "2.",
    "pyarrow": "",
    "exchange-calendars": "",
    "SQLAlchemy": "2.",
    "alembic": "",
    "pydantic": "2.",
}
_EXTRAS: Mapping[str, str] = {"zipline-reloaded": "zipline", "ib_async": "ibkr"}
_MEGABYTE = 1 << 20
_LEAST_FREE = 500 * _MEGABYTE
_WISHED_FREE = 5_000 * _MEGABYTE


def check(home: Path, installed: Mapping[str, str] | None = None) -> Iterator[Diagnosis]:
    """Look at this machine. ``installed`` is name → version; by default what is installed."""
    yield _python(sys.version_info[:2])
    yield from libraries(_installed() if installed is None else installed)
    yield _zones()
    yield disk(shutil.disk_usage(home).free)
    yield _folder(home)


def _python(version: tuple[int, int]) -> Diagnosis:
    said = f"{version[0]}.{version[1]}"
    if version < _OLDEST:
        return fails(PART, "Python", said, "install Python 3.11 or newer")
    return good(PART, "Python", said)


def _installed() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def libraries(installed: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Compare what is installed with what the evening was proved with."""
    told = []
    for name, wanted in LIBRARIES.items():
        version = installed.get(name)
        extra = _EXTRAS.get(name)
        if version is None:
            what = f"'afterclose[{extra}]'" if extra else name
            yield fails(PART, name, "not installed", f"pip install {what}")
        elif not version.startswith(wanted):
            yield fails(
                PART,
                name,
                f"{version}, where {wanted.rstrip('.')} is needed",
                f"pip install '{name}=={wanted}{'*' if wanted.endswith('.') else ''}'",
            )
        else:
            told.append(f"{name} {version}")
    if told:
        yield good(PART, "libraries", ", ".join(told))


def _zones() -> Diagnosis:
    try:
        for name in ("America/Chicago", "America/New_York", "Europe/London", "Asia/Tokyo"):
            ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        return fails(PART, "time zones", f"no {error.args[0]}", "pip install tzdata")
    return good(PART, "time zones", "Chicago and the exchanges' zones are known")


def disk(free: int) -> Diagnosis:
    """Say how much room there is: a run is some megabytes, a full store a few hundred."""
    said = f"{free // _MEGABYTE:,} MB free"
    if free < _LEAST_FREE:
        return fails(PART, "disk", said, "make room: the store and the ledger could not be written")
    if free < _WISHED_FREE:
        return note(PART, "disk", said, "old folders below runs/ can be moved away")
    return good(PART, "disk", said)


def _folder(home: Path) -> Diagnosis:
    if not os.access(home, os.W_OK):
        return fails(PART, "folder", f"{home} cannot be written", "give yourself the right to")
    return good(PART, "folder", f"{home.resolve()} can be written")
