"""Who may write into a ledger: never a copy of it, and never two machines at once.

A ledger that is a file remembers the machine, the path and the file-system identity it lives under.
Elsewhere it is a copy, or a backup put back: the orders sent since are not in it. It can be read;
a person adopts it before anything is written.

A ledger on a server is shared by machines. Whoever writes holds the lease: for a minute beyond the
last word, by the server's clock. Every transaction that writes looks at it first and keeps the row
until its commit, so that an intent of one who lost the lease is never written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.engine import WRITING, file_of, is_sqlite
from afterclose.adapters.ledger.place import Place, file_id
from afterclose.errors import LedgerElsewhere, LedgerError

#: How long a lease outlives its holder's last word.
LEASE_FOR = timedelta(seconds=60)
_THE_ONE = 1


class Custody:
    """The right to write, for one open ledger."""

    def __init__(self, engine: Engine, here: Place, *, lease_for: timedelta = LEASE_FOR) -> None:
        self.here = here
        self._engine = engine
        self._lease_for = lease_for
        self._path = file_of(engine.url)
        #: A file is this machine's alone, and its commands take turns by the desk's own lock.
        self._shared = not is_sqlite(engine)
        #: Token of the lease that an ``exclusive`` block holds, and how many such blocks there are.
        self._token: int | None = None
        self._depth = 0

    # A file and its place

    def remember_home(self) -> None:
        """Write down where a new ledger lives; one that knows its home is left as it is."""
        if self._path is None:
            return
        with self._engine.begin() as connection:
            if _last_home(connection) is not None:
                return
        with self._engine.execution_options(**{WRITING: True}).begin() as connection:
            if _last_home(connection) is None:
                self._move_in(connection, by="afterclose", note="first opened here")

    def adopt(self, connection: Connection, *, by: str, note: str) -> None:
        """Let a copy become the ledger of this place, by a person's word."""
        if self._path is not None:
            self._move_in(connection, by=by, note=note)

    def copied_from(self, connection: Connection) -> RowMapping | None:
        """Return the home of the original, when this ledger is a copy of it."""
        home = _last_home(connection)
        if self._path is None or home is None:
            return None
        same_file = home["machine"] == self.here.machine and home["file_id"] == file_id(self._path)
        return None if same_file else home

    def written_by(self, connection: Connection) -> str | None:
        """Return the name of another machine that holds the lease now; nothing is taken."""
        row = connection.execute(select(tables.lease)).mappings().first() if self._shared else None
        if row is None or row["holder"] == self.here.holder:
            return None
        return str(row["name"]) if _aware(row["until"]) > _now(connection) else None

    def last_writer(self, connection: Connection) -> str | None:
        """Return name and folder of the place that wrote last, where that is not this one."""
        row = connection.execute(select(tables.lease)).mappings().first() if self._shared else None
        if row is None or row["holder"] == self.here.holder:
            return None
        return f"{row['name']}, {str(row['holder']).partition(':')[2] or 'no folder'}"

    def _move_in(self, connection: Connection, *, by: str, note: str) -> None:
        if self._path is None:
            return
        connection.execute(
            insert(tables.homes).values(
                at=_now(connection),
                machine=self.here.machine,
                name=self.here.name,
                path=self._path.as_posix(),
                file_id=file_id(self._path),
                by=by,
                note=note,
            )
        )

    # The right to write

    def require(self, connection: Connection, *, lease: bool = True) -> None:
        """Let this transaction write, or raise LedgerElsewhere. To be its first word."""
        home = self.copied_from(connection)
        if home is not None:
            raise LedgerElsewhere(
                f"the ledger {self._path} is a copy: its own place is {home['path']} on "
                f"{home['name']} since {_aware(home['at']):%Y-%m-%d %H:%M} UTC",
                hint="go on with the other one; or, when that one will never be used again, say "
                "'afterclose ledger adopt' here, and compare the positions before anything is sent",
            )
        if lease and self._shared:
            self._hold(connection)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lease until the end; every write inside fails once another one took it."""
        outermost = self._depth == 0
        if outermost:
            with self._engine.execution_options(**{WRITING: True}).begin() as connection:
                self.require(connection, lease=False)
                self._token = self._hold(connection) if self._shared else None
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if outermost and self._token is not None:
                token, self._token = self._token, None
                with suppress(SQLAlchemyError):  # it ends by itself as well
                    self._let_go(token)

    def _hold(self, connection: Connection) -> int:
        """Take the lease or keep it; returns its token."""
        row = connection.execute(select(tables.lease).with_for_update()).mappings().first()
        now = _now(connection)
        if row is None:
            return self._take_first(connection, now)
        token, until = int(row["token"]), _aware(row["until"])
        ours = row["holder"] == self.here.holder
        if self._token is not None and (token != self._token or not ours):
            raise LedgerElsewhere(
                f"{row['name']} took this ledger over; nothing more is written from here",
                hint="orders that were sent are followed there; 'afterclose status' shows them",
            )
        if not ours and until > now:
            raise LedgerElsewhere(
                f"{row['name']} is writing into this ledger until {until:%H:%M:%S} UTC",
                hint="one machine at a time: wait until it has ended; a minute after its last word "
                "the ledger is free",
            )
        if not ours:
            token += 1
        if not ours or until - now < self._lease_for / 2:
            connection.execute(
                update(tables.lease).values(
                    token=token,
                    holder=self.here.holder,
                    name=self.here.name,
                    until=now + self._lease_for,
                )
            )
        return token

    def _take_first(self, connection: Connection, now: datetime) -> int:
        connection.execute(
            insert(tables.lease).values(
                id=_THE_ONE,
                token=1,
                holder=self.here.holder,
                name=self.here.name,
                until=now + self._lease_for,
            )
        )
        return 1

    def _let_go(self, token: int) -> None:
        with self._engine.execution_options(**{WRITING: True}).begin() as connection:
            mine = (tables.lease.c.token == token) & (tables.lease.c.holder == self.here.holder)
            now = _now(connection)
            connection.execute(update(tables.lease).where(mine).values(until=now))


def _last_home(connection: Connection) -> RowMapping | None:
    query = select(tables.homes).order_by(tables.homes.c.seq.desc()).limit(1)
    return connection.execute(query).mappings().first()


def _now(connection: Connection) -> datetime:
    """The database's clock: all who share it see the same."""
    if is_sqlite(connection):
        said = connection.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"))
        return datetime.fromisoformat(str(said)).replace(tzinfo=UTC)
    found = connection.scalar(select(func.clock_timestamp()))
    if not isinstance(found, datetime):
        raise LedgerError("the database does not tell its time")
    return found.astimezone(UTC)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
