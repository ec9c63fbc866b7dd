"""The contracts of a store: one row each, later files over earlier ones, records made on demand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from afterclose.adapters.marketdata.digest import key_hash
from afterclose.adapters.marketdata.layers import map_arrow
from afterclose.adapters.marketdata.manifest import Layer
from afterclose.adapters.marketdata.records import ContractRecord

_DATES = frozenset({"first_session", "last_session", "first_notice", "last_trade", "auto_close"})
_NUMBERS = frozenset({"point_value", "tick_size"})
#: One row in so many is cheaper to read one by one than by reading the whole column.
_FEW = 8
_FIELDS = tuple(field.name for field in fields(ContractRecord))
#: They follow from the bars, and grow with them; the rest is what the vendor says of the contract.
_FROM_BARS = frozenset({"first_session", "last_session"})


def contract_batch(records: Sequence[ContractRecord]) -> Any:  # pyarrow.RecordBatch
    """The rows of a contract file."""
    return pa.record_batch(
        {
            name: pa.array([getattr(record, name) for record in records], type=_arrow_type(name))
            for name in _FIELDS
        }
    )


def _arrow_type(name: str) -> Any:  # pyarrow.DataType
    if name in _DATES:
        return pa.date32()
    return pa.float64() if name in _NUMBERS else pa.string()


def contract_hash(record: ContractRecord) -> int:
    """64 bits over everything the vendor says of a contract; not over what its bars say."""
    facts = {name: getattr(record, name) for name in _FIELDS if name not in _FROM_BARS}
    return key_hash(json.dumps(facts, default=date.isoformat))


class ContractTable:
    """Contracts by symbol and by root."""

    def __init__(self, batches: Sequence[Any]) -> None:  # pyarrow.RecordBatch
        self._batches = tuple(batches)
        self._where: dict[str, tuple[int, int]] = {}
        for number, batch in enumerate(self._batches):
            for row, symbol in enumerate(batch.column("symbol").to_pylist()):
                self._where[symbol] = (number, row)

    @classmethod
    def open(cls, folder: Path, layers: Sequence[Layer]) -> Self:
        """Map the files of a state."""
        return cls([map_arrow(folder, layer) for layer in layers])

    @cached_property
    def _by_root(self) -> dict[str, list[tuple[str, str]]]:
        """Chains, made when first asked for: an append does not ask."""
        by_root: dict[str, list[tuple[str, str]]] = {}
        roots = [batch.column("root").to_pylist() for batch in self._batches]
        months = [batch.column("contract_month").to_pylist() for batch in self._batches]
        for symbol, (number, row) in self._where.items():
            chain = by_root.setdefault(roots[number][row], [])
            chain.append((months[number][row], symbol))
        for chain in by_root.values():
            chain.sort()
        return by_root

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._where

    def __len__(self) -> int:
        return len(self._where)

    def currencies(self) -> set[str]:
        """Currencies of all contracts."""
        found: set[str] = set()
        for batch in self._batches:
            found.update(batch.column("currency").unique().to_pylist())
        return found

    def roots(self) -> list[str]:
        """Roots in alphabetical order."""
        return sorted(self._by_root)

    def chain(self, root: str) -> list[str]:
        """Symbols of a root in order of delivery."""
        return [symbol for _, symbol in self._by_root.get(root, ())]

    def symbols(self) -> list[str]:
        """All symbols, by root, then by delivery."""
        return [symbol for root in self.roots() for symbol in self.chain(root)]

    def records(self, symbols: Iterable[str]) -> list[ContractRecord]:
        """Records of the given symbols, in their order. KeyError for one it does not hold."""
        wanted = list(symbols)
        places = [self._where[symbol] for symbol in wanted]
        made: dict[tuple[int, int], ContractRecord] = {}
        for number in {number for number, _ in places}:
            rows = sorted({row for at, row in places if at == number})
            columns = [_values(self._batches[number].column(name), rows) for name in _FIELDS]
            for row, values in zip(rows, zip(*columns, strict=True), strict=True):
                made[number, row] = ContractRecord(**dict(zip(_FIELDS, values, strict=True)))
        return [made[place] for place in places]


def _values(column: Any, rows: Sequence[int]) -> list[Any]:  # column: pyarrow.Array
    """Python values of some rows. Not by ``take``: pyarrow would import pandas for it."""
    if len(rows) * _FEW > len(column):
        values = column.to_pylist()
        return [values[row] for row in rows]
    return [column[row].as_py() for row in rows]
