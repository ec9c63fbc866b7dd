"""What the acts of an evening gather and assemble between two stages. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from afterclose import clock as calendar
from afterclose import unfinished
from afterclose.artifacts import digest_of
from afterclose.books import Books, market_orders
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import (
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import MarketSnapshot, VendorContract
from afterclose.domain.netting import Netting
from afterclose.domain.notices import Notice
from afterclose.domain.orders import Approval, BasketOrder, ExcludedTrade, TradeKind
from afterclose.domain.runs import (
    CurrencyRule,
    ModelResult,
    RunManifest,
    TradesFrom,
)
from afterclose.domain.sending import LimitFigure
from afterclose.half_rolls import half_rolls
from afterclose.nav_book import gateway_names
from afterclose.ports import (
    BasketFiles,
    BrokerReader,
    Clock,
    Ledger,
    MarginPreview,
    MarketData,
    ModelRunner,
    OrderDesk,
)
from afterclose.report.evening import Capital, DataState, EveningView, Mark, ModelSummary
from afterclose.rolled import after_hand_rolls, still_wanted
from afterclose.settings import CapitalSource, Settings, SizeRule, Weight
from afterclose.stages import (
    audit,
    basket,
    quality,
    signals,
    sizing,
    snapshot,
    update,
)
from afterclose.stages import mapping as mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything an evening works with; made by ``bootstrap``, never by a stage.

    ``say`` shows progress to whoever watches. Readers and order desks are opened when they are
    needed, and only ``trade`` opens an order desk.
    """

    settings: Settings
    specs: Mapping[RootSymbol, ContractSpec]
    clock: Clock
    market: MarketData
    runner: ModelRunner
    ledger: Ledger
    baskets: BasketFiles
    open_reader: Callable[[], AbstractAsyncContextManager[BrokerReader]]
    open_order_desk: Callable[[Approval], AbstractAsyncContextManager[OrderDesk]]
    code_version: str
    say: Callable[[str], None]
    open_margin_preview: Callable[[], AbstractAsyncContextManager[MarginPreview]] | None = None
    on_order_event: Callable[[str], None] = lambda _text: None
    #: Tells the person who is elsewhere.
    tell: Callable[[Notice], None] = lambda _notice: None

    @property
    def base(self) -> Currency:
        """The currency that money is counted in."""
        return Currency(self.settings.engine.base_currency)


def model_book(desk: Desk, tonight: signals.ModelTonight, books: Books) -> basket.ModelBook:
    """Lay one model's wishes beside the desk's records for it."""
    model = next(m for m in desk.settings.models if m.name == tonight.model)
    held = books.held.get(tonight.model, {})
    tonight = after_hand_rolls(
        tonight,
        desk.ledger.rolled(tonight.model),
        held,
        lambda contract: desk.market.last_close(contract, tonight.session),
    )
    closes = dict(tonight.prices)
    for contract in held:
        close = closes.get(contract)
        if close is None:  # a price of zero is a price
            close = desk.market.last_close(contract, tonight.session)
        if close is not None:
            closes[contract] = close
    return basket.ModelBook(
        model=tonight.model,
        session=tonight.session,
        trades=tonight.trades,
        target=still_wanted(tonight, held, desk.ledger.flattened(tonight.model)),
        held=held,
        working=books.working.get(tonight.model, {}),
        closes=closes,
        scale=model.scale,
        catch_up_entries=desk.settings.basket.catch_up_entries,
        done=books.done.get(tonight.model, {}),
        complete=books.complete.get(tonight.model, frozenset()),
        audit_sizes=desk.settings.audit.size is SizeRule.AUDIT,
        half_rolled=half_rolls(desk.ledger, tonight.session).get(tonight.model, {}),
        complete_rolls=desk.settings.basket.complete_rolls,
    )


#: What adds to a position; of a reversal the audit lets the closing part go.
_ADDING = frozenset({TradeKind.ENTRY, TradeKind.ADD})


def terms(
    desk: Desk, session: Session, books: Books, contracts: Iterable[FuturesContract]
) -> basket.OrderTerms:
    """What all orders of the evening share."""
    chosen = desk.settings.basket
    moves = {c.symbol: desk.market.daily_move(c, session) for c in contracts}
    return basket.OrderTerms(
        desk=desk.settings.desk.name,
        account=desk.settings.desk.account,
        session=session,
        rounding=chosen.rounding,
        rounding_buy=chosen.rounding_buy,
        rounding_sell=chosen.rounding_sell,
        entry_offset_ticks=chosen.entry_offset_ticks,
        exit_offset_ticks=chosen.exit_offset_ticks,
        entry_offset_moves=chosen.entry_offset_moves,
        exit_offset_moves=chosen.exit_offset_moves,
        daily_moves={symbol: move for symbol, move in moves.items() if move is not None},
        past=books.states,
    )


