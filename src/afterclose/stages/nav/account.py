"""What the account alone made from one record of it to the next: cash, strangers, deposits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from afterclose.domain.contracts import Currency, FuturesContract, read_symbol
from afterclose.domain.nav import ZERO
from afterclose.stages.nav.walking import Book, Span


def paid(span: Span, amount: Decimal | None, unit: Currency | None, symbol: str) -> Decimal:
    """A commission in the reporting currency; one that is not known is named and counts 0."""
    if amount is None or unit is None:
        span.unknown.add(f"commission of {symbol}")
        return ZERO
    rate = span.account_rate(unit)
    return ZERO if rate is None else amount * rate


def currency(span: Span) -> Decimal:
    """Cash that was there before, at the rates of then and now."""
    moved = ZERO
    for unit, amount in span.before.cash.items():
        then, now = span.before.worth(unit), span.after.worth(unit)
        if then is not None and now is not None:
            moved += amount * (now - then)
        elif amount:
            span.unknown.add(f"the account's rate of {unit}")
    return moved


def others(span: Span, books: Iterable[Book]) -> Decimal:
    """Result of what the account held before and no model did; less what only the desk thinks."""
    total = ZERO
    for contract, quantity in _held_by_nobody(span, books).items():
        begin = span.close(contract, span.before.session)
        end = span.close(contract, span.after.session)
        worth = span.account_money(contract)
        if begin is not None and end is not None and worth is not None:
            total += quantity * (end - begin) * worth
    return total


def strangers(span: Span) -> Decimal:
    """Result of what others traded since, by the close: their fills, and what they paid."""
    total = ZERO
    for trade in span.inputs.strangers:
        if not span.before.as_of <= trade.at < span.after.as_of:
            continue
        if not trade.symbol:
            span.unknown.add(f"the contract of {trade.exec_id}, a trade of somebody else")
            continue
        contract = read_symbol(trade.symbol, on=span.before.session)
        end = span.close(contract, span.after.session)
        worth = span.account_money(contract)
        if end is not None and worth is not None:
            total += trade.quantity * (end - trade.price) * worth
        total -= paid(span, trade.commission, trade.commission_currency, trade.symbol)
    return total


def _held_by_nobody(span: Span, books: Iterable[Book]) -> Mapping[FuturesContract, Decimal]:
    if span.before.positions is None:
        span.unknown.add(f"the account's positions in {span.before.session}")
        return {}
    desk: defaultdict[str, Decimal] = defaultdict(Decimal)
    for book in books:
        for held, traded in book.held_desk.items():
            desk[held.symbol] += traded
        for trade in book.of_desk:
            if trade.price is None:  # taken over: no stranger's since the close before
                desk[trade.contract.symbol] += trade.quantity
    found: dict[FuturesContract, Decimal] = {}
    for symbol in sorted({*span.before.positions, *desk}):
        strange = span.before.positions.get(symbol, 0) - desk[symbol]
        if strange:
            found[read_symbol(symbol, on=span.before.session)] = strange
    return found


def flows(span: Span) -> Decimal:
    """Money put in or taken out."""
    total = ZERO
    for flow in span.inputs.flows:
        if span.before.as_of <= flow.at < span.after.as_of:
            worth = span.after.worth(flow.currency)
            if worth is None:
                span.unknown.add(f"the account's rate of {flow.currency}")
            else:
                total += flow.amount * worth
    return total
