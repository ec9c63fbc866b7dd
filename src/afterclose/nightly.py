"""★ Start here. The evening: ``prepare`` → a person decides → ``trade`` → ``settle``.

Each act is a list of stages, top to bottom; the work is in ``stages/``, which never import each
other and meet only here. An act can be repeated: ``prepare`` makes the same evening from the same
inputs, ``trade`` sends only what was never sent, ``settle`` looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from afterclose import clock as calendar
from afterclose import run_files, telling, unfinished
from afterclose.allocations import adding_barred
from afterclose.artifacts import RunFolder, findings_csv
from afterclose.books import Books, read_books
from afterclose.dispatch import (
    approved_now,
    before_restart,
    kept_at_0,
    limit_figures,
    placed,
    require_confirmed,
    restarts,
    watch,
)
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import Session
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.netting import with_rows
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Action, Approval, OrderEvent
from afterclose.domain.runs import ModelResult, RunManifest, RunState
from afterclose.evening import (
    Desk,
    ViewParts,
    account_holdings,
    audit_rules,
    capital,
    inputs_digest,
    map_trades,
    model_book,
    netted,
    next_restart,
    order_notes,
    other_rule,
    size_openings,
    terms,
    vendor_contracts,
    view,
)
from afterclose.journal import RunJournal
from afterclose.model_runs import (
    Histories,
    adopt_stated,
    histories,
    model_requests,
    say_scales,
    write_histories,
)
from afterclose.nightly_mapping import MappingTonight, check_mapping, with_checked
from afterclose.ports import BrokerReader
from afterclose.report.evening import Capital
from afterclose.settling import decided_view, record_value, settle, write_value
from afterclose.stages import audit, basket, review, signals, snapshot, submit, update
from afterclose.stages import quality as bar_quality
from afterclose.stages.mapping import ContractMap

__all__ = [
    "approval_end",
    "approve",
    "decided_view",
    "prepare",
    "reject",
    "rewrite_report",
    "settle",
    "trade",
    "watch",
]


async def prepare(desk: Desk, session: Session) -> RunFolder:
    """Act one: from market data to a report that a person can decide on. Nothing is sent."""
    run = _start(desk, calendar.require_session(session))
    fresh = _update(run)
    nights = _signals(run)
    trades = _mapping(run, nights)
    orders = _basket(run, trades)
    seen = _quality(run, orders)
    async with AsyncExitStack() as connection:
        reader, live = await _snapshot(run, orders, connection)
        facts = await _mapping_check(run, orders, reader, live)
    _value(run, nights, live)
    orders = placed(desk, orders, live)
    live, report, money = await _audit(run, nights, orders, trades, live, fresh, seen, facts)
    _report(run, nights, orders, live, fresh, seen, report, money)
    await asyncio.to_thread(telling.prepared, desk, run.folder, report)
    return run.journal.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evening in the making."""

    desk: Desk
    session: Session
    books: Books
    journal: RunJournal

    @property
    def folder(self) -> RunFolder:
        """Where it is kept."""
        return self.journal.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """What the models did and want, by the chosen rule and by the other one."""

    results: Sequence[ModelResult]
    tonight: Sequence[signals.ModelTonight]
    other: Sequence[signals.ModelTonight]
    histories: Histories


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """What the desk trades for each model, with the contracts mapped."""

    made: Sequence[basket.DeskTrades]
    contracts: ContractMap


def _update(run: Run) -> update.Freshness:
    with run.journal.stage("update") as stage:
        fresh = update.run(run.desk.market, run.session)
        findings = update.evening_findings(fresh, max_late_share=_late_share(run.desk))
        stage.found(findings)
        stage.wrote(run.folder.write("10-data-findings.csv", findings_csv(findings)))
    return fresh


