"""The broker's book: the orders it shows, and what one whole look at it found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from afterclose.domain.orders import Action, Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker's own book shows it, ours or anybody's."""

    order_ref: str
    perm_id: int
    client_id: int
    con_id: int
    symbol: str
    action: Action
    quantity: int
    filled: int
    status: str
    account: str
    limit_price: Decimal | None = None
    text: str = ""

    @property
    def remaining(self) -> int:
        """What is still to be filled, unsigned."""
        return max(0, self.quantity - self.filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSweep:
    """The broker's book, read whole: each part only counts when its End marker was seen."""

    at: datetime
    open_orders: tuple[BrokerOrder, ...]
    completed_orders: tuple[BrokerOrder, ...]
    fills: tuple[Fill, ...]
    #: Names of the parts that did not end in time; while there are any, absence proves nothing.
    unknown: tuple[str, ...] = ()

    @property
    def gap(self) -> str:
        """Which parts are missing, in words; empty where the book is whole."""
        missing = ", ".join(self.unknown)
        return f"the broker's book could not be read whole: no end of {missing}" if missing else ""
