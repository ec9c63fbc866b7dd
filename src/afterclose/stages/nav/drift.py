"""Net asset value: lay the account's records beside the models', and say where they part.

Between two records of the account every contract is taken apart. What the desk held and the model
did not (or the other way round) moved with the market: *missed*. What both traded, on the same
side, went at three prices: the decision's, the desk's fill and the model's fill one session later;
decision against desk is *slippage*, decision against model is *timing*. What one of them traded
alone is missed again. Prices are in IB units, and the same closes value both sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from decimal import Decimal
from itertools import pairwise

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.nav import (
    ZERO,
    AccountNav,
    DriftParts,
    ModelDay,
    NavDay,
    NavHistory,
    settled_money,
)
from afterclose.stages.nav.account import currency, flows, others, paid, strangers
from afterclose.stages.nav.inputs import ModelBook, NavInputs, Trade
from afterclose.stages.nav.walking import Book, Span


def compare(inputs: NavInputs) -> NavHistory:
    """Compare every two records between which all models that began have values. Pure.

    A model that begins later is compared from its inception on; the days before stay as they were.
    """
    known = [r for r in inputs.records if r.value is not None and _all_have(inputs, r.session)]
    if not known:
        return NavHistory(reporting=inputs.reporting)
    first = known[0]
    books = [Book(model) for model in inputs.models]
    days = [_day(inputs, books, before, after) for before, after in pairwise(known)]
    there = {m.name for m in _begun(inputs, first.session)}
    for number, day in enumerate(days):
        new = [m for m in inputs.models if m.name in {d.model for d in day.models} - there]
        there |= {m.name for m in new}
        joined = sum((m.values[day.since] * m.scale for m in new), ZERO)
        days[number] = replace(day, joined=settled_money(joined)) if new else day
    return NavHistory(
        reporting=inputs.reporting,
        days=tuple(days),
        begins=first.session,
        account_begins=first.value,
        models_begin={
            m.name: m.values[first.session] * m.scale for m in _begun(inputs, first.session)
        },
    )


def one_per_session(records: Iterable[AccountNav]) -> tuple[AccountNav, ...]:
    """Keep the first record after each close: later ones already have the next session in them."""
    first: dict[date, AccountNav] = {}
    for record in sorted(records, key=lambda r: r.as_of):
        first.setdefault(record.session, record)
    return tuple(first[session] for session in sorted(first))


def _all_have(inputs: NavInputs, session: date) -> bool:
    begun = _begun(inputs, session)
    return bool(begun) and all(session in m.values for m in begun)


def _begun(inputs: NavInputs, session: date) -> Sequence[ModelBook]:
    return [m for m in inputs.models if m.values and min(m.values) <= session]


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


def _day(inputs: NavInputs, books: Sequence[Book], before: AccountNav, after: AccountNav) -> NavDay:
    span = Span(inputs, before, after)
    span.unknown.update(_late(inputs, before), _late(inputs, after))
    span.unknown.update(text for at, text in inputs.doubts if before.as_of <= at < after.as_of)
    for book in books:
        book.walk(before, after)
    begun = _begun(inputs, before.session)
    walked = [book for book in books if book.model in begun]
    made = [_model_day(span, book) for book in walked]
    begin, end = settled_money(before.value or ZERO), settled_money(after.value or ZERO)
    # What is held for a model that has not begun is in no model's result yet.
    other = others(span, walked) + strangers(span)
    parts = DriftParts(currency=currency(span), other=other, flows=flows(span)).rounded()
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


def _point_value(span: Span, contract: FuturesContract) -> Decimal:
    return span.inputs.specs[contract.root].point_value or ZERO


def _model_day(span: Span, book: Book) -> ModelDay:
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
    valued = True
    for contract in sorted(contracts):
        found = _contract_parts(
            span,
            contract,
            held=(book.held_desk.get(contract, ZERO), book.held_model.get(contract, ZERO)),
            desk=of_desk.get(contract, ()),
            model=of_model.get(contract, ()),
        )
        if found is None:
            valued = False
            continue
        parts, desk_priced = parts.plus(found.parts), desk_priced + found.desk
        priced, native = priced + found.desk - found.parts.total, native + found.model_native
        parts = parts.plus(DriftParts(currency=found.own_rate))
    counted = native if model.native else priced
    # What a model paid is what its prices leave of its result: of one not valued nothing follows.
    paid_by_model = counted - result if valued else ZERO
    charged = _commissions(span, book.of_desk)
    parts = parts.plus(DriftParts(commission=paid_by_model - charged, currency=priced - counted))
    return ModelDay(
        model=model.name,
        nav=nav,
        result=result,
        desk_result=settled_money(desk_priced - charged),
        parts=parts.rounded(),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What one contract made: the parts, the desk's result, the model's at a rate of one.

    ``own_rate`` is what the account's own rate makes of the desk's result beyond the data's.
    """

    parts: DriftParts
    desk: Decimal
    model_native: Decimal
    own_rate: Decimal


def _contract_parts(
    span: Span,
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
    point_value = _point_value(span, contract)
    rate = span.account_rate(span.inputs.specs[contract.root].currency)
    return _Made(
        parts=parts,
        desk=result * worth,
        model_native=theirs * point_value,
        own_rate=ZERO if rate is None else result * (rate * point_value - worth),
    )


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


def _by_contract(trades: Iterable[Trade]) -> Mapping[FuturesContract, Sequence[Trade]]:
    found: defaultdict[FuturesContract, list[Trade]] = defaultdict(list)
    for trade in trades:
        found[trade.contract].append(trade)
    return found


def _commissions(span: Span, trades: Iterable[Trade]) -> Decimal:
    return sum(
        (
            paid(span, t.commission, t.commission_currency, t.contract.symbol)
            for t in trades
            if t.price is not None  # taken over: nobody paid for it
        ),
        ZERO,
    )