def _signals(run: Run) -> Nights:
    desk = run.desk
    with run.journal.stage("signals") as stage:
        rule = desk.settings.basket.trades_from
        requests = model_requests(desk, run.session, run.folder.path)
        say_scales(desk)
        results = signals.run(
            desk.runner,
            requests,
            on_progress=desk.say,
            at_once=desk.settings.engine.workers,
        )
        nights = Nights(
            results=results,
            histories=histories(desk, results),
            tonight=[signals.tonight(r, rule) for r in results],
            other=[signals.tonight(r, other_rule(rule)) for r in results],
        )
        stage.found([f for night in nights.tonight for f in night.findings])
        stage.found(nights.histories.findings)
        trades = [t for night in nights.tonight for t in night.trades]
        stage.wrote(run_files.write_trades(run.folder, trades))
        stage.wrote(write_histories(run.folder, results))
    return nights


def _mapping(run: Run, nights: Nights) -> Trades:
    with run.journal.stage("mapping") as stage:
        made = [basket.desk_trades(model_book(run.desk, n, run.books)) for n in nights.tonight]
        made, contracts = map_trades(run.desk, made, run.session)
        stage.found([f for found in contracts.blocked.values() for f in found])
    return Trades(made=made, contracts=contracts)


def _basket(run: Run, trades: Trades) -> basket.Basket:
    with run.journal.stage("basket") as stage:
        shared = terms(run.desk, run.session, run.books, trades.contracts.mapped)
        mapped = {c.symbol: m for c, m in trades.contracts.mapped.items()}
        tonight = basket.merge(
            run.session, [basket.basket_orders(group, mapped, shared) for group in trades.made]
        )
        stage.found([f for e in tonight.excluded for f in e.findings])
        stage.wrote(run_files.write_excluded(run.folder, tonight.excluded))
        folder = run.folder.path / "baskets"
        stage.wrote(run.desk.baskets.write(folder, run.session, tonight.orders, side=None))
    return tonight


def _quality(run: Run, tonight: basket.Basket) -> bar_quality.BarQuality:
    with run.journal.stage("quality") as stage:
        traded = [order.contract for order in tonight.orders]
        held = run.books.held_together()
        seen = bar_quality.run(run.desk.market, run.session, traded=traded, held=held)
        stage.found(seen.findings)
        stage.wrote(run.folder.write("31-quality.csv", findings_csv(seen.findings)))
    return seen


async def _snapshot(
    run: Run, tonight: basket.Basket, connection: AsyncExitStack
) -> tuple[BrokerReader, MarketSnapshot]:
    desk = run.desk
    with run.journal.stage("snapshot") as stage:
        desk.say(f"asking the gateway about {len(tonight.orders)} orders and the account")
        reader = await connection.enter_async_context(desk.open_reader())
        live = await snapshot.run(
            reader,
            snapshot.SnapshotRequest(
                session=run.session,
                account=desk.settings.desk.account,
                contracts=tuple({o.contract: o.mapped for o in tonight.orders}.values()),
                sessions=desk.settings.audit.sessions,
                base=desk.base,
                next_restart=next_restart(desk),
            ),
            desk.clock,
        )
        stage.wrote(run_files.write_snapshot(run.folder, live))
    return reader, live


async def _mapping_check(
    run: Run, tonight: basket.Basket, reader: BrokerReader, live: MarketSnapshot
) -> MappingTonight:
    with run.journal.stage("mapping check") as stage:
        checked = await check_mapping(run.desk, reader, tonight.orders, live)
        run.desk.say(f"compared the mapping of {checked.asked} contracts with the gateway")
        stage.found(checked.findings)
        stage.wrote(run.folder.write("36-mapping.csv", findings_csv(checked.findings)))
    return checked


def _value(run: Run, nights: Nights, live: MarketSnapshot) -> None:
    with run.journal.stage("value") as stage:
        record_value(run.desk, live.account)
        stage.wrote(*write_value(run.desk, run.folder, nights.results))


