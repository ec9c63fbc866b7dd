"""``afterclose update``: bars in, and what came, changed or is late, market by market."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
from afterclose.errors import ExitCode
from afterclose.market_sources import update_market
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
    now = clock.now()
    tonight = calendar.session_on_or_before(session) if session else calendar.session_at(now)
    deadline = now + wait
    while True:
        done = _once(settings, tonight)
        states = market_freshness(MarketStore.open(_path(settings)), tonight)
        missing = _missing(done, states)
        _show(done, states, _path(settings))
        if not missing or clock.now() + ASK_AGAIN > deadline:
            break
        console().print(
            f"late: {', '.join(missing)}; asking again in {ASK_AGAIN.seconds // 60} minutes"
        )
        threading.Event().wait(ASK_AGAIN.total_seconds())
    _show_late(done, states)
    markets = {state.root for state in states} | set(missing)
    if len(missing) > settings.data.max_late_share * len(markets):
        raise typer.Exit(ExitCode.BLOCKED)


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


def _missing(done: StoreUpdate, states: Sequence[MarketFreshness]) -> list[str]:
    """Markets without the bar they owe, and those of which the source gave nothing at all."""
    known = {state.root for state in states}
    late = {state.root for state in states if state.finding}
    return sorted(late | (set(done.failed) - known))


def _show(done: StoreUpdate, states: Sequence[MarketFreshness], path: Path) -> None:
    screen = console()
    state_of = {state.root: state for state in states}
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


def _show_late(done: StoreUpdate, states: Sequence[MarketFreshness]) -> None:
    late = [finding for state in states if (finding := state.finding)]
    if late:
        console().print(findings_table(late, title="Late markets"))
    for name, why in {**done.failed, **done.rates_failed}.items():
        console().print(f"{name}: the source gave nothing: {why}", soft_wrap=True)


def _few(names: tuple[str, ...]) -> str:
    shown = " ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > len(names[:6]) else shown
