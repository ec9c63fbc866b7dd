"""From rows of the ledger to values and back; nothing here opens a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Connection, Table, insert, select

from afterclose.adapters.ledger import tables
from afterclose.domain.nav import AccountNav
from afterclose.domain.netting import Transfer
from afterclose.domain.orders import Approval, BasketOrder, EventKind, Fill, OrderEvent, final_fills
from afterclose.errors import LedgerError

EVENT = TypeAdapter(OrderEvent)
ORDER = TypeAdapter(BasketOrder)
APPROVAL = TypeAdapter(Approval)
TRANSFER = TypeAdapter(Transfer)
NAV = TypeAdapter(AccountNav)

_Filled = Mapping[str, tuple[BasketOrder, tuple[Fill, ...]]]


def fills_of(connection: Connection, which: ColumnElement[bool]) -> _Filled:
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
        told, named = EVENT.validate_json(happened), ORDER.validate_json(order)
        if told.fill is not None:
            executions.append(replace(told.fill, order_ref=named.order_ref))
            orders[named.order_ref] = named
    done: dict[str, list[Fill]] = {ref: [] for ref in orders}
    for fill in final_fills(executions):
        done[fill.order_ref].append(fill)
    return {ref: (order, tuple(done[ref])) for ref, order in orders.items()}


def parts_of(connection: Connection, refs: Iterable[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    query = select(tables.parts).where(tables.parts.c.order_ref.in_(list(refs)))
    for row in connection.execute(query).mappings():
        found.setdefault(row["order_ref"], {})[row["model"]] = row["quantity"]
    return found


def part_rows(order: BasketOrder, owners: Mapping[str, int]) -> list[dict[str, object]]:
    return [
        {"order_ref": order.order_ref, "model": model, "quantity": quantity}
        for model, quantity in sorted(owners.items())
    ]


def unreadable(connection: Connection) -> Iterator[str]:
    """Say which rows this version cannot read."""
    kinds: tuple[tuple[Table, str, TypeAdapter[Any]], ...] = (
        (tables.orders, "order_ref", ORDER),
        (tables.order_events, "seq", EVENT),
        (tables.approvals, "seq", APPROVAL),
        (tables.transfers, "bought_ref", TRANSFER),
        (tables.nav, "seq", NAV),
    )
    for table, key, adapter in kinds:
        for name, payload in connection.execute(select(table.c[key], table.c.payload)):
            try:
                adapter.validate_json(payload)
            except ValidationError as error:
                yield f"{table.name} {name} cannot be read: {error.errors()[0]['msg']}"
    flows = select(tables.cash_flows.c.seq, tables.cash_flows.c.amount)
    for name, amount in connection.execute(flows):
        try:
            Decimal(amount)
        except InvalidOperation:
            yield f"cash_flows {name} cannot be read: {amount!r} is no amount"


def name_order(connection: Connection, run_id: str, order: BasketOrder) -> bool:
    """Write what a reference means, and say whether that is new.

    Raises LedgerError when it is there with another meaning.
    """
    known = connection.scalar(
        select(tables.orders.c.payload).where(tables.orders.c.order_ref == order.order_ref)
    )
    if known is None:
        connection.execute(insert(tables.orders).values(order_row(run_id, order)))
        return True
    if not same_order(ORDER.validate_json(known), order):
        raise LedgerError(
            f"{order.order_ref} already stands for another order",
            hint="prepare the evening again; the next attempt gets a name of its own",
        )
    return False


def same_order(one: BasketOrder, other: BasketOrder) -> bool:
    """Whether two orders of one name would do the same thing in the market."""
    return (
        one.contract == other.contract
        and one.signed == other.signed
        and one.limit_price == other.limit_price
        and one.order_type == other.order_type
        and one.account == other.account
        and one.tif == other.tif
        and one.good_after == other.good_after
        and one.good_till == other.good_till
        and one.outside_rth == other.outside_rth
    )


def in_utc(at: datetime) -> datetime:
    """SQLite keeps no zone: what it holds was written in UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def order_row(run_id: str, order: BasketOrder) -> dict[str, object]:
    return {
        "order_ref": order.order_ref,
        "run_id": run_id,
        "session": order.session,
        "account": order.account,
        "model": order.model,
        "contract": order.contract.symbol,
        "payload": ORDER.dump_json(order).decode(),
    }
