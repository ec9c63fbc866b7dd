"""The commands of a desk: run, approve, reject, send, settle, status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import typer
from filelock import FileLock, Timeout

from afterclose import clock as calendar
from afterclose import nightly
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.adapters.patience import Patience
from afterclose.artifacts import RunFolder, latest_run
from afterclose.bootstrap import command_patience, model_runner, open_desk, open_ledger
from afterclose.cli.terminal import (
    OrderTicker,
    audit_summary,
    breaks_table,
    console,
    ctrl_c_at_once,
    findings_table,
    orders_table,
    positions_table,
    rows_table,
    slippage_table,
)
from afterclose.clock import SystemClock
from afterclose.domain.findings import Verdict
from afterclose.domain.legs import lone_pairs
from afterclose.domain.netting import Netting, in_market
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderState
from afterclose.domain.runs import SENT, RunManifest, RunState
from afterclose.errors import (
    BrokerError,
    ConfigError,
    ExitCode,
    RunAlreadySubmitted,
    Stopped,
    UsageError,
)
from afterclose.evening import run_files, settling
from afterclose.evening.books import read_books, session_lives
from afterclose.evening.desk import Desk
from afterclose.evening.journal import DESK_LOCK, MANIFEST
from afterclose.ports import Clock
from afterclose.report.words import counted, moment
from afterclose.settings import SETTINGS_FILE, load
from afterclose.stages import submit, update


def require_desk(home: Path) -> None:
    """Refuse a folder that holds no desk. Raises ConfigError."""
    if not (home / SETTINGS_FILE).exists():
        raise ConfigError(
            f"{home} is no desk: there is no {SETTINGS_FILE} in it",
            hint="go to the desk's folder, or name it with --desk",
        )


@contextmanager
def open_for_command(
    home: Path,
    session: date | None = None,
    *,
    wait_s: float = 0,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> Iterator[Desk]:
    """Open the desk for one command; a second one is refused, after ``wait_s`` seconds.

    A gateway that restarts is waited for as ``patience`` says, by default as a command does.
    """
    require_desk(home)
    screen = console()
    try:
        with FileLock(home / DESK_LOCK, timeout=wait_s):
            clock = clock or SystemClock()
            tonight = session or calendar.session_at(clock.now())
            settings = load(home)
            desk = open_desk(
                settings,
                clock,
                say=screen.print,
                session=tonight,
                patience=patience or command_patience(settings),
            )
            try:
                yield desk
            finally:
                if isinstance(desk.ledger, SqlLedger):
                    desk.ledger.close()
    except Timeout:
        raise RunAlreadySubmitted(
            f"another command is at work on {home}", hint="wait until it has ended"
        ) from None


@contextmanager
def orders_may_be_out() -> Iterator[None]:
    """Tell the person who stops a sending what that leaves behind. Raises Stopped."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(
            "orders that had left stay out: 'afterclose status' shows them, 'afterclose send' goes "
            "on with an evening, 'afterclose halt' cancels them"
        ) from None


def folder_of(desk: Desk, run_id: str) -> RunFolder:
    """Return the folder of an evening, the newest where none is named. Raises UsageError."""
    return _folder_in(desk.settings.runs, run_id)


def _folder_in(runs: Path, run_id: str) -> RunFolder:
    newest = latest_run(runs)
    folder = RunFolder(runs / run_id) if run_id else newest
    if folder is None or not folder.has(MANIFEST):
        raise UsageError(
            f"there is no evening {run_id or 'yet'} in {runs}",
            hint=f"the newest is {newest.path.name}: leave --run away, or name one of the folder's"
            if newest
            else "prepare one with 'afterclose run', or bring its folder here from the machine "
            "that prepared it",
        )
    return folder


