"""The life of an order, as a pure function of what was seen of it.

IB's own status words are the evidence; a message or error code alone never ends an order. Silence
ends nothing either: an order that a *complete* sweep of the broker's book does not show is unknown,
until it is seen again or a person says what became of it. The two together do: an order that was
answered with a refusal, never with a status, and that the whole book does not show, was refused.

``Inactive`` ends an order only while the book does not show it among the open ones. TWS keeps there
what one of its precautions stopped, and sends it on at anybody's click: such an order is *held*,
and unknown, until it is cancelled, sent on, or among the completed ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from afterclose.domain.orders import (
    BY_WORD,
    BasketOrder,
    EventKind,
    Fill,
    OrderEvent,
    OrderState,
    final_fills,
)

INACTIVE = "Inactive"
#: Our own words beside that one: the book shows the order among the open ones, ``Inactive``; and,
#: later, among the completed ones.
HELD, HELD_NO_MORE = "Inactive, open", "Inactive, over"
#: IB's order status words. ``PendingSubmit`` and ``ApiPending`` are the client's own, before any
#: word of the server; ``PendingCancel`` is a request, not a result.
_STATES = {
    "ApiPending": OrderState.SENT,
    "PendingSubmit": OrderState.SENT,
    "PreSubmitted": OrderState.ACKNOWLEDGED,
    "Submitted": OrderState.WORKING,
    "PendingCancel": OrderState.WORKING,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "ApiCancelled": OrderState.CANCELLED,
    INACTIVE: OrderState.REJECTED,
    HELD_NO_MORE: OrderState.REJECTED,
}


#: The request is not valid. Under a read-only API, TWS says it to every order.
NOT_VALID = 321
#: Errors by which TWS refuses an order at the door, before it exists: no status follows, and the
#: order is in no part of the book (TWS API, "Message codes", system and order errors).
REFUSALS = frozenset(
    {
        *(
            103,
            104,
            106,
            107,
            109,
            110,
            111,
            113,
            116,
            117,
            133,
            140,
            163,
            200,
            201,
            203,
            NOT_VALID,
            322,
            382,
        ),
        *(383, 387, 388, 434, 442, 451, 460, 463, 10268, 10269),
    }
)

#: Our own word, beside IB's: the order desk vouches that no byte of the order left this machine.
NOT_SENT = "NotSent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One of several orders at the broker that carry the same reference."""

    perm_id: int
    state: OrderState
    filled: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLife:
    """One order and everything that is known of it."""

    order: BasketOrder
    state: OrderState = OrderState.INTENDED
    perm_id: int = 0
    fills: tuple[Fill, ...] = ()
    #: What the gateway last said in words, with its code.
    text: str = ""
    code: int | None = None
    #: More than one only where the broker has several orders under this one's reference.
    incarnations: tuple[Incarnation, ...] = ()
    #: Unknown because the broker's book last showed it inactive among the open orders.
    held: bool = False
    #: Contracts that the order is for since somebody changed it in TWS; 0: those we asked for.
    resized: int = 0

    @property
    def doubled(self) -> bool:
        """Whether the broker has more than one order under this reference."""
        return len(self.incarnations) > 1

    @property
    def refused(self) -> bool:
        """Whether all that was ever heard of it is a refusal; the whole book must confirm it."""
        return self.state is OrderState.SENT and not self.perm_id and self.code in REFUSALS

    @property
    def filled(self) -> int:
        """Contracts filled, by executions."""
        return sum(f.quantity for f in self.fills)

    @property
    def wanted(self) -> int:
        """Contracts that the broker's order is for."""
        return self.resized or self.order.quantity

    @property
    def by_hand(self) -> str:
        """Say that a person gave the order another size; empty where nobody did."""
        return f"somebody changed its size to {self.resized} in TWS" if self.resized else ""

    @property
    def remaining(self) -> int:
        """Contracts that may still fill; zero once the order is final."""
        if self.doubled:
            return sum(one.remaining for one in self.incarnations)
        return 0 if self.state.final else max(0, self.wanted - self.filled)

    @property
    def average_price(self) -> Decimal | None:
        """Average fill price, weighted by size."""
        if not self.filled:
            return None
        return sum((f.price * f.quantity for f in self.fills), Decimal(0)) / self.filled


