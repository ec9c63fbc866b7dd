"""The broker's book, read whole: open orders of all clients, completed orders, executions.

Read in this order, one after the other, because an order only ever moves from the first part to the
later ones: what leaves the open orders while we read is met again among the completed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ib_async.objects import ExecutionFilter

from afterclose.adapters.ibkr.convert import CLIENT_NOT_TOLD, broker_order, fill
from afterclose.adapters.ibkr.receiver import Part, Reply
from afterclose.adapters.ibkr.rows import OpenOrderRow, StatusRow
from afterclose.adapters.ibkr.session import Session
from afterclose.domain.broker_book import BrokerOrder, OrderSweep
from afterclose.domain.orders import Fill, final_fills

EXECUTIONS = "executions"
_OrderKey = tuple[int, ...]
_FUTURE = "FUT"


async def read_open_orders(session: Session) -> tuple[BrokerOrder, ...] | None:
    """Read the working orders of all clients; None when their End marker was not seen."""
    reply = await session.ask_by_turn(Part.OPEN_ORDERS, session.client.reqAllOpenOrders)
    return open_orders(reply) if reply.ended else None


async def read_book(session: Session) -> OrderSweep:
    """Read the three parts. A part that did not end is empty and named in ``unknown``."""
    working = await read_open_orders(session)
    completed = await _read_completed_orders(session)
    fills = await _read_fills(session)
    parts = ((Part.OPEN_ORDERS, working), (Part.COMPLETED_ORDERS, completed), (EXECUTIONS, fills))
    unknown = [str(name) for name, rows in parts if rows is None]
    # What was completed meanwhile is open no more: the later part is the newer word.
    done = {order.perm_id for order in completed or () if order.perm_id}
    return OrderSweep(
        at=session.clock.now(),
        open_orders=tuple(order for order in working or () if order.perm_id not in done),
        completed_orders=completed or (),
        fills=fills or (),
        unknown=tuple(unknown),
    )


async def _read_completed_orders(session: Session) -> tuple[BrokerOrder, ...] | None:
    reply = await session.ask_by_turn(
        Part.COMPLETED_ORDERS,
        lambda: session.client.reqCompletedOrders(False),  # noqa: FBT003 - ib_async's own signature
    )
    return completed_orders(reply.rows) if reply.ended else None


async def _read_fills(session: Session) -> tuple[Fill, ...] | None:
    reply = await session.ask(
        lambda number: session.client.reqExecutions(number, ExecutionFilter())
    )
    if not reply.ended:
        return None
    try:
        return final_fills(
            fill(row, session.receiver.commissions.get(row.execution.execId))
            for row in reply.rows
            if row.contract.secType == _FUTURE
        )
    except ValueError:
        return None


def open_orders(reply: Reply) -> tuple[BrokerOrder, ...]:
    """Put each order together with the last status said of it, in the order they came.

    An order that was filled or cancelled while the answer came stays in it, with that status.
    """
    orders: dict[_OrderKey, OpenOrderRow] = {}
    statuses: dict[_OrderKey, StatusRow] = {}
    for row in reply.rows:
        if isinstance(row, OpenOrderRow) and not row.order.whatIf:
            order = row.order
            orders[_key(order.permId, order.clientId, order.orderId)] = row
        elif isinstance(row, StatusRow):
            statuses[_key(row.perm_id, row.client_id, row.order_id)] = row
    read = (broker_order(row, statuses.get(key)) for key, row in orders.items())
    return tuple(order for order in read if order is not None)


def completed_orders(rows: Iterable[OpenOrderRow]) -> tuple[BrokerOrder, ...]:
    """Read completed orders. The gateway tells neither their number nor their client."""
    read = (broker_order(row, None) for row in rows)
    return tuple(replace(order, client_id=CLIENT_NOT_TOLD) for order in read if order is not None)


def _key(perm_id: int, client_id: int, order_id: int) -> _OrderKey:
    """Name an order by IB's permanent number, or by its client's while it has none."""
    return (perm_id,) if perm_id else (client_id, order_id)
