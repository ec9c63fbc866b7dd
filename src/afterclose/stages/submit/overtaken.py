"""Overtaken: two baskets of one evening must not both go, for each was made from what was held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.netting import NET_MODEL, Netting, dealt
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.domain.sending import DESK_MODEL
from afterclose.errors import ApprovalVoid
from afterclose.ports import Ledger


def refuse_overtaken(
    ledger: Ledger,
    waiting: Sequence[BasketOrder],
    netting: Netting | None = None,
    known: Mapping[str, OrderLife] | None = None,
) -> None:
    """Refuse to send what was made from positions that are no longer so.

    An order that carries rows is judged by each of them: its model's other orders, and what the
    model holds beside what that row itself traded so far. ``known`` are the session's orders where
    the caller knows more of them than the ledger. Raises ApprovalVoid.
    """
    if not waiting:
        return
    desk = _read(ledger, waiting, netting or Netting(), known)
    for order in waiting:
        rivals = [other.order_ref for other in desk.abroad() if desk.rivals(order, other)]
        moved = next(desk.moved(order), "")
        if rivals or moved:
            why = f"{rivals[0]} is not final" if rivals else moved
            raise ApprovalVoid(
                f"{order.order_ref} was made when the desk held {order.held_before:+d} of "
                f"{order.contract}; {why}",
                hint="nothing was sent; prepare the evening again and approve what it shows now",
            )


@dataclass(frozen=True, slots=True)
class _Desk:
    """The session as the ledger has it, beside what is about to go."""

    known: Mapping[str, OrderLife]
    recorded: Netting
    planned: Netting
    books: Mapping[str, Mapping[FuturesContract, int]]

    def abroad(self) -> Iterable[BasketOrder]:
        return (
            life.order
            for life in self.known.values()
            if not life.state.final and life.state is not OrderState.INTENDED
        )

    def claims(self, order: BasketOrder) -> tuple[BasketOrder, ...]:
        """The rows an order stands for; a further attempt is known to the ledger alone."""
        source = self.planned if order.order_ref in self.planned.carried else self.recorded
        return source.claims(order)

    def rivals(self, order: BasketOrder, other: BasketOrder) -> bool:
        """Whether both trade one position: an order of the whole desk trades every model's."""
        if order.order_ref == other.order_ref or order.contract != other.contract:
            return False
        mine = {row.model for row in self.claims(order)}
        theirs = {row.model for row in self.recorded.claims(other)}
        return bool(mine & theirs) or DESK_MODEL in mine | theirs

    def moved(self, order: BasketOrder) -> Iterator[str]:
        """Say which models hold something else than when their rows were made."""
        planned = set(self.planned.transfers)
        for row in self.claims(order):
            if row.model in {DESK_MODEL, NET_MODEL}:
                continue
            crossed = [t for t in self.recorded.transfers if t.signed(row.order_ref)]
            if any(t not in planned for t in crossed):
                yield f"{row.order_ref} crossed inside already, with another order"
            held = self.books[row.model].get(row.contract, 0)
            traded = self.recorded.inside(row.order_ref) + self._by_earlier_attempts(order, row)
            if held - traded != row.held_before:
                yield f"it now holds {held:+d}"

    def _by_earlier_attempts(self, order: BasketOrder, row: BasketOrder) -> int:
        """What the attempts that an order goes on with filled of a row, signed."""
        total, ref = 0, order.replaces
        while ref in self.recorded.carried and ref in self.known:
            life = self.known[ref]
            share = dealt(self.recorded.carried[ref], life.fills).get(row.order_ref, ())
            total += sum(fill.signed for fill in share)
            ref = life.order.replaces
        return total


def _read(
    ledger: Ledger,
    waiting: Sequence[BasketOrder],
    planned: Netting,
    known: Mapping[str, OrderLife] | None,
) -> _Desk:
    session = waiting[0].session
    if known is None:
        known = lives(ledger.orders(session), ledger.events(session))
    desk = _Desk(
        known=known,
        recorded=ledger.netting(session),
        planned=planned,
        books={},
    )
    models = {row.model for order in waiting for row in desk.claims(order)}
    books = {model: ledger.held(model) for model in models - {DESK_MODEL, NET_MODEL}}
    return _Desk(desk.known, desk.recorded, desk.planned, books)
