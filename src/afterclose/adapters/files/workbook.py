"""The mapping workbook a trader keeps (``ZiplineIB_Mapping.xlsx``): read, applied and written.

Each row overrides the packaged facts of one root, cell by cell; an empty cell keeps the packaged
fact. A root whose row cannot be trusted is blocked: its packaged facts are not what the trader
wanted, and what he wanted is not known.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from afterclose.adapters.files.atomic import write_whole
from afterclose.adapters.files.mapping_sheet import (
    OPTIONAL,
    REQUIRED,
    SHEET,
    MappingSheet,
    read_sheet,
)
from afterclose.adapters.files.overrides import overridden
from afterclose.adapters.files.workbook_rows import OverrideRow, RowReading, read_row
from afterclose.domain.contracts import ContractSpec, RootSymbol
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import UsageError

_NOTES = ("Name", "Sector", "Confidence", "Notes")
_WIDTHS = {"Quotation": 26, "Name": 28, "Notes": 90}
_USUAL_WIDTH = 15
_HEADER_FILL = "1F3864"
_BLOCKED_FILL = "FFE6CC"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookReading:
    """What a mapping workbook says. ``unclear`` are roots to be blocked, each with its reason."""

    source: str
    overrides: Mapping[RootSymbol, OverrideRow]
    unclear: Mapping[RootSymbol, str]
    findings: tuple[Finding, ...]


def read_workbook(data: bytes, *, source: str, session: date | None = None) -> WorkbookReading:
    """Read a mapping workbook, or the same sheet as CSV.

    ``session`` decides which of several dated rows of one root holds; without it a dated row
    cannot be used. Raises UsageError when the file cannot be opened or a column is missing.
    Findings: AC221 row without a root, AC222 cell that cannot be read, AC226 sheet of another
    name, AC227 no future, AC228 root given twice.
    """
    sheet = read_sheet(data, source=source)
    findings = list(_about_sheet(sheet, source=source))
    by_root: defaultdict[RootSymbol, list[RowReading]] = defaultdict(list)
    for sheet_row in sheet.rows:
        reading = read_row(sheet_row, source=source)
        findings.extend(reading.findings)
        if reading.root is not None:
            by_root[reading.root].append(reading)
    overrides: dict[RootSymbol, OverrideRow] = {}
    unclear: dict[RootSymbol, str] = {}
    for root, readings in by_root.items():
        faults = [fault for reading in readings for fault in reading.findings]
        rows = [r.override for r in readings if r.override is not None]
        chosen, doubt = _in_effect(rows, session=session, source=source)
        findings.extend(doubt)
        if faults or doubt:
            unclear[root] = "; ".join(f"{f.subject}: {f.message}" for f in (*faults, *doubt))
        elif chosen is not None:
            overrides[root] = chosen
    return WorkbookReading(
        source=source, overrides=overrides, unclear=unclear, findings=tuple(findings)
    )


def override(
    specs: Mapping[RootSymbol, ContractSpec], reading: WorkbookReading
) -> Mapping[RootSymbol, ContractSpec]:
    """Apply a workbook to a table of facts; ``override_findings`` says what that changed."""
    return overridden(
        specs, reading.overrides.values(), unclear=reading.unclear, source=reading.source
    ).specs


def override_findings(
    specs: Mapping[RootSymbol, ContractSpec], reading: WorkbookReading
) -> tuple[Finding, ...]:
    """Say what the workbook changes: AC223 another fact, AC224 mixed units, AC225, AC229.

    AC225 is a root that only the workbook has; AC229 a block that the workbook lifted.
    """
    return overridden(
        specs, reading.overrides.values(), unclear=reading.unclear, source=reading.source
    ).findings


def _about_sheet(sheet: MappingSheet, *, source: str) -> Iterable[Finding]:
    if sheet.found_by_columns:
        yield Finding(
            code="AC226",
            severity=Severity.WARN,
            subject=source,
            message=f"there is no sheet {SHEET!r}; {sheet.name!r} has its columns and was read",
            hint=f"name the sheet {SHEET}",
        )


def _in_effect(
    rows: Sequence[OverrideRow], *, session: date | None, source: str
) -> tuple[OverrideRow | None, tuple[Finding, ...]]:
    """Choose the row that holds on the session; equal rows are one, different ones a doubt."""
    if session is None and any(row.dated for row in rows):
        return None, (_dated(rows, source=source),)
    holding = [row for row in rows if session is None or row.holds_on(session)]
    if not holding:
        return None, ()
    if len({replace(row, row=0, valid_from=None, valid_to=None) for row in holding}) == 1:
        return holding[0], ()
    return None, (_given_twice(holding, source=source),)


def _dated(rows: Sequence[OverrideRow], *, source: str) -> Finding:
    row = next(row for row in rows if row.dated)
    return Finding(
        code="AC228",
        severity=Severity.BLOCK,
        subject=f"{source}, row {row.row}",
        message=f"{row.root} is given for a part of time, and no session is known to choose by",
        hint="give the session",
    )


def _given_twice(rows: Sequence[OverrideRow], *, source: str) -> Finding:
    numbers = " and ".join(str(row.row) for row in rows)
    return Finding(
        code="AC228",
        severity=Severity.BLOCK,
        subject=f"{source}, row {rows[1].row}",
        message=f"{rows[0].root} is given with different facts in rows {numbers}",
        hint="keep one row, or say in Valid From and Valid To when each holds",
    )


def write_workbook(path: Path, specs: Mapping[RootSymbol, ContractSpec]) -> None:
    """Write a mapping workbook that reads back to the same facts, formatted for a person.

    Blocked roots are coloured, and the cell that would settle them is empty. Columns to the right
    of the mapping are for reading only. Raises UsageError when the file cannot be written.
    """
    book = Workbook()
    sheet: Any = book.active  # Any: openpyxl has no types
    sheet.title = SHEET
    columns = (*REQUIRED, *OPTIONAL, *_NOTES)
    sheet.append(columns)
    for spec in sorted(specs.values(), key=lambda spec: (spec.sector, spec.root)):
        sheet.append([_cell(spec, column) for column in columns])
    _format(sheet, columns, specs)
    buffer = io.BytesIO()
    book.save(buffer)
    if write_whole(path, buffer.getvalue()) != buffer.getvalue():
        raise UsageError(f"{path} does not read back as it was written", hint="check the disk")


def _cell(spec: ContractSpec, column: str) -> Any:  # Any: what openpyxl takes
    unit_unknown = bool(spec.blocked and spec.multiplier)
    values: dict[str, Any] = {
        "Symbol": spec.root,
        "Symbol IB": spec.ib_symbol,
        "SecType": "FUT",
        "Exchange IB": spec.ib_exchange,
        "Currency IB": spec.currency,
        "Tick Size": spec.tick_size,
        "Quotation": spec.quotation,
        "Contract Size IB": Decimal(spec.multiplier) if spec.multiplier else None,
        "Price Scale": None if unit_unknown else spec.vendor_to_ib_scale,
        "Magnifier": spec.price_magnifier,
        "Trading Class": spec.trading_class or None,
        "Name": spec.name,
        "Sector": spec.sector,
        "Confidence": spec.confidence,
        "Notes": " ".join(
            t for t in (spec.blocked and f"BLOCKED: {spec.blocked}.", spec.flags) if t
        ),
    }
    return values.get(column)


def _format(sheet: Any, columns: Sequence[str], specs: Mapping[RootSymbol, ContractSpec]) -> None:
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    for index, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = _WIDTHS.get(column, _USUAL_WIDTH)
    for cell in sheet[1]:
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=_HEADER_FILL)
        cell.alignment = Alignment(horizontal="center")
    for row in sheet.iter_rows(min_row=2):
        blocked = bool(specs[RootSymbol(row[0].value)].blocked)
        for cell in row:
            if blocked:
                cell.fill = PatternFill("solid", fgColor=_BLOCKED_FILL)
            if isinstance(cell.value, Decimal):
                cell.number_format = _number_format(cell.value)


def _number_format(value: Decimal) -> str:
    """Show every digit and no exponent: spreadsheets would show the yen's tick as 5E-07."""
    exponent = value.normalize().as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    return f"0.{'0' * digits}" if digits else "0"
