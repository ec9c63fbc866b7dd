"""Rolls that closed more than they opened, by the desk's own records: of evenings, and by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from afterclose import clock as calendar
from afterclose.domain.contracts import FuturesContract, RootSymbol, Session
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.domain.sending import DESK_MODEL, shares
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
    """Signed contracts that somebody still has to open, and where.

    Against ``side`` they are opened already, before the old month was closed.
    """

    contract: FuturesContract
    missing: int
    side: int


_OpenEnds = dict[tuple[str, RootSymbol], _Roll]


def half_rolls(ledger: Ledger, session: Session) -> HalfRolls:
    """Return per model what opening legs of the last sessions' rolls did not open. Signed.

    Only legs that were approved count: a close that went alone was an exit.
    """
    found: defaultdict[str, dict[FuturesContract, int]] = defaultdict(dict)
    for (model, _), roll in _open_ends(ledger, session).items():
        if roll.missing * roll.side > 0 and model != DESK_MODEL:
            found[model][roll.contract] = roll.missing
    return found


def unlike_legs(ledger: Ledger, root: RootSymbol, until: Session) -> HalfRolls:
    """Return what rolls in a root, those of this session included, have still to open. Signed.

    What one opened before it closed as much has the other sign. What is no model's is under
    ``DESK_MODEL``.
    """
    ends = _open_ends(ledger, calendar.next_session(until))
    return {
        owner: {roll.contract: roll.missing}
        for (owner, of), roll in ends.items()
        if of == root and roll.missing
    }


def _open_ends(ledger: Ledger, before: Session) -> _OpenEnds:
    ends: _OpenEnds = {}
    day = calendar.sessions_before(before, SESSIONS)
    while day < before:
        known = session_lives(ledger, day)
        _count(ends, [life for life in known.values() if life.order.model != DESK_MODEL])
        _count_by_hand(ends, known, ledger)
        day = calendar.next_session(day)
    return ends


def _count(ends: _OpenEnds, lives: Iterable[OrderLife]) -> None:
    by_market: defaultdict[tuple[str, RootSymbol], list[OrderLife]] = defaultdict(list)
    for life in lives:
        by_market[life.order.model, life.order.contract.root].append(life)
    for key, orders in by_market.items():
        opening = [o for o in orders if o.order.kind is TradeKind.ROLL_OPEN]
        if any(o.order.kind in _DECIDED_ANEW and not o.order.catch_up for o in orders):
            ends.pop(key, None)
        elif opening:
            legs = (o for o in orders if o.order.kind in _ROLLING)
            rolled = sum(o.filled * o.order.action.sign for o in legs)
            before = ends[key].missing if key in ends else 0
            missing = before - rolled
            wanted = opening[-1].order.action.sign
            contract = opening[-1].order.contract
            ends[key] = _Roll(contract, missing if missing * wanted > 0 else 0, wanted)


def _count_by_hand(ends: _OpenEnds, known: Mapping[str, OrderLife], ledger: Ledger) -> None:
    """Give each model its share of what was rolled by hand; what was flattened is rolled no more.

    In the order in which they filled: a person may flatten one part and roll the other.
    """
    filled = [life for life in known.values() if life.order.model == DESK_MODEL and life.fills]
    if not filled:
        return
    parts = ledger.parts([life.order.order_ref for life in filled])
    pairs = ledger.named({life.order.roll_pair for life in filled} - {""})
    for life in sorted(filled, key=lambda life: min(fill.at for fill in life.fills)):
        order, traded = life.order, life.filled * life.order.action.sign
        owned = shares(parts.get(order.order_ref, {}), ordered=order.signed, filled=traded)
        for owner, part in {**owned, DESK_MODEL: traded - sum(owned.values())}.items():
            key = (owner, order.contract.root)
            if part and order.kind in _ROLLING:
                ends[key] = _rolled_on(ends.get(key), life.order, part, pairs)
            elif part:
                ends.pop(key, None)


def _rolled_on(
    before: _Roll | None, order: BasketOrder, part: int, pairs: Mapping[str, BasketOrder]
) -> _Roll:
    opens = order.kind is TradeKind.ROLL_OPEN
    pair = pairs.get(order.roll_pair)
    into = order.contract if opens or pair is None else pair.contract
    missing = before.missing if before is not None and before.contract == into else 0
    return _Roll(into, missing - part, order.action.sign * (1 if opens else -1))
