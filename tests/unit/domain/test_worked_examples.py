"""Ten contracts worked through by hand: each has a way of its own to lose money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from afterclose.adapters.files.contract_table import packaged_specs, packaged_table
from afterclose.domain.contracts import RootSymbol, read_symbol

SESSION = date(2026, 6, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    symbol: str
    vendor_price: str
    ib_price: str
    tick: str
    limit_text: str
    contract_month: str
    last_trades_in: str
    multiplier: str
    point_value: str
    tick_value: str
    currency: str


EXAMPLES = (
    # Copper: the vendor in cents per pound, IB in dollars. 25,000 lb: a tick of 0.0005 is 12.50.
    Example(
        symbol="HGN26", vendor_price="456.37", ib_price="4.5637", tick="0.0005",
        limit_text="4.5635", contract_month="202607", last_trades_in="202607",
        multiplier="25000", point_value="25000", tick_value="12.5", currency="USD",
    ),
    # Silver: cents per ounce, dollars per ounce; 5,000 oz.
    Example(
        symbol="SIN26", vendor_price="3321.3", ib_price="33.213", tick="0.005",
        limit_text="33.215", contract_month="202607", last_trades_in="202607",
        multiplier="5000", point_value="5000", tick_value="25", currency="USD",
    ),
    # Rice: cents per hundredweight, dollars per hundredweight; no magnifier, unlike corn.
    Example(
        symbol="ZRN26", vendor_price="1512.7", ib_price="15.127", tick="0.005",
        limit_text="15.125", contract_month="202607", last_trades_in="202607",
        multiplier="2000", point_value="2000", tick_value="10", currency="USD",
    ),
    # Yen: dollars per 100 yen, dollars per yen. Two decimals would make it 0.01.
    Example(
        symbol="6JU26", vendor_price="0.693412", ib_price="0.00693412", tick="0.0000005",
        limit_text="0.0069340", contract_month="202609", last_trades_in="202609",
        multiplier="12500000", point_value="12500000", tick_value="6.25", currency="USD",
    ),
    # Corn: cents in both; multiplier 5000 with magnifier 100 is 50 dollars per cent.
    Example(
        symbol="ZCZ26", vendor_price="447.63", ib_price="447.63", tick="0.25",
        limit_text="447.75", contract_month="202612", last_trades_in="202612",
        multiplier="5000", point_value="50", tick_value="12.5", currency="USD",
    ),
    # Ten-year note: half of 1/32. Two decimals would be refused.
    Example(
        symbol="ZNU26", vendor_price="110.86", ib_price="110.86", tick="0.015625",
        limit_text="110.859375", contract_month="202609", last_trades_in="202609",
        multiplier="1000", point_value="1000", tick_value="15.625", currency="USD",
    ),
    # Lumber: the multiplier is 27.5, and int() would make it 27.
    Example(
        symbol="LBRN26", vendor_price="587.2", ib_price="587.2", tick="0.5",
        limit_text="587.0", contract_month="202607", last_trades_in="202607",
        multiplier="27.5", point_value="27.5", tick_value="13.75", currency="USD",
    ),
    # Crude: the August contract trades out in July; the basket still says August.
    Example(
        symbol="CLQ26", vendor_price="71.237", ib_price="71.237", tick="0.01",
        limit_text="71.24", contract_month="202608", last_trades_in="202607",
        multiplier="1000", point_value="1000", tick_value="10", currency="USD",
    ),
    # Euro Stoxx: shares its symbol with the micro; whole points.
    Example(
        symbol="FESXU26", vendor_price="5321.4", ib_price="5321.4", tick="1",
        limit_text="5321", contract_month="202609", last_trades_in="202609",
        multiplier="10", point_value="10", tick_value="10", currency="EUR",
    ),
    # KOSPI 200: won; a point is a quarter of a million of them, a dollar only for Zipline.
    Example(
        symbol="KOSU26", vendor_price="412.38", ib_price="412.38", tick="0.05",
        limit_text="412.40", contract_month="202609", last_trades_in="202609",
        multiplier="250000", point_value="250000", tick_value="12500", currency="KRW",
    ),
)  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.symbol)
def test_contract_is_priced_and_named_as_worked_out_by_hand(example: Example) -> None:
    contract = read_symbol(example.symbol, on=SESSION)
    spec = packaged_specs()[contract.root]

    ib_price = spec.to_ib(Decimal(example.vendor_price))
    limit = spec.to_tick(ib_price)

    assert ib_price == Decimal(example.ib_price)
    assert spec.tick_size == Decimal(example.tick)
    assert spec.on_tick(limit)
    assert spec.price_text(limit) == example.limit_text
    assert contract.month.yyyymm == example.contract_month
    assert spec.multiplier == example.multiplier
    assert spec.point_value == Decimal(example.point_value)
    assert spec.point_value is not None
    assert spec.tick_size * spec.point_value == Decimal(example.tick_value)
    assert spec.currency == example.currency


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.symbol)
def test_last_trade_falls_in_the_month_worked_out_by_hand(example: Example) -> None:
    contract = read_symbol(example.symbol, on=SESSION)
    offset = packaged_table().last_trade_month_offset[contract.root]

    month = contract.month.year * 12 + contract.month.month - 1 + offset

    assert f"{month // 12:04d}{month % 12 + 1:02d}" == example.last_trades_in


def test_the_yen_goes_back_to_the_vendors_unit() -> None:
    spec = packaged_specs()[RootSymbol("6J")]

    assert spec.from_ib(Decimal("0.0069340")) == Decimal("0.69340")


def test_the_ftse_is_worth_ten_pounds_a_point_although_its_multiplier_is_a_thousand() -> None:
    spec = packaged_specs()[RootSymbol("LFT")]

    assert (spec.multiplier, spec.price_magnifier) == ("1000", 100)
    assert spec.point_value == Decimal(10)
    assert spec.tick_size == Decimal("0.5")
