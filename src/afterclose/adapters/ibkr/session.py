"""One connection to TWS or IB Gateway: opened, asked with deadlines, closed.

Everything runs in the caller's event loop; several sessions may live in one process. All messages
go through ``pace``; ``Session.ask`` counts its deadline from the moment a request has gone out, so
that waiting for one's turn is never taken for silence.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from afterclose.adapters.ibkr.pace import Pace
from afterclose.adapters.ibkr.receiver import (
    FIRST_REQUEST,
    Outcome,
    Part,
    Pending,
    Receiver,
    Reply,
)
from afterclose.adapters.ibkr.wire import make_client
from afterclose.clock import SystemClock
from afterclose.errors import BrokerError, BrokerTimeout, BrokerUnavailable
from afterclose.ports import Clock

#: Requests in flight: below IB's limit of 50 open history requests.
IN_FLIGHT = 45
#: A client number is free again when TWS has noticed the end of its old socket.
CLIENT_ID_WAIT_S = 2.0
_CLIENT_ID_TAKEN = 326
#: How long the farewell to the gateway may take.
_CLOSING_S = 2.0


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
        #: The gateway's time as it told it last, and when that was on the loop's own clock.
        self._told_time: tuple[datetime, float] | None = None
        self._numbers = itertools.count(FIRST_REQUEST)
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._part_turns = {part: asyncio.Lock() for part in Part}
        self._pace = Pace()
        self._order_messages: dict[int, int] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._asking = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.receiver.on_closed = self._pace.let_all_go
        self.receiver.on_order_word = self._order_heard

    async def connect(self, host: str, port: int) -> None:
        """Shake hands. Raises BrokerUnavailable, or BrokerError with code 326."""
        greeting = await self._pace.turn()
        connecting = asyncio.ensure_future(
            self.client.connectAsync(host, port, self.client_id, self.timeout_s)
        )
        closing = asyncio.ensure_future(self.receiver.closed.wait())
        try:
            await asyncio.wait({connecting, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise self._refused_at_the_door()
            await connecting
            if self.lost:
                raise self._refused_at_the_door()
            self.accounts = tuple(self.client.getAccounts())
        except OSError as error:  # TimeoutError is one
            raise self._no_connection(error) from error
        finally:
            closing.cancel()
            connecting.cancel()
            await asyncio.gather(connecting, closing, return_exceptions=True)
        self._pace.answered(greeting)

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
        """Say good-bye and wait, briefly, until the gateway has read all and closed its side.

        A socket that is closed while words of the gateway lie in it unread breaks the line, and
        what the gateway has not read by then is lost: orders, too.
        """
        for errand in self._errands:
            errand.cancel()
        line = self.client.conn
        if line.isConnected():
            gone = asyncio.Event()
            line.disconnected += lambda _message: gone.set()
            line.hasData.clear()  # still taken from the socket, and passed on to nobody
            self.client.reset()  # it is us who go: no error of the line
            line.transport.write_eof()
            try:
                async with asyncio.timeout(_CLOSING_S):
                    await gone.wait()
            except TimeoutError:
                if line.isConnected():  # else both happened at once
                    line.transport.abort()
        self.receiver.line_closed()

    async def ask_time(self) -> Reply:
        """Ask for the gateway's clock; its seconds are the only row."""
        reply = await self.ask_by_turn(Part.SERVER_TIME, self.client.reqCurrentTime)
        if reply.ended:
            told = datetime.fromtimestamp(reply.rows[0], UTC)
            self._told_time = told, asyncio.get_running_loop().time()
        return reply

    async def gateway_time(self) -> datetime:
        """Return the gateway's time, asked for once a connection; ours where it does not tell."""
        if self._told_time is None:
            await self.ask_time()
        if self._told_time is None:
            return self.clock.now()
        told, then = self._told_time
        return told + timedelta(seconds=asyncio.get_running_loop().time() - then)

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

    async def send(self, send: Callable[[], object]) -> int:
        """Send one message when IB's rate allows; return the number by which it is answered.

        Raises BrokerUnavailable, with nothing sent, when the line is lost before.
        """
        number = await self._pace.turn()
        try:
            if not self.lost and not self.client.conn.transport.is_closing():
                send()
                return number
        except ConnectionError as error:
            raise self._nothing_sent() from error
        raise self._nothing_sent()

    def _nothing_sent(self) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the line to {self.address} is lost; nothing was sent",
            hint="TWS and IB Gateway restart every night; connect again when it is back",
        )

    async def send_order(self, order_number: int, send: Callable[[], object]) -> None:
        """Send one message about an order; any word on that order answers it."""
        self._order_messages[order_number] = await self.send(send)

    def _order_heard(self, order_number: int) -> None:
        message = self._order_messages.pop(order_number, None)
        if message is not None:
            self._pace.answered(message)

    def send_later(self, send: Callable[[], object], *, when_quiet: bool = False) -> None:
        """Send a message that nobody waits for: a subscription is ended, a request withdrawn.

        ``when_quiet``: not before every question of the moment is answered, so that what nobody
        waits for takes nobody's place in IB's message rate.
        """
        task = asyncio.create_task(self._send_quietly(send, when_quiet=when_quiet))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _send_quietly(self, send: Callable[[], object], *, when_quiet: bool) -> None:
        if when_quiet:
            await self._quiet.wait()
        with suppress(BrokerUnavailable):
            await self.send(send)

    async def ask(
        self,
        send: Callable[[int], None],
        *,
        cancel: Callable[[int], None] | None = None,
        enough: Callable[[list[Any]], bool] | None = None,
        numbers: Iterator[int] | None = None,
    ) -> Reply:
        """Ask something under a number of its own, and wait for its end or the deadline.

        ``cancel`` withdraws the request when no answer came in time. ``numbers`` are those of
        questions that TWS numbers like orders: they must go out in rising order.
        """
        pending = Pending(asyncio.get_running_loop().create_future(), enough)
        number = 0

        def send_numbered() -> None:
            nonlocal number
            number = next(numbers or self._numbers)
            self.receiver.by_id[number] = pending
            send(number)

        async with self._in_flight:
            try:
                reply = await self._await_reply(pending, send_numbered)
            finally:
                self.receiver.by_id.pop(number, None)
            if cancel is not None and reply.outcome is Outcome.TIMED_OUT:
                self.send_later(lambda: cancel(number))
            return reply

    async def ask_by_turn(self, part: Part, send: Callable[[], None]) -> Reply:
        """Ask something that has no number, and wait for its End marker or the deadline.

        One request of a kind at a time: their rows could not be told apart. An asker that gives up
        leaves its place in the turn (see ``Receiver``): once an End marker was lost, this part
        stays unknown on this connection, and a new connection is the remedy.
        """
        async with self._part_turns[part]:
            pending = Pending(asyncio.get_running_loop().create_future())

            def take_turn() -> None:
                self.receiver.by_turn[part].append(pending)
                send()

            return await self._await_reply(pending, take_turn)

    async def ask_rule(self, rule: int) -> Reply:
        """Ask for the price increments of a market rule; one that IB refuses is not answered."""
        known = self.receiver.by_rule.get(rule)
        pending = known or Pending(asyncio.get_running_loop().create_future())

        def send() -> None:
            if known is None:
                self.receiver.by_rule[rule] = pending
                self.client.reqMarketRule(rule)

        try:
            return await self._await_reply(pending, send)
        finally:
            self.receiver.by_rule.pop(rule, None)

    async def _await_reply(self, pending: Pending, send: Callable[[], None]) -> Reply:
        self._asking += 1
        self._quiet.clear()
        try:
            return await self._reply_or_deadline(pending, send)
        finally:
            self._asking -= 1
            if self._asking == 0:
                self._quiet.set()

    async def _reply_or_deadline(self, pending: Pending, send: Callable[[], None]) -> Reply:
        try:
            message = await self.send(send)
            pending.on_first_word = lambda: self._pace.answered(message)
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.shield(pending.done)
        except TimeoutError:
            if pending.done.done():  # it was here before we could look: this machine was late
                return pending.done.result()
            text = f"no answer within {self.timeout_s:g} s"
            late = pending.reply(Outcome.TIMED_OUT, text=text)
            pending.done.cancel()
            return late
        except BrokerUnavailable:
            return pending.reply(Outcome.LINE_LOST, text="the line to the gateway was lost")


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
