"""Working orders while they are followed: limits re-priced, a roll's lone leg seen to.

An order is gone on with in four steps, each of which may be the last before a crash: the journal
says that it is worked; the cancellation is asked for; the broker's whole book proves it ended, with
every contract it filled; what is left goes under the next attempt's name. ``send`` takes up what a
crash left between them. Price and kind never leave what was approved with the first attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.legs import lone_pairs
from afterclose.domain.market import Quote
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState, later_attempt
from afterclose.domain.placing import LoneLeg, OrderType, at_market
from afterclose.domain.sending import shares
from afterclose.errors import BrokerError
from afterclose.ports import Clock, Ledger
from afterclose.stages.submit.door import Caller, in_band
from afterclose.stages.submit.journal import Journal
from afterclose.stages.submit.terms import Follow, SubmitRequest

#: How often the clock is looked at where nothing is heard.
_LOOK_EVERY_S = 1.0
#: Nothing is ended that an approval about to expire would not let go on.
_BEFORE_EXPIRY = timedelta(seconds=60)
_IN_THE_MARKET = frozenset({OrderState.WORKING, OrderState.PARTLY_FILLED})
_WAITING = _IN_THE_MARKET | {OrderState.ACKNOWLEDGED}


class Hands(Protocol):
    """What working an order needs done."""

    async def cancel(self, order_ref: str) -> None:
        """Ask for the end of one of our orders. Raises BrokerError."""

    async def book(self) -> OrderSweep | None:
        """Read the book into the journal; None where it is not whole."""

    async def go_on(self, order: BasketOrder, parts: Mapping[str, int]) -> None:
        """Record and send a further attempt."""

    async def market_of(self, order: BasketOrder) -> Quote | None:
        """Ask for the market of one order now."""

    async def say(self, order: BasketOrder, text: str) -> None:
        """Write a word of ours into the order's journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to become of one order: its next attempt, or (None) only its end; and why."""

    life: OrderLife
    following: BasketOrder | None
    why: str


def with_attempts(orders: Sequence[BasketOrder], ledger: Ledger) -> tuple[BasketOrder, ...]:
    """Add the further attempts at these orders that the ledger knows, each after its first."""
    by_replaced = {o.replaces: o for o in ledger.orders(orders[0].session) if o.replaces}
    found = []
    for order in orders:
        attempt: BasketOrder | None = order
        while attempt is not None:
            found.append(attempt)
            attempt = by_replaced.get(attempt.order_ref)
    return tuple({o.order_ref: o for o in found}.values())


def next_attempt(life: OrderLife) -> BasketOrder:
    """Return what goes on with an order: what is left of it, its limit one step further."""
    order, rule = life.order, life.order.repricing
    further = {**_what_is_left(life)}
    if rule is not None:
        step = order.action.sign * rule.ticks * order.mapped.spec.tick_size
        left = replace(rule, times=rule.times - 1) if rule.times > 1 else None
        further |= {"limit_price": order.limit_price + step, "repricing": left}
    return replace(order, **further)  # type: ignore[arg-type]  # fields of BasketOrder, named above


def at_the_market(life: OrderLife) -> BasketOrder:
    """Return what is left of a roll's leg as an order at the market, at once."""
    return replace(
        life.order,
        **_what_is_left(life),  # type: ignore[arg-type]  # fields of BasketOrder, named below
        order_type=OrderType.MKT.value,
        repricing=None,
        good_after=None,
    )


def _what_is_left(life: OrderLife) -> dict[str, object]:
    order = life.order
    return {
        "order_ref": later_attempt(order.order_ref),
        "replaces": order.order_ref,
        "quantity": _left(life),
        "held_before": order.held_before + order.action.sign * life.filled,
    }


