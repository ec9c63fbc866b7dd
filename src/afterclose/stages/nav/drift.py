"""Net asset value: lay the account's records beside the models', and say where they part.

Between two records of the account every contract is taken apart. What the desk held and the model
did not (or the other way round) moved with the market: *missed*. What both traded, on the same
side, went at three prices: the decision's, the desk's fill and the model's fill one session later;
decision against desk is *slippage*, decision against model is *timing*. What one of them traded
alone is missed again. Prices are in IB units, and the same closes value both sides.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from itertools import pairwise, takewhile
from operator import itemgetter
from typing import TypeVar

from afterclose.domain.contracts import Currency, FuturesContract, read_symbol
from afterclose.domain.nav import (
    ZERO,
    AccountNav,
    DriftParts,
    ModelDay,
    NavDay,
    NavHistory,
    settled_money,
)
from afterclose.stages.nav.inputs import ModelBook, NavInputs, Trade

_At = TypeVar("_At")


def compare(inputs: NavInputs) -> NavHistory:
    """Compare every two records between which all models have values. Pure."""
    known = [r for r in inputs.records if r.value is not None and _all_have(inputs, r.session)]
    if not known:
        return NavHistory(reporting=inputs.reporting)
    first = known[0]
    books = [_Book(model) for model in inputs.models]
    days = [_day(inputs, books, before, after) for before, after in pairwise(known)]
    return NavHistory(
        reporting=inputs.reporting,
        days=tuple(days),
        begins=first.session,
        account_begins=first.value,
        models_begin={m.name: m.values[first.session] * m.scale for m in inputs.models},
    )


def one_per_session(records: Iterable[AccountNav]) -> tuple[AccountNav, ...]:
    """Keep the first record after each close: later ones already have the next session in them."""
    first: dict[date, AccountNav] = {}
    for record in sorted(records, key=lambda r: r.as_of):
        first.setdefault(record.session, record)
    return tuple(first[session] for session in sorted(first))


def _all_have(inputs: NavInputs, session: date) -> bool:
    return bool(inputs.models) and all(session in m.values for m in inputs.models)


@dataclass(slots=True)
class _Pool:
    """Trades of one side of one contract."""

    quantity: Decimal = ZERO
    #: Σ quantity × price, and × reference.
    paid: Decimal = ZERO
    meant: Decimal = ZERO

    def add(self, quantity: Decimal, price: Decimal, reference: Decimal) -> None:
        self.quantity += quantity
        self.paid += quantity * price
        self.meant += quantity * reference


class _Book:
    """One model's trades and the desk's for it, walked once from record to record."""

    def __init__(self, model: ModelBook) -> None:
        self.model = model
        self._model = deque(sorted(model.fills, key=itemgetter(0)))
        self._desk = deque(sorted(model.desk, key=itemgetter(0)))
        self.held_model: defaultdict[FuturesContract, Decimal] = defaultdict(Decimal)
        self.held_desk: defaultdict[FuturesContract, Decimal] = defaultdict(Decimal)
        self.of_model: Sequence[Trade] = ()
        self.of_desk: Sequence[Trade] = ()

    def walk(self, before: AccountNav, after: AccountNav) -> None:
        """Hold what was held at the first record, and set what was traded up to the second.

        A trade of the very instant of a record came after it: the record is of before the sending.
        """
        for trade in self._until(self._model, lambda at: at <= before.session):
            self.held_model[trade.contract] += trade.quantity * self.model.scale
        for trade in self._until(self._desk, lambda at: at < before.as_of):
            self.held_desk[trade.contract] += trade.quantity
        traded = takewhile(lambda fill: fill[0] <= after.session, self._model)
        self.of_model = [_scaled(trade, self.model.scale) for _, trade in traded]
        self.of_desk = [t for _, t in takewhile(lambda fill: fill[0] < after.as_of, self._desk)]

    @staticmethod
    def _until(trades: deque[tuple[_At, Trade]], due: Callable[[_At], bool]) -> Iterator[Trade]:
        while trades and due(trades[0][0]):
            yield trades.popleft()[1]


@dataclass(slots=True)
class _Span:
    """One stretch between two records, with what could not be had on the way."""

    inputs: NavInputs
    before: AccountNav
    after: AccountNav
    unknown: set[str] = field(default_factory=set)

    def close(self, contract: FuturesContract, session: date) -> Decimal | None:
        found = self.inputs.close(contract, session)
        if found is None:
            self.unknown.add(f"close of {contract.symbol} in {session}")
        return found

    def money(self, contract: FuturesContract, session: date) -> Decimal | None:
        """Reporting money per 1.0 of price, by the data's rate of a session."""
        spec = self.inputs.specs.get(contract.root)
        if spec is None or spec.point_value is None:
            self.unknown.add(f"facts of {contract.root}")
            return None
        rate = self.rate(spec.currency, session)
        return None if rate is None else spec.point_value * rate

    def rate(self, currency: Currency, session: date) -> Decimal | None:
        found = self.inputs.rate(currency, session)
        if found is None:
            self.unknown.add(f"rate of {currency} in {session}")
        return found