def run(home: Path, session: date | None, *, full: bool, patience: Patience | None = None) -> None:
    """Prepare tonight and show the audit. Exits 1 when the evening is blocked."""
    with open_for_command(home, session, patience=patience) as desk:
        closed = calendar.session_at(desk.clock.now())
        tonight = calendar.require_session(session or closed)
        update.require_closed(desk.market, tonight, closed)  # before it leaves a folder
        runner = model_runner(desk.settings, desk.ledger, resume=False)
        evening = replace(desk, runner=runner) if full else desk
        with ctrl_c_at_once():
            folder = asyncio.run(nightly.prepare(evening, tonight))
        out = read_books(desk.ledger, (m.name for m in desk.settings.models), tonight).left()
    view = run_files.read_view(folder)
    screen = console()
    screen.print(audit_summary(view.audit))
    if view.audit.findings:
        screen.print(findings_table(view.audit.findings, title="The evening as a whole"))
    screen.print(f"report  {folder.path / run_files.REPORT}", soft_wrap=True)
    if view.manifest.state is RunState.NO_TRADES:
        screen.print(no_trades_line(tonight, len(out)))
    if view.audit.verdict is Verdict.BLOCKED:
        screen.print("The evening is blocked; the report says by what.")
        raise typer.Exit(ExitCode.BLOCKED)
    if view.manifest.state is not RunState.NO_TRADES:
        screen.print("Read it, then: afterclose approve, or afterclose reject")


def no_trades_line(session: date, out: int) -> str:
    """Say that there is nothing to decide, and what of the session was sent before."""
    if not out:
        return f"No trades tonight ({session}): nothing to approve."
    return (
        f"Nothing more tonight ({session}): {counted(out, 'order')} of it left before, and "
        "'afterclose status' shows them."
    )


def send(home: Path, run_id: str, *, follow: bool, confirmed: str) -> None:
    """Send what is approved.

    Exits 3 when the gateway was lost or an order's fate is unknown, 1 when an order stays here.
    """
    lost: list[BrokerError] = []
    with orders_may_be_out(), open_for_command(home) as desk:
        until = submit.until_final if follow else submit.until_answered
        folder = folder_of(desk, run_id)
        lives = asyncio.run(
            nightly.trade(
                desk,
                folder,
                on_event=OrderTicker(console()),
                on_lost=lost.append,
                follow=until,
                confirmed=confirmed,
            )
        )
        session = folder.read_json(MANIFEST, RunManifest).session
        rows, netting = session_lives(desk.ledger, session), desk.ledger.netting(session)
    _show_rows(rows, netting)
    show_orders(tuple(lives.values()))
    show_what_stays(tuple(lives.values()), lost)


def show_what_stays(lives: Sequence[OrderLife], lost: Sequence[BrokerError]) -> None:
    """Say what was not sent, and whether the gateway was lost. Exits 3 when it was, else 1."""
    staying = sum(life.state is OrderState.INTENDED for life in lives)
    if staying:
        console().print(
            f"{staying} orders were not sent: held back, see the table, or not reached "
            "any more. 'afterclose send' looks at them again."
        )
    if lost:
        show_loss(lost[0], then="'afterclose send' goes on")
        raise typer.Exit(ExitCode.OUTSIDE_DOWN)
    if staying:
        raise typer.Exit(ExitCode.BLOCKED)


def show_loss(lost: BrokerError, *, then: str) -> None:
    """Say that the gateway was lost on the way, and what goes on when it is back."""
    said = f"The gateway was lost on the way: {lost}. When it is back, {then}."
    console().print(said, soft_wrap=True)


def _show_rows(known: Mapping[str, OrderLife], netting: Netting) -> None:
    """Show whose the orders are, where some carry rows of several models."""
    if netting.rows:
        console().print(rows_table(known.values(), netting))


def show_orders(lives: Sequence[OrderLife]) -> None:
    """Show what is known of each order. Exits 3 when an order's fate is unknown."""
    screen = console()
    screen.print(orders_table(lives, title="Orders"))
    doubtful = [life for life in lives if life.state in {OrderState.UNKNOWN, OrderState.SENT}]
    if doubtful:
        screen.print(
            f"{counted(len(doubtful), 'order')} without an answer. Such an order is not sent again "
            "by itself: look in TWS, then 'afterclose send' or 'afterclose settle' looks again (by "
            "hand: 'afterclose flatten', which sends nothing without --send). "
            "One that is nowhere in TWS: 'afterclose resolve ORDER_REF --never-arrived --note …'."
        )
        raise typer.Exit(ExitCode.OUTSIDE_DOWN)


