"""Ticks and scales: what must hold for every root and every price."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.contracts import (
    MONTH_CODES,
    ContractMonth,
    ContractSpec,
    FuturesContract,
    RootSymbol,
    Rounding,
    read_symbol,
)
from afterclose.errors import ContractError

SPECS = st.sampled_from(sorted(packaged_specs().values(), key=lambda spec: spec.root))
PRICES = st.decimals(
    min_value=-1_000_000, max_value=1_000_000, allow_nan=False, allow_infinity=False, places=10
)
SESSIONS = st.dates(min_value=date(1990, 1, 1), max_value=date(2080, 12, 31))


@given(SPECS, PRICES, st.sampled_from(Rounding))
def test_rounding_twice_is_rounding_once(
    spec: ContractSpec, price: Decimal, rounding: Rounding
) -> None:
    once = spec.to_tick(price, rounding)

    assert spec.to_tick(once, rounding) == once
    assert spec.on_tick(once)


@given(SPECS, PRICES)
def test_nearest_is_never_more_than_half_a_tick_away(spec: ContractSpec, price: Decimal) -> None:
    assert abs(spec.to_tick(price) - price) <= spec.tick_size / 2


@given(SPECS, PRICES)
def test_down_and_up_bracket_the_price_within_one_tick(spec: ContractSpec, price: Decimal) -> None:
    down, up = spec.to_tick(price, Rounding.DOWN), spec.to_tick(price, Rounding.UP)

    assert down <= price <= up
    assert up - down in {Decimal(0), spec.tick_size}


@given(SPECS, PRICES)
def test_the_text_of_a_price_on_its_tick_is_the_price(spec: ContractSpec, price: Decimal) -> None:
    limit = spec.to_tick(price)
    text = spec.price_text(limit)

    assert Decimal(text) == limit
    assert not set(text) - set("-0123456789.")
    assert text != "-" + spec.price_text(Decimal(0))


@given(SPECS, PRICES)
def test_a_price_goes_to_ib_and_back_unchanged(spec: ContractSpec, price: Decimal) -> None:
    assert spec.from_ib(spec.to_ib(price)) == price


@given(
    st.sampled_from(sorted(packaged_specs())),
    st.integers(0, 14),
    st.sampled_from(MONTH_CODES),
    SESSIONS,
    st.sampled_from(["{r}{m}{y2}", "{r}{m}{y4}", "{r}-{y4}{m}", "Future(7 [{r}{m}{y2}])"]),
)
def test_every_spelling_of_a_tradable_contract_is_the_same_contract(
    root: RootSymbol, years_ahead: int, letter: str, session: date, spelling: str
) -> None:
    year = session.year + years_ahead
    text = spelling.format(r=root, m=letter, y2=f"{year % 100:02d}", y4=year)

    expected = FuturesContract(root, ContractMonth(year, MONTH_CODES.index(letter) + 1))
    assert read_symbol(text, on=session) == expected


@given(st.text(max_size=24) | st.from_regex(r"[A-Z0-9]{1,4}[A-Z][0-9]{1,4}"), SESSIONS)
def test_any_text_is_a_contract_or_an_error_of_ours(text: str, session: date) -> None:
    try:
        contract = read_symbol(text, on=session)
    except ContractError:
        return
    assert contract.symbol.isascii()
    assert contract.month.year >= 0
