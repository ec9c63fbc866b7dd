"""What the comparison of net asset values is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from afterclose.domain.contracts import ContractSpec, Currency, FuturesContract, RootSymbol
from afterclose.domain.nav import AccountNav, CashFlow, StrangersTrade

#: Close of a contract in a session, in IB units; rate of a currency in the reporting currency.
CloseOf = Callable[[FuturesContract, date], Decimal | None]
RateOf = Callable[[Currency, date], Decimal | None]
#: When the session after one begins to trade.
OpensAfter = Callable[[date], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Signed contracts at a price (IB units); ``reference`` is the decision's price.

    A trade without a price is a position taken over: it counts from the last close on.
    """

    contract: FuturesContract
    quantity: Decimal
    price: Decimal | None
    reference: Decimal | None = None
    #: Of the desk; None where the broker has not told it.
    commission: Decimal | None = None
    commission_currency: Currency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBook:
    """One model: its values and fills by session, and the account's money per unit of its own.

    A ``native`` model takes every point value as the reporting currency's, as Zipline does.
    """

    name: str
    scale: Decimal
    values: Mapping[date, Decimal]
    fills: Sequence[tuple[date, Trade]]
    #: What the desk did for it, by the moment.
    desk: Sequence[tuple[datetime, Trade]]
    native: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NavInputs:
    """Everything that is known; ``records`` are one per session, oldest first.

    ``strangers`` are the executions of others, each once, that any record was told of. ``doubts``
    are moments of orders whose fate or price only a person can say, each with its words.
    """

    reporting: Currency
    records: Sequence[AccountNav]
    models: Sequence[ModelBook]
    specs: Mapping[RootSymbol, ContractSpec]
    close: CloseOf
    rate: RateOf
    opens_after: OpensAfter
    flows: Sequence[CashFlow] = ()
    strangers: Sequence[StrangersTrade] = ()
    doubts: Sequence[tuple[datetime, str]] = ()
