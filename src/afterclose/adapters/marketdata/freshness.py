"""Is the bar of tonight's session there, market by market; and if it is not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from afterclose.adapters.marketdata.calendars import market_sessions, stock_holidays
from afterclose.adapters.marketdata.market_calendar import stops_on_stock_holidays
from afterclose.adapters.marketdata.records import ContractRecord
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.domain.findings import Finding, Severity

#: A market without a bar for so long has ended: delisted, or its series was given up.
ENDED_AFTER = timedelta(days=30)
_LONGEST_CLOSURE = timedelta(days=21)


class Freshness(StrEnum):
    """The state of one market on an evening."""

    FRESH = "fresh"  # the bar of the session is there
    HOLIDAY = "holiday"  # its own market had no session; the bar before it is there
    NO_CLOSE = "no close"  # an American holiday on which it stops early; the bar before it is there
    LATE = "late"  # its own market had a session whose bar is not there
    ENDED = "ended"  # no contract is listed any more


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFreshness:
    """What is known of one market.

    ``expected`` is its own last session up to the evening's; of a late market the last one that has
    a close.
    ``behind`` names contracts that traded until now and lack the bar although the market has it.
    """

    root: str
    status: Freshness
    session: date
    expected: date
    newest: date
    behind: tuple[str, ...]
    calendar: str

    @property
    def no_close(self) -> Finding | None:
        """AC137 for a market that has no close tonight; None for every other."""
        if self.status is not Freshness.NO_CLOSE:
            return None
        return Finding(
            code="AC137",
            severity=Severity.INFO,
            subject=self.root,
            message=f"no close of {self.expected}, an American holiday; the last is of "
            f"{self.newest}",
            hint="nothing is late: closings go, openings wait for the next close",
            evidence={"expected": self.expected.isoformat(), "newest": self.newest.isoformat()},
        )

    @property
    def finding(self) -> Finding | None:
        """AC107 for a late market; None where nothing is wrong."""
        if self.status is not Freshness.LATE:
            return None
        return Finding(
            code="AC107",
            severity=Severity.WARN,
            subject=self.root,
            message=f"no bar of {self.expected}; the last is of {self.newest}",
            hint="late at the vendor: update again; until then this market's openings are blocked",
            evidence={"expected": self.expected.isoformat(), "newest": self.newest.isoformat()},
        )


def market_freshness(store: MarketStore, session: date) -> list[MarketFreshness]:
    """One answer per root, in alphabetical order, for the evening of ``session``.

    An Asian or European session of a date has closed hours before 16:00 Chicago of that date, so
    each market owes the bar of its own last session up to the evening's.
    """
    return [_of_root(store, root, session) for root in store.roots()]


def _of_root(store: MarketStore, root: str, session: date) -> MarketFreshness:
    chain = [record for record in store.contracts(root) if record.first_session <= session]
    market = chain[0] if chain else store.contracts(root)[0]
    newest = max((_newest_until(store, record, session) for record in chain), default=date.min)
    # With the bar of the session there is nothing to ask: calendars take seconds to make.
    own = owed = session
    if newest != session:
        own, owed = _last_session(market, session), _last_close(market, session)
    status = _status(newest, own, owed, session)
    return MarketFreshness(
        root=root,
        status=status,
        session=session,
        expected=owed if status is Freshness.LATE else own,
        newest=newest,
        behind=_behind(chain, newest),
        calendar=market.calendar,
    )


def _newest_until(store: MarketStore, record: ContractRecord, session: date) -> date:
    if record.last_session <= session:
        return record.last_session
    sessions = store.bars(record.symbol).sessions
    at = int(sessions.searchsorted(np.datetime64(session, "D"), side="right"))
    found: date = sessions[at - 1].item()
    return found


def _status(newest: date, own: date, owed: date, session: date) -> Freshness:
    """``own`` is the market's last session, ``owed`` its last one that has a close."""
    if newest < session - ENDED_AFTER:
        return Freshness.ENDED
    if newest < owed:
        return Freshness.LATE
    if newest < own:
        return Freshness.NO_CLOSE
    return Freshness.FRESH if own == session else Freshness.HOLIDAY


def _behind(chain: Sequence[ContractRecord], newest: date) -> tuple[str, ...]:
    """Contracts with a bar on the market's session before, none on its newest, not yet expired."""
    if not chain:  # an evening before the market's first bar
        return ()
    recent = newest - timedelta(days=5)
    return tuple(
        record.symbol
        for record in chain
        if recent <= record.last_session < newest
        and (record.last_trade is None or record.last_trade >= newest)
    )


def _last_session(market: ContractRecord, session: date) -> date:
    return _sessions(market, session)[-1]


def _last_close(market: ContractRecord, session: date) -> date:
    days = _sessions(market, session)
    if not stops_on_stock_holidays(market.calendar, market.exchange):
        return days[-1]
    holidays = stock_holidays(days[0], session)
    return next(day for day in reversed(days) if day not in holidays)


def _sessions(market: ContractRecord, session: date) -> list[date]:
    found: list[date] = market_sessions(
        market.calendar, session - _LONGEST_CLOSURE, session
    ).days.tolist()
    return found