def _day(
    inputs: NavInputs, books: Sequence[_Book], before: AccountNav, after: AccountNav
) -> NavDay:
    span = _Span(inputs, before, after)
    span.unknown.update(_late(inputs, before), _late(inputs, after))
    for book in books:
        book.walk(before, after)
    made = [_model_day(span, book) for book in books]
    begin, end = settled_money(before.value or ZERO), settled_money(after.value or ZERO)
    parts = DriftParts(
        currency=_currency(span), other=_others(span, books), flows=_flows(span)
    ).rounded()
    for day in made:
        parts = parts.plus(day.parts)
    result = end - begin
    drift = result - sum((day.result for day in made), ZERO)
    return NavDay(
        session=after.session,
        since=before.session,
        account_nav=end,
        account_result=result,
        models=tuple(made),
        parts=parts.plus(DriftParts(rest=drift - parts.total)),
        unknown=tuple(sorted(span.unknown)),
    )


def _late(inputs: NavInputs, record: AccountNav) -> Iterable[str]:
    """Name a record taken when the next session traded already: closes cannot value what it held.

    Both stretches that meet at it are touched. An account that held nothing was worth the same.
    """
    flat = record.positions is not None and not any(record.positions.values())
    if not flat and record.as_of >= inputs.opens_after(record.session):
        yield (
            f"value at the close of {record.session}: it was taken at "
            f"{record.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC, with prices of the next session"
        )


def _point_value(span: _Span, contract: FuturesContract) -> Decimal:
    return span.inputs.specs[contract.root].point_value or ZERO


