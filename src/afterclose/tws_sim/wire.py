"""The wire: length-prefixed frames of NUL-terminated text fields.

Every message, both ways, is ``u32 big-endian length`` + body; the body is a list of fields, each
ended by NUL (also the last one), and the first field is the message id. Numbers travel as decimal
text, "not set" as an empty field or as the largest number of its type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = 2147483647
LARGEST_FRAME = 0xFFFFFF
"""No client sends more in one message; a longer length prefix means the stream is lost."""

Field = str | int | Decimal | bool | None
"""What a field can be made of. ``None`` is sent empty, which every client reads as "not set"."""

_UNSET_NUMBERS = frozenset(
    {"", "1.7976931348623157E308", "170141183460469231731687303715884105727", "9223372036854775807"}
)
_LARGEST_EXPONENT = 300
_LARGEST_INTEGER_DIGITS = 19


class WireError(ValueError):
    """The bytes received do not follow the protocol."""


class StreamLostError(WireError):
    """Frames can no longer be told apart; the connection must be closed."""


def text_of(value: Field) -> str:
    """Write one field the way TWS does: plain decimals (never an exponent), 0/1 for flags."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    return plain(value)


def plain(value: Decimal) -> str:
    """Return decimal text without an exponent and without trailing zeros: ``0.0067005``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def frame(*fields: Field) -> bytes:
    """Encode one message."""
    # Most fields are short texts already; a call for each would be half the cost of an answer.
    texts = [
        value if value.__class__ is str and "\0" not in value else text_of(value)
        for value in fields
    ]
    body = ("\0".join(texts) + "\0").encode("utf-8", "backslashreplace")
    return struct.pack(">I", len(body)) + body


def escaped(text: str) -> str:
    """Prepare free text for clients that decode it as ``unicode-escape``: backslashes doubled."""
    return text.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode("ascii")


def split_fields(body: bytes) -> list[str]:
    """Split a body into fields.

    Raises WireError where the last field is not ended or the text is not UTF-8.
    """
    if not body.endswith(b"\0"):
        raise WireError("the last field is not ended by NUL")
    try:
        return body.decode("utf-8").split("\0")[:-1]
    except UnicodeDecodeError as error:
        raise WireError("a field is not UTF-8 text") from error


class Framer:
    """Cuts a byte stream into frame bodies, however the stream was chopped up by the network."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes in and give out every body that is now complete.

        Raises StreamLostError on a length no client would send.
        """
        self._buffer += data
        while len(self._buffer) >= 4:  # noqa: PLR2004 - the width of the length prefix
            length = int.from_bytes(self._buffer[:4], "big")
            if length > LARGEST_FRAME:
                raise StreamLostError(f"a frame of {length} bytes was announced")
            end = 4 + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[4:end])
            del self._buffer[:end]
            yield body

    def take_raw(self, count: int) -> bytes | None:
        """Take bytes that stand before the first frame; None while they have not all arrived."""
        if len(self._buffer) < count:
            return None
        raw = bytes(self._buffer[:count])
        del self._buffer[:count]
        return raw

    def hold(self, data: bytes) -> None:
        """Keep bytes without cutting frames yet."""
        self._buffer += data


class FieldReader:
    """Reads the fields of one request in order. Every method raises WireError on a bad field."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self._next = 0

    @property
    def left(self) -> int:
        """How many fields have not been read yet."""
        return len(self._fields) - self._next

    def text(self) -> str:
        """Read a text field."""
        if self._next >= len(self._fields):
            raise WireError(f"field {self._next} is missing")
        value = self._fields[self._next]
        self._next += 1
        return value

    def skip(self, count: int) -> None:
        """Pass over fields that mean nothing to this gateway; they must be there all the same."""
        for _ in range(count):
            self.text()

    def integer(self) -> int:
        """Read an integer; unset is 0, as the clients' own readers have it."""
        value = self.optional_integer()
        return 0 if value is None else value

    def optional_integer(self) -> int | None:
        """Read an integer; unset is None."""
        value = self.text()
        if value in _UNSET_NUMBERS or value == str(UNSET_INTEGER):
            return None
        if len(value) > _LARGEST_INTEGER_DIGITS + 1:
            raise WireError("an integer field is too long")
        try:
            return int(value)
        except ValueError as error:
            raise WireError(f"expected an integer, was {value[:40]!r}") from error

    def count(self, *, at_most: int = 1000) -> int:
        """Read how many items follow; never more than there are fields left."""
        value = self.integer()
        if not 0 <= value <= min(at_most, self.left):
            raise WireError(f"a count of {value} does not fit the message")
        return value

    def number(self) -> Decimal | None:
        """Read a price or quantity; unset is None. Infinity and NaN are refused."""
        value = self.text()
        if value.upper() in _UNSET_NUMBERS:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation as error:
            raise WireError(f"expected a number, was {value[:40]!r}") from error
        if not number.is_finite():
            raise WireError(f"expected a finite number, was {value[:40]!r}")
        if abs(number.adjusted()) > _LARGEST_EXPONENT:
            # Clients write "not set" with differing digits of the largest double.
            return None
        return number

    def flag(self) -> bool:
        """Read 0/1 (some clients write true/false); empty is false."""
        value = self.text().lower()
        if value in {"", "0", "false", "0.0"}:
            return False
        if value in {"1", "true", "1.0"}:
            return True
        raise WireError(f"expected a flag, was {value[:40]!r}")
