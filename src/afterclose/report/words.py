"""How values are written for a person, and how they are written for a machine.

For a person: fixed digits, thousands apart, a real minus sign, "unknown" in words. For a machine:
every digit, no exponent, a plain hyphen. No locale is asked, so the same view gives the same bytes.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum, StrEnum

from afterclose.domain.contracts import ContractSpec

#: The word for what nobody could tell. Never 0, never blank.
UNKNOWN = "unknown"
#: The word for a figure that the order has no use for: an exit is not sized.
NOT_APPLICABLE = "n/a"

#: A decimal this long was worked out, not quoted: a price has never more than seven.
_LONG, _EVIDENCE_DIGITS = 10, 6

_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONG_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = tuple(name[:3] for name in _LONG_DAYS)
_MONTHS = tuple(name[:3] for name in _LONG_MONTHS)


class Missing(Enum):
    """Why there is no value: nobody knows it, or the order does not need it."""

    UNKNOWN = UNKNOWN
    NOT_APPLICABLE = NOT_APPLICABLE


Value = Decimal | int | bool | str | Missing


class Style(StrEnum):
    """How a value is shown."""

    TEXT = "text"
    COUNT = "count"
    #: Decimals of the contract's tick.
    PRICE = "price"
    #: Two decimals.
    MONEY = "money"
    #: Six decimals.
    RATE = "rate"
    #: A fraction, as per cent with two decimals.
    PERCENT = "percent"
    YES_NO = "yes-no"


def shown(value: Value, style: Style, spec: ContractSpec) -> str:
    """Write a value of one contract for a person."""
    if isinstance(value, Missing):
        return value.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or UNKNOWN
    if style is Style.PERCENT:
        return percent(Decimal(value))
    return fixed(Decimal(value), _digits(style, spec))


def full(value: Value) -> str:
    """Write a value for a machine: every digit, no exponent."""
    if isinstance(value, Missing):
        return value.value
    if isinstance(value, Decimal):
        return exact(value)
    return str(value)


def _digits(style: Style, spec: ContractSpec) -> int:
    if style is Style.PRICE:
        return spec.digits
    return {Style.MONEY: 2, Style.RATE: 6}.get(style, 0)


def exact(value: Decimal | None) -> str:
    """Write every digit of a number, without exponent and without trailing zeros."""
    if value is None or not value.is_finite():
        return UNKNOWN
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def evidence(value: object) -> str:
    """Write one figure of a finding; of a long decimal six places are enough for a person."""
    if value is None:
        return UNKNOWN
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= -_LONG:
        return text
    return exact(round(number, _EVIDENCE_DIGITS)).replace("-", "−")


def fixed(value: Decimal | None, digits: int, *, sign: bool = False) -> str:
    """Write a number with so many decimals, thousands apart; ``sign`` writes the plus, too."""
    if value is None or not value.is_finite():
        return UNKNOWN
    text = f"{value:+,.{digits}f}"
    if not text.strip("+-0.,"):
        return text[1:]  # zero has no sign
    return text.replace("-", "−") if sign else text.replace("-", "−").removeprefix("+")


def price(value: Decimal | None, spec: ContractSpec) -> str:
    """Write a price in the digits of the contract's tick."""
    return fixed(value, spec.digits)


def average_price(value: Decimal | None, spec: ContractSpec) -> str:
    """Write an average of fills: the digits of the tick, and up to four more where it has them."""
    if value is None:
        return UNKNOWN
    decimals = len(exact(round(value, spec.digits + 4)).partition(".")[2])
    return fixed(value, max(spec.digits, decimals))


def amount(value: Decimal | None) -> str:
    """Write an amount with two decimals, or up to four where it has them: a working must add up."""
    if value is None:
        return UNKNOWN
    text = fixed(value, 4)
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def money(value: Decimal | None, currency: str) -> str:
    """Write an amount in whole units of a currency."""
    return UNKNOWN if value is None else f"{fixed(value, 0)} {currency}"


def percent(fraction: Decimal | None, digits: int = 2) -> str:
    """Write a fraction as per cent."""
    return UNKNOWN if fraction is None else f"{fixed(fraction * 100, digits)}%"


def quantity(value: int | None, *, sign: bool = False) -> str:
    """Write a number of contracts."""
    return UNKNOWN if value is None else fixed(Decimal(value), 0, sign=sign)


def day(value: date | None) -> str:
    """Write a date with its weekday: ``Fri 20 Nov 2026``."""
    if value is None:
        return UNKNOWN
    weekday, month = _DAYS[value.weekday()], _MONTHS[value.month - 1]
    return f"{weekday} {value.day} {month} {value.year}"


def long_day(value: date) -> str:
    """Write a date in full: ``Friday 20 November 2026``."""
    return f"{_LONG_DAYS[value.weekday()]} {value.day} {_LONG_MONTHS[value.month - 1]} {value.year}"


def short_day(value: date) -> str:
    """Write a date for the axis of a chart: ``20 Nov``."""
    return f"{value.day} {_MONTHS[value.month - 1]}"


def moment(value: datetime | None) -> str:
    """Write a moment, to the second, with its zone."""
    if value is None:
        return UNKNOWN
    return f"{value:%Y-%m-%d %H:%M:%S} {value.tzname() or 'zone unknown'}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 order``, ``2 orders``, ``no orders``."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number or 'no'} {plural}"
