"""What clients are told of orders, positions and the account, as messages."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from afterclose.tws_sim import messages, order_messages
from afterclose.tws_sim.account import Account
from afterclose.tws_sim.account_values import Value
from afterclose.tws_sim.contracts import Listing
from afterclose.tws_sim.exchange import (
    BookEvent,
    Cancelled,
    Filled,
    HeldUntilOpen,
    StatusChanged,
)
from afterclose.tws_sim.orders import Order
from afterclose.tws_sim.scenario import Connectivity


def order_frames(version: int, order: Order, account: str) -> list[bytes]:
    """Return openOrder and orderStatus of an order."""
    opened = order_messages.open_order(version, order, account)
    return [opened, order_messages.order_status(order)]


def event_frames(version: int, event: BookEvent, account: str) -> list[bytes]:
    """Return what the owner of an order is told of an event, in TWS's order."""
    match event:
        case StatusChanged(order=order):
            return order_frames(version, order, account)
        case HeldUntilOpen(order=order, opens=opens):
            text = (
                f"Order Message:\n{order.ticket.action} {order.ticket.quantity.normalize():f} "
                f"{order.instrument.label}\nWarning: Your order will not be placed at the "
                f"exchange until {messages.local_time(opens)}"
            )
            return [messages.error(version, order.order_id, 399, text)]
        case Filled(order=order, execution=execution):
            return [
                messages.execution_details(version, -1, execution),
                *order_frames(version, order, account),
                messages.commission_report(execution),
            ]
        case Cancelled(order=order, reason=reason):
            text = f"Order Canceled - reason:{reason}"
            return [
                messages.error(version, order.order_id, 202, text),
                order_messages.order_status(order),
            ]
        case _:
            return []


def position_frame(account: Account, listing: Listing, *, exchange: str) -> bytes:
    """Return the position message of a contract; a position that is gone has quantity zero."""
    held = account.positions.get(listing.con_id)
    quantity = Decimal(0) if held is None else held.quantity
    cost = Decimal(0) if held is None else held.average_cost
    return messages.position(account.name, listing, quantity, cost, exchange=exchange)


def portfolio_frame(account: Account, listing: Listing, price: Decimal) -> bytes:
    """Return the portfolio line of a contract; it shows the price in major currency units."""
    held = account.positions.get(listing.con_id)
    quantity = cost = unrealized = realized = Decimal(0)
    if held is not None:
        quantity, cost = held.quantity, held.average_cost
        unrealized, realized = held.unrealized(price), held.realized
    major = price / listing.magnifier
    return messages.portfolio_value(
        account.name, listing, quantity, major, cost, unrealized, realized
    )


def account_frames(account: str, values: Iterable[Value]) -> list[bytes]:
    """Return account values as account update messages, and that they are whole."""
    frames = [messages.account_value(key, text, unit, account) for key, text, unit in values]
    return [*frames, messages.account_value("AccountReady", "true", "", account)]


def connectivity_error(connectivity: Connectivity) -> tuple[int, str] | None:
    """Return the code and text that announce a change of the line to the broker."""
    lost = "Connectivity between IBKR and Trader Workstation has been lost."
    restored = "Connectivity between IBKR and Trader Workstation has been restored"
    return {
        Connectivity.LOST: (1100, lost),
        Connectivity.RESTORED_DATA_LOST: (1101, f"{restored} - data lost."),
        Connectivity.RESTORED: (1102, f"{restored} - data maintained."),
    }.get(connectivity)
