"""Copies of a ledger for people: a backup of one moment, every table as plain files, a check.

All three read one moment, while the desk may be at work. And a backup put back.
"""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, inspect, select, text

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.engine import WRITING, is_sqlite, open_engine, told
from afterclose.adapters.ledger.migrating import migrate, revision_of
from afterclose.adapters.ledger.rows import unreadable
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.errors import LedgerError, UsageError

#: Tables whose rows are facts; the lease is none.
FACTS: tuple[Table, ...] = tuple(t for t in tables.metadata.sorted_tables if t.name != "lease")


class ExportFormat(StrEnum):
    """How the tables are written out."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def export(ledger: SqlLedger, folder: Path, form: ExportFormat) -> tuple[Path, ...]:
    """Write every table into a folder, one file each; existing files are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with _one_moment(ledger.engine) as connection:
        for table in FACTS:
            rows = [dict(r) for r in connection.execute(_in_order(table)).mappings()]
            path = folder / f"{table.name}.{form.value}"
            _WRITERS[form](path, table, [_plain(row) for row in rows])
            written.append(path)
    return tuple(written)


def backup(ledger: SqlLedger, target: Path) -> Path:
    """Write the ledger as one SQLite file, of one moment; it must be adopted before it is used.

    Raises UsageError when the file exists: a backup replaces nothing.
    """
    if target.exists():
        raise UsageError(f"{target} exists", hint="name a new file: a backup replaces nothing")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    if is_sqlite(ledger.engine):
        _copy_file(Path(str(ledger.engine.url.database)), unfinished)
    else:
        _copy_rows(ledger, unfinished)
    unfinished.replace(target)
    return target


#: What lies beside a SQLite file; a log of another file would be played into the one put back.
_BESIDE = ("-wal", "-shm")


def restore(ledger: Path, source: Path, *, at: datetime) -> Path | None:
    """Put a backup in a ledger's place; nothing may be at work on it. It must then be adopted.

    What was there is kept beside it, with its log, and is returned. A file copied over the ledger
    would keep the ledger's identity, and its log would be played into it: neither happens here.
    Raises UsageError for a source that is no ledger.
    """
    unfinished = ledger.with_name(ledger.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    if not source.is_file():
        raise UsageError(
            f"there is no backup {source}", hint="'afterclose ledger backup' makes one"
        )
    try:
        _copy_file(source, unfinished)
        with closing(sqlite3.connect(unfinished)) as copy:
            copy.execute("SELECT count(*) FROM orders")
    except (LedgerError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"{source} is no ledger: {error}", hint="nothing was changed") from error
    kept = ledger.with_name(f"{ledger.name}.replaced-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    if ledger.exists():
        os.link(ledger, kept)  # the old file lives on, so the new one gets another identity
    for end in _BESIDE:
        beside = ledger.with_name(ledger.name + end)
        if beside.exists():
            beside.replace(kept.with_name(kept.name + end))
    unfinished.replace(ledger)
    return kept if kept.exists() else None


def _copy_file(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as ours, closing(sqlite3.connect(target)) as copy:
            ours.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, not three
    except sqlite3.Error as error:
        raise LedgerError(f"the backup {target} cannot be written: {error}") from error


def _copy_rows(ledger: SqlLedger, target: Path) -> None:
    copy = open_engine(f"sqlite:///{target.as_posix()}", desk=ledger.desk)
    try:
        migrate(copy, desk=ledger.desk)
        with (
            _one_moment(ledger.engine) as ours,
            copy.execution_options(**{WRITING: True}).begin() as theirs,
        ):
            for table in FACTS:
                rows = [dict(r) for r in ours.execute(_in_order(table)).mappings()]
                if rows:
                    theirs.execute(table.insert(), rows)
            theirs.execute(tables.homes.insert().values(_home_on_the_server(ledger)))
        with copy.connect() as connection:
            connection.connection.driver_connection.execute(  # type: ignore[union-attr]
                "PRAGMA journal_mode=DELETE"
            )
    finally:
        copy.dispose()


def _home_on_the_server(ledger: SqlLedger) -> dict[str, object]:
    """So that whoever opens the copy learns where the original is."""
    return {
        "at": datetime(1970, 1, 1, tzinfo=UTC),
        "machine": "server",
        "name": str(ledger.engine.url.host or "a server"),
        "path": ledger.engine.url.render_as_string(hide_password=True),
        "file_id": "",
        "by": "afterclose",
        "note": "backup",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """What a check found: rows per table, and what is wrong in words."""

    revision: str
    rows: Mapping[str, int]
    problems: tuple[str, ...]


def check(ledger: SqlLedger) -> LedgerCheck:
    """Read every row of the ledger and compare the tables with each other."""
    with _one_moment(ledger.engine) as connection:
        rows = {
            t.name: int(connection.scalar(select(func.count()).select_from(t)) or 0) for t in FACTS
        }
        problems = [*_damage(connection), *unreadable(connection), *_strays(connection)]
        revision = revision_of(connection) or ""
    home = ledger.copied_from()
    if home:
        problems.append(f"this is a copy of the ledger at {home}; nothing is written into it")
    return LedgerCheck(revision=revision, rows=rows, problems=tuple(problems))


def _damage(connection: Connection) -> Iterator[str]:
    if is_sqlite(connection):
        for said in connection.scalars(text("PRAGMA integrity_check")):
            if said != "ok":
                yield f"the file is damaged: {said}"
    found = set(inspect(connection).get_table_names())
    yield from (f"the table {t.name} is missing" for t in FACTS if t.name not in found)


def _strays(connection: Connection) -> Iterator[str]:
    for named in (
        tables.order_events.c.order_ref,
        tables.parts.c.order_ref,
        tables.carried.c.net_ref,
        tables.carried.c.order_ref,
        tables.transfers.c.bought_ref,
        tables.transfers.c.sold_ref,
    ):
        query = (
            select(named)
            .distinct()
            .outerjoin(tables.orders, tables.orders.c.order_ref == named)
            .where(tables.orders.c.order_ref.is_(None))
            .order_by(named)
        )
        for ref in connection.scalars(query):
            yield f"{named.table.name} speaks of {ref}, which is no order of this ledger"


@contextmanager
def _one_moment(engine: Engine) -> Iterator[Connection]:
    level = {} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ"}
    with told(engine), engine.execution_options(**level).begin() as connection:
        yield connection


def _in_order(table: Table) -> Any:
    return select(table).order_by(*table.primary_key.columns)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text_of(value) for name, value in row.items()}


def _text_of(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _write_csv(path: Path, table: Table, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        sink = csv.DictWriter(file, [c.name for c in table.columns], lineterminator="\n")
        sink.writeheader()
        sink.writerows(rows)


def _write_json(path: Path, _table: Table, rows: list[dict[str, Any]]) -> None:
    opened = [
        {**row, "payload": json.loads(row["payload"])} if "payload" in row else row for row in rows
    ]
    text_of_it = json.dumps(opened, ensure_ascii=False, indent=1)
    path.write_text(text_of_it + "\n", encoding="utf-8", newline="\n")


def _write_parquet(path: Path, table: Table, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - costs time, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    kinds = {int: pa.int64(), bool: pa.bool_()}
    fields = [pa.field(c.name, kinds.get(c.type.python_type, pa.string())) for c in table.columns]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)


_WRITERS = {
    ExportFormat.CSV: _write_csv,
    ExportFormat.JSON: _write_json,
    ExportFormat.PARQUET: _write_parquet,
}
