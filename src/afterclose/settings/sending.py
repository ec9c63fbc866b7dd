"""What may leave: limits of last resort, and the guard at the moment of sending."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from afterclose.domain.sending import PriceGuard, SendLimits
from afterclose.settings.section import Fraction, Section


class LimitSettings(Section):
    """Limits of last resort, at the door; a live desk must set every one of them.

    Notional values are in the base currency. ``price_band`` is a fraction of the last close.
    """

    orders_per_evening: int | None = Field(default=None, gt=0)
    quantity_per_order: int | None = Field(default=None, gt=0)
    notional_per_order: Decimal | None = Field(default=None, gt=0)
    notional_per_root: Decimal | None = Field(default=None, gt=0)
    notional_total: Decimal | None = Field(default=None, gt=0)
    price_band: Fraction | None = None

    def as_limits(self) -> SendLimits:
        """Return them as the door wants them."""
        return SendLimits(**self.model_dump())


class SendingSettings(Section):
    """The price guard at the moment of sending. Orders that close are exempt by default."""

    #: How far the market may be from the limit, as a fraction of it.
    max_drift: Fraction = Decimal("0.05")
    guard_exits: bool = False
    #: Whether an order goes that the guard cannot judge, since its market is not known.
    send_without_quote: bool = False
    #: How long an order may stay without any word before the broker's book is asked for it.
    answer_timeout_s: float = Field(default=30.0, gt=0)

    def as_guard(self) -> PriceGuard:
        """Return the guard as the door wants it."""
        return PriceGuard(
            max_drift=self.max_drift,
            guard_exits=self.guard_exits,
            send_without_quote=self.send_without_quote,
        )
