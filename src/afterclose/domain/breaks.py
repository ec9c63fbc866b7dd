"""A break: two books that should agree and do not, with its cause and what a person may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreakKind(StrEnum):
    """Which two books."""

    #: What the model holds after the evening's orders, scaled, and what the desk holds for it.
    MODEL = "model and desk"
    #: What the desk holds for all models together, and what the account shows.
    ACCOUNT = "desk and account"


class BreakCause(StrEnum):
    """Why. ``EARLIER``: no order of this evening explains it; ``origin`` then says what did."""

    NOT_FILLED = "not filled"
    PARTLY_FILLED = "partly filled"
    RESIZED = "resized by a person in TWS"
    WORKING = "still working"
    NOT_SENT = "not sent"
    UNKNOWN_ORDER = "an order is unknown"
    REJECTED = "rejected by the broker"
    EXCLUDED_AT_APPROVAL = "excluded at approval"
    NOT_APPROVED = "not approved"
    BLOCKED_BY_AUDIT = "blocked by the audit"
    SIZED_BY_AUDIT = "sized by the audit"
    DROPPED = "left out of the basket"
    ROLL = "the other leg of a roll"
    ROLL_ALONE = "a roll opens what it closes"
    FLATTENED = "flattened by a person"
    ADOPTED = "by a person's word on a position"
    MANUAL = "traded by hand"
    OTHER_CLIENT = "traded by another program"
    CORPORATE_CALENDAR = "the contract's life ended"
    EARLIER = "left by an earlier evening"
    NOT_TOLD = "no order or execution tells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Signed contracts by both books. ``proposal`` is for a person; nothing is done by itself.

    ``origin`` says where it began when an earlier evening left it: cause and session.
    """

    kind: BreakKind
    symbol: str
    model: str
    expected: int
    actual: int
    cause: BreakCause
    detail: str
    proposal: str
    origin: str = ""

    @property
    def difference(self) -> int:
        """What is there less what should be."""
        return self.actual - self.expected
