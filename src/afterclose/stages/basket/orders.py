"""Orders: a price on the tick, and a name that is the same in every run of the evening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from afterclose.domain.contracts import ContractSpec, MappedContract, Rounding, Session
from afterclose.domain.findings import Finding
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    ExcludedTrade,
    ModelTrade,
    OrderState,
    TradeKind,
    order_ref,
)
from afterclose.stages.basket import findings as say
from afterclose.stages.basket.targets import DeskTrade, DeskTrades


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What all orders of the evening share.

    Offsets reach towards being filled: in ticks, and in the contract's own daily moves
    (``daily_moves``, vendor units by symbol). ``rounding_buy`` and ``rounding_sell`` go before
    ``rounding``.
    """

    desk: str
    account: str
    session: Session
    rounding: Rounding = Rounding.NEAREST
    rounding_buy: Rounding | None = None
    rounding_sell: Rounding | None = None
    entry_offset_ticks: int = 0
    exit_offset_ticks: int = 0
    entry_offset_moves: Decimal = Decimal(0)
    exit_offset_moves: Decimal = Decimal(0)
    daily_moves: Mapping[str, Decimal] = field(default_factory=dict)
    #: State of every order this desk already named for this session.
    past: Mapping[str, OrderState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """Tonight's orders, what was left out, and what is already known against each order."""

    session: Session
    orders: tuple[BasketOrder, ...]
    excluded: tuple[ExcludedTrade, ...]
    notes: Mapping[str, tuple[Finding, ...]]


def basket_orders(
    made: DeskTrades, mapped: Mapping[str, MappedContract], terms: OrderTerms
) -> Basket:
    """Price and name each trade. ``mapped`` is keyed by symbol. Pure."""
    orders: list[BasketOrder] = []
    excluded = list(made.excluded)
    notes: dict[str, tuple[Finding, ...]] = {}
    for trade in made.trades:
        order, findings = _order(trade, mapped[trade.trade.contract.symbol], terms)
        if order is None:
            excluded.append(_left_out(trade, findings))
        else:
            orders.append(order)
            notes[order.order_ref] = (*trade.findings, *findings)
    paired = _with_pairs(orders)
    return Basket(
        session=terms.session, orders=tuple(paired), excluded=tuple(excluded), notes=notes
    )


def merge(session: Session, baskets: Sequence[Basket]) -> Basket:
    """Lay the baskets of several models into one."""
    return Basket(
        session=session,
        orders=tuple(o for b in baskets for o in b.orders),
        excluded=tuple(e for b in baskets for e in b.excluded),
        notes={ref: found for b in baskets for ref, found in b.notes.items()},
    )


def _order(
    made: DeskTrade, mapped: MappedContract, terms: OrderTerms
) -> tuple[BasketOrder | None, tuple[Finding, ...]]:
    trade = made.trade
    if trade.price is None:
        return None, (say.no_price(trade),)
    name, blocked = _name(made, terms)
    if blocked:
        return None, (blocked,)
    action = Action.of(made.quantity)
    price = mapped.spec.to_ib(trade.price)
    reach, unknown = _reach(trade, action, terms)
    wanted = price + mapped.spec.to_ib(reach)
    limit = limit_price(mapped.spec, wanted, action=action, kind=trade.kind, terms=terms)
    order = BasketOrder(
        order_ref=name,
        model=trade.model,
        mapped=mapped,
        action=action,
        quantity=abs(made.quantity),
        kind=trade.kind,
        limit_price=limit,
        account=terms.account,
        session=terms.session,
        trade_id=trade.trade_id,
        model_quantity=abs(trade.delta),
        held_before=made.held_before,
        reference_price=price,
        reason=trade.reason,
        stop_level=None if trade.stop_level is None else mapped.spec.to_ib(trade.stop_level),
        catch_up=made.catch_up,
    )
    if not mapped.spec.on_tick(price):
        unknown = (*unknown, say.off_grid(trade, price=price, limit=limit))
    return order, unknown


def _reach(
    trade: ModelTrade, action: Action, terms: OrderTerms
) -> tuple[Decimal, tuple[Finding, ...]]:
    """Return how far the limit reaches by daily moves, in vendor units, signed."""
    moves = terms.exit_offset_moves if trade.kind.closes else terms.entry_offset_moves
    if moves == 0:
        return Decimal(0), ()
    daily = terms.daily_moves.get(trade.contract.symbol)
    if daily is None:
        return Decimal(0), (say.move_unknown(trade, moves=moves),)
    return action.sign * moves * daily, ()


def limit_price(
    spec: ContractSpec, price: Decimal, *, action: Action, kind: TradeKind, terms: OrderTerms
) -> Decimal:
    """Return the limit in IB units: the price on its tick, reaching by the offset."""
    offset = terms.exit_offset_ticks if kind.closes else terms.entry_offset_ticks
    side = terms.rounding_buy if action is Action.BUY else terms.rounding_sell
    return spec.to_tick(price, side or terms.rounding) + action.sign * offset * spec.tick_size


def _name(made: DeskTrade, terms: OrderTerms) -> tuple[str, Finding | None]:
    """Return the first attempt without a record; one that may be in the market forbids another."""
    attempt = 1
    while True:
        name = order_ref(
            desk=terms.desk,
            session=terms.session,
            model=made.trade.model,
            contract=made.trade.contract,
            closes=made.trade.kind.closes,
            attempt=attempt,
        )
        state = terms.past.get(name)
        if state is None:
            return name, None
        if not state.final and state is not OrderState.INTENDED:
            return name, say.open_attempt(made.trade, ref=name, state=state.value)
        # Over, or never left: what is left of the trade may be another order by now.
        attempt += 1


def _with_pairs(orders: list[BasketOrder]) -> list[BasketOrder]:
    """Name each roll leg's partner order, where both legs became orders."""
    legs = {(o.model, o.contract.root, o.kind): o for o in orders}
    other = {TradeKind.ROLL_CLOSE: TradeKind.ROLL_OPEN, TradeKind.ROLL_OPEN: TradeKind.ROLL_CLOSE}
    paired = []
    for order in orders:
        partner = legs.get((order.model, order.contract.root, other.get(order.kind, order.kind)))
        if order.kind in other and partner is not None:
            paired.append(replace(order, roll_pair=partner.order_ref))
        else:
            paired.append(order)
    return paired


def _left_out(made: DeskTrade, findings: tuple[Finding, ...]) -> ExcludedTrade:
    return ExcludedTrade(
        subject=made.trade.contract.symbol,
        model=made.trade.model,
        quantity=made.quantity,
        findings=findings,
        trade=made.trade,
    )