def map_trades(
    desk: Desk, made: Iterable[basket.DeskTrades], session: Session
) -> tuple[list[basket.DeskTrades], mapped.ContractMap]:
    """Map every contract of the evening and set the unmapped ones aside, with their reasons."""
    made = list(made)
    contracts = [t.trade.contract for group in made for t in group.trades]
    found = mapped.map_contracts(contracts, desk.specs, session=session)
    doubtful = unfinished.doubtful(desk.settings.runs, desk.ledger, session)
    notes = {c: (*found.notes.get(c, ()), doubt) for c, doubt in doubtful.items()}
    found = replace(found, notes={**found.notes, **notes})
    return [basket.without_contracts(group, found.blocked) for group in made], found


def netted(desk: Desk, orders: Sequence[BasketOrder], session: Session) -> Netting:
    """Return what goes to the market of these rows."""
    chosen = desk.settings
    return market_orders(
        desk.ledger, orders, desk=chosen.desk.name, session=session, net=chosen.basket.net
    )


def order_notes(
    tonight: basket.Basket,
    contracts: mapped.ContractMap,
    late: Mapping[str, Finding],
    seen: quality.BarQuality,
    barred: Mapping[str, Sequence[Finding]] | None = None,
) -> dict[str, tuple[Finding, ...]]:
    """Gather what is known against each order before the gateway is asked.

    A late market blocks its own openings; its closings go, and show it. What looks wrong in the
    bars of a market is on each of its orders. A model that is ``barred`` adds nothing: what closes,
    and rolls, which only carry on, go.
    """
    notes: dict[str, tuple[Finding, ...]] = {}
    for order in tonight.orders:
        found = [*tonight.notes.get(order.order_ref, ())]
        found.extend(contracts.notes.get(order.contract, ()))
        found.extend(seen.of(order.contract))
        finding = late.get(order.contract.root)
        if finding is not None:
            severity = Severity.WARN if order.kind.closes else Severity.BLOCK
            found.append(replace(finding, severity=severity, subject=order.contract.symbol))
        for finding in (barred or {}).get(order.model, ()):
            severity = Severity.BLOCK if order.kind in _ADDING else Severity.WARN
            found.append(replace(finding, severity=severity, subject=order.contract.symbol))
        notes[order.order_ref] = tuple(found)
    return notes


def inputs_digest(desk: Desk, session: Session, books: Books) -> str:
    """Return the digest of everything that decides tonight's orders."""
    settings = desk.settings.model_dump(mode="json", exclude=_DECIDES_NOTHING)
    held = {m: {c.symbol: q for c, q in book.items()} for m, book in books.held.items()}
    past = {ref: state.value for ref, state in books.states.items()}
    specs = [desk.specs[root] for root in sorted(desk.specs)]
    return digest_of(
        session, desk.market.fingerprint, desk.code_version, settings, specs, held, past
    )


#: Settings that change where and how fast things are done, and no order.
_DECIDES_NOTHING: Mapping[str, Any] = {
    "home": True,
    "broker": True,
    "ledger": True,
    "data": True,
    "notify": True,
    "engine": {"workers", "cluster", "time_limit_s"},
}


def capital(settings: Settings, account: AccountSnapshot, live: MarketSnapshot) -> Capital:
    """Return the money that entries are sized from, in the base currency; None when unknown."""
    base = Currency(settings.engine.base_currency)
    source = settings.audit.capital
    if source is CapitalSource.FIXED:
        amount = settings.audit.fixed_capital
    elif source is CapitalSource.USD_CASH:
        dollars, rate = account.cash.get(Currency("USD")), live.fx.rate(Currency("USD"))
        amount = None if dollars is None or rate is None else dollars * rate
    else:
        figure = (
            account.net_liquidation
            if source is CapitalSource.NET_LIQUIDATION
            else account.available_funds
        )
        amount = snapshot.capital_in_base(account, live.fx, figure)
    return Capital(rule=source.value, amount=amount, currency=base)


