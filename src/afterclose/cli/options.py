"""Flags that many commands share, and how their texts are read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from afterclose.errors import UsageError

Desk = Annotated[Path, typer.Option("--desk", help="The desk's folder, with afterclose.toml.")]
SessionText = Annotated[
    str, typer.Option("--session", help="The evening, yyyy-mm-dd; default: the last close.")
]
RunName = Annotated[str, typer.Option("--run", help="A run id; default: the newest evening.")]


def day(text: str) -> date | None:
    """Read a date of the command line; None for an empty text. Raises UsageError."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date", hint="write it as yyyy-mm-dd") from None


def duration(text: str) -> timedelta:
    """Read a stretch of time, ``90m`` or ``3h``; nothing for an empty text. Raises UsageError."""
    if not text:
        return timedelta()
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1)}
    number, unit = text[:-1], units.get(text[-1:])
    if unit is None or not number.isdecimal():
        raise UsageError(f"{text!r} is no stretch of time", hint="write it as 90m or 3h")
    return int(number) * unit
