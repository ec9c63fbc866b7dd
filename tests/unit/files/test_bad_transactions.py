"""Bad transactions files: each is refused, or its bad rows are findings with line and remedy."""

from __future__ import annotations

import pytest

from afterclose.adapters.files.transactions import read_transactions
from afterclose.domain.findings import Severity
from afterclose.errors import UsageError
from unit.files.transactions_texts import BAD_ROWS, REFUSED, BadFile


def test_the_corpus_has_no_two_files_alike() -> None:
    files = (*REFUSED, *BAD_ROWS)

    assert len({bad.data for bad in files}) == len({bad.name for bad in files}) == len(files)
    assert len(files) >= 60


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: bad.name)
def test_file_that_cannot_be_used_is_refused_with_a_remedy(bad: BadFile) -> None:
    with pytest.raises(UsageError) as refusal:
        read_transactions(bad.data, source="TF.csv", session=None)

    assert bad.error in str(refusal.value)
    assert "TF.csv" in str(refusal.value)
    assert refusal.value.hint


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda bad: bad.name)
def test_bad_row_is_a_finding_with_line_and_remedy(bad: BadFile) -> None:
    reading = read_transactions(bad.data, source="TF.csv", session=None)

    assert sorted(finding.code for finding in reading.findings) == sorted(bad.codes)
    assert all(finding.severity is Severity.BLOCK for finding in reading.findings)
    assert all(finding.hint and finding.message for finding in reading.findings)
    assert min(int(str(f.evidence["line"])) for f in reading.findings) == bad.line
    assert reading.findings[0].subject.startswith("TF.csv, line ")
    assert len(reading.trades) == bad.trades


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda bad: bad.name)
def test_every_row_of_the_file_is_either_good_or_rejected(bad: BadFile) -> None:
    reading = read_transactions(bad.data, source="TF.csv", session=None)

    assert len(reading.trades) + len(reading.rejected) == reading.rows
    assert [f for row in reading.rejected for f in row.findings] == list(reading.findings)
