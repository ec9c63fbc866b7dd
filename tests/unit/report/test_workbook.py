from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from openpyxl import load_workbook

from afterclose.report.workbook import evening_workbook
from unit.report.make_rows import EVENING
from unit.report.make_view import make_view
from unit.report.test_tables import BUY_NAMES, SELL_NAMES


@pytest.fixture(scope="module")
def book() -> Any:
    return load_workbook(io.BytesIO(evening_workbook(make_view())))


def cell(book: Any, symbol: str, column: str) -> Any:
    sheet = book["BUY"]
    names = [c.value for c in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        if row[names.index("Contract")].value == symbol:
            return row[names.index(column)]
    raise LookupError(symbol)


def test_the_sheets_have_the_tables_columns_and_rows(book: Any) -> None:
    assert book.sheetnames == ["Evening", "SELL", "BUY", "Excluded", "Positions", "FX"]
    assert [c.value for c in book["SELL"][1]][: len(SELL_NAMES)] == SELL_NAMES
    assert [c.value for c in book["BUY"][1]][: len(BUY_NAMES)] == BUY_NAMES
    assert (book["SELL"].max_row, book["BUY"].max_row) == (7, 10)


def test_numbers_are_numbers_in_the_contracts_digits(book: Any) -> None:
    limit = cell(book, "6JZ26", "LmtPrice")
    assert limit.value == pytest.approx(0.0064285)
    assert limit.number_format == "#,##0.0000000"
    assert cell(book, "CLG27", "PctDiff").number_format == "0.00%"


def test_columns_have_the_write_ups_tints(book: Any) -> None:
    assert cell(book, "ESZ26", "Symbol").fill.fgColor.rgb == "FFE6F7FF"
    assert cell(book, "ESZ26", "StopDist").fill.fgColor.rgb == "FFFFF7E6"
    assert cell(book, "ESZ26", "RiskPerTrade").fill.fgColor.rgb == "FFE6FFE6"
    assert cell(book, "ESZ26", "PositionMismatch").fill.fgColor.rgb == "FFFFE6CC"
    assert cell(book, "ESZ26", "RiskOK").fill.fgColor.rgb == "FFF0FFF0"


def test_unknown_is_a_word_in_the_workbook_too(book: Any) -> None:
    assert cell(book, "HSIX26", "RiskPerTrade").value == "unknown"
    assert cell(book, "NKDZ26", "StopDist").value == "n/a"


def test_a_reason_is_never_a_formula() -> None:
    wanted = tuple(replace(w, reason="=1+1\x07") for w in EVENING if w.symbol == "ESZ26")
    book = load_workbook(io.BytesIO(evening_workbook(make_view(wanted))))
    reason = cell(book, "ESZ26", "Reason")
    assert (reason.value, reason.data_type) == ("=1+1 ", "s")


def test_the_same_view_gives_the_same_workbook() -> None:
    first, second = (evening_workbook(make_view()) for _ in range(2))
    assert first == second
    assert b"2026-11-20T22:07:34Z" in _core(first)


def _core(raw: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return archive.read("docProps/core.xml")
