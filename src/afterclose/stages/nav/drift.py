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
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from itertools import pairwise

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


def compare(inputs: NavInputs) -> NavHistory:
    """Compare every two records between which all models have values. Pure."""
    known = [r for r in inputs.records if r.value is not None and _all_have(inputs, r.session)]
    if not known:
        return NavHistory(reporting=inputs.reporting)
    first = known[0]
    days = [_day(inputs, before, after) for before, after in pairwise(known)]
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

    def account_rate(self, currency: Currency) -> Decimal | None:
        """What the account's money counts at: its own rate at the end, where it tells one."""
        own = self.after.worth(currency)
        return own if own is not None else self.rate(currency, self.after.session)

    def rate(self, currency: Currency, session: date) -> Decimal | None:
        found = self.inputs.rate(currency, session)
        if found is None:
            self.unknown.add(f"rate of {currency} in {session}")
        return found


def _day(inputs: NavInputs, before: AccountNav, after: AccountNav) -> NavDay:
    span = _Span(inputs, before, after)
    span.unknown.update(_late(inputs, before), _late(inputs, after))
    made = [_model_day(span, model) for model in inputs.models]
    begin, end = settled_money(before.value or ZERO), settled_money(after.value or ZERO)
    other = _others(span) + _strangers(span)
    parts = DriftParts(currency=_currency(span), other=other, flows=_flows(span)).rounded()
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


def _model_day(span: _Span, model: ModelBook) -> ModelDay:
    """One model's own result, the desk's for it, and the parts between.

    A trade of the very instant of a record came after it: the record is of before the sending.
    """
    before, after = span.before, span.after
    nav = settled_money(model.values[after.session] * model.scale)
    result = nav - settled_money(model.values[before.session] * model.scale)
    of_model = [
        _scaled(t, model.scale) for at, t in model.fills if before.session < at <= after.session
    ]
    of_desk = [t for at, t in model.desk if before.as_of <= at < after.as_of]
    held_model = _held(_scaled(t, model.scale) for at, t in model.fills if at <= before.session)
    held_desk = _held(t for at, t in model.desk if at < before.as_of)
    contracts = {
        *(c for c, q in held_model.items() if q),
        *(c for c, q in held_desk.items() if q),
        *(t.contract for t in (*of_model, *of_desk)),
    }
    parts, priced, native, desk_priced = DriftParts(), ZERO, ZERO, ZERO
    valued = True
    for contract in sorted(contracts):
        found = _contract_parts(
            span,
            contract,
            held=(held_desk.get(contract, ZERO), held_model.get(contract, ZERO)),
            desk=[t for t in of_desk if t.contract == contract],
            model=[t for t in of_model if t.contract == contract],
        )
        if found is None:
            valued = False
            continue
        parts, desk_priced = parts.plus(found.parts), desk_priced + found.desk
        priced, native = priced + found.desk - found.parts.total, native + found.model_native
        parts = parts.plus(DriftParts(currency=found.own_rate))
    counted = native if model.native else priced
    # What a model paid is what its prices leave of its result: of one not valued nothing follows.
    paid, paid_by_model = _commissions(span, of_desk), counted - result if valued else ZERO
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
    """What one contract made: the parts, the desk's result, the model's at a rate of one.

    ``own_rate`` is what the account's own rate makes of the desk's result beyond the data's.
    """

    parts: DriftParts
    desk: Decimal
    model_native: Decimal
    own_rate: Decimal


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


def _scaled(trade: Trade, scale: Decimal) -> Trade:
    return Trade(contract=trade.contract, quantity=trade.quantity * scale, price=trade.price)


def _held(trades: Iterable[Trade]) -> Mapping[FuturesContract, Decimal]:
    book: defaultdict[FuturesContract, Decimal] = defaultdict(Decimal)
    for trade in trades:
        book[trade.contract] += trade.quantity
    return book


def _commissions(span: _Span, trades: Iterable[Trade]) -> Decimal:
    return sum(
        (
            _paid(span, t.commission, t.commission_currency, t.contract.symbol)
            for t in trades
            if t.price is not None  # taken over: nobody paid for it
        ),
        ZERO,
    )


def _paid(span: _Span, amount: Decimal | None, currency: Currency | None, symbol: str) -> Decimal:
    if amount is None or currency is None:
        span.unknown.add(f"commission of {symbol}")
        return ZERO
    rate = span.account_rate(currency)
    return ZERO if rate is None else amount * rate


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


def _others(span: _Span) -> Decimal:
    """Result of what the account held before and no model did; less what only the desk thinks."""
    total = ZERO
    for contract, quantity in _held_by_nobody(span).items():
        begin = span.close(contract, span.before.session)
        end = span.close(contract, span.after.session)
        worth = span.money(contract, span.after.session)
        if begin is not None and end is not None and worth is not None:
            total += quantity * (end - begin) * worth
    return total


def _strangers(span: _Span) -> Decimal:
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
        worth = span.money(contract, span.after.session)
        if end is not None and worth is not None:
            total += trade.quantity * (end - trade.price) * worth
        total -= _paid(span, trade.commission, trade.commission_currency, trade.symbol)
    return total


def _held_by_nobody(span: _Span) -> Mapping[FuturesContract, Decimal]:
    if span.before.positions is None:
        span.unknown.add(f"the account's positions in {span.before.session}")
        return {}
    desk: defaultdict[str, Decimal] = defaultdict(Decimal)
    for model in span.inputs.models:
        for at, trade in model.desk:
            # What is taken over counts from the close before on: it was no stranger's since then.
            if at < (span.after.as_of if trade.price is None else span.before.as_of):
                desk[trade.contract.symbol] += trade.quantity
    strangers: dict[FuturesContract, Decimal] = {}
    for symbol in sorted({*span.before.positions, *desk}):
        strange = span.before.positions.get(symbol, 0) - desk[symbol]
        if strange:
            strangers[read_symbol(symbol, on=span.before.session)] = strange
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
