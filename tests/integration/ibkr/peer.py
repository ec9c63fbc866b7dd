"""A hand-written gateway: a handshake, the messages that arrive field by field, typed answers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from integration.ibkr.gateways import PATIENCE_S

#: Makes the answers to one message from its fields.
Answers = Callable[[list[str]], list[tuple[object, ...]]]


class Peer:
    """Knows the handshake, and what it was told to answer to which message number."""

    def __init__(self, answers: dict[str, Answers]) -> None:
        self.messages: list[list[str]] = []
        self.connections = 0
        #: Connections to turn away with error 326.
        self.turns_away = 0
        self._answers = answers
        self._arrived = asyncio.Condition()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readexactly(4)
        self.messages.append([(await self._frame(reader)).decode()])
        self._say(writer, 178, "20251201 17:30:00 US/Eastern")
        try:
            while not writer.is_closing():
                await self._take((await self._frame(reader)).decode().split("\0")[:-1], writer)
        except asyncio.IncompleteReadError:
            writer.close()

    async def _take(self, fields: list[str], writer: asyncio.StreamWriter) -> None:
        async with self._arrived:
            self.messages.append(fields)
            self._arrived.notify_all()
        if fields[0] == "71" and self.connections <= self.turns_away:
            self._say(writer, 4, 2, -1, 326, "Unable to connect as the client id is in use", "")
            writer.close()
        elif fields[0] == "71":
            self._say(writer, 15, 1, "DU1234567")
            self._say(writer, 9, 1, 41)
        elif fields[0] in self._answers:
            for answer in self._answers[fields[0]](fields):
                self._say(writer, *answer)

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        return await reader.readexactly(length)

    def _say(self, writer: asyncio.StreamWriter, *fields: object) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        writer.write(struct.pack(">I", len(body)) + body)

    def of_kind(self, kind: str) -> list[list[str]]:
        """Return the messages of a kind that came so far."""
        return [message for message in self.messages if message[0] == kind]

    async def next(self, kind: str) -> list[str]:
        """Wait for the first message of a kind."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: bool(self.of_kind(kind)))
        return self.of_kind(kind)[0]


@asynccontextmanager
async def listening(
    answers: dict[str, Answers] | None = None,
) -> AsyncIterator[tuple[Peer, int]]:
    """Let a peer listen; yields it with its port."""
    peer = Peer(answers or {})
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0)
    try:
        yield peer, server.sockets[0].getsockname()[1]
    finally:
        server.close()
