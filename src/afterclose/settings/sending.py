"""What may leave: limits of last resort, and the guard at the moment of sending."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Literal

from pydantic import Field

from afterclose.domain.placing import LegLimit, LoneLeg, OrderType, Repricing, StartWhen
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
    """How and when orders go, and the price guard at that moment (closings are exempt)."""

    #: How far the market may be from the limit, as a fraction of it.
    max_drift: Fraction = Decimal("0.05")
    guard_exits: bool = False
    #: Whether an order goes that the guard cannot judge, since its market is not known.
    send_without_quote: bool = False
    #: How long an order may stay without any word before the broker's book is asked for it.
    answer_timeout_s: float = Field(default=30.0, gt=0)
    #: How orders go that open, and those that close: LMT, MKT, MOC, ADAPTIVE or VWAP.
    entry_order_type: OrderType = OrderType.LMT
    exit_order_type: OrderType = OrderType.LMT
    #: When: "now", "next_open" or "day_session"; and by market, before the general rule.
    start: StartWhen = StartWhen.NOW
    start_by_root: dict[str, StartWhen] = Field(default_factory=dict)
    #: Working a limit while 'afterclose send --follow' stays: ticks towards the market, at most so
    #: often, after so many seconds each. No times: a limit stays where it is.
    reprice_ticks: int = Field(default=1, ge=1)
    reprice_times: int = Field(default=0, ge=0, le=9)
    reprice_every_s: float = Field(default=60.0, gt=0)
    #: How long one leg of a roll may be filled alone, and what then happens to what is left of the
    #: other: "tell", "cancel" or "market".
    roll_leg_alone_s: float = Field(default=900.0, gt=0)
    roll_leg_then: LoneLeg = LoneLeg.TELL
    #: Nothing is begun that could run into a restart: so long before it, and while it lasts.
    before_restart_s: float = Field(default=120.0, ge=0)
    restart_takes_s: float = Field(default=3600.0, ge=0)
    #: When IBKR ends every login on Sundays, in broker.restart_zone; "never" where it does not.
    weekly_login: time | Literal["never"] = time(1, 0)

    @property
    def repricing(self) -> Repricing | None:
        """Return how limits are worked; None where they are not."""
        if not self.reprice_times:
            return None
        return Repricing(
            ticks=self.reprice_ticks, times=self.reprice_times, every_s=self.reprice_every_s
        )

    @property
    def leg_limit(self) -> LegLimit:
        """Return how long a roll's leg may be alone, and what then happens."""
        return LegLimit(alone_s=self.roll_leg_alone_s, then=self.roll_leg_then)

    def as_guard(self) -> PriceGuard:
        """Return the guard as the door wants it."""
        return PriceGuard(
            max_drift=self.max_drift,
            guard_exits=self.guard_exits,
            send_without_quote=self.send_without_quote,
        )
