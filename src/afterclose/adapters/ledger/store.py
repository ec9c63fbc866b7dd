"""Reading and writing the ledger. Every write is committed, and on disk, when the call returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    insert,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.engine import WRITING, open_engine
from afterclose.adapters.ledger.migrating import migrate
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.orders import Approval, BasketOrder, EventKind, Fill, OrderEvent, final_fills
from afterclose.domain.sending import DESK_MODEL, Halt, shares
from afterclose.errors import LedgerError

_EVENT = TypeAdapter(OrderEvent)
_ORDER = TypeAdapter(BasketOrder)
_APPROVAL = TypeAdapter(Approval)


class SqlLedger:
    """The ledger on a SQL database; SQLite in write-ahead mode, or PostgreSQL by URL."""

    def __init__(self, url: str, *, desk: str = "desk") -> None:
        """Open the ledger of one desk, making or migrating its tables. Raises LedgerError.

        On PostgreSQL every desk has a schema of its own, so several share one database.
        """
        self.url, self.desk = url, desk
        self._engine = open_engine(url, desk=desk)
        try:
            with self._told():
                migrate(self._engine, desk=desk)
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Read: a view of one moment."""
        with self._told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Write: all of it or nothing, and alone."""
        engine = self._engine.execution_options(**{WRITING: True})
        with self._told(), engine.begin() as connection:
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in our own words what the database refuses."""
        try:
            yield
        except ValidationError as error:
            raise LedgerError(
                f"the ledger at {self._engine.url!r} holds something this version cannot read: "
                f"{error.errors()[0]['msg']}",
                hint="nothing was sent; use the version that wrote it, or restore a backup",
            ) from error
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger at {self._engine.url!r} cannot be used: {error}",
                hint="nothing was sent; check the file's folder, its rights and the disk",
            ) from error

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
                known = connection.scalar(
                    select(tables.orders.c.payload).where(
                        tables.orders.c.order_ref == order.order_ref
                    )
                )
                if known is None:
                    connection.execute(insert(tables.orders).values(_order_row(run_id, order)))
                    owners = (parts or {}).get(order.order_ref, {})
                    if owners:
                        connection.execute(insert(tables.parts), _part_rows(order, owners))
                elif not same_order(_ORDER.validate_json(known), order):
                    raise LedgerError(
                        f"{order.order_ref} already stands for another order",
                        hint="prepare the evening again; the next attempt gets a name of its own",
                    )

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        """Write order events, in this order; they are durable when the call returns."""
        rows = [
            {
                "run_id": run_id,
                "order_ref": e.order_ref,
                "at": e.at,
                "kind": e.kind.value,
                "payload": _EVENT.dump_json(e).decode(),
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
            return tuple(_ORDER.validate_json(row) for row in connection.scalars(query))

    def events(self, session: date) -> Sequence[OrderEvent]:
        """Every order event of one session, in the order they were written."""
        query = (
            select(tables.order_events.c.payload)
            .join(tables.orders, tables.orders.c.order_ref == tables.order_events.c.order_ref)
            .where(tables.orders.c.session == session)
            .order_by(tables.order_events.c.seq)
        )
        with self._connection() as connection:
            return tuple(_EVENT.validate_json(row) for row in connection.scalars(query))

    def record_approval(self, approval: Approval) -> None:
        """Write an approval; a rejection is one without order references."""
        with self._writing() as connection:
            connection.execute(
                insert(tables.approvals).values(
                    run_id=approval.run_id,
                    at=approval.at,
                    digest=approval.digest,
                    payload=_APPROVAL.dump_json(approval).decode(),
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
            return _APPROVAL.validate_json(found) if found else None

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
        book: defaultdict[FuturesContract, int] = defaultdict(int)
        adopted = select(tables.adoptions).where(tables.adoptions.c.model == model)
        with self._connection() as connection:
            for row in connection.execute(adopted).mappings():
                month = ContractMonth.from_yyyymm(row["contract_month"])
                book[FuturesContract(RootSymbol(row["root"]), month)] += row["quantity"]
            own = _fills(connection, tables.orders.c.model == model)
            named = select(tables.parts.c.order_ref).where(tables.parts.c.model == model)
            shared = _fills(connection, tables.orders.c.order_ref.in_(named))
            parts = _parts(connection, shared)
        for order, fills in own.values():
            book[order.contract] += sum(fill.signed for fill in fills)
        for order, fills in shared.values():
            filled = sum(fill.signed for fill in fills)
            owned = shares(parts[order.order_ref], ordered=order.signed, filled=filled)
            book[order.contract] += owned[model]
        return {contract: quantity for contract, quantity in sorted(book.items()) if quantity}

    def parts(self, refs: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return whose positions these orders close, for those that belong to several models."""
        with self._connection() as connection:
            return _parts(connection, refs)

    def flattened(self, model: str) -> frozenset[RootSymbol]:
        """Roots that a person flattened and that the model has not opened again since."""
        last: dict[RootSymbol, bool] = {}
        named = select(tables.parts.c.order_ref).where(tables.parts.c.model == model)
        ours = or_(tables.orders.c.model == model, tables.orders.c.order_ref.in_(named))
        query = (
            select(tables.orders.c.payload)
            .join(tables.order_events, tables.orders.c.order_ref == tables.order_events.c.order_ref)
            .where(ours, tables.order_events.c.kind == EventKind.FILL.value)
            .order_by(tables.order_events.c.seq)
        )
        with self._connection() as connection:
            for payload in connection.scalars(query):
                order = _ORDER.validate_json(payload)
                if order.model == DESK_MODEL:
                    last[order.contract.root] = True
                elif not order.kind.closes:
                    last[order.contract.root] = False
        return frozenset(root for root, flat in last.items() if flat)

    def named(self, refs: Collection[str]) -> Mapping[str, BasketOrder]:
        """Return those of these references that this desk named, with what they mean."""
        query = select(tables.orders.c.payload).where(tables.orders.c.order_ref.in_(list(refs)))
        with self._connection() as connection:
            found = [_ORDER.validate_json(row) for row in connection.scalars(query)]
        return {order.order_ref: order for order in found}

    def models(self) -> Sequence[str]:
        """Names of every model that ever held or traded anything here."""
        with self._connection() as connection:
            traded = set(connection.scalars(select(tables.orders.c.model).distinct()))
            adopted = set(connection.scalars(select(tables.adoptions.c.model).distinct()))
            owning = set(connection.scalars(select(tables.parts.c.model).distinct()))
        return sorted((traded | adopted | owning) - {DESK_MODEL})

    def record_halt(self, halt: Halt) -> None:
        """Write a person's halt, or its lifting."""
        with self._writing() as connection:
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
        return Halt(at=_utc(row["at"]), by=row["by"], reason=row["reason"])


_Filled = Mapping[str, tuple[BasketOrder, tuple[Fill, ...]]]


def _fills(connection: Connection, which: ColumnElement[bool]) -> _Filled:
    """Return orders with their executions, each once and in its last correction."""
    query = (
        select(tables.orders.c.payload, tables.order_events.c.payload)
        .join(tables.orders, tables.orders.c.order_ref == tables.order_events.c.order_ref)
        .where(which, tables.order_events.c.kind == EventKind.FILL.value)
        .order_by(tables.order_events.c.seq)
    )
    orders: dict[str, BasketOrder] = {}
    executions: list[Fill] = []
    for order, happened in connection.execute(query):
        told, named = _EVENT.validate_json(happened), _ORDER.validate_json(order)
        if told.fill is not None:
            executions.append(replace(told.fill, order_ref=named.order_ref))
            orders[named.order_ref] = named
    done = final_fills(executions)
    return {
        ref: (order, tuple(fill for fill in done if fill.order_ref == ref))
        for ref, order in orders.items()
    }


def _parts(connection: Connection, refs: Iterable[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    query = select(tables.parts).where(tables.parts.c.order_ref.in_(list(refs)))
    for row in connection.execute(query).mappings():
        found.setdefault(row["order_ref"], {})[row["model"]] = row["quantity"]
    return found


def _part_rows(order: BasketOrder, owners: Mapping[str, int]) -> list[dict[str, object]]:
    return [
        {"order_ref": order.order_ref, "model": model, "quantity": quantity}
        for model, quantity in sorted(owners.items())
    ]


def same_order(one: BasketOrder, other: BasketOrder) -> bool:
    """Whether two orders of one name would do the same thing in the market."""
    return (
        one.contract == other.contract
        and one.signed == other.signed
        and one.limit_price == other.limit_price
        and one.order_type == other.order_type
        and one.account == other.account
        and one.tif == other.tif
    )


def _utc(at: datetime) -> datetime:
    """SQLite keeps no zone: what it holds was written in UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _order_row(run_id: str, order: BasketOrder) -> dict[str, object]:
    return {
        "order_ref": order.order_ref,
        "run_id": run_id,
        "session": order.session,
        "account": order.account,
        "model": order.model,
        "contract": order.contract.symbol,
        "payload": _ORDER.dump_json(order).decode(),
    }
