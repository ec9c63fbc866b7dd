"""The files of a run folder beyond plain JSON: what is in each, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from afterclose.artifacts import RunFolder, csv_text, to_json, to_json_line
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditReport, Reconciliation
from afterclose.domain.breaks import Break
from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import BarsAnswer, FxRates, MarketSnapshot, Qualification, Quote
from afterclose.domain.nav import NavHistory
from afterclose.domain.netting import NET_MODEL, Netting
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Action, ExcludedTrade, ModelTrade
from afterclose.domain.runs import ModelResult
from afterclose.errors import DataError
from afterclose.report.evening import EveningView
from afterclose.report.nav import nav_csv, render_nav
from afterclose.report.render import Drawn, render_evening
from afterclose.report.slippage import slippage_csv
from afterclose.report.tables import ActionType, action_csv, audit_csv
from afterclose.report.workbook import evening_workbook

SNAPSHOT = "35-snapshot.json"
VIEW = "45-evening.json"
NAV = "46-nav.json"
NAV_TABLE = "nav_drift_comparison.csv"
RESULT = "70-reconcile.json"
REPORT = "50-review.html"
NAV_PAGE = "51-nav.html"
WORKBOOK = "50-review.xlsx"

TRADE_COLUMNS = (
    "trade_id",
    "model",
    "contract",
    "kind",
    "decided_on",
    "position_before",
    "position_after",
    "delta",
    "price",
    "reason",
    "stop_level",
    "roll_partner",
)
FILL_COLUMNS = (
    "order_ref",
    "exec_id",
    "perm_id",
    "contract",
    "action",
    "quantity",
    "price",
    "at",
    "commission",
    "commission_currency",
)
SHARE_COLUMNS = (
    "model",
    "contract",
    "order_ref",
    "of",
    "signed",
    "price",
    "commission",
    "commission_currency",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the gateway said of one contract: snapshots are kept as a list, for JSON has no keys."""

    contract: FuturesContract
    qualification: Qualification
    bars: BarsAnswer | None
    quote: Quote | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _SnapshotFile:
    session: Session
    as_of: str
    server_time: str
    contracts: tuple[_Seen, ...]
    fx: FxRates
    account: AccountSnapshot
    next_restart: datetime | None = None
    margins: Mapping[str, MarginImpact] | None = None


def write_trades(folder: RunFolder, trades: Iterable[ModelTrade]) -> Path:
    """Write every trade the models want, mapped or not."""
    rows = (
        {
            "trade_id": t.trade_id,
            "model": t.model,
            "contract": t.contract.symbol,
            "kind": t.kind.value,
            "decided_on": t.decided_on.isoformat(),
            "position_before": t.position_before,
            "position_after": t.position_after,
            "delta": t.delta,
            "price": t.price,
            "reason": t.reason,
            "stop_level": t.stop_level,
            "roll_partner": t.roll_partner.symbol if t.roll_partner else None,
        }
        for t in trades
    )
    return folder.write("20-model-trades.csv", csv_text(TRADE_COLUMNS, rows))


def write_excluded(folder: RunFolder, excluded: Sequence[ExcludedTrade]) -> Path:
    """Write what became no order, and why."""
    columns = ("contract", "model", "quantity", "code", "message", "hint")
    rows = (
        {
            "contract": e.subject,
            "model": e.model,
            "quantity": e.quantity,
            "code": f.code,
            "message": f.message,
            "hint": f.hint,
        }
        for e in excluded
        for f in e.findings
    )
    return folder.write("30-excluded.csv", csv_text(columns, rows))


def write_snapshot(folder: RunFolder, live: MarketSnapshot) -> Path:
    """Write everything the gateway said."""
    content = _SnapshotFile(
        session=live.session,
        as_of=live.as_of.isoformat(),
        server_time=live.server_time.isoformat() if live.server_time else "",
        contracts=tuple(
            _Seen(
                contract=contract,
                qualification=found,
                bars=live.bars.get(contract),
                quote=live.quotes.get(contract),
            )
            for contract, found in sorted(live.qualifications.items())
        ),
        fx=live.fx,
        account=live.account,
        next_restart=live.next_restart,
        margins=live.margins,
    )
    return folder.write_json(SNAPSHOT, content)


def read_snapshot(folder: RunFolder, name: str = SNAPSHOT) -> MarketSnapshot:
    """Read back what the gateway said on an evening, to be audited again (``RecordedReader``).

    Raises DataError when it is missing or not what it was.
    """
    kept = folder.read_json(name, _SnapshotFile)
    return MarketSnapshot(
        as_of=datetime.fromisoformat(kept.as_of),
        server_time=datetime.fromisoformat(kept.server_time) if kept.server_time else None,
        session=kept.session,
        qualifications={seen.contract: seen.qualification for seen in kept.contracts},
        bars={seen.contract: seen.bars for seen in kept.contracts if seen.bars is not None},
        quotes={seen.contract: seen.quote for seen in kept.contracts if seen.quote is not None},
        fx=kept.fx,
        account=kept.account,
        next_restart=kept.next_restart,
        margins=kept.margins,
    )


