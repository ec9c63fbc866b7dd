"""``afterclose audit``: a basket file against the gateway, or against a kept evening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import typer

from afterclose import clock as calendar
from afterclose.adapters.patience import opened
from afterclose.adapters.recorded import RecordedReader
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import broker_reader, command_patience, margin_preview, specs
from afterclose.by_file.audit import (
    FileAudit,
    FileAuditRequest,
    Gateway,
    accounts_of,
    audit_file,
)
from afterclose.cli.terminal import audit_summary, console, findings_table
from afterclose.clock import ManualClock, SystemClock
from afterclose.domain.market import MarketSnapshot
from afterclose.errors import ExitCode, UsageError
from afterclose.evening import run_files
from afterclose.ports import Clock
from afterclose.settings import PAPER_ACCOUNT, SETTINGS_FILE, Settings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says; empty: the desk's settings, or their defaults."""

    desk: Path
    account: str = ""
    host: str = ""
    port: int | None = None
    client_id: int | None = None
    mapping: Path | None = None
    session: date | None = None
    snapshot: Path | None = None


def audit(basket: Path, out: Path, flags: Flags) -> None:
    """Audit the file and show the result. Exits 1 where a row may not be sent."""
    kept = _kept(flags.snapshot)
    settings = _settings(basket, flags, kept)
    clock: Clock = SystemClock() if kept is None else ManualClock(kept.as_of)
    session = _session(flags, kept, clock)
    table, notes = specs(_mapping(flags, settings), session=session)
    request = FileAuditRequest(
        basket=basket,
        out=out,
        session=session,
        settings=settings,
        specs=table,
        replayed=kept is not None,
    )
    made = asyncio.run(audit_file(request, _gateway(settings, clock, kept), clock))
    screen = console()
    if notes:
        screen.print(findings_table(notes, title=f"Notes on {flags.mapping}"))
    _show(made)
    if not made.complete:
        raise typer.Exit(ExitCode.BLOCKED)


def _kept(path: Path | None) -> MarketSnapshot | None:
    return None if path is None else run_files.read_snapshot(RunFolder(path.parent), path.name)


def _settings(basket: Path, flags: Flags, kept: MarketSnapshot | None) -> Settings:
    """The desk's settings where there is a desk, else the defaults; flags over both."""
    is_desk = (flags.desk / SETTINGS_FILE).exists()
    account = flags.account or (kept.account.account if kept else "")
    broker: dict[str, Any] = {
        name: value
        for name, value in (
            ("host", flags.host),
            ("port", flags.port),
            ("client_id", flags.client_id),
        )
        if value
    }
    if is_desk and not account:
        return load(flags.desk, {"broker": broker} if broker else {})
    account = account or _only_account(basket)
    mode = "paper" if PAPER_ACCOUNT.fullmatch(account) else "live"
    overrides: Mapping[str, Any] = {"desk": {"account": account, "mode": mode}, "broker": broker}
    return load(flags.desk, overrides)


def _only_account(basket: Path) -> str:
    named = accounts_of(basket)
    if len(named) != 1:
        told = f"several accounts ({', '.join(named)})" if named else "no account"
        raise UsageError(
            f"{basket.name} names {told}: which one is audited?",
            hint="give --account; what the file has for others is blocked then",
        )
    return named[0]


def _session(flags: Flags, kept: MarketSnapshot | None, clock: Clock) -> date:
    if flags.session is not None:
        return calendar.require_session(flags.session)
    return kept.session if kept is not None else calendar.session_at(clock.now())


def _mapping(flags: Flags, settings: Settings) -> Path | None:
    if flags.mapping is not None:
        return flags.mapping
    return settings.resolve(settings.mapping) if settings.mapping else None


def _gateway(settings: Settings, clock: Clock, kept: MarketSnapshot | None) -> Gateway:
    if kept is None:
        return Gateway(
            open_reader=lambda: opened(
                lambda: broker_reader(settings, clock),
                command_patience(settings),
                clock,
                lambda text: console().print(text, soft_wrap=True),
            ),
            open_margin_preview=lambda: margin_preview(settings, clock),
        )

    @asynccontextmanager
    async def replay() -> AsyncIterator[RecordedReader]:
        yield RecordedReader(kept)

    return Gateway(open_reader=replay, open_margin_preview=replay)


def _show(made: FileAudit) -> None:
    screen = console()
    screen.print(audit_summary(made.report))
    told = [
        *made.report.findings,
        *(f for row in made.report.rows for f in row.findings),
        *(f for left_out in made.excluded for f in left_out.findings),
    ]
    if told:
        screen.print(findings_table(told, title="What was found"))
    for path in made.files:
        screen.print(f"wrote {path}", soft_wrap=True)
    blocked = len(made.report.excluded_rows()) + len(made.excluded)
    if blocked:
        screen.print(f"{blocked} rows are not in the final baskets; the report says why.")
    else:
        screen.print("Read the report; the final baskets can be loaded into TWS.")
