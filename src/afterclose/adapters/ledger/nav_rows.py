"""The ledger's records of the account's value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import Connection, insert, select, union

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.rows import NAV, in_utc
from afterclose.domain.contracts import ContractMonth, Currency, FuturesContract, RootSymbol
from afterclose.domain.nav import AccountNav, CashFlow


def write_nav(connection: Connection, record: AccountNav) -> None:
    """Add one record."""
    connection.execute(
        insert(tables.nav).values(
            account=record.account,
            session=record.session,
            at=record.as_of.astimezone(UTC),
            payload=NAV.dump_json(record).decode(),
        )
    )


def read_nav(connection: Connection, account: str) -> Sequence[AccountNav]:
    """Return every record of an account, oldest first."""
    query = select(tables.nav.c.payload).where(tables.nav.c.account == account)
    rows = connection.scalars(query.order_by(tables.nav.c.at, tables.nav.c.seq))
    return tuple(NAV.validate_json(row) for row in rows)


def read_accounts(connection: Connection) -> frozenset[str]:
    """Return every account of which an order or a value was written."""
    known = union(select(tables.orders.c.account), select(tables.nav.c.account))
    return frozenset(connection.scalars(known))


def write_flow(connection: Connection, flow: CashFlow) -> None:
    """Add one word of a person."""
    connection.execute(
        insert(tables.cash_flows).values(
            at=flow.at.astimezone(UTC),
            amount=str(flow.amount),
            currency=flow.currency,
            by=flow.by,
            note=flow.note,
        )
    )


def read_flows(connection: Connection) -> Sequence[CashFlow]:
    """Return every one, oldest first."""
    query = select(tables.cash_flows).order_by(tables.cash_flows.c.at, tables.cash_flows.c.seq)
    return tuple(
        CashFlow(
            at=in_utc(row["at"]),
            amount=Decimal(row["amount"]),
            currency=Currency(row["currency"]),
            by=row["by"],
            note=row["note"],
        )
        for row in connection.execute(query).mappings()
    )


def read_sessions(connection: Connection) -> Sequence[date]:
    """Return every session for which an order was named, oldest first."""
    query = select(tables.orders.c.session).distinct().order_by(tables.orders.c.session)
    return tuple(connection.scalars(query))


def read_adoptions(
    connection: Connection, model: str
) -> Sequence[tuple[datetime, FuturesContract, int]]:
    """Return what a model took over without an order: when, what, how many."""
    query = select(tables.adoptions).where(tables.adoptions.c.model == model)
    rows = connection.execute(query.order_by(tables.adoptions.c.seq)).mappings()
    return tuple(
        (
            in_utc(row["at"]),
            FuturesContract(
                RootSymbol(row["root"]), ContractMonth.from_yyyymm(row["contract_month"])
            ),
            row["quantity"],
        )
        for row in rows
    )
