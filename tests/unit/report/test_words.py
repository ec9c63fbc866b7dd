from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from afterclose.report import words
from unit.report.make_contracts import make_spec


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        ("1234567.891", 2, "1,234,567.89"),
        ("-0.5", 1, "−0.5"),
        ("-0.001", 2, "0.00"),
        ("0.0000005", 7, "0.0000005"),
        ("1E+3", 0, "1,000"),
        ("123456789012345678901234567890.5", 6, "123,456,789,012,345,678,901,234,567,890.500000"),
        ("NaN", 2, "unknown"),
    ],
)
def test_a_number_is_written_in_fixed_digits(value: str, digits: int, text: str) -> None:
    assert words.fixed(Decimal(value), digits) == text


def test_a_plus_is_written_only_where_it_is_asked_for() -> None:
    assert words.quantity(3, sign=True) == "+3"
    assert words.quantity(0, sign=True) == "0"
    assert words.quantity(-3) == "−3"


@pytest.mark.parametrize(
    ("value", "text"),
    [("5E-7", "0.0000005"), ("1.500", "1.5"), ("12500000", "12500000"), ("100", "100")],
)
def test_exact_numbers_have_neither_exponent_nor_idle_zeros(value: str, text: str) -> None:
    assert words.exact(Decimal(value)) == text


def test_every_writer_says_unknown_for_nothing() -> None:
    said = {
        words.fixed(None, 2),
        words.money(None, "USD"),
        words.amount(None),
        words.percent(None),
        words.quantity(None),
        words.exact(None),
        words.day(None),
        words.moment(None),
    }
    assert said == {"unknown"}


def test_an_amount_shows_up_to_four_decimals_so_that_a_working_adds_up() -> None:
    assert words.amount(Decimal("1403.125")) == "1,403.125"
    assert words.amount(Decimal("7012.5")) == "7,012.50"
    assert words.amount(Decimal(25000)) == "25,000.00"


def test_dates_are_english_whatever_the_locale() -> None:
    assert words.day(date(2026, 11, 20)) == "Fri 20 Nov 2026"
    assert words.long_day(date(2027, 3, 1)) == "Monday 1 March 2027"
    assert words.moment(datetime(2026, 11, 20, 22, 7, 31, tzinfo=UTC)) == "2026-11-20 22:07:31 UTC"


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "order", "no orders"), (1, "order", "1 order"), (2, "entry", "2 entries")],
)
def test_nouns_follow_their_number(number: int, noun: str, text: str) -> None:
    assert words.counted(number, noun) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("6720.25", "6,720.25"), ("6720.3333333333", "6,720.333333"), ("6720.5", "6,720.50")],
)
def test_an_average_of_fills_keeps_what_lies_between_two_ticks(value: str, text: str) -> None:
    assert words.average_price(Decimal(value), make_spec("ES")) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "unknown"),
        (3, "3"),
        ("-0.69672968755372377304844585", "−0.69673"),
        ("0E-26", "0"),
        ("0.0064285", "0.0064285"),
        ("113.640625", "113.640625"),
        ("10181.5", "10181.5"),
        ("2026-11-20", "2026-11-20"),
        ("no bars", "no bars"),
    ],
)
def test_evidence_is_short_enough_to_be_read(value: object, expected: str) -> None:
    assert words.evidence(value) == expected
