"""Tonight's history of a model against last night's, and a person's word on what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Changed(StrEnum):
    """What of the past is different."""

    TRANSACTIONS = "transactions"
    POSITION = "position"
    VALUE = "portfolio value"
    SESSIONS = "sessions"


class Cause(StrEnum):
    """What probably made it different."""

    BAR = "revised bar"
    MODEL = "changed model"
    SETTINGS = "changed settings"
    ROLL = "changed roll"
    LIBRARY = "changed library"
    #: Nothing that is known explains it. That is the one to worry about.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChange:
    """One difference in a session that both runs cover.

    ``subject`` is a contract, or the model where its value changed. ``before`` and ``after`` are
    for a person; ``causes`` has the likeliest first.
    """

    kind: Changed
    session: date
    subject: str
    before: str
    after: str
    causes: tuple[Cause, ...] = (Cause.UNKNOWN,)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDrift:
    """What changed in one model's past since the run of ``since``.

    ``changes`` are the first of ``total``, oldest first; all of them are in the run's folder.
    ``digest`` names all of them: another difference has another digest, whichever evening it is
    seen on. ``reasons`` are the causes in words. Where ``unreadable`` says why, the two runs could
    not be compared.
    """

    model: str
    since: date
    changes: tuple[HistoryChange, ...] = ()
    total: int = 0
    digest: str = ""
    reasons: tuple[str, ...] = ()
    by_cause: Mapping[Cause, int] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def clean(self) -> bool:
        """Whether both runs tell the same past."""
        return not self.total and not self.unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person has seen what changed in a model's past, and lets the model open positions again."""

    model: str
    digest: str
    at: datetime
    by: str
    reason: str
