"""``afterclose schedule``: print the entries for this machine's scheduler, or install them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rich.table import Table

from afterclose import schedule
from afterclose.adapters.marketdata.evening_table import market_evening
from afterclose.cli import schedule_install
from afterclose.cli.schedule_install import Scheduler
from afterclose.cli.terminal import console
from afterclose.clock import CHICAGO, SystemClock, evening_of, session_at
from afterclose.errors import ConfigError, UsageError
from afterclose.settings import SETTINGS_FILE, Settings, channel_address, load


def show(home: Path, *, kind: str, install: bool, remove: bool, count: int, markets: bool) -> None:
    """Print, install or remove. Raises UsageError, or SourceUnavailable without that scheduler."""
    if install and remove:
        raise UsageError("--install and --remove contradict each other", hint="choose one")
    settings, now = _settings(home), SystemClock().now()
    if count:
        _evenings(settings, now, count)
    if markets:
        _markets(settings, now)
    if count or markets:
        return
    chosen = schedule_install.chosen(kind)
    if install:
        _install(chosen, home, settings, now)
    elif remove:
        taken = schedule_install.remove(chosen, _name(home, settings), schedule.command(home))
        console().print(f"Removed from {taken}.", soft_wrap=True)
    else:
        _print(chosen, home, settings, now)


def _settings(home: Path) -> Settings:
    if not (home / SETTINGS_FILE).exists():
        raise ConfigError(f"{home} is no desk", hint="make one with 'afterclose init'")
    return load(home)


def _evenings(settings: Settings, now: datetime, count: int) -> None:
    settle = settings.data.settle_after_close
    table = Table("session", "settled here", "starts here", "starts in Chicago", "orders for")
    for evening in schedule.next_evenings(now, settings.data.start_after_close, count):
        settled = None if settle is None else evening_of(evening.session) + settle
        table.add_row(
            str(evening.session),
            "at its start" if settled is None else f"{settled.astimezone():%a %Y-%m-%d %H:%M}",
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


def _name(home: Path, settings: Settings) -> str:
    return schedule.entry_name(settings.desk.name, home)


def _texts(
    kind: Scheduler, home: Path, settings: Settings, now: datetime
) -> tuple[tuple[str, str], ...]:
    """Return name and text of each entry."""
    desk, what, name = settings.desk.name, schedule.command(home), _name(home, settings)
    offsets = settings.data.timer_after_close
    if kind is Scheduler.SYSTEMD:
        return (
            (f"{name}.service", schedule.systemd_service(desk, what)),
            (f"{name}.timer", schedule.systemd_timer(desk, offsets)),
        )
    starts = schedule.local_starts(now, offsets, schedule_install.machine_zone())
    if kind is Scheduler.CRON:
        return (("crontab", "\n".join(schedule.cron_lines(desk, what, starts)) + "\n"),)
    return ((f"{name}.xml", schedule.windows_task(desk, what, starts)),)


def _print(kind: Scheduler, home: Path, settings: Settings, now: datetime) -> None:
    screen = console()
    for name, text in _texts(kind, home, settings, now):
        screen.print(f"# {name}", soft_wrap=True)
        screen.print(text, soft_wrap=True, markup=False)
    screen.print("'afterclose schedule --install' puts it in its place, '--remove' takes it out.")


def _install(kind: Scheduler, home: Path, settings: Settings, now: datetime) -> None:
    texts = _texts(kind, home, settings, now)
    told = schedule_install.install(kind, _name(home, settings), texts, schedule.command(home))
    console().print(f"Installed: {told}.", soft_wrap=True)
    for name in settings.notify.channels:
        if channel_address(name) is not None:
            console().print(
                f"The address of the channel {name} is in this shell's environment, which a "
                "schedule does not have: docs/notifications.md says where it goes.",
                soft_wrap=True,
            )
    _evenings(settings, now, 3)
