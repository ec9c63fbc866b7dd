"""Recording what a true TWS says, and playing it back.

The recorder stands between a client and TWS or IB Gateway and passes every byte on unchanged; what
it writes down has the account numbers replaced. One JSON line per message, so that a user can read
what is in the file before sending it to anybody.

    {"t": 0.412, "connection": 1, "from": "client", "fields": ["9", "8", "9002", …]}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from afterclose.tws_sim.wire import Framer, StreamLostError, frame
from afterclose.tws_sim.wire_log import fields_of

_ACCOUNT = re.compile(r"\b(DU|DF|U|F)(\d{5,9})\b")
_GREETING = b"API\0"
_READ_SIZE = 65_536
_FINISH_WITHIN_S = 2.0


class RecordingError(ValueError):
    """A recording cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message of a recording; ``seconds`` since the recording began."""

    seconds: float
    connection: int
    from_client: bool
    fields: tuple[str, ...]

    def json(self) -> str:
        """Write the line."""
        sender = "client" if self.from_client else "gateway"
        values = {"t": round(self.seconds, 6), "connection": self.connection, "from": sender}
        return json.dumps(values | {"fields": list(self.fields)}, ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Line:
        """Read a line. Raises RecordingError."""
        try:
            values = json.loads(text)
            return cls(
                seconds=float(values["t"]),
                connection=int(values["connection"]),
                from_client=values["from"] == "client",
                fields=tuple(str(each) for each in values["fields"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"not a line of a recording: {text[:60]!r}") from error


class Scrubber:
    """Replaces account numbers, each by the same stand-in every time."""

    def __init__(self) -> None:
        self._stand_ins: dict[str, str] = {}

    def scrub(self, text: str) -> str:
        """Return a text without account numbers; the kind of account stays visible."""
        return _ACCOUNT.sub(lambda match: self._stand_in(match[1], match[0]), text)

    def _stand_in(self, kind: str, account: str) -> str:
        number = len(self._stand_ins) + 1
        return self._stand_ins.setdefault(account, f"{kind}{number:07d}")


def read_recording(path: Path) -> list[Line]:
    """Read a recording. Raises RecordingError and OSError."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Line.parse(text) for text in file if text.strip()]


@dataclass(slots=True, kw_only=True)
class _Direction:
    """One of the two streams of a connection, cut into messages as they pass."""

    connection: int
    from_client: bool
    greeting_passed: bool
    framer: Framer = field(default_factory=Framer)

    def lines(self, data: bytes, seconds: float, scrubber: Scrubber) -> list[Line]:
        if not self.greeting_passed:
            self.framer.hold(data)
            if self.framer.take_raw(len(_GREETING)) is None:
                return []
            self.greeting_passed, data = True, b""
        with contextlib.suppress(StreamLostError):
            return [
                Line(
                    seconds=seconds,
                    connection=self.connection,
                    from_client=self.from_client,
                    fields=tuple(scrubber.scrub(each) for each in fields_of(body)),
                )
                for body in self.framer.feed(data)
            ]
        return []


class Recorder:
    """A tee between clients and a true gateway."""

    def __init__(
        self, *, gateway_host: str, gateway_port: int, output: TextIO, clock: Callable[[], float]
    ) -> None:
        self._target = (gateway_host, gateway_port)
        self._output = output
        self._clock = clock
        self._began = clock()
        self._scrubber = Scrubber()
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        await _end(self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _keep(self._open)
        self._connections += 1
        number = self._connections
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        requests = _Direction(connection=number, from_client=True, greeting_passed=False)
        answers = _Direction(connection=number, from_client=False, greeting_passed=True)
        await asyncio.gather(
            self._pass_on(reader, up_writer, requests), self._pass_on(up_reader, writer, answers)
        )

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: _Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_SIZE):
                writer.write(data)
                await writer.drain()
                seconds = self._clock() - self._began
                for line in direction.lines(data, seconds, self._scrubber):
                    self._output.write(line.json() + "\n")
                self._output.flush()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()


class Replayer:
    """Plays one connection of a recording to a client that asks the same in the same order.

    A request is matched by its message id alone: times, prices and request ids of the client may
    differ from those recorded, the answers are the recorded ones.
    """

    def __init__(self, lines: Sequence[Line], *, connection: int = 1) -> None:
        self._lines = [line for line in lines if line.connection == connection]
        self.differences: list[str] = []
        """Requests that were not the recorded ones, in words."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        await _end(self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _keep(self._open)
        framer, place = Framer(), 0
        with contextlib.suppress(OSError, StreamLostError, asyncio.IncompleteReadError):
            await reader.readexactly(len(_GREETING))
            while data := await reader.read(_READ_SIZE):
                answers = b""
                for body in framer.feed(data):
                    place, part = self._answer(place, fields_of(body))
                    answers += part
                if answers:
                    # Bursts are written whole, as a gateway does.
                    writer.write(answers)
                    await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    def _answer(self, place: int, fields: tuple[str, ...]) -> tuple[int, bytes]:
        """Return the next place in the recording and what the gateway said up to it."""
        lines = self._lines
        while place < len(lines) and not lines[place].from_client:
            place += 1
        if place == len(lines):
            self.differences.append(f"asked {fields[0]} after the end of the recording")
            return place, b""
        if lines[place].fields[0] != fields[0] and place > 0:
            self.differences.append(f"asked {fields[0]}, recorded was {lines[place].fields[0]}")
            return place, b""
        place += 1
        answers = b""
        while place < len(lines) and not lines[place].from_client:
            answers += frame(*lines[place].fields)
            place += 1
        return place, answers


def record(
    *,
    port: int,
    gateway_host: str,
    gateway_port: int,
    output: Path,
    on_ready: Callable[[int], None] | None = None,
    stop: threading.Event,
) -> None:
    """Record every session of clients on a port with the gateway behind it, until ``stop``.

    The file is made anew. Raises OSError where the port is taken or the file cannot be written.
    """

    async def run() -> None:
        with output.open("w", encoding="utf-8", newline="") as file:
            recorder = Recorder(
                gateway_host=gateway_host,
                gateway_port=gateway_port,
                output=file,
                clock=time.monotonic,
            )
            listening = await recorder.start(port=port)
            if on_ready is not None:
                on_ready(listening)
            await asyncio.to_thread(stop.wait)
            await recorder.stop()

    asyncio.run(run())


def replay(
    *,
    port: int,
    recording: Path,
    connection: int = 1,
    on_ready: Callable[[int], None] | None = None,
    stop: threading.Event,
) -> list[str]:
    """Play one connection of a recording to every client on a port, until ``stop``.

    Returns what clients asked that was not recorded. Raises RecordingError and OSError.
    """

    async def run() -> list[str]:
        replayer = Replayer(read_recording(recording), connection=connection)
        listening = await replayer.start(port=port)
        if on_ready is not None:
            on_ready(listening)
        await asyncio.to_thread(stop.wait)
        await replayer.stop()
        return replayer.differences

    return asyncio.run(run())


def _keep(open_connections: set[asyncio.Task[None]]) -> None:
    """Remember the task of a connection until it ends."""
    task = asyncio.current_task()
    if task is not None:
        open_connections.add(task)
        task.add_done_callback(open_connections.discard)


async def _end(open_connections: set[asyncio.Task[None]]) -> None:
    """Let connections whose client is gone finish; break the others."""
    if open_connections:
        _, late = await asyncio.wait(set(open_connections), timeout=_FINISH_WITHIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
