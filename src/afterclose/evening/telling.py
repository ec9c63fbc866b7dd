"""What a person is told of an evening while he is elsewhere: what happened, in few words.

Figures of trades only; no account number, no key, no money of the account.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from afterclose.artifacts import RunFolder
from afterclose.domain.audit import AuditReport, Reconciliation
from afterclose.domain.findings import Severity, Verdict, worst
from afterclose.domain.notices import Notice, Told
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import ExcludedTrade, OrderState
from afterclose.errors import AfterCloseError, BrokerError
from afterclose.evening import run_files
from afterclose.evening.desk import Desk

_SHOWN = 12


def prepared(
    desk: Desk, folder: RunFolder, report: AuditReport, excluded: Collection[ExcludedTrade] = ()
) -> None:
    """Tell that the evening is prepared: waiting for a person, blocked, or nothing to do.

    ``excluded`` are the models' trades that became no order: of those that something blocks the
    person is told, since an exit may be among them.
    """
    stopped = [e for e in excluded if worst(e.findings) is Verdict.BLOCKED]
    file = folder.path / run_files.REPORT
    flagged = sum(row.verdict is Verdict.LOOK for row in report.rows)
    cleared = report.cleared_orders()
    counted = f"{len(cleared)} orders, {flagged} flagged"
    if not report.rows and stopped:
        notice = Notice(
            told=Told.PROBLEM,
            title=f"{report.session}: no order, {len(stopped)} trades are blocked",
            text="\n".join([*_blocking(report), *_excluded(stopped)]),
            report=file,
        )
    elif not report.rows and report.verdict is not Verdict.BLOCKED:
        notice = Notice(
            told=Told.NOTHING,
            title=f"{report.session}: nothing to do tonight",
            text=f"{_why_nothing(len(excluded))} The report has the proof.",
            report=file,
        )
    elif report.verdict is Verdict.BLOCKED or not cleared:
        said = _blocking(report) or ["Every order is blocked."]
        notice = Notice(
            told=Told.PROBLEM,
            title=f"{report.session}: the evening is blocked",
            text="\n".join([*said, *_excluded(stopped)]),
            report=file,
        )
    else:
        desk.tell(
            Notice(
                told=Told.PREPARED,
                title=f"{report.session}: prepared with {counted}",
                text="\n".join([_orders(report), *_excluded(stopped)]),
                report=file,
            )
        )
        notice = Notice(
            told=Told.WAITING,
            title=f"{report.session}: waiting for your approval",
            text=f"{counted}. Read the report, then 'afterclose approve' or 'afterclose review'.",
        )
    desk.tell(notice)


def _blocking(report: AuditReport) -> list[str]:
    return [f"{f.code} {f.message}" for f in report.findings if f.severity is Severity.BLOCK]


def _excluded(stopped: Collection[ExcludedTrade]) -> list[str]:
    """Name the trades that became no order, each with what blocks it."""
    lines = [
        f"no order of {e.model} in {e.subject}: {f.code} {f.message}"
        for e in stopped
        for f in e.findings
        if f.severity is Severity.BLOCK
    ]
    return _first(lines)


def _first(lines: list[str]) -> list[str]:
    """As many lines as a message holds, and how many more there are."""
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _why_nothing(excluded: int) -> str:
    if not excluded:
        return "The models trade nothing."
    return f"The desk has nothing to trade: {excluded} trades of the models became no order."


def _orders(report: AuditReport) -> str:
    lines = [
        f"{o.action.value} {o.quantity} {o.contract} ({o.model} {o.kind.value})"
        for o in report.cleared_orders()
    ]
    blocked = len(report.excluded_rows())
    return "\n".join([*_first(lines), *([f"{blocked} more are blocked"] if blocked else [])])


def remembered(
    on_lost: Callable[[BrokerError], None],
) -> tuple[list[BrokerError], Callable[[BrokerError], None]]:
    """Return losses of the gateway as they come, and who hears them and passes them on."""
    lost: list[BrokerError] = []

    def heard(error: BrokerError) -> None:
        lost.append(error)
        on_lost(error)

    return lost, heard


def sent(
    desk: Desk, session: object, lives: Collection[OrderLife], lost: Sequence[BrokerError] = ()
) -> None:
    """Tell what left, what of it has no answer, and how the gateway was lost on the way."""
    counts = Counter(life.state for life in lives)
    told = ", ".join(f"{counts[s]} {s.value}" for s in OrderState if counts[s])
    left = [life for life in lives if life.state is not OrderState.INTENDED]
    doubtful = [life for life in lives if life.state in {OrderState.UNKNOWN, OrderState.SENT}]
    refused = [life for life in lives if life.state is OrderState.REJECTED]
    staying = f"{counts[OrderState.INTENDED]} orders were not sent"
    _gateway_lost(desk, session, lost, "sent", f"{staying}. When it is back, 'afterclose send'")
    if doubtful or refused:
        desk.tell(
            Notice(
                told=Told.PROBLEM,
                title=f"{session}: {len(doubtful)} orders unanswered, {len(refused)} refused",
                text="\n".join(_life(life) for life in (*doubtful, *refused)[:_SHOWN]),
            )
        )
    desk.tell(Notice(told=Told.SENT, title=f"{session}: {len(left)} orders sent", text=told))
    if left and all(life.state.final for life in left):
        filled(desk, session, left)


def followed(
    desk: Desk, session: object, lives: Collection[OrderLife], lost: Sequence[BrokerError]
) -> None:
    """Tell how the gateway was lost while what had been sent was followed, if it was."""
    waiting = sum(not life.state.final for life in lives)
    said = f"{waiting} of {len(lives)} orders were not final. When it is back"
    _gateway_lost(desk, session, lost, "followed", f"{said}, 'afterclose review'")


def _gateway_lost(
    desk: Desk, session: object, lost: Sequence[BrokerError], doing: str, standing: str
) -> None:
    """Tell the first loss; ``standing`` ends with the command that goes on."""
    if lost:
        desk.tell(
            Notice(
                told=Told.PROBLEM,
                title=f"{session}: the gateway was lost while orders were {doing}",
                text=f"{lost[0]}; {standing} goes on.",
            )
        )


def _life(life: OrderLife) -> str:
    order = life.order
    return f"{order.action.value} {order.quantity} {order.contract}: {life.state.value}"


def filled(desk: Desk, session: object, lives: Collection[OrderLife]) -> None:
    """Tell what was filled, once every order is final."""
    whole = sum(life.state is OrderState.FILLED for life in lives)
    lines = [
        f"{life.order.action.value} {life.filled} of {life.order.quantity} {life.order.contract}"
        for life in lives
    ]
    desk.tell(
        Notice(
            told=Told.FILLED,
            title=f"{session}: {whole} of {len(lives)} orders filled",
            text="\n".join(lines[:_SHOWN]),
        )
    )


def settled(desk: Desk, folder: RunFolder, result: Reconciliation, unsent: str = "") -> None:
    """Tell what the day after shows: a problem where something is open or differs.

    ``unsent`` is said instead of fills, where nothing of the evening was sent.
    """
    breaks = [f for f in result.findings if f.severity > Severity.INFO]
    filled_whole = sum(o.state == OrderState.FILLED.value for o in result.outcomes)
    counted = unsent or f"{filled_whole} of {len(result.outcomes)} orders filled"
    if breaks or not result.settled:
        notice = Notice(
            told=Told.PROBLEM,
            title=f"{result.session}: {len(breaks)} breaks, {counted}",
            text="\n".join(f"{f.code} {f.subject}: {f.message}" for f in breaks[:_SHOWN])
            or "Some orders are not final yet.",
            report=folder.path / run_files.REPORT,
        )
    else:
        notice = Notice(
            told=Told.NOTHING if unsent else Told.FILLED,
            title=f"{result.session}: {counted}"
            if unsent
            else f"{result.session}: settled, {counted}",
            text="Desk and account hold the same.",
            report=folder.path / run_files.REPORT,
        )
    desk.tell(notice)


@asynccontextmanager
async def stopping(desk: Desk, session: object) -> AsyncIterator[None]:
    """Tell that sending or following stopped: the person may have gone long ago."""
    try:
        yield
    except AfterCloseError as error:
        text = f"{error}\n{error.hint}".strip()
        notice = Notice(
            told=Told.PROBLEM, title=f"{session}: sending or following stopped", text=text
        )
        await asyncio.to_thread(desk.tell, notice)
        raise
