"""One connection, without a socket: bytes in, frames out.

``receive`` takes what arrived and returns what has to be written, each with the delay the scenario
wants. It never raises for anything a client sends: bad fields are answered with an error, a stream
that can no longer be cut into frames closes the connection.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from enum import Enum, auto
from types import MappingProxyType

from afterclose.tws_sim import account_requests, data_requests, messages, order_desk, quote_requests
from afterclose.tws_sim.gateway import Client, Gateway, Subscriptions
from afterclose.tws_sim.wire import FieldReader, Framer, StreamLostError, WireError, split_fields

Handler = Callable[[Gateway, Client, FieldReader], None]

HANDLERS: Mapping[int, Handler] = MappingProxyType(
    {
        1: quote_requests.market_data,
        2: quote_requests.cancel_market_data,
        3: order_desk.place_order,
        4: order_desk.cancel_order,
        5: order_desk.open_orders,
        6: account_requests.account_updates,
        7: order_desk.executions,
        8: order_desk.request_ids,
        9: data_requests.contract_details,
        14: account_requests.set_log_level,
        15: order_desk.auto_open_orders,
        16: order_desk.all_open_orders,
        17: account_requests.managed_accounts,
        20: data_requests.historical_data,
        25: data_requests.cancel_historical,
        49: account_requests.current_time,
        58: order_desk.global_cancel,
        59: quote_requests.market_data_type,
        61: account_requests.positions,
        62: account_requests.account_summary,
        63: account_requests.cancel_account_summary,
        64: account_requests.cancel_positions,
        76: account_requests.account_updates_multi,
        77: account_requests.cancel_account_updates_multi,
        78: data_requests.option_parameters,
        81: data_requests.matching_symbols,
        87: data_requests.head_timestamp,
        90: data_requests.cancel_head_timestamp,
        91: data_requests.market_rule,
        92: account_requests.profit_and_loss,
        93: account_requests.cancel_profit_and_loss,
        94: account_requests.profit_and_loss_single,
        95: account_requests.cancel_profit_and_loss_single,
        99: order_desk.completed_orders,
        104: account_requests.user_info,
    }
)
_ERROR_ID_PLACES: Mapping[int, int] = MappingProxyType(
    {**dict.fromkeys((3, 20, 78, 81, 87, 90, 92, 93, 94, 95, 104), 1)}
    | dict.fromkeys((1, 2, 4, 7, 9, 25, 62, 63, 76, 77), 2)
)
_START_API = 71
_GREETING = b"API\0"
_VERSIONS = re.compile(r"v(\d{1,4})\.\.(\d{1,4})(?: (.*))?")
_SECOND = 1.0
_VIOLATIONS_BORNE = 3
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A frame to write, after a delay in real seconds."""

    frame: bytes
    delay_s: float = 0.0


class Stage(Enum):
    """How far a connection has come."""

    GREETING = auto()
    VERSION = auto()
    START = auto()
    WAITING = auto()
    """The client id is still taken; maybe its old connection is just closing."""
    READY = auto()
    CLOSED = auto()


