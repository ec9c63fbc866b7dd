"""The database behind the ledger: SQLite in write-ahead mode, or PostgreSQL by URL.

Two things are set here and nowhere else: that a commit is on disk when it returns, and that a
transaction that writes takes its place in the queue when it begins, not when it first writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from afterclose.errors import LedgerError

#: Execution option of transactions that write.
WRITING = "afterclose_writing"
_SQLITE, _POSTGRESQL = "sqlite", "postgresql"
#: Milliseconds for which SQLite waits for another process of this desk.
_SQLITE_WAIT_MS = 30_000


def schema_of(desk: str) -> str:
    """Return the schema in which a desk's tables lie on PostgreSQL: each desk has its own."""
    return f"afterclose_{desk}"


def open_engine(url: str, *, desk: str) -> Engine:
    """Return an engine; nothing is connected yet. Raises LedgerError for an unusable address."""
    try:
        engine = create_engine(_with_driver(url))
    except (SQLAlchemyError, ImportError) as error:  # ImportError: no driver for this database
        raise LedgerError(
            f"{_hidden(url)!r} is not a database address we can use: {error}",
            hint="use sqlite:///ledger.sqlite or postgresql+psycopg://…; PostgreSQL needs "
            "'pip install afterclose[postgres]'",
        ) from error
    if engine.dialect.name == _SQLITE:
        event.listen(engine, "connect", _durable_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == _POSTGRESQL:
        event.listen(engine, "connect", _durable_postgresql(schema_of(desk)))
    else:
        raise LedgerError(
            f"the ledger cannot live in {engine.dialect.name}",
            hint="use sqlite:///ledger.sqlite or postgresql+psycopg://…",
        )
    return engine


def is_sqlite(engine: Engine | Connection) -> bool:
    """Whether the database is one file."""
    return engine.dialect.name == _SQLITE


def file_of(url: URL) -> Path | None:
    """Return the file that a ledger lives in; None where it is on a server, or nowhere."""
    name = url.database if url.get_backend_name() == _SQLITE else None
    return Path(name) if name and name != ":memory:" else None


def queue_for_writing(connection: Connection) -> None:
    """Let whoever changes the shape of this desk's tables do it alone, until the commit.

    SQLite needs no word: a transaction that writes has the file to itself.
    """
    if not is_sqlite(connection):
        name = {"name": str(connection.scalar(text("SELECT current_setting('search_path')")))}
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), name)


def _with_driver(url: str) -> URL:
    """Name the driver that we declare, where the address leaves it open."""
    made = make_url(url)
    if made.drivername in {"postgres", "postgresql"}:
        return made.set(drivername="postgresql+psycopg")
    return made


def _hidden(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def _durable_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that tables change whole
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_SQLITE_WAIT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA fullfsync=ON")  # macOS: through the drive's own cache; elsewhere nothing
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A reader that turns writer half-way would be refused when another wrote in between."""
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _durable_postgresql(schema: str) -> Any:
    def prepare(connection: Any, _record: object) -> None:
        quoted = '"' + schema.replace('"', '""') + '"'
        before, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION search_path TO {quoted}")
            cursor.execute("SET SESSION synchronous_commit TO on")
            cursor.execute("SET SESSION TIME ZONE 'UTC'")
        connection.autocommit = before

    return prepare


@contextmanager
def told(engine: Engine) -> Iterator[None]:
    """Say in our own words what the database refuses. Raises LedgerError."""
    try:
        yield
    except ValidationError as error:
        raise LedgerError(
            f"the ledger {_place_of(engine)} holds something this version cannot read: "
            f"{error.errors()[0]['msg']}",
            hint="nothing was sent; use the version that wrote it, or restore a backup",
        ) from error
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerError(
            f"the ledger {_place_of(engine)} cannot be used: {said}", hint=_remedy(said)
        ) from error


def _place_of(engine: Engine) -> str:
    """The file's path, or the server's address without its password."""
    if is_sqlite(engine):
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


#: What SQLite says, and what a person does about it; nothing more leaves in any of these cases.
_REMEDIES = {
    "locked": "another program holds it open (a viewer, a backup, a copy on a network drive): end "
    "it, then run the command again",
    "malformed": "the file is damaged: put the newest backup in its place ('afterclose ledger "
    "adopt' takes it over), then 'afterclose settle' compares it with the account",
    "not a database": "the file is no ledger: put the newest backup in its place ('afterclose "
    "ledger adopt' takes it over), then 'afterclose settle' compares it with the account",
    "readonly": "let this user write the file and its folder, then run the command again",
    "full": "make room on the disk, then run the command again",
}


def _remedy(said: str) -> str:
    known = next((what for word, what in _REMEDIES.items() if word in said), None)
    return known or "nothing more is sent; check the file's folder, its rights and the disk"
