"""``afterclose update``: bars in, and what came, changed or is late, market by market."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import typer
from rich.table import Table

from afterclose import clock as calendar
from afterclose.adapters.marketdata.freshness import (
    Freshness,
    MarketFreshness,
    market_freshness,
)
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.marketdata.update import RootUpdate, StoreUpdate
from afterclose.cli.terminal import console, findings_table
from afterclose.clock import SystemClock
from afterclose.errors import BrokerUnavailable, ExitCode, SourceUnavailable
from afterclose.market_sources import update_market
from afterclose.ports import Clock
from afterclose.settings import Settings, load

#: A vendor that is late is asked again after this long.
ASK_AGAIN = timedelta(minutes=10)
_MOST_ROWS = 30


def update(home: Path, session: date | None, *, wait: timedelta) -> None:
    """Bring the store up to the session; wait for late markets as long as asked.

    Exits 1 when more markets are late than the settings allow; one of which the source gave nothing
    is late.
    """
    settings, clock = load(home), SystemClock()
    tonight = (
        calendar.session_on_or_before(session) if session else calendar.session_at(clock.now())
    )

    def ask() -> Asked:
        done = _once(settings, tonight)
        asked = Asked(done, market_freshness(MarketStore.open(_path(settings)), tonight))
        _show(asked, _path(settings))
        return asked

    asked = ask_until(ask, clock=clock, wait=wait, pause=_pause)
    _show_late(asked)
    markets = {state.root for state in asked.states} | set(asked.missing())
    if len(asked.missing()) > settings.data.max_late_share * len(markets):
        raise typer.Exit(ExitCode.BLOCKED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one update brought, and how every market of the store stands after it."""

    done: StoreUpdate
    states: Sequence[MarketFreshness]

    def missing(self) -> tuple[str, ...]:
        """Markets without the bar they owe, and those of which the source gave nothing at all."""
        known = {state.root for state in self.states}
        late = {state.root for state in self.states if state.finding}
        return tuple(sorted(late | (set(self.done.failed) - known)))


def ask_until(
    ask: Callable[[], Asked],
    *,
    clock: Clock,
    wait: timedelta,
    pause: Callable[[timedelta, Sequence[str]], None],
) -> Asked:
    """Ask until nothing is late; no longer than ``wait`` after the first time.

    A source that does not answer is asked again, too; at the end of the wait its error is raised.
    """
    deadline = clock.now() + wait
    while True:
        last = clock.now() + ASK_AGAIN > deadline
        try:
            asked = ask()
        except (SourceUnavailable, BrokerUnavailable) as error:
            if last:
                raise
            pause(ASK_AGAIN, (str(error),))
            continue
        if last or not asked.missing():
            return asked
        pause(ASK_AGAIN, asked.missing())


def _pause(length: timedelta, waiting_for: Sequence[str]) -> None:
    again = f"asking again in {length.seconds // 60} minutes"
    console().print(f"waiting for: {', '.join(waiting_for)}; {again}", soft_wrap=True)
    threading.Event().wait(length.total_seconds())


def _path(settings: Settings) -> Path:
    return settings.resolve(settings.data.store)


def _once(settings: Settings, session: date) -> StoreUpdate:
    screen = console()
    with screen.status("asking for market data") as status:
        seen = 0

        def progress(root: RootUpdate) -> None:
            nonlocal seen
            seen += 1
            status.update(f"{root.root}: {root.bars} new bars ({seen} markets done)")

        return update_market(settings, session, SystemClock(), on_progress=progress)


def _show(asked: Asked, path: Path) -> None:
    screen, done = console(), asked.done
    state_of = {state.root: state for state in asked.states}
    table = Table(
        "market", "new bars", "new contracts", "revised", "newest", "state", title=str(done.session)
    )
    for root in done.roots:
        state = state_of.get(root.root)
        quiet = state is None or state.status in {Freshness.FRESH, Freshness.ENDED}
        if quiet and not (root.bars or root.revised or root.new_contracts or root.vanished):
            continue
        table.add_row(
            root.root,
            str(root.bars),
            _few(root.new_contracts),
            _few(root.revised),
            str(root.newest or "none"),
            _state(state, root),
        )
    if table.row_count:
        screen.print(table)
    screen.print(
        f"{path}: {done.bars} new bars in {len(done.roots)} markets, {done.rates} new rates, "
        f"{len(done.revisions)} revised values",
        soft_wrap=True,
    )
    if done.passed_over:
        screen.print(f"{len(done.passed_over)} markets had the session already")
    if done.revisions:
        _show_revisions(done)
    if done.without_rates:
        screen.print(f"no exchange rate for: {', '.join(done.without_rates)}")
    if done.findings:
        screen.print(findings_table(done.findings, title="What the source cannot keep"))


def _state(state: MarketFreshness | None, root: RootUpdate) -> str:
    if root.vanished:
        return f"nothing any more of {_few(root.vanished)}: kept as they are"
    if state is None:
        return "no bars"
    if state.status is Freshness.LATE:
        return f"late: {state.expected} is not there"
    if state.status is Freshness.HOLIDAY:
        return f"holiday since {state.expected}"
    if state.status is Freshness.NO_CLOSE:
        return f"no close of {state.expected}: a holiday"
    return state.status.value


def _show_revisions(done: StoreUpdate) -> None:
    table = Table("contract", "session", "field", "old", "new", title="History that changed")
    for change in done.revisions[:_MOST_ROWS]:
        table.add_row(
            change.symbol, str(change.session or ""), change.field, str(change.old), str(change.new)
        )
    console().print(table)
    if len(done.revisions) > _MOST_ROWS:
        console().print(f"and {len(done.revisions) - _MOST_ROWS} more, in the store's revisions")


def _show_late(asked: Asked) -> None:
    late = [finding for state in asked.states if (finding := state.finding)]
    if late:
        console().print(findings_table(late, title="Late markets"))
    for name, why in {**asked.done.failed, **asked.done.rates_failed}.items():
        console().print(f"{name}: the source gave nothing: {why}", soft_wrap=True)


def _few(names: tuple[str, ...]) -> str:
    shown = " ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > len(names[:6]) else shown
