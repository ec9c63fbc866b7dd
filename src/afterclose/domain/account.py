"""What the broker says about the account. Every figure may also be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import ContractMonth, Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One futures position at the broker.

    ``average_cost`` is IB's: price / magnifier × multiplier, the cost of one whole contract.
    """

    account: str
    con_id: int
    symbol: str
    trading_class: str
    contract_month: ContractMonth | None
    quantity: int
    average_cost: Decimal
    currency: Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """The account at one moment. ``None`` and ``unknown`` mean: no answer, not zero.

    Money is in ``base`` unless keyed by currency.
    """

    account: str
    base: Currency
    as_of: datetime
    net_liquidation: Decimal | None
    available_funds: Decimal | None
    excess_liquidity: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    cash: Mapping[Currency, Decimal] = field(default_factory=dict)
    #: The account's own rates, value of one unit in ``base``.
    exchange_rates: Mapping[Currency, Decimal] = field(default_factory=dict)
    #: None: the positions did not come, or not all of them.
    positions: tuple[Position, ...] | None = None
    working_orders: tuple[BrokerOrder, ...] | None = None
    unknown: tuple[str, ...] = ()

    def held(self, con_id: int) -> int | None:
        """Signed position in one contract; None when positions are unknown."""
        if self.positions is None:
            return None
        return sum(p.quantity for p in self.positions if p.con_id == con_id)
