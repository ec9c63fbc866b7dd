"""``afterclose update`` and ``afterclose data``: bars in, and a look at them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import typer
from rich.table import Table

from afterclose import clock as calendar
from afterclose.adapters.marketdata.chain import leads, missing_bars
from afterclose.adapters.marketdata.freshness import Freshness, market_freshness
from afterclose.adapters.marketdata.quality import check_store
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.marketdata.update import RootUpdate, StoreUpdate, update_store
from afterclose.bootstrap import market_source
from afterclose.cli.terminal import console, findings_table
from afterclose.clock import SystemClock
from afterclose.domain.findings import Severity
from afterclose.errors import ExitCode, UsageError
from afterclose.settings import Settings, load

#: A vendor that is late is asked again after this long.
ASK_AGAIN = timedelta(minutes=10)
#: How far back ``data show`` looks for holes.
RECENT = timedelta(days=365)
_BARS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 80
_MOST_ROWS = 30


def update(home: Path, session: date | None, *, wait: timedelta) -> None:
    """Bring the store up to the session; wait for late markets as long as asked.

    Exits 1 when more markets are late than the settings allow.
    """
    settings, clock = load(home), SystemClock()
    now = clock.now()
    tonight = calendar.session_on_or_before(session) if session else calendar.session_at(now)
    deadline = now + wait
    path = settings.resolve(settings.data.store)
    while True:
        done = _once(settings, path, tonight)
        late = [m for m in market_freshness(MarketStore.open(path), tonight) if m.finding]
        _show(done, path)
        if not late or clock.now() + ASK_AGAIN > deadline:
            break
        console().print(f"{len(late)} markets are late; asking again in {ASK_AGAIN}")
        threading.Event().wait(ASK_AGAIN.total_seconds())
    if late:
        console().print(findings_table([f for m in late if (f := m.finding)], title="Late markets"))
    if len(late) > settings.data.max_late_share * len(done.roots):
        raise typer.Exit(ExitCode.BLOCKED)


def _once(settings: Settings, path: Path, session: date) -> StoreUpdate:
    source = market_source(settings, session)
    screen = console()
    with screen.status(f"asking {source.name}") as status:

        def progress(root: RootUpdate) -> None:
            status.update(f"{source.name}: {root.root}")

        return update_store(
            path, source, session=session, now=SystemClock().now(), on_progress=progress
        )


def _show(done: StoreUpdate, path: Path) -> None:
    screen = console()
    table = Table(
        "market", "new bars", "new contracts", "revised", "newest", title=str(done.session)
    )
    for root in done.roots:
        if root.bars or root.revised or root.new_contracts:
            table.add_row(
                root.root,
                str(root.bars),
                _few(root.new_contracts),
                _few(root.revised),
                str(root.newest or "none"),
            )
    if table.row_count:
        screen.print(table)
    screen.print(
        f"{path}: {done.bars} new bars in {len(done.roots)} markets, {done.rates} new rates, "
        f"{len(done.revisions)} revised values",
        soft_wrap=True,
    )
    if done.revisions:
        _show_revisions(done)
    if done.without_rates:
        screen.print(f"no exchange rate for: {', '.join(done.without_rates)}")


def _show_revisions(done: StoreUpdate) -> None:
    table = Table("contract", "session", "field", "old", "new", title="History that changed")
    for change in done.revisions[:_MOST_ROWS]:
        table.add_row(
            change.symbol, str(change.session or ""), change.field, str(change.old), str(change.new)
        )
    console().print(table)
    if len(done.revisions) > _MOST_ROWS:
        console().print(f"and {len(done.revisions) - _MOST_ROWS} more, in the store's revisions")


def _few(names: tuple[str, ...]) -> str:
    shown = " ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > len(names[:6]) else shown


def show(home: Path, name: str) -> None:
    """Print a market's chain, who led when, and the holes of the last year; or one contract."""
    settings = load(home)
    store = MarketStore.open(settings.resolve(settings.data.store))
    wanted = name.upper()
    if wanted in store.roots():
        _show_root(store, wanted)
    elif wanted in store.symbols():
        _show_contract(store, store.contract(wanted), store.bars(wanted))
    else:
        raise UsageError(
            f"the store knows neither a market nor a contract {name!r}",
            hint=f"markets: {' '.join(store.roots())}",
        )


