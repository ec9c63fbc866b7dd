"""Rows of a basket file as contracts and orders of ours.

A row names its contract in IB's words; the mapping is read backwards, by symbol, exchange, currency
and multiplier. An expiry of eight digits is a last trading day: its delivery month follows from the
root's habit, and the day itself is compared with the gateway's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from afterclose.adapters.files.basket_csv import BasketRow
from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    FuturesContract,
    MappedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import BasketOrder, ExcludedTrade, TradeKind
from afterclose.errors import ContractError
from afterclose.stages import mapping

#: Orders of a file belong to no model.
FILE = "FILE"
_MONTH_DIGITS = 6
#: How many lines of a file a message names.
_LINES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRow:
    """A row whose contract we know. ``ref`` is the row's own name, or one made from its line."""

    row: BasketRow
    mapped: MappedContract
    ref: str
    notes: tuple[Finding, ...] = ()

    @property
    def signed(self) -> int:
        """Quantity with its side."""
        return self.row.quantity * self.row.action.sign

    def price(self, live: MarketSnapshot) -> Decimal | None:
        """The limit; for an order at the market the last close. None: there is neither."""
        if self.row.limit_price is not None:
            return self.row.limit_price
        answer = live.bars.get(self.mapped.contract)
        done = answer.completed(live.session) if answer else ()
        return done[-1].close if done else None

    def without_price(self) -> ExcludedTrade:
        """Say why an order at the market is left out."""
        finding = _finding(
            "AC106",
            self.mapped.contract.symbol,
            f"line {self.row.line}: an order at the market, and the gateway has no close",
            "audit again, or give the row a limit",
        )
        return _excluded(self.row, finding)

    def order(self, held: int | None, price: Decimal, live: MarketSnapshot) -> BasketOrder:
        """Make the order, of the kind that the account's position gives it.

        A row without an account is for the one that is audited: single accounts leave it out.
        """
        row = self.row
        return BasketOrder(
            order_ref=self.ref,
            model=FILE,
            mapped=self.mapped,
            action=row.action,
            quantity=row.quantity,
            kind=kind_of(self.signed, held),
            limit_price=price,
            account=row.account or live.account.account,
            session=live.session,
            trade_id=f"{FILE}/{live.session.isoformat()}/{self.mapped.contract.symbol}",
            model_quantity=row.quantity,
            held_before=held or 0,
            reference_price=price,
            order_type=row.order_type,
            tif=row.tif or "DAY",
            reason=f"line {row.line} of the file",
        )

    def last_trade_differs(self, live: MarketSnapshot) -> tuple[Finding, ...]:
        """AC206: a row that names its last trading day must name the contract's."""
        found = live.qualified(self.mapped.contract)
        told = None if len(self.row.expiry) == _MONTH_DIGITS else _day(self.row.expiry)
        if told is None or found is None or found.last_trade_date in {None, told}:
            return ()
        return (
            _finding(
                "AC206",
                self.mapped.contract.symbol,
                f"line {self.row.line}: the file's last trading day is {told}, the gateway's "
                f"{found.last_trade_date}",
                "name the contract by its delivery month (six digits)",
            ),
        )


def kind_of(signed: int, held: int | None) -> TradeKind:
    """What an order does to a position. With an unknown one a sale closes, so that it is blocked.

    The published process audits its sales as exits and its purchases as entries.
    """
    if held is None:
        return TradeKind.EXIT if signed < 0 else TradeKind.ENTRY
    if held == 0:
        return TradeKind.ENTRY
    if held * signed > 0:
        return TradeKind.ADD
    if abs(signed) > abs(held):
        return TradeKind.REVERSAL
    return TradeKind.EXIT if abs(signed) == abs(held) else TradeKind.REDUCE


def as_roll(orders: Sequence[BasketOrder]) -> tuple[BasketOrder, ...]:
    """Name two orders of one root a roll, where one closes as many as the other opens."""
    closing = [o for o in orders if o.kind.closes]
    opening = [o for o in orders if o.kind is TradeKind.ENTRY]
    if (len(closing), len(opening), len(orders)) != (1, 1, 2):
        return tuple(orders)
    (closes,), (opens,) = closing, opening
    if closes.signed != -opens.signed:
        return tuple(orders)
    return (
        replace(closes, kind=TradeKind.ROLL_CLOSE, roll_pair=opens.order_ref),
        replace(opens, kind=TradeKind.ROLL_OPEN, roll_pair=closes.order_ref),
    )