def live(order: BasketOrder, events: Iterable[OrderEvent]) -> OrderLife:
    """Return the life of one order from its events, oldest first.

    An intent counts as sent: it is written just before the bytes leave, and a crash between the
    two cannot be told from one just after. Several orders at the broker under one reference are
    followed each for itself: the whole is final when all of them are.
    """
    seen = list(events)
    perm_ids = list(dict.fromkeys(e.perm_id for e in seen if e.perm_id))
    if len(perm_ids) < 2:  # noqa: PLR2004 - one order, one number: the rule
        return _fold(order, seen)
    return _together([_fold(order, [e for e in seen if e.perm_id in {0, p}]) for p in perm_ids])


def _fold(order: BasketOrder, events: Iterable[OrderEvent]) -> OrderLife:
    life = OrderLife(order=order)
    for event in events:
        life = _step(life, event)
    return life


def _together(each: Sequence[OrderLife]) -> OrderLife:
    fills = final_fills(f for life in each for f in life.fills)
    alive = [life for life in each if not life.state.final]
    done = [life for life in each if life.state is OrderState.FILLED]
    decisive = (alive or done or each)[-1]
    said = f"; {decisive.text}" if decisive.text else ""
    return replace(
        decisive,
        fills=fills,
        text=f"the broker has {len(each)} orders under this reference: look in TWS{said}",
        incarnations=tuple(
            Incarnation(
                perm_id=life.perm_id,
                state=life.state,
                filled=life.filled,
                remaining=life.remaining,
            )
            for life in each
        ),
    )


def _step(life: OrderLife, event: OrderEvent) -> OrderLife:
    life = _resized(replace(life, perm_id=event.perm_id or life.perm_id), event)
    refused = event.kind is EventKind.ABSENT and life.refused
    if event.text and not refused:
        life = replace(life, text=event.text, code=event.code)
    if event.kind in {EventKind.FILL, EventKind.COMMISSION} and event.fill is not None:
        return _filled(life, final_fills((*life.fills, event.fill)))
    by_word = any(fill.by_word for fill in life.fills)
    if life.state in {OrderState.FILLED, OrderState.CANCELLED} and not by_word:
        return life  # only executions, above, can still change these
    if event.kind in {EventKind.INTENT, EventKind.SENT}:
        # It goes now: what held it back before is said of it no more.
        goes = replace(life, state=OrderState.SENT, text="", code=None)
        return goes if life.state is OrderState.INTENDED else life
    if event.kind is EventKind.STATUS:
        return _with_status(life, event)
    if event.kind is EventKind.ABSENT and not life.state.final:
        state = OrderState.REJECTED if refused else OrderState.UNKNOWN
        return replace(life, state=state, held=False)
    return life


def _filled(life: OrderLife, fills: tuple[Fill, ...]) -> OrderLife:
    replaced = any(f.by_word for f in life.fills) and not any(f.by_word for f in fills)
    life = replace(life, fills=fills, held=False)
    if life.filled >= life.wanted:
        return replace(life, state=_end_of_fills(life))
    if life.state.final and not replaced:
        return life
    # The gateway tells executions where a person's word had ended the order: the word is void.
    return replace(life, state=OrderState.PARTLY_FILLED)


def _end_of_fills(life: OrderLife) -> OrderState:
    """What an order is that found all it is for: less than we asked for is not our order filled."""
    return OrderState.FILLED if life.filled >= life.order.quantity else OrderState.CANCELLED


#: Words with which IB does not say what is left of an order's size.
_WITHOUT_SIZE = frozenset({"Cancelled", "ApiCancelled", INACTIVE, HELD, HELD_NO_MORE})


def _resized(life: OrderLife, event: OrderEvent) -> OrderLife:
    """Note that the broker's order is for more or fewer contracts than ours was.

    A person can change it in TWS; all that we hear of it is another sum of filled and remaining.
    """
    if event.kind is not EventKind.STATUS or event.status in _WITHOUT_SIZE:
        return life
    if event.filled is None or event.remaining is None:
        return life
    told = event.filled + event.remaining
    if told in {0, life.wanted}:
        return life
    resized = 0 if told == life.order.quantity else told
    alive = life.state is OrderState.FILLED and life.filled < told
    state = OrderState.PARTLY_FILLED if alive else life.state
    life = replace(life, resized=resized, state=state)
    return replace(life, text=life.by_hand, code=None)