def _model_day(span: _Span, book: _Book) -> ModelDay:
    """One model's own result, the desk's for it, and the parts between."""
    before, after, model = span.before, span.after, book.model
    nav = settled_money(model.values[after.session] * model.scale)
    result = nav - settled_money(model.values[before.session] * model.scale)
    of_model, of_desk = _by_contract(book.of_model), _by_contract(book.of_desk)
    contracts = {
        *(c for c, q in book.held_model.items() if q),
        *(c for c, q in book.held_desk.items() if q),
        *of_model,
        *of_desk,
    }
    parts, priced, native, desk_priced = DriftParts(), ZERO, ZERO, ZERO
    for contract in sorted(contracts):
        found = _contract_parts(
            span,
            contract,
            held=(book.held_desk.get(contract, ZERO), book.held_model.get(contract, ZERO)),
            desk=of_desk.get(contract, ()),
            model=of_model.get(contract, ()),
        )
        if found is not None:
            parts, desk_priced = parts.plus(found.parts), desk_priced + found.desk
            priced, native = priced + found.desk - found.parts.total, native + found.model_native
    counted = native if model.native else priced
    paid, paid_by_model = _commissions(span, book.of_desk), counted - result
    parts = parts.plus(DriftParts(commission=paid_by_model - paid, currency=priced - counted))
    return ModelDay(
        model=model.name,
        nav=nav,
        result=result,
        desk_result=settled_money(desk_priced - paid),
        parts=parts.rounded(),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What one contract made: the parts, the desk's result, the model's at a rate of one."""

    parts: DriftParts
    desk: Decimal
    model_native: Decimal


def _contract_parts(
    span: _Span,
    contract: FuturesContract,
    *,
    held: tuple[Decimal, Decimal],
    desk: Sequence[Trade],
    model: Sequence[Trade],
) -> _Made | None:
    """Take one contract apart, before commissions; None where a price or rate is missing."""
    begin = span.close(contract, span.before.session) if any(held) or _taken(desk) else ZERO
    end = span.close(contract, span.after.session)
    worth = span.money(contract, span.after.session)
    if begin is None or end is None or worth is None:
        return None
    desk_held, model_held = held
    missed = (desk_held - model_held) * (end - begin)
    result = desk_held * (end - begin)
    slippage = timing = ZERO
    for sign in (1, -1):
        own, its = _pool(desk, sign, begin), _pool(model, sign, begin)
        result += own.quantity * end - own.paid
        both = min(abs(own.quantity), abs(its.quantity)) * sign
        slippage += own.meant - own.paid
        meant = own.meant / own.quantity if own.quantity else ZERO
        filled = its.paid / its.quantity if its.quantity else ZERO
        timing += both * (filled - meant)
        missed += (own.quantity - both) * (end - meant) - (its.quantity - both) * (end - filled)
    parts = DriftParts(slippage=slippage * worth, timing=timing * worth, missed=missed * worth)
    theirs = result - slippage - timing - missed
    return _Made(parts, result * worth, theirs * _point_value(span, contract))


def _pool(trades: Iterable[Trade], sign: int, begin: Decimal) -> _Pool:
    pool = _Pool()
    for trade in trades:
        if trade.quantity * sign > 0:
            price = begin if trade.price is None else trade.price
            reference = price if trade.reference is None else trade.reference
            pool.add(trade.quantity, price, reference)
    return pool


def _taken(trades: Iterable[Trade]) -> bool:
    return any(trade.price is None for trade in trades)


def _scaled(trade: Trade, scale: Decimal) -> Trade:
    return Trade(contract=trade.contract, quantity=trade.quantity * scale, price=trade.price)


def _by_contract(trades: Iterable[Trade]) -> Mapping[FuturesContract, Sequence[Trade]]:
    found: defaultdict[FuturesContract, list[Trade]] = defaultdict(list)
    for trade in trades:
        found[trade.contract].append(trade)
    return found


def _commissions(span: _Span, trades: Iterable[Trade]) -> Decimal:
    total = ZERO
    for trade in trades:
        if trade.commission is None or trade.commission_currency is None:
            if trade.price is not None:
                span.unknown.add(f"commission of {trade.contract.symbol}")
            continue
        rate = span.rate(trade.commission_currency, span.after.session)
        total += trade.commission * rate if rate is not None else ZERO
    return total


def _currency(span: _Span) -> Decimal:
    """Cash that was there before, at the rates of then and now."""
    moved = ZERO
    for currency, amount in span.before.cash.items():
        then, now = span.before.worth(currency), span.after.worth(currency)
        if then is not None and now is not None:
            moved += amount * (now - then)
        elif amount:
            span.unknown.add(f"the account's rate of {currency}")
    return moved


def _others(span: _Span, books: Iterable[_Book]) -> Decimal:
    """Result of what the account held before and no model of this desk did."""
    total = ZERO
    for contract, quantity in _held_by_nobody(span, books).items():
        begin = span.close(contract, span.before.session)
        end = span.close(contract, span.after.session)
        worth = span.money(contract, span.after.session)
        if begin is not None and end is not None and worth is not None:
            total += quantity * (end - begin) * worth
    return total


def _held_by_nobody(span: _Span, books: Iterable[_Book]) -> Mapping[FuturesContract, Decimal]:
    desk: defaultdict[str, Decimal] = defaultdict(Decimal)
    for book in books:
        for held, traded in book.held_desk.items():
            desk[held.symbol] += traded
    strangers: dict[FuturesContract, Decimal] = {}
    for symbol, quantity in (span.before.positions or {}).items():
        if quantity != desk.get(symbol, ZERO):
            contract = read_symbol(symbol, on=span.before.session)
            strangers[contract] = quantity - desk.get(symbol, ZERO)
    return strangers


def _flows(span: _Span) -> Decimal:
    total = ZERO
    for flow in span.inputs.flows:
        if span.before.as_of <= flow.at < span.after.as_of:
            worth = span.after.worth(flow.currency)
            if worth is None:
                span.unknown.add(f"the account's rate of {flow.currency}")
            else:
                total += flow.amount * worth
    return total
