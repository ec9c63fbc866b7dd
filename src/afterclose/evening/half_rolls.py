"""Rolls of earlier evenings that closed more than they opened, by the desk's own records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from afterclose import clock as calendar
from afterclose.domain.contracts import FuturesContract, RootSymbol, Session
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import TradeKind
from afterclose.evening.books import session_lives
from afterclose.ports import Ledger

#: How many sessions back a roll is still completed; later it is an entry, and nobody's roll.
SESSIONS = 5
_ROLLING = frozenset({TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN})
#: The model decided anew: what it rolled before is over.
_DECIDED_ANEW = frozenset(
    {TradeKind.ENTRY, TradeKind.EXIT, TradeKind.REVERSAL, TradeKind.AUTO_CLOSE}
)

HalfRolls = Mapping[str, Mapping[FuturesContract, int]]


@dataclass(slots=True)
class _Roll:
    """Signed contracts that a model still has to open, and where."""

    contract: FuturesContract
    missing: int


def half_rolls(ledger: Ledger, session: Session) -> HalfRolls:
    """Return per model what opening legs of the last sessions' rolls did not open. Signed.

    Only legs that were approved count: a close that went alone was an exit.
    """
    open_ends: dict[tuple[str, RootSymbol], _Roll] = {}
    day = calendar.sessions_before(session, SESSIONS)
    while day < session:
        _count(open_ends, session_lives(ledger, day).values())
        day = calendar.next_session(day)
    found: defaultdict[str, dict[FuturesContract, int]] = defaultdict(dict)
    for (model, _), roll in open_ends.items():
        if roll.missing:
            found[model][roll.contract] = roll.missing
    return found


def _count(open_ends: dict[tuple[str, RootSymbol], _Roll], lives: Iterable[OrderLife]) -> None:
    by_market: defaultdict[tuple[str, RootSymbol], list[OrderLife]] = defaultdict(list)
    for life in lives:
        by_market[life.order.model, life.order.contract.root].append(life)
    for key, orders in by_market.items():
        opening = [o for o in orders if o.order.kind is TradeKind.ROLL_OPEN]
        if any(o.order.kind in _DECIDED_ANEW and not o.order.catch_up for o in orders):
            open_ends.pop(key, None)
        elif opening:
            legs = (o for o in orders if o.order.kind in _ROLLING)
            rolled = sum(o.filled * o.order.action.sign for o in legs)
            before = open_ends[key].missing if key in open_ends else 0
            missing = before - rolled
            wanted = opening[-1].order.action.sign
            contract = opening[-1].order.contract
            open_ends[key] = _Roll(contract, missing if missing * wanted > 0 else 0)
