"""The account's value beside the models': what was recorded, and where the difference came from.

A *drift* is the account's result less the models' results, in the reporting currency (the one the
models count in). Its parts add up to it exactly; what no part explains is ``rest``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, repeat

from afterclose.domain.contracts import Currency, FuturesContract

ZERO = Decimal(0)
_SMALLEST = Decimal("1e-8")


def settled_money(amount: Decimal) -> Decimal:
    """Round an amount to 8 decimals: far below any currency's coin, and exact to add up."""
    return amount.quantize(_SMALLEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangersTrade:
    """An execution in the account that no order of this desk had; signed contracts, IB units.

    ``symbol`` is our own; empty where the contract is none of ours or could not be named.
    """

    exec_id: str
    at: datetime
    symbol: str
    quantity: int
    price: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNav:
    """The account at one moment, as the gateway told it; ``session`` is the last one closed then.

    ``cash`` is the balance per currency; ``rates`` are the gateway's own, value of one unit in
    ``base``. ``rate`` is the value of one unit of ``base`` in ``reporting``, with its source; None
    where none was known. ``positions`` are signed contracts by our own symbols, None when unknown.
    ``strangers`` are the executions of others that the gateway still told.
    """

    account: str
    session: date
    as_of: datetime
    base: Currency
    net_liquidation: Decimal
    reporting: Currency
    rate: Decimal | None
    rate_source: str = ""
    cash: Mapping[Currency, Decimal] = field(default_factory=dict)
    rates: Mapping[Currency, Decimal] = field(default_factory=dict)
    positions: Mapping[str, int] | None = None
    strangers: tuple[StrangersTrade, ...] = ()

    @property
    def value(self) -> Decimal | None:
        """Net liquidation value in the reporting currency; None without a rate."""
        return None if self.rate is None else self.net_liquidation * self.rate

    def worth(self, currency: Currency) -> Decimal | None:
        """Value of one unit of a currency in the reporting currency; None where not known."""
        if currency == self.reporting:
            return Decimal(1)
        own = Decimal(1) if currency == self.base else self.rates.get(currency)
        return None if own is None or self.rate is None else own * self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """Money that a person put into the account or took out; negative is out."""

    at: datetime
    amount: Decimal
    currency: Currency
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftParts:
    """Where a difference came from, in the reporting currency; positive is the account's favour.

    slippage: the decision's price against the desk's own fills. timing: the decision's price
    against the model's fill, a session later. commission: the desk's against the model's. missed:
    what the model traded or held and the desk did not, or later, or in another size. currency:
    cash in other currencies, and the account's rates against the data's. other: positions that no
    model of this desk holds, or that the account does not, and trades of strangers. flows: money
    put in or taken out. rest: everything else.
    """

    slippage: Decimal = ZERO
    timing: Decimal = ZERO
    commission: Decimal = ZERO
    missed: Decimal = ZERO
    currency: Decimal = ZERO
    other: Decimal = ZERO
    flows: Decimal = ZERO
    rest: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """The whole difference."""
        return sum((getattr(self, f.name) for f in fields(self)), ZERO)

    def rounded(self) -> DriftParts:
        """Round every part (``settled_money``), so that sums of parts are exact."""
        return DriftParts(**{f.name: settled_money(getattr(self, f.name)) for f in fields(self)})

    def plus(self, other: DriftParts) -> DriftParts:
        """Add part by part."""
        return DriftParts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


#: Names of the parts, in the order in which they are shown.
PARTS = tuple(f.name for f in fields(DriftParts))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDay:
    """One model from one record of the account to the next, scaled to the capital that follows it.

    ``nav`` is the model's own value, scaled; ``result`` its change; ``desk_result`` what the desk's
    trades for it made in the same time, by the data's closes.
    """

    model: str
    nav: Decimal
    result: Decimal
    desk_result: Decimal
    parts: DriftParts


@dataclass(frozen=True, slots=True, kw_only=True)
class NavDay:
    """The account against the models, from one record of the account to the next.

    ``since`` is the session of the record before. ``unknown`` names closes and rates that were
    missing, and a value of the account that is not of the close: what they would explain is in
    ``rest``. ``joined`` is the capital of models that are compared from this day on.
    """

    session: date
    since: date
    account_nav: Decimal
    account_result: Decimal
    models: tuple[ModelDay, ...]
    parts: DriftParts
    unknown: tuple[str, ...] = ()
    joined: Decimal = ZERO

    @property
    def model_nav(self) -> Decimal:
        """The models' values together, scaled."""
        return sum((m.nav for m in self.models), ZERO)

    @property
    def model_result(self) -> Decimal:
        """The models' results together, scaled."""
        return sum((m.result for m in self.models), ZERO)

    @property
    def drift(self) -> Decimal:
        """What the account made more than the models; deposits count."""
        return self.account_result - self.model_result


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """A position that the desk holds for a model, since its entry.

    ``entered`` is the moment at which the present holding began; prices are in IB units, money in
    the reporting currency. ``entry_price`` is the average of what opened it; None for an adopted
    position. ``change`` is the price's move since entry in the position's favour, a fraction.
    """

    model: str
    contract: FuturesContract
    quantity: int
    entered: datetime | None
    entry_price: Decimal | None
    price: Decimal | None
    value: Decimal | None
    result: Decimal | None
    change: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NavHistory:
    """All days that can be compared, oldest first."""

    reporting: Currency
    days: tuple[NavDay, ...] = ()
    #: The first record: where counting begins.
    begins: date | None = None
    account_begins: Decimal | None = None
    models_begin: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[OpenPosition, ...] = ()

    def cumulative(self) -> tuple[DriftParts, ...]:
        """Sums of the parts up to each day."""
        total, sums = DriftParts(), []
        for day in self.days:
            total = total.plus(day.parts)
            sums.append(total)
        return tuple(sums)

    def desk_nav(self) -> tuple[Decimal, ...]:
        """What the models' capital would be worth with the account's results, flows left out.

        It begins at the models' own value, so that both can be compared as returns whatever else
        lies in the account.
        """
        value, values = sum(self.models_begin.values(), ZERO), []
        for day in self.days:
            value += day.joined + day.account_result - day.parts.flows
            values.append(value)
        return tuple(values)


def returns(
    begin: Decimal, values: Iterable[Decimal], joined: Iterable[Decimal] = ()
) -> tuple[Decimal, ...]:
    """Turn values into daily returns; 0 where there was nothing to earn on.

    ``joined`` is, for each day, the capital that came at its beginning and is no result of it.
    """
    found = []
    for value, came in zip(values, chain(joined, repeat(ZERO)), strict=False):
        base = begin + came
        found.append(value / base - 1 if base else ZERO)
        begin = value
    return tuple(found)