def settle(home: Path, run_id: str) -> None:
    """Compare the desk with the account. Exits 1 while anything is open."""
    with open_for_command(home) as desk:
        folder = folder_of(desk, run_id)
        result = asyncio.run(nightly.settle(desk, folder))
        nothing = settling.unsent(desk, folder)
    screen = console()
    if nothing:
        screen.print(f"{folder.path.name}: {nothing}", soft_wrap=True)
    screen.print(positions_table(result))
    if any(o.filled for o in result.outcomes):
        screen.print(slippage_table(result))
    if result.breaks:
        screen.print(breaks_table(result))
    told = [f for f in result.findings if f.code != "AC611"]  # the breaks, above, say it
    if told:
        screen.print(findings_table(told, title="Breaks and open ends"))
    screen.print(f"report  {folder.path / run_files.REPORT}", soft_wrap=True)
    if not result.settled:
        raise typer.Exit(ExitCode.BLOCKED)


def standing_line(manifest: RunManifest, decision: Approval | None, now: datetime) -> str:
    """Say who decided what on an evening, and what can be done next."""
    if manifest.state is RunState.STARTED:
        return "not prepared to its end: 'afterclose run' begins it again"
    if decision is None:
        nothing = manifest.state is RunState.NO_TRADES
        return "nothing to decide" if nothing else "to be decided: afterclose approve, or reject"
    if manifest.state is RunState.PREPARED:  # the same evening, and perhaps another report
        return (
            f"prepared again after {decision.reviewer} decided at {moment(decision.at)}: where the "
            "report shows something else now, afterclose approve, or reject, again"
        )
    if not decision.order_refs:
        return f"rejected by {decision.reviewer}: {decision.note}"
    over = now >= decision.expires_at
    said = (
        f"{counted(len(decision.order_refs), 'order')} approved by {decision.reviewer}, "
        f"{'until' if not over else 'but only until'} {moment(decision.expires_at)}"
    )
    if manifest.state in SENT:
        return said
    return f"{said}. Next: {'afterclose approve, again' if over else 'afterclose send'}"


def status(home: Path, run_id: str) -> None:
    """Show the newest evening as the journal has it, also while another command is at work.

    With it what was ordered by hand since; all that is known where no evening was prepared yet.
    """
    require_desk(home)
    settings = load(home)
    none_yet = not run_id and latest_run(settings.runs) is None
    manifest = None
    if not none_yet:
        manifest = _folder_in(settings.runs, run_id).read_json(MANIFEST, RunManifest)
    ledger = open_ledger(settings)
    try:
        halted = ledger.halted()
        approval = ledger.approval(manifest.run_id) if manifest else None
        books = [
            (session_lives(ledger, session), ledger.netting(session))
            for session in _sessions_to_tell(ledger, manifest, newest=not run_id)
        ]
    finally:
        ledger.close()
    screen = console()
    if manifest is None:
        screen.print(f"no evening was prepared yet: {settings.desk.mode} {settings.desk.account}")
    else:
        state, mode = manifest.state.words, manifest.mode.value
        screen.print(f"{manifest.run_id}: {state}, {mode} {manifest.account}")
        screen.print(standing_line(manifest, approval, SystemClock().now()), soft_wrap=True)
    if halted is not None:
        screen.print(f"HALTED {halted.at:%Y-%m-%d %H:%M} UTC by {halted.by}: {halted.reason}")
    for stage in manifest.stages if manifest else ():
        screen.print(
            f"  {stage.name:<13} {stage.status:<7} {stage.findings:>3} findings {stage.error}",
            soft_wrap=True,
        )
    for known, netting in books:
        _show_rows(known, netting)
    market = [life for known, netting in books for life in in_market(known, netting)]
    for pair in lone_pairs({life.order.order_ref: life for life in market}):
        screen.print(pair.text(SystemClock().now()), style="bold red")
    if market:
        show_orders(market)


def _sessions_to_tell(
    ledger: SqlLedger, manifest: RunManifest | None, *, newest: bool
) -> Sequence[date]:
    """The evening's own session and, of the newest one, those in which somebody sent since."""
    if manifest is None:
        return ledger.sessions()[-1:]
    since = [s for s in ledger.sessions() if newest and s > manifest.session]
    return [manifest.session, *since]
