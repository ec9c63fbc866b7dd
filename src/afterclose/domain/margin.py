"""What an order, and a whole basket, would do to the account's margin: by what-ifs, an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.contracts import Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginImpact:
    """The broker's answer to one what-if: this order alone, against the account as it is.

    Money is in the account's base currency; None is unknown, never zero. ``quantity`` is what was
    asked for. Without an answer ``text`` says why, with the gateway's ``code`` where it gave one;
    ``refused`` says that it would refuse the order itself.
    """

    quantity: int
    initial_before: Decimal | None = None
    initial_after: Decimal | None = None
    maintenance_before: Decimal | None = None
    maintenance_after: Decimal | None = None
    warning: str = ""
    refused: bool = False
    code: int | None = None
    text: str = ""

    @property
    def initial_change(self) -> Decimal | None:
        """Initial margin that the order binds; negative where it sets some free."""
        return _difference(self.initial_after, self.initial_before)

    @property
    def maintenance_change(self) -> Decimal | None:
        """Maintenance margin that the order binds; negative where it sets some free."""
        return _difference(self.maintenance_after, self.maintenance_before)


def _difference(after: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if after is None or before is None else after - before


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginEstimate:
    """Margin before the basket and, as an estimate, after all of it is filled.

    In the account's base ``currency``. The estimate is the sum of what-ifs, each of one order
    alone: offsets between orders of one evening are not in it. A roll counts as a pair, and never
    as less than nothing. ``unknown`` are the references without an answer: with one of them,
    *after* is unknown.
    """

    currency: Currency
    orders: int
    initial_before: Decimal | None
    initial_after: Decimal | None
    maintenance_before: Decimal | None
    maintenance_after: Decimal | None
    net_liquidation: Decimal | None
    unknown: tuple[str, ...] = ()
    #: The gateway's word on the first order without an answer.
    why: str = ""

    @property
    def share_after(self) -> Decimal | None:
        """Initial margin after the basket, as a fraction of net liquidation; None if unknown."""
        if self.initial_after is None or not self.net_liquidation or self.net_liquidation < 0:
            return None
        return self.initial_after / self.net_liquidation
