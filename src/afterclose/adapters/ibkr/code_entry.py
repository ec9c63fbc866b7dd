"""The shape of one row of the code table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CodeKind(StrEnum):
    """What a code is about, and whether something ended with it.

    No kind says that an order is dead: only the order's own status, or its absence from a complete
    reading of the broker's book, says that.
    """

    #: Nothing happened that anybody must act on.
    NOTICE = "notice"
    #: The request or the order it names goes on.
    WARNING = "warning"
    #: The request it names ended without an answer.
    REQUEST = "request refused"
    #: A word about an order: refused, cancelled, changed. Its status says which.
    ORDER = "order"
    #: The line between TWS and IBKR's servers, or between us and TWS.
    LINE = "line"
    #: A setting of TWS, of the account or of this desk stands in the way.
    SETUP = "setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCase:
    """A meaning that only the text behind a code tells: the first case found in it counts."""

    contains: str
    cause: str
    action: str
    retryable: bool = False
    no_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEntry:
    """One row of the table.

    ``retryable``: the same request may succeed later, unchanged. It never means that an order may
    be sent again. ``no_data``: the gateway asserts that there is nothing, as opposed to refusing.
    """

    code: int
    kind: CodeKind
    cause: str
    action: str
    retryable: bool = False
    no_data: bool = False
    cases: tuple[TextCase, ...] = ()
