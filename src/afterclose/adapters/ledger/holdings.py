"""What the desk holds for a model, added up from everything that was ever written of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, select

from afterclose.adapters.ledger import netted, tables
from afterclose.adapters.ledger.nav_rows import read_adoptions
from afterclose.adapters.ledger.rows import ORDER, fills_of, parts_of
from afterclose.domain.contracts import FuturesContract
from afterclose.domain.orders import TradeKind
from afterclose.domain.sending import shares


def held(connection: Connection, model: str) -> Mapping[FuturesContract, int]:
    """Add up adoptions, fills of the model's own orders, and its share of orders of several."""
    book: defaultdict[FuturesContract, int] = defaultdict(int)
    for _, contract, quantity in read_adoptions(connection, model):
        book[contract] += quantity
    own = fills_of(connection, tables.orders.c.model == model)
    for order, fills in own.values():
        book[order.contract] += sum(fill.signed for fill in fills)
    named = select(tables.parts.c.order_ref).where(tables.parts.c.model == model)
    shared = fills_of(connection, tables.orders.c.order_ref.in_(named))
    parts = parts_of(connection, shared)
    for order, fills in shared.values():
        filled = sum(fill.signed for fill in fills)
        owned = shares(parts[order.order_ref], ordered=order.signed, filled=filled)
        book[order.contract] += owned[model]
    together = fills_of(connection, tables.orders.c.order_ref.in_(netted.net_refs_of(model)))
    for carried, traded in netted.traded_by_rows(connection, model, together):
        book[carried.contract] += traded
    return {contract: quantity for contract, quantity in sorted(book.items()) if quantity}


def rolled(connection: Connection, model: str) -> Mapping[FuturesContract, FuturesContract]:
    """Return which contract a person rolled into which, the last word each."""
    named = select(tables.parts.c.order_ref).where(tables.parts.c.model == model)
    query = select(tables.orders.c.payload).where(tables.orders.c.order_ref.in_(named))
    orders = [ORDER.validate_json(row) for row in connection.scalars(query)]
    filled = fills_of(connection, tables.orders.c.order_ref.in_(named))
    by_ref = {order.order_ref: order for order in orders}
    return {
        by_ref[order.roll_pair].contract: order.contract
        for order in sorted(orders, key=lambda o: (o.session, o.order_ref))
        if order.kind is TradeKind.ROLL_OPEN
        and order.roll_pair in by_ref
        and (order.order_ref in filled or order.roll_pair in filled)
    }
