"""What happens beside a sending: an end that could not be asked for, a book that is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.clock import ManualClock
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.domain.placing import Repricing
from afterclose.domain.sending import SendLimits
from afterclose.stages import submit
from make import NOW, SESSION, make_event, make_order, make_qualified
from unit.stages.small_broker import Book, SmallDesk, cannot_end, ends

pytestmark = pytest.mark.anyio

WORKED = make_order("CLF27", repricing=Repricing(ticks=1, times=1, every_s=0))
FIRST, SECOND = (f"{WORKED.order_ref[:-1]}{number}" for number in (1, 2))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    yield opened
    opened.close()


def request(*orders: BasketOrder, door: submit.Door | None = None) -> submit.SubmitRequest:
    return submit.SubmitRequest(
        run_id="run",
        orders=orders,
        qualified={o.contract: make_qualified(o.contract.symbol) for o in orders},
        answer_timeout_s=0.05,
        door=door or submit.Door(),
    )


def end_by_hand(book: Book) -> None:
    """A person cancels the first attempt in TWS."""
    ends(book, FIRST)


async def test_what_a_person_ends_after_its_end_could_not_be_asked_for_stays_ended(
    ledger: SqlLedger,
) -> None:
    """Its client number is another one by now: the gateway was never asked to end it."""
    desk, given_up = SmallDesk(ending=cannot_end), asyncio.Event()

    def hear(event: OrderEvent) -> None:
        if "not worked any more" in event.text:
            given_up.set()

    async def follow(_orders: submit.Following) -> None:
        await given_up.wait()

    working = replace(request(WORKED), approved_until=NOW + timedelta(hours=1))
    clock = ManualClock(NOW)
    await submit.run(desk, ledger, working, clock, on_event=hear, follow=follow)
    end_by_hand(desk.book)
    known = await submit.run(SmallDesk(book=desk.book), ledger, working, clock)

    assert desk.book.placed == [FIRST]
    assert known[FIRST].state is OrderState.CANCELLED


async def test_an_attempt_that_a_crash_left_here_is_counted_with_the_first(
    ledger: SqlLedger,
) -> None:
    """As it would have been without the crash: the evening's limits are full with the first."""
    desk, clock = SmallDesk(), ManualClock(NOW)
    await submit.run(desk, ledger, request(WORKED), clock)
    end_by_hand(desk.book)
    ledger.append_events("run", [make_event(WORKED, "worked", status="LMT")])
    ledger.record_orders("run", [replace(WORKED, order_ref=SECOND, replaces=FIRST)])
    full = submit.Door(limits=SendLimits(orders_per_evening=1), gone=[(WORKED, None)])
    await submit.run(SmallDesk(book=desk.book), ledger, request(WORKED, door=full), clock)

    assert desk.book.placed == [FIRST, SECOND]


@dataclass
class WhileRead(SmallDesk):
    """The order's bytes leave while the book is read for the second time; its word comes later."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[asyncio.Task[None]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        await self.begun.wait()
        await super().place(order, qualified)

    async def sweep(self) -> OrderSweep:
        book = await super().sweep()
        if self.sweeps > 1:
            self.begun.set()
            await self.reached.wait()
            self.ended.set()
        return book

    def late(self, book: Book, order: BasketOrder) -> Sequence[OrderEvent | None]:
        word = book.take(order)

        async def say() -> None:
            await self.ended.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            self.queue.put_nowait(word)

        self.said.append(asyncio.create_task(say()))
        return []


async def test_an_order_that_leaves_while_the_book_is_read_is_not_missing_in_it(
    ledger: SqlLedger,
) -> None:
    orders = [make_order(s) for s in ("CLF27", "NQZ26", "ZNH27")]
    desk = WhileRead()
    desk.answers[orders[0].order_ref] = desk.late
    back = make_event(kind="message", order_ref="", code=1102, text="servers are back")
    desk.queue.put_nowait(back)
    patient = replace(request(*orders), answer_timeout_s=30)
    known = await submit.run(desk, ledger, patient, ManualClock(NOW))

    assert not [e for e in ledger.events(SESSION) if e.kind is EventKind.ABSENT]
    assert {life.state for life in known.values()} == {OrderState.WORKING}
