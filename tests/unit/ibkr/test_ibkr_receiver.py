"""How messages of the gateway find their request, their order, or the line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from ib_async.contract import Contract

from afterclose.adapters.ibkr.receiver import FIRST_REQUEST, Outcome, Part, Pending, Receiver
from afterclose.adapters.ibkr.rows import ExecutionRow, GatewayMessage, OrderTraffic
from afterclose.adapters.ibkr.wire import make_client

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.rows: list[OrderTraffic] = []
        self.executions: list[ExecutionRow] = []
        self.lost = False

    def heard(self, row: OrderTraffic) -> None:
        self.rows.append(row)

    def read(self, row: ExecutionRow) -> None:
        self.executions.append(row)

    def line_lost(self) -> None:
        self.lost = True


def pending() -> Pending:
    return Pending(asyncio.get_running_loop().create_future())


class Line:
    """A receiver behind ib_async's own decoder: what is said to it comes from the wire."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.decoder: Any = make_client(self.receiver).decoder
        self.decoder.serverVersion = 178

    def says(self, *fields: object) -> None:
        self.decoder.interpret([str(field) for field in fields])

    def position(self, account: str, con_id: object, quantity: object) -> None:
        contract = [con_id, "ES", "FUT", "20251219", "0", "", "50", "", "USD", "ESZ5", "ES"]
        self.says(61, 3, account, *contract, quantity, "340000")

    def positions_end(self) -> None:
        self.says(62, 1)

    def execution(self, request: int, time: str) -> None:
        contract = [1, "ES", "FUT", "20251219", "0", "", "50", "CME", "USD", "ESZ5", "ES"]
        head = ["0000e0d5.1.01.01", time, "DU1234567", "CME", "BOT", 1, 6800.25, 77, 3, 0]
        self.says(11, request, 5, *contract, *head, 1, 6800.25, "ref", "", "", "", 2, 0)


async def test_rows_belong_to_their_number_and_end_with_its_marker() -> None:
    line, asked, other = Line(), pending(), pending()
    line.receiver.by_id[FIRST_REQUEST], line.receiver.by_id[FIRST_REQUEST + 1] = asked, other
    line.says(1, 6, FIRST_REQUEST, 1, "6800.25", "3", 0)
    line.says(57, 1, FIRST_REQUEST)
    assert asked.done.result().outcome is Outcome.ENDED
    assert asked.done.result().rows[0].price == 6800.25
    assert not other.done.done()


async def test_a_late_end_marker_does_not_end_the_next_request_of_its_kind() -> None:
    line, first, second = Line(), pending(), pending()
    line.receiver.by_turn[Part.POSITIONS].extend([first, second])
    first.done.cancel()  # its asker gave up
    line.position("DU1", 11, 1)
    line.positions_end()
    line.position("DU1", 22, 2)
    assert not second.done.done()
    line.positions_end()
    assert [row.contract.conId for row in second.done.result().rows] == [22]


async def test_a_refusal_ends_its_request_with_code_and_text() -> None:
    line, asked = Line(), pending()
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.says(4, 2, FIRST_REQUEST, 200, "No security definition has been found", "")
    reply = asked.done.result()
    assert (reply.outcome, reply.code) == (Outcome.REFUSED, 200)
    assert reply.text == "No security definition has been found"


async def test_a_warning_does_not_end_its_request() -> None:
    line, asked = Line(), pending()
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.says(4, 2, FIRST_REQUEST, 10167, "Displaying delayed market data.", "")
    assert not asked.done.done()
    line.says(57, 1, FIRST_REQUEST)
    assert asked.done.result().notices == ((10167, "Displaying delayed market data."),)


async def test_a_read_only_api_refuses_the_order_book_at_once() -> None:
    line, working = Line(), pending()
    line.receiver.by_turn[Part.OPEN_ORDERS].append(working)
    line.says(4, 2, -1, 321, "The API interface is currently in Read-Only mode.", "")
    assert working.done.result().code == 321


async def test_a_position_that_cannot_be_read_makes_the_positions_unknown() -> None:
    line, asked, following = Line(), pending(), pending()
    line.receiver.by_turn[Part.POSITIONS].extend([asked, following])
    line.position("DU1", 11, "many")
    line.positions_end()
    assert asked.done.result().outcome is Outcome.REFUSED
    assert not following.done.done()


async def test_an_order_message_that_cannot_be_read_is_told_to_whoever_follows_orders() -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.says(5, 1, "garbage")
    assert listener.rows == [
        GatewayMessage(about=-1, code=None, text="message 5 of the gateway could not be read")
    ]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20251201 17:05:00 US/Central", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
        ("20250701 17:05:00 CST", datetime(2025, 7, 1, 22, 5, tzinfo=UTC)),
        ("20251201 18:05:00 EST", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
        ("20251202 00:05:00 MET", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
    ],
)
async def test_the_time_of_an_execution_is_utc_whatever_tws_calls_its_zone(
    text: str, utc: datetime
) -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.execution(-1, text)
    (row,) = listener.rows
    assert isinstance(row, ExecutionRow)
    assert row.execution.time == utc
    assert row.execution.time.tzinfo is UTC


async def test_executions_that_were_asked_for_are_no_news() -> None:
    line, listener, asked = Line(), Listener(), pending()
    line.receiver.attach(listener)
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.execution(FIRST_REQUEST, "20251201 17:05:00 US/Central")
    assert listener.rows == []
    assert len(listener.executions) == len(asked.rows) == 1


async def test_order_traffic_from_before_anybody_listened_is_not_lost() -> None:
    line, listener = Line(), Listener()
    line.execution(-1, "20251201 17:05:00 US/Central")
    line.receiver.attach(listener)
    assert len(listener.rows) == 1


async def test_a_late_word_on_an_abandoned_request_is_not_taken_for_an_order() -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.says(4, 2, FIRST_REQUEST + 5, 366, "No historical data query found", "")
    assert listener.rows == []


async def test_a_lost_line_ends_every_request_and_is_told_once() -> None:
    line, listener, numbered, turned = Line(), Listener(), pending(), pending()
    line.receiver.attach(listener)
    line.receiver.by_id[FIRST_REQUEST] = numbered
    line.receiver.by_turn[Part.OPEN_ORDERS].append(turned)
    line.receiver.line_closed()
    assert numbered.done.result().outcome is Outcome.LINE_LOST
    assert turned.done.result().outcome is Outcome.LINE_LOST
    assert listener.lost


async def test_a_message_of_an_unknown_kind_is_ignored() -> None:
    line = Line()
    line.says(999, 1, 2, 3)
    assert not line.receiver.undecoded


async def test_rows_of_an_ended_request_are_frozen() -> None:
    asked = pending()
    asked.add(Contract(conId=1))
    asked.finish(Outcome.ENDED)
    asked.add(Contract(conId=2))
    asked.finish(Outcome.REFUSED, code=1)
    assert asked.done.result().outcome is Outcome.ENDED
    assert len(asked.done.result().rows) == 1