def size_openings(
    desk: Desk,
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    money: Capital,
    results: Iterable[ModelResult],
) -> dict[str, audit.SizedRow]:
    """Size every order that opens; closings and roll legs follow what is held."""
    models = {r.model: _model_money(desk, r) for r in results}
    return sized_rows(desk.settings, orders, live, money, models)


def sized_rows(
    settings: Settings,
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    money: Capital,
    models: Mapping[str, sizing.ModelMoney],
) -> dict[str, audit.SizedRow]:
    """Size by the settings' rules; ``models`` are those whose own sizes can be explained."""
    chosen = settings.audit
    sized = sizing.size_all(
        orders,
        live,
        sizing.Money(
            capital=money.amount,
            sector_fraction=chosen.max_sector_risk,
            total_fraction=chosen.max_total_risk,
        ),
        sizing.SizingRules(
            risk_fraction=chosen.risk_fraction,
            window=chosen.band_window,
            width=chosen.band_width,
            policy=sizing.Policy(chosen.size.value),
            max_volume_share=chosen.max_volume_share,
            max_contracts=chosen.max_contracts,
            max_order_contracts=chosen.max_order_contracts,
        ),
        models,
    )
    return {
        ref: audit.SizedRow(
            sizing=row.sizing, quantity=row.quantity, mismatch=row.mismatch, findings=row.findings
        )
        for ref, row in sized.items()
    }


def _model_money(desk: Desk, result: ModelResult) -> sizing.ModelMoney:
    """What a model sizes with: its own value, and its own ``risk_factor`` where it has one."""
    model = next(m for m in desk.settings.models if m.name == result.model)
    own = model.parameters.get("risk_factor")
    fraction = desk.settings.audit.risk_fraction if own is None else Decimal(str(own))
    return sizing.ModelMoney(
        budget=Decimal(repr(result.net_asset_value)) * model.scale * fraction,
        scale=model.scale,
        native=desk.settings.engine.currency is CurrencyRule.NATIVE,
    )


def next_restart(desk: Desk) -> datetime | None:
    """Return when the gateway restarts next; None where it never does."""
    return restart_after(desk.settings, desk.clock.now())


def restart_after(settings: Settings, now: datetime) -> datetime | None:
    """Return the gateway's first restart after ``now``, by the settings; None: it has none."""
    broker = settings.broker
    if broker.restart == "never":
        return None
    return calendar.next_time_of_day(now, broker.restart, broker.restart_zone)


def audit_rules(settings: Settings, *, execute_on: date) -> audit.AuditRules:
    """Turn the settings into the limits of the checks."""
    chosen = settings.audit
    return audit.AuditRules(
        max_deviation=chosen.max_deviation,
        execute_on=execute_on,
        max_drift_moves=chosen.max_drift_moves,
        max_gross_leverage=chosen.max_gross_leverage,
        max_sector_share=chosen.max_sector_share,
        max_currency_share=chosen.max_currency_share,
        max_margin_share=chosen.max_margin_share,
        max_volume_share=chosen.max_volume_share,
        mode=settings.desk.mode,
        netted=settings.basket.net,
        severities={code: _SEVERITIES[weight] for code, weight in chosen.severities.items()},
    )


_SEVERITIES = {
    Weight.INFO: Severity.INFO,
    Weight.LOOK: Severity.WARN,
    Weight.BLOCK: Severity.BLOCK,
}


def account_holdings(
    desk: Desk, account: AccountSnapshot, session: Session
) -> tuple[audit.Holding, ...]:
    """Value the account's positions, where the desk's data know them, else at their cost."""
    marks = _marks(desk, account, session)
    held = []
    for position in account.positions or ():
        mark = marks.get(position.con_id)
        held.append(
            audit.Holding(
                con_id=position.con_id,
                quantity=position.quantity,
                sector=mark.sector if mark else "unknown",
                currency=position.currency,
                value=position.average_cost if (value := _value_of(mark)) is None else value,
            )
        )
    return tuple(held)


def holdings_at_cost(
    specs: Mapping[RootSymbol, ContractSpec], account: AccountSnapshot
) -> tuple[audit.Holding, ...]:
    """Value the account's positions at their cost, where there is no market data of our own."""
    sectors = {(s.ib_symbol, s.trading_class): s.sector for s in specs.values()}
    return tuple(
        audit.Holding(
            con_id=p.con_id,
            quantity=p.quantity,
            sector=sectors.get((p.symbol, p.trading_class), "unknown"),
            currency=p.currency,
            value=p.average_cost,
        )
        for p in account.positions or ()
    )


