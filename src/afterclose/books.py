"""The desk's own records before tonight: what each model holds, works and has done already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderState
from afterclose.domain.sending import DESK_MODEL, shares
from afterclose.ports import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The desk's own records before tonight: per model held and working, and past orders.

    ``done`` is what earlier orders of this session filled, ``complete`` where one that opened was
    filled to its end.
    """

    held: Mapping[str, Mapping[FuturesContract, int]]
    working: Mapping[str, Mapping[FuturesContract, int]]
    done: Mapping[str, Mapping[FuturesContract, int]]
    complete: Mapping[str, frozenset[FuturesContract]]
    past: Mapping[str, OrderLife]

    @property
    def states(self) -> Mapping[str, OrderState]:
        """State of every order this desk named for the session."""
        return {ref: life.state for ref, life in self.past.items()}

    def held_together(self) -> dict[FuturesContract, int]:
        """Sum of all models."""
        total: defaultdict[FuturesContract, int] = defaultdict(int)
        for book in self.held.values():
            for contract, quantity in book.items():
                total[contract] += quantity
        return dict(sorted(total.items()))


def read_books(ledger: Ledger, models: Iterable[str], session: Session) -> Books:
    """Read what the desk holds and what of tonight is in the market already."""
    names = sorted({*models, *ledger.models()})  # of the whole desk's orders, each has its part
    past = lives(ledger.orders(session), ledger.events(session))
    working: dict[str, defaultdict[FuturesContract, int]] = {n: defaultdict(int) for n in names}
    done: dict[str, defaultdict[FuturesContract, int]] = {n: defaultdict(int) for n in names}
    complete: dict[str, set[FuturesContract]] = {n: set() for n in names}
    parts = ledger.parts([ref for ref, life in past.items() if life.order.model == DESK_MODEL])
    for life in past.values():
        order, sign = life.order, life.order.action.sign
        remaining = 0 if life.state is OrderState.INTENDED or life.state.final else life.remaining
        owners = parts.get(order.order_ref, {})
        if order.model != DESK_MODEL:
            done[order.model][order.contract] += life.filled * sign
            working[order.model][order.contract] += remaining * sign
        elif owners:
            filled = shares(owners, ordered=order.signed, filled=life.filled * sign)
            for model, part in owners.items():
                done[model][order.contract] += filled[model]
                working[model][order.contract] += part - filled[model] if remaining else 0
        if life.state is OrderState.FILLED and not order.kind.closes:
            complete[order.model].add(order.contract)
    return Books(
        held={name: ledger.held(name) for name in names},
        working=working,
        done=done,
        complete={name: frozenset(contracts) for name, contracts in complete.items()},
        past=past,
    )
