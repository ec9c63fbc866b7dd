"""Bars in CSV and Parquet files as people have them: usual column names, a contract or a root each.

The names are those of ``_NAMES`` below, in any case. Columns of a CSV file are parted by commas,
semicolons (numbers then may have a decimal comma) or tabs. Days are dates, timestamps,
``2026-11-20`` or ``20261120``. A row without a close is no bar; other values that are missing are
unknown (NaN). Numbers are read to the nearest float64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from afterclose.adapters.marketdata.records import BAR_COLUMNS, FloatArray, SessionArray
from afterclose.errors import DataError

SUFFIXES = (".csv", ".parquet")
_NAMES = {
    "session": (
        "date", "session", "day", "time", "timestamp", "datetime", "trade date", "trading day",
    ),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": (
        "close", "last", "settle", "settlement", "price", "c", "settle price", "settlement price",
        "close price", "px_last",
    ),
    "volume": ("volume", "vol", "totalvolume", "total volume"),
    "open_interest": (
        "open interest", "open_interest", "openinterest", "oi", "openint", "open int",
        "previous day open interest", "prev. day open interest",
    ),
    "symbol": ("symbol", "contract", "ticker", "contract_code", "contract symbol"),
}  # fmt: skip
_MEANING = {name: meaning for meaning, names in _NAMES.items() for name in names}
_COMPACT_DAY = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True, eq=False)
class FileRows:
    """Rows of one file: names of contracts as written there, and the columns in file order."""

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    sessions: SessionArray
    columns: Mapping[str, FloatArray]


def read_bars(path: Path) -> FileRows:
    """Read a file of bars. Raises DataError naming the file and what cannot be understood."""
    try:
        table = _read(path)
        columns = _meanings(table.column_names, path)
        rows = table.filter(pc.is_valid(table[columns["close"]]))
        names, codes = _contracts(rows, columns.get("symbol"), path.stem)
        sessions = _sessions(rows[columns["session"]])
        values = {name: _floats(rows, columns.get(name)) for name in BAR_COLUMNS}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as bars: {error}") from error
    return FileRows(names, codes, sessions, values)


def _read(path: Path) -> Any:  # pyarrow.Table
    if path.suffix.lower() == ".csv":
        delimiter, decimal = _dialect(path)
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(decimal_point=decimal),
        )
    return pyarrow.parquet.read_table(path)


def _dialect(path: Path) -> tuple[str, str]:
    """What parts the columns, by the header, and the decimal point, by the first row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, first = file.readline(), file.readline()
    delimiter = max(",;\t", key=header.count)
    comma = delimiter != "," and re.search(r"\d,\d", first) is not None
    return delimiter, "," if comma else "."


def _meanings(columns: list[str], path: Path) -> dict[str, str]:
    """Which column of the file means what; the first of several wins."""
    found: dict[str, str] = {}
    for column in columns:
        meaning = _MEANING.get(column.strip().lower())
        if meaning is not None:
            found.setdefault(meaning, column)
    missing = {"session", "close"} - set(found)
    if missing:
        raise DataError(
            f"{path.name} has no column for {' and '.join(sorted(missing))}",
            hint=f"its columns are: {', '.join(columns)}",
        )
    return found


def _contracts(
    rows: Any, column: str | None, stem: str
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    if column is None:
        return (stem,), np.zeros(rows.num_rows, dtype=np.int32)
    named = pc.dictionary_encode(rows[column].cast(pa.string())).combine_chunks()
    if not rows.num_rows:
        return (), np.zeros(0, dtype=np.int32)
    chunk = named.chunk(0) if isinstance(named, pa.ChunkedArray) else named
    return tuple(chunk.dictionary.to_pylist()), chunk.indices.to_numpy().astype(np.int32)


def _sessions(column: Any) -> SessionArray:
    """Days of whatever type the file has them in."""
    if pa.types.is_integer(column.type) or pa.types.is_string(column.type):
        texts = [str(value).strip() for value in column.to_pylist()]
        iso = [
            f"{text[:4]}-{text[4:6]}-{text[6:]}" if _COMPACT_DAY.fullmatch(text) else text
            for text in texts
        ]
        return np.array(iso, dtype="datetime64[D]")
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    days: NDArray[np.int32] = column.cast(pa.date32(), safe=False).cast(pa.int32()).to_numpy()
    return days.astype(np.int64).astype("datetime64[D]")


def _floats(rows: Any, column: str | None) -> FloatArray:
    if column is None:
        return np.full(rows.num_rows, np.nan)
    values = rows[column].cast(pa.float64()).to_numpy()
    return np.ascontiguousarray(values)
