"""How messages of the gateway find their request, their order, or the line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ib_async.contract import Contract

from afterclose.adapters.ibkr.receiver import FIRST_REQUEST, Outcome, Part, Pending, Receiver
from afterclose.adapters.ibkr.rows import ExecutionRow, GatewayMessage, OrderTraffic, StatusRow
from afterclose.adapters.ibkr.wire import make_client


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


@pytest.mark.anyio
async def test_rows_belong_to_their_number_and_end_with_its_marker() -> None:
    line, asked, other = Line(), pending(), pending()
    line.receiver.by_id[FIRST_REQUEST], line.receiver.by_id[FIRST_REQUEST + 1] = asked, other
    line.says(1, 6, FIRST_REQUEST, 1, "6800.25", "3", 0)
    line.says(57, 1, FIRST_REQUEST)
    assert asked.done.result().outcome is Outcome.ENDED
    assert asked.done.result().rows[0].price == 6800.25
    assert not other.done.done()


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_a_refusal_ends_its_request_with_code_and_text() -> None:
    line, asked = Line(), pending()
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.says(4, 2, FIRST_REQUEST, 200, "No security definition has been found", "")
    reply = asked.done.result()
    assert (reply.outcome, reply.code) == (Outcome.REFUSED, 200)
    assert reply.text == "No security definition has been found"


@pytest.mark.anyio
async def test_a_warning_does_not_end_its_request() -> None:
    line, asked = Line(), pending()
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.says(4, 2, FIRST_REQUEST, 10167, "Displaying delayed market data.", "")
    assert not asked.done.done()
    line.says(57, 1, FIRST_REQUEST)
    assert asked.done.result().notices == ((10167, "Displaying delayed market data."),)


@pytest.mark.anyio
async def test_a_read_only_api_refuses_the_order_book_at_once() -> None:
    line, working = Line(), pending()
    line.receiver.by_turn[Part.OPEN_ORDERS].append(working)
    line.says(4, 2, -1, 321, "The API interface is currently in Read-Only mode.", "")
    assert working.done.result().code == 321


@pytest.mark.anyio
async def test_a_position_that_cannot_be_read_makes_the_positions_unknown() -> None:
    line, asked, following = Line(), pending(), pending()
    line.receiver.by_turn[Part.POSITIONS].extend([asked, following])
    line.position("DU1", 11, "many")
    line.positions_end()
    assert asked.done.result().outcome is Outcome.REFUSED
    assert not following.done.done()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fields", [(5, 1, "garbage"), (3, 41, "Submitted", 1), (11, -1, 41), (59, 1, "id", "much")]
)
async def test_an_order_message_that_cannot_be_read_is_told_to_whoever_follows_orders(
    fields: tuple[object, ...],
) -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.says(*fields)
    text = f"message {fields[0]} of the gateway could not be read"
    assert listener.rows == [GatewayMessage(about=-1, code=None, text=text)]


@pytest.mark.anyio
async def test_a_status_with_more_fields_than_we_know_is_read() -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.says(3, 41, "Submitted", 1, 2, "6800.25", 77, 0, "6800.25", 8, "", "", "new", "newer")
    (row,) = listener.rows
    assert isinstance(row, StatusRow)
    assert (row.order_id, row.filled, row.perm_id, row.client_id) == (41, 1.0, 77, 8)
    assert (row.why_held, row.capped_price) == ("", 0.0)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20251201 17:05:00 US/Central", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
        ("20250701 17:05:00 CST", datetime(2025, 7, 1, 22, 5, tzinfo=UTC)),
        ("20251201 18:05:00 EST", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
        ("20251202 00:05:00 MET", datetime(2025, 12, 1, 23, 5, tzinfo=UTC)),
    ],
)
@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_executions_that_were_asked_for_are_no_news() -> None:
    line, listener, asked = Line(), Listener(), pending()
    line.receiver.attach(listener)
    line.receiver.by_id[FIRST_REQUEST] = asked
    line.execution(FIRST_REQUEST, "20251201 17:05:00 US/Central")
    assert listener.rows == []
    assert len(listener.executions) == len(asked.rows) == 1


@pytest.mark.anyio
async def test_order_traffic_from_before_anybody_listened_is_not_lost() -> None:
    line, listener = Line(), Listener()
    line.execution(-1, "20251201 17:05:00 US/Central")
    line.receiver.attach(listener)
    assert len(listener.rows) == 1


@pytest.mark.anyio
async def test_a_late_word_on_an_abandoned_request_is_not_taken_for_an_order() -> None:
    line, listener = Line(), Listener()
    line.receiver.attach(listener)
    line.says(4, 2, FIRST_REQUEST + 5, 366, "No historical data query found", "")
    assert listener.rows == []


@pytest.mark.anyio
async def test_a_lost_line_ends_every_request_and_is_told_once() -> None:
    line, listener, numbered, turned = Line(), Listener(), pending(), pending()
    line.receiver.attach(listener)
    line.receiver.by_id[FIRST_REQUEST] = numbered
    line.receiver.by_turn[Part.OPEN_ORDERS].append(turned)
    line.receiver.line_closed()
    assert numbered.done.result().outcome is Outcome.LINE_LOST
    assert turned.done.result().outcome is Outcome.LINE_LOST
    assert listener.lost


@pytest.mark.anyio
async def test_a_message_of_an_unknown_kind_is_ignored() -> None:
    line = Line()
    line.says(999, 1, 2, 3)
    assert not line.receiver.undecoded


@pytest.mark.anyio
async def test_rows_of_an_ended_request_are_frozen() -> None:
    asked = pending()
    asked.add(Contract(conId=1))
    asked.finish(Outcome.ENDED)
    asked.add(Contract(conId=2))
    asked.finish(Outcome.REFUSED, code=1)
    assert asked.done.result().outcome is Outcome.ENDED
    assert len(asked.done.result().rows) == 1


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789.-ABC ", max_size=8), max_size=40))
def test_no_message_however_odd_breaks_the_line(fields: list[str]) -> None:
    async def hear() -> None:
        Line().says(*fields)

    asyncio.run(hear())