def _show_root(store: MarketStore, root: str) -> None:
    screen = console()
    table = Table("contract", "from", "to", "bars", "first notice", "last trade", "auto-close")
    for record in store.contracts(root)[-_MOST_ROWS:]:
        table.add_row(
            record.symbol,
            str(record.first_session),
            str(record.last_session),
            str(len(store.bars(record.symbol))),
            str(record.first_notice or ""),
            str(record.last_trade or ""),
            str(record.auto_close),
        )
    screen.print(table)
    rolls = Table("led", "from", "to", "sessions", "closes", title="Most volume")
    first = store.last_session - RECENT
    for lead in leads(store, root, first=first):
        closes = _between(store.bars(lead.symbol), lead.first, lead.last)
        rolls.add_row(
            lead.symbol, str(lead.first), str(lead.last), str(lead.sessions), sparkline(closes)
        )
    screen.print(rolls)
    holes = [
        hole
        for record in store.contracts(root)
        if record.last_session >= first
        for hole in missing_bars(
            record,
            store.bars(record.symbol),
            first=max(first, record.first_session),
            last=record.last_session,
        )
    ]
    screen.print(f"{len(holes)} missing bars in a year")
    for hole in holes[:_MOST_ROWS]:
        screen.print(f"  {hole.symbol} {hole.session}: {hole.reason}")


def _show_contract(store: MarketStore, record: ContractRecord, bars: ContractBars) -> None:
    screen = console()
    screen.print(
        f"{record.symbol}: {record.name}, {record.currency}, tick {record.tick_size}, "
        f"point value {record.point_value}, auto-close {record.auto_close}"
    )
    screen.print(sparkline(bars.close.tolist()))
    table = Table("session", "open", "high", "low", "close", "volume", "open interest")
    for row in range(max(0, len(bars) - _MOST_ROWS), len(bars)):
        values = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.open_interest)
        table.add_row(str(bars.sessions[row]), *(f"{v[row]:.10g}" for v in values))
    screen.print(table)
    screen.print(f"fingerprint {store.fingerprint_of(record.symbol)}")


def _between(bars: ContractBars, first: date, last: date) -> list[float]:
    return [
        float(close)
        for session, close in zip(bars.sessions.tolist(), bars.close, strict=True)
        if first <= session <= last
    ]


def sparkline(values: Iterable[float]) -> str:
    """Draw numbers as a line of blocks; a number that is none is a gap."""
    every = list(values)
    step = max(1, len(every) // _SPARK_WIDTH)
    shown = every[::step]
    known = [v for v in shown if v == v]  # noqa: PLR0124 - NaN is the number that differs from itself
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    scale = (len(_BARS) - 1) / span if span else 0.0
    return "".join(" " if v != v else _BARS[round((v - low) * scale)] for v in shown)  # noqa: PLR0124


def check(home: Path, *, days: int) -> None:
    """Look at the bars of the last days for spikes, unit slips, holes and off-tick prices."""
    settings = load(home)
    store = MarketStore.open(settings.resolve(settings.data.store))
    since = store.last_session - timedelta(days=days)
    findings = tuple(check_store(store, since=since))
    notable = [f for f in findings if f.severity > Severity.INFO]
    screen = console()
    if notable:
        screen.print(findings_table(notable, title=f"Bars since {since}"))
    quiet = Counter(f.code for f in findings if f.severity is Severity.INFO)
    told = ", ".join(f"{count} × {code}" for code, count in sorted(quiet.items()))
    screen.print(f"{len(notable)} to look at since {since}; merely notable: {told or 'none'}")
    states = market_freshness(store, store.last_session)
    ended = [m.root for m in states if m.status is Freshness.ENDED]
    screen.print(f"ended markets: {' '.join(ended) or 'none'}")