def _value_of(mark: Mark | None) -> Decimal | None:
    if mark is None or mark.price is None or mark.point_value is None:
        return None
    return mark.price * mark.point_value


def vendor_contracts(
    desk: Desk, orders: Iterable[BasketOrder]
) -> dict[FuturesContract, VendorContract]:
    """What the data vendor knows of tonight's contracts."""
    found = {o.contract: desk.market.vendor_contract(o.contract) for o in orders}
    return {contract: known for contract, known in found.items() if known is not None}


def held_contracts(
    specs: Mapping[RootSymbol, ContractSpec], contracts: Iterable[FuturesContract]
) -> tuple[MappedContract, ...]:
    """Map the contracts that the desk holds, leaving out what has no facts."""
    return tuple(
        MappedContract(contract=c, spec=specs[c.root]) for c in contracts if c.root in specs
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewParts:
    """What the report shows, as the acts leave it."""

    manifest: RunManifest
    results: Sequence[ModelResult]
    tonight: Sequence[signals.ModelTonight]
    other: Sequence[signals.ModelTonight]
    audit: AuditReport
    live: MarketSnapshot
    money: Capital
    freshness: update.Freshness
    seen: quality.BarQuality
    excluded: Sequence[ExcludedTrade]
    digest: str
    files: Mapping[str, str]
    netting: Netting
    limits: tuple[LimitFigure, ...]
    kept_flat: Mapping[str, tuple[RootSymbol, ...]]


def view(desk: Desk, parts: ViewParts) -> EveningView:
    """Gather the report's view of a prepared evening."""
    return EveningView(
        manifest=parts.manifest,
        models=tuple(_summary(desk, r) for r in parts.results),
        trades=tuple(t for night in parts.tonight for t in night.trades),
        other_rule_trades=tuple(t for night in parts.other for t in night.trades),
        audit=parts.audit,
        account=parts.live.account,
        fx=parts.live.fx,
        capital=parts.money,
        data=DataState(
            source=desk.market.source,
            last_session=parts.freshness.session,
            fingerprint=parts.freshness.fingerprint,
            roots=parts.freshness.roots,
            late=tuple(parts.freshness.late.values()),
            revised=tuple(parts.seen.revised.values()),
        ),
        written_at=desk.clock.now(),
        digest=parts.digest,
        margin_after=parts.audit.margin.initial_after if parts.audit.margin else None,
        dropped=tuple(f for e in parts.excluded for f in e.findings),
        dropped_of=tuple(e.model for e in parts.excluded for _ in e.findings),
        marks=_marks(desk, parts.live.account, parts.freshness.session),
        files=parts.files,
        netting=parts.netting,
        limits=parts.limits,
        kept_flat=parts.kept_flat,
    )


def _summary(desk: Desk, result: ModelResult) -> ModelSummary:
    model = next(m for m in desk.settings.models if m.name == result.model)
    return ModelSummary(
        name=result.model,
        first_session=result.first_session,
        last_session=result.last_session,
        net_asset_value=Decimal(repr(result.net_asset_value)),
        capital_base=model.capital_base,
        capital_allocated=model.allocated or model.capital_base,
        base_currency=desk.base,
        transactions=len(result.transactions),
        positions=len(result.positions),
        orders_open=len(result.open_orders),
        rolls=desk.settings.engine.rolls,
        currency=desk.settings.engine.currency,
        facts=result.facts,
    )


def _marks(desk: Desk, account: AccountSnapshot, session: Session) -> dict[int, Mark]:
    """Price the account's positions by the desk's own data, where it knows the contract."""
    marks: dict[int, Mark] = {}
    named = gateway_names(desk.specs)
    for position in account.positions or ():
        contract = named(position)
        if contract is None:
            continue
        spec = desk.specs[contract.root]
        close = desk.market.last_close(contract, session)
        marks[position.con_id] = Mark(
            root=spec.root,
            sector=spec.sector,
            price=None if close is None else spec.to_ib(close),
            point_value=spec.point_value,
        )
    return marks


def other_rule(rule: TradesFrom) -> TradesFrom:
    """Return the rule that was not chosen."""
    return TradesFrom.TRANSACTIONS if rule is TradesFrom.ORDERS else TradesFrom.ORDERS
