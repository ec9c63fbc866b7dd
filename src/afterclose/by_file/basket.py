"""A basket from a transactions file alone, for a trader who keeps his own Zipline process.

Follows the published rule: the trades of the last session in the file, each with the model's fill
as its limit. No desk, no gateway; every row of the session becomes an order or a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from afterclose.adapters.files.basket_csv import BasketForm
from afterclose.adapters.files.transactions import (
    ContractTrade,
    RejectedRow,
    TransactionsReading,
    aggregate,
    read_transactions,
)
from afterclose.adapters.files.tws_baskets import TwsBaskets
from afterclose.artifacts import csv_text, findings_csv, write_atomically
from afterclose.domain.contracts import ContractSpec, FuturesContract, RootSymbol, Rounding, Session
from afterclose.domain.findings import Finding, Verdict, worst
from afterclose.domain.orders import BasketOrder, ExcludedTrade
from afterclose.errors import UsageError
from afterclose.stages import basket, mapping, signals


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTerms:
    """How limits are made of the file's prices; offsets, in ticks, reach towards being filled."""

    rounding_buy: Rounding = Rounding.NEAREST
    rounding_sell: Rounding = Rounding.NEAREST
    entry_offset_ticks: int = 0
    exit_offset_ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBasketRequest:
    """What to make of which file. ``session`` None: the newest in the file."""

    transactions: Path
    account: str
    out: Path
    model: str = "FILE"
    desk: str = "desk"
    session: date | None = None
    form: BasketForm = BasketForm.TWS
    limits: LimitTerms = field(default_factory=LimitTerms)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBasket:
    """The orders, what was left out and why, and where the files are."""

    session: Session
    orders: tuple[BasketOrder, ...]
    excluded: tuple[ExcludedTrade, ...]
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether every trade of the session became an order."""
        return worst(self.findings) is not Verdict.BLOCKED


def write_file_basket(
    request: FileBasketRequest, specs: Mapping[RootSymbol, ContractSpec]
) -> FileBasket:
    """Read, map, price and write. Raises UsageError when the file is none, or unreadable."""
    reading = read_transactions(
        _content(request.transactions), source=request.transactions.name, session=request.session
    )
    made = basket.file_trades(
        signals.trades_of(request.model, reading.session, _decisions(reading))
    )
    contracts = mapping.map_contracts(
        [t.trade.contract for t in made.trades], specs, session=reading.session
    )
    blocked = {**contracts.blocked, **_in_doubt(reading, made)}
    tonight = basket.basket_orders(
        basket.without_contracts(made, blocked),
        {c.symbol: m for c, m in contracts.mapped.items()},
        _terms(request, reading.session),
    )
    excluded = (*tonight.excluded, *(_unread(request.model, r) for r in _tonights(reading)))
    notes = [f for found in tonight.notes.values() for f in found]
    notes += [f for found in contracts.notes.values() for f in found]
    findings = (*reading.findings, *_new(excluded, reading.findings), *notes)
    return FileBasket(
        session=reading.session,
        orders=tonight.orders,
        excluded=excluded,
        findings=findings,
        files=_write(request, reading.session, tonight.orders, excluded, findings),
    )


def _terms(request: FileBasketRequest, session: Session) -> basket.OrderTerms:
    chosen = request.limits
    return basket.OrderTerms(
        desk=request.desk,
        account=request.account,
        session=session,
        rounding_buy=chosen.rounding_buy,
        rounding_sell=chosen.rounding_sell,
        entry_offset_ticks=chosen.entry_offset_ticks,
        exit_offset_ticks=chosen.exit_offset_ticks,
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}",
            hint="give the transactions_…csv that the Zipline run wrote",
        ) from error


def _decisions(reading: TransactionsReading) -> Iterable[signals.Decision]:
    for trade in aggregate(reading.trades):
        before = reading.positions_before.get(trade.contract, 0)
        yield _decision(trade, before)


def _decision(trade: ContractTrade, before: int) -> signals.Decision:
    return signals.Decision(
        contract=trade.contract,
        before=before,
        after=before + trade.amount,
        price=trade.price,
        reason="auto-close" if trade.auto_close else "",
        automatic=trade.auto_close and before + trade.amount == 0,
        line=trade.lines[0],
    )


def _in_doubt(
    reading: TransactionsReading, made: basket.DeskTrades
) -> dict[FuturesContract, tuple[Finding, ...]]:
    """Contracts of the session with a row that could not be read: the trade is not whole."""
    traded = {t.trade.contract for t in made.trades}
    return {c: found for c, found in reading.in_doubt.items() if c in traded}


def _tonights(reading: TransactionsReading) -> Iterable[RejectedRow]:
    """Rejected rows of the session, or of no readable session."""
    return (r for r in reading.rejected if r.session in {None, reading.session})


def _unread(model: str, row: RejectedRow) -> ExcludedTrade:
    return ExcludedTrade(
        subject=f"line {row.line}: {row.symbol}", model=model, quantity=0, findings=row.findings
    )


def _new(excluded: Iterable[ExcludedTrade], known: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings of excluded trades that the reading has not reported already."""
    return tuple(f for e in excluded for f in e.findings if f not in known)


def _write(
    request: FileBasketRequest,
    session: Session,
    orders: tuple[BasketOrder, ...],
    excluded: Iterable[ExcludedTrade],
    findings: Iterable[Finding],
) -> tuple[Path, ...]:
    name = f"{session.isoformat()}"
    out = request.out
    rows = (
        {"subject": e.subject, "quantity": e.quantity, "code": f.code, "why": f.message}
        for e in excluded
        for f in e.findings
    )
    left_out = out / f"excluded_{name}.csv"
    write_atomically(
        left_out, csv_text(("subject", "quantity", "code", "why"), rows).encode("utf-8")
    )
    said = out / f"findings_{name}.csv"
    write_atomically(said, findings_csv(findings).encode("utf-8"))
    written = TwsBaskets(request.form).write(out, session, orders, side=None)
    return written, left_out, said
