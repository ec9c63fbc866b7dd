"""The wire in readable form: which client asked what, and what it was told.

One line per message::

    22:30:00.412 #1 > reqContractDetails   8 9002 0 ES FUT 202512 … CME …
    22:30:00.413 #1 < contractData         9002 ES FUT 20251219 16:00:00 US/Central …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from afterclose.tws_sim.wire import Framer, StreamLostError

REQUEST_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "reqMktData",
        2: "cancelMktData",
        3: "placeOrder",
        4: "cancelOrder",
        5: "reqOpenOrders",
        6: "reqAccountUpdates",
        7: "reqExecutions",
        8: "reqIds",
        9: "reqContractDetails",
        14: "setServerLogLevel",
        15: "reqAutoOpenOrders",
        16: "reqAllOpenOrders",
        17: "reqManagedAccts",
        20: "reqHistoricalData",
        25: "cancelHistoricalData",
        49: "reqCurrentTime",
        58: "reqGlobalCancel",
        59: "reqMarketDataType",
        61: "reqPositions",
        62: "reqAccountSummary",
        63: "cancelAccountSummary",
        64: "cancelPositions",
        71: "startApi",
        76: "reqAccountUpdatesMulti",
        77: "cancelAccountUpdatesMulti",
        78: "reqSecDefOptParams",
        81: "reqMatchingSymbols",
        87: "reqHeadTimeStamp",
        90: "cancelHeadTimeStamp",
        91: "reqMarketRule",
        92: "reqPnL",
        93: "cancelPnL",
        94: "reqPnLSingle",
        95: "cancelPnLSingle",
        99: "reqCompletedOrders",
        104: "reqUserInfo",
    }
)
ANSWER_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "tickPrice",
        2: "tickSize",
        3: "orderStatus",
        4: "error",
        5: "openOrder",
        6: "accountValue",
        7: "portfolioValue",
        8: "accountUpdateTime",
        9: "nextValidId",
        10: "contractData",
        11: "execDetails",
        15: "managedAccounts",
        17: "historicalData",
        45: "tickGeneric",
        46: "tickString",
        49: "currentTime",
        52: "contractDataEnd",
        53: "openOrderEnd",
        54: "accountDownloadEnd",
        55: "execDetailsEnd",
        57: "tickSnapshotEnd",
        58: "marketDataType",
        59: "commissionReport",
        61: "position",
        62: "positionEnd",
        63: "accountSummary",
        64: "accountSummaryEnd",
        73: "accountUpdateMulti",
        74: "accountUpdateMultiEnd",
        76: "secDefOptParamsEnd",
        79: "symbolSamples",
        81: "tickReqParams",
        88: "headTimestamp",
        93: "marketRule",
        94: "pnl",
        95: "pnlSingle",
        100: "orderBound",
        101: "completedOrder",
        102: "completedOrdersEnd",
        106: "historicalSchedule",
        107: "userInfo",
    }
)
_GREETING = b"API\0"
_SHOWN_FIELDS = 40


class Direction(StrEnum):
    """Which way a message went."""

    FROM_CLIENT = ">"
    TO_CLIENT = "<"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEvent:
    """One message on a connection; ``name`` is ``opened`` or ``closed`` for the socket itself."""

    at: datetime
    connection: int
    direction: Direction
    name: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write the event as one line; long lists of empty fields are cut."""
        shown = [field or "·" for field in self.fields[:_SHOWN_FIELDS]]
        if len(self.fields) > _SHOWN_FIELDS:
            shown.append(f"… {len(self.fields) - _SHOWN_FIELDS} more")
        time = f"{self.at:%H:%M:%S}.{self.at.microsecond // 1000:03d}"
        text = " ".join(shown).replace("\n", "⏎")
        return f"{time} #{self.connection} {self.direction} {self.name:<22} {text}".rstrip()


@dataclass(slots=True, kw_only=True)
class _Streams:
    """The two byte streams of a connection, being cut into messages."""

    requests: Framer = field(default_factory=Framer)
    answers: Framer = field(default_factory=Framer)
    greeted: bool = False
    request_count: int = 0
    answer_count: int = 0


class WireLog:
    """Turns the bytes of every connection into events. It is a server's tap."""

    def __init__(
        self, *, clock: Callable[[], datetime], on_event: Callable[[WireEvent], None]
    ) -> None:
        self._clock = clock
        self._on_event = on_event
        self._streams: dict[int, _Streams] = {}

    def opened(self, connection: int) -> None:
        """Note a new connection."""
        self._streams[connection] = _Streams()
        self._say(connection, Direction.FROM_CLIENT, "opened")

    def closed(self, connection: int) -> None:
        """Note the end of a connection."""
        self._streams.pop(connection, None)
        self._say(connection, Direction.FROM_CLIENT, "closed")

    def received(self, connection: int, data: bytes) -> None:
        """Note bytes from a client."""
        streams = self._streams[connection]
        if not streams.greeted:
            streams.requests.hold(data)
            if streams.requests.take_raw(len(_GREETING)) is None:
                return
            streams.greeted, data = True, b""
        for body in _bodies(streams.requests, data):
            streams.request_count += 1
            first = streams.request_count == 1
            name = "greeting" if first else _name(body, REQUEST_NAMES)
            self._say(connection, Direction.FROM_CLIENT, name, _shown(body, whole=first))

    def sent(self, connection: int, data: bytes) -> None:
        """Note bytes to a client."""
        streams = self._streams.setdefault(connection, _Streams())
        for body in _bodies(streams.answers, data):
            streams.answer_count += 1
            first = streams.answer_count == 1
            name = "handshake" if first else _name(body, ANSWER_NAMES)
            self._say(connection, Direction.TO_CLIENT, name, _shown(body, whole=first))

    def _say(
        self, connection: int, direction: Direction, name: str, fields: tuple[str, ...] = ()
    ) -> None:
        event = WireEvent(
            at=self._clock(), connection=connection, direction=direction, name=name, fields=fields
        )
        self._on_event(event)


def _bodies(framer: Framer, data: bytes) -> Iterator[bytes]:
    try:
        yield from framer.feed(data)
    except StreamLostError:
        return


def fields_of(body: bytes) -> tuple[str, ...]:
    """Split a body for reading; whatever it holds, this never fails."""
    text = body.decode("utf-8", "backslashreplace")
    return tuple(text.removesuffix("\0").split("\0"))


def _shown(body: bytes, *, whole: bool) -> tuple[str, ...]:
    fields = fields_of(body)
    return fields if whole else fields[1:]


def _name(body: bytes, names: Mapping[int, str]) -> str:
    number = fields_of(body)[0]
    return names.get(int(number), f"message {number}") if number.isdigit() else "unreadable"
