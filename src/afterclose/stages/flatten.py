"""Flatten: the orders that take the account out of its positions, and nothing further. Pure.

The account decides how much: an order is never larger than the position it closes, and never on
its side, so that none can flip it. The desk's records decide whose it was: each order carries, per
model, what that model is rid of when it has filled. A contract on which somebody else has a working
order is left alone, since the two together could trade it past zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import (
    ContractSpec,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Session,
    Settlement,
)
from afterclose.domain.market import Quote
from afterclose.domain.orders import Action, BasketOrder, OrderState, TradeKind
from afterclose.domain.sending import DESK_MODEL, flatten_ref
from afterclose.errors import BrokerTimeout

ORDER_TYPES = ("MKT", "LMT", "ADAPTIVE", "VWAP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A contract as a basket file names it: six digits are its month, eight its last day.

    An empty multiplier means any.
    """

    symbol: str
    expiry: str
    multiplier: str = ""

    def names(self, found: QualifiedContract) -> bool:
        """Whether the gateway's contract is the one that is named."""
        last = found.last_trade_date
        days = {found.contract_month.yyyymm, f"{last:%Y%m%d}" if last else ""}
        if found.symbol != self.symbol or self.expiry not in days:
            return False
        return not self.multiplier or Decimal(self.multiplier) == Decimal(found.multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which positions: all, those of some roots or contracts, of a basket, or of one model."""

    everything: bool = False
    roots: frozenset[str] = frozenset()
    contracts: frozenset[str] = frozenset()
    listed: tuple[Listed, ...] = ()
    model: str = ""

    @property
    def chosen(self) -> bool:
        """Whether anything was chosen at all; without it flatten only shows."""
        return self.everything or bool(self.roots or self.contracts or self.listed or self.model)

    def names(self, contract: FuturesContract) -> bool:
        """Whether a contract is meant in which the account need not hold anything."""
        if self.everything or not self.chosen:
            return True
        return contract.root in self.roots or contract.symbol in self.contracts

    def takes(self, contract: FuturesContract, found: QualifiedContract) -> bool:
        """Whether a contract is meant."""
        if self.everything or self.model or any(one.names(found) for one in self.listed):
            return True
        return contract.root in self.roots or contract.symbol in self.contracts


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenInputs:
    """Everything that decides the orders.

    ``qualified`` is by contract number, from the gateway; ``ours`` are the references that this
    desk named, ``past`` the states of this session's orders, ``held`` what each model holds.
    ``ticks`` is how far a limit reaches beyond the market's side, towards being filled.
    """

    desk: str
    session: Session
    account: AccountSnapshot
    qualified: Mapping[int, QualifiedContract]
    specs: Mapping[RootSymbol, ContractSpec]
    quotes: Mapping[int, Quote]
    held: Mapping[str, Mapping[FuturesContract, int]]
    ours: frozenset[str]
    past: Mapping[str, OrderState] = field(default_factory=dict)
    #: Contracts on which an order of ours is neither working nor ended, and which it is.
    doubtful: Mapping[FuturesContract, str] = field(default_factory=dict)
    selection: Selection
    order_type: str = "MKT"
    ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenRow:
    """One position: the order that closes it, or why there is none."""

    position: Position
    name: str
    order: BasketOrder | None
    qualified: QualifiedContract | None
    #: Signed contracts that each model is rid of once the order has filled.
    parts: Mapping[str, int] = field(default_factory=dict)
    #: This desk's working orders on the contract: cancelled first.
    working: tuple[BrokerOrder, ...] = ()
    reason: str = ""


def plan(inputs: FlattenInputs) -> tuple[FlattenRow, ...]:
    """Make one row per position that is chosen, all of them where nothing is.

    Raises BrokerTimeout while positions or working orders are not known: nothing is flat because
    nobody answered.
    """
    require_known(inputs.account)
    positions = inputs.account.positions or ()
    rows = [_row(inputs, position) for position in positions if position.quantity]
    chosen = [row for row in rows if row is not None]
    return tuple(_without_namesakes(sorted(chosen, key=lambda row: row.name)))


def require_known(account: AccountSnapshot) -> None:
    """Raise BrokerTimeout while positions or working orders are not known."""
    if account.positions is None or account.working_orders is None:
        raise BrokerTimeout(
            f"not known: {', '.join(account.unknown) or 'positions'} of {account.account}",
            hint="nothing was cancelled or sent; look at the gateway and try again",
        )


def _without_namesakes(rows: Sequence[FlattenRow]) -> list[FlattenRow]:
    """Two contract numbers under one name of ours could not be told apart in the journal."""
    names = [row.name for row in rows]
    return [
        replace(row, order=None, reason="two contracts of the account have this name: use TWS")
        if names.count(row.name) > 1
        else row
        for row in rows
    ]


def _row(inputs: FlattenInputs, position: Position) -> FlattenRow | None:
    found = inputs.qualified.get(position.con_id)
    selection = inputs.selection
    if found is None:
        name = f"{position.symbol} {position.con_id}"
        unknown = FlattenRow(
            position=position,
            name=name,
            order=None,
            qualified=None,
            reason="the gateway does not say what contract this is",
        )
        named = position.symbol in selection.roots
        return unknown if named or selection.everything or not selection.chosen else None
    mapped = _mapped(inputs.specs, found)
    if selection.chosen and not selection.takes(mapped.contract, found):
        return None
    qualified = replace(found, contract=mapped.contract)
    quantity, parts, reason = _quantity(inputs, position, mapped.contract)
    if selection.model and not parts:
        return None
    working = [o for o in inputs.account.working_orders or () if o.con_id == position.con_id]
    foreign = [o for o in working if o.order_ref not in inputs.ours]
    doubt = inputs.doubtful.get(mapped.contract, "")
    reason = reason or _foreign(foreign) or _not_taken(inputs.order_type, qualified) or doubt
    order = None if reason else _order(inputs, position, mapped, quantity)
    if order is None:
        reason = reason or "no quote to make a limit from: use MKT"
    return FlattenRow(
        position=position,
        name=mapped.contract.symbol,
        order=order,
        qualified=qualified,
        parts=parts,
        working=tuple(o for o in working if o.order_ref in inputs.ours),
        reason=reason,
    )


def _quantity(
    inputs: FlattenInputs, position: Position, contract: FuturesContract
) -> tuple[int, Mapping[str, int], str]:
    """Return the signed quantity of the order, whose it is, and what is against it."""
    holding = {
        model: book[contract] for model, book in sorted(inputs.held.items()) if book.get(contract)
    }
    model = inputs.selection.model
    if not model:
        return -position.quantity, {m: -held for m, held in holding.items()}, ""
    held = holding.get(model, 0)
    if held == 0:
        return 0, {}, ""
    if held * position.quantity < 0:
        against = f"{model} holds {held:+d}, the account {position.quantity:+d}: left alone"
        return 0, {model: -held}, against
    side = 1 if held > 0 else -1
    quantity = -side * min(abs(held), abs(position.quantity))
    return quantity, {model: quantity}, ""


def _foreign(orders: Sequence[BrokerOrder]) -> str:
    named = [
        f"{o.action.value} {o.remaining} ({o.order_ref or 'no reference'}, client {o.client_id})"
        for o in orders
    ]
    return f"a working order that is not this desk's: {'; '.join(named)}" if named else ""


def _not_taken(order_type: str, qualified: QualifiedContract) -> str:
    if order_type in {"ADAPTIVE", "VWAP"} and "ALGO" not in qualified.order_types:
        return f"{qualified.local_symbol} does not take {order_type} orders"
    return ""


def _mapped(specs: Mapping[RootSymbol, ContractSpec], found: QualifiedContract) -> MappedContract:
    """Name the contract as the desk does, or, where its table has no such product, as IB does."""
    month = found.contract_month
    for spec in specs.values():
        if (spec.ib_symbol, spec.trading_class) == (found.symbol, found.trading_class):
            return MappedContract(contract=FuturesContract(spec.root, month), spec=spec)
    root = RootSymbol(re.sub(r"[^A-Za-z0-9]", "", found.trading_class or found.symbol))
    spec = ContractSpec(
        root=root,
        name=found.local_symbol,
        sector="",
        ib_symbol=found.symbol,
        ib_exchange=found.exchange,
        trading_class=found.trading_class,
        currency=found.currency,
        multiplier=found.multiplier,
        price_magnifier=found.price_magnifier,
        tick_size=found.tick_size,
        point_value=found.point_value,
        vendor_to_ib_scale=Decimal(1),
        quotation="",
        months="",
        settlement=Settlement.CASH,
        confidence="the gateway's word",
    )
    return MappedContract(contract=FuturesContract(root, month), spec=spec)


def _order(
    inputs: FlattenInputs, position: Position, mapped: MappedContract, signed: int
) -> BasketOrder | None:
    action, spec = Action.of(signed), mapped.spec
    quote = inputs.quotes.get(position.con_id)
    market = None if quote is None else _side(quote, action)
    if market is None and inputs.order_type != "MKT":
        return None
    cost = position.average_cost / spec.point_value if spec.point_value else Decimal(0)
    reference = cost if market is None else market
    limit = spec.to_tick(reference) + action.sign * inputs.ticks * spec.tick_size
    return BasketOrder(
        order_ref=_free_name(inputs, mapped.contract),
        model=DESK_MODEL,
        mapped=mapped,
        action=action,
        quantity=abs(signed),
        kind=TradeKind.EXIT,
        limit_price=limit,
        account=inputs.account.account,
        session=inputs.session,
        trade_id=f"flatten/{inputs.session.isoformat()}/{mapped.contract.symbol}",
        model_quantity=abs(signed),
        held_before=position.quantity,
        reference_price=reference,
        order_type=inputs.order_type,
        reason="flatten",
    )


def _side(quote: Quote, action: Action) -> Decimal | None:
    side = quote.bid if action is Action.SELL else quote.ask
    return quote.price if side is None else side


def _free_name(inputs: FlattenInputs, contract: FuturesContract) -> str:
    attempt = 1
    while True:
        name = flatten_ref(
            desk=inputs.desk, session=inputs.session, contract=contract, attempt=attempt
        )
        state = inputs.past.get(name)
        if state is None:
            return name
        attempt += 1


def unchanged(shown: Sequence[FlattenRow], now: Sequence[FlattenRow]) -> tuple[FlattenRow, ...]:
    """Return the rows of now whose order is the one that was shown and confirmed."""
    confirmed = {
        (row.position.con_id, row.order.signed, row.order.order_type): row.order.order_ref
        for row in shown
        if row.order
    }
    return tuple(
        replace(row, order=replace(row.order, order_ref=confirmed[key]))
        for row in now
        if row.order is not None
        and (key := (row.position.con_id, row.order.signed, row.order.order_type)) in confirmed
    )
