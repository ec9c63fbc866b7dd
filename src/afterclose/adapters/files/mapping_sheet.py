"""The bytes of a mapping workbook, or of the same sheet as CSV, to a header and its rows."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from afterclose.adapters.files.cells import Cell, text_of
from afterclose.adapters.files.delimited import decode
from afterclose.errors import UsageError

SHEET = "ZiplineIB"
REQUIRED = (
    "Symbol", "Symbol IB", "SecType", "Exchange IB", "Currency IB", "Tick Size", "Quotation",
    "Contract Size IB",
)  # fmt: skip
#: May be added by the user; each changes how prices and requests are made.
OPTIONAL = ("Price Scale", "Magnifier", "Trading Class", "Valid From", "Valid To")

_HEADER_WITHIN_ROWS = 25
_MOST_ROWS = 10_000
_MOST_BYTES = 64 * 1024 * 1024
_DELIMITERS = (",", ";", "\t", "|")
#: What openpyxl and the libraries below it raise on damaged files.
_DAMAGED = (
    zipfile.BadZipFile, InvalidFileException, ET.ParseError, zlib.error, KeyError,
    ValueError, TypeError, AttributeError, IndexError, EOFError, OSError, NotImplementedError,
    RuntimeError, OverflowError, AssertionError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One row below the header: its number in the sheet, and its cells by our column names.

    ``uncomputed`` names the columns whose cell is a formula that was never calculated.
    """

    number: int
    cells: Mapping[str, Cell]
    uncomputed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSheet:
    """The sheet that holds the mapping. ``name`` is empty for CSV."""

    name: str
    rows: tuple[SheetRow, ...]
    #: Whether the sheet was found by its columns, because none has the name expected.
    found_by_columns: bool


_Grid = Sequence[tuple[Cell, ...]]


def read_sheet(data: bytes, *, source: str) -> MappingSheet:
    """Find the mapping in a workbook (.xlsx, .xlsm) or in CSV text.

    The header may stand below a title. Raises UsageError when the file cannot be opened, when no
    sheet has the columns, naming those that are missing and those found, or when there are two.
    """
    if data.startswith(b"PK"):
        grids = _workbook_grids(data, source=source)
    elif data.strip():
        grids = {"": _csv_grid(decode(data, source=source))}
    else:
        raise UsageError(f"{source} is empty", hint="export a workbook with: mapping export")
    name, found_by_columns = _choose(grids, source=source)
    values, formulas = grids[name]
    return MappingSheet(
        name=name,
        rows=tuple(_rows(values, formulas, source=source)),
        found_by_columns=found_by_columns,
    )


def _workbook_grids(data: bytes, *, source: str) -> dict[str, tuple[_Grid, _Grid]]:
    try:
        _refuse_bomb(data, source=source)
        values = _grids(data, computed=True)
        formulas = _grids(data, computed=False)
    except _DAMAGED as error:
        raise UsageError(
            f"{source} cannot be opened as a workbook: {error}",
            hint="open it in Excel or LibreOffice and save it again as .xlsx, without a password",
        ) from error
    return {name: (values[name], formulas.get(name, ())) for name in values}


def _refuse_bomb(data: bytes, *, source: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _MOST_BYTES:
        raise UsageError(
            f"{source} unpacks to {size} bytes; a mapping has a few thousand",
            hint="copy the mapping into a workbook of its own",
        )


def _grids(data: bytes, *, computed: bool) -> dict[str, _Grid]:
    with warnings.catch_warnings():
        # openpyxl warns of drop-down lists and styles it does not keep; we only read values.
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=computed)
        try:
            return {sheet.title: _filled(sheet) for sheet in book.worksheets}
        finally:
            book.close()


def _filled(sheet: Any) -> _Grid:  # Any: openpyxl has no types
    """Read the rows up to the last filled one: formatting may reach a million rows down."""
    # The size that a sheet states for itself is often wrong.
    sheet.reset_dimensions()
    grid: list[tuple[Cell, ...]] = []
    empty = filled = 0
    for cells in sheet.iter_rows(values_only=True):
        if all(cell is None for cell in cells):
            empty += 1
            continue
        filled += 1
        if filled > _MOST_ROWS:
            raise UsageError(
                f"sheet {sheet.title!r} has more than {_MOST_ROWS} filled rows",
                hint="copy the mapping into a workbook of its own",
            )
        grid.extend([()] * empty)
        grid.append(tuple(cells))
        empty = 0
    return grid


def _csv_grid(text: str) -> tuple[_Grid, _Grid]:
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        grid: list[tuple[Cell, ...]] = []
        try:
            for cells in reader:
                grid.extend([()] * (reader.line_num - 1 - len(grid)))
                grid.append(tuple(cell or None for cell in cells))
        except csv.Error:
            continue
        if _header_index(grid) is not None:
            return grid, ()
    return [(line,) for line in text.splitlines()], ()


def _choose(grids: Mapping[str, tuple[_Grid, _Grid]], *, source: str) -> tuple[str, bool]:
    named = [name for name in grids if name == SHEET]
    named = named or [name for name in grids if _key(name) == _key(SHEET)]
    if named:
        return named[0], False
    fitting = [name for name, (values, _) in grids.items() if _header_index(values) is not None]
    if len(fitting) == 1 or (len(grids) == 1 and grids):
        return next(iter(fitting or grids)), "" not in grids
    raise UsageError(
        f"{source} has no sheet {SHEET!r}, and {len(fitting)} of its sheets look like it; "
        f"found: {', '.join(grids)}",
        hint=f"name the sheet with the mapping {SHEET}",
    )


def _rows(values: _Grid, formulas: _Grid, *, source: str) -> Iterator[SheetRow]:
    at = _header_index(values)
    if at is None:
        at = next((i for i, cells in enumerate(values) if any(map(text_of, cells))), 0)
    columns = _columns(values[at] if values else (), source=source)
    for index in range(at + 1, len(values)):
        cells = values[index]
        if any(text_of(cell) for cell in cells):
            below = formulas[index] if index < len(formulas) else ()
            yield SheetRow(
                number=index + 1,
                cells={name: _at(cells, i) for name, i in columns.items()},
                uncomputed=tuple(
                    name
                    for name, i in columns.items()
                    if _at(cells, i) is None and str(_at(below, i) or "").startswith("=")
                ),
            )


def _at(cells: Sequence[Cell], index: int) -> Cell:
    return cells[index] if index < len(cells) else None


def _header_index(grid: _Grid) -> int | None:
    wanted = {_key("Symbol"), _key("Symbol IB")}
    for index, cells in enumerate(grid[:_HEADER_WITHIN_ROWS]):
        if wanted <= {_key(text_of(cell)) for cell in cells}:
            return index
    return None


def _columns(header: Iterable[Cell], *, source: str) -> dict[str, int]:
    names = [text_of(cell) for cell in header]
    keys = [_key(name) for name in names]
    known = (*REQUIRED, *OPTIONAL)
    doubled = [name for name in known if keys.count(_key(name)) > 1]
    if doubled:
        raise UsageError(
            f"{source}: columns given twice: {', '.join(doubled)}", hint="keep one of each"
        )
    missing = [name for name in REQUIRED if _key(name) not in keys]
    if missing:
        found = ", ".join(name for name in names if name) or "none"
        raise UsageError(
            f"{source}: columns missing: {', '.join(missing)}; found: {found}",
            hint="start from a workbook written by: afterclose mapping export",
        )
    return {name: keys.index(_key(name)) for name in known if _key(name) in keys}


def _key(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
