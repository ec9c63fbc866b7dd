"""Rows of a basket file under one reference: each says so, one trade twice is looked at."""

from __future__ import annotations

from datetime import date

import pytest

from afterclose.adapters.files.basket_csv import read_basket
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.by_file.rows import NamedRow, named_rows
from afterclose.domain.findings import Severity

HEADER = (
    "Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,Exchange,Currency,"
    "TimeInForce,OrderType,LmtPrice,OrderRef\n"
)
BUY_ES = "BUY,{n},ES,FUT,202612,CME,USD,DAY,LMT,6000,{ref}"
SELL_ES = "SELL,{n},ES,FUT,202612,CME,USD,DAY,LMT,6000,{ref}"
BUY_NQ = "BUY,{n},NQ,FUT,202612,CME,USD,DAY,LMT,24000,{ref}"
NO_ROOT = "BUY,{n},XX,FUT,202612,CME,USD,DAY,LMT,1,{ref}"


def named(*rows: str) -> tuple[NamedRow, ...]:
    text = HEADER + "".join(f"{row}\n" for row in rows)
    found, _ = named_rows(read_basket(text), packaged_specs(), date(2026, 11, 19))
    return found


def noted(*rows: str) -> list[Severity | None]:
    return [
        next((f.severity for f in row.notes if f.code == "AC319"), None) for row in named(*rows)
    ]


def test_one_contract_and_side_twice_under_one_reference_is_to_be_looked_at() -> None:
    rows = named(BUY_ES.format(n=2, ref="A"), BUY_ES.format(n=3, ref="A"))
    said = [f for row in rows for f in row.notes if f.code == "AC319"]

    assert [f.severity for f in said] == [Severity.WARN, Severity.WARN]
    assert [f.subject for f in said] == ["ESZ26", "ESZ26"]
    assert "line 2: the reference A stands on line 3 as well, also for this contract" in (
        said[0].message
    )
    assert [row.ref for row in rows] == ["A_line2", "A_line3"]


@pytest.mark.parametrize("other", [BUY_NQ, SELL_ES])
def test_one_reference_for_another_contract_or_side_is_only_told(other: str) -> None:
    rows = (BUY_ES.format(n=2, ref="A"), other.format(n=2, ref="A"))

    assert noted(*rows) == [Severity.INFO, Severity.INFO]


def test_references_of_their_own_and_none_at_all_are_not_remarked() -> None:
    assert noted(BUY_ES.format(n=2, ref="A"), BUY_ES.format(n=2, ref="B")) == [None, None]
    assert noted(BUY_ES.format(n=2, ref=""), BUY_ES.format(n=2, ref="")) == [None, None]


def test_a_row_that_is_left_out_counts_for_the_name_and_not_for_the_trade() -> None:
    assert noted(BUY_ES.format(n=2, ref="A"), NO_ROOT.format(n=2, ref="A")) == [Severity.INFO]


def test_of_many_lines_only_some_are_named() -> None:
    rows = named(*(BUY_ES.format(n=n, ref="A") for n in range(1, 7)))

    assert "stands on line 3, 4, 5 and 2 more as well" in rows[0].notes[-1].message