def write_audit(folder: RunFolder, report: AuditReport) -> tuple[Path, ...]:
    """Write the audit, whole, as one table per side and as one per action type."""
    return (
        folder.write("40-audit-sell.csv", audit_csv(report, Action.SELL)),
        folder.write("40-audit-buy.csv", audit_csv(report, Action.BUY)),
        folder.write_json("40-audit.json", report),
        *(folder.write(f"41-audit-{t}.csv", action_csv(report, t)) for t in ActionType),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """The report as it goes to disk: what it was made from, the page, the workbook."""

    view: bytes
    page: str
    workbook: bytes


def report_files(view: EveningView, parts: Drawn | None = None) -> ReportFiles:
    """Make the report's files, and write none. ``parts``: what of it was drawn before."""
    page = render_evening(view, parts)
    return ReportFiles(view=to_json(view), page=page, workbook=evening_workbook(view))


def write_report(folder: RunFolder, made: ReportFiles) -> tuple[Path, ...]:
    """Write the report and the view it was made from."""
    return (
        folder.write(VIEW, made.view),
        folder.write(REPORT, made.page),
        folder.write(WORKBOOK, made.workbook),
    )


def read_view(folder: RunFolder) -> EveningView:
    """Read back what the report shows. Raises DataError when the evening was not prepared."""
    return folder.read_json(VIEW, EveningView)


def write_orders(folder: RunFolder, lives: Iterable[OrderLife]) -> Path:
    """Write each order with its state, one JSON line per order."""
    return folder.write("60-orders.jsonl", b"".join(to_json_line(life) for life in lives))


def write_result(
    folder: RunFolder, result: Reconciliation, lives: Iterable[OrderLife], netting: Netting
) -> tuple[Path, ...]:
    """Write orders, fills, whose they are, and the comparison of desk and account."""
    known = list(lives)
    rows = {row.order_ref for row in netting.rows}
    executions = (
        {
            "order_ref": f.order_ref,
            "exec_id": f.exec_id,
            "perm_id": f.perm_id,
            "contract": life.order.contract.symbol,
            "action": f.action.value,
            "quantity": f.quantity,
            "price": life.order.mapped.spec.price_text(f.price),
            "at": f.at.isoformat(),
            "commission": f.commission,
            "commission_currency": f.commission_currency,
        }
        for life in known
        if life.order.order_ref not in rows or life.perm_id
        for f in life.fills
    )
    return (
        write_orders(folder, known),
        folder.write("65-fills.csv", csv_text(FILL_COLUMNS, executions)),
        folder.write("66-fills-by-model.csv", csv_text(SHARE_COLUMNS, _shares(known))),
        folder.write_json(RESULT, result),
        folder.write("72-slippage.csv", slippage_csv(result.outcomes)),
        folder.write("74-breaks.csv", csv_text(BREAK_COLUMNS, _break_rows(result))),
    )


BREAK_COLUMNS = (
    "kind",
    "symbol",
    "model",
    "expected",
    "actual",
    "cause",
    "detail",
    "proposal",
    "origin",
)


def _break_rows(result: Reconciliation) -> Iterable[dict[str, object]]:
    return (
        {name: getattr(each, name) for name in BREAK_COLUMNS}
        | {"kind": each.kind.value, "cause": each.cause.value}
        for each in result.breaks
    )


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is read of an earlier comparison: other parts may be of another version."""

    session: Session
    as_of: datetime
    breaks: tuple[Break, ...] = ()


def breaks_before(runs: Path, session: Session) -> tuple[Session | None, tuple[Break, ...]]:
    """Return the session and the breaks of the last evening before one that was looked at."""
    earlier = sorted(p for p in runs.glob("????-??-??-*") if p.name[:10] < session.isoformat())
    last = next((p.name[:10] for p in reversed(earlier) if (p / RESULT).is_file()), None)
    found = []
    for path in earlier if last else ():
        if path.name.startswith(str(last)) and (path / RESULT).is_file():
            with suppress(DataError):  # written by another version
                found.append(RunFolder(path).read_json(RESULT, _Looked))
    looked = max(found, key=lambda each: each.as_of, default=None)
    return (None, ()) if looked is None else (looked.session, looked.breaks)


def _shares(lives: Iterable[OrderLife]) -> Iterable[dict[str, object]]:
    """Each model's part of each execution; what crossed inside is an execution of both rows."""
    return (
        {
            "model": life.order.model,
            "contract": life.order.contract.symbol,
            "order_ref": life.order.order_ref,
            "of": f.exec_id,
            "signed": f.signed,
            "price": life.order.mapped.spec.price_text(f.price),
            "commission": f.commission,
            "commission_currency": f.commission_currency,
        }
        for life in sorted(lives, key=lambda life: life.order.order_ref)
        if life.order.model != NET_MODEL
        for f in life.fills
    )


def digests(folder: RunFolder) -> dict[str, str]:
    """Return file name → SHA-256 of what the report was made from."""
    made = (p for p in folder.path.iterdir() if p.is_file() and "10" <= p.name[:2] < "45")
    files = sorted([*made, *(folder.path / "baskets").glob("*.csv")])
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in files}


def read_results(folder: RunFolder) -> tuple[ModelResult, ...]:
    """Return what the models of this evening left, in the order of their names."""
    from afterclose.adapters.zipline.runner import read_result  # noqa: PLC0415 - an adapter

    done = sorted(folder.path.glob("zipline/*/result.json"))
    return tuple(read_result(path.parent) for path in done)


def write_nav(folder: RunFolder, history: NavHistory) -> tuple[Path, ...]:
    """Write the account beside the models: for machines, and as the table people know."""
    return (
        folder.write_json(NAV, history),
        folder.write(NAV_TABLE, nav_csv(history)),
        folder.write(NAV_PAGE, render_nav(history)),
    )


def read_nav(folder: RunFolder) -> NavHistory | None:
    """Return the comparison as it was written; None where the evening has none."""
    return folder.read_json(NAV, NavHistory) if (folder.path / NAV).is_file() else None
