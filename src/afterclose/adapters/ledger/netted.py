"""The ledger's records of netting: what each order carries, and what crossed inside the desk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.rows import ORDER, TRANSFER, in_utc
from afterclose.domain.contracts import RootSymbol
from afterclose.domain.netting import Netting, Transfer, owners, rest_of
from afterclose.domain.orders import BasketOrder, EventKind, Fill
from afterclose.domain.sending import DESK_MODEL


def write_carried(connection: Connection, carried: Mapping[str, Mapping[str, int]]) -> None:
    """Write what each order carries, where that is not written yet."""
    known = _carried(connection, carried)
    rows = [
        {"net_ref": ref, "order_ref": row, "quantity": quantity}
        for ref, parts in carried.items()
        if ref not in known
        for row, quantity in sorted(parts.items())
    ]
    if rows:
        connection.execute(insert(tables.carried), rows)


def carry_on(connection: Connection, order: BasketOrder) -> None:
    """Let an order that goes on with another one carry what that one left of its rows."""
    parts = _carried(connection, [order.replaces]).get(order.replaces) if order.replaces else None
    if parts is not None:
        write_carried(connection, {order.order_ref: rest_of(parts, order.quantity)})


def write_transfers(
    connection: Connection, run_id: str, transfers: Iterable[Transfer], *, at: datetime
) -> None:
    """Write transfers that are not written yet: two rows cross once."""
    for transfer in transfers:
        known = select(tables.transfers.c.payload).where(
            tables.transfers.c.bought_ref == transfer.bought,
            tables.transfers.c.sold_ref == transfer.sold,
        )
        if connection.scalar(known) is None:
            connection.execute(
                insert(tables.transfers).values(
                    bought_ref=transfer.bought,
                    sold_ref=transfer.sold,
                    run_id=run_id,
                    at=at,
                    session=transfer.session,
                    payload=TRANSFER.dump_json(transfer).decode(),
                )
            )


def read_netting(connection: Connection, session: date) -> Netting:
    """Return what was netted for a session; ``orders`` are those that carry rows."""
    named = select(tables.orders.c.order_ref).where(tables.orders.c.session == session)
    query = select(tables.carried).where(tables.carried.c.net_ref.in_(named))
    carried = _by_order(connection, query.order_by(tables.carried.c.net_ref))
    crossed = select(tables.transfers.c.payload).where(tables.transfers.c.session == session)
    transfers = tuple(TRANSFER.validate_json(p) for p in connection.scalars(crossed))
    rows = {row for parts in carried.values() for row in parts}
    rows |= {ref for t in transfers for ref in (t.bought, t.sold)}
    return Netting(
        orders=_orders(connection, carried),
        rows=_orders(connection, rows),
        carried=carried,
        transfers=tuple(sorted(transfers, key=lambda t: (t.bought, t.sold))),
    )


def net_refs_of(model: str) -> Select[tuple[str]]:
    """References of the orders that carry a row of a model, as a query."""
    rows = select(tables.orders.c.order_ref).where(tables.orders.c.model == model)
    return select(tables.carried.c.net_ref).where(tables.carried.c.order_ref.in_(rows))


def traded_by_rows(
    connection: Connection,
    model: str,
    filled: Mapping[str, tuple[BasketOrder, tuple[Fill, ...]]],
) -> Sequence[tuple[BasketOrder, int]]:
    """Return rows of a model with what they traded, signed: in orders of several, and inside.

    ``filled`` are the orders that carry its rows, with their executions.
    """
    carried = _carried(connection, filled)
    transfers = transfers_of(connection, model)
    refs = {row for parts in carried.values() for row in parts}
    refs |= {ref for _, t in transfers for ref in (t.bought, t.sold)}
    rows = {o.order_ref: o for o in _orders(connection, refs) if o.model == model}
    traded: list[tuple[BasketOrder, int]] = []
    for ref, parts in carried.items():
        order, fills = filled[ref]
        count = Counter(owners(parts, sum(fill.quantity for fill in fills)))
        traded.extend((rows[r], order.action.sign * n) for r, n in count.items() if r in rows)
    crossed = ((ref, t) for _, t in transfers for ref in (t.bought, t.sold))
    traded.extend((rows[ref], t.signed(ref)) for ref, t in crossed if ref in rows)
    return traded


def transfers_of(connection: Connection, model: str) -> Sequence[tuple[datetime, Transfer]]:
    """Return every transfer of a model's rows, with the moment it was written."""
    rows = select(tables.orders.c.order_ref).where(tables.orders.c.model == model)
    query = (
        select(tables.transfers.c.at, tables.transfers.c.payload)
        .where(
            or_(
                tables.transfers.c.bought_ref.in_(rows),
                tables.transfers.c.sold_ref.in_(rows),
            )
        )
        .order_by(tables.transfers.c.at)
    )
    return [(at, TRANSFER.validate_json(payload)) for at, payload in connection.execute(query)]


