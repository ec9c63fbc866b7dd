"""Order traffic as events: nothing invented, nothing dropped, no error taken for an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from ib_async.contract import Contract
from ib_async.objects import CommissionReport, Execution
from ib_async.order import Order, OrderState

from afterclose.adapters.ibkr.order_stream import OrderStream
from afterclose.adapters.ibkr.rows import ExecutionRow, GatewayMessage, OpenOrderRow, StatusRow
from afterclose.domain.orders import EventKind, OrderEvent
from afterclose.errors import BrokerUnavailable
from unit.ibkr.ibkr_values import EVENING

pytestmark = pytest.mark.anyio

OURS, FOREIGN = 8, 9


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    def now(self) -> datetime:
        return EVENING


@pytest.fixture
async def stream() -> OrderStream:
    lost = BrokerUnavailable("the line was lost")
    return OrderStream(client_id=OURS, clock=Clock(), lost=lambda: lost)


def open_order(number: int, ref: str, *, perm_id: int = 77, client: int = OURS) -> OpenOrderRow:
    order = Order(orderId=number, clientId=client, permId=perm_id, orderRef=ref)
    return OpenOrderRow(order=order, contract=Contract(), state=OrderState(status="PreSubmitted"))


def status(number: int, word: str, *, perm_id: int = 77, client: int = OURS) -> StatusRow:
    return StatusRow(
        order_id=number,
        status=word,
        filled=1.0,
        remaining=2.0,
        perm_id=perm_id,
        client_id=client,
        why_held="",
        capped_price=0.0,
    )


EXECUTION = Execution(
    execId="0000e0d5.1.01.01",
    time=datetime(2025, 12, 1, 23, 0, tzinfo=UTC),
    acctNumber="DU1234567",
    side="BOT",
    shares=1.0,
    price=6800.25,
    permId=77,
    clientId=OURS,
    orderId=5,
    orderRef="A-O1",
)
EXECUTED = ExecutionRow(contract=Contract(conId=1, secType="FUT"), execution=EXECUTION)
COMMISSION = CommissionReport(execId="0000e0d5.1.01.01", commission=2.47, currency="USD")


async def drain(stream: OrderStream) -> list[OrderEvent]:
    stream.close()
    return [event async for event in stream.events()]


async def test_a_status_speaks_of_the_order_of_its_number(stream: OrderStream) -> None:
    stream.placed(5, "A-O1")
    stream.heard(status(5, "Submitted"))
    (event,) = await drain(stream)
    assert (event.order_ref, event.kind, event.status) == ("A-O1", EventKind.STATUS, "Submitted")
    assert (event.filled, event.remaining, event.perm_id) == (1, 2, 77)


@pytest.mark.parametrize("code", [10349, 399, 2109, 110, 201, 202, 103, 10148])
async def test_a_code_is_a_message_and_never_an_end(stream: OrderStream, code: int) -> None:
    stream.placed(5, "A-O1")
    stream.heard(GatewayMessage(about=5, code=code, text="words"))
    (event,) = await drain(stream)
    assert (event.kind, event.code, event.text) == (EventKind.MESSAGE, code, "words")
    assert event.status == ""


async def test_a_status_that_comes_before_the_name_of_its_order_is_kept(
    stream: OrderStream,
) -> None:
    stream.heard(status(5, "Submitted"))
    stream.heard(open_order(5, "A-O1"))
    assert [e.status for e in await drain(stream)] == ["PreSubmitted", "Submitted"]


async def test_the_permanent_number_wins_over_an_order_number_that_is_used_again(
    stream: OrderStream,
) -> None:
    stream.heard(open_order(5, "A-O1", perm_id=77))
    stream.placed(5, "B-O1")
    stream.heard(status(5, "Cancelled", perm_id=77))
    assert (await drain(stream))[-1].order_ref == "A-O1"


async def test_orders_of_other_clients_are_not_ours(stream: OrderStream) -> None:
    stream.heard(open_order(5, "A-O1", client=FOREIGN))
    stream.heard(status(5, "Submitted", client=FOREIGN))
    stream.heard(replace(EXECUTED, execution=replace_client(FOREIGN)))
    assert await drain(stream) == []
    assert stream.highest_number == 0


def replace_client(client: int) -> Execution:
    return replace(EXECUTION, clientId=client)


async def test_a_fill_carries_price_size_time_and_both_names(stream: OrderStream) -> None:
    stream.heard(EXECUTED)
    (event,) = await drain(stream)
    assert event.kind is EventKind.FILL
    assert event.fill is not None
    assert (event.fill.price, event.fill.quantity) == (Decimal("6800.25"), 1)
    assert (event.fill.order_ref, event.fill.perm_id) == ("A-O1", 77)
    assert event.fill.at == datetime(2025, 12, 1, 23, 0, tzinfo=UTC)
    assert event.fill.commission is None


@pytest.mark.parametrize("order_of_arrival", [(EXECUTED, COMMISSION), (COMMISSION, EXECUTED)])
async def test_a_commission_finds_its_fill_whichever_comes_first(
    stream: OrderStream, order_of_arrival: tuple[ExecutionRow | CommissionReport, ...]
) -> None:
    for row in order_of_arrival:
        stream.heard(row)
    fill, commission = await drain(stream)
    assert (fill.kind, commission.kind) == (EventKind.FILL, EventKind.COMMISSION)
    assert commission.fill is not None
    assert commission.fill.commission == Decimal("2.47")


async def test_commissions_met_while_the_book_is_read_are_no_news(stream: OrderStream) -> None:
    with stream.reading():
        stream.read(EXECUTED)
        stream.heard(COMMISSION)
    assert await drain(stream) == []


async def test_a_commission_that_comes_after_the_book_was_read_is_told(
    stream: OrderStream,
) -> None:
    with stream.reading():
        stream.read(EXECUTED)
    stream.heard(COMMISSION)
    (event,) = await drain(stream)
    assert event.kind is EventKind.COMMISSION


async def test_an_execution_that_cannot_be_read_is_told(stream: OrderStream) -> None:
    odd = replace(EXECUTION, side="???")
    stream.heard(ExecutionRow(contract=Contract(), execution=odd))
    (event,) = await drain(stream)
    assert (event.kind, event.order_ref) == (EventKind.MESSAGE, "A-O1")
    assert "cannot be read" in event.text


async def test_the_state_of_the_line_is_told_without_a_reference(stream: OrderStream) -> None:
    stream.heard(GatewayMessage(about=-1, code=2104, text="farm is OK"))
    stream.heard(GatewayMessage(about=-1, code=1100, text="connectivity lost"))
    stream.heard(GatewayMessage(about=-1, code=1102, text="restored"))
    assert [(e.order_ref, e.code) for e in await drain(stream)] == [("", 1100), ("", 1102)]


async def test_a_word_on_an_order_without_a_known_name_is_not_dropped(
    stream: OrderStream,
) -> None:
    stream.heard(GatewayMessage(about=31, code=202, text="Order Canceled - reason:"))
    (event,) = await drain(stream)
    assert event.order_ref == ""
    assert "order number 31" in event.text


async def test_what_ifs_are_no_orders(stream: OrderStream) -> None:
    row = open_order(5, "A-O1")
    row.order.whatIf = True
    stream.heard(row)
    assert await drain(stream) == []


async def test_a_lost_line_raises_after_the_last_event(stream: OrderStream) -> None:
    stream.heard(open_order(5, "A-O1"))
    stream.line_lost()
    seen: list[OrderEvent] = []
    with pytest.raises(BrokerUnavailable):
        await follow(stream, seen)
    assert len(seen) == 1


async def follow(stream: OrderStream, seen: list[OrderEvent]) -> None:
    async for event in stream.events():
        seen.append(event)  # noqa: PERF401 - what came before the error counts


async def test_numbers_go_on_above_all_that_were_seen_of_this_client(stream: OrderStream) -> None:
    stream.heard(open_order(40, "A-O1"))
    stream.read(ExecutionRow(contract=Contract(), execution=replace(EXECUTION, orderId=52)))
    manual = replace(EXECUTION, orderId=2**31 - 1)
    stream.read(ExecutionRow(contract=Contract(), execution=manual))
    assert stream.highest_number == 52
