"""Findings: what is wrong, or merely notable, with the *data* of an evening.

A finding is a value with a stable code. Errors end a stage; findings travel with the rows they
speak of, and the worst of them decides what may be sent.

Code ranges: AC1xx data · AC2xx contract and mapping · AC3xx closing orders · AC4xx opening orders ·
AC5xx account, session and gateway · AC6xx after the orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

Scalar = str | int | float | bool | None


class Severity(IntEnum):
    """How much a finding weighs. A row is as good as its worst finding."""

    INFO = 1
    WARN = 2
    BLOCK = 3

    @property
    def verdict(self) -> Verdict:
        """The verdict that this severity gives its row."""
        return Verdict(int(self))


class Verdict(IntEnum):
    """What a row, or the evening, comes to: clear to send, to be looked at, or blocked."""

    CLEAR = 1
    LOOK = 2
    BLOCKED = 3

    @property
    def word(self) -> str:
        """The verdict as it is shown."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact a person should know, with what to do about it.

    ``subject`` names the row, contract or file line; ``hint`` says what to do; ``evidence`` holds
    the numbers the sentence was made from.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    hint: str = ""
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        tail = f" → {self.hint}" if self.hint else ""
        return f"{self.code} {self.severity.name} {self.subject}: {self.message}{tail}"


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict of a row with these findings; no finding is clear."""
    return max((f.severity.verdict for f in findings), default=Verdict.CLEAR)
