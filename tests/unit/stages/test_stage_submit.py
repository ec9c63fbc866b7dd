"""Sending: every order exactly once, and what stays without an answer is said to be unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.clock import ManualClock
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState, TradeKind
from afterclose.domain.placing import Repricing
from afterclose.domain.sending import Halt
from afterclose.errors import ApprovalVoid, BrokerError, BrokerTimeout, LedgerError
from afterclose.stages import submit
from make import (
    NOW,
    SESSION,
    intent,
    make_contract,
    make_exit,
    make_order,
    make_qualified,
    status,
)
from unit.stages.small_broker import (
    Answer,
    Book,
    SmallDesk,
    acknowledge,
    break_after,
    break_before,
    break_on_the_way,
    fill_at_once,
    lose,
    refuse,
    say_nothing,
)

EXIT = make_exit("ESZ26", -2)
ENTRIES = [make_order(s) for s in ("CLF27", "NQZ26", "ZNH27")]
ORDERS = [EXIT, *ENTRIES]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    opened.adopt("TF", {EXIT.contract: 2}, at=NOW, note="held from the start")
    yield opened
    opened.close()


async def send(
    desk: SmallDesk,
    ledger: SqlLedger,
    orders: Sequence[BasketOrder] = ORDERS,
    *,
    patience_s: float = 0.05,
    follow: submit.Follow = submit.until_answered,
    seen: list[OrderEvent] | None = None,
    sends: bool = True,
    lost: list[BrokerError] | None = None,
) -> Mapping[str, OrderLife]:
    request = submit.SubmitRequest(
        run_id="run",
        orders=orders,
        qualified={o.contract: make_qualified(o.contract.symbol) for o in orders},
        answer_timeout_s=patience_s,
        sends=sends,
    )
    told = [] if seen is None else seen
    return await submit.run(
        desk,
        ledger,
        request,
        ManualClock(NOW),
        on_event=told.append,
        on_lost=([] if lost is None else lost).append,
        follow=follow,
    )


def states(known: Mapping[str, OrderLife]) -> list[OrderState]:
    return [known[o.order_ref].state for o in ORDERS]


def refs(orders: Sequence[BasketOrder]) -> list[str]:
    return [o.order_ref for o in orders]


def test_exits_go_first_then_rolls_leg_by_leg_then_what_opens() -> None:
    close = make_exit("CLF27", kind=TradeKind.ROLL_CLOSE)
    open_ = make_order("CLG27", kind=TradeKind.ROLL_OPEN)
    other_close = make_exit("GCZ26", kind=TradeKind.ROLL_CLOSE)
    other_open = make_order("GCG27", kind=TradeKind.ROLL_OPEN)
    entry = make_order("6AZ26")
    exit_ = make_exit("ZNZ26")
    auto = make_exit("NQZ26", kind=TradeKind.AUTO_CLOSE)
    shuffled = [entry, other_open, open_, exit_, close, other_close, auto]

    assert submit.in_sending_order(shuffled) == (
        auto,
        exit_,
        close,
        open_,
        other_close,
        other_open,
        entry,
    )


@pytest.mark.anyio
async def test_every_order_is_placed_once_with_its_own_contract(ledger: SqlLedger) -> None:
    desk = SmallDesk()
    known = await send(desk, ledger)

    assert desk.book.placed == refs(ORDERS)
    assert [q.contract for q in desk.qualified] == [o.contract for o in ORDERS]
    assert states(known) == [OrderState.WORKING] * 4


@pytest.mark.anyio
async def test_nothing_leaves_that_is_not_in_the_ledger_first(ledger: SqlLedger) -> None:
    found: list[tuple[EventKind, ...]] = []

    def look(book: Book, order: BasketOrder) -> list[OrderEvent]:
        events = ledger.events(SESSION)
        found.append(tuple(e.kind for e in events if e.order_ref == order.order_ref))
        return acknowledge(book, order)

    await send(SmallDesk(answer=look), ledger)

    assert found == [(EventKind.INTENT,)] * 4


@pytest.mark.anyio
async def test_the_first_order_goes_alone_until_it_is_answered(ledger: SqlLedger) -> None:
    desk = SmallDesk(answer=say_nothing)
    sending = asyncio.create_task(send(desk, ledger, patience_s=30))
    await desk.reached.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.book.placed == [EXIT.order_ref]

    desk.answer = acknowledge
    desk.queue.put_nowait(status(EXIT, "PreSubmitted"))
    await sending
    assert desk.book.placed == refs(ORDERS)


@pytest.mark.anyio
async def test_without_a_trace_of_the_first_nothing_else_goes(ledger: SqlLedger) -> None:
    desk = SmallDesk(answers={EXIT.order_ref: lose})
    known = await send(desk, ledger)

    assert desk.book.placed == []
    assert states(known)[1:] == [OrderState.INTENDED] * 3
    assert [q.contract for q in desk.qualified] == [EXIT.contract]


@pytest.mark.anyio
async def test_an_order_that_nobody_has_is_unknown_and_stays_unsent(ledger: SqlLedger) -> None:
    desk = SmallDesk(answers={EXIT.order_ref: lose})
    first = await send(desk, ledger)
    again = await send(SmallDesk(book=desk.book), ledger)

    assert states(first)[0] is OrderState.UNKNOWN
    assert states(again) == [OrderState.UNKNOWN, *[OrderState.WORKING] * 3]
    assert desk.book.placed == refs(ENTRIES)


@pytest.mark.anyio
async def test_an_order_that_was_not_answered_is_looked_up_in_the_book(ledger: SqlLedger) -> None:
    desk = SmallDesk(answers={EXIT.order_ref: say_nothing})
    known = await send(desk, ledger)

    assert states(known) == [OrderState.WORKING] * 4
    assert desk.book.placed == refs(ORDERS)


@pytest.mark.anyio
async def test_only_a_complete_sweep_proves_absence(ledger: SqlLedger) -> None:
    desk = SmallDesk(answers={EXIT.order_ref: lose}, unreadable=[(), *[("completed orders",)] * 9])
    known = await send(desk, ledger)

    assert states(known)[0] is OrderState.SENT


@pytest.mark.anyio
async def test_a_second_run_sends_nothing_twice(ledger: SqlLedger) -> None:
    desk = SmallDesk()
    await send(desk, ledger)
    known = await send(SmallDesk(book=desk.book), ledger)

    assert desk.book.placed == refs(ORDERS)
    assert states(known) == [OrderState.WORKING] * 4


@pytest.mark.anyio
@pytest.mark.parametrize("part", ["open orders", "completed orders", "executions"])
async def test_while_the_book_cannot_be_read_nothing_goes(ledger: SqlLedger, part: str) -> None:
    desk = SmallDesk(unreadable=[(part,)])

    with pytest.raises(BrokerTimeout, match=part) as raised:
        await send(desk, ledger)
    assert raised.value.hint
    assert desk.book.placed == []
    assert ledger.events(SESSION) == ()


@pytest.mark.anyio
@pytest.mark.parametrize("word", ["Submitted", "Cancelled", "Inactive", "a word of tomorrow"])
async def test_an_order_in_the_book_is_not_sent_though_the_journal_lost_it(
    ledger: SqlLedger, word: str
) -> None:
    book = Book()
    book.take(EXIT, word)
    await send(SmallDesk(book=book), ledger)

    assert book.placed == refs(ORDERS)
    assert book.placed.count(EXIT.order_ref) == 1


@pytest.mark.anyio
async def test_an_execution_alone_proves_that_an_order_was_sent(ledger: SqlLedger) -> None:
    book = Book()
    book.fill(EXIT, 2)
    known = await send(SmallDesk(book=book), ledger, [EXIT])

    assert book.placed == []
    assert known[EXIT.order_ref].state is OrderState.FILLED


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (break_before, OrderState.WORKING),
        (break_after, OrderState.WORKING),
        (break_on_the_way, OrderState.UNKNOWN),
    ],
)
@pytest.mark.parametrize("broken", [0, 2])
async def test_a_broken_line_stops_sending_and_a_second_run_goes_on(
    ledger: SqlLedger, answer: Answer, expected: OrderState, broken: int
) -> None:
    desk = SmallDesk(answers={ORDERS[broken].order_ref: answer})
    await send(desk, ledger)
    assert set(desk.book.placed) <= set(refs(ORDERS[: broken + 1]))

    known = await send(SmallDesk(book=desk.book), ledger)
    assert sorted(desk.book.placed) == sorted(set(desk.book.placed))
    assert states(known)[broken] is expected
    assert all(s is OrderState.WORKING for n, s in enumerate(states(known)) if n != broken)


@pytest.mark.anyio
@pytest.mark.parametrize("broken", [0, 1])
async def test_what_a_broken_line_leaves_here_says_so(ledger: SqlLedger, broken: int) -> None:
    desk = SmallDesk(answers={ORDERS[broken].order_ref: break_before})
    known = await send(desk, ledger)
    left = [life.text for life in known.values() if life.state is OrderState.INTENDED]

    assert len(left) == len(ORDERS) - broken
    assert set(left) == {"held back: the line broke before the order was written"}


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [break_before, break_after, break_on_the_way])
async def test_whoever_sends_hears_that_the_gateway_was_lost(
    ledger: SqlLedger, answer: Answer
) -> None:
    lost: list[BrokerError] = []
    desk = SmallDesk(answers={ORDERS[1].order_ref: answer})
    await send(desk, ledger, lost=lost)
    assert len(lost) == 1

    await send(SmallDesk(book=desk.book), ledger, lost=lost)
    assert len(lost) == 1, "a sending that came to its end has lost nothing"


@pytest.mark.anyio
async def test_an_intent_without_a_trace_is_never_sent_again(ledger: SqlLedger) -> None:
    """A crash between the journal and the wire cannot be told from one just after it."""
    ledger.record_orders("run", ORDERS)
    ledger.append_events("run", [intent(EXIT)])
    desk = SmallDesk()
    known = await send(desk, ledger)

    assert desk.book.placed == refs(ENTRIES)
    assert states(known)[0] is OrderState.UNKNOWN


@pytest.mark.anyio
async def test_a_rejected_order_does_not_hold_up_the_others(ledger: SqlLedger) -> None:
    desk = SmallDesk(answers={EXIT.order_ref: refuse})
    known = await send(desk, ledger)

    assert states(known) == [OrderState.REJECTED, *[OrderState.WORKING] * 3]


@pytest.mark.anyio
async def test_fills_reach_the_ledger_and_whoever_watches(ledger: SqlLedger) -> None:
    seen: list[OrderEvent] = []
    known = await send(SmallDesk(answer=fill_at_once), ledger, follow=submit.until_final, seen=seen)

    assert states(known) == [OrderState.FILLED] * 4
    assert ledger.held("TF") == {o.contract: 2 for o in sorted(ENTRIES, key=lambda o: o.contract)}
    assert sum(e.kind is EventKind.FILL for e in seen) == 4
    assert [e for e in ledger.events(SESSION) if e.kind is EventKind.INTENT] == [
        intent(o) for o in ORDERS
    ]


@pytest.mark.anyio
async def test_events_of_other_peoples_orders_are_not_ours(ledger: SqlLedger) -> None:
    desk = SmallDesk()
    desk.queue.put_nowait(status(make_order("HGZ26"), "Submitted"))
    known = await send(desk, ledger)

    assert set(known) == set(refs(ORDERS))
    assert {e.order_ref for e in ledger.events(SESSION)} == set(refs(ORDERS))


@pytest.mark.anyio
async def test_following_ends_when_every_order_is_final(ledger: SqlLedger) -> None:
    desk = SmallDesk()
    following = asyncio.create_task(send(desk, ledger, [EXIT], follow=submit.until_final))
    await desk.reached.wait()
    desk.book.orders[EXIT.order_ref] = replace(desk.book.orders[EXIT.order_ref], status="Filled")
    desk.queue.put_nowait(desk.book.fill(EXIT, 2))

    known = await asyncio.wait_for(following, timeout=60)
    assert known[EXIT.order_ref].state is OrderState.FILLED


@pytest.mark.anyio
async def test_following_ends_when_the_stream_ends(ledger: SqlLedger) -> None:
    desk = SmallDesk()
    desk.answers[EXIT.order_ref] = acknowledge
    following = asyncio.create_task(send(desk, ledger, [EXIT], follow=submit.until_final))
    await desk.reached.wait()
    desk.hang_up()

    known = await asyncio.wait_for(following, timeout=60)
    assert known[EXIT.order_ref].state is OrderState.WORKING


class FullDisk(SqlLedger):
    """A ledger that can be written so many times and no more."""

    writes_left = 0

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        if self.writes_left == 0:
            raise LedgerError("the disk is full", hint="make room")
        self.writes_left -= 1
        super().append_events(run_id, events)


@pytest.mark.anyio
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
async def test_what_the_ledger_does_not_take_is_not_sent(tmp_path: Path, writes: int) -> None:
    full = FullDisk(f"sqlite:///{(tmp_path / 'full.sqlite').as_posix()}")
    full.writes_left = writes
    desk = SmallDesk()
    try:
        with pytest.raises(LedgerError):
            await asyncio.wait_for(send(desk, full, ENTRIES, follow=submit.until_final), timeout=60)
        intents = [e for e in full.events(SESSION) if e.kind is EventKind.INTENT]
        assert set(desk.book.placed) <= {e.order_ref for e in intents}
    finally:
        full.close()


@pytest.mark.anyio
async def test_no_orders_are_no_work(ledger: SqlLedger) -> None:
    desk = SmallDesk()

    assert await send(desk, ledger, []) == {}
    assert desk.sweeps == 0


# -- two baskets of one evening ----------------------------------------------------------------

FIRST = make_order("CLF27")
SECOND = replace(FIRST, order_ref=FIRST.order_ref.replace("-O1", "-O2"))


@pytest.mark.anyio
async def test_a_basket_made_before_another_was_filled_is_refused(ledger: SqlLedger) -> None:
    desk = SmallDesk(answer=fill_at_once)
    await send(desk, ledger, [FIRST], follow=submit.until_final)

    with pytest.raises(ApprovalVoid, match="now holds") as raised:
        await send(SmallDesk(book=desk.book), ledger, [SECOND])
    assert raised.value.hint
    assert desk.book.placed == [FIRST.order_ref]


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [acknowledge, lose])
async def test_a_basket_beside_one_that_may_still_fill_is_refused(
    ledger: SqlLedger, answer: Answer
) -> None:
    desk = SmallDesk(answer=answer)
    await send(desk, ledger, [FIRST])

    with pytest.raises(ApprovalVoid, match="not final"):
        await send(SmallDesk(book=desk.book), ledger, [SECOND])
    assert SECOND.order_ref not in desk.book.placed


@pytest.mark.anyio
async def test_after_a_rejection_the_next_attempt_goes(ledger: SqlLedger) -> None:
    desk = SmallDesk(answer=refuse)
    await send(desk, ledger, [FIRST])
    known = await send(SmallDesk(book=desk.book), ledger, [SECOND])

    assert desk.book.placed == [FIRST.order_ref, SECOND.order_ref]
    assert known[SECOND.order_ref].state is OrderState.WORKING


@pytest.mark.anyio
async def test_another_models_trades_are_not_in_the_way(ledger: SqlLedger) -> None:
    other = make_order("CLF27", model="MR")
    desk = SmallDesk(answer=fill_at_once)
    await send(desk, ledger, [other], follow=submit.until_final)
    await send(SmallDesk(book=desk.book), ledger, [FIRST])

    assert desk.book.placed == [other.order_ref, FIRST.order_ref]


@pytest.mark.anyio
async def test_a_position_that_changed_meanwhile_voids_the_order(ledger: SqlLedger) -> None:
    ledger.adopt("TF", {make_contract("ESZ26"): 1}, at=NOW, note="a third one turned up")
    desk = SmallDesk()

    with pytest.raises(ApprovalVoid):
        await send(desk, ledger, [EXIT])
    assert desk.book.placed == []


@pytest.mark.anyio
async def test_who_only_follows_sends_no_attempt_that_never_left_and_minds_no_halt(
    ledger: SqlLedger,
) -> None:
    """A crash came between the name of a further attempt and its intent; the desk is halted."""
    desk = SmallDesk()
    worked = replace(ENTRIES[0], repricing=Repricing(ticks=1, times=1, every_s=60))
    await send(desk, ledger, [worked])
    further = replace(worked, order_ref=f"{worked.order_ref[:-1]}2", replaces=worked.order_ref)
    ledger.record_orders("run", [further])
    ledger.record_halt(Halt(at=NOW, by="a person", reason="enough"))

    known = await send(desk, ledger, [worked], sends=False)

    assert desk.book.placed == [worked.order_ref]
    assert known[worked.order_ref].state is OrderState.WORKING
    assert known[further.order_ref].state is OrderState.INTENDED