async def _audit(
    run: Run,
    nights: Nights,
    tonight: basket.Basket,
    trades: Trades,
    live: MarketSnapshot,
    fresh: update.Freshness,
    seen: bar_quality.BarQuality,
    facts: MappingTonight,
) -> tuple[MarketSnapshot, AuditReport, Capital]:
    desk = run.desk
    with run.journal.stage("audit") as stage:
        money, share = capital(desk.settings, live.account, live), _late_share(desk)
        barred = adding_barred(desk.settings, live, nights.histories.open)
        notes = order_notes(tonight, trades.contracts, fresh.late, seen, barred)
        inputs = audit.AuditInputs(
            run_id=run.journal.manifest.run_id,
            account=desk.settings.desk.account,
            orders=tonight.orders,
            sized=size_openings(desk, tonight.orders, live, money, nights.results),
            notes=with_checked(notes, tonight.orders, facts),
            snapshot=live,
            rules=audit_rules(desk.settings, execute_on=calendar.next_session(run.session)),
            findings=(
                *unfinished.findings(desk.settings.runs, desk.ledger, run.session),
                *update.blocking(fresh, max_late_share=share),
                *seen.of_evening(),
                *nights.histories.findings,
            ),
            vendor=vendor_contracts(desk, tonight.orders),
            desk_held=run.books.held_together(),
            holdings=account_holdings(desk, live.account, run.session),
            shown=facts.roots,
        )
        report = audit.audit(inputs)
        if desk.open_margin_preview is not None and desk.settings.audit.what_ifs:
            going = report.cleared_orders()
            live = await snapshot.with_margins(live, going, desk.open_margin_preview)
            report = audit.audit(replace(inputs, snapshot=live))
            stage.wrote(run_files.write_snapshot(run.folder, live))
        stage.found([*report.findings, *(f for r in report.rows for f in r.findings)])
        stage.wrote(*run_files.write_audit(run.folder, report))
        for side in Action:
            going = netted(desk, report.cleared_orders(), run.session).orders
            side_orders = [o for o in going if o.action is side]
            folder = run.folder.path / "baskets"
            stage.wrote(desk.baskets.write(folder, run.session, side_orders, side=side))
    return live, report, money


def _report(
    run: Run,
    nights: Nights,
    tonight: basket.Basket,
    live: MarketSnapshot,
    fresh: update.Freshness,
    seen: bar_quality.BarQuality,
    report: AuditReport,
    money: Capital,
) -> None:
    run.journal.enter(
        RunState.PREPARED if tonight.orders else RunState.NO_TRADES,
        orders=len(tonight.orders),
        cleared=len(report.cleared_orders()),
        verdict=report.verdict.word,
    )
    desk, going = run.desk, netted(run.desk, report.cleared_orders(), run.session)
    limits = desk.settings.limits.as_limits()
    parts = ViewParts(
        manifest=run.journal.manifest,
        results=nights.results,
        tonight=nights.tonight,
        other=nights.other,
        audit=report,
        live=live,
        money=money,
        freshness=fresh,
        seen=seen,
        excluded=tonight.excluded,
        digest=review.shown_digest(report),
        files=run_files.digests(run.folder),
        netting=going,
        limits=limit_figures(limits, report, going.orders, live, run.books.left()),
        kept_flat=kept_at_0(desk, nights.tonight, run.books),
    )
    with run.journal.stage("report") as stage:
        made = run_files.report_files(view(run.desk, parts))
        stage.wrote(*run_files.write_report(run.folder, made))


def _late_share(desk: Desk) -> Decimal:
    return desk.settings.data.max_late_share


def approve(
    desk: Desk,
    folder: RunFolder,
    *,
    reviewer: str,
    note: str = "",
    exclude: frozenset[str] = frozenset(),
    rewrite: bool = True,
    seen: AuditReport | None = None,
) -> Approval:
    """A person's yes, bound to exactly what the report shows. Raises NotApproved.

    ``seen`` is the audit that the person had before his eyes, the one on disk where none is given.
    Without ``rewrite`` the report is not written again at once: ``rewrite_report`` does it later.
    """
    approval = review.approve(
        seen or run_files.read_view(folder).audit,
        reviewer=reviewer,
        now=desk.clock.now(),
        until=approval_end(desk),
        note=note,
        exclude=exclude,
    )
    _decided(desk, folder, approval, RunState.APPROVED)
    if rewrite:
        rewrite_report(desk, folder)
    return approval


