"""The desk's records of value: what the account was worth, and all it takes to compare the models.

Gathers; the comparison itself is ``stages/nav``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from afterclose import clock as calendar
from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.contracts import (
    ContractSpec,
    Currency,
    FuturesContract,
    RootSymbol,
    Session,
    read_symbol,
)
from afterclose.domain.nav import AccountNav, NavHistory, StrangersTrade
from afterclose.domain.netting import INSIDE, NET_MODEL, SessionRecord, with_rows
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import Fill, OrderState
from afterclose.domain.runs import CurrencyRule, ModelResult
from afterclose.domain.sending import DESK_MODEL, shares
from afterclose.ports import Ledger, MarketData
from afterclose.settings import Settings
from afterclose.stages import nav

#: What crossed inside the desk has no moment in the market: it belongs to the session to come, so
#: it is counted after the evening's own record of value.
_AFTER_EVERY_RECORD = timedelta(hours=8)
Specs = Mapping[RootSymbol, ContractSpec]
Timed = tuple[datetime, nav.Trade]
#: What the ledger knows of a session, with the life of each of its orders, folded once.
Kept = tuple[SessionRecord, Mapping[str, OrderLife]]


def account_nav(
    account: AccountSnapshot,
    settings: Settings,
    market: MarketData,
    specs: Specs,
    strangers: Iterable[tuple[FuturesContract | None, Fill]] = (),
) -> AccountNav | None:
    """Turn an account's answer into a record; None where its value was not told.

    ``strangers`` are executions of no order of ours, with their contract where it is known.
    """
    if account.net_liquidation is None:
        return None
    session = calendar.session_at(account.as_of)
    reporting = Currency(settings.engine.base_currency)
    rate, source = _base_rate(account, reporting, market, session)
    return AccountNav(
        account=account.account,
        session=session,
        as_of=account.as_of,
        base=account.base,
        net_liquidation=account.net_liquidation,
        reporting=reporting,
        rate=rate,
        rate_source=source,
        cash=account.cash,
        rates=account.exchange_rates,
        positions=_positions(account, specs),
        strangers=tuple(_strangers(account, specs, strangers)),
    )


def _base_rate(
    account: AccountSnapshot, reporting: Currency, market: MarketData, session: Session
) -> tuple[Decimal | None, str]:
    """Value of the account's currency in the reporting one, and who says so."""
    if account.base == reporting:
        return Decimal(1), "one currency"
    own = account.exchange_rates.get(reporting)
    if own:
        return 1 / own, "the account's own rate"
    found = market.rate(account.base, reporting, session)
    return found, "market data" if found is not None else ""


def gateway_names(specs: Specs) -> Callable[[Position], FuturesContract | None]:
    """Return what turns a position of the gateway into our contract; None for one not ours."""
    by_name = {(s.ib_symbol, s.trading_class): s for s in specs.values()}
    for each in specs.values():
        if not each.trading_class:  # unknown to us: the symbol alone, where no class claims it
            by_name.setdefault((each.ib_symbol, ""), each)

    def named(position: Position) -> FuturesContract | None:
        key = (position.symbol, position.trading_class)
        spec = by_name.get(key) or by_name.get((position.symbol, ""))
        if spec is None or position.contract_month is None:
            return None
        return FuturesContract(spec.root, position.contract_month)

    return named


def _positions(account: AccountSnapshot, specs: Specs) -> Mapping[str, int] | None:
    if account.positions is None:
        return None
    named, found = gateway_names(specs), dict[str, int]()
    for position in account.positions:
        contract = named(position)
        if contract is not None:
            found[contract.symbol] = found.get(contract.symbol, 0) + position.quantity
    return found


def _strangers(
    account: AccountSnapshot, specs: Specs, fills: Iterable[tuple[FuturesContract | None, Fill]]
) -> Iterable[StrangersTrade]:
    """Name what is not named by the account's positions: an execution tells a number alone."""
    named = gateway_names(specs)
    positions = {p.con_id: named(p) for p in account.positions or ()}
    for known, fill in fills:
        contract = known or positions.get(fill.con_id)
        yield StrangersTrade(
            exec_id=fill.exec_id,
            at=fill.at,
            symbol="" if contract is None else contract.symbol,
            quantity=fill.signed,
            price=fill.price,
            commission=fill.commission,
            commission_currency=fill.commission_currency,
        )


def _each_once(records: Iterable[AccountNav]) -> Sequence[StrangersTrade]:
    """Executions of strangers in all records; one that could be named once is named."""
    known: dict[str, StrangersTrade] = {}
    for trade in (t for record in records for t in record.strangers):
        if trade.exec_id not in known or not known[trade.exec_id].symbol:
            known[trade.exec_id] = trade
    return tuple(known.values())


