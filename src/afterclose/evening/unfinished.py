"""Unfinished business of earlier evenings: said first, and what it must block is blocked.

Read from the ledger and the run folders alone; nothing is asked outside. An order of an earlier
evening that nobody knows the fate of, or whose session closed with nobody asking since, blocks its
own contract: what is held of it is not known. Nothing else of an earlier evening blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from afterclose import clock as calendar
from afterclose.artifacts import RunFolder
from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import RunManifest, RunState
from afterclose.domain.sending import DESK_MODEL
from afterclose.errors import DataError
from afterclose.evening import run_files
from afterclose.evening.books import lately, session_lives, three_weeks_before
from afterclose.evening.journal import MANIFEST
from afterclose.ports import Ledger

_DOUBTFUL = frozenset({OrderState.SENT, OrderState.UNKNOWN})
_AT_THE_EXCHANGE = frozenset(
    {OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTLY_FILLED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvening:
    """An earlier evening: its last run, and what became of its orders."""

    folder: RunFolder
    manifest: RunManifest
    lives: tuple[OrderLife, ...]

    @property
    def session(self) -> Session:
        """The session it was prepared for."""
        return self.manifest.session

    @property
    def sent(self) -> tuple[OrderLife, ...]:
        """Orders that left."""
        return tuple(life for life in self.lives if life.state is not OrderState.INTENDED)

    @property
    def open_to_settle(self) -> bool:
        """Whether orders left and the evening was never settled."""
        return bool(self.sent) and self.manifest.state is not RunState.SETTLED


@dataclass(frozen=True, slots=True)
class _Break:
    code: str
    severity: Severity
    subject: str


@dataclass(frozen=True, slots=True)
class _Result:
    findings: tuple[_Break, ...]


def past_evenings(runs: Path, ledger: Ledger, before: Session) -> tuple[PastEvening, ...]:
    """Return the evenings before a session, the newest first; of several runs the one that sent.

    Only the last three weeks are looked at.
    """
    oldest = three_weeks_before(before)
    by_session: dict[date, list[RunFolder]] = {}
    for path in sorted(runs.glob("????-??-??-*"), key=_written):
        session = _session_of(path)
        if session is not None and oldest <= session < before:
            by_session.setdefault(session, []).append(RunFolder(path))
    found = (_evening(ledger, s, by_session[s]) for s in sorted(by_session, reverse=True))
    return tuple(evening for evening in found if evening is not None)


def _written(path: Path) -> float:
    file = path / MANIFEST
    return file.stat().st_mtime if file.is_file() else 0.0


def _session_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name[:10])
    except ValueError:
        return None


def _evening(ledger: Ledger, session: Session, folders: Sequence[RunFolder]) -> PastEvening | None:
    read: list[tuple[RunFolder, RunManifest]] = []
    for folder in folders:
        try:
            read.append((folder, folder.read_json(MANIFEST, RunManifest)))
        except DataError:  # a folder of another version, or half a folder
            continue
    if not read:
        return None
    acted = [r for r in read if r[1].state in {RunState.SUBMITTED, RunState.SETTLED}]
    # A preparation that broke off after the orders had left has nothing that could be settled.
    prepared = [r for r in read if r[1].state is not RunState.STARTED]
    folder, manifest = (acted or prepared or read)[-1]
    lives = tuple(session_lives(ledger, session).values())
    return PastEvening(folder=folder, manifest=manifest, lives=lives)


def doubtful(runs: Path, ledger: Ledger, session: Session) -> Mapping[FuturesContract, Finding]:
    """Contracts with an order of an earlier session whose fate is not known: AC702, a block.

    By the ledger: what was flattened or rolled by hand has no evening of its own.
    """
    evenings = {past.session: past for past in past_evenings(runs, ledger, session)}
    unheard = {
        life.order.contract: _blocks(
            life,
            f"{life.order.order_ref} of {past.session} was {life.state.value} when it was last "
            "heard of, before tonight's close: what is held of this contract is not known",
            f"'afterclose settle --run {past.manifest.run_id}' asks what became of it",
        )
        for past in evenings.values()
        for life in _unheard(ledger, past.session, since=calendar.evening_of(session))
    }
    return unheard | {
        life.order.contract: _blocks(
            life,
            f"{life.order.order_ref} of {day} is {life.state.value}: what is held of this "
            "contract is not known",
            _looks_again(evenings.get(day)),
        )
        for day in _before(ledger, session)
        for life in _in_doubt(ledger, day)
    }


def _blocks(life: OrderLife, message: str, hint: str) -> Finding:
    return Finding(
        code="AC702",
        severity=Severity.BLOCK,
        subject=life.order.contract.symbol,
        message=message,
        hint=hint,
    )


def _unheard(ledger: Ledger, session: Session, *, since: datetime) -> Sequence[OrderLife]:
    """Orders of a session that were at the exchange when last heard of, before a later close.

    What they filled until then nobody has asked: the evening was not settled. Whoever asked and
    found one working (its exchange had a holiday) has heard of it since.
    """
    events = ledger.events(session)
    heard_since = {event.order_ref for event in events if event.at >= since}
    known = lives(ledger.orders(session), events)
    return [
        life
        for ref, life in known.items()
        if life.state in _AT_THE_EXCHANGE and ref not in heard_since
    ]


def _before(ledger: Ledger, session: Session) -> Sequence[Session]:
    return [day for day in lately(ledger, session) if day < session]


def _in_doubt(ledger: Ledger, session: Session) -> Sequence[OrderLife]:
    lives = session_lives(ledger, session).values()
    return [life for life in lives if life.state in _DOUBTFUL or _never_looked_for(life)]


def _never_looked_for(life: OrderLife) -> bool:
    """An order by hand of an earlier session that the journal has still working."""
    by_hand = life.order.model == DESK_MODEL
    return by_hand and life.state is not OrderState.INTENDED and not life.state.final


def _looks_again(evening: PastEvening | None) -> str:
    settle = "'afterclose settle'"
    if evening is not None:
        settle = f"'afterclose settle --run {evening.manifest.run_id}'"
    return f"{settle} looks again; one that is nowhere in TWS: 'afterclose resolve'"


def findings(runs: Path, ledger: Ledger, session: Session) -> tuple[Finding, ...]:
    """What earlier evenings left open, for the evening as a whole."""
    past = past_evenings(runs, ledger, session)
    return (
        *_unsettled(past),
        *_by_hand(ledger, session, {evening.session for evening in past}),
        *_breaks(past),
        *missed(past, session),
    )


def _by_hand(ledger: Ledger, session: Session, evenings: Collection[Session]) -> Iterator[Finding]:
    """Orders in doubt of sessions that have no evening: no settling of one would tell of them."""
    for day in _before(ledger, session):
        lives = () if day in evenings else _in_doubt(ledger, day)
        if lives:
            told = ", ".join(f"{life.order.order_ref} is {life.state.value}" for life in lives)
            yield Finding(
                code="AC703",
                severity=Severity.WARN,
                subject=str(day),
                message=f"{told}; no evening of that session was prepared, they were sent by hand",
                hint=_looks_again(None),
            )


def _unsettled(past: Sequence[PastEvening]) -> Iterator[Finding]:
    for evening in past:
        if evening.open_to_settle:
            yield Finding(
                code="AC703",
                severity=Severity.WARN,
                subject=str(evening.session),
                message=f"{len(evening.sent)} orders left and the evening was never settled",
                hint=f"afterclose settle --run {evening.manifest.run_id}; until then fills may be "
                "missing in what the desk holds",
            )


def _breaks(past: Sequence[PastEvening]) -> Iterator[Finding]:
    """Of the last evening that was looked at; older ones were said before."""
    looked = next((e for e in past if e.folder.has(run_files.RESULT)), None)
    if looked is None:
        return
    try:
        result = looked.folder.read_json(run_files.RESULT, _Result)
    except DataError:  # written by another version
        return
    open_ones = [f for f in result.findings if f.severity > Severity.INFO]
    if open_ones:
        told = ", ".join(sorted({f"{f.code} {f.subject}" for f in open_ones}))
        yield Finding(
            code="AC704",
            severity=Severity.WARN,
            subject=str(looked.session),
            message=f"{len(open_ones)} breaks when it was last looked at: {told}",
            hint=f"afterclose settle --run {looked.manifest.run_id} looks again",
        )


def missed(past: Sequence[PastEvening], session: Session) -> Iterator[Finding]:
    """Sessions between the last evening and this one that have none, and why as far as known.

    A desk without any earlier evening has missed none.
    """
    prepared = [e for e in past if e.manifest.state is not RunState.STARTED]
    if not prepared:  # a new desk, or one that was away for weeks
        return
    broken = {e.session: e.manifest for e in past if e.manifest.state is RunState.STARTED}
    day = calendar.next_session(prepared[0].session)
    while day < session:
        yield Finding(
            code="AC705",
            severity=Severity.WARN,
            subject=str(day),
            message=f"the evening of {day} was missed: {_why(broken.get(day))}",
            hint="what the models decided then is in tonight's trades: exits and rolls are caught "
            "up, entries only with basket.catch_up_entries",
        )
        day = calendar.next_session(day)


def _why(manifest: RunManifest | None) -> str:
    if manifest is None:
        return "nothing was started (machine off, or no schedule installed)"
    stage = next((s for s in reversed(manifest.stages) if s.status == "failed"), None)
    if stage is None:
        return f"it was started and did not come to its end after {len(manifest.stages)} stages"
    return f"it stopped in '{stage.name}': {stage.error}"
