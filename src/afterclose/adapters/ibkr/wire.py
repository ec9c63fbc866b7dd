"""ib_async's socket client, with a decoder that never drops a message silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from ib_async.client import Client
from ib_async.decoder import Decoder

from afterclose.adapters.ibkr.convert import iana_zone
from afterclose.adapters.ibkr.receiver import Receiver

_EXECUTION = "11"
#: The time of an execution, "20261120 15:59:58 US/Central", in message 11 at levels 157 to 178.
_EXECUTION_TIME_FIELD = 15
_TIME_WORDS = 3


class _LoudDecoder(Decoder):
    """Reports what it cannot read.

    The library's own logs the error and drops the message, and an execution whose time zone has a
    name that Python does not know ("CST") would be lost that way.
    """

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(receiver.decoder_calls(utc=UTC), 0)  # type: ignore[arg-type]  # our own receiver in place of the library's Wrapper
        self._receiver = receiver

    def wrap(
        self, name: str, types: Sequence[type], skip: int = 2
    ) -> Callable[[Sequence[str]], None]:
        """Make the reader of a plain message; unlike the library's it hides no failure."""
        method = getattr(self.wrapper, name, None)

        def read(fields: Sequence[str]) -> None:
            if method is not None:
                method(*map(_read_field, types, fields[skip:]))

        return read

    def interpret(self, fields: list[str]) -> None:
        """Decode one message and call the receiver."""
        try:
            handler = self.handlers.get(int(fields[0]))
            if handler is not None:
                handler(_with_known_zone(fields))
        except Exception as error:  # noqa: BLE001 - process border: foreign code on foreign bytes
            self._receiver.unreadable(fields, error)


def _read_field(kind: type, text: str) -> object:
    """Read one field as the library does: empty numbers are zero."""
    if kind is str:
        return text
    if kind is bool:
        return bool(int(text or 0))
    return kind(text or 0)


def _with_known_zone(fields: list[str]) -> list[str]:
    if fields[0] != _EXECUTION or len(fields) <= _EXECUTION_TIME_FIELD:
        return fields
    words = fields[_EXECUTION_TIME_FIELD].split()
    if len(words) != _TIME_WORDS:
        return fields
    words[2] = iana_zone(words[2]) or words[2]
    return [
        *fields[:_EXECUTION_TIME_FIELD],
        " ".join(words),
        *fields[_EXECUTION_TIME_FIELD + 1 :],
    ]


def make_client(receiver: Receiver) -> Any:
    """Make a client of the gateway that speaks to ``receiver``. Not connected yet."""
    decoder = _LoudDecoder(receiver)
    client = Client(decoder.wrapper)  # type: ignore[no-untyped-call]  # ib_async leaves it untyped
    client.decoder = decoder
    client.MaxRequests = 0  # its throttle is off: see ``pace``
    return client