def named_rows(
    rows: Sequence[BasketRow], specs: Mapping[RootSymbol, ContractSpec], session: Session
) -> tuple[tuple[NamedRow, ...], tuple[ExcludedTrade, ...]]:
    """Find each row's contract; a row without one is excluded, with its reason."""
    names = Counter(row.order_ref for row in rows)
    named: list[NamedRow] = []
    excluded: list[ExcludedTrade] = []
    for row in rows:
        found = _contract(row, specs)
        if isinstance(found, Finding):
            excluded.append(_excluded(row, found))
            continue
        known = mapping.map_contracts([found], specs, session=session)
        if reasons := known.blocked.get(found, ()):
            excluded.append(_excluded(row, *reasons))
            continue
        own = row.order_ref if row.order_ref and names[row.order_ref] == 1 else ""
        named.append(
            NamedRow(
                row=row,
                mapped=known.mapped[found],
                ref=own or f"{row.order_ref or FILE}_line{row.line}",
                notes=known.notes.get(found, ()),
            )
        )
    return _with_shared_names(named, rows), tuple(excluded)


def _with_shared_names(
    named: Sequence[NamedRow], rows: Sequence[BasketRow]
) -> tuple[NamedRow, ...]:
    """Note on each row which others of the file carry its reference (AC319)."""
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        lines[row.order_ref].append(row.line)
    trades = Counter((n.row.order_ref, n.mapped.contract, n.row.action) for n in named)
    noted = []
    for each in named:
        row = each.row
        others = [line for line in lines[row.order_ref] if line != row.line]
        if not row.order_ref or not others:
            noted.append(each)
            continue
        twice = trades[row.order_ref, each.mapped.contract, row.action] > 1
        noted.append(replace(each, notes=(*each.notes, _shared(each, others, twice=twice))))
    return tuple(noted)


def _shared(row: NamedRow, others: Sequence[int], *, twice: bool) -> Finding:
    shown = ", ".join(str(line) for line in others[:_LINES_SHOWN])
    more = f" and {len(others) - _LINES_SHOWN} more" if len(others) > _LINES_SHOWN else ""
    same = ", also for this contract and side" if twice else ""
    return Finding(
        code="AC319",
        severity=Severity.WARN if twice else Severity.INFO,
        subject=row.mapped.contract.symbol,
        message=(
            f"line {row.row.line}: the reference {row.row.order_ref} stands on line {shown}{more} "
            f"as well{same}; here it is called {row.ref}"
        ),
        hint="if it is one order twice, take one out; else give every order its own reference",
    )


def _contract(
    row: BasketRow, specs: Mapping[RootSymbol, ContractSpec]
) -> FuturesContract | Finding:
    name = f"{row.symbol} {row.expiry} at {row.exchange}"
    fitting = [spec for spec in specs.values() if _fits(row, spec)]
    if not fitting:
        return _finding(
            "AC202",
            name,
            f"line {row.line}: no root of the mapping is {row.symbol} at {row.exchange} in "
            f"{row.currency}" + (f" with multiplier {row.multiplier}" if row.multiplier else ""),
            "compare symbol, exchange, currency and multiplier with the mapping workbook",
        )
    if len(fitting) > 1:
        roots = ", ".join(sorted(spec.root for spec in fitting))
        return _finding(
            "AC204",
            name,
            f"line {row.line}: the row fits several roots ({roots})",
            "give the row a multiplier",
        )
    month = _month(row.expiry, fitting[0])
    if month is None:
        return _finding(
            "AC205", name, f"line {row.line}: {row.expiry} is no month", "write it as yyyymm"
        )
    return FuturesContract(fitting[0].root, month)


def _fits(row: BasketRow, spec: ContractSpec) -> bool:
    same = (spec.ib_symbol, spec.ib_exchange, spec.currency)
    if same != (row.symbol, row.exchange, row.currency):
        return False
    return not (row.multiplier and spec.multiplier) or Decimal(row.multiplier) == Decimal(
        spec.multiplier
    )


def _month(expiry: str, spec: ContractSpec) -> ContractMonth | None:
    try:
        if len(expiry) == _MONTH_DIGITS:
            return ContractMonth.from_yyyymm(expiry)
        day = _day(expiry)
    except (ContractError, ValueError):
        return None
    if day is None:
        return None
    months = day.year * 12 + day.month - 1 - (spec.last_trade_month_offset or 0)
    return ContractMonth(months // 12, months % 12 + 1)


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _finding(code: str, subject: str, message: str, hint: str) -> Finding:
    return Finding(code=code, severity=Severity.BLOCK, subject=subject, message=message, hint=hint)


def _excluded(row: BasketRow, *findings: Finding) -> ExcludedTrade:
    return ExcludedTrade(
        subject=f"line {row.line}: {row.symbol} {row.expiry}",
        model=FILE,
        quantity=row.quantity * row.action.sign,
        findings=tuple(findings),
    )