class Worker:
    """Looks at every order whenever something is heard, and at least every second."""

    def __init__(
        self, hands: Hands, journal: Journal, request: SubmitRequest, clock: Clock
    ) -> None:
        self._hands = hands
        self._journal = journal
        self._request = request
        self._clock = clock
        self._told: dict[str, datetime] = {}
        self._given_up: set[str] = set()
        self._stopping = False

    async def forget_lost(self) -> None:
        """Take back our word on orders that the book, just read whole, shows alive all the same.

        The cancellation of an earlier process did not arrive; whoever ends them now is not us.
        """
        for ref, life in self._journal.lives().items():
            if self._journal.worked(ref) and life.state in _WAITING:
                await self._take_back(life.order)

    async def _take_back(self, order: BasketOrder) -> None:
        await self._journal.write(
            OrderEvent(
                order_ref=order.order_ref,
                at=self._clock.now(),
                kind=EventKind.WORKED,
                text="it was not ended",
            )
        )

    async def beside(self, follow: Follow) -> None:
        """Work orders while somebody follows; a round that was begun is ended."""
        if self._request.approved_until is None:
            await follow(self._journal)
            return
        await self._take_up()
        working = asyncio.create_task(self._rounds())
        try:
            await follow(self._journal)
        finally:
            self._stopping = True
            await self._journal.wake()
            await working

    async def _rounds(self) -> None:
        try:
            while self._journal.broken is None:
                await self._round()
                if self._stopping:
                    return
                await self._journal.next_word(_LOOK_EVERY_S)
        except Exception as error:
            await self._journal.break_off(error)  # nobody follows what nobody writes down
            raise

    def _may_go_on(self) -> bool:
        """Whether a further attempt could still go: nothing is ended for one that could not."""
        now, until = self._clock.now(), self._request.approved_until
        ends = (until and until - _BEFORE_EXPIRY, self._request.sends_until)
        return self._journal.broken is None and all(end is None or now < end for end in ends)

    async def _round(self) -> None:
        lone = await self._lone_legs()
        busy = {step.life.order.order_ref for step in lone}
        steps = [*lone, *(s for s in self._due() if s.life.order.order_ref not in busy)]
        if steps and self._may_go_on():
            await self._hold(lambda: self._go_on(steps))

    async def _hold(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act while followers take nothing for over."""
        self._journal.held += 1
        try:
            await act()
        finally:
            self._journal.held -= 1
            await self._journal.wake()

    def _due(self) -> Iterable[Step]:
        """Limits that have stood in the market for as long as they were given."""
        now = self._clock.now()
        for ref, life in self._journal.lives().items():
            rule = life.order.repricing
            if rule is None or life.state not in _IN_THE_MARKET or ref in self._given_up:
                continue
            if life.resized:
                continue  # a person has taken it over in TWS
            since = self._journal.in_market_since(ref) or now
            if now - since >= timedelta(seconds=rule.every_s) and not life.doubled:
                following = next_attempt(life)
                price = following.mapped.spec.price_text(following.limit_price)
                yield Step(life=life, following=following, why=f"goes on at {price}")

    async def _go_on(self, steps: Sequence[Step]) -> None:
        asked = [step for step in steps if await self._asked_to_end(step)]
        refs = [step.life.order.order_ref for step in asked]
        if not refs:
            return
        await self._journal.ended(refs, self._request.answer_timeout_s)
        await self._continue_all(asked)

    async def _continue_all(self, steps: Sequence[Step]) -> None:
        """Send what is left of each, once the whole book proves the attempt before it over."""
        for last_look in (False, False, True):
            book = await self._hands.book()
            done = [await self._continue(step, book, last_look=last_look) for step in steps]
            steps = [step for step, over in zip(steps, done, strict=True) if not over]
            if not steps or self._journal.broken is not None:
                return
            await self._journal.next_word(min(_LOOK_EVERY_S, self._request.answer_timeout_s))

    async def _asked_to_end(self, step: Step) -> bool:
        ref = step.life.order.order_ref
        if step.following is not None:
            await self._journal.write(
                OrderEvent(
                    order_ref=ref,
                    at=self._clock.now(),
                    kind=EventKind.WORKED,
                    status=step.following.order_type,
                    text=f"ended, it {step.why}",
                )
            )
        else:
            await self._hands.say(step.life.order, f"ended: {step.why}")
        try:
            await self._hands.cancel(ref)
        except BrokerError as error:  # nothing was asked: whoever ends it later is not us
            self._given_up.add(ref)
            if step.following is not None:
                await self._take_back(step.life.order)
            await self._hands.say(step.life.order, f"not worked any more: {error}")
            return False
        return True

    async def _continue(self, step: Step, book: OrderSweep | None, *, last_look: bool) -> bool:
        """Return whether this one is dealt with."""
        order = step.life.order
        life = self._journal.lives()[order.order_ref]
        if step.following is None or life.state in {OrderState.FILLED, OrderState.REJECTED}:
            return True
        doubt = _doubt(life, book)
        if doubt:
            if last_look:
                self._given_up.add(order.order_ref)
                if life.state in _WAITING:
                    await self._take_back(order)
                await self._hands.say(order, f"not worked any more: {doubt}")
            return False
        if _left(life):
            to_market = step.following.order_type == OrderType.MKT
            following = at_the_market(life) if to_market else next_attempt(life)
            await self._hands.go_on(following, self._parts(life))
        return True

    def _parts(self, life: OrderLife) -> Mapping[str, int]:
        """Whose position is left to be traded, of an order that belongs to several."""
        parts = self._request.parts.get(life.order.order_ref, {})
        if not parts:
            return {}
        done = life.filled * life.order.action.sign
        given = shares(parts, ordered=life.order.signed, filled=done)
        return {model: part - given[model] for model, part in parts.items() if part != given[model]}

    async def _take_up(self) -> None:
        """Go on with what an earlier process ended and did not live to send again."""
        lives = self._journal.lives()
        replaced = {life.order.replaces for life in lives.values()}
        steps = []
        for ref, life in lives.items():
            kind = self._journal.worked(ref)
            if kind and ref not in replaced and life.state is OrderState.CANCELLED and _left(life):
                following = at_the_market(life) if kind == OrderType.MKT else next_attempt(life)
                steps.append(Step(life=life, following=following, why="goes on"))
        if steps and self._may_go_on():
            await self._hold(lambda: self._continue_all(steps))

    # A roll on one leg

    async def _lone_legs(self) -> list[Step]:
        now, steps = self._clock.now(), []
        for pair in lone_pairs(self._journal.lives()):
            lagging, limit = pair.lagging, pair.lagging.order.leg_limit
            if limit is None or now - pair.since < timedelta(seconds=limit.alone_s):
                continue
            ref = lagging.order.order_ref
            told = self._told.get(ref)
            if told is not None and now - told < timedelta(seconds=limit.alone_s):
                continue
            self._told[ref] = now
            step = None if ref in self._given_up else await self._ending(lagging, limit.then)
            what = step.why if step else "it stays as it is: a person decides"
            await self._hands.say(lagging.order, f"{pair.text(now)}; {what}")
            steps.extend([step] if step else [])
        return steps

    async def _ending(self, lagging: OrderLife, then: LoneLeg) -> Step | None:
        """Return what the settings want done with what is left; None where it can only be told."""
        if then is LoneLeg.TELL or lagging.state not in _WAITING or lagging.doubled:
            return None
        if then is LoneLeg.CANCEL:
            return Step(life=lagging, following=None, why="what is left of it is cancelled")
        following = at_the_market(lagging)
        quote = await self._hands.market_of(following)
        caller = Caller(order=following, qualified=None, quote=quote)
        if at_market(lagging.order.order_type) or in_band(self._request.door, caller):
            return None
        return Step(life=lagging, following=following, why="what is left goes at the market")


def _left(life: OrderLife) -> int:
    """What may still be traded: approved, and not taken away by a person since."""
    return min(life.order.quantity, life.wanted) - life.filled


def _doubt(life: OrderLife, book: OrderSweep | None) -> str:
    """Say why an order is not proven over, with all it filled; empty when it is."""
    ref = life.order.order_ref
    if book is None:
        return "the broker's book could not be read whole"
    if life.state is not OrderState.CANCELLED or life.doubled:
        return f"it is {life.state.value}"
    if any(o.order_ref == ref for o in book.open_orders):
        return "the broker's book shows it open"
    over = [o for o in book.completed_orders if o.order_ref == ref]
    if len(over) != 1 or over[0].filled != life.filled:
        return "the broker's book does not say how it ended"
    return ""
