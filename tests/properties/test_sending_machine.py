"""Sending under crashes, silence and second baskets: nothing is ever in the market twice.

One evening of one model: it holds two ES to be sold and wants three CL. Baskets are prepared from
the desk's own books at any moment and may be sent at any later one; the process may die at every
point of the journal, the line may break before or after an order, words may be lost or come again
on the next connection, and the broker fills, cancels and forgets as it likes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.clock import ManualClock
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import FuturesContract
from afterclose.domain.order_life import live, lives
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.domain.placing import Repricing
from afterclose.errors import ApprovalVoid
from afterclose.evening.books import read_books
from afterclose.stages import submit
from afterclose.stages.basket import ModelBook, OrderTerms, basket_orders, desk_trades
from make import ACCOUNT, NOW, SESSION, make_contract, make_mapped, make_qualified, make_trade
from unit.stages.small_broker import (
    Answer,
    Book,
    Ending,
    SmallDesk,
    acknowledge,
    break_after,
    break_before,
    break_on_the_way,
    cannot_end,
    ends,
    ends_unheard,
    fill_at_once,
    lose,
    refuse,
    say_nothing,
    stays,
)

ES, CL = make_contract("ESZ26"), make_contract("CLF27")
TRADES = (make_trade("ESZ26", 2, 0), make_trade("CLF27", 0, 3))
#: What one evening may sell and buy at most.
LIMITS = {ES: -2, CL: 3}
MAPPED = {c.symbol: make_mapped(c.symbol) for c in LIMITS}


class PowerCut(BaseException):
    """The process is gone; nothing of it runs on."""


class FailingLedger(SqlLedger):
    """A ledger in memory, which can be cut off at any write of events, before or after it."""

    #: Writes until the power fails; None: it does not.
    writes_left: int | None = None
    #: Whether the write at which it fails is still made.
    last_is_made = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.known: dict[str, BasketOrder] = {}
        self.written: list[OrderEvent] = []

    def record_orders(self, run_id: str, orders: Sequence[BasketOrder], **parts: Any) -> None:
        super().record_orders(run_id, orders, **parts)
        self.known |= {order.order_ref: order for order in orders}

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        failing = self.writes_left == 0
        if not failing or self.last_is_made:
            super().append_events(run_id, events)
            self.written.extend(events)
        if failing:
            raise PowerCut
        if self.writes_left is not None:
            self.writes_left -= 1


def fill_half(book: Book, order: BasketOrder) -> list[OrderEvent]:
    return [book.take(order), book.fill(order, 1)]


ANSWERS: dict[str, Answer] = {
    f.__name__: f
    for f in (
        acknowledge,
        fill_at_once,
        fill_half,
        refuse,
        say_nothing,
        lose,
        break_before,
        break_after,
        break_on_the_way,
    )
}
ENDINGS: dict[str, Ending] = {f.__name__: f for f in (ends, ends_unheard, stays, cannot_end)}
ENDING = st.sampled_from(sorted(ENDINGS))
#: Due at once: every order that stands in the market is gone on with, twice at most.
WORKED = Repricing(ticks=1, times=2, every_s=0)
ANSWER = st.sampled_from(sorted(ANSWERS))
#: One of several, whose number may depend on how fast this machine is.
WHICH = st.integers(0, 719)
CUT = st.none() | st.tuples(st.integers(0, 6), st.booleans())


async def for_a_moment(_orders: submit.Following) -> None:
    """Follow for some turns of the loop, not until everything is over: what was begun is ended."""
    for _ in range(40):
        await asyncio.sleep(0)


class Evening(RuleBasedStateMachine):
    """A broker, a ledger, and whatever may happen between them."""

    baskets = Bundle("baskets")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.ledger = FailingLedger("sqlite://")
        self.ledger.adopt("TF", {ES: 2}, at=NOW, note="held from the start")
        self.late: list[OrderEvent] = []

    @rule(target=baskets)
    def prepare(self) -> tuple[BasketOrder, ...]:
        books = read_books(self.ledger, ("TF",), SESSION)
        made = desk_trades(
            ModelBook(
                model="TF",
                session=SESSION,
                trades=TRADES,
                target={ES: 0, CL: 3},
                held=books.held["TF"],
                working=books.working["TF"],
                closes={},
                done=books.done["TF"],
                complete=books.complete["TF"],
            )
        )
        terms = OrderTerms(desk="desk", account=ACCOUNT, session=SESSION, past=books.states)
        made_now = basket_orders(made, MAPPED, terms).orders
        return tuple(replace(order, repricing=WORKED) for order in made_now)

    @rule(
        basket=baskets,
        first=ANSWER,
        then=ANSWER,
        cut=CUT,
        unreadable=st.booleans(),
        ending=st.none() | ENDING,
    )
    def send(
        self,
        basket: tuple[BasketOrder, ...],
        first: str,
        then: str,
        cut: tuple[int, bool] | None,
        unreadable: bool,  # noqa: FBT001 - Hypothesis calls it by name
        ending: str | None = None,
    ) -> None:
        """Send; with an ending, stay and work what stands in the market."""
        desk = SmallDesk(book=self.book, answer=ANSWERS[then], ending=ENDINGS[ending or "stays"])
        if basket:
            desk.answers[submit.in_sending_order(basket)[0].order_ref] = ANSWERS[first]
        if unreadable:
            desk.unreadable = [(), ("executions",)]
        for event in self.late:
            desk.queue.put_nowait(event)
        self.late = []
        self.ledger.writes_left, self.ledger.last_is_made = cut or (None, False)
        try:
            asyncio.run(self._send(desk, basket, worked=ending is not None))
        except (PowerCut, ApprovalVoid):
            pass
        finally:
            self.ledger.writes_left = None
            while not desk.queue.empty():
                unread = desk.queue.get_nowait()
                self.late.extend([unread] if unread else [])  # it comes again

    async def _send(
        self, desk: SmallDesk, basket: tuple[BasketOrder, ...], *, worked: bool = False
    ) -> None:
        request = submit.SubmitRequest(
            run_id="run",
            orders=basket,
            qualified={c: make_qualified(c.symbol) for c in LIMITS},
            answer_timeout_s=0.002,
            approved_until=NOW + timedelta(hours=9) if worked else None,
        )
        follow = for_a_moment if worked else submit.until_answered
        await submit.run(desk, self.ledger, request, ManualClock(NOW), follow=follow)

    @rule(which=WHICH, quantity=st.integers(1, 3))
    def the_broker_fills(self, which: int, quantity: int) -> None:
        working = self._working()
        if working:
            order = working[which % len(working)]
            named = self.ledger.known[order.order_ref]
            part = min(quantity, order.quantity - self._filled(order.order_ref))
            if part:
                self.late.append(self.book.fill(named, part))
            if self._filled(order.order_ref) == order.quantity:
                self._becomes(order, "Filled")

    @rule(which=WHICH)
    def the_broker_cancels(self, which: int) -> None:
        working = self._working()
        if working:
            self._becomes(working[which % len(working)], "Cancelled")

    @rule(which=WHICH)
    def the_gateway_repeats_itself(self, which: int) -> None:
        if self.ledger.written:
            event = self.ledger.written[which % len(self.ledger.written)]
            if event.kind in {EventKind.STATUS, EventKind.FILL} and event.status != "Cancelled":
                self.late.append(event)

    def _becomes(self, order: BrokerOrder, status: str) -> None:
        self.book.orders[order.order_ref] = replace(order, status=status)

    def _working(self) -> list[BrokerOrder]:
        over = {"Filled", "Cancelled", "Inactive"}
        return [o for o in self.book.orders.values() if o.status not in over]

    def _filled(self, ref: str) -> int:
        return sum(f.quantity for f in self.book.fills if f.order_ref == ref)

    @invariant()
    def no_name_is_placed_twice(self) -> None:
        assert len(self.book.placed) == len(set(self.book.placed))

    @invariant()
    def no_limit_leaves_its_bound_and_no_attempt_is_one_too_many(self) -> None:
        for ref in self.book.placed:
            order, first = self.ledger.known[ref], self.ledger.known[ref]
            attempts = 1
            while first.replaces:
                first, attempts = self.ledger.known[first.replaces], attempts + 1
            assert attempts <= 1 + WORKED.times
            beyond = (order.limit_price - first.limit_price) * order.action.sign
            assert 0 <= beyond <= WORKED.ticks * WORKED.times * order.mapped.spec.tick_size

    @invariant()
    def nothing_is_placed_that_the_journal_does_not_know(self) -> None:
        intents = {e.order_ref for e in self.ledger.written if e.kind is EventKind.INTENT}
        assert set(self.book.placed) <= intents

    @invariant()
    def the_market_never_has_more_than_the_model_wants(self) -> None:
        exposed: defaultdict[FuturesContract, int] = defaultdict(int)
        open_refs = {o.order_ref for o in self._working()}
        for ref in self.book.placed:
            order = self.ledger.known[ref]
            size = order.quantity if ref in open_refs else self._filled(ref)
            exposed[order.contract] += size * order.action.sign
        for contract, quantity in exposed.items():
            assert abs(quantity) <= abs(LIMITS[contract]), f"{quantity:+d} of {contract}"

    @invariant()
    def no_fill_in_the_journal_is_lost_or_doubled(self) -> None:
        told = {e.fill.exec_id for e in self.ledger.written if e.fill}
        for life in lives(self.ledger.known.values(), self.ledger.written).values():
            ref = life.order.order_ref
            fills = [f for f in self.book.fills if f.order_ref == ref and f.exec_id in told]
            assert life.filled == sum(f.quantity for f in fills)

    def teardown(self) -> None:
        """A calm connection at the end brings the truth about everything that was ever sent."""
        try:
            self._tell_the_truth()
        finally:
            self.ledger.close()

    def _tell_the_truth(self) -> None:
        known = lives(self.ledger.known.values(), self.ledger.written).values()
        sent = [life.order for life in known if life.state is not OrderState.INTENDED]
        if sent:
            asyncio.run(self._send(SmallDesk(book=self.book), tuple(sent)))
        for order in sent:
            life = live(order, [e for e in self.ledger.written if e.order_ref == order.order_ref])
            in_book = self.book.orders.get(order.order_ref)
            if in_book is None:
                assert life.state is OrderState.UNKNOWN
            else:
                assert life.filled == self._filled(order.order_ref)
                assert life.state.final is (in_book.status in {"Filled", "Cancelled", "Inactive"})


TestSending = Evening.TestCase
TestSending.settings = settings(max_examples=40, stateful_step_count=10, deadline=None)


def test_an_older_basket_does_not_follow_a_newer_one() -> None:
    """The path that chance finds too seldom: the second attempt goes before the first."""
    evening = Evening()
    calm = {"then": "acknowledge", "cut": None, "unreadable": False}
    older = evening.prepare()
    evening.send(basket=older, first="lose", **calm)
    newer = evening.prepare()
    assert [order.order_ref[-2:] for order in newer] == ["O2"]

    evening.send(basket=newer, first="acknowledge", **calm)
    evening.send(basket=older, first="acknowledge", **calm)
    evening.the_market_never_has_more_than_the_model_wants()
    evening.teardown()
