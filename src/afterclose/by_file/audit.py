"""The audit of a basket file, for people who come with a basket: no models, no ledger, no desk.

Each row is laid beside the gateway's market and account, live or from a kept snapshot. A file does
not say what its orders are for: the account's own positions do. What goes against a position takes
it away, two months of a root against each other are a roll, the rest opens and is sized. A row that
cannot be read as one of our contracts is excluded by name; it is never dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from afterclose import __version__
from afterclose import clock as calendar
from afterclose.adapters.files.basket_csv import BasketRow, read_basket
from afterclose.adapters.files.tws_baskets import TwsBaskets
from afterclose.artifacts import RunFolder, digest_of
from afterclose.by_file.rows import NamedRow, as_roll, named_rows
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import ContractSpec, Currency, RootSymbol, Session
from afterclose.domain.findings import Finding
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import Action, BasketOrder, ExcludedTrade
from afterclose.domain.runs import RunManifest, RunState, TradesFrom
from afterclose.errors import UsageError
from afterclose.evening import run_files
from afterclose.evening.desk import restart_after
from afterclose.evening.dispatch import limit_figures
from afterclose.evening.holdings import holdings_at_cost
from afterclose.evening.sizes import audit_rules, capital, sized_rows
from afterclose.ports import BrokerReader, Clock, MarginPreview
from afterclose.report.evening import Capital, DataState, EveningView
from afterclose.settings import Settings
from afterclose.stages import audit, review, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAuditRequest:
    """Which basket, beside what, and where to. ``session`` is the one that has just closed."""

    basket: Path
    out: Path
    session: Session
    settings: Settings
    specs: Mapping[RootSymbol, ContractSpec]
    #: Whether the answers are those of an earlier evening.
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Where the answers come from: a gateway, or a kept snapshot."""

    open_reader: Callable[[], AbstractAsyncContextManager[BrokerReader]]
    open_margin_preview: Callable[[], AbstractAsyncContextManager[MarginPreview]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAudit:
    """The report, the rows that are no orders of ours, and the files that were written."""

    report: AuditReport
    excluded: tuple[ExcludedTrade, ...]
    files: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether every row of the file may be sent."""
        return not self.excluded and not self.report.excluded_rows()


async def audit_file(request: FileAuditRequest, gateway: Gateway, clock: Clock) -> FileAudit:
    """Read, ask, audit and write.

    Raises UsageError for a file that is no basket, AccountMismatch or BrokerUnavailable.
    """
    rows = _rows(request.basket)
    named, excluded = named_rows(rows, request.specs, request.session)
    live = await _ask(request, named, gateway, clock)
    orders, unpriced = orders_of(named, live)
    money = capital(request.settings, live.account, live)
    inputs = _inputs(request, named, orders, live, money)
    report = audit.audit(inputs)
    if request.settings.audit.what_ifs:
        going = report.cleared_orders()
        live = await snapshot.with_margins(live, going, gateway.open_margin_preview)
        report = audit.audit(replace(inputs, snapshot=live))
    left_out = (*excluded, *unpriced)
    files = _write(request, live, report, left_out, money, clock)
    return FileAudit(report=report, excluded=left_out, files=files)


def _rows(path: Path) -> tuple[BasketRow, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", hint="give a basket file as TWS loads it"
        ) from error
    return read_basket(text, source=path.name)


def accounts_of(path: Path) -> tuple[str, ...]:
    """Return the accounts that a basket file names. Raises UsageError when it is none."""
    return tuple(sorted({row.account for row in _rows(path) if row.account}))


async def _ask(
    request: FileAuditRequest, named: Sequence[NamedRow], gateway: Gateway, clock: Clock
) -> MarketSnapshot:
    settings = request.settings
    async with gateway.open_reader() as reader:
        return await snapshot.run(
            reader,
            snapshot.SnapshotRequest(
                session=request.session,
                account=settings.desk.account,
                contracts=tuple({n.mapped.contract: n.mapped for n in named}.values()),
                sessions=settings.audit.sessions,
                base=Currency(settings.engine.base_currency),
                next_restart=None if request.replayed else restart_after(settings, clock.now()),
            ),
            clock,
        )


def _inputs(
    request: FileAuditRequest,
    named: Sequence[NamedRow],
    orders: Sequence[BasketOrder],
    live: MarketSnapshot,
    money: Capital,
) -> audit.AuditInputs:
    settings = request.settings
    notes: defaultdict[str, tuple[Finding, ...]] = defaultdict(tuple)
    for row in named:
        notes[row.ref] += (*row.notes, *row.last_trade_differs(live))
    return audit.AuditInputs(
        run_id=_run_id(request),
        account=settings.desk.account,
        orders=orders,
        sized=sized_rows(settings, orders, live, money, {}),
        notes=notes,
        snapshot=live,
        rules=audit_rules(settings, execute_on=calendar.next_session(request.session)),
        holdings=holdings_at_cost(request.specs, live.account),
    )


def _run_id(request: FileAuditRequest) -> str:
    """Name the audit by what goes into it."""
    content = digest_of(request.basket.read_bytes().hex(), request.settings.audit)
    return f"{request.session.isoformat()}-{content[:8]}"


def orders_of(
    named: Sequence[NamedRow], live: MarketSnapshot
) -> tuple[tuple[BasketOrder, ...], tuple[ExcludedTrade, ...]]:
    """Turn rows into orders, by what the account holds; a row without any price is excluded."""
    left: dict[int, int] = {}
    orders: list[BasketOrder] = []
    unpriced: list[ExcludedTrade] = []
    for row in named:
        price = row.price(live)
        if price is None:
            unpriced.append(row.without_price())
            continue
        found = live.qualified(row.mapped.contract)
        held = None if found is None else left.get(found.con_id, live.account.held(found.con_id))
        orders.append(row.order(held, price, live))
        if found is not None and held is not None:
            left[found.con_id] = held + row.signed
    return _rolls_paired(orders), tuple(unpriced)


def _rolls_paired(orders: Sequence[BasketOrder]) -> tuple[BasketOrder, ...]:
    """Pair a closing and an opening of as many contracts in two months of one root."""
    by_root: defaultdict[RootSymbol, list[BasketOrder]] = defaultdict(list)
    for order in orders:
        by_root[order.contract.root].append(order)
    paired: dict[str, BasketOrder] = {}
    for group in by_root.values():
        paired |= {o.order_ref: o for o in as_roll(group)}
    return tuple(paired.get(o.order_ref, o) for o in orders)


def _write(
    request: FileAuditRequest,
    live: MarketSnapshot,
    report: AuditReport,
    excluded: Sequence[ExcludedTrade],
    money: Capital,
    clock: Clock,
) -> tuple[Path, ...]:
    folder, baskets = RunFolder(request.out), TwsBaskets()
    written = [
        run_files.write_excluded(folder, excluded),
        run_files.write_snapshot(folder, live),
        *run_files.write_audit(folder, report),
    ]
    for side in Action:
        cleared = [o for o in report.cleared_orders() if o.action is side]
        written.append(baskets.write(request.out, request.session, cleared, side=side))
    shown = _view(request, live, report, excluded, money, clock)
    return (*written, *run_files.write_report(folder, run_files.report_files(shown)))


def _view(
    request: FileAuditRequest,
    live: MarketSnapshot,
    report: AuditReport,
    excluded: Sequence[ExcludedTrade],
    money: Capital,
    clock: Clock,
) -> EveningView:
    settings = request.settings
    manifest = RunManifest(
        run_id=report.run_id,
        session=request.session,
        mode=settings.desk.mode,
        account=settings.desk.account,
        state=RunState.PREPARED if report.rows else RunState.NO_TRADES,
        code_version=__version__,
        inputs_digest=digest_of(live),
        trades_from=TradesFrom.TRANSACTIONS,
    )
    return EveningView(
        manifest=manifest,
        models=(),
        trades=(),
        audit=report,
        account=live.account,
        fx=live.fx,
        capital=money,
        data=DataState(
            source=f"the basket {request.basket.name}",
            last_session=request.session,
            fingerprint="none: no market data of our own",
            roots=len({r.order.contract.root for r in report.rows}),
        ),
        written_at=clock.now(),
        digest=review.shown_digest(report),
        dropped=tuple(f for e in excluded for f in e.findings),
        margin_after=report.margin.initial_after if report.margin else None,
        files=run_files.digests(RunFolder(request.out)),
        limits=limit_figures(settings.limits.as_limits(), report, report.cleared_orders(), live),
        notes=(
            f"An audit of the file {request.basket.name}"
            + (", by the answers of an earlier evening." if request.replayed else "."),
        ),
    )
