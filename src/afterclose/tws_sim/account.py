"""The account: positions, cash per currency, margin, daily settlement.

Futures are settled daily: at each session's close the change of the price since the last
settlement (or since the fill) goes to the cash of the contract's currency. Nothing is converted
by itself; a currency's cash may turn negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from afterclose.tws_sim.contracts import CashPair, Instrument, Listing
from afterclose.tws_sim.orders import Action, PositionView, month_of

_MAINTENANCE_SHARE = Decimal("0.9")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position the account starts with: root and price unit as in the market files."""

    root: str
    contract_month: str
    quantity: int
    average_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """The account a gateway starts with."""

    account: str = "DU1234567"
    base: str = "USD"
    cash: Mapping[str, Decimal]
    positions: Iterable[Holding] = ()


@dataclass(slots=True, kw_only=True)
class Position:
    """What is held of one contract. ``basis`` is the value not yet settled into cash."""

    listing: Listing
    quantity: Decimal
    average_price: Decimal
    basis: Decimal
    realized: Decimal = Decimal(0)

    def value(self, price: Decimal) -> Decimal:
        """Return the contract value at a price, in the contract's currency."""
        return self.quantity * price * self.listing.point_value

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the profit since entry."""
        return self.quantity * (price - self.average_price) * self.listing.point_value

    @property
    def average_cost(self) -> Decimal:
        """Return IB's avgCost: the full value of one contract in major currency units."""
        return self.average_price * self.listing.point_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The account in its base currency."""

    cash: Decimal
    unsettled: Decimal
    unrealized: Decimal
    realized: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def net_liquidation(self) -> Decimal:
        """Cash plus the futures result that is not settled yet."""
        return self.cash + self.unsettled

    @property
    def available_funds(self) -> Decimal:
        """What may still be bound by initial margin."""
        return self.net_liquidation - self.initial_margin

    @property
    def excess_liquidity(self) -> Decimal:
        """What may be lost before positions are liquidated."""
        return self.net_liquidation - self.maintenance_margin


class MissingRateError(LookupError):
    """A currency is used for which the market has no rate."""


PriceOf = Callable[[Instrument], Decimal]
RateOf = Callable[[str], Decimal | None]


class Account:
    """The book of one account."""

    def __init__(self, *, name: str, base: str, cash: Mapping[str, Decimal]) -> None:
        self.name = name
        self.base = base
        self.cash: dict[str, Decimal] = {base: Decimal(0)} | dict(cash)
        self.realized: dict[str, Decimal] = {}
        self.positions: dict[int, Position] = {}
        self.settled: dict[int, date] = {}

    def hold(self, listing: Listing, quantity: int, average_price: Decimal, price: Decimal) -> None:
        """Put a starting position in; it counts as settled at the current price."""
        self.positions[listing.con_id] = Position(
            listing=listing,
            quantity=Decimal(quantity),
            average_price=average_price,
            basis=quantity * price * listing.point_value,
        )

    def quantity(self, con_id: int) -> Decimal:
        """Return the signed position."""
        position = self.positions.get(con_id)
        return Decimal(0) if position is None else position.quantity

    def fill(
        self, item: Instrument, action: Action, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> Decimal | None:
        """Book a fill; return the profit realized by what it closed, None if it only opened."""
        if isinstance(item, CashPair):
            self._exchange_money(item, action.sign * quantity, price, fee)
            return None
        position = self.positions.setdefault(
            item.con_id,
            Position(
                listing=item,
                quantity=Decimal(0),
                average_price=Decimal(0),
                basis=Decimal(0),
            ),
        )
        signed = action.sign * quantity
        closed = _closing_part(position.quantity, signed)
        profit = -closed * (price - position.average_price) * item.point_value
        position.average_price = _new_average(position, signed, price)
        position.quantity += signed
        position.basis += signed * price * item.point_value
        position.realized += profit
        self._pay(item.currency, -fee)
        if not closed:
            return None
        self.realized[item.currency] = self.realized.get(item.currency, Decimal(0)) + profit
        return profit - fee

    def _exchange_money(
        self, pair: CashPair, signed: Decimal, price: Decimal, fee: Decimal
    ) -> None:
        self._pay(pair.base, signed)
        self._pay(pair.quote, -signed * price)
        self._pay(self.base, -fee)

    def _pay(self, currency: str, amount: Decimal) -> None:
        self.cash[currency] = self.cash.get(currency, Decimal(0)) + amount

    def settle(self, con_id: int, price: Decimal, session: date) -> None:
        """Move the result since the last settlement into cash."""
        position = self.positions[con_id]
        value = position.value(price)
        self._pay(position.listing.currency, (value - position.basis).quantize(_CENT))
        position.basis = value
        self.settled[con_id] = session
        if not position.quantity:
            del self.positions[con_id]

    def expire(self, con_id: int, price: Decimal) -> None:
        """Close a position at its final settlement, in cash."""
        position = self.positions.pop(con_id)
        self._pay(position.listing.currency, (position.value(price) - position.basis))

    def held(self) -> list[Position]:
        """Return the open positions, by contract id."""
        return [self.positions[key] for key in sorted(self.positions) if self.quantity(key)]

    def views(self) -> tuple[PositionView, ...]:
        """Take a snapshot of the open positions."""
        return tuple(
            PositionView(
                root=position.listing.root,
                contract_month=month_of(position.listing),
                con_id=position.listing.con_id,
                quantity=position.quantity,
                average_price=position.average_price,
            )
            for position in self.held()
        )

    def margin(self, rate: RateOf, changes: Mapping[int, tuple[Listing, Decimal]]) -> Decimal:
        """Return the initial margin in base currency, after changes of some positions."""
        held = {key: (each.listing, each.quantity) for key, each in self.positions.items()}
        held |= {key: (item, self.quantity(key) + delta) for key, (item, delta) in changes.items()}
        return sum(
            (
                abs(quantity) * item.product.initial_margin * self.to_base(item.currency, rate)
                for item, quantity in held.values()
            ),
            Decimal(0),
        )

    def to_base(self, currency: str, rate: RateOf) -> Decimal:
        """Return base units per unit of a currency. Raises MissingRateError."""
        if currency == self.base:
            return Decimal(1)
        theirs, ours = rate(currency), rate(self.base)
        if theirs is None or ours is None:
            raise MissingRateError(f"no rate from {currency} to {self.base}")
        return theirs / ours

    def totals(self, price: PriceOf, rate: RateOf) -> Totals:
        """Value the account. Raises MissingRateError."""
        unsettled = unrealized = Decimal(0)
        for position in self.positions.values():
            factor = self.to_base(position.listing.currency, rate)
            now = price(position.listing)
            unsettled += (position.value(now) - position.basis) * factor
            unrealized += position.unrealized(now) * factor
        initial = self.margin(rate, {})
        return Totals(
            cash=sum(
                (amount * self.to_base(ccy, rate) for ccy, amount in self.cash.items()), _ZERO
            ),
            unsettled=unsettled,
            unrealized=unrealized,
            realized=sum(
                (amount * self.to_base(ccy, rate) for ccy, amount in self.realized.items()), _ZERO
            ),
            initial_margin=initial,
            maintenance_margin=initial * _MAINTENANCE_SHARE,
        )


_ZERO = Decimal(0)


def maintenance_of(initial: Decimal) -> Decimal:
    """Return the maintenance margin that goes with an initial margin."""
    return initial * _MAINTENANCE_SHARE


def _closing_part(held: Decimal, signed: Decimal) -> Decimal:
    """Return the part of a fill that closes, with the fill's sign; zero if it opens."""
    if held * signed >= 0:
        return Decimal(0)
    size = min(abs(held), abs(signed))
    return size if signed > 0 else -size


def _new_average(position: Position, signed: Decimal, price: Decimal) -> Decimal:
    after = position.quantity + signed
    if not after:
        return Decimal(0)
    if position.quantity * signed >= 0:
        return (position.average_price * position.quantity + price * signed) / after
    # Turned over: what is left was opened by this fill. Only reduced: the entry price stays.
    return price if after * signed > 0 else position.average_price
