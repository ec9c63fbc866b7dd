"""One line per root, typed by hand: what the product must say of it."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.adapters.files.contract_table import packaged_specs, packaged_table
from afterclose.domain.contracts import RootSymbol, read_symbol

ANSWERS = Path(__file__).with_name("contracts_answers.csv")
SESSION = date(2026, 11, 20)


def answers() -> list[dict[str, str]]:
    with ANSWERS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def roots(text: str) -> set[str]:
    return set(text.split())


def test_every_root_of_the_table_has_an_answer_line() -> None:
    typed = [line["root"] for line in answers()]

    assert len(typed) == 85
    assert set(typed) == set(packaged_specs())


@pytest.mark.parametrize("answer", answers(), ids=lambda line: line["root"])
def test_table_agrees_with_the_answer_line(answer: dict[str, str]) -> None:
    spec = packaged_specs()[RootSymbol(answer["root"])]
    contract = read_symbol(answer["contract"], on=SESSION)

    limit = spec.to_tick(spec.to_ib(Decimal(answer["vendor_price"])))

    assert contract.root == answer["root"]
    assert contract.month.yyyymm == answer["contract_month"]
    assert spec.price_text(limit) == answer["ib_limit_text"]
    assert spec.tick_size == Decimal(answer["tick"])
    assert spec.multiplier == answer["multiplier"]
    assert spec.ib_symbol == answer["ib_symbol"]
    assert spec.ib_exchange == answer["exchange"]
    assert spec.currency == answer["currency"]


def test_only_roots_with_an_open_doubt_are_blocked() -> None:
    blocked = {root: spec.blocked for root, spec in packaged_specs().items() if spec.blocked}

    assert set(blocked) == {"YXT", "YYT", "GWM", "SIL"}
    assert "multiplier" in blocked[RootSymbol("GWM")]
    assert "yield" in blocked[RootSymbol("YXT")]
    assert "cents or dollars" in blocked[RootSymbol("SIL")]


def test_only_five_roots_change_scale_between_vendor_and_ib() -> None:
    scaled = {
        r: s.vendor_to_ib_scale for r, s in packaged_specs().items() if s.vendor_to_ib_scale != 1
    }

    assert scaled == dict.fromkeys(("HG", "SI", "ZR", "6J", "GWM"), Decimal("0.01"))


def test_magnified_roots_are_the_cent_quoted_ones_and_the_ftse() -> None:
    magnified = {root for root, spec in packaged_specs().items() if spec.price_magnifier == 100}

    assert magnified == roots("CT GF HE KC LE OJ SB ZC ZL ZO ZS ZW LFT")


def test_products_that_share_a_symbol_are_asked_for_by_what_tells_them_apart() -> None:
    specs = packaged_specs()
    by_class = {root for root, spec in specs.items() if spec.ambiguous and spec.send_trading_class}
    by_multiplier = {root for root, spec in specs.items() if spec.ambiguous} - by_class

    assert by_class == roots("BTC DC FCE FDAX FESX FSMI SXF NG SI SIL 6M VX")
    assert by_multiplier == {"KOS"}
    assert specs[RootSymbol("KOS")].multiplier == "250000"
    assert specs[RootSymbol("SI")].trading_class == "SI"
    assert specs[RootSymbol("SIL")].trading_class == "SIL"


def test_a_trading_class_is_sent_only_where_it_is_known() -> None:
    assert all(s.trading_class for s in packaged_specs().values() if s.send_trading_class)


def test_medium_and_low_confidence_is_flagged() -> None:
    specs = packaged_specs().values()
    doubtful = {s.root for s in specs if s.confidence != "high"}

    assert doubtful == roots("LBR SJB YXT YYT FTDX HTW GWM WBS 6M SIL")
    assert {s.root for s in specs if s.confidence == "low"} == {"YYT"}


def test_last_trade_month_offsets_are_the_known_ones() -> None:
    offsets = packaged_table().last_trade_month_offset
    other = {root: offset for root, offset in offsets.items() if offset != 0}

    before = roots("CL MCL NG HO RB WBS GWM SB LSU")
    assert other == {**dict.fromkeys(before, -1), "BRN": -2, "DC": 1}