def approval_end(desk: Desk) -> datetime:
    """Return when a yes given now would end. Raises NotApproved just before a restart."""
    hours = timedelta(hours=desk.settings.review.valid_for_hours)
    return review.holds_until(desk.clock.now(), valid_for=hours, restart=next_restart(desk))


def reject(
    desk: Desk,
    folder: RunFolder,
    *,
    reviewer: str,
    note: str,
    rewrite: bool = True,
    seen: AuditReport | None = None,
) -> Approval:
    """A person's no. The evening can be prepared again."""
    audited = seen or run_files.read_view(folder).audit
    decision = review.reject(audited, reviewer=reviewer, now=desk.clock.now(), note=note)
    _decided(desk, folder, decision, RunState.REJECTED)
    if rewrite:
        rewrite_report(desk, folder)
    return decision


def rewrite_report(desk: Desk, folder: RunFolder) -> None:
    """Write the report again with what was decided since, by the ledger."""
    made = run_files.report_files(decided_view(desk, folder, run_files.read_view(folder)))
    run_files.write_report(folder, made)


async def trade(
    desk: Desk,
    folder: RunFolder,
    *,
    on_event: Callable[[OrderEvent], None],
    follow: submit.Follow = submit.until_answered,
    confirmed: str = "",
) -> Mapping[str, OrderLife]:
    """Act two: send the approved orders, each exactly once, and follow them.

    Raises SafetyError when approval, account or a halt forbid it. ``confirmed`` is what a person
    typed: a live desk wants its account number.
    """
    run = RunJournal.resume(folder, desk.clock, to=RunState.SUBMITTED)
    require_confirmed(desk, confirmed)
    submit.require_not_halted(desk.ledger)
    now = desk.clock.now()
    windows, before = restarts(desk.settings, now), before_restart(desk.settings)
    submit.require_clear(windows, now, before)
    approved = approved_now(desk, folder)
    with run.stage("submit") as stage:
        async with (
            telling.stopping(desk, run.manifest.session),
            desk.open_reader() as reader,
            desk.open_order_desk(approved[0]) as order_desk,
        ):
            asked = await submit.request(reader, approved[1])
            timeout = desk.settings.sending.answer_timeout_s
            known = await submit.run(
                order_desk,
                desk.ledger,
                replace(
                    asked,
                    answer_timeout_s=timeout,
                    sends_until=submit.sends_until(windows, desk.clock.now(), before),
                    approved_until=approved[0].expires_at,
                ),
                desk.clock,
                on_event=on_event,
                follow=follow,
            )
        rows = with_rows(known, approved[1].netting)
        stage.wrote(run_files.write_orders(folder, rows.values()))
    run.enter(RunState.SUBMITTED, sent=len(known))
    await asyncio.to_thread(telling.sent, desk, run.manifest.session, tuple(known.values()))
    return known


def _start(desk: Desk, session: Session) -> Run:
    """Name the run by what goes into it: the same inputs are the same run."""
    adopt_stated(desk, session)
    books = read_books(desk.ledger, (m.name for m in desk.settings.models), session)
    inputs = inputs_digest(desk, session, books)
    run_id = f"{session.isoformat()}-{inputs[:8]}"
    manifest = RunManifest(
        run_id=run_id,
        session=session,
        mode=desk.settings.desk.mode,
        account=desk.settings.desk.account,
        state=RunState.STARTED,
        code_version=desk.code_version,
        inputs_digest=inputs,
        trades_from=desk.settings.basket.trades_from,
    )
    folder = RunFolder(desk.settings.runs / run_id)
    journal = RunJournal.start(folder, manifest, desk.clock)
    return Run(desk=desk, session=session, books=books, journal=journal)


def _decided(desk: Desk, folder: RunFolder, decision: Approval, state: RunState) -> None:
    run = RunJournal.resume(folder, desk.clock, to=state)
    with run.stage("review") as stage:
        desk.ledger.record_approval(decision)
        stage.wrote(folder.write_json("55-approval.json", decision))
    run.enter(state, reviewer=decision.reviewer)
