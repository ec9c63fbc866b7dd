"""Backup, export and check of a ledger, on both databases."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from afterclose.adapters.ledger import copies, netted, tables
from afterclose.adapters.ledger import rows as rows_of
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_ledger
from afterclose.doctor import books
from afterclose.doctor.diagnosis import Health
from afterclose.domain.history import Acknowledgement
from afterclose.domain.nav import AccountNav, CashFlow
from afterclose.domain.netting import Transfer
from afterclose.domain.orders import Approval
from afterclose.domain.runs import RunState
from afterclose.domain.sending import Halt
from afterclose.errors import LedgerElsewhere, LedgerError, UsageError
from afterclose.evening.journal import MANIFEST
from afterclose.settings import SETTINGS_FILE, Settings, load
from make import (
    ACCOUNT,
    EUR,
    NOW,
    SESSION,
    USD,
    filled,
    intent,
    make_contract,
    make_order,
)
from unit.report.make_view import make_view

ORDER = make_order("ESZ26", 2, reason="é → 日, with a comma")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    if request.param == "sqlite":
        opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    else:
        opened = SqlLedger(request.getfixturevalue("postgresql"), desk=uuid4().hex[:8])
    opened.adopt("TF", {make_contract("ZNZ26"): -3}, at=NOW, note="inception")
    opened.record_orders("run", [ORDER])
    opened.append_events("run", [intent(ORDER), filled(ORDER, 2, "0000e0d5.67.01")])
    yield opened
    opened.close()


def test_a_backup_holds_everything_and_must_be_adopted(ledger: SqlLedger, tmp_path: Path) -> None:
    target = copies.backup(ledger, tmp_path / "away" / "backup.sqlite")

    assert sorted(p.name for p in target.parent.iterdir()) == ["backup.sqlite"]
    with closing(SqlLedger(f"sqlite:///{target.as_posix()}")) as restored:
        assert restored.held("TF") == {make_contract("ESZ26"): 2, make_contract("ZNZ26"): -3}
        assert restored.events(SESSION) == ledger.events(SESSION)
        with pytest.raises(LedgerElsewhere):
            restored.record_orders("run", [ORDER])
        restored.adopt_copy(by="Ann", note="restored")
        restored.append_events("run", [intent(ORDER)])


def test_a_backup_replaces_nothing(ledger: SqlLedger, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="exists"):
        copies.backup(ledger, tmp_path / "taken")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


def test_a_backup_is_of_one_moment_while_the_desk_writes(ledger: SqlLedger, tmp_path: Path) -> None:
    with ledger._writing() as connection:
        connection.execute(text("DELETE FROM order_events"))
        target = copies.backup(ledger, tmp_path / "during.sqlite")
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM order_events").fetchone() == (2,)


def test_every_table_is_exported_as_csv(ledger: SqlLedger, tmp_path: Path) -> None:
    copies.export(ledger, tmp_path / "out", copies.ExportFormat.CSV)

    with (tmp_path / "out" / "adoptions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["model"], r["contract"], r["quantity"], r["at"]) for r in rows] == [
        ("TF", "ZNZ26", "-3", "2026-11-19T22:10:00+00:00")
    ]
    names = {p.stem for p in (tmp_path / "out").iterdir()}
    assert {"orders", "order_events", "approvals", "halts", "parts", "homes"} <= names
    assert "lease" not in names


def test_json_shows_the_payload_itself(ledger: SqlLedger, tmp_path: Path) -> None:
    copies.export(ledger, tmp_path / "out", copies.ExportFormat.JSON)

    (row,) = json.loads((tmp_path / "out" / "orders.json").read_text(encoding="utf-8"))
    assert row["payload"]["reason"] == "é → 日, with a comma"
    assert row["session"] == "2026-11-19"


def test_parquet_keeps_numbers_as_numbers(ledger: SqlLedger, tmp_path: Path) -> None:
    copies.export(ledger, tmp_path / "out", copies.ExportFormat.PARQUET)

    table = pq.read_table(tmp_path / "out" / "adoptions.parquet").to_pylist()
    assert [(r["seq"], r["quantity"]) for r in table] == [(1, -3)]
    assert pq.read_table(tmp_path / "out" / "halts.parquet").num_rows == 0


def test_a_sound_ledger_has_no_problems(ledger: SqlLedger) -> None:
    found = copies.check(ledger)

    assert found.problems == ()
    assert (found.rows["orders"], found.rows["order_events"]) == (1, 2)


def test_a_check_names_the_row_that_cannot_be_read(ledger: SqlLedger) -> None:
    with ledger._writing() as connection:
        connection.execute(text("UPDATE orders SET payload = '{}'"))

    (problem,) = copies.check(ledger).problems
    assert ORDER.order_ref in problem


def test_a_check_names_events_of_an_order_that_is_not_there(ledger: SqlLedger) -> None:
    with ledger._writing() as connection:
        connection.execute(text("DELETE FROM orders"))

    (problem,) = copies.check(ledger).problems
    assert ORDER.order_ref in problem


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(SqlLedger(f"sqlite:///{path.as_posix()}")) as ledger:
        for number in range(200):
            ledger.adopt("TF", {make_contract("ESZ26"): 1}, at=NOW, note=f"{number}" * 40)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"199199199")
    content[at - 2000 : at - 1000] = b"\xff" * 1000
    path.write_bytes(content)

    found = ""
    with closing(SqlLedger(f"sqlite:///{path.as_posix()}")) as ledger:
        try:
            found = " ".join(copies.check(ledger).problems)
        except LedgerError as error:
            found = str(error)
    assert "malformed" in found or "damaged" in found


# -- a backup put back -------------------------------------------------------------------------


def at_home(folder: Path) -> SqlLedger:
    folder.mkdir(exist_ok=True)
    return SqlLedger(f"sqlite:///{(folder / 'ledger.sqlite').as_posix()}")


def left_by_a_power_loss(tmp_path: Path) -> Path:
    """A ledger whose last words are in its log alone, as the disk has it when the power goes."""
    here, there = tmp_path / "desk", tmp_path / "after"
    there.mkdir()
    with closing(at_home(here)) as ledger:
        ledger.adopt("TF", {make_contract("ESZ26"): 1}, at=NOW, note="before the backup")
        copies.backup(ledger, tmp_path / "backup.sqlite")
        ledger.adopt("TF", {make_contract("ZNZ26"): 5}, at=NOW, note="after it")
        for file in here.glob("ledger.sqlite*"):
            shutil.copy(file, there / file.name)
    assert (there / "ledger.sqlite-wal").stat().st_size > 0
    return there / "ledger.sqlite"


def test_a_backup_put_back_holds_what_was_backed_up_and_not_the_old_log(tmp_path: Path) -> None:
    ledger = left_by_a_power_loss(tmp_path)

    kept = copies.restore(ledger, tmp_path / "backup.sqlite", at=NOW)

    with closing(SqlLedger(f"sqlite:///{ledger.as_posix()}")) as restored:
        assert restored.held("TF") == {make_contract("ESZ26"): 1}
        with pytest.raises(LedgerElsewhere):
            restored.adopt("TF", {make_contract("ESZ26"): 1}, at=NOW, note="not yet adopted")
    assert kept == ledger.with_name("ledger.sqlite.replaced-20261119T221000Z")
    with closing(SqlLedger(f"sqlite:///{kept.as_posix()}")) as old:
        assert old.held("TF") == {make_contract("ESZ26"): 1, make_contract("ZNZ26"): 5}


def test_a_backup_put_back_where_nothing_is_left_is_all_there_is(tmp_path: Path) -> None:
    with closing(at_home(tmp_path / "old")) as ledger:
        ledger.adopt("TF", {make_contract("ESZ26"): 1}, at=NOW, note="")
        copies.backup(ledger, tmp_path / "backup.sqlite")
    target = tmp_path / "ledger.sqlite"

    assert copies.restore(target, tmp_path / "backup.sqlite", at=NOW) is None
    with closing(SqlLedger(f"sqlite:///{target.as_posix()}")) as restored:
        assert restored.held("TF") == {make_contract("ESZ26"): 1}


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_what_is_no_ledger_is_not_put_in_a_ledgers_place(
    tmp_path: Path, content: bytes | None
) -> None:
    ledger = left_by_a_power_loss(tmp_path)
    source = tmp_path / "source"
    if content is not None:
        source.write_bytes(content)

    with pytest.raises(UsageError):
        copies.restore(ledger, source, at=NOW)
    assert sorted(p.name for p in ledger.parent.iterdir()) == [
        "ledger.sqlite",
        "ledger.sqlite-shm",
        "ledger.sqlite-wal",
    ]


# -- every table -------------------------------------------------------------------------------


def filled_everywhere(ledger: SqlLedger) -> None:
    """At least one row in every table of facts."""
    net = make_order("ESZ26", 2, model="NET", order_ref="desk-20261119-NET-ESZ26-O1")
    sold = make_order("ESZ26", -1, model="MR")
    transfer = Transfer(
        bought=ORDER.order_ref,
        sold=sold.order_ref,
        contract=ORDER.contract,
        quantity=1,
        price=ORDER.limit_price,
        session=SESSION,
    )
    ledger.record_orders("run", [ORDER, sold], parts={ORDER.order_ref: {"TF": 2}})
    with ledger._writing() as connection:
        netted.write_transfers(connection, "run", [transfer], at=NOW)
        rows_of.name_order(connection, "run", net)
        netted.write_carried(connection, {net.order_ref: {ORDER.order_ref: 2}})
        connection.execute(
            tables.parts.insert().values(order_ref=net.order_ref, model="TF", quantity=2)
        )
    ledger.record_approval(
        Approval(
            run_id="run",
            digest="0" * 64,
            account="DU1234567",
            order_refs=(ORDER.order_ref,),
            reviewer="Ann",
            at=NOW,
            expires_at=NOW,
        )
    )
    ledger.acknowledge(Acknowledgement(model="TF", digest="0", at=NOW, by="Ann", reason="seen"))
    ledger.record_halt(Halt(at=NOW, by="Ann", reason="why"))
    ledger.record_nav(
        AccountNav(
            account="DU1234567",
            session=SESSION,
            as_of=NOW,
            base=EUR,
            net_liquidation=Decimal("1000000.01"),
            reporting=USD,
            rate=Decimal("1.0825"),
        )
    )
    ledger.record_flow(CashFlow(at=NOW, amount=Decimal(5), currency=EUR, by="Ann", note=""))


def test_a_backup_has_every_row_of_every_table(ledger: SqlLedger, tmp_path: Path) -> None:
    filled_everywhere(ledger)
    written = copies.check(ledger).rows
    target = copies.backup(ledger, tmp_path / "backup.sqlite")

    assert all(n for name, n in written.items() if name != "homes")
    with closing(SqlLedger(f"sqlite:///{target.as_posix()}")) as copy:
        found = copies.check(copy)
        assert {**found.rows, "homes": 0} == {**written, "homes": 0}
        assert [p for p in found.problems if "is a copy of" not in p] == []
        assert copy.navs("DU1234567") == ledger.navs("DU1234567")
        assert copy.approval("run") == ledger.approval("run")
        assert (copy.flows(), copy.halted()) == (ledger.flows(), ledger.halted())


def test_all_sessions_read_at_once_are_what_each_is_by_itself(ledger: SqlLedger) -> None:
    later = make_order(
        "ZNH27", 1, session=date(2026, 11, 20), order_ref="desk-20261120-TF-ZNH27-O1"
    )
    filled_everywhere(ledger)
    ledger.record_orders("run", [later])
    ledger.append_events("run", [intent(later)])

    first, second = ledger.records()
    for record in (first, second):
        assert record.orders == ledger.orders(record.session)
        assert record.events == ledger.events(record.session)
        assert record.netting == ledger.netting(record.session)
    assert (first.session, second.session) == (SESSION, later.session)
    assert first.netting.transfers
    assert first.netting.carried
    assert second.events == (intent(later),)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE nav SET payload = '{}'", "nav"),
        ("UPDATE cash_flows SET amount = 'much'", "cash_flows"),
        ("UPDATE carried SET order_ref = 'nobody'", "carried"),
        ("UPDATE transfers SET sold_ref = 'nobody'", "transfers"),
    ],
)
def test_a_check_reads_every_table(ledger: SqlLedger, change: str, named: str) -> None:
    filled_everywhere(ledger)
    with ledger._writing() as connection:
        connection.execute(text(change))

    (problem,) = copies.check(ledger).problems
    assert problem.startswith(named)


def decided_desk(home: Path, state: RunState) -> Settings:
    """A desk with one evening on disk, and no ledger."""
    (home / SETTINGS_FILE).write_text(f'[desk]\naccount = "{ACCOUNT}"\n', encoding="utf-8")
    manifest = replace(make_view().manifest, state=state)
    RunFolder(home / "runs" / manifest.run_id).write_json(MANIFEST, manifest)
    return load(home)


@pytest.mark.parametrize("left", [None, b""], ids=["deleted", "emptied"])
def test_a_ledger_that_is_gone_is_not_made_anew_under_decided_evenings(
    tmp_path: Path, left: bytes | None
) -> None:
    settings = decided_desk(tmp_path, RunState.SUBMITTED)
    if left is not None:
        (tmp_path / "ledger.sqlite").write_bytes(left)
    with pytest.raises(LedgerError, match=r"ledger.sqlite is gone.*2026-11-20-1") as caught:
        open_ledger(settings)

    assert "newest backup" in caught.value.hint
    assert (tmp_path / "ledger.sqlite").exists() is (left is not None)


def test_a_desk_that_has_decided_nothing_gets_its_ledger(tmp_path: Path) -> None:
    with closing(open_ledger(decided_desk(tmp_path, RunState.PREPARED))) as made:
        assert made.copied_from() is None


def test_what_is_wrong_with_a_ledger_s_file_is_said_in_one_line_with_what_to_do(
    tmp_path: Path,
) -> None:
    file = tmp_path / "Händler desk.sqlite"
    file.write_bytes(b"no database, but long enough to be read as the head of one" * 20)
    with pytest.raises(LedgerError) as caught:
        SqlLedger(f"sqlite:///{file.as_posix()}")

    assert str(caught.value) == f"the ledger {file} cannot be used: file is not a database"
    assert "newest backup" in caught.value.hint


def test_the_doctor_fails_a_copy_into_which_nothing_can_be_written(tmp_path: Path) -> None:
    settings = decided_desk(tmp_path, RunState.PREPARED)
    open_ledger(settings).close()
    file = tmp_path / "ledger.sqlite"
    shutil.copy(file, tmp_path / "copy")
    (tmp_path / "copy").replace(file)
    (line,) = books.check(settings)

    assert line.health is Health.FAILS
    assert "it is a copy" in line.said
    assert "afterclose ledger adopt" in line.remedy
