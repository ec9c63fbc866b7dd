"""The TCP server: sockets around sessions, and nothing else.

What a burst of messages brings is written in one call. Some clients read 4096 bytes at a time and
lose everything when a burst ends exactly there; a harmless information message is added then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from afterclose.tws_sim import messages
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.session import Outgoing, Session, Stage
from afterclose.tws_sim.state import save

_READ_SIZE = 65_536
_CLIENT_BUFFER = 4096
_QUIET_S = 0.2
_TICK_S = 0.25
_CLIENT_ID_FREES_WITHIN_S = 1.5
"""A client that disconnects may take a second to close its socket; a new one waits that long."""
_DRAIN_WITHIN_S = 5.0
_SAVE_WITHIN_S = 0.5


class Tap(Protocol):
    """Is shown every byte that goes over a connection."""

    def opened(self, connection: int) -> None: ...

    def received(self, connection: int, data: bytes) -> None: ...

    def sent(self, connection: int, data: bytes) -> None: ...

    def closed(self, connection: int) -> None: ...


@dataclass(slots=True, kw_only=True)
class Connection:
    """One socket and its session."""

    number: int
    session: Session
    writer: asyncio.StreamWriter
    burst: int = 0
    last_write: float = 0.0
    tap: Tap | None = None

    def write(self, data: bytes, now: float) -> None:
        """Write a burst at once, never ending on a multiple of the clients' buffer."""
        if self.writer.is_closing():
            return
        if now - self.last_write > _QUIET_S:
            self.burst = 0
        self.last_write = now
        if self.session.stage is Stage.READY and (self.burst + len(data)) % _CLIENT_BUFFER == 0:
            text = "Market data farm connection is OK:usfuture"
            data += messages.error(self.session.version, -1, 2104, text)
        self.burst += len(data)
        self.writer.write(data)
        if self.tap is not None:
            self.tap.sent(self.number, data)


class Server:
    """Accepts connections for one gateway, within one event loop."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        meter: Callable[[], float],
        tap: Tap | None = None,
        state: Path | None = None,
    ) -> None:
        self.gateway = gateway
        self._state = state
        self._meter = meter
        self._tap = tap
        self._connections: dict[int, Connection] = {}
        self._opened = 0
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._saving: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; port 0 takes a free one. Return the address that is listened on."""
        self._server = await asyncio.start_server(self._accept, host, port)
        if self.gateway.clock.moves:
            self._ticker = asyncio.create_task(self._tick())
        address = self._server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._server is not None:
            self._server.close()
        self.drop_connections()
        if self._readers:
            await asyncio.wait(self._readers, timeout=_DRAIN_WITHIN_S)
        if self._saving is not None:
            self._saving.cancel()
        self._save()

    def drop_connections(self) -> None:
        """Break every connection, as a crash of the gateway would."""
        for connection in list(self._connections.values()):
            connection.session.close()
            self._shut(connection)

    async def advance_to(self, when: datetime) -> None:
        """Move the clock, make everything due happen, and write it out."""
        self.gateway.clock.advance_to(when)
        self.gateway.tick()
        await self.flush()

    async def flush(self) -> None:
        """Write every outbox, and wait until the sockets took it."""
        self._flush_all()
        for connection in list(self._connections.values()):
            await _drain(connection.writer)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.gateway.tick()
            self._flush_all()

    # -- connections -------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened += 1
        connection = Connection(
            number=self._opened,
            session=Session(self.gateway, meter=self._meter),
            writer=writer,
            tap=self._tap,
        )
        self._connections[connection.number] = connection
        if self._tap is not None:
            self._tap.opened(connection.number)
        task = asyncio.current_task()
        if task is not None:
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)
        try:
            await self._read(connection, reader)
        finally:
            self._gone(connection)

    async def _read(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        session = connection.session
        while not session.is_closed:
            try:
                data = await reader.read(_READ_SIZE)
            except OSError:
                return
            if not data:
                return
            if self._tap is not None:
                self._tap.received(connection.number, data)
            waited = session.stage is Stage.WAITING
            self._write(connection, session.receive(data))
            self._flush_all()
            if session.stage is Stage.WAITING and not waited:
                loop = asyncio.get_running_loop()
                loop.call_later(_CLIENT_ID_FREES_WITHIN_S, self._give_up, connection)
            if not session.is_closed:
                await _drain(connection.writer)

    def _gone(self, connection: Connection) -> None:
        connection.session.disconnected()
        if self._connections.pop(connection.number, None) is not None and self._tap is not None:
            self._tap.closed(connection.number)
        self._shut(connection)
        for other in list(self._connections.values()):
            other.session.try_again()
        self._flush_all()

    def _give_up(self, connection: Connection) -> None:
        connection.session.give_up()
        self._flush_all()

    def _shut(self, connection: Connection) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            connection.writer.close()

    # -- writing -----------------------------------------------------------------------------

    def _flush_all(self) -> None:
        for connection in list(self._connections.values()):
            self._write(connection, connection.session.take())
            if connection.session.is_closed:
                self._shut(connection)
        if self._state is not None and self.gateway.changed and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_WITHIN_S, self._save)

    def _save(self) -> None:
        self._saving = None
        if self._state is not None:
            self.gateway.changed = False
            save(self.gateway, self._state)

    def _write(self, connection: Connection, outgoing: list[Outgoing]) -> None:
        loop = asyncio.get_running_loop()
        now = [each.frame for each in outgoing if each.delay_s <= 0]
        if now:
            connection.write(b"".join(now), loop.time())
        for each in outgoing:
            if each.delay_s > 0:
                loop.call_later(each.delay_s, self._write_late, connection, each.frame)

    def _write_late(self, connection: Connection, data: bytes) -> None:
        connection.write(data, asyncio.get_running_loop().time())


async def _drain(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.drain(), _DRAIN_WITHIN_S)
