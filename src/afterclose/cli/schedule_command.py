"""``afterclose schedule``: print the entries for this machine's scheduler, or install them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from rich.table import Table

from afterclose import schedule
from afterclose.adapters.marketdata.evening_table import market_evening
from afterclose.artifacts import write_atomically
from afterclose.cli.terminal import console
from afterclose.clock import CHICAGO, SystemClock, session_at
from afterclose.errors import ConfigError, SourceUnavailable, UsageError
from afterclose.settings import SETTINGS_FILE, Settings, load

_UNITS = Path(".config", "systemd", "user")


class Scheduler(StrEnum):
    """What starts things on a machine."""

    SYSTEMD = "systemd"
    CRON = "cron"
    WINDOWS = "windows"


def show(home: Path, *, kind: str, install: bool, count: int, markets: bool) -> None:
    """Print or install. Raises UsageError, or SourceUnavailable without that scheduler."""
    settings, now = _settings(home), SystemClock().now()
    if count:
        _evenings(settings, now, count)
    if markets:
        _markets(settings, now)
    if count or markets:
        return
    chosen = _scheduler(kind)
    if install:
        _install(chosen, home, settings, now)
    else:
        _print(chosen, home, settings, now)


def _settings(home: Path) -> Settings:
    if not (home / SETTINGS_FILE).is_file():
        raise ConfigError(f"{home} is no desk", hint="make one with 'afterclose init'")
    return load(home)


def _scheduler(kind: str) -> Scheduler:
    if kind:
        try:
            return Scheduler(kind)
        except ValueError:
            known = ", ".join(Scheduler)
            raise UsageError(f"{kind!r} is no scheduler", hint=f"known are {known}") from None
    if sys.platform == "win32":
        return Scheduler.WINDOWS
    return Scheduler.SYSTEMD if shutil.which("systemctl") else Scheduler.CRON


def _evenings(settings: Settings, now: datetime, count: int) -> None:
    table = Table("session", "starts here", "starts in Chicago", "orders for")
    for evening in schedule.next_evenings(now, settings.data.start_after_close, count):
        table.add_row(
            str(evening.session),
            f"{evening.starts.astimezone():%a %Y-%m-%d %H:%M}",
            f"{evening.starts.astimezone(CHICAGO):%a %H:%M}",
            str(evening.trades),
        )
    console().print(table)


def _markets(settings: Settings, now: datetime) -> None:
    session = session_at(now)
    table = Table("market", "calendar", "its last session", "next to trade", title=str(session))
    for line in market_evening(settings.resolve(settings.data.store), session):
        table.add_row(line.root, line.calendar, str(line.last), str(line.next))
    console().print(table)


def _name(settings: Settings) -> str:
    return f"afterclose-{settings.desk.name}"


def _texts(
    kind: Scheduler, home: Path, settings: Settings, now: datetime
) -> tuple[tuple[str, str], ...]:
    """Return name and text of each entry."""
    desk, offset, what = settings.desk.name, settings.data.start_after_close, schedule.command(home)
    if kind is Scheduler.SYSTEMD:
        return (
            (f"{_name(settings)}.service", schedule.systemd_service(desk, what)),
            (f"{_name(settings)}.timer", schedule.systemd_timer(desk, offset)),
        )
    starts = schedule.local_starts(now, offset, None)
    if kind is Scheduler.CRON:
        return (("crontab", "\n".join(schedule.cron_lines(desk, what, starts)) + "\n"),)
    return ((f"{_name(settings)}.xml", schedule.windows_task(desk, what, starts)),)


def _print(kind: Scheduler, home: Path, settings: Settings, now: datetime) -> None:
    screen = console()
    for name, text in _texts(kind, home, settings, now):
        screen.print(f"# {name}", soft_wrap=True)
        screen.print(text, soft_wrap=True, markup=False)
    screen.print("'afterclose schedule --install' puts it in its place.")


def _install(kind: Scheduler, home: Path, settings: Settings, now: datetime) -> None:
    texts = _texts(kind, home, settings, now)
    if kind is Scheduler.SYSTEMD:
        folder = Path.home() / _UNITS
        for name, text in texts:
            write_atomically(folder / name, text.encode())
        timer = f"{_name(settings)}.timer"
        _run("systemctl", "--user", "daemon-reload")
        _run("systemctl", "--user", "enable", "--now", timer)
        told = f"{folder / timer}; so that it runs while you are logged out: loginctl enable-linger"
    elif kind is Scheduler.CRON:
        mark = f"# afterclose {settings.desk.name}"
        old = _run("crontab", "-l", may_fail=True).splitlines()
        kept = [line for line in old if not line.endswith(mark)]
        _run("crontab", "-", given="\n".join([*kept, texts[0][1]]))
        told = "the crontab; lines of this desk that stood there were replaced"
    else:
        with tempfile.TemporaryDirectory() as folder_name:
            file = Path(folder_name) / texts[0][0]
            file.write_text(texts[0][1], encoding="utf-16")
            _run("schtasks", "/Create", "/F", "/TN", _name(settings), "/XML", str(file))
        told = f"the scheduled task {_name(settings)}"
    console().print(f"Installed: {told}.", soft_wrap=True)
    _evenings(settings, now, 3)


def _run(program: str, *arguments: str, given: str = "", may_fail: bool = False) -> str:
    found = shutil.which(program)
    if found is None:
        raise SourceUnavailable(
            f"this machine has no {program}",
            hint="print the entries with another --for: systemd, cron or windows",
        )
    command: Sequence[str] = (found, *arguments)
    done = subprocess.run(  # noqa: S603 - this machine's own scheduler
        command, input=given, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode and not may_fail:
        raise SourceUnavailable(
            f"{program} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}",
            hint="run it by hand to see more; 'afterclose schedule' prints the entries",
        )
    return "" if done.returncode else done.stdout
