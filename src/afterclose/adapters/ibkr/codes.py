"""What TWS's numbers mean: for the program, and in plain words for the person at the screen.

The table is ``code_table.TABLE``; nothing else in the product knows a TWS code by its meaning.
Sources: IBKR's message code pages for the TWS API, and what the public clients of that API do.
"""

from __future__ import annotations

from dataclasses import dataclass

from afterclose.adapters.ibkr.code_entry import CodeEntry, CodeKind
from afterclose.adapters.ibkr.code_table import TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A code with its text, in plain words: why it came, and what to click."""

    code: int
    text: str
    kind: CodeKind
    cause: str
    action: str
    retryable: bool
    no_data: bool
    known: bool = True

    @property
    def warning(self) -> bool:
        """Whether what the code names goes on: it is information, not an end."""
        return self.kind in {CodeKind.NOTICE, CodeKind.WARNING}

    @property
    def plain(self) -> str:
        """Cause and action in one sentence each."""
        return f"{self.cause} {self.action}".strip()


def explain(code: int, text: str) -> Explanation:
    """Say what a code and its text mean.

    A code that is not in the table is taken as the end of a request, never as information, and
    never as the end of an order.
    """
    entry: CodeEntry | None = next((e for e in TABLE if e.code == code), None)
    if entry is None:
        return _unknown(code, text)
    case = next((c for c in entry.cases if c.contains in text.lower()), None)
    return Explanation(
        code=code,
        text=text,
        kind=entry.kind,
        cause=case.cause if case else entry.cause,
        action=case.action if case else entry.action,
        retryable=case.retryable if case else entry.retryable,
        no_data=case.no_data if case else entry.no_data,
    )


def _unknown(code: int, text: str) -> Explanation:
    return Explanation(
        code=code,
        text=text,
        kind=CodeKind.REQUEST,
        cause="The gateway gave a code that this program does not know.",
        action="Read its text; IBKR's page of TWS API message codes lists it.",
        retryable=False,
        no_data=False,
        known=False,
    )


def as_markdown() -> str:
    """Write the table as the documentation page that a test holds against it."""
    lines = [*_PAGE_HEAD]
    for entry in TABLE:
        lines.append(_row(str(entry.code), entry.kind, entry.retryable, entry.cause, entry.action))
        lines += [
            _row(
                f"{entry.code} “{case.contains}”",
                entry.kind,
                case.retryable,
                case.cause,
                case.action,
            )
            for case in entry.cases
        ]
    return "\n".join(lines) + "\n"


def _row(code: str, kind: CodeKind, retryable: bool, cause: str, action: str) -> str:  # noqa: FBT001 - one table row
    return f"| {code} | {kind} | {'yes' if retryable else ''} | {cause} | {action} |"


_PAGE_HEAD = (
    "# TWS codes in plain words",
    "",
    "Every code that the gateway may send to an evening process, what it means and what to click.",
    "This page is written from `src/afterclose/adapters/ibkr/code_table.py`; a test compares them.",
    "",
    "*Later* says that the same question may be asked again unchanged. It never means that an",
    "order may be sent again: no code proves that an order is dead. Only its own status does, or a",
    "complete reading of open orders, completed orders and executions that does not show it.",
    "",
    "A quoted text after a code is a meaning that only the message behind the code tells.",
    "",
    "| code | kind | later | cause | what to do |",
    "|---|---|---|---|---|",
)
