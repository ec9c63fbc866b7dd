"""Reading and writing the ledger. Every write is committed, and on disk, when the call returns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import (
    Connection,
    Engine,
    insert,
    select,
)

from afterclose.adapters.ledger import holdings, netted, tables
from afterclose.adapters.ledger.custody import LEASE_FOR, Custody
from afterclose.adapters.ledger.engine import WRITING, open_engine, told
from afterclose.adapters.ledger.migrating import migrate
from afterclose.adapters.ledger.nav_rows import (
    read_accounts,
    read_adoptions,
    read_flows,
    read_nav,
    read_sessions,
    write_flow,
    write_nav,
)
from afterclose.adapters.ledger.place import Place, this_place
from afterclose.adapters.ledger.rows import (
    APPROVAL,
    EVENT,
    ORDER,
    in_utc,
    name_order,
    part_rows,
    parts_of,
)
from afterclose.adapters.ledger.whole import read_whole
from afterclose.domain.contracts import FuturesContract, RootSymbol
from afterclose.domain.history import Acknowledgement
from afterclose.domain.nav import AccountNav, CashFlow
from afterclose.domain.netting import NET_MODEL, Netting, SessionRecord, Transfer
from afterclose.domain.orders import Approval, BasketOrder, OrderEvent
from afterclose.domain.sending import DESK_MODEL, Halt
from afterclose.errors import LedgerError


class SqlLedger:
    """The ledger on a SQL database; SQLite in write-ahead mode, or PostgreSQL by URL."""

    def __init__(
        self,
        url: str,
        *,
        desk: str = "desk",
        here: Place | None = None,
        lease_for: timedelta = LEASE_FOR,
    ) -> None:
        """Open the ledger of one desk, making or migrating its tables. Raises LedgerError.

        On PostgreSQL every desk has a schema of its own, so several share one database. ``here``
        is the place from which it is written (``Custody``).
        """
        self.url, self.desk = url, desk
        self._engine = open_engine(url, desk=desk)
        self._custody = Custody(self._engine, here or this_place(), lease_for=lease_for)
        try:
            with told(self._engine):
                migrate(self._engine, desk=desk)
                self._custody.remember_home()
        except LedgerError:
            self.close()
            raise

    @property
    def engine(self) -> Engine:
        """The database itself, for what copies and checks it."""
        return self._engine

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Read: a view of one moment."""
        with told(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self, *, lease: bool = True) -> Iterator[Connection]:
        """Write: all of it or nothing, alone, and only from where this ledger is at home."""
        engine = self._engine.execution_options(**{WRITING: True})
        with told(self._engine), engine.begin() as connection:
            self._custody.require(connection, lease=lease)
            yield connection

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only machine that writes, until the end. Raises LedgerElsewhere.

        A write inside raises it as soon as another machine took the ledger over, so that nobody
        sends by what he knew before.
        """
        with ExitStack() as stack:
            with told(self._engine):
                stack.enter_context(self._custody.exclusive())
            yield

    def adopt_copy(self, *, by: str, note: str) -> None:
        """Let a copied or restored ledger live here from now on, by a person's word."""
        engine = self._engine.execution_options(**{WRITING: True})
        with told(self._engine), engine.begin() as connection:
            self._custody.adopt(connection, by=by, note=note)

    def copied_from(self) -> str | None:
        """Where the original lives, when this ledger is a copy of it; None when it is none."""
        with self._connection() as connection:
            home = self._custody.copied_from(connection)
            return None if home is None else f"{home['path']} on {home['name']}"

    def written_by(self) -> str | None:
        """Name another machine that is writing now; None when nobody is."""
        with self._connection() as connection:
            return self._custody.written_by(connection)

    def accounts(self) -> frozenset[str]:
        """Every account of which there is an order or a value: one desk has one."""
        with self._connection() as connection:
            return read_accounts(connection)

    def last_writer(self) -> str | None:
        """Name the place that wrote last, where that is another one; None for a file."""
        with self._connection() as connection:
            return self._custody.last_writer(connection)

    def record_orders(
        self,
        run_id: str,
        orders: Sequence[BasketOrder],
        *,
        parts: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Remember what each order reference means; a reference is written once and stays.

        ``parts`` says, per reference, whose position an order of the whole desk closes: signed
        contracts per model. Raises LedgerError when a reference is there already with another
        meaning.
        """
        with self._writing() as connection:
            for order in orders:
                owners = (parts or {}).get(order.order_ref, {})
                if name_order(connection, run_id, order):
                    netted.carry_on(connection, order)
                    if owners:
                        connection.execute(insert(tables.parts), part_rows(order, owners))

    def record_netting(self, run_id: str, netting: Netting) -> None:
        """Remember rows and the orders that carry them; all of it or nothing.

        Raises LedgerError when a reference is there already with another meaning.
        """
        carrying = [o for o in netting.orders if o.order_ref in netting.carried]
        if not netting.rows:
            return
        with self._writing() as connection:
            for order in (*netting.rows, *carrying):
                name_order(connection, run_id, order)
            netted.write_carried(connection, netting.carried)

    def record_transfers(self, run_id: str, transfers: Sequence[Transfer], *, at: datetime) -> None:
        """Write what rows bought of each other inside the desk; twice written, it counts once."""
        with self._writing() as connection:
            netted.write_transfers(connection, run_id, transfers, at=at.astimezone(UTC))

    def netting(self, session: date) -> Netting:
        """Return what was netted for a session; its ``orders`` are those that carry rows."""
        with self._connection() as connection:
            return netted.read_netting(connection, session)

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        """Write order events, in this order; they are durable when the call returns."""
        rows = [
            {
                "run_id": run_id,
                "order_ref": e.order_ref,
                "at": e.at.astimezone(UTC),  # SQLite keeps no zone
                "kind": e.kind.value,
                "payload": EVENT.dump_json(e).decode(),
            }
            for e in events
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(insert(tables.order_events), rows)

    def orders(self, session: date) -> Sequence[BasketOrder]:
        """Every order this desk ever named for one session."""
        query = (
            select(tables.orders.c.payload)
            .where(tables.orders.c.session == session)
            .order_by(tables.orders.c.order_ref)
        )
        with self._connection() as connection:
            return tuple(ORDER.validate_json(row) for row in connection.scalars(query))

    def events(self, session: date) -> Sequence[OrderEvent]:
        """Every order event of one session, in the order they were written."""
        query = (
            select(tables.order_events.c.payload)
            .join(tables.orders, tables.orders.c.order_ref == tables.order_events.c.order_ref)
            .where(tables.orders.c.session == session)
            .order_by(tables.order_events.c.seq)
        )
        with self._connection() as connection:
            return tuple(EVENT.validate_json(row) for row in connection.scalars(query))

    def record_approval(self, approval: Approval) -> None:
        """Write an approval; a rejection is one without order references."""
        with self._writing() as connection:
            connection.execute(
                insert(tables.approvals).values(
                    run_id=approval.run_id,
                    at=approval.at.astimezone(UTC),
                    digest=approval.digest,
                    payload=APPROVAL.dump_json(approval).decode(),
                )
            )

    def approval(self, run_id: str) -> Approval | None:
        """Return the last decision on one run."""
        query = (
            select(tables.approvals.c.payload)
            .where(tables.approvals.c.run_id == run_id)
            .order_by(tables.approvals.c.seq.desc())
            .limit(1)
        )
        with self._connection() as connection:
            found = connection.scalar(query)
            return APPROVAL.validate_json(found) if found else None

    def adopt(
        self, model: str, positions: Mapping[FuturesContract, int], *, at: datetime, note: str
    ) -> None:
        """Take positions over for a model, without an order."""
        rows = [
            {
                "at": at.astimezone(UTC),
                "model": model,
                "contract": contract.symbol,
                "root": contract.root,
                "contract_month": contract.month.yyyymm,
                "quantity": quantity,
                "note": note,
            }
            for contract, quantity in positions.items()
            if quantity
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(insert(tables.adoptions), rows)

    def held(self, model: str) -> Mapping[FuturesContract, int]:
        """What the desk holds for one model.

        Its adoptions, the fills of its own orders, and its share of what was filled of orders of
        the whole desk. One execution counts once, however often the gateway told of it.
        """
        with self._connection() as connection:
            return holdings.held(connection, model)

    def parts(self, refs: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return whose positions these orders close, for those that belong to several models."""
        with self._connection() as connection:
            return parts_of(connection, refs)

    def flattened(self, model: str) -> frozenset[RootSymbol]:
        """Roots that a person flattened and that the model has not opened again since."""
        with self._connection() as connection:
            return netted.flattened_roots(connection, model)

    def rolled(self, model: str) -> Mapping[FuturesContract, FuturesContract]:
        """Return which contract a person rolled into which for a model, the last word each."""
        with self._connection() as connection:
            return holdings.rolled(connection, model)

    def named(self, refs: Collection[str]) -> Mapping[str, BasketOrder]:
        """Return those of these references that this desk named, with what they mean."""
        query = select(tables.orders.c.payload).where(tables.orders.c.order_ref.in_(list(refs)))
        with self._connection() as connection:
            found = [ORDER.validate_json(row) for row in connection.scalars(query)]
        return {order.order_ref: order for order in found}

    def models(self) -> Sequence[str]:
        """Names of every model that ever held or traded anything here."""
        with self._connection() as connection:
            traded = set(connection.scalars(select(tables.orders.c.model).distinct()))
            adopted = set(connection.scalars(select(tables.adoptions.c.model).distinct()))
            owning = set(connection.scalars(select(tables.parts.c.model).distinct()))
        return sorted((traded | adopted | owning) - {DESK_MODEL, NET_MODEL})

    def adopted(self, model: str) -> frozenset[FuturesContract]:
        """Contracts of which a model ever took a position over."""
        with self._connection() as connection:
            return frozenset(contract for _, contract, _ in read_adoptions(connection, model))

    def acknowledge(self, word: Acknowledgement) -> None:
        """Write that a person has seen what changed in a model's past."""
        row = {
            "at": word.at.astimezone(UTC),
            "model": word.model,
            "digest": word.digest,
            "by": word.by,
            "reason": word.reason,
        }
        with self._writing() as connection:
            connection.execute(insert(tables.acknowledgements).values(row))

    def acknowledged(self, model: str, digest: str) -> Acknowledgement | None:
        """Return the last word on exactly these changes, if there is one."""
        table = tables.acknowledgements
        query = (
            select(table)
            .where(table.c.model == model, table.c.digest == digest)
            .order_by(table.c.seq.desc())
            .limit(1)
        )
        with self._connection() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Acknowledgement(
            model=row["model"],
            digest=row["digest"],
            at=row["at"].replace(tzinfo=UTC),
            by=row["by"],
            reason=row["reason"],
        )

    def record_halt(self, halt: Halt) -> None:
        """Write a person's halt, or its lifting: from any machine, whoever is writing."""
        with self._writing(lease=False) as connection:
            connection.execute(
                insert(tables.halts).values(
                    at=halt.at.astimezone(UTC), by=halt.by, reason=halt.reason, lifted=halt.lifted
                )
            )

    def halted(self) -> Halt | None:
        """Return the halt that stands, if one does: the last word counts."""
        query = select(tables.halts).order_by(tables.halts.c.seq.desc()).limit(1)
        with self._connection() as connection:
            row = connection.execute(query).mappings().first()
        if row is None or row["lifted"]:
            return None
        return Halt(at=in_utc(row["at"]), by=row["by"], reason=row["reason"])

    def record_nav(self, record: AccountNav) -> None:
        """Write where the account's value stood at one moment."""
        with self._writing() as connection:
            write_nav(connection, record)

    def navs(self, account: str) -> Sequence[AccountNav]:
        """Every record of the account's value, oldest first."""
        with self._connection() as connection:
            return read_nav(connection, account)

    def record_flow(self, flow: CashFlow) -> None:
        """Write a person's word on money put in or taken out."""
        with self._writing() as connection:
            write_flow(connection, flow)

    def flows(self) -> Sequence[CashFlow]:
        """Money put in or taken out, oldest first."""
        with self._connection() as connection:
            return read_flows(connection)

    def sessions(self) -> Sequence[date]:
        """Every session for which this desk named an order, oldest first."""
        with self._connection() as connection:
            return read_sessions(connection)

    def records(self) -> Sequence[SessionRecord]:
        """Every session with orders, oldest first, read at once."""
        with self._connection() as connection:
            return read_whole(connection)

    def adoptions(self, model: str) -> Sequence[tuple[datetime, FuturesContract, int]]:
        """What a model took over without an order: when, what, how many."""
        with self._connection() as connection:
            return read_adoptions(connection, model)
