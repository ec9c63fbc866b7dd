"""What a person is told while he is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Told(StrEnum):
    """What a person can be told of."""

    PREPARED = "prepared"
    WAITING = "waiting"
    SENT = "sent"
    FILLED = "filled"
    PROBLEM = "problem"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message: a title, some lines, and perhaps the report."""

    told: Told
    title: str
    text: str
    report: Path | None = None
