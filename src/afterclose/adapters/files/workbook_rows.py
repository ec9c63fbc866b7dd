"""One row of the mapping workbook: the facts of a root that the trader states."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from afterclose.adapters.files.cells import Cell, positive_number, text_of
from afterclose.adapters.files.mapping_sheet import SheetRow
from afterclose.domain.contracts import Currency, RootSymbol
from afterclose.domain.findings import Finding, Severity

_Value = TypeVar("_Value")

_ROOT = re.compile(r"[A-Z0-9]{1,6}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9._-]{1,16}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_MAGNIFIERS = frozenset(map(Decimal, (1, 10, 100, 1000, 10000)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRow:
    """What a row states of its root. None: the cell is empty, and the packaged fact stays.

    ``tick_size`` and ``multiplier`` are in the units of ``ContractSpec``. The row holds for
    sessions from ``valid_from`` to ``valid_to``, both included.
    """

    row: int
    root: RootSymbol
    ib_symbol: str | None = None
    ib_exchange: str | None = None
    currency: Currency | None = None
    tick_size: Decimal | None = None
    multiplier: str | None = None
    quotation: str | None = None
    vendor_to_ib_scale: Decimal | None = None
    price_magnifier: int | None = None
    trading_class: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def holds_on(self, session: date) -> bool:
        """Whether the row is in effect on a session."""
        return (self.valid_from is None or self.valid_from <= session) and (
            self.valid_to is None or session <= self.valid_to
        )

    @property
    def dated(self) -> bool:
        """Whether the row holds for a part of time only."""
        return self.valid_from is not None or self.valid_to is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReading:
    """A row that was read, or the reasons why it was not; ``root`` is None when it names none."""

    root: RootSymbol | None
    override: OverrideRow | None
    findings: tuple[Finding, ...]


def read_row(sheet_row: SheetRow, *, source: str) -> RowReading:
    """Read one row. A cell that is filled and cannot be read is a finding, never skipped."""
    subject = f"{source}, row {sheet_row.number}"
    name = text_of(sheet_row.cells["Symbol"]).upper()
    if _ROOT.fullmatch(name) is None:
        return RowReading(root=None, override=None, findings=(_no_root(name, subject),))
    root = RootSymbol(name)
    faults: list[Finding] = []
    cells = _Cells(sheet_row, subject=subject, faults=faults)
    override = OverrideRow(
        row=sheet_row.number,
        root=root,
        ib_symbol=cells.read("Symbol IB", _code),
        ib_exchange=cells.read("Exchange IB", _code),
        currency=cells.read("Currency IB", _currency),
        tick_size=cells.read("Tick Size", positive_number),
        multiplier=cells.read("Contract Size IB", _multiplier),
        quotation=cells.read("Quotation", text_of),
        vendor_to_ib_scale=cells.read("Price Scale", positive_number),
        price_magnifier=cells.read("Magnifier", _magnifier),
        trading_class=cells.read("Trading Class", _code),
        valid_from=cells.read("Valid From", _day),
        valid_to=cells.read("Valid To", _day),
    )
    kind = text_of(sheet_row.cells["SecType"]).upper()
    if kind not in {"FUT", ""}:
        faults.append(_not_a_future(kind, root=root, subject=subject))
    return RowReading(root=root, override=None if faults else override, findings=tuple(faults))


@dataclass(frozen=True, slots=True)
class _Cells:
    row: SheetRow
    subject: str
    faults: list[Finding]

    def read(self, column: str, reader: Callable[[Cell], _Value]) -> _Value | None:
        """Read a cell; None when it is empty, or when it cannot be read, which is a finding."""
        cell = self.row.cells.get(column)
        if column in self.row.uncomputed:
            self._fault(column, "", "it is a formula that was never calculated")
            return None
        try:
            return reader(cell) if text_of(cell) else None
        except ValueError as error:
            self._fault(column, text_of(cell), str(error))
            return None

    def _fault(self, column: str, text: str, why: str) -> None:
        finding = Finding(
            code="AC222",
            severity=Severity.BLOCK,
            subject=self.subject,
            message=f"{column} cannot be read: {text!r}: {why}",
            hint="correct the cell, or empty it to keep the packaged fact",
            evidence={"column": column, "row": self.row.number},
        )
        self.faults.append(finding)


def _code(cell: Cell) -> str:
    text = text_of(cell).upper()
    if _CODE.fullmatch(text) is None:
        raise ValueError("it is no code of IB")
    return text


def _currency(cell: Cell) -> Currency:
    text = text_of(cell).upper()
    if _CURRENCY.fullmatch(text) is None:
        raise ValueError("a currency has three letters")
    return Currency(text)


def _multiplier(cell: Cell) -> str:
    return f"{positive_number(cell):f}"


def _magnifier(cell: Cell) -> int:
    number = positive_number(cell)
    if number not in _MAGNIFIERS:
        raise ValueError("a magnifier is a power of ten")
    return int(number)


def _day(cell: Cell) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    match = _DAY.match(text_of(cell))
    if match is None:
        raise ValueError("write the day as 2025-08-18")
    return date(int(match[1]), int(match[2]), int(match[3]))


def _no_root(name: str, subject: str) -> Finding:
    return Finding(
        code="AC221",
        severity=Severity.WARN,
        subject=subject,
        message=f"the row is not used: {name!r} is no root",
        hint="write the vendor's root in column Symbol, as in ES or 6E, or empty the row",
    )


def _not_a_future(kind: str, *, root: RootSymbol, subject: str) -> Finding:
    return Finding(
        code="AC227",
        severity=Severity.BLOCK,
        subject=subject,
        message=f"{root} has SecType {kind!r}; only futures (FUT) are traded here",
        hint="write FUT, or take the row out",
    )
