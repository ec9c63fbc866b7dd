"""One connection to TWS or IB Gateway: opened, asked with deadlines, closed.

Everything runs in the caller's event loop; several sessions may live in one process. Pacing is the
library's (45 messages a second); ``Session.ask`` counts its deadline from the moment a request may
go out, so that waiting for one's turn is never taken for silence.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from afterclose.adapters.ibkr.receiver import (
    FIRST_REQUEST,
    Outcome,
    Part,
    Pending,
    Receiver,
    Reply,
)
from afterclose.adapters.ibkr.wire import make_client
from afterclose.errors import BrokerError, BrokerTimeout, BrokerUnavailable
from afterclose.ports import Clock

#: Requests in flight: below IB's limit of 50 open history requests.
IN_FLIGHT = 45
#: A client number is free again when TWS has noticed the end of its old socket.
CLIENT_ID_WAIT_S = 2.0
_CLIENT_ID_TAKEN = 326
#: How long the farewell to the gateway may take.
_CLOSING_S = 2.0


class SystemClock:
    """The machine's own clock, in UTC."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(time.time(), UTC)


class Session:
    """An open line to the gateway. Made by ``connected``."""

    def __init__(self, *, address: str, client_id: int, timeout_s: float, clock: Clock) -> None:
        self.address = address
        self.client_id = client_id
        self.timeout_s = timeout_s
        self.clock = clock
        self.receiver = Receiver()
        self.client = make_client(self.receiver)
        self.accounts: tuple[str, ...] = ()
        self._numbers = itertools.count(FIRST_REQUEST)
        self._turn = asyncio.Semaphore(IN_FLIGHT)
        self._part_turns = {part: asyncio.Lock() for part in Part}
        self._unthrottled = asyncio.Event()
        self._unthrottled.set()
        self.client.throttleStart += self._unthrottled.clear
        self.client.throttleEnd += self._unthrottled.set

    async def connect(self, host: str, port: int) -> None:
        """Shake hands. Raises BrokerUnavailable, or BrokerError with code 326."""
        connecting = asyncio.ensure_future(
            self.client.connectAsync(host, port, self.client_id, self.timeout_s)
        )
        closing = asyncio.ensure_future(self.receiver.closed.wait())
        try:
            await asyncio.wait({connecting, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise self._refused_at_the_door()
            await connecting
        except OSError as error:  # TimeoutError is one
            raise self._no_connection(error) from error
        finally:
            closing.cancel()
            connecting.cancel()
            await asyncio.gather(connecting, closing, return_exceptions=True)
        self.accounts = tuple(self.client.getAccounts())

    def _refused_at_the_door(self) -> BrokerError:
        if any(code == _CLIENT_ID_TAKEN for code, _ in self.receiver.line_messages):
            return BrokerError(
                f"client number {self.client_id} is in use at {self.address}",
                hint="close the other program with this number, or wait until its connection ends",
                code=_CLIENT_ID_TAKEN,
            )
        return BrokerUnavailable(
            f"{self.address} took the connection and closed it",
            hint="in TWS: API > Settings, add this machine to the trusted addresses; check that "
            "the port is the API's",
        )

    def _no_connection(self, error: OSError) -> BrokerUnavailable:
        if isinstance(error, TimeoutError):
            return BrokerUnavailable(
                f"no answer from {self.address} within {self.timeout_s:g} s",
                hint="is a dialogue open in TWS (login, incoming connection)? is it the API port?",
            )
        return BrokerUnavailable(
            f"nobody listens at {self.address} ({error.strerror or error})",
            hint="start TWS or IB Gateway, enable the API (API > Settings), check host and port: "
            "TWS 7497 paper, 7496 live; Gateway 4002 paper, 4001 live",
        )

    async def close(self) -> None:
        """Say good-bye and wait, briefly, until the socket is closed."""
        socket_closed = self.client.conn.disconnected
        if not self.client.conn.isConnected():
            self.receiver.line_closed()
            return
        gone = asyncio.Event()
        socket_closed += lambda _message: gone.set()
        self.client.disconnect()
        try:
            async with asyncio.timeout(_CLOSING_S):
                await gone.wait()
        except TimeoutError:
            self.client.conn.transport.abort()
        self.receiver.line_closed()

    @property
    def lost(self) -> bool:
        """Whether the line is gone, by whoever's doing."""
        return self.receiver.closed.is_set()

    def line_lost_error(self, doing: str) -> BrokerUnavailable:
        """Return the error that says what was under way when the line broke."""
        return BrokerUnavailable(
            f"the line to {self.address} was lost while {doing}",
            hint="TWS and IB Gateway restart every night; connect again when it is back",
        )

    async def written(self) -> None:
        """Wait until everything sent so far has left for the socket.

        The library queues what would exceed IB's message rate; a session closed with a queue
        would silently take it along. Raises BrokerUnavailable when the line is lost first.
        """
        if not self._unthrottled.is_set():
            await _first(self._unthrottled, self.receiver.closed)
        if self.lost:
            raise self.line_lost_error("messages were waiting to be sent")

    async def ask(
        self,
        send: Callable[[int], None],
        *,
        cancel: Callable[[int], None] | None = None,
        enough: Callable[[list[Any]], bool] | None = None,
    ) -> Reply:
        """Ask something under a number of its own, and wait for its end or the deadline.

        ``cancel`` withdraws the request when nobody waits for it any more.
        """
        async with self._turn:
            number = next(self._numbers)
            pending = Pending(asyncio.get_running_loop().create_future(), enough)
            self.receiver.by_id[number] = pending
            try:
                reply = await self._await_reply(pending, lambda: send(number))
            finally:
                del self.receiver.by_id[number]
                if cancel is not None and not self.lost and not _over(pending):
                    cancel(number)
            return reply

    async def ask_by_turn(self, part: Part, send: Callable[[], None]) -> Reply:
        """Ask something that has no number, and wait for its End marker or the deadline.

        One request of a kind at a time: their rows could not be told apart. An asker that gives up
        leaves its place in the turn (see ``Receiver``): once an End marker was lost, this part
        stays unknown on this connection, and a new connection is the remedy.
        """
        async with self._part_turns[part]:
            pending = Pending(asyncio.get_running_loop().create_future())
            self.receiver.by_turn[part].append(pending)
            return await self._await_reply(pending, send)

    async def _await_reply(self, pending: Pending, send: Callable[[], None]) -> Reply:
        if self.lost:
            return pending.reply(Outcome.LINE_LOST, text="the line to the gateway was lost")
        try:
            send()
            await self.written()
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.shield(pending.done)
        except TimeoutError:
            text = f"no answer within {self.timeout_s:g} s"
            late = pending.reply(Outcome.TIMED_OUT, text=text)
            pending.done.cancel()
            return late
        except (ConnectionError, BrokerUnavailable):
            return pending.reply(Outcome.LINE_LOST, text="the line to the gateway was lost")


def _over(pending: Pending) -> bool:
    return pending.done.done() and not pending.done.cancelled()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def value_of(reply: Reply, *, of: str, session: Session) -> tuple[Any, ...]:
    """Return the rows of a reply that ended, or raise what it ended with.

    Raises BrokerTimeout, BrokerUnavailable or BrokerError (with the gateway's code).
    """
    if reply.ended:
        return reply.rows
    if reply.outcome is Outcome.TIMED_OUT:
        raise BrokerTimeout(f"{session.address}: {of}: {reply.text}")
    if reply.outcome is Outcome.LINE_LOST:
        raise session.line_lost_error(f"asking for {of}")
    raise BrokerError(f"{session.address}: {of}: {reply.text}", code=reply.code)


@asynccontextmanager
async def connected(
    *, host: str, port: int, client_id: int, timeout_s: float, clock: Clock | None = None
) -> AsyncIterator[Session]:
    """Open a session, and close it whatever happens.

    A client number that is still in use is tried a second time after two seconds: the old socket
    of a program that has just ended lingers that long. It is never exchanged for another number,
    because orders belong to it.

    Raises BrokerUnavailable (with what to check) or BrokerError 326.
    """

    def new_session() -> Session:
        return Session(
            address=f"{host}:{port}",
            client_id=client_id,
            timeout_s=timeout_s,
            clock=clock or SystemClock(),
        )

    session = new_session()
    try:
        try:
            await session.connect(host, port)
        except BrokerError as error:
            if error.code != _CLIENT_ID_TAKEN:
                raise
            await session.close()
            await asyncio.sleep(CLIENT_ID_WAIT_S)
            session = new_session()
            await session.connect(host, port)
        yield session
    finally:
        await session.close()
