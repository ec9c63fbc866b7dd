"""The transactions file that pyfolio writes from a Zipline run, read for one session.

A row that cannot be trusted is never dropped in silence: it comes back as a rejected row with its
findings, and its contract is in doubt. What a model held before the session follows from the
earlier rows of the same file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction
from types import MappingProxyType

from afterclose.adapters.files.delimited import read_delimited
from afterclose.adapters.files.transaction_rows import (
    Layout,
    RowRead,
    has_columns,
    layout_of,
    read_rows,
)
from afterclose.domain.contracts import FuturesContract, Session, read_symbol
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import ContractError, UsageError

#: Enough for any sum of prices; a quotient that does not end is cut here.
_PRICE_DIGITS = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRow:
    """One fill of the model. ``price`` is a vendor price, exactly as written.

    ``order_id`` is empty for an automatic close (Zipline closed the position without an order)
    and None when the file has no such column. ``at`` is None when the file gives no time.
    """

    line: int
    session: Session
    at: datetime | None
    symbol: str
    contract: FuturesContract
    amount: int
    price: Decimal
    order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A row that must not be traded, as far as it could be read, and why."""

    line: int
    session: Session | None
    symbol: str
    contract: FuturesContract | None
    findings: tuple[Finding, ...]
    #: Other contracts that the row may have been meant for: its columns contradict each other.
    also_concerns: tuple[FuturesContract, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsReading:
    """What a transactions file says of one session.

    ``trades`` are the good rows of the session, in the order of the file; ``rejected`` are the bad
    rows of the session and of the time before it, and those whose date cannot be read.
    ``positions_before`` sums the good rows of earlier sessions; flat contracts are not in it.
    ``findings`` has everything, the rejected rows' own included.
    """

    session: Session
    trades: tuple[TransactionRow, ...]
    positions_before: Mapping[FuturesContract, int]
    rejected: tuple[RejectedRow, ...]
    findings: tuple[Finding, ...]
    #: Newest session with a row, good or bad; None when no row has a readable date.
    newest: Session | None
    rows: int

    @property
    def in_doubt(self) -> Mapping[FuturesContract, tuple[Finding, ...]]:
        """Contracts that a rejected row concerns: neither trade nor position is whole."""
        found: dict[FuturesContract, tuple[Finding, ...]] = {}
        for row in self.rejected:
            for contract in (row.contract, *row.also_concerns):
                if contract is not None:
                    found[contract] = found.get(contract, ()) + row.findings
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTrade:
    """All fills of one contract in one session as one trade.

    ``amount`` is their signed sum. ``price`` is the volume-weighted vendor price of the fills on
    the side of that sum (of all fills when the sum is zero): exact, or 34 digits where the
    quotient does not end. ``gross`` is the sum of the unsigned amounts; more than ``abs(amount)``
    means that the contract was both bought and sold.
    """

    contract: FuturesContract
    amount: int
    price: Decimal
    fills: int
    gross: int
    auto_close: bool
    lines: tuple[int, ...]


def read_transactions(data: bytes, *, source: str, session: date | None) -> TransactionsReading:
    """Read the bytes of a transactions file for ``session``, by default that of its newest row.

    ``source`` names the file in findings. Raises UsageError when the file is empty, no text, no
    CSV, lacks a column or, without a given session, any readable date. Every bad row is a finding
    of severity BLOCK: AC106 price, AC201 symbol, AC230 amount, AC231 date, AC232 row given twice,
    AC234 contract not tradable then, AC235 number of values, AC236 and AC237 columns that
    contradict each other, AC239 money that contradicts price and amount. Rows after a given
    session are AC233. AC238 says that there was no trade, and what proves it.
    """
    text = read_delimited(data, source=source, is_header=has_columns)
    layout = layout_of(text.header, source=source)
    reads = _marked_duplicates(read_rows(text, layout=layout, source=source))
    newest = max((r.session for r in reads if r.session is not None), default=None)
    chosen = session or newest
    if chosen is None:
        raise UsageError(
            f"{source} has no row with a readable date, so its session is not known",
            hint="give the session, or write the file again",
        )
    rejected = tuple(
        _rejected(r, on=chosen)
        for r in reads
        if r.findings and (r.session is None or r.session <= chosen)
    )
    good = [_row(r, layout=layout) for r in reads if not r.findings]
    trades = tuple(row for row in good if row.session == chosen)
    about_rows = tuple(finding for r in reads for finding in r.findings)
    about_file = _about_file(reads, trades=trades, session=chosen, source=source)
    return TransactionsReading(
        session=chosen,
        trades=trades,
        positions_before=_positions(row for row in good if row.session < chosen),
        rejected=rejected,
        findings=about_file + about_rows,
        newest=newest,
        rows=len(reads),
    )


def aggregate(rows: Iterable[TransactionRow]) -> tuple[ContractTrade, ...]:
    """Add up the fills of each contract, in the order in which the contracts first appear."""
    by_contract: defaultdict[FuturesContract, list[TransactionRow]] = defaultdict(list)
    for row in rows:
        by_contract[row.contract].append(row)
    return tuple(_one_trade(contract, fills) for contract, fills in by_contract.items())


def _one_trade(contract: FuturesContract, fills: Sequence[TransactionRow]) -> ContractTrade:
    amount = sum(fill.amount for fill in fills)
    priced = [fill for fill in fills if fill.amount * amount > 0] or fills
    return ContractTrade(
        contract=contract,
        amount=amount,
        price=_weighted_price(priced),
        fills=len(fills),
        gross=sum(abs(fill.amount) for fill in fills),
        auto_close=any(fill.order_id == "" for fill in fills),
        lines=tuple(fill.line for fill in fills),
    )


def _weighted_price(fills: Sequence[TransactionRow]) -> Decimal:
    """Sums are exact fractions; only the last division can round."""
    if len({fill.price for fill in fills}) == 1:
        return fills[0].price
    value = sum((Fraction(fill.price) * abs(fill.amount) for fill in fills), Fraction(0))
    mean = value / sum(abs(fill.amount) for fill in fills)
    context = Context(prec=_PRICE_DIGITS)
    return context.divide(Decimal(mean.numerator), Decimal(mean.denominator))


def _positions(rows: Iterable[TransactionRow]) -> Mapping[FuturesContract, int]:
    held: defaultdict[FuturesContract, int] = defaultdict(int)
    for row in rows:
        held[row.contract] += row.amount
    return MappingProxyType({contract: amount for contract, amount in held.items() if amount})


def _marked_duplicates(reads: Sequence[RowRead]) -> tuple[RowRead, ...]:
    """Reject what an earlier row already said: an order fills once per bar, in one contract."""
    seen: dict[object, RowRead] = {}
    owner: dict[str, RowRead] = {}
    return tuple(_unless_repeated(read, seen=seen, owner=owner) for read in reads)


def _unless_repeated(
    read: RowRead, *, seen: dict[object, RowRead], owner: dict[str, RowRead]
) -> RowRead:
    if read.contract is None or read.session is None:
        return read
    when = read.at or read.session
    fill = (read.amount, read.price)
    if read.order_id:
        first = owner.setdefault(read.order_id, read)
        if first.contract != read.contract:
            return read.repeating(first, "the order id, in another contract")
        # Where the file gives dates alone, an order may have filled several times on that date.
        earlier = seen.setdefault((when, read.order_id, fill if read.at is None else None), read)
        what = "the order id, at the same time"
    else:
        earlier = seen.setdefault((when, read.contract, fill), read)
        what = "the same trade at the same time"
    return read if earlier is read else read.repeating(earlier, what)


def _rejected(read: RowRead, *, on: Session) -> RejectedRow:
    contract = read.contract
    if contract is None and read.session is None:
        # Without a date of its own, the year of the symbol is read as of the session asked for.
        try:
            contract = read_symbol(read.symbol, on=on)
        except ContractError:
            contract = None
    return RejectedRow(
        line=read.line,
        session=read.session,
        symbol=read.symbol,
        contract=contract,
        findings=read.findings,
        also_concerns=read.also_concerns,
    )


def _row(read: RowRead, *, layout: Layout) -> TransactionRow:
    if read.session is None or read.contract is None or read.amount is None or read.price is None:
        raise ContractError(f"line {read.line} was taken as good without being whole")
    return TransactionRow(
        line=read.line,
        session=read.session,
        at=read.at,
        symbol=read.symbol,
        contract=read.contract,
        amount=read.amount,
        price=read.price,
        order_id=read.order_id if layout.order_id is not None else None,
    )


def _about_file(
    reads: Sequence[RowRead],
    *,
    trades: Sequence[TransactionRow],
    session: Session,
    source: str,
) -> tuple[Finding, ...]:
    later = [r for r in reads if r.session is not None and r.session > session]
    doubtful = any(r.findings and r.session in {None, session} for r in reads)
    findings: list[Finding] = []
    if later:
        findings.append(_later_rows(later, session=session, source=source))
    if not trades and not doubtful:
        findings.append(_no_trades(reads, session=session, source=source))
    return tuple(findings)


def _later_rows(later: Sequence[RowRead], *, session: Session, source: str) -> Finding:
    newest = max(r.session for r in later if r.session is not None)
    return Finding(
        code="AC233",
        severity=Severity.BLOCK,
        subject=f"{source}, line {later[0].line}",
        message=f"{len(later)} rows are later than the session {session}, the newest of {newest}",
        hint="give the session that the run ended on, or the file of the right run",
        evidence={
            "file": source,
            "line": later[0].line,
            "rows": len(later),
            "newest": newest.isoformat(),
        },
    )


def _no_trades(reads: Sequence[RowRead], *, session: Session, source: str) -> Finding:
    sessions = [r.session for r in reads if r.session is not None]
    newest = max(sessions).isoformat() if sessions else None
    proof = f"the newest of its {len(reads)} rows is of {newest}" if newest else "it has no rows"
    return Finding(
        code="AC238",
        severity=Severity.INFO if newest else Severity.WARN,
        subject=source,
        message=f"no trade on {session}: {proof}",
        hint="" if newest else "make sure that the run ended on this session",
        evidence={"file": source, "rows": len(reads), "newest": newest},
    )
