"""Every session of a ledger at once: a few queries for years of evenings, not some for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, select

from afterclose.adapters.ledger import tables
from afterclose.adapters.ledger.rows import EVENT, ORDER, TRANSFER
from afterclose.domain.netting import Netting, SessionRecord, Transfer
from afterclose.domain.orders import BasketOrder, OrderEvent


def read_whole(connection: Connection) -> Sequence[SessionRecord]:
    """Return what was named, seen and netted for each session with orders, oldest first."""
    named: defaultdict[date, list[BasketOrder]] = defaultdict(list)
    query = select(tables.orders.c.session, tables.orders.c.payload)
    for session, payload in connection.execute(query.order_by(tables.orders.c.order_ref)):
        named[session].append(ORDER.validate_json(payload))
    orders = {order.order_ref: order for each in named.values() for order in each}
    events = _events(connection)
    carried, transfers = _carried(connection), _transfers(connection)
    return tuple(
        SessionRecord(
            session=session,
            orders=tuple(named[session]),
            events=tuple(events[session]),
            netting=_netting(orders, carried.get(session, {}), transfers[session]),
        )
        for session in sorted(named)
    )


def _events(connection: Connection) -> Mapping[date, list[OrderEvent]]:
    found: defaultdict[date, list[OrderEvent]] = defaultdict(list)
    query = (
        select(tables.orders.c.session, tables.order_events.c.payload)
        .join(tables.orders, tables.orders.c.order_ref == tables.order_events.c.order_ref)
        .order_by(tables.order_events.c.seq)
    )
    for session, payload in connection.execute(query):
        found[session].append(EVENT.validate_json(payload))
    return found


def _carried(connection: Connection) -> Mapping[date, dict[str, dict[str, int]]]:
    found: defaultdict[date, dict[str, dict[str, int]]] = defaultdict(dict)
    query = (
        select(tables.orders.c.session, tables.carried)
        .join(tables.orders, tables.orders.c.order_ref == tables.carried.c.net_ref)
        .order_by(tables.carried.c.net_ref, tables.carried.c.order_ref)
    )
    for row in connection.execute(query).mappings():
        parts = found[row["session"]].setdefault(row["net_ref"], {})
        parts[row["order_ref"]] = row["quantity"]
    return found


def _transfers(connection: Connection) -> Mapping[date, list[Transfer]]:
    found: defaultdict[date, list[Transfer]] = defaultdict(list)
    for session, payload in connection.execute(
        select(tables.transfers.c.session, tables.transfers.c.payload)
    ):
        found[session].append(TRANSFER.validate_json(payload))
    return found


def _netting(
    orders: Mapping[str, BasketOrder],
    carried: Mapping[str, Mapping[str, int]],
    transfers: Sequence[Transfer],
) -> Netting:
    rows = {row for parts in carried.values() for row in parts}
    rows |= {ref for t in transfers for ref in (t.bought, t.sold)}
    return Netting(
        orders=tuple(orders[ref] for ref in sorted(carried) if ref in orders),
        rows=tuple(orders[ref] for ref in sorted(rows) if ref in orders),
        carried=carried,
        transfers=tuple(sorted(transfers, key=lambda t: (t.bought, t.sold))),
    )
