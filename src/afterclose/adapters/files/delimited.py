"""Delimited text as programs and people really write it: bytes to a header and numbered rows.

Takes UTF-8 and UTF-16 with or without a mark, Windows-1252, commas, semicolons, tabs and bars.
What cannot be told for certain is an error here, never a guess.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from afterclose.errors import UsageError

_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: First bytes of files that people mistake for CSV.
_OTHER_KINDS = (
    (b"PK\x03\x04", "a workbook or a ZIP archive", "save the sheet as CSV first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"PAR1", "a Parquet file", "write the transactions with to_csv"),
    (b"%PDF", "a PDF document", "write the transactions with to_csv"),
    (b"\x80\x04\x95", "a Python pickle", "write the transactions with to_csv"),
)
#: Control characters but tabs and line ends: no program writes them into a CSV file.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedRow:
    """One record: the line of the file on which it ends, and its cells without outer spaces."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedText:
    """A file with a header. Empty lines and empty columns at the right end are gone."""

    delimiter: str
    header: tuple[str, ...]
    rows: tuple[DelimitedRow, ...]


def read_delimited(
    data: bytes, *, source: str, is_header: Callable[[Sequence[str]], bool]
) -> DelimitedText:
    """Read bytes as delimited text; the first record that ``is_header`` accepts is the header.

    Only the first record of the file may be the header (after a line such as ``sep=;``). Names
    in the header are lower case. Raises UsageError for an empty file, bytes that are no text, a
    first record that is no header under any delimiter, and quotes that are never closed.
    """
    text = _without_separator_line(decode(data, source=source))
    for delimiter in _DELIMITERS:
        first = _first_record(text.body, delimiter)
        if first is not None and is_header(first):
            return _read(text, delimiter=delimiter, source=source)
    start = text.body.lstrip().splitlines()[0][:80] if text.body.strip() else ""
    if not start:
        raise UsageError(f"{source} is empty", hint="was the run finished, and the file written?")
    raise UsageError(
        f"{source} has no header with the columns needed; it begins with {start!r}",
        hint="the first line must name the columns, as pandas' to_csv writes them",
    )


def decode(data: bytes, *, source: str) -> str:
    """Decode the bytes of a text file. Raises UsageError when they are no text."""
    for mark, kind, hint in _OTHER_KINDS:
        if data.startswith(mark):
            raise UsageError(f"{source} is {kind}, not CSV", hint=hint)
    text = _decoded(data)
    if text is None or _CONTROL.search(text):
        raise UsageError(
            f"{source} is not a text file, or its encoding is unknown",
            hint="write it as UTF-8",
        )
    return text


def _decoded(data: bytes) -> str | None:
    encodings = [name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)]
    if not encodings:
        encodings = [*_unmarked_utf_16(data), "utf-8", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _unmarked_utf_16(data: bytes) -> list[str]:
    """UTF-16 without a mark shows as a NUL beside nearly every character of Latin text."""
    start = data[:400]
    half = len(start) // 2
    if half and start[1::2].count(0) > 0.9 * half:
        return ["utf-16-le"]
    if half and start[0::2].count(0) > 0.9 * half:
        return ["utf-16-be"]
    return []


@dataclass(frozen=True, slots=True)
class _Body:
    body: str
    lines_before: int


def _without_separator_line(text: str) -> _Body:
    """Drop Excel's first line ``sep=;``, which is no record."""
    first, _, rest = text.partition("\n")
    if first.strip().lower() in {f"sep={delimiter}" for delimiter in (*_DELIMITERS, "")}:
        return _Body(rest, 1)
    return _Body(text, 0)


def _first_record(body: str, delimiter: str) -> tuple[str, ...] | None:
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                return _names(cells)
    except csv.Error:
        return None
    return None


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip().lower() for cell in cells)


def _read(text: _Body, *, delimiter: str, source: str) -> DelimitedText:
    reader = csv.reader(io.StringIO(text.body, newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] | None = None
    rows: list[DelimitedRow] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _names(_trimmed(cells, width=0))
                continue
            line = reader.line_num + text.lines_before
            rows.append(DelimitedRow(line=line, cells=_trimmed(cells, width=len(header))))
    except csv.Error as error:
        raise UsageError(
            f"{source}, line {reader.line_num + text.lines_before}: not a CSV file: {error}",
            hint="look for a quotation mark that is not closed",
        ) from error
    return DelimitedText(delimiter=delimiter, header=header or (), rows=tuple(rows))


def _trimmed(cells: Sequence[str], *, width: int) -> tuple[str, ...]:
    """Strip the cells; drop empty ones beyond ``width`` at the right end."""
    stripped = [cell.strip() for cell in cells]
    while len(stripped) > width and not stripped[-1]:
        stripped.pop()
    return tuple(stripped)
