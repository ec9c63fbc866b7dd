"""Send what was never sent, follow what was, and leave nothing half known.

Before the first byte the broker's whole book is read: an order whose name is in it, or of which
the journal knows anything, is not sent again. An intent is durable in the ledger before its bytes
leave. The first order goes alone; only when it is acknowledged do the others follow. What stays
without an answer is *unknown*, and said so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from afterclose.domain.book_events import sweep_events
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.market import Quote
from afterclose.domain.order_life import NOT_VALID, OrderLife, lives, not_sent
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.errors import (
    AfterCloseError,
    ApprovalVoid,
    BrokerError,
    BrokerTimeout,
    BrokerUnavailable,
    ContractError,
    RunAlreadySubmitted,
    SafetyError,
)
from afterclose.ports import Clock, Ledger, OrderDesk
from afterclose.stages.submit.crossing import cross_inside
from afterclose.stages.submit.door import Caller, Gate, needs_quote
from afterclose.stages.submit.journal import Journal
from afterclose.stages.submit.overtaken import refuse_overtaken
from afterclose.stages.submit.stream import together
from afterclose.stages.submit.terms import Follow, SubmitRequest, until_answered
from afterclose.stages.submit.turns import TAKEN, closing_leg, lonely, to_send
from afterclose.stages.submit.windows import require_not_halted
from afterclose.stages.submit.working import Worker, with_attempts

#: TWS is back after it had lost IBKR's servers: what happened meanwhile is not told again.
_SERVERS_BACK = frozenset({1101, 1102})
#: Orders on their way without an answer, at most. Fifty messages a second and an answer within a
#: seventh of one never fill it.
IN_FLIGHT = 8
_HALT_EVERY_S = 0.5
#: How the word on an order begins that stays here.
_HELD_BACK = "held back:"


async def run(
    desk: OrderDesk,
    ledger: Ledger,
    request: SubmitRequest,
    clock: Clock,
    *,
    on_event: Callable[[OrderEvent], None] = lambda _event: None,
    on_lost: Callable[[BrokerError], None] = lambda _error: None,
    follow: Follow = until_answered,
) -> Mapping[str, OrderLife]:
    """Send what was never sent, follow everything, and return each order's life.

    ``follow`` says how long to listen once every order was answered: executions are told to those
    who listen, and the gateway forgets them at midnight. ``on_lost`` hears it when the gateway was
    lost on the way, or stopped taking orders: what is returned is then not the end.

    Raises, with nothing sent: SafetyError while the desk is halted, BrokerTimeout when the broker's
    book cannot be read whole, ApprovalVoid when the desk traded one of these contracts after the
    basket was made. A halt or a broken line later leaves the orders as the journal has them; run it
    again.
    """
    ledger.record_netting(request.run_id, request.netting)
    if not request.orders:
        cross_inside(ledger, request, clock)
        return {}
    ledger.record_orders(request.run_id, request.orders, parts=request.parts)
    journal = Journal(request.run_id, with_attempts(request.orders, ledger), ledger, on_event)
    sending = _Sending(desk, ledger, request, clock, journal)
    journal.read_book = sending.read_book
    await sending.read_whole_book()
    worker = Worker(sending, journal, request, clock)
    await worker.forget_lost()
    waiting = to_send(journal.lives(), journal.orders()) if request.sends else ()
    if waiting:
        require_not_halted(ledger)
    refuse_overtaken(ledger, waiting, request.netting)
    cross_inside(ledger, request, clock)
    tasks = [asyncio.create_task(sending.listen()), asyncio.create_task(sending.watch_halt())]
    try:
        await sending.send_all(waiting)
        await worker.beside(follow)
        await sending.read_book()  # what the stream told meanwhile is in the journal before it
        lost = journal.broken  # by now: our own ending of the stream, below, is no loss
    finally:
        await _end(tasks)
    if isinstance(lost, BrokerError):
        on_lost(lost)
    return journal.lives()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Stop them, and raise what one of them ended with, if it was not our stopping."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


class _Sending:
    """One order after the other, with the journal before each."""

    def __init__(
        self,
        desk: OrderDesk,
        ledger: Ledger,
        request: SubmitRequest,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._request = request
        self._clock = clock
        self._journal = journal
        self._gate = Gate(request.door)
        #: Orders whose intent is written, and whose bytes may not have left yet.
        self._leaving: set[str] = set()

    # For who works orders while they are followed

    async def cancel(self, order_ref: str) -> None:
        """Ask for the end of one of our orders. Raises BrokerError."""
        await self._desk.cancel(order_ref)

    async def book(self) -> OrderSweep | None:
        """Read the book into the journal; None where it is not whole."""
        with suppress(BrokerError):
            book = await self._look()
            return None if book.unknown else book
        return None

    async def go_on(self, order: BasketOrder, parts: Mapping[str, int]) -> None:
        """Send a further attempt, recorded first; it stays intended where nothing may go now."""
        if self._ledger.named([order.order_ref]):
            before = self._journal.lives()[order.replaces].order
            await self._say(before, f"not gone on with: {order.order_ref} stands for another order")
            return
        owners = {order.order_ref: parts} if parts else {}
        self._ledger.record_orders(self._request.run_id, [order], parts=owners)
        self._journal.add(order)
        qualified = self._request.qualified.get(order.contract)
        stopped = self._stopped() or self._overtaken(order)
        if stopped is not None or qualified is None:
            await self._say(order, f"{_HELD_BACK} {stopped or 'the gateway does not know it'}")
        elif await self._room():
            await self._place(order, qualified)

    def _overtaken(self, order: BasketOrder) -> AfterCloseError | None:
        """Why a further attempt would trade a position that is another one by now."""
        try:
            refuse_overtaken(self._ledger, [order], self._request.netting)
        except ApprovalVoid as error:
            return error
        return None

    async def market_of(self, order: BasketOrder) -> Quote | None:
        """Ask for the market of one order now; None where nobody says."""
        qualified = self._request.qualified.get(order.contract)
        if self._request.quotes is None or qualified is None:
            return None
        with suppress(BrokerError):
            return (await self._request.quotes([qualified])).get(order.contract)
        return None

    async def say(self, order: BasketOrder, text: str) -> None:
        """Write a word of ours into the order's journal."""
        await self._say(order, text)

    # Listening

    async def read_whole_book(self) -> None:
        """Read the broker's book into the journal. Raises BrokerTimeout when it is not whole."""
        book = await self._desk.sweep()
        if book.unknown:
            raise BrokerTimeout(
                book.gap,
                hint="nothing was sent; look at the gateway and run 'afterclose send' again",
            )
        await self._journal.write(*sweep_events(self._journal.lives(), book))
        self._note_others(book)

    def _note_others(self, book: OrderSweep) -> None:
        """Write down what the book says of the session's other orders, those of earlier baskets.

        One that was over when this basket was made, and lives again, is then seen as its rival.
        """
        session = self._request.orders[0].session
        known = lives(self._ledger.orders(session), self._ledger.events(session))
        others = {ref: life for ref, life in known.items() if not self._journal.mine(ref)}
        self._ledger.append_events(self._request.run_id, sweep_events(others, book))

    async def _look(self) -> OrderSweep:
        """Read the book into the journal. What leaves while it is read is not missing in it."""
        lives = self._journal.lives()
        left = {ref for ref, life in lives.items() if life.state is not OrderState.INTENDED}
        left -= self._leaving
        book = await self._desk.sweep()
        found = sweep_events(self._journal.lives(), book)
        absent = EventKind.ABSENT
        await self._journal.write(*(e for e in found if e.kind != absent or e.order_ref in left))
        return book

    async def read_book(self) -> None:
        """Read what can be read of the book; of a part that did not end, silence proves nothing."""
        with suppress(BrokerError):
            await self._look()

    async def listen(self) -> None:
        """Write down what comes. However it ends, those who wait for it hear of it."""
        ended: Exception = BrokerUnavailable("the gateway's stream of order events ended")
        try:
            async for come in together(self._desk.events()):
                await self._journal.write(*(e for e in come if self._journal.mine(e.order_ref)))
                for event in come:
                    if not event.order_ref:
                        self._journal.on_event(event)  # about the line itself
                if any(not e.order_ref and e.code in _SERVERS_BACK for e in come):
                    await self.read_book()
        except BrokerError as error:
            ended = error
        except Exception as error:
            ended = error
            raise
        finally:
            await self._journal.break_off(ended)

    async def watch_halt(self) -> None:
        """Stop as soon as a person halts the desk, from whatever process."""
        standing = self._ledger.halted()  # nothing is sent under it, but what was can be followed
        while True:
            await asyncio.sleep(_HALT_EVERY_S)
            halt = self._ledger.halted()
            if halt not in (None, standing):
                await self._journal.break_off(SafetyError(f"halted by {halt.by}: {halt.reason}"))
                return

    # Sending

    async def send_all(self, orders: Sequence[BasketOrder]) -> None:
        """Send one alone until the broker has taken one, then the rest; wait for every answer.

        A first order that is rejected proves nothing for the next one; one without an answer ends
        it for now.
        """
        await self._send_waiting(deque(orders))
        await self._say_why_the_rest_stays(orders)

    async def _say_why_the_rest_stays(self, orders: Sequence[BasketOrder]) -> None:
        """Where the line broke, let every order that it left here say so."""
        broken, lives = self._journal.broken, self._journal.lives()
        if isinstance(broken, BrokerError):
            for order in to_send(lives, orders):
                if not lives[order.order_ref].text.startswith(_HELD_BACK):
                    await self._say(order, f"{_HELD_BACK} {broken}")

    async def _send_waiting(self, waiting: deque[BasketOrder]) -> None:
        proven = False
        while waiting and not proven:
            first = waiting.popleft()
            if await self._send(first, await self._quotes([first])):
                state = await self._answered(first)
                proven = state in TAKEN
                if state in {OrderState.SENT, OrderState.UNKNOWN} or self._read_only(first):
                    return  # one order without an answer is bad enough
            if self._journal.broken is not None:
                return
        quotes = await self._quotes(waiting)
        for order in waiting:
            if not await self._room() or self._journal.broken is not None:
                return
            await self._send(order, quotes)
        await self._all_answered()

    async def _room(self) -> bool:
        """Wait until few enough orders are without an answer; False when they stay so.

        Should the line break unnoticed, no more than these can be in doubt.
        """
        await asyncio.sleep(0)  # hear what has come before more is said
        for look_in_book in (True, False):
            if await self._journal.unanswered_below(IN_FLIGHT, self._request.answer_timeout_s):
                return True
            if look_in_book and self._journal.broken is None:
                await self.read_book()
        return False

    async def _answered(self, order: BasketOrder) -> OrderState:
        """Wait for a word on this order; where none comes, look for it in the book."""
        await self._journal.answered([order.order_ref], self._request.answer_timeout_s)
        life = self._journal.lives()[order.order_ref]
        if life.state is OrderState.SENT and self._journal.broken is None:
            await self.read_book()
        return self._journal.lives()[order.order_ref].state

    def _read_only(self, order: BasketOrder) -> bool:
        """Whether the gateway takes no orders at all (321), as its settings say."""
        life = self._journal.lives()[order.order_ref]
        return life.state is OrderState.REJECTED and life.code == NOT_VALID

    async def _all_answered(self) -> None:
        sent = [r for r, life in self._journal.lives().items() if life.state is OrderState.SENT]
        await self._journal.answered(sent, self._request.answer_timeout_s)

    async def _send(self, order: BasketOrder, quotes: Mapping[FuturesContract, Quote]) -> bool:
        """Send one order; False when it stayed here."""
        qualified = self._request.qualified.get(order.contract)
        caller = Caller(order=order, qualified=qualified, quote=quotes.get(order.contract))
        reason = await self._lonely(order) or self._gate.reason(caller)
        if reason or qualified is None:
            await self._say(order, f"{_HELD_BACK} {reason}")
            return False
        stopped = self._stopped()
        if stopped is not None:
            await self._say(order, f"{_HELD_BACK} {stopped}")
            await self._journal.break_off(stopped)
            return False
        return await self._place(order, qualified)

    def _stopped(self) -> AfterCloseError | None:
        """Why no order may be begun any more: a person's halt, or a restart that comes."""
        halt, until = self._ledger.halted(), self._request.sends_until
        if halt is not None:
            return SafetyError(f"halted by {halt.by}: {halt.reason}")
        if until is not None and self._clock.now() >= until:
            return BrokerUnavailable(
                f"the gateway restarts soon: nothing goes after {until:%H:%M} UTC"
            )
        return None

    async def _place(self, order: BasketOrder, qualified: QualifiedContract) -> bool:
        self._leaving.add(order.order_ref)
        try:
            return await self._written(order, qualified)
        finally:
            self._leaving.discard(order.order_ref)

    async def _written(self, order: BasketOrder, qualified: QualifiedContract) -> bool:
        ref = order.order_ref
        await self._journal.write(
            OrderEvent(order_ref=ref, at=self._clock.now(), kind=EventKind.INTENT)
        )
        try:
            await self._desk.place(order, qualified)
        except RunAlreadySubmitted as error:  # it is at the broker; the book tells how it fares
            await self._say(order, str(error))
        except AfterCloseError as error:  # the desk vouches that no byte left
            await self._journal.write(not_sent(ref, at=self._clock.now(), why=str(error)))
            if isinstance(error, BrokerError):
                await self._journal.break_off(error)
            elif not isinstance(error, ContractError):  # that one concerns this order alone
                raise
            return False
        return True

    async def _lonely(self, order: BasketOrder) -> str:
        """Wait until it is known what became of the leg that closes; say why that forbids this."""
        closing = closing_leg(self._journal.lives(), order)
        if closing is None:
            return ""
        await self._journal.answered([closing.order.order_ref], self._request.answer_timeout_s)
        return lonely(closing_leg(self._journal.lives(), order))

    async def _say(self, order: BasketOrder, text: str) -> None:
        await self._journal.write(
            OrderEvent(
                order_ref=order.order_ref, at=self._clock.now(), kind=EventKind.MESSAGE, text=text
            )
        )

    async def _quotes(self, orders: Collection[BasketOrder]) -> Mapping[FuturesContract, Quote]:
        """Ask for the market of those orders that the price guard looks at."""
        ask, door = self._request.quotes, self._request.door
        wanted = {o.contract for o in orders if needs_quote(door, o)}
        contracts = [q for c, q in self._request.qualified.items() if c in wanted]
        if ask is None or not contracts:
            return {}
        try:
            return await ask(contracts)
        except BrokerError:
            return {}  # unknown, and the door says what follows from that