def _with_status(life: OrderLife, event: OrderEvent) -> OrderLife:
    if event.status == NOT_SENT:
        only_intended = life.state is OrderState.SENT and not life.perm_id
        return replace(life, state=OrderState.INTENDED) if only_intended else life
    if event.status == HELD or (event.status == INACTIVE and life.held):
        # Said again it proves nothing new: only the book can show that the order is gone.
        return replace(life, state=OrderState.UNKNOWN, held=True)
    return _with_word_of_ib(life, event)


def _with_word_of_ib(life: OrderLife, event: OrderEvent) -> OrderLife:
    state = _STATES.get(event.status)
    if state is None:
        # A word we do not know still proves that the broker has the order.
        known = life.state is not OrderState.INTENDED
        return life if known else replace(life, state=OrderState.SENT)
    if state is OrderState.FILLED:
        # Executions may be on their way still; they, not the word, are the fill.
        waits = OrderState.PARTLY_FILLED if life.fills else OrderState.WORKING
        state = waits if life.filled < life.wanted else _end_of_fills(life)
        return replace(life, state=state, held=False)
    if state is OrderState.SENT and life.state is not OrderState.INTENDED:
        return life
    if state in {OrderState.ACKNOWLEDGED, OrderState.WORKING} and life.fills:
        state = OrderState.PARTLY_FILLED
    return replace(life, state=state, held=False)


def not_sent(order_ref: str, *, at: datetime, why: str) -> OrderEvent:
    """Say that the bytes of an intended order never left: it may be sent, once, later."""
    return OrderEvent(
        order_ref=order_ref, at=at, kind=EventKind.STATUS, status=NOT_SENT, text=f"not sent: {why}"
    )


def never_arrived(order_ref: str, *, at: datetime, by: str, why: str) -> OrderEvent:
    """Record a person's word that an unknown order is not at the broker and never will be.

    It ends the order as a rejection does; should the broker show it after all, the broker is right.
    """
    return OrderEvent(
        order_ref=order_ref,
        at=at,
        kind=EventKind.STATUS,
        status=INACTIVE,
        text=f"{by} says it never arrived: {why}",
    )


def filled_by_word(
    life: OrderLife, *, quantity: int, price: Decimal, at: datetime, by: str, why: str
) -> tuple[OrderEvent, ...]:
    """Record a person's word: ``quantity`` contracts of an unknown order filled, the rest never.

    For executions that the gateway has forgotten: it tells those of one day. ``quantity`` counts
    the whole order, executions known before included; ``price`` is in IB's unit, of the others.
    Should the gateway tell an execution or show the order after all, it is right. Raises ValueError
    for a quantity that is none of this order's.
    """
    order = life.order
    # A second word replaces the first: they are one entry, and only the gateway's own count before.
    more = quantity - sum(fill.quantity for fill in life.fills if not fill.by_word)
    if more < 1 or quantity > life.wanted:
        raise ValueError(
            f"{quantity} contracts: {life.filled} of {life.wanted} are known to have filled"
        )
    said = f"{by} says {quantity} of {life.wanted} filled: {why}"
    fill = Fill(
        exec_id=f"{BY_WORD}{order.order_ref}",
        order_ref=order.order_ref,
        perm_id=life.perm_id,
        con_id=0,
        action=order.action,
        quantity=more,
        price=price,
        at=at,
        account=order.account,
    )
    told = OrderEvent(
        order_ref=order.order_ref,
        at=at,
        kind=EventKind.FILL,
        perm_id=life.perm_id,
        fill=fill,
        text=said,
    )
    if quantity == life.wanted:
        return (told,)
    rest = replace(told, kind=EventKind.STATUS, fill=None, status=INACTIVE)
    return (told, rest)


def lives(orders: Iterable[BasketOrder], events: Iterable[OrderEvent]) -> Mapping[str, OrderLife]:
    """Return the life of every order, keyed by reference."""
    seen: dict[str, list[OrderEvent]] = {}
    for event in events:
        seen.setdefault(event.order_ref, []).append(event)
    return {o.order_ref: live(o, seen.get(o.order_ref, ())) for o in orders}
