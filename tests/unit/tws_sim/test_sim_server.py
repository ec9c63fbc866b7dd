from __future__ import annotations

from typing import Any, cast

import pytest

from afterclose.tws_sim.server import Connection
from afterclose.tws_sim.session import Session, Stage
from afterclose.tws_sim.wire import Framer, frame
from unit.tws_sim.conftest import MakeGateway
from unit.tws_sim.sim_session import Meter

BUFFER = 4096


class Sink:
    """A stream that keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.writes.append(data)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def connection(make_gateway: MakeGateway, sink: Sink) -> Connection:
    session = Session(make_gateway(), meter=Meter())
    session.version, session.stage = 178, Stage.READY
    return Connection(number=1, session=session, writer=cast("Any", sink))


def message_of(size: int) -> bytes:
    """A message that takes this many bytes on the wire."""
    return frame("x" * (size - 5))


@pytest.mark.parametrize("size", [BUFFER, 2 * BUFFER, 5 * BUFFER])
def test_a_burst_never_ends_where_a_clients_buffer_ends(
    connection: Connection, sink: Sink, size: int
) -> None:
    connection.write(message_of(size), now=100.0)

    (written,) = sink.writes
    bodies = list(Framer().feed(written))
    assert len(written) % BUFFER != 0
    assert [body.split(b"\0")[3] for body in bodies[1:]] == [b"2104"]


def test_bursts_close_together_count_as_one(connection: Connection, sink: Sink) -> None:
    connection.write(message_of(BUFFER - 100), now=100.0)
    connection.write(message_of(100), now=100.1)

    assert sum(len(each) for each in sink.writes) % BUFFER != 0


def test_after_a_pause_the_count_begins_anew(connection: Connection, sink: Sink) -> None:
    connection.write(message_of(BUFFER - 100), now=100.0)
    connection.write(message_of(100), now=101.0)

    assert [len(each) for each in sink.writes] == [BUFFER - 100, 100]


def test_nothing_is_added_before_the_session_has_started(
    connection: Connection, sink: Sink
) -> None:
    connection.session.stage = Stage.VERSION
    connection.write(message_of(BUFFER), now=100.0)

    assert [len(each) for each in sink.writes] == [BUFFER]