class Session:
    """The state of one connection. ``meter`` gives real seconds, for the message rate alone."""

    def __init__(self, gateway: Gateway, *, meter: Callable[[], float]) -> None:
        self.gateway = gateway
        self.client_id = -1
        self.version = 0
        self.wants = Subscriptions()
        self.stage = Stage.GREETING
        self.requests = 0
        self._meter = meter
        self._framer = Framer()
        self._outbox: list[Outgoing] = []
        self._kept: list[bytes] = []
        self._arrivals: deque[float] = deque()
        self._violations = 0
        self._paced = False

    @property
    def is_closed(self) -> bool:
        """Whether the connection must be closed once the outbox is written."""
        return self.stage is Stage.CLOSED

    # -- out ---------------------------------------------------------------------------------

    def send(self, *frames: bytes, delay_s: float = 0.0) -> None:
        """Put frames into the outbox."""
        if self.is_closed:
            return
        slow = self.gateway.scenario.slow_answers_s
        self._outbox += [Outgoing(frame=frame, delay_s=delay_s + slow) for frame in frames]

    def error(self, request_id: int, code: int, text: str) -> None:
        """Send an error, a warning or an information."""
        self.send(messages.error(self.version, request_id, code, text))

    def take(self) -> list[Outgoing]:
        """Empty the outbox."""
        taken, self._outbox = self._outbox, []
        return taken

    def close(self) -> None:
        """Break the connection: nothing more is written, the client is told nothing."""
        self._outbox.clear()
        self._end()

    def _end(self) -> None:
        self.stage = Stage.CLOSED
        self.gateway.left(self)

    # -- in ----------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Outgoing]:
        """Take bytes from the client and return what to write."""
        try:
            self._receive(data)
        except StreamLostError:
            self._end()
        return self.take()

    def disconnected(self) -> None:
        """Take note that the client's end is gone."""
        if not self.is_closed:
            self._end()

    def _receive(self, data: bytes) -> None:
        if self.stage is Stage.GREETING:
            self._framer.hold(data)
            raw = self._framer.take_raw(len(_GREETING))
            if raw is None:
                return
            if raw != _GREETING:
                raise StreamLostError("no greeting")
            self.stage = Stage.VERSION
            data = b""
        for body in self._framer.feed(data):
            if self.is_closed:
                return
            self._frame(body)

    def _frame(self, body: bytes) -> None:
        if self.stage is Stage.VERSION:
            self._greet(body)
        elif self.stage is Stage.START:
            self._start(body)
        elif self.stage is Stage.WAITING:
            self._kept.append(body)
            if len(self._kept) > _MOST_KEPT:
                raise StreamLostError("too much was sent before the session began")
        elif self.stage is Stage.READY:
            self._request(body)

    def _greet(self, body: bytes) -> None:
        match = _VERSIONS.fullmatch(body.decode("ascii", "replace"))
        if match is None:
            raise StreamLostError("no version range")
        lowest, highest = int(match[1]), int(match[2])
        version = min(highest, messages.NEWEST_VERSION)
        if version < max(lowest, messages.OLDEST_VERSION):
            raise StreamLostError(f"no common version in {lowest}..{highest}")
        self.version = version
        self._paced = "+PACEAPI" in (match[3] or "")
        self.stage = Stage.START
        # One frame, one write, and nothing after it until the client starts the session.
        self._outbox.append(Outgoing(frame=messages.handshake(version, self.gateway.told_time)))

    def _start(self, body: bytes) -> None:
        reader = FieldReader(split_fields_or_lose(body))
        try:
            if reader.integer() != _START_API:
                raise StreamLostError("the session was not started")
            reader.skip(1)
            self.client_id = reader.integer()
        except WireError as error:
            raise StreamLostError("the start of the session cannot be read") from error
        if self.client_id in self.gateway.clients:
            self.stage = Stage.WAITING
        else:
            self._join()

    def _join(self) -> None:
        self.stage = Stage.READY
        self.gateway.joined(self)
        kept, self._kept = self._kept, []
        for body in kept:
            self._request(body)

    def try_again(self) -> None:
        """Start a waiting session if its client id has become free."""
        if self.stage is Stage.WAITING and self.client_id not in self.gateway.clients:
            self._join()

    def give_up(self) -> None:
        """Refuse a session whose client id stayed taken."""
        if self.stage is Stage.WAITING:
            text = "Unable to connect as the client id is already in use."
            self.error(-1, 326, f"{text} Retry with a unique client id.")
            self._end()

    # -- requests ----------------------------------------------------------------------------

    def _request(self, body: bytes) -> None:
        self.requests += 1
        limit = self.gateway.scenario.drop_after_messages
        if limit and self.requests >= limit:
            self.close()
            return
        self._measure()
        if self.is_closed:
            return
        fields: list[str] = []
        try:
            fields = split_fields(body)
            reader = FieldReader(fields)
            kind = reader.integer()
            handler = HANDLERS.get(kind)
            if handler is None:
                self.error(-1, 505, f"Fatal Error: Unknown message id {kind}.")
                return
            handler(self.gateway, self, reader)
        except (ValueError, DecimalException, OverflowError) as error:
            text = f"Error reading request. Message could not be parsed: {error}"
            self.error(_request_id(fields), 320, text)

    def _measure(self) -> None:
        """Count the messages of the last second, on a clock of the gateway's own."""
        allowed = self.gateway.scenario.messages_per_second
        if not allowed or self._paced:
            return
        now = self._meter()
        self._arrivals.append(now)
        while self._arrivals and now - self._arrivals[0] >= _SECOND:
            self._arrivals.popleft()
        received = len(self._arrivals)
        if received <= allowed:
            return
        self._violations += 1
        self._arrivals.clear()
        text = f"Max rate of messages per second has been exceeded: max={allowed} rec={received}"
        self.error(-1, 100, f"{text} ({self._violations})")
        if self._violations >= _VIOLATIONS_BORNE and self.gateway.scenario.disconnect_on_rate:
            self._end()


def split_fields_or_lose(body: bytes) -> list[str]:
    """Split the fields of a message without which a session cannot go on."""
    try:
        return split_fields(body)
    except WireError as error:
        raise StreamLostError(str(error)) from error


def _request_id(fields: list[str]) -> int:
    """Find the request id of a message that could not be read, -1 if it has none."""
    try:
        place = _ERROR_ID_PLACES[int(fields[0])]
        found = int(fields[place])
    except (LookupError, ValueError):
        return -1
    return found if abs(found) < 2**31 else -1
