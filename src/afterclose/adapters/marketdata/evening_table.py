"""Tonight, market by market: the session that closed, and the next to trade."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.domain.contracts import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvening:
    """One market on an evening: its own last session, and its next."""

    root: str
    calendar: str
    last: date
    next: date


def market_evening(store: Path, session: Session) -> tuple[MarketEvening, ...]:
    """Return every market of a store, by its own calendar. Raises DataError without a store."""
    opened = MarketStore.open(store)
    calendars = {root: opened.contracts(root)[0].calendar for root in opened.roots()}
    return tuple(one_market(root, calendars[root], session) for root in sorted(calendars))


def one_market(root: str, calendar: str, session: Session) -> MarketEvening:
    """Return one market on the evening of a session.

    An exchange of Asia or Europe has closed its session of that date hours before.
    """
    first, last = date(session.year - 1, 12, 1), date(session.year + 1, 2, 1)  # one for the year
    days = market_sessions(calendar, first, last).days
    at = int(np.searchsorted(days, np.datetime64(session, "D"), side="right"))
    return MarketEvening(
        root=root, calendar=calendar, last=days[at - 1].item(), next=days[at].item()
    )
