"""Ledgers of every age: a new one, one from before steps were counted, one of a later version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from afterclose.adapters.ledger import migrating, tables
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.errors import LedgerError
from make import NOW, SESSION, make_contract

#: Written by the version before steps were counted: two contracts filled, three adopted.
OLD = Path(__file__).parents[2] / "golden" / "ledger" / "before_migrations.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, path: Path) -> Iterator[SqlLedger]:
    if request.param == "sqlite":
        opened = SqlLedger(address(path))
    else:
        opened = SqlLedger(request.getfixturevalue("postgresql"), desk=uuid4().hex[:8])
    yield opened
    opened.close()


def address(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrating.revision_of(connection)


def set_revision(ledger: SqlLedger, value: str) -> None:
    with ledger._engine.begin() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :value"), {"value": value}
        )


def test_a_new_ledger_has_the_newest_revision(ledger: SqlLedger) -> None:
    assert revision(ledger._engine) == migrating.revisions()[-1]


def test_the_steps_make_exactly_the_tables_the_program_speaks_of(ledger: SqlLedger) -> None:
    with ledger._engine.connect() as connection:
        found = inspect(connection)
        made = {
            name: {
                (str(c["name"]), c["nullable"], str(c["type"].as_generic()))
                for c in found.get_columns(name)
            }
            for name in found.get_table_names()
            if name != "alembic_version"
        }
    spoken_of = {
        name: {(c.name, c.nullable, str(c.type.as_generic())) for c in table.columns}
        for name, table in tables.metadata.tables.items()
    }

    assert made == spoken_of


def test_the_steps_are_one_line_without_forks() -> None:
    script = ScriptDirectory(str(migrating._VERSIONS.parent))

    walked = [step.revision for step in script.walk_revisions("base", "heads")]
    assert tuple(reversed(walked)) == migrating.revisions()


def test_a_ledger_from_before_is_recognised_and_keeps_all_it_knew(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD.read_text(encoding="utf-8"))

    with closing(SqlLedger(address(path))) as ledger:
        assert revision(ledger._engine) == migrating.revisions()[-1]
        assert ledger.held("TF") == {make_contract("ESZ26"): 2, make_contract("ZNZ26"): -3}
        assert [order.quantity for order in ledger.orders(SESSION)] == [2]


def test_a_ledger_from_before_that_lacks_a_table_gets_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD.read_text(encoding="utf-8"))
        old.execute("DROP TABLE halts")

    with closing(SqlLedger(address(path))) as ledger:
        assert ledger.halted() is None


def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(ledger: SqlLedger) -> None:
    set_revision(ledger, "9999")

    with pytest.raises(LedgerError, match="9999") as raised:
        SqlLedger(ledger.url, desk=ledger.desk)
    assert raised.value.hint
    assert revision(ledger._engine) == "9999"


def test_a_database_with_somebody_elses_orders_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE orders (id INTEGER, customer TEXT)")

    with pytest.raises(LedgerError, match="not of this product"):
        SqlLedger(address(path))
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_connection: object) -> None:
        raise LedgerError("the disk is full")

    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD.read_text(encoding="utf-8"))
        before = list(old.iterdump())
    monkeypatch.setattr(migrating, "_upgrade", broken)

    with pytest.raises(LedgerError, match="disk is full"):
        SqlLedger(address(path))
    with closing(sqlite3.connect(path)) as old:
        assert list(old.iterdump()) == before


def test_desks_share_a_server_and_know_nothing_of_each_other(postgresql: str) -> None:
    es = make_contract("ESZ26")
    one, other = uuid4().hex[:8], uuid4().hex[:8].upper()
    with closing(SqlLedger(postgresql, desk=one)) as ours:
        ours.adopt("TF", {es: 5}, at=NOW, note="")
        with closing(SqlLedger(postgresql, desk=other)) as theirs:
            assert theirs.models() == []
            assert ours.held("TF") == {es: 5}


def test_ledgers_that_several_threads_make_at_once_do_not_get_each_others_tables(
    tmp_path: Path,
) -> None:
    def make(number: int) -> tuple[str, ...]:
        with closing(SqlLedger(f"sqlite:///{(tmp_path / f'{number}.sqlite').as_posix()}")) as one:
            return tuple(one.models())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(16))) == [()] * 16


def test_every_table_is_told_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text(encoding="utf-8")
    told = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}

    assert told == set(tables.metadata.tables)
