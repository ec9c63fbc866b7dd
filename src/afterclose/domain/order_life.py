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

from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.orders import (
    BY_WORD,
    BasketOrder,
    EventKind,
    Fill,
    OrderEvent,
    OrderState,
    final_fills,
)

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
    "Inactive": OrderState.REJECTED,
    "Inactive, over": OrderState.REJECTED,
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
_INACTIVE = "Inactive"
#: And: the book shows it among the open orders, ``Inactive``; or, later, among the completed ones.
HELD = "Inactive, open"
HELD_NO_MORE = "Inactive, over"
_HELD_MEANS = (
    "inactive, but among the open orders: TWS may still send it on, and it is not sent again. "
    "Cancel it in TWS or with 'afterclose halt'"
)


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
    def remaining(self) -> int:
        """Contracts that may still fill; zero once the order is final."""
        if self.doubled:
            return sum(one.remaining for one in self.incarnations)
        return 0 if self.state.final else max(0, self.order.quantity - self.filled)

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
    life = replace(life, perm_id=event.perm_id or life.perm_id)
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
    if life.filled >= life.order.quantity:
        return replace(life, state=OrderState.FILLED)
    if life.state.final and not replaced:
        return life
    # The gateway tells executions where a person's word had ended the order: the word is void.
    return replace(life, state=OrderState.PARTLY_FILLED)


def _with_status(life: OrderLife, event: OrderEvent) -> OrderLife:
    if event.status == NOT_SENT:
        only_intended = life.state is OrderState.SENT and not life.perm_id
        return replace(life, state=OrderState.INTENDED) if only_intended else life
    if event.status == HELD or (event.status == _INACTIVE and life.held):
        # Said again it proves nothing new: only the book can show that the order is gone.
        return replace(life, state=OrderState.UNKNOWN, held=True)
    return _with_word_of_ib(life, event)


def _with_word_of_ib(life: OrderLife, event: OrderEvent) -> OrderLife:
    state = _STATES.get(event.status)
    if state is None:
        # A word we do not know still proves that the broker has the order.
        known = life.state is not OrderState.INTENDED
        return life if known else replace(life, state=OrderState.SENT)
    if state is OrderState.FILLED and life.filled < life.order.quantity:
        # The executions are still on their way; they, not the word, are the fill.
        return replace(life, state=OrderState.PARTLY_FILLED if life.fills else OrderState.WORKING)
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
        status="Inactive",
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
    if more < 1 or quantity > order.quantity:
        raise ValueError(
            f"{quantity} contracts: {life.filled} of {order.quantity} are known to have filled"
        )
    said = f"{by} says {quantity} of {order.quantity} filled: {why}"
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
    if quantity == order.quantity:
        return (told,)
    rest = replace(told, kind=EventKind.STATUS, fill=None, status="Inactive")
    return (told, rest)


def lives(orders: Iterable[BasketOrder], events: Iterable[OrderEvent]) -> Mapping[str, OrderLife]:
    """Return the life of every order, keyed by reference."""
    seen: dict[str, list[OrderEvent]] = {}
    for event in events:
        seen.setdefault(event.order_ref, []).append(event)
    return {o.order_ref: live(o, seen.get(o.order_ref, ())) for o in orders}


def sweep_events(known: Mapping[str, OrderLife], sweep: OrderSweep) -> tuple[OrderEvent, ...]:
    """Turn a sweep into events for our orders, leaving out what is known already.

    An order that was sent, and that no part of a *complete* sweep shows, gets an ABSENT event.
    Orders of other references are not ours and get none.
    """
    found: list[OrderEvent] = []
    shown: set[str] = set()
    for order in (*sweep.open_orders, *sweep.completed_orders):  # the end of an order last
        ref = _our_ref(known, order.order_ref, order.perm_id)
        if ref is not None:
            shown.add(ref)
            found.append(_status_event(sweep, ref, order))
    found = [_held_or_over(known[event.order_ref], event, sweep) for event in found]
    for fill in final_fills(sweep.fills):
        ref = _our_ref(known, fill.order_ref, fill.perm_id)
        if ref is not None:
            shown.add(ref)
            if fill not in known[ref].fills:
                found.append(_fill_event(ref, fill))
    if not sweep.unknown:
        found.extend(_absent(known, shown, sweep))
        found.extend(_fills_gone(known, sweep))
    return tuple(found)


def _our_ref(known: Mapping[str, OrderLife], ref: str, perm_id: int) -> str | None:
    if ref in known:
        return ref
    if not perm_id:
        return None
    return next((r for r, life in known.items() if life.perm_id == perm_id), None)


def _status_event(sweep: OrderSweep, ref: str, order: BrokerOrder) -> OrderEvent:
    return OrderEvent(
        order_ref=ref,
        at=sweep.at,
        kind=EventKind.STATUS,
        status=order.status,
        perm_id=order.perm_id,
        filled=order.filled,
        remaining=order.remaining,
        text=order.text,
    )


def _held_or_over(life: OrderLife, event: OrderEvent, sweep: OrderSweep) -> OrderEvent:
    """Say of an inactive order what the part of the book says that shows it."""
    if event.status != _INACTIVE:
        return event
    is_open = any(_is_shown(order, event) for order in sweep.open_orders)
    is_over = any(_is_shown(order, event) for order in sweep.completed_orders)
    if is_open and not is_over:
        said = "" if life.held or not life.text else f"; {life.text}"
        return replace(event, status=HELD, text=life.text if life.held else f"{_HELD_MEANS}{said}")
    return replace(event, status=HELD_NO_MORE) if life.held else event


def _is_shown(order: BrokerOrder, event: OrderEvent) -> bool:
    return order.perm_id == event.perm_id and order.status == _INACTIVE


def _fill_event(ref: str, fill: Fill) -> OrderEvent:
    return OrderEvent(
        order_ref=ref,
        at=fill.at,
        kind=EventKind.FILL,
        perm_id=fill.perm_id,
        fill=replace(fill, order_ref=ref),
    )


def _fills_gone(known: Mapping[str, OrderLife], sweep: OrderSweep) -> Iterable[OrderEvent]:
    """An order that the book calls filled, and whose executions the gateway has forgotten.

    It can no longer be followed: price and quantity are for a person to look up.
    """
    for order in sweep.completed_orders:
        ref = _our_ref(known, order.order_ref, order.perm_id)
        if ref is None or _STATES.get(order.status) is not OrderState.FILLED:
            continue
        told = (f for f in sweep.fills if ref == _our_ref(known, f.order_ref, f.perm_id))
        executions = final_fills((*known[ref].fills, *told))
        if sum(f.quantity for f in executions) < known[ref].order.quantity:
            yield OrderEvent(
                order_ref=ref,
                at=sweep.at,
                kind=EventKind.ABSENT,
                perm_id=order.perm_id,
                text="the broker's book calls it filled, but its executions are no longer told",
            )


def _absent(
    known: Mapping[str, OrderLife], shown: set[str], sweep: OrderSweep
) -> Sequence[OrderEvent]:
    return [
        OrderEvent(
            order_ref=ref,
            at=sweep.at,
            kind=EventKind.ABSENT,
            text="not in the broker's open or completed orders, nor in its executions",
        )
        for ref, life in known.items()
        if ref not in shown and life.state is not OrderState.INTENDED and not life.state.final
    ]
