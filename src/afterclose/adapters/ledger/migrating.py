"""Bring a ledger to the shape this version knows, when it is opened.

The steps are Alembic revisions in ``migrations/versions``, one file each, named by their number. A
ledger from before they existed is recognised by its tables and gets its number; one that is newer
than this program is refused, since what it means could be misread.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from afterclose.adapters.ledger.engine import WRITING, is_sqlite, queue_for_writing, schema_of
from afterclose.errors import LedgerError

#: Alembic keeps its context in a place that all threads share: the steps of one ledger would be
#: done to another.
_ALONE = threading.Lock()
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
#: Columns by which our own table of orders is told from anybody else's.
_OUR_ORDERS = frozenset({"order_ref", "run_id", "session", "account", "model", "payload"})


def revisions() -> tuple[str, ...]:
    """Return the numbers of all revisions this version knows, oldest first."""
    return tuple(sorted(p.stem[1:].partition("_")[0] for p in _VERSIONS.glob("r*_*.py")))


def migrate(engine: Engine, *, desk: str) -> None:
    """Make the tables, or bring them up to date. Raises LedgerError for one that is newer."""
    with engine.connect() as connection:  # looking takes no place in the queue
        if revision_of(connection) == revisions()[-1]:
            return
    with engine.execution_options(**{WRITING: True}).begin() as connection:
        if not is_sqlite(connection):
            schema = schema_of(desk).replace('"', '""')
            queue_for_writing(connection)
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        at = revision_of(connection)  # again: another process may have been here first
        if at is None:
            _require_ours(connection)
        elif at not in revisions():
            raise LedgerError(
                f"the ledger at {engine.url!r} is of revision {at}, and this version of "
                f"afterclose knows up to {revisions()[-1]}",
                hint="use the version that wrote it, or a newer one; nothing was changed",
            )
        if at != revisions()[-1]:
            _upgrade(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the ledger's revision; None for a new one, or one from before they were counted."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _require_ours(connection: Connection) -> None:
    found = inspect(connection)
    if not found.has_table("orders"):
        return
    columns = {str(column["name"]) for column in found.get_columns("orders")}
    if not columns >= _OUR_ORDERS:
        raise LedgerError(
            "the database holds a table 'orders' that is not of this product",
            hint="give the ledger a file, or a database, of its own",
        )


def _upgrade(connection: Connection) -> None:
    # Alembic costs a tenth of a second: only a ledger that has to change pays for it.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    context = EnvironmentContext(
        config,
        script,
        fn=lambda revision, _: script._upgrade_revs("head", revision),  # noqa: SLF001 - as alembic's own command does
        destination_rev="head",
    )
    with _ALONE, context:
        context.configure(connection=connection, transactional_ddl=True)
        context.run_migrations()
