"""Act one, stage by stage: gather through ports, compute by a stage, keep in the run's folder.

``nightly.prepare`` calls them in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal

from afterclose import clock as calendar
from afterclose.artifacts import RunFolder, findings_csv
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import Session
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import Action
from afterclose.domain.runs import ModelResult, RunManifest, RunState
from afterclose.errors import DataError
from afterclose.evening import run_files, unfinished
from afterclose.evening.allocations import adding_barred
from afterclose.evening.books import Books, read_books
from afterclose.evening.desk import Desk, inputs_digest, next_restart
from afterclose.evening.dispatch import (
    kept_at_0,
    limit_figures,
)
from afterclose.evening.holdings import account_holdings
from afterclose.evening.journal import MANIFEST, RunJournal
from afterclose.evening.mapping_check import MappingTonight, check_mapping, with_checked
from afterclose.evening.model_runs import (
    Histories,
    adopt_stated,
    histories,
    model_requests,
    say_scales,
    write_histories,
)
from afterclose.evening.orders import (
    map_trades,
    model_book,
    netted,
    order_notes,
    terms,
    vendor_contracts,
)
from afterclose.evening.settling import record_value, write_value
from afterclose.evening.sizes import audit_rules, capital, size_openings
from afterclose.evening.view import ViewParts, other_rule, view
from afterclose.ports import BrokerReader
from afterclose.report.evening import Capital
from afterclose.stages import audit, basket, review, signals, snapshot, update
from afterclose.stages import quality as bar_quality
from afterclose.stages.mapping import ContractMap


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


def update_data(run: Run) -> update.Freshness:
    with run.journal.stage("update") as stage:
        fresh = update.run(run.desk.market, run.session)
        findings = update.evening_findings(fresh, max_late_share=_late_share(run.desk))
        stage.found(findings)
        stage.wrote(run.folder.write("10-data-findings.csv", findings_csv(findings)))
    return fresh


def run_models(run: Run) -> Nights:
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


def map_contracts(run: Run, nights: Nights) -> Trades:
    with run.journal.stage("mapping") as stage:
        made = [basket.desk_trades(model_book(run.desk, n, run.books)) for n in nights.tonight]
        made, contracts = map_trades(run.desk, made, run.session)
        stage.found([f for found in contracts.blocked.values() for f in found])
    return Trades(made=made, contracts=contracts)


def make_basket(run: Run, trades: Trades) -> basket.Basket:
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


def look_at_bars(run: Run, tonight: basket.Basket) -> bar_quality.BarQuality:
    with run.journal.stage("quality") as stage:
        traded = [order.contract for order in tonight.orders]
        held = run.books.held_together()
        seen = bar_quality.run(run.desk.market, run.session, traded=traded, held=held)
        stage.found(seen.findings)
        stage.wrote(run.folder.write("31-quality.csv", findings_csv(seen.findings)))
    return seen


async def ask_gateway(
    run: Run, tonight: basket.Basket, connection: AsyncExitStack
) -> tuple[BrokerReader, MarketSnapshot]:
    desk = run.desk
    with run.journal.stage("snapshot") as stage:
        desk.say(f"asking the gateway about {len(tonight.orders)} orders and the account")
        reader = await connection.enter_async_context(desk.reader(stage.says))
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


async def compare_mapping(
    run: Run, tonight: basket.Basket, reader: BrokerReader, live: MarketSnapshot
) -> MappingTonight:
    with run.journal.stage("mapping check") as stage:
        checked = await check_mapping(run.desk, reader, tonight.orders, live)
        run.desk.say(f"compared the mapping of {checked.asked} contracts with the gateway")
        stage.found(checked.findings)
        stage.wrote(run.folder.write("36-mapping.csv", findings_csv(checked.findings)))
    return checked


def value_account(run: Run, nights: Nights, live: MarketSnapshot) -> None:
    with run.journal.stage("value") as stage:
        record_value(run.desk, live.account)
        stage.wrote(*write_value(run.desk, run.folder, nights.results))


async def audit_orders(
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
        notes = order_notes(tonight, trades.contracts, fresh.without_bar, seen, barred)
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


def write_report(
    run: Run,
    nights: Nights,
    tonight: basket.Basket,
    live: MarketSnapshot,
    fresh: update.Freshness,
    seen: bar_quality.BarQuality,
    report: AuditReport,
    money: Capital,
) -> None:
    run.journal.prepared(
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


def start(desk: Desk, session: Session) -> Run:
    """Name the run by what goes into it: the same inputs are the same run.

    What was prepared and decided of it before stands until the new report is written: a gateway
    that is down now takes nothing away from it.
    """
    adopt_stated(desk, session)
    books = read_books(desk.ledger, (m.name for m in desk.settings.models), session)
    inputs = inputs_digest(desk, session, books)
    run_id = f"{session.isoformat()}-{inputs[:8]}"
    folder = RunFolder(desk.settings.runs / run_id)
    before = _before(folder)
    manifest = RunManifest(
        run_id=run_id,
        session=session,
        mode=desk.settings.desk.mode,
        account=desk.settings.desk.account,
        state=before.state if before else RunState.STARTED,
        code_version=desk.code_version,
        inputs_digest=inputs,
        trades_from=desk.settings.basket.trades_from,
        notes=before.notes if before else {},
    )
    journal = RunJournal.start(folder, manifest, desk.clock)
    return Run(desk=desk, session=session, books=books, journal=journal)


def _before(folder: RunFolder) -> RunManifest | None:
    """What an earlier preparation came to, whose report is in the folder; None without one."""
    if not folder.has(run_files.VIEW):
        return None
    try:
        return folder.read_json(MANIFEST, RunManifest)
    except DataError:  # a folder of another version, or half a folder
        return None
