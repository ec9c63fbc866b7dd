"""Mapping workbooks: any cells and any bytes give our answers; what is written is what is read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.adapters.files.cells import positive_number
from afterclose.adapters.files.contract_table import packaged_specs, read_table
from afterclose.adapters.files.workbook import (
    override,
    override_findings,
    read_workbook,
    write_workbook,
)
from afterclose.domain.findings import Severity
from afterclose.errors import UsageError
from unit.files.workbook_bytes import ES, EXTRA, csv_text, xlsx

SPECS = packaged_specs()
GOOD = xlsx(ES, ("CL", "CL", "FUT", "NYMEX", "USD", "0.01", "USD per barrel", "1,000 barrels"))

CELLS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12),
    st.datetimes(datetime(1900, 3, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - as cells hold them
    st.sampled_from(
        ["ES", "CL", "YXT", "XX", "FUT", "USD", "0,25", "1/32", "1e5", "=1/4", "½", "#N/A"]
    ),
)
ROWS = st.lists(st.lists(CELLS, max_size=len(EXTRA)), max_size=6)


def checked(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        reading = read_workbook(data, source="map.xlsx")
        specs = override(SPECS, reading)
        findings = (*reading.findings, *override_findings(SPECS, reading))

        assert set(SPECS) <= set(specs)
        assert all(f.hint for f in findings if f.severity is Severity.BLOCK)
        for spec in specs.values():
            assert spec.blocked or Decimal(spec.multiplier) > 0
            assert spec.tick_size > 0


@settings(deadline=None)
@given(ROWS)
def test_any_cells_are_read_or_are_findings(rows: list[list[Any]]) -> None:
    checked(xlsx(*rows, header=EXTRA))


@given(ROWS, st.sampled_from(",;\t"))
def test_any_text_cells_are_read_or_are_findings(rows: list[list[Any]], separator: str) -> None:
    text = csv_text(*rows, header=EXTRA, separator=separator)

    checked(text.encode("utf-8", "replace"))


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\x03\x04", b"\xff\xfe", b"Symbol,Symbol IB\n"]),
)
def test_any_bytes_are_read_or_refused_by_us(data: bytes, start: bytes) -> None:
    checked(start + data)


@settings(deadline=None)
@given(st.data())
def test_a_damaged_workbook_is_read_or_refused_by_us(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(2, len(damaged)))

    checked(bytes(damaged[:cut]))


@settings(deadline=None, max_examples=20)
@given(st.sets(st.sampled_from(sorted(SPECS)), min_size=1, max_size=10), st.integers(2, 9))
def test_changed_facts_survive_being_written_and_read(roots: set[str], factor: int) -> None:
    changed = {
        root: replace(
            SPECS[root],
            ib_exchange="ELSEWHERE",
            tick_size=SPECS[root].tick_size * factor,
        )
        for root in SPECS
        if root in roots
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "map.xlsx"
        write_workbook(path, changed)
        reading = read_workbook(path.read_bytes(), source=path.name)

    specs = override(SPECS, reading)
    for root, spec in changed.items():
        assert (specs[root].ib_exchange, specs[root].tick_size) == ("ELSEWHERE", spec.tick_size)
        assert bool(specs[root].blocked) == bool(SPECS[root].blocked)


@given(
    st.integers(1, 99_999),
    st.sampled_from([1, 2, 4, 5, 8, 10, 16, 32, 64, 100, 128, 256]),
    st.sampled_from(["{n}/{d}", " {n} / {d} points", "${n}/{d}", "{n}/{d} of 1", "USD {n}/{d}"]),
)
def test_fractions_are_read_exactly(numerator: int, divisor: int, form: str) -> None:
    text = form.format(n=numerator, d=divisor)

    assert Fraction(positive_number(text)) == Fraction(numerator, divisor)


@given(st.decimals(Decimal("1e-9"), Decimal(10**9), places=9))
def test_numbers_are_read_exactly_with_point_comma_and_thousands(number: Decimal) -> None:
    plain = f"{number:f}"
    forms: Sequence[str] = (plain, plain.replace(".", ","), f"{number:,f}", f"{plain} units")

    assert {positive_number(form) for form in forms} == {number}


@given(CELLS)
def test_any_cell_is_a_positive_number_or_a_reason(cell: Any) -> None:
    try:
        number = positive_number(cell)
    except ValueError as error:
        reason = str(error)
    else:
        reason = f"it is {number}"
        assert number > 0
    assert reason.startswith(("it ", "its ", "the spreadsheet "))


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_refused_by_us(text: str) -> None:
    header = io.StringIO()
    header.write("root,name\n")
    for candidate in (text, header.getvalue() + text):
        with contextlib.suppress(UsageError):
            read_table(candidate, source="t")
