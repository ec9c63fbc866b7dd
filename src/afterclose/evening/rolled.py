"""What a person did by hand, and the model does not know of: rolled, flattened. Pure.

Of a roll the model still speaks in the month that the desk has left. Until it leaves that month
itself, its position there is the desk's in the new one, and what it decides there is done in the
new one, at the new one's price. Its own roll later finds the desk where it wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from afterclose.domain.contracts import FuturesContract, RootSymbol
from afterclose.domain.orders import TradeKind
from afterclose.stages.signals import ModelTonight

_ROLLS = frozenset({TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN})


def after_hand_rolls(
    tonight: ModelTonight,
    rolled: Mapping[FuturesContract, FuturesContract],
    held: Mapping[FuturesContract, int],
    price: Callable[[FuturesContract], Decimal | None],
    missing: Mapping[FuturesContract, int],
) -> ModelTonight:
    """Read a model's wishes in the months that the desk holds for it. ``price`` is a last close.

    ``missing`` is what rolls have still to open: a month that was only left is wanted in the new
    one as well.
    """
    moved = {
        left: entered
        for left, entered in rolled.items()
        if (held.get(entered) or missing.get(entered))
        and not held.get(left)
        and not tonight.target.get(entered)
    }
    if not moved:
        return tonight
    return replace(
        tonight,
        target={moved.get(contract, contract): n for contract, n in tonight.target.items()},
        trades=tuple(
            replace(t, contract=moved[t.contract], price=price(moved[t.contract]))
            if t.contract in moved and t.kind not in _ROLLS
            else t
            for t in tonight.trades
        ),
    )


def still_wanted(
    tonight: ModelTonight,
    held: Mapping[FuturesContract, int],
    flattened: frozenset[RootSymbol],
) -> Mapping[FuturesContract, int]:
    """Leave out what a person flattened, until the model enters that market anew."""
    entered = {t.contract.root for t in tonight.trades if t.kind in _ENTERING}
    return {
        contract: quantity
        for contract, quantity in tonight.target.items()
        if contract.root not in flattened - entered or held.get(contract)
    }


def kept_flat(
    tonight: ModelTonight,
    held: Mapping[FuturesContract, int],
    flattened: frozenset[RootSymbol],
) -> tuple[RootSymbol, ...]:
    """Return the markets that a model wants and the desk leaves at 0, since a person said so."""
    entered = {t.contract.root for t in tonight.trades if t.kind in _ENTERING}
    wanted = {contract.root for contract, quantity in tonight.target.items() if quantity}
    has = {contract.root for contract, quantity in held.items() if quantity}
    return tuple(sorted((wanted & flattened) - entered - has))


_ENTERING = frozenset({TradeKind.ENTRY, TradeKind.REVERSAL})
