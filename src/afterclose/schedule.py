"""When evenings start by themselves: entries for systemd, cron and the Windows Task Scheduler.

16:00 in Chicago names the session; the source's offset says when the evening starts, an earlier one
when what is open is settled. A timer starts the command at both: the second start is refused while
the first one waits, wakes a machine that fell asleep, and stands in for a command that was ended.
systemd knows Chicago's clock. cron and Windows know this machine's only: they get every local time
that can be right, so that the changes of the clocks on both sides are covered, and the command that
is started decides for itself (``decide``). Trading days, too, are the command's to know.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from xml.sax.saxutils import escape

from afterclose import clock as calendar
from afterclose.domain.contracts import Session
from afterclose.settings import ENVIRONMENT_FILE

#: An evening that could only start so near to the end of the session it trades is given up.
TOO_LATE_BEFORE_CLOSE = timedelta(hours=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOWS_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: Two years hold every combination of the clocks.
_LOOK_AHEAD = timedelta(days=740)


@dataclass(frozen=True, slots=True, kw_only=True)
class EveningStart:
    """One evening: its session, its start in UTC, and the session that its orders are for."""

    session: Session
    starts: datetime
    trades: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether an evening is to be prepared now, and why (not)."""

    session: Session
    go: bool
    missed: bool
    said: str
    #: The evening's start, where that is still to come and what is open is to be settled now.
    waits_until: datetime | None = None


def evening_start(session: Session, offset: timedelta) -> EveningStart:
    """Return when the evening of a session starts."""
    return EveningStart(
        session=session,
        starts=calendar.evening_of(session) + offset,
        trades=calendar.next_session(session),
    )


def next_evenings(now: datetime, offset: timedelta, count: int) -> tuple[EveningStart, ...]:
    """Return the evenings that start after a moment."""
    session = calendar.session_at(now - offset)
    found: list[EveningStart] = []
    while len(found) < count:
        session = calendar.next_session(session)
        found.append(evening_start(session, offset))
    return tuple(found)


def decide(
    now: datetime,
    offset: timedelta,
    *,
    prepared: Iterable[Session],
    settle: timedelta | None = None,
) -> Decision:
    """Decide what a command that was started by a timer has to do. Pure.

    The evening of the last session whose start has come is prepared once, and only while there is
    time to trade. From ``settle`` after a close until the start of its evening, that start is
    waited for; an earlier evening that was missed is explained by the one that is waited for.
    """
    prepared = frozenset(prepared)
    session = calendar.session_at(now - offset)
    closed = session if settle is None else calendar.session_at(now - settle)
    if closed > session and closed not in prepared:
        starts = evening_start(closed, offset).starts
        said = (
            f"the evening of {closed} starts {starts:%Y-%m-%d %H:%M} UTC; what is open is settled "
            "now, and the account's value taken"
        )
        return Decision(session=closed, go=False, missed=False, said=said, waits_until=starts)
    start = evening_start(session, offset)
    ends = calendar.evening_of(start.trades)
    if session in prepared:
        begins = evening_start(start.trades, offset).starts
        said = f"the evening of {session} is prepared; the next starts {begins:%Y-%m-%d %H:%M} UTC"
        return Decision(session=session, go=False, missed=False, said=said)
    if now > ends - TOO_LATE_BEFORE_CLOSE:
        said = (
            f"the evening of {session} was missed: it should have started "
            f"{start.starts:%Y-%m-%d %H:%M} UTC, and the session of {start.trades} ends at "
            f"{ends:%H:%M}"
        )
        return Decision(session=session, go=False, missed=True, said=said)
    late = now - start.starts
    said = f"the evening of {session}, for the session of {start.trades}"
    if late > timedelta(hours=1):
        said += f", {late.total_seconds() / 3600:.0f} h late"
    return Decision(session=session, go=True, missed=False, said=said)


def local_starts(
    now: datetime, offsets: Sequence[timedelta], zone: tzinfo | None
) -> Mapping[time, tuple[int, ...]]:
    """Return every local time at which a timer has to start, with its weekdays (Monday is 0).

    ``zone`` None is this machine's own.
    """
    found: defaultdict[time, set[int]] = defaultdict(set)
    session, end = calendar.session_at(now), now + _LOOK_AHEAD
    while (close := calendar.evening_of(session)) < end:
        for offset in offsets:
            local = (close + offset).astimezone(zone)
            found[local.time().replace(second=0, microsecond=0)].add(local.weekday())
        session = calendar.next_session(session)
    return {at: tuple(sorted(days)) for at, days in sorted(found.items())}


def command(home: Path) -> tuple[str, ...]:
    """Return what the timer starts."""
    return (sys.executable, "-m", "afterclose", "tonight", "--desk", str(home.resolve()))


def entry_name(desk: str, home: Path) -> str:
    """Name the entry of one desk: two folders may hold desks of one name, paper and live."""
    folder = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:6]
    return f"afterclose-{desk}-{folder}"


