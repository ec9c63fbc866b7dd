"""``afterclose tonight``: what the schedule starts. It prepares and tells; it never sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import typer
from filelock import FileLock, Timeout

from afterclose import clock as calendar
from afterclose import schedule
from afterclose.adapters.patience import Patience
from afterclose.bootstrap import open_ledger, open_notifier
from afterclose.cli import data_update, desk_commands
from afterclose.cli.disk import DISK_HINT, disk_text, of_the_disk
from afterclose.cli.terminal import console
from afterclose.clock import SystemClock
from afterclose.domain.contracts import Session
from afterclose.domain.notices import Notice, Told
from afterclose.domain.runs import RunState
from afterclose.errors import (
    AfterCloseError,
    ConfigError,
    LedgerElsewhere,
    LedgerError,
    RunAlreadySubmitted,
)
from afterclose.evening import settling, unfinished
from afterclose.evening.desk import Desk
from afterclose.ports import Clock, WaitingClock
from afterclose.settings import SETTINGS_FILE, Settings, load, who_is_told

#: In the desk's folder: an evening that waits for late markets holds no other lock.
TONIGHT_LOCK = ".afterclose.tonight.lock"
#: So long a command that is at work on the desk is waited for before something is settled.
_DESK_WITHIN_S = 60.0
_AGAIN = "It is tried again when the evening is prepared."
_GOES_ON = (
    "Tonight is prepared all the same; contracts of which it is not known what is held are "
    "blocked. It is tried again tomorrow."
)


def run(home: Path, clock: WaitingClock | None = None) -> None:
    """Decide whether the evening's time has come; settle, update, prepare, tell. Sends nothing.

    After the close and before the evening's start, what is open is settled and the start waited
    for. Raises RunAlreadySubmitted while another one is at work: a timer starts twice.
    """
    clock = clock or SystemClock()
    with ExitStack() as held:
        with _told_by_whom_we_know(home, calendar.session_at(clock.now())):
            _require_desk(home)
            held.enter_context(_alone(home))
        while (starts := _run(home, clock)) is not None:
            clock.sleep_until(starts)  # then all is asked again: the machine may have slept on


def _require_desk(home: Path) -> None:
    """Refuse a folder that is no desk, or none any more: a drive that is not mounted is one."""
    if not (home / SETTINGS_FILE).exists():
        raise ConfigError(
            f"{home} is no desk: there is no {SETTINGS_FILE} in it",
            hint="is its drive there? a new one is made with 'afterclose init'",
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Be the one scheduled evening of this desk. Raises RunAlreadySubmitted, told to nobody."""
    lock = FileLock(home / TONIGHT_LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunAlreadySubmitted(
            f"another 'afterclose tonight' is at work on {home}, or waits for late markets or for "
            "its start",
            hint="nothing is to be done; it goes on by itself",
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _told_by_whom_we_know(home: Path, session: Session) -> Iterator[None]:
    """Tell what stops an evening before its settings are read, to whoever can be found in them."""
    try:
        yield
    except RunAlreadySubmitted:  # the timer starts twice: the other one is at work
        raise
    except Exception:
        with told(who_is_told(home), session):
            raise


def _run(home: Path, clock: WaitingClock) -> datetime | None:
    """Do what is due now; return the moment that is to be waited for, None when all is done."""
    now = clock.now()
    session = calendar.session_at(now)
    with _told_by_whom_we_know(home, session):
        settings = load(home)
    with told(settings, session):  # a ledger that is down is told, too
        decision, past = decided(settings, now)
    console().print(decision.said, soft_wrap=True)
    if decision.missed:
        _tell(settings, f"{decision.session}: missed", decision.said)
    if decision.go:
        earlier = [e for e in past if e.session < decision.session]
        _evening(home, settings, decision.session, earlier, clock)
    elif decision.waits_until is not None:
        with told(settings, decision.session):
            starts = decision.waits_until
            _at_the_close(home, settings, decision.session, past, clock, starts=starts)
    return decision.waits_until


def _at_the_close(
    home: Path,
    settings: Settings,
    session: Session,
    past: Sequence[unfinished.PastEvening],
    clock: WaitingClock,
    *,
    starts: datetime,
) -> None:
    """Settle what is open and take the account's value, before Globex opens again.

    What does not succeed is told, and tried again when the evening is prepared.
    """
    if not settings.resolve(settings.data.store).exists():
        return  # a new desk: its first evening fills the store, and has nothing to settle
    troubles: list[str] = []
    patience = _patience(settings, clock, starts).all_in_all(clock.now())
    for evening in reversed([e for e in past if e.open_to_settle]):
        with _noted(troubles):
            _settle(home, evening, clock, patience)
    with _noted(troubles):
        console().print(f"taking the account's value at the close of {session}", soft_wrap=True)
        with _desk(home, clock, patience) as desk:
            asyncio.run(settling.take_value(desk))
    if troubles:
        told = "\n".join((*dict.fromkeys(troubles), _AGAIN))
        console().print(told, soft_wrap=True)
        _tell(settings, f"{session}: not settled at the close", told)


@contextmanager
def _noted(troubles: list[str]) -> Iterator[None]:
    try:
        yield
    except AfterCloseError as error:
        troubles.append(f"{error}\n{error.hint}".strip())


def decided(
    settings: Settings, now: datetime
) -> tuple[schedule.Decision, tuple[unfinished.PastEvening, ...]]:
    """Decide by what the desk has prepared already; return that, too, the newest first."""
    ledger = open_ledger(settings)
    try:
        following = calendar.next_session(calendar.session_at(now))
        past = unfinished.past_evenings(settings.runs, ledger, following)
    finally:
        ledger.close()
    done = [e.session for e in past if e.manifest.state is not RunState.STARTED]
    data = settings.data
    decision = schedule.decide(
        now, data.start_after_close, prepared=done, settle=data.settle_after_close
    )
    return decision, past


def _evening(
    home: Path,
    settings: Settings,
    session: Session,
    earlier: list[unfinished.PastEvening],
    clock: WaitingClock,
) -> None:
    for gone in unfinished.missed(earlier, session):
        console().print(f"{gone.message}; {gone.hint}", soft_wrap=True)
        _tell(settings, f"{gone.subject}: missed", f"{gone.message}\n{gone.hint}")
    with told(settings, session):
        if settings.data.source is not None:
            with _going_on("some markets are late: their openings are blocked"):
                data_update.update(home, session, wait=timedelta(hours=settings.data.wait_hours))
            if not _still(settings, session, clock.now()):
                return
        ends = calendar.evening_of(calendar.next_session(session)) - schedule.TOO_LATE_BEFORE_CLOSE
        patience = _patience(settings, clock, ends)
        together = patience.all_in_all(clock.now())
        _settle_earlier(home, settings, session, earlier, together, clock)
        desk_commands.run(home, session, full=False, patience=patience)


def _settle_earlier(
    home: Path,
    settings: Settings,
    session: Session,
    earlier: Sequence[unfinished.PastEvening],
    patience: Patience,
    clock: Clock,
) -> None:
    """Settle what is open. What cannot be settled is told, and tonight is prepared all the same.

    The report says it first (AC703), and a contract of which an order was at the exchange when it
    was last heard of is blocked (AC702). A ledger that cannot be used stops the evening.
    """
    troubles: list[str] = []
    for evening in reversed([e for e in earlier if e.open_to_settle]):
        try:
            _settle(home, evening, clock, patience)
        except (LedgerError, LedgerElsewhere, RunAlreadySubmitted):
            raise
        except AfterCloseError as error:
            troubles.append(f"{evening.session}: {error}\n{error.hint}".strip())
        except Exception as error:  # noqa: BLE001 - an old evening must not stop every later one
            troubles.append(f"{evening.session}: {_ours(error)}")
    if troubles:
        told = "\n".join((*dict.fromkeys(troubles), _GOES_ON))
        console().print(told, soft_wrap=True)
        _tell(settings, f"{session}: an earlier evening is not settled", told)


def _patience(settings: Settings, clock: WaitingClock, ends: datetime) -> Patience:
    """How long a gateway that restarts is waited for when it is asked, and never past ``ends``.

    Nobody sits there to press Ctrl-C, and a machine may sleep meanwhile: by the clock, then.
    """
    longest = timedelta(minutes=settings.broker.evening_wait_min)

    async def pause(length: timedelta) -> None:
        clock.sleep_until(clock.now() + length)

    return Patience(longest=longest, ends=ends, pause=pause)


def _still(settings: Settings, session: Session, now: datetime) -> bool:
    """Whether the evening is still to be prepared: the wait for late markets takes hours."""
    decision, past = decided(settings, now)
    if decision.go and decision.session == session:
        return True
    console().print(decision.said, soft_wrap=True)
    begun = (e.manifest.state for e in past if e.session == session)
    prepared = any(state is not RunState.STARTED for state in begun)
    over = now >= calendar.evening_of(calendar.next_session(session))
    if decision.missed or (over and not prepared):
        _tell(settings, f"{session}: missed", f"it waited for late markets; {decision.said}")
    return False


@contextmanager
def _desk(home: Path, clock: Clock, patience: Patience) -> Iterator[Desk]:
    """Open the desk for one act, when the command that is at work on it has ended."""
    with desk_commands.open_for_command(
        home, wait_s=_DESK_WITHIN_S, clock=clock, patience=patience
    ) as desk:
        yield desk


def _settle(home: Path, evening: unfinished.PastEvening, clock: Clock, patience: Patience) -> None:
    """Settle an earlier evening first: what it left open is a finding of tonight's report."""
    console().print(f"settling {evening.session}", soft_wrap=True)
    with _desk(home, clock, patience) as desk:
        result = asyncio.run(settling.settle(desk, evening.folder))
    for finding in result.findings:
        console().print(str(finding), soft_wrap=True)


@contextmanager
def _going_on(said: str) -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        console().print(said, soft_wrap=True)


@contextmanager
def told(settings: Settings, session: Session) -> Iterator[None]:
    """Tell of an evening that stopped. A blocked one was told by the evening itself."""
    title = f"{session}: the evening stopped"
    try:
        yield
    except typer.Exit:
        raise
    except AfterCloseError as error:
        _tell(settings, title, f"{error}\n{error.hint}".strip())
        raise
    except Exception as error:  # nobody is there to see it: what is told names no value
        _tell(settings, title, _ours(error))
        raise


def _ours(error: Exception) -> str:
    """Say what broke off in words that hold no value of the account."""
    if of_the_disk(error):
        return f"{disk_text(error)}\n{DISK_HINT}"
    return f"an error of ours: {type(error).__name__}"


def _tell(settings: Settings, title: str, text: str) -> None:
    if settings.notify.wants(Told.PROBLEM):
        notice = Notice(told=Told.PROBLEM, title=title, text=text)
        for trouble in open_notifier(settings).tell(notice):
            console().print(trouble, soft_wrap=True)
