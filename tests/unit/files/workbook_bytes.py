"""Mapping workbooks for the tests, as the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook

HEADER = (
    "Symbol", "Symbol IB", "SecType", "Exchange IB", "Currency IB", "Tick Size", "Quotation",
    "Contract Size IB",
)  # fmt: skip
EXTRA = (*HEADER, "Price Scale", "Magnifier", "Trading Class", "Valid From", "Valid To")

ES = ("ES", "ES", "FUT", "CME", "USD", 0.25, "index points", 50)


def xlsx(
    *rows: Sequence[Any], header: Sequence[Any] = HEADER, sheet: str = "ZiplineIB", above: int = 0
) -> bytes:
    """A workbook with one sheet; ``above`` is the number of title lines over the header."""
    book = Workbook()
    page: Any = book.active
    page.title = sheet
    for number in range(above):
        page.append([f"Title {number}"])
    page.append(list(header))
    for row in rows:
        page.append(list(row))
    return saved(book)


def saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def csv_text(*rows: Sequence[Any], header: Sequence[str] = HEADER, separator: str = ",") -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in (header, *rows))