def history(
    ledger: Ledger,
    market: MarketData,
    specs: Specs,
    settings: Settings,
    results: Iterable[ModelResult],
) -> NavHistory:
    """Compare the account with the models, as far as both are known."""
    kept = [(record, lives(record.orders, record.events)) for record in ledger.records()]
    traded = desk_trades(ledger, kept)
    models = {m.name: m for m in settings.models}
    books = [
        nav.ModelBook(
            name=result.model,
            scale=models[result.model].scale,
            values={day: Decimal(repr(value)) for day, value in result.portfolio_value},
            fills=_model_fills(result, specs),
            desk=(*_adopted(ledger, result.model), *traded.get(result.model, ())),
            native=settings.engine.currency is CurrencyRule.NATIVE,
        )
        for result in results
        if result.model in models
    ]
    reporting = Currency(settings.engine.base_currency)
    records = ledger.navs(settings.desk.account)
    inputs = nav.NavInputs(
        reporting=reporting,
        records=nav.one_per_session(records),
        models=books,
        specs=specs,
        close=_closes(market, specs),
        rate=lambda currency, session: market.rate(currency, reporting, session),
        opens_after=calendar.opens_after,
        flows=ledger.flows(),
        strangers=_each_once(records),
        doubts=tuple(doubts(kept)),
    )
    compared = nav.compare(inputs)
    last = max((max(b.values) for b in books if b.values), default=None)
    if last is None:
        return compared
    return replace(compared, positions=nav.open_positions(inputs, last))


def _closes(market: MarketData, specs: Specs) -> Callable[[FuturesContract, date], Decimal | None]:
    def close(contract: FuturesContract, session: date) -> Decimal | None:
        spec = specs.get(contract.root)
        found = None if spec is None else market.last_close(contract, session)
        return None if spec is None or found is None else spec.to_ib(found)

    return close


def _model_fills(result: ModelResult, specs: Specs) -> Sequence[tuple[date, nav.Trade]]:
    fills = []
    for row in result.transactions:
        contract = read_symbol(row.symbol, on=row.session)
        spec = specs.get(contract.root)
        if spec is not None:
            price = spec.to_ib(Decimal(repr(row.price)))
            trade = nav.Trade(contract=contract, quantity=Decimal(row.amount), price=price)
            fills.append((row.session, trade))
    return fills


def _adopted(ledger: Ledger, model: str) -> Iterable[Timed]:
    for at, contract, quantity in ledger.adoptions(model):
        yield at, nav.Trade(contract=contract, quantity=Decimal(quantity), price=None)


def doubts(kept: Iterable[Kept]) -> Iterator[tuple[datetime, str]]:
    """Name orders that are unknown when they left, and fills by a person's word also then.

    They may have filled in the stretch in which they left; by a word they count from the word on.
    """
    for record, known in kept:
        left: dict[str, datetime] = {}
        for event in record.events:
            left.setdefault(event.order_ref, event.at)
        for ref, life in known.items():
            told = [fill.at for fill in life.fills if fill.by_word]
            if life.state is OrderState.UNKNOWN:
                yield left[ref], f"what became of {ref}"
            for at in (left[ref], *told) if told else ():
                yield at, f"when {ref} filled: a person has told it"


def desk_trades(ledger: Ledger, kept: Iterable[Kept]) -> Mapping[str, Sequence[Timed]]:
    """Return what the desk traded for each model, by its own orders and its shares of others."""
    found: dict[str, list[Timed]] = {}
    for record, orders in kept:
        known = with_rows(orders, record.netting)
        whole = [ref for ref, life in known.items() if life.order.model == DESK_MODEL]
        parts = ledger.parts(whole) if whole else {}
        for ref, life in known.items():
            if life.order.model == DESK_MODEL:
                for model, trade in _shared(life, parts.get(ref, {})):
                    found.setdefault(model, []).append(trade)
            elif life.order.model != NET_MODEL:  # its rows have it, each its part
                found.setdefault(life.order.model, []).extend(_own(life))
    return found


def _own(life: OrderLife) -> Iterable[Timed]:
    order = life.order
    for fill in life.fills:
        inside = fill.exec_id.startswith(INSIDE)
        yield (
            calendar.evening_of(order.session) + _AFTER_EVERY_RECORD if inside else fill.at,
            nav.Trade(
                contract=order.contract,
                quantity=Decimal(fill.signed),
                price=fill.price,
                reference=order.reference_price,
                commission=fill.commission,
                commission_currency=fill.commission_currency,
            ),
        )


def _shared(life: OrderLife, parts: Mapping[str, int]) -> Iterable[tuple[str, Timed]]:
    """Deal the fills of an order of the whole desk to the models whose positions it closes."""
    done, order = 0, life.order
    before = dict.fromkeys(parts, 0)
    for fill in life.fills:
        done += fill.signed
        after = shares(parts, ordered=order.signed, filled=done) if parts else {}
        for model, quantity in after.items():
            mine = quantity - before[model]
            if not mine:
                continue
            paid = None if fill.commission is None else fill.commission * abs(mine) / fill.quantity
            trade = nav.Trade(
                contract=order.contract,
                quantity=Decimal(mine),
                price=fill.price,
                reference=order.reference_price,
                commission=paid,
                commission_currency=fill.commission_currency,
            )
            yield model, (fill.at, trade)
        before = dict(after)
