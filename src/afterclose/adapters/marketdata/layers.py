"""Series in immutable Arrow files, one laid over the other.

A file holds rows grouped by key (a contract's symbol, a currency) and ascending by session within a
key: first a dictionary column of keys, then a date32 ``session`` and float64 values, in one record
batch without compression, so that reading is mapping memory. Anyone can open it
(``pyarrow.ipc.open_file``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from afterclose.adapters.marketdata.manifest import Layer, LayerKind
from afterclose.adapters.marketdata.records import FloatArray, SessionArray
from afterclose.errors import StoreCorrupt

SESSION = "session"
_HASH_BLOCK_BYTES = 1 << 20

Scalar = TypeVar("Scalar", bound=np.generic)


def write_arrow(path: Path, batch: Any, *, kind: LayerKind) -> Layer:  # batch: pyarrow.RecordBatch
    """Write one record batch durably and describe the file."""
    with path.open("wb") as raw:
        with pa.ipc.new_file(raw, batch.schema) as sink:
            sink.write_batch(batch)
        raw.flush()
        os.fsync(raw.fileno())
    return describe(path, kind=kind, rows=batch.num_rows)


def describe(path: Path, *, kind: LayerKind, rows: int) -> Layer:
    """The manifest entry of a file just written."""
    return Layer(
        file=path.name,
        kind=kind,
        rows=rows,
        size_bytes=path.stat().st_size,
        sha256=file_digest(path),
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as raw:
        while block := raw.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def map_arrow(folder: Path, layer: Layer) -> Any:  # pyarrow.RecordBatch
    """The record batch of a file, mapped, not read."""
    path = folder / layer.file
    actual = path.stat().st_size
    if actual != layer.size_bytes:
        raise StoreCorrupt(f"{layer.file} has {actual} bytes; the manifest says {layer.size_bytes}")
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.num_record_batches != 1:
            raise StoreCorrupt(f"{layer.file} holds {reader.num_record_batches} batches, not one")
        return reader.get_batch(0)
    except pa.ArrowInvalid as error:
        raise StoreCorrupt(f"{layer.file} is not a readable Arrow file: {error}") from error


def series_batch(
    key_name: str,
    keys: Sequence[str],
    codes: NDArray[np.int32],
    sessions: SessionArray,
    values: Mapping[str, FloatArray],
) -> Any:  # pyarrow.RecordBatch
    """The rows of a series file; zero-copy where numpy and Arrow agree."""
    days = sessions.astype("datetime64[D]").astype(np.int64).astype(np.int32)
    named = pa.DictionaryArray.from_arrays(
        pa.array(np.ascontiguousarray(codes)), pa.array(list(keys), type=pa.string())
    )
    columns = {key_name: named, SESSION: pa.array(days, type=pa.int32()).view(pa.date32())}
    for name, column in values.items():
        columns[name] = pa.array(np.ascontiguousarray(column), type=pa.float64(), from_pandas=False)
    return pa.record_batch(columns)


def numbers(column: Any, kind: type[Scalar]) -> NDArray[Scalar]:  # column: pyarrow.Array
    """The values of a column without nulls, as they lie in the file.

    pyarrow's own ``to_numpy`` imports pandas, which takes longer than opening the store.
    """
    data = column.buffers()[1]
    if data is None or not len(column):
        return np.empty(0, dtype=kind)
    width = np.dtype(kind).itemsize
    return np.frombuffer(data, dtype=kind, count=len(column), offset=column.offset * width)


class SeriesFile:
    """One mapped file: where each key's rows lie, and the columns as views."""

    def __init__(self, batch: Any, kind: LayerKind) -> None:
        named = batch.column(0)
        codes = numbers(named.indices, np.int32)
        self.kind = kind
        self.keys: tuple[str, ...] = tuple(named.dictionary.to_pylist())
        self.position = {key: at for at, key in enumerate(self.keys)}
        self.codes: NDArray[np.int32] = codes
        self.edges = np.searchsorted(codes, np.arange(len(self.keys) + 1, dtype=codes.dtype))
        self.days: NDArray[np.int32] = numbers(batch.column(SESSION), np.int32)
        self.values: dict[str, FloatArray] = {
            name: numbers(batch.column(name), np.float64)
            for name in batch.schema.names[1:]
            if name != SESSION
        }

    @classmethod
    def open(cls, folder: Path, layer: Layer) -> Self:
        """Map the file or files."""
        return cls(map_arrow(folder, layer), layer.kind)

    def rows(self, key: str) -> slice | None:
        """The rows of ``key``; None where the file does not name it."""
        at = self.position.get(key)
        return None if at is None else slice(int(self.edges[at]), int(self.edges[at + 1]))


class LayeredSeries:
    """All rows of every key over a stack of files, later files over earlier ones."""

    def __init__(self, files: Sequence[SeriesFile]) -> None:
        self._files = tuple(files)

    @classmethod
    def open(cls, folder: Path, layers: Sequence[Layer]) -> Self:
        """Map the file or files."""
        return cls([SeriesFile.open(folder, layer) for layer in layers])

    @property
    def files(self) -> tuple[SeriesFile, ...]:
        """The files, oldest first."""
        return self._files

    def all_keys(self) -> Iterator[str]:
        """Every key, in the order in which files first name it."""
        seen: dict[str, None] = {}
        for file in self._files:
            seen.update(dict.fromkeys(file.keys))
        return iter(seen)

    def pieces(self, key: str) -> list[tuple[SeriesFile, slice]]:
        """Where the rows of ``key`` lie, oldest first."""
        found: list[tuple[SeriesFile, slice]] = []
        for file in self._files:
            rows = file.rows(key)
            if rows is None:
                continue
            if file.kind is not LayerKind.APPEND:
                found.clear()
            if rows.stop > rows.start:
                found.append((file, rows))
        return found

    def sessions(self, key: str) -> SessionArray:
        """The sessions of ``key``, oldest first."""
        pieces = self.pieces(key)
        days = [file.days[rows] for file, rows in pieces] or [np.empty(0, dtype=np.int32)]
        joined = days[0] if len(days) == 1 else np.concatenate(days)
        return joined.astype(np.int64).view("datetime64[D]")

    def column(self, key: str, name: str) -> FloatArray:
        """One column of ``key``: a view into the file where one file holds all of it."""
        parts = [file.values[name][rows] for file, rows in self.pieces(key)]
        if not parts:
            return np.empty(0, dtype=np.float64)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def last_day(self, key: str) -> int | None:
        """Day number (since 1970-01-01) of the last row of ``key``; None without rows."""
        pieces = self.pieces(key)
        return int(pieces[-1][0].days[pieces[-1][1].stop - 1]) if pieces else None

    def last_days(self) -> dict[str, int]:
        """``last_day`` of every key that has rows, at once."""
        found: dict[str, int] = {}
        for file in self._files:
            empty = file.edges[1:] == file.edges[:-1]
            if file.kind is not LayerKind.APPEND:
                for at in np.flatnonzero(empty):
                    found.pop(file.keys[at], None)
            filled = np.flatnonzero(~empty)
            days = file.days[file.edges[1:][filled] - 1].tolist()
            found.update(zip((file.keys[at] for at in filled), days, strict=True))
        return found

    def first_day(self, key: str) -> int | None:
        """Day number of the first row of ``key``; None without rows."""
        pieces = self.pieces(key)
        return int(pieces[0][0].days[pieces[0][1].start]) if pieces else None
