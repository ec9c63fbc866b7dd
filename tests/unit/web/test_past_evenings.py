"""The list of evenings: drift by hand, and what is not there yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.evening.journal import MANIFEST
from afterclose.evening.past_evenings import past_evenings
from afterclose.evening.run_files import VIEW
from afterclose.report.evening import EveningView
from unit.report.make_view import make_reconciliation, make_view


@pytest.fixture
def ledger(tmp_path: Path) -> SqlLedger:
    return SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")


def write(home: Path, view: EveningView, run_id: str, session: date) -> RunFolder:
    manifest = replace(view.manifest, run_id=run_id, session=session)
    folder = RunFolder(home / run_id)
    folder.write_json(MANIFEST, manifest)
    folder.write_json(VIEW, replace(view, manifest=manifest))
    return folder


def valued(models: str, account: str) -> EveningView:
    view = make_view()
    first = replace(
        view.models[0],
        net_asset_value=Decimal(models),
        capital_base=Decimal(1_000_000),
        capital_allocated=Decimal(500_000),
    )
    return replace(
        view, models=(first,), account=replace(view.account, net_liquidation=Decimal(account))
    )


def test_drift_is_the_accounts_change_less_the_models(tmp_path: Path, ledger: SqlLedger) -> None:
    before = write(tmp_path, valued("1000000", "800000"), "2026-11-19-1", date(2026, 11, 19))
    after = write(tmp_path, valued("1010000", "804200"), "2026-11-20-1", date(2026, 11, 20))

    newest, oldest = past_evenings([after, before], ledger)
    ledger.close()

    # The desk follows the model with half its capital: 505,000 less 500,000, against 4,200.
    assert newest.models == Decimal(505_000)
    assert newest.drift == Decimal(-800)
    assert oldest.drift is None


def test_a_second_run_of_one_session_is_compared_with_the_session_before(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    old = write(tmp_path, valued("1000000", "800000"), "2026-11-19-1", date(2026, 11, 19))
    first = write(tmp_path, valued("1000000", "800500"), "2026-11-20-1", date(2026, 11, 20))
    second = write(tmp_path, valued("1000000", "800700"), "2026-11-20-2", date(2026, 11, 20))

    rows = past_evenings([second, first, old], ledger)
    ledger.close()

    assert [r.drift for r in rows] == [Decimal(700), Decimal(500), None]


def test_an_evening_without_report_is_listed_and_knows_nothing(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    folder = RunFolder(tmp_path / "2026-11-20-1")
    folder.write_json(MANIFEST, make_view().manifest)

    (row,) = past_evenings([folder], ledger)
    ledger.close()

    assert (row.models, row.account, row.drift, row.breaks) == (None, None, None, None)
    assert row.sent == 0


def test_breaks_are_counted_without_the_mere_notes(tmp_path: Path, ledger: SqlLedger) -> None:
    view = make_view()
    result = make_reconciliation(view)
    folder = write(tmp_path, view, "2026-11-20-1", date(2026, 11, 20))
    folder.write_json("70-reconcile.json", result)

    (row,) = past_evenings([folder], ledger)
    ledger.close()

    assert row.breaks == sum(1 for f in result.findings if f.severity.name in {"WARN", "BLOCK"})
    assert row.breaks
