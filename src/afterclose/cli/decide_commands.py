"""``afterclose approve`` and ``reject``: what would go, as a table, and a person's word on it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from afterclose import nightly
from afterclose.cli.decision_tables import (
    flagged,
    going_table,
    staying_lines,
    sum_line,
    warnings_table,
)
from afterclose.cli.desk_commands import folder_of, open_for_command
from afterclose.cli.terminal import console
from afterclose.domain.audit import AuditReport
from afterclose.domain.runs import Mode
from afterclose.errors import NotApproved, UsageError
from afterclose.evening import dispatch, run_files
from afterclose.evening.books import departed
from afterclose.evening.desk import Desk
from afterclose.report.words import counted, moment
from afterclose.stages.review import orders_going

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came with the command. ``confirmed``: the account's number, typed for a live desk."""

    reviewer: str = ""
    note: str = ""
    confirmed: str = ""
    sure: bool = False


def somebody() -> Ask | None:
    """Return a way to ask the person at the terminal; None where nobody sits there."""
    return _prompt if sys.stdin.isatty() and sys.stdout.isatty() else None


def _prompt(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, prompt_suffix=" ")
    return answer.strip()


def approve(
    home: Path, run_id: str, said: Said, *, exclude: Sequence[str], ask: Ask | None = None
) -> None:
    """Show what would go, ask once more, and record a person's yes to exactly that."""
    asking, screen = ask or somebody(), console()
    with open_for_command(home) as desk:
        folder = folder_of(desk, run_id)
        view = run_files.read_view(folder)
        left_out = _left_out(view.audit, exclude)
        ends = nightly.approval_end(desk)
        screen.print(going_table(view, left_out, width=screen.width))
        for line in staying_lines(view.audit, left_out):
            screen.print(line)
        warnings = warnings_table(view.audit, left_out)
        if warnings is not None:
            screen.print("", warnings)
        screen.print(sum_line(view, left_out), f"Holds until {moment(ends)}; sends nothing.")
        answer = _confirmed(desk, _reasoned(view.audit, left_out, said, asking), asking)
        decision = nightly.approve(
            desk,
            folder,
            reviewer=answer.reviewer,
            note=answer.note,
            exclude=left_out,
            seen=view.audit,
        )
        going = orders_going(view.audit, left_out)
        left = departed(desk.ledger, view.audit.session, going)
    screen.print(
        f"{counted(len(decision.order_refs), 'order')} approved for {decision.account} by "
        f"{decision.reviewer}, until {moment(decision.expires_at)}. {_next(len(going), len(left))}"
    )


def reject(home: Path, run_id: str, said: Said, *, ask: Ask | None = None) -> None:
    """Record a person's no, with its reason."""
    asking, screen = ask or somebody(), console()
    with open_for_command(home) as desk:
        folder = folder_of(desk, run_id)
        view = run_files.read_view(folder)
        screen.print(going_table(view, frozenset(), width=screen.width))
        note = said.note or (asking("Why is it rejected?") if asking else "")
        if not note:
            raise NotApproved(
                "no reason was given; nothing was recorded",
                hint="say why, for whoever reads it later: --note '…'",
            )
        nightly.reject(desk, folder, reviewer=_who(desk, said), note=note, seen=view.audit)
    screen.print("Rejected: nothing of this evening can be sent, unless somebody approves it.")


def _next(going: int, left: int) -> str:
    """Say what to do after a yes, and how much of it has left before."""
    if left and left == going:
        return "They had all left before: 'afterclose send' only looks at them again."
    before = f"{left} of them had left before and do not go again. " if left else ""
    return f"{before}Next: afterclose send"


def _left_out(report: AuditReport, exclude: Sequence[str]) -> frozenset[str]:
    unknown = set(exclude) - {r.order.order_ref for r in report.rows}
    if unknown:
        raise UsageError(
            f"no such order: {', '.join(sorted(unknown))}", hint="take it from the report"
        )
    return frozenset(exclude)


def _who(desk: Desk, said: Said) -> str:
    return said.reviewer or desk.settings.desk.reviewer or getpass.getuser()


def _reasoned(
    report: AuditReport, left_out: frozenset[str], said: Said, asking: Ask | None
) -> Said:
    """Ask for the reason where warnings want one and none came with the command."""
    if said.note or asking is None or not flagged(report, left_out):
        return said
    return replace(said, note=asking("Why do the orders with warnings go all the same?"))


def _confirmed(desk: Desk, said: Said, asking: Ask | None) -> Said:
    """Let a yes pass only when it was meant. Raises LiveNotAllowed, NotApproved."""
    known = replace(said, reviewer=_who(desk, said))
    account, live = desk.settings.desk.account, desk.settings.desk.mode is Mode.LIVE
    if live and asking is not None and not said.confirmed:
        known = replace(known, confirmed=asking(f"Real money: type {account} to approve."))
    dispatch.require_confirmed(desk, known.confirmed)
    if not live and not said.sure:
        if asking is None:
            raise NotApproved(
                "nobody is at a terminal to say yes; nothing was approved",
                hint="read the report, then approve at a terminal or on the page; a script that "
                "a person has started for this evening says it with --yes",
            )
        answer = asking("Approve exactly this? [y/N]").lower()
        if answer not in {"y", "yes"}:
            raise NotApproved("nothing was approved", hint="say yes when you mean it")
    return known
