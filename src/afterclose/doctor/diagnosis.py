"""What a check says: one line, how it stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How one thing stands. Unknown is a thing that could not be asked; it is not good."""

    GOOD = "good"
    #: Tonight goes on; a person should know.
    NOTE = "note"
    UNKNOWN = "unknown"
    #: Tonight would fail.
    FAILS = "fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line of the doctor's. ``part`` groups lines; ``remedy`` says what to do."""

    part: str
    what: str
    health: Health
    said: str
    remedy: str = ""


def good(part: str, what: str, said: str) -> Diagnosis:
    """Say that something is as it should be."""
    return Diagnosis(part=part, what=what, health=Health.GOOD, said=said)


def note(part: str, what: str, said: str, remedy: str = "") -> Diagnosis:
    """Say something that does not stop tonight."""
    return Diagnosis(part=part, what=what, health=Health.NOTE, said=said, remedy=remedy)


def fails(part: str, what: str, said: str, remedy: str) -> Diagnosis:
    """Say what tonight would fail by."""
    return Diagnosis(part=part, what=what, health=Health.FAILS, said=said, remedy=remedy)


def unknown(part: str, what: str, said: str, remedy: str = "") -> Diagnosis:
    """Say what could not be asked."""
    return Diagnosis(part=part, what=what, health=Health.UNKNOWN, said=said, remedy=remedy)


def tonight_would_fail(lines: Iterable[Diagnosis]) -> bool:
    """Whether any line stops the evening."""
    return any(line.health is Health.FAILS for line in lines)
