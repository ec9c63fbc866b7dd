"""Cells of a spreadsheet as people fill them: numbers with words, fractions, commas, dates."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

#: What a cell of a workbook or a CSV file may hold.
Cell = str | int | float | bool | datetime | date | time | timedelta | None

_CURRENCY_SIGN = r"(?:(?:[A-Za-z]{3}|[A-Z]{1,2}\$|[$€£¥])\s*)?"
_DIGITS = r"(?:\d{1,3}(?:\s\d{3})+(?:[.,]\d+)?|\d[\d.,']*(?:[eE][+-]?\d{1,2})?|\.\d+)"
_DIVISOR = r"\d{1,5}"
_NUMBER_WITH_WORDS = re.compile(
    rf"{_CURRENCY_SIGN}(?P<number>{_DIGITS})(?:\s?/\s?(?P<divisor>{_DIVISOR}))?"
    rf"(?:\sof\s(?P<base>{_DIGITS})(?:\s?/\s?(?P<base_divisor>{_DIVISOR}))?)?(?P<rest>.*)",
    re.ASCII,
)
_ANOTHER_NUMBER = re.compile(r"\s*[/.,*x-]*\s*\d", re.ASCII)
_PLAIN = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_COMMA_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)
_DOT_THOUSANDS = re.compile(r"[1-9]\d{0,2}(\.\d{3}){2,}|[1-9]\d{0,2}(\.\d{3})+,\d+", re.ASCII)
_OTHER_THOUSANDS = re.compile(r"[1-9]\d{0,2}([' ]\d{3})+([.,]\d+)?", re.ASCII)
_COMMA_DECIMAL = re.compile(r"\d+,\d+", re.ASCII)
_LARGEST = 10**12
_MOST_DECIMALS = 12


def text_of(cell: Cell) -> str:
    """Return the cell as one line of text, unusual spaces and full-width letters made plain."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return " ".join("".join(map(_plain_character, str(cell))).split())


def _plain_character(char: str) -> str:
    kind = unicodedata.decomposition(char).partition(" ")[0]
    if kind == "<fraction>":
        # The space keeps 1½ from becoming 11/2.
        return " " + unicodedata.normalize("NFKC", char).replace("\u2044", "/")
    if kind == "<wide>":
        return unicodedata.normalize("NFKC", char)
    if unicodedata.category(char) == "Cf":
        return ""
    return char if char.isprintable() else " "


def positive_number(cell: Cell) -> Decimal:
    """Read a positive number, exactly.

    ``0.25``, ``0,25``, ``1/32``, ``1/2 of 1/32``, ``¼ cent``, ``0.25 index points``, ``$0.25``,
    ``5,000 bushels``, ``12.500.000``, ``5E-07``. A single comma before three digits separates
    thousands unless a zero stands before it. Words after the number are not read: a quantity in
    another unit must show by comparison with what is known. Raises ValueError, whose text says
    what is wrong.
    """
    if isinstance(cell, bool):
        raise ValueError("it is a truth value, not a number")  # noqa: TRY004 - one kind of error
    if isinstance(cell, datetime | date | time | timedelta):
        raise ValueError(  # noqa: TRY004 - one kind of error
            "the spreadsheet has made a date of it: format the cell as text, then type it again"
        )
    value = _fraction(repr(cell) if isinstance(cell, float) else text_of(cell))
    if value <= 0:
        raise ValueError("it must be positive")
    number = _exact(value)
    if number >= _LARGEST:
        raise ValueError("it is too large")
    return number


def _fraction(text: str) -> Fraction:
    match = _NUMBER_WITH_WORDS.fullmatch(text)
    if match is None:
        raise ValueError("it does not begin with a number")
    rest = match["rest"]
    if _ANOTHER_NUMBER.match(rest) or rest.lstrip()[:1].isnumeric():
        raise ValueError("it has two numbers side by side")
    value = _quotient(match["number"], match["divisor"])
    return value * _quotient(match["base"], match["base_divisor"]) if match["base"] else value


def _quotient(number: str, divisor: str | None) -> Fraction:
    if divisor is not None and int(divisor) == 0:
        raise ValueError("it divides by zero")
    return _plain(number.rstrip(".,'")) / int(divisor or 1)


def _plain(text: str) -> Fraction:
    if _PLAIN.fullmatch(text):
        return Fraction(text)
    if _COMMA_THOUSANDS.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if _DOT_THOUSANDS.fullmatch(text):
        return Fraction(text.replace(".", "").replace(",", "."))
    if _OTHER_THOUSANDS.fullmatch(text):
        return Fraction(text.replace("'", "").replace(" ", "").replace(",", "."))
    if _COMMA_DECIMAL.fullmatch(text):
        return Fraction(text.replace(",", "."))
    raise ValueError("its points and commas cannot be told apart")


def _exact(value: Fraction) -> Decimal:
    scaled = value * 10**_MOST_DECIMALS
    if scaled.denominator != 1:
        raise ValueError(f"it has no exact value with {_MOST_DECIMALS} decimals")
    return Decimal(f"{Decimal(scaled.numerator).scaleb(-_MOST_DECIMALS).normalize():f}")
