from __future__ import annotations

from datetime import date

import pytest

from afterclose.tws_sim.contracts import Product, last_trade_date, products
from afterclose.tws_sim.days import easter

# Published by the exchanges, typed by hand.
PUBLISHED = [
    ("ES", "202512", date(2025, 12, 19)),
    ("CL", "202601", date(2025, 12, 19)),
    ("CL", "202005", date(2020, 4, 21)),
    ("NG", "202601", date(2025, 12, 29)),
    ("HO", "202601", date(2025, 12, 31)),
    ("BRN", "202903", date(2029, 1, 31)),
    ("VX", "202204", date(2022, 4, 20)),
    ("VX", "202512", date(2025, 12, 17)),
    ("DC", "202306", date(2023, 7, 5)),
    ("ZN", "202512", date(2025, 12, 19)),
    ("ZF", "202512", date(2025, 12, 31)),
    ("ZC", "202512", date(2025, 12, 12)),
    ("GC", "202512", date(2025, 12, 29)),
    ("KC", "202512", date(2025, 12, 18)),
    ("CT", "202512", date(2025, 12, 8)),
    ("SB", "202603", date(2026, 2, 27)),
    ("6E", "202512", date(2025, 12, 15)),
    ("6C", "202512", date(2025, 12, 16)),
    ("HE", "202512", date(2025, 12, 12)),
    ("FGBL", "202512", date(2025, 12, 8)),
    ("FDAX", "202512", date(2025, 12, 19)),
    ("MCL", "202601", date(2025, 12, 18)),
]


def product(root: str) -> Product:
    return next(each for each in products() if each.vendor_root == root)


@pytest.mark.parametrize(("root", "month", "expected"), PUBLISHED)
def test_the_last_trading_day_is_the_published_one(root: str, month: str, expected: date) -> None:
    assert last_trade_date(product(root), month) == expected


@pytest.mark.parametrize(
    ("root", "months_before"),
    [
        *[(root, 1) for root in ("CL", "NG", "HO", "RB", "WBS", "GWM", "LSU", "SB", "MCL")],
        *[("BRN", 2), ("DC", -1), ("ES", 0), ("ZN", 0)],
    ],
)
def test_the_last_trading_day_falls_months_away_from_the_contract_month(
    root: str, months_before: int
) -> None:
    for month in ("202603", "202605", "202607", "202612"):
        last = last_trade_date(product(root), month)
        contract = int(month[:4]) * 12 + int(month[4:])

        assert contract - (last.year * 12 + last.month) == months_before


def test_every_product_of_the_facts_has_rules_and_hours_that_exist() -> None:
    for each in products():
        assert each.hours.zone
        assert last_trade_date(each, "202612").year in {2026, 2027}


def test_there_are_85_roots_and_the_siblings_that_share_their_symbols() -> None:
    roots = {each.vendor_root for each in products() if each.vendor_root}
    siblings = {each.trading_class: each.symbol for each in products() if not each.vendor_root}

    assert len(roots) == 85
    assert siblings["FDXM"] == siblings["FDXS"] == "DAX"
    assert siblings["MFC"] == "CAC40"
    assert siblings["FSXE"] == "ESTX50"
    assert siblings["FSMS"] == "SMI"
    assert siblings["SXM"] == "TSE60"
    assert siblings["VXM"] == siblings["VX1"] == "VIX"
    assert siblings["MKI"] == "K200"
    assert siblings["NW1"] == "NG"


def test_the_roots_whose_vendor_writes_cents_are_the_known_ones() -> None:
    scaled = {each.vendor_root for each in products() if each.vendor_scale != 1}

    assert scaled == {"HG", "SI", "SIL", "ZR", "6J", "GWM"}


@pytest.mark.parametrize(
    ("year", "sunday"),
    [(2000, date(2000, 4, 23)), (2024, date(2024, 3, 31)), (2025, date(2025, 4, 20))],
)
def test_easter_is_on_the_known_sunday(year: int, sunday: date) -> None:
    assert easter(year) == sunday
