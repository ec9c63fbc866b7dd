"""A person's word: halt the desk, lift the halt, say what became of an order nobody can find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from afterclose.artifacts import digest_of
from afterclose.domain.order_life import OrderLife, filled_by_word, lives, never_arrived
from afterclose.domain.orders import Approval, OrderEvent, OrderState
from afterclose.domain.sending import DESK_MODEL, Halt
from afterclose.errors import UsageError
from afterclose.evening.desk import Desk
from afterclose.stages import cancelling

_VALID_FOR = timedelta(hours=1)


def halt(desk: Desk, *, by: str, reason: str) -> Halt:
    """Stop all sending on this desk, durably and at once, from whatever process."""
    word = Halt(at=desk.clock.now(), by=by, reason=reason)
    desk.ledger.record_halt(word)
    return word


def lift(desk: Desk, *, by: str, reason: str) -> None:
    """Let the desk send again."""
    desk.ledger.record_halt(Halt(at=desk.clock.now(), by=by, reason=reason, lifted=True))


async def cancel_ours(
    desk: Desk, *, by: str, on_event: Callable[[OrderEvent], None] = lambda _event: None
) -> cancelling.Cancelling:
    """Cancel every working order that this desk named, and read the book until they are gone."""
    async with desk.open_order_desk(yes_to(desk, "cancel", (), by=by)) as order_desk:
        return await cancelling.run(
            order_desk, desk.ledger, run_id=_name(desk, "cancel"), on_event=on_event
        )


def settle_unknown(
    desk: Desk,
    order_ref: str,
    *,
    by: str,
    why: str,
    filled: int = 0,
    price: Decimal | None = None,
) -> OrderLife:
    """Write down a person's word on an unknown order. Raises UsageError.

    Without ``filled`` it never arrived; with it, so many contracts of it filled at ``price`` (IB's
    unit) and the rest never will. Only an order that the broker's whole book did not show can be
    settled so; should it appear after all, the broker's word replaces this one.
    """
    order = desk.ledger.named([order_ref]).get(order_ref)
    if order is None:
        raise UsageError(f"this desk named no order {order_ref}", hint="see 'afterclose status'")
    events = [e for e in desk.ledger.events(order.session) if e.order_ref == order_ref]
    life = lives([order], events)[order_ref]
    if life.state is not OrderState.UNKNOWN:
        raise UsageError(
            f"{order_ref} is {life.state.value}, not unknown",
            hint="'afterclose send', 'afterclose settle' or 'afterclose flatten', which sends "
            "nothing without --send, reads the broker's book again",
        )
    if life.held:
        raise UsageError(
            f"{order_ref} is at the broker: inactive, but among the open orders",
            hint="cancel it in TWS or with 'afterclose halt', then read the book: "
            "'afterclose send' or 'afterclose settle'",
        )
    words = _words(life, at=desk.clock.now(), by=by, why=why, filled=filled, price=price)
    desk.ledger.append_events(_name(desk, "settle"), words)
    return lives([order], [*events, *words])[order_ref]


def _words(
    life: OrderLife, *, at: datetime, by: str, why: str, filled: int, price: Decimal | None
) -> tuple[OrderEvent, ...]:
    order_ref = life.order.order_ref
    if not filled and life.filled:
        raise UsageError(
            f"{order_ref} did arrive: {life.filled} of it are known to have filled",
            hint="say how many filled in all, as TWS's trade log shows: --filled N --price P",
        )
    if not filled:
        return (never_arrived(order_ref, at=at, by=by, why=why),)
    if price is None or not price.is_finite():
        raise UsageError("a fill needs its price", hint="--price, in IB's unit, as TWS shows it")
    _require_same_unit(life, price)
    try:
        return filled_by_word(life, quantity=filled, price=price, at=at, by=by, why=why)
    except ValueError as error:
        raise UsageError(str(error), hint="say how many filled in all: --filled N") from None


def _require_same_unit(life: OrderLife, price: Decimal) -> None:
    """Refuse a price of another unit: those are 10 or 100 times off, never the market in a day."""
    limit = life.order.limit_price
    if limit > 0 and price > 0 and not limit / 3 < price < limit * 3:
        raise UsageError(
            f"{price} is far from the order's limit {limit}",
            hint="give the price in IB's unit, as TWS's trade log shows it",
        )


def _name(desk: Desk, act: str) -> str:
    return f"{act}-{desk.clock.now():%Y%m%d-%H%M%S}"


def yes_to(desk: Desk, act: str, refs: tuple[str, ...], *, by: str) -> Approval:
    """A person at the keyboard says yes to these orders, for an hour."""
    now = desk.clock.now()
    return Approval(
        run_id=_name(desk, act),
        digest=digest_of(desk.settings.desk.account, refs),
        account=desk.settings.desk.account,
        order_refs=refs,
        reviewer=by,
        at=now,
        expires_at=now + _VALID_FOR,
        note=f"{act}, for {DESK_MODEL}",
    )
