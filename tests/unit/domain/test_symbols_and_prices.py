from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    RootSymbol,
    Rounding,
    read_symbol,
)
from afterclose.errors import ContractError

SESSION = date(2026, 11, 20)


def spec_of(root: str) -> ContractSpec:
    return packaged_specs()[RootSymbol(root)]


@pytest.mark.parametrize(
    ("text", "root", "month"),
    [
        ("Future(1523 [NKDU26])", "NKD", "202609"),
        ("Future( 1523 [ NKDU26 ] )", "NKD", "202609"),
        ("NKDU26", "NKD", "202609"),
        ("NKDU2026", "NKD", "202609"),
        ("NKD-2026U", "NKD", "202609"),
        ("NKD-U26", "NKD", "202609"),
        (" nkdu26 ", "NKD", "202609"),
        ("6EZ26", "6E", "202612"),
        ("M6EZ26", "M6E", "202612"),
        ("6J-2027H", "6J", "202703"),
        ("CZ27", "C", "202712"),
        ("ZZ27", "Z", "202712"),
        ("HGH27", "HG", "202703"),
        ("CLZ36", "CL", "203612"),
        ("CLZ25", "CL", "202512"),
    ],
)
def test_symbol_is_read_in_every_spelling(text: str, root: str, month: str) -> None:
    contract = read_symbol(text, on=SESSION)

    assert (contract.root, contract.month.yyyymm) == (root, month)


@pytest.mark.parametrize(
    "text",
    [
        "", "ES", "ESA26", "ESZ6", "ESZ", "26Z", "Z26", "ES Z26", "&ES_CCB", "ESZ026",
        "Equity(24 [AAPL])", "ContinuousFuture(91, root_symbol='ES')", "Future(12 [])",
        "ES_Z26", "ESDEC26", "ESZ26X", "LONGROOTZ26", "ESZ٢٦", "ESZ26.CME",
    ],
)  # fmt: skip
def test_text_that_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        read_symbol(text, on=SESSION)


def test_a_two_digit_year_is_one_that_was_tradable_on_the_session() -> None:
    assert read_symbol("CLZ99", on=date(1999, 6, 1)).month == ContractMonth(1999, 12)
    assert read_symbol("CTH02", on=date(2001, 12, 31)).month == ContractMonth(2002, 3)
    with pytest.raises(ContractError, match="not tradable on 2026-11-20"):
        read_symbol("CLZ99", on=SESSION)


def test_a_four_digit_year_is_taken_as_it_stands() -> None:
    assert read_symbol("CLZ1999", on=SESSION).month == ContractMonth(1999, 12)


@pytest.mark.parametrize(
    ("rounding", "price"),
    [
        (Rounding.NEAREST, "112.015625"),
        (Rounding.DOWN, "112.000000"),
        (Rounding.UP, "112.015625"),
    ],
)
def test_price_goes_to_the_tick_in_the_direction_asked_for(rounding: Rounding, price: str) -> None:
    spec = spec_of("ZN")

    assert spec.price_text(spec.to_tick(Decimal("112.01"), rounding)) == price


def test_negative_prices_round_in_the_same_direction_as_positive_ones() -> None:
    spec = spec_of("CL")

    assert spec.to_tick(Decimal("-37.634"), Rounding.DOWN) == Decimal("-37.64")
    assert spec.to_tick(Decimal("-37.634"), Rounding.UP) == Decimal("-37.63")


def test_a_price_that_rounds_to_nothing_has_no_sign() -> None:
    spec = spec_of("CL")

    assert spec.price_text(spec.to_tick(Decimal("-0.001"))) == "0.00"


@pytest.mark.parametrize(("root", "digits"), [("BTC", 0), ("ES", 2), ("6J", 7), ("ZT", 8)])
def test_digits_show_one_tick_exactly(root: str, digits: int) -> None:
    assert spec_of(root).digits == digits
