"""``afterclose data``: a look at the bars, checks, comparisons, a bundle for Zipline's tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import typer
from rich.table import Table

from afterclose.adapters.marketdata.chain import leads, missing_bars
from afterclose.adapters.marketdata.comparing import compare as compare_sources
from afterclose.adapters.marketdata.freshness import Freshness, market_freshness
from afterclose.adapters.marketdata.quality import check_store
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.marketdata.verify import against_source, last_day, verify_store
from afterclose.cli.data_plot import market_chart, write_chart
from afterclose.cli.terminal import console, findings_table
from afterclose.domain.findings import Severity
from afterclose.errors import ExitCode, UsageError
from afterclose.market_sources import export_bundle, market_source, other_market
from afterclose.settings import load

_BARS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 80
_MOST_ROWS = 30


def _open(home: Path) -> MarketStore:
    settings = load(home)
    return MarketStore.open(settings.resolve(settings.data.store))


def show(home: Path, name: str, *, plot: Path | None, days: int) -> None:
    """Print a market's chain, who led when, and its missing bars; or one contract. And draw it."""
    store = _open(home)
    wanted = name.upper()
    since = store.last_session - timedelta(days=days)
    if wanted in store.roots():
        _show_root(store, wanted, since)
        months = [r for r in store.contracts(wanted) if r.last_session >= since]
    elif wanted in store.symbols():
        months = [store.contract(wanted)]
        since = max(months[0].first_session, months[0].last_session - timedelta(days=days))
        _show_contract(store, months[0], store.bars(wanted))
    else:
        raise UsageError(
            f"the store knows neither a market nor a contract {name!r}",
            hint=f"markets: {' '.join(store.roots())}",
        )
    if plot is not None:
        write_chart(market_chart(store, wanted, months, since=since), plot)
        console().print(f"drawn in {plot}", soft_wrap=True)


def _show_root(store: MarketStore, root: str, since: date) -> None:
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
    for lead in leads(store, root, first=since):
        closes = _between(store.bars(lead.symbol), lead.first, lead.last)
        rolls.add_row(
            lead.symbol, str(lead.first), str(lead.last), str(lead.sessions), sparkline(closes)
        )
    screen.print(rolls)
    holes = [
        hole
        for record in store.contracts(root)
        if record.last_session >= since
        for hole in missing_bars(
            record,
            store.bars(record.symbol),
            first=max(since, record.first_session),
            last=record.last_session,
        )
    ]
    screen.print(f"{len(holes)} missing bars since {since}")
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
    store = _open(home)
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


def compare(home: Path, other: Path, *, roots: Sequence[str], days: int, ticks: float) -> None:
    """Compare the closes of the last days with another store, or a folder of tables.

    Exits 1 when they disagree.
    """
    store = _open(home)
    since = store.last_session - timedelta(days=days)
    wanted = [root.upper() for root in roots] or store.roots()
    if unknown := sorted(set(wanted) - set(store.roots())):
        raise UsageError(
            f"the store has no {', '.join(unknown)}", hint=f"markets: {' '.join(store.roots())}"
        )
    found = compare_sources(
        store,
        other_market(other),
        roots=wanted,
        since=since,
        through=store.last_session,
        tolerance_ticks=ticks,
    )
    screen = console()
    if found.findings:
        screen.print(
            findings_table(found.findings, title=f"Closes more than {ticks:g} ticks apart")
        )
    screen.print(
        f"{found.sessions} closes of {found.contracts} contracts compared since {since}; "
        f"{len(found.findings)} contracts disagree; only here {found.ours_alone} bars, only there "
        f"{found.theirs_alone}; not there at all: {' '.join(found.unmatched) or 'none'}"
    )
    if found.findings:
        raise typer.Exit(ExitCode.BLOCKED)


def verify(home: Path, *, source: bool) -> None:
    """Read the whole store and prove it; with ``source``, against every bar of its source, too.

    Exits 1 when the source has other bars. A damaged store is an error of its own.
    """
    settings, screen = load(home), console()
    path = settings.resolve(settings.data.store)
    count = verify_store(path)
    screen.print(f"{path}: {count} bars; every file and every sum is as it was written")
    if not source:
        return
    store = MarketStore.open(path)
    with screen.status("comparing with the source") as status:
        found = against_source(
            store, market_source(settings, last_day(store)), on_progress=status.update
        )
    for difference in found.differences[:_MOST_ROWS]:
        screen.print(difference)
    screen.print(
        f"{found.bars} bars of {found.contracts} contracts and {found.rates} exchange rates "
        f"compared bit for bit with {store.source}: {len(found.differences)} differences"
    )
    if found.differences:
        raise typer.Exit(ExitCode.BLOCKED)


def export(
    home: Path, target: Path, *, name: str, roots: Sequence[str], through: date | None
) -> None:
    """Write the store as a stock Zipline bundle and say what such a bundle cannot hold."""
    settings, screen = load(home), console()
    with screen.status("writing the bundle"):
        done = export_bundle(
            settings, target, name=name, roots=[root.upper() for root in roots], through=through
        )
    if done.losses:
        screen.print(findings_table(done.losses, title="What a bundle cannot hold"))
    screen.print(
        f"{done.name} in {done.home}: {done.bars} bars of {done.contracts} contracts, {done.first} "
        f"to {done.last}; {done.off_calendar} bars on days that are no session of Zipline's "
        "us_futures calendar, and open interest and exchange rates, are left out",
        soft_wrap=True,
    )
    screen.print("Zipline finds it once its extension.py names it:")
    screen.print(
        "    from zipline.data.bundles import register\n"
        f'    register("{done.name}", lambda *_: None, calendar_name="us_futures")',
        soft_wrap=True,
    )
