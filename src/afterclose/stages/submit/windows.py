"""When nothing is begun: a person's halt stands, or the gateway is not to be counted on.

It restarts every day, and IBKR wants a new login every week.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterclose.errors import BrokerUnavailable, SafetyError
from afterclose.ports import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which the gateway is not to be counted on, in UTC, and what happens in it."""

    begins: datetime
    ends: datetime
    what: str

    @property
    def text(self) -> str:
        """What happens, and when."""
        return f"{self.what}, {self.begins:%Y-%m-%d %H:%M} to {self.ends:%H:%M} UTC"


def standing(windows: Iterable[Window], now: datetime, before: timedelta) -> Window | None:
    """Return the window that forbids to begin anything now: it lasts, or begins too soon."""
    return next((w for w in windows if w.begins - before <= now < w.ends), None)


def sends_until(windows: Iterable[Window], now: datetime, before: timedelta) -> datetime | None:
    """Return the moment from which no further order is begun; None where no window comes."""
    return min((w.begins - before for w in windows if w.begins - before > now), default=None)


def require_clear(windows: Iterable[Window], now: datetime, before: timedelta) -> None:
    """Refuse to begin what would run into a window. Raises BrokerUnavailable."""
    window = standing(windows, now, before)
    if window is not None:
        raise BrokerUnavailable(
            f"{window.text}: nothing was begun",
            hint="try again after that, or let it wait: 'afterclose send --wait'; the times are "
            "broker.restart, sending.weekly_login and sending.restart_takes_s",
        )


def require_not_halted(ledger: Ledger) -> None:
    """Refuse while a halt stands. Raises SafetyError."""
    halt = ledger.halted()
    if halt is not None:
        raise SafetyError(
            f"this desk was halted at {halt.at:%Y-%m-%d %H:%M:%S} UTC by {halt.by}: {halt.reason}",
            hint="nothing more is sent until 'afterclose halt --lift'",
        )