def systemd_timer(desk: str, offsets: Sequence[timedelta]) -> str:
    """Return a user's timer: systemd knows Chicago's clock, and catches up what it missed."""
    return (
        "[Unit]\n"
        f"Description=afterclose: the evening of desk {desk}\n\n"
        "[Timer]\n"
        "# Trading days are the command's to know: it says so on a holiday, and ends.\n"
        f"{''.join(_on_calendar(offset) for offset in offsets)}"
        "Persistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _on_calendar(offset: timedelta) -> str:
    at = datetime.combine(date(2000, 1, 3), calendar.GLOBEX_CLOSE) + offset  # a Monday
    days = [_DAYS[(n + at.weekday()) % 7] for n in range(5)]
    return f"OnCalendar={','.join(days)} *-*-* {at:%H:%M}:00 America/Chicago\n"


def systemd_service(desk: str, what: Sequence[str]) -> str:
    """Return the service that the timer starts."""
    return (
        "[Unit]\n"
        f"Description=afterclose: the evening of desk {desk}\n\n"
        "[Service]\nType=oneshot\n"
        "# Addresses of channels, which your shell has and a timer has not; may be missing.\n"
        f"EnvironmentFile=-%h/{ENVIRONMENT_FILE}\n"
        f"ExecStart={' '.join(_systemd_word(w) for w in what)}\n"
    )


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def cron_lines(
    desk: str, what: Sequence[str], starts: Mapping[time, Sequence[int]]
) -> tuple[str, ...]:
    """Return crontab lines in this machine's time, one for each time that can be right."""
    words = _cron_words(what)
    return tuple(
        f"{at.minute} {at.hour} * * {','.join(str((d + 1) % 7) for d in days)} "
        f"{_CRON_ENVIRONMENT} {words}{_CRON_MARK}{desk}"
        for at, days in starts.items()
    )


#: Not as a line of the crontab: cron repeats those in the head of every mail that it writes.
_CRON_ENVIRONMENT = f'set -a; f=~/{ENVIRONMENT_FILE}; test -r "$f" && . "$f";'
_CRON_MARK = " # afterclose "


def crontab_with(old: str, what: Sequence[str], lines: Sequence[str]) -> str:
    """Return a crontab with the lines of one desk, and everybody else's as they are.

    A line is the desk's by the folder it starts, whichever Python that is started with.
    """
    ours = f" {_cron_words(what[1:])}{_CRON_MARK}"
    kept = [line for line in old.splitlines() if ours not in line]
    return "".join(f"{line}\n" for line in (*kept, *lines))


def _cron_words(what: Sequence[str]) -> str:
    return " ".join(_shell_word(w) for w in what).replace("%", r"\%")


def _shell_word(word: str) -> str:
    plain = word.replace("/", "").replace("-", "").replace("_", "").replace(".", "")
    return word if plain.isalnum() else "'" + word.replace("'", "'\\''") + "'"


def windows_task(desk: str, what: Sequence[str], starts: Mapping[time, Sequence[int]]) -> str:
    """Return the XML of a scheduled task in this machine's time."""
    triggers = "".join(
        "    <CalendarTrigger>\n"
        f"      <StartBoundary>2026-01-05T{at:%H:%M}:00</StartBoundary>\n"
        "      <ScheduleByWeek><WeeksInterval>1</WeeksInterval><DaysOfWeek>"
        + "".join(f"<{_WINDOWS_DAYS[day]} />" for day in days)
        + "</DaysOfWeek></ScheduleByWeek>\n"
        "    </CalendarTrigger>\n"
        for at, days in starts.items()
    )
    program, *arguments = what
    return (
        '<?xml version="1.0" encoding="UTF-16"?>\n'
        '<Task version="1.2" '
        'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\n'
        f"  <RegistrationInfo><Description>afterclose: the evening of desk {escape(desk)}"
        "</Description></RegistrationInfo>\n"
        f"  <Triggers>\n{triggers}  </Triggers>\n"
        # Nobody is named: it is the user who creates the task, and runs while he is logged in.
        '  <Principals><Principal id="Author"><LogonType>InteractiveToken</LogonType>'
        "</Principal></Principals>\n"
        "  <Settings>\n"
        "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n"
        "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n"
        "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n"
        "    <StartWhenAvailable>true</StartWhenAvailable>\n"
        "    <WakeToRun>true</WakeToRun>\n"
        "  </Settings>\n"
        '  <Actions Context="Author">\n'
        f"    <Exec><Command>{escape(program)}</Command>"
        f"<Arguments>{escape(' '.join(_windows_word(w) for w in arguments))}</Arguments></Exec>\n"
        "  </Actions>\n"
        "</Task>\n"
    )


def _windows_word(word: str) -> str:
    return f'"{word}"' if " " in word else word