def flattened_roots(connection: Connection, model: str) -> frozenset[RootSymbol]:
    """Return roots that a person flattened and that the model has not opened again since."""
    last: dict[RootSymbol, bool] = {}
    named = select(tables.parts.c.order_ref).where(tables.parts.c.model == model)
    net_refs = net_refs_of(model)
    ours = or_(
        tables.orders.c.model == model,
        tables.orders.c.order_ref.in_(named),
        tables.orders.c.order_ref.in_(net_refs),
    )
    query = (
        select(tables.order_events.c.at, tables.orders.c.payload)
        .join(tables.orders, tables.orders.c.order_ref == tables.order_events.c.order_ref)
        .where(ours, tables.order_events.c.kind == EventKind.FILL.value)
        .order_by(tables.order_events.c.seq)
    )
    opening = _opening(connection, model, connection.scalars(net_refs))
    happened = [(in_utc(at), ORDER.validate_json(p)) for at, p in connection.execute(query)]
    crossed = transfers_of(connection, model)
    sides = [(in_utc(at), ref) for at, t in crossed for ref in (t.bought, t.sold)]
    rows = {o.order_ref: o for o in _orders(connection, {ref for _, ref in sides})}
    happened += [(at, rows[ref]) for at, ref in sides if rows[ref].model == model]
    for _, order in sorted(happened, key=lambda seen: seen[0]):
        if order.model == DESK_MODEL and order.roll_pair:
            continue  # rolled by hand: the market was not left
        if order.model == DESK_MODEL:
            last[order.contract.root] = True
        elif order.order_ref in opening or (order.model == model and not order.kind.closes):
            last[order.contract.root] = False
    return frozenset(root for root, flat in last.items() if flat)


def _opening(connection: Connection, model: str, net_refs: Iterable[str]) -> frozenset[str]:
    """Return those of these orders in which a row of the model opens a position."""
    carried = _carried(connection, net_refs)
    rows = {row for parts in carried.values() for row in parts}
    opening = {
        o.order_ref for o in _orders(connection, rows) if o.model == model and not o.kind.closes
    }
    return frozenset(ref for ref, parts in carried.items() if opening & set(parts))


def _carried(connection: Connection, net_refs: Iterable[str]) -> dict[str, dict[str, int]]:
    query = select(tables.carried).where(tables.carried.c.net_ref.in_(list(net_refs)))
    return _by_order(connection, query)


def _by_order(connection: Connection, query: Select[Any]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["net_ref"], {})[row["order_ref"]] = row["quantity"]
    return found


def _orders(connection: Connection, refs: Iterable[str]) -> tuple[BasketOrder, ...]:
    query = (
        select(tables.orders.c.payload)
        .where(tables.orders.c.order_ref.in_(sorted(refs)))
        .order_by(tables.orders.c.order_ref)
    )
    return tuple(ORDER.validate_json(payload) for payload in connection.scalars(query))
