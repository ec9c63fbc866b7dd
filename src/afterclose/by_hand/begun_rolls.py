"""A roll by hand that was begun before: found in the journal, so that it can be gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from afterclose import clock as calendar
from afterclose.domain.contracts import Session
from afterclose.domain.legs import attempts_at, filled_by
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import TradeKind
from afterclose.domain.sending import DESK_MODEL
from afterclose.evening.books import lately
from afterclose.evening.half_rolls import SESSIONS, unlike_legs
from afterclose.ports import Ledger
from afterclose.stages.rolling import Begun

_ROLLING = frozenset({TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN})
_Leg = Sequence[OrderLife]


def legs_by_hand(ledger: Ledger, session: Session) -> Mapping[str, OrderLife]:
    """Return the legs of every roll by hand of the last sessions."""
    oldest = calendar.sessions_before(calendar.next_session(session), SESSIONS)
    return {
        ref: life
        for day in lately(ledger, session)
        if day >= oldest
        for ref, life in lives(ledger.orders(day), ledger.events(day)).items()
        if life.order.model == DESK_MODEL and life.order.kind in _ROLLING
    }


def begun(ledger: Ledger, symbol: str, session: Session) -> Begun | None:
    """Return the last roll by hand, of a root or out of a contract, of which anything filled.

    None where there is none in the last sessions.
    """
    found = [pair for pair in _pairs(legs_by_hand(ledger, session)) if _of(symbol, pair[0])]
    if not found:
        return None
    close, opens = max(found, key=lambda pair: pair[0][0].order.session)
    into = opens[0].order.contract
    missing = unlike_legs(ledger, into.root, session)
    return Begun(
        close=close[-1].order,
        opens=opens[-1].order,
        missing={owner: legs[into] for owner, legs in missing.items() if into in legs},
        whole=all(filled_by(leg) >= leg[0].order.quantity for leg in (close, opens)),
    )


def _pairs(known: Mapping[str, OrderLife]) -> Iterator[tuple[_Leg, _Leg]]:
    """Yield both legs of each roll that filled at all, every attempt at them, the close first."""
    for ref, life in known.items():
        order = life.order
        if order.kind is TradeKind.ROLL_OPEN and not order.replaces and order.roll_pair in known:
            close, opens = attempts_at(known, order.roll_pair), attempts_at(known, ref)
            if filled_by((*close, *opens)):
                yield close, opens


def _of(symbol: str, close: _Leg) -> bool:
    left = close[0].order.contract
    return symbol in {left.root, left.symbol}
