"""The exchange: the book of orders, and what time does to it.

Orders do not meet each other; each trades against the market's quote, no more than the quote
shows, and finds new contracts there a minute later. ``run_until`` plays everything that is due in
the order of time: openings, triggers, fills, expiries, settlements.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from afterclose.tws_sim.account import Account
from afterclose.tws_sim.contracts import CashPair, Listing
from afterclose.tws_sim.hours import SessionHours
from afterclose.tws_sim.matching import (
    CLOSING_TYPES,
    needs_trigger,
    price_and_size,
    takes,
    triggers,
    wanted,
)
from afterclose.tws_sim.orders import Execution, Order, Status, Ticket
from afterclose.tws_sim.prices import Prices, Quote

_SLICE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_PAIR_COMMISSION = Decimal(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """An order was accepted, began to work, or was changed."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUntilOpen:
    """The market is closed; the order is alive and goes to the exchange at an opening."""

    order: Order
    opens: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """An order traded, wholly or in part."""

    order: Order
    execution: Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """An order ended without (further) trades."""

    order: Order
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A position was settled, or a contract ended."""

    listing: Listing


BookEvent = StatusChanged | HeldUntilOpen | Filled | Cancelled | Settled


class Exchange:
    """The book. ``tell`` is called with every event, as it happens."""

    def __init__(
        self, *, prices: Prices, account: Account, at: datetime, tell: Callable[[BookEvent], None]
    ) -> None:
        self._prices = prices
        self._account = account
        self._tell = tell
        self.at = at
        self.orders: dict[int, Order] = {}
        self.working: dict[int, Order] = {}
        self.working_on: Counter[tuple[int, str]] = Counter()
        """How many orders work on each side of each contract."""
        self.executions: list[Execution] = []
        self.last_execution = 0
        self._closings: dict[int, SessionHours] = {}
        self._queue: list[tuple[datetime, int, int]] = []
        self._due_of: dict[int, datetime] = {}
        self._ties = count()

    # -- what clients do ---------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        """Put a new order into the book; it trades at once if it can."""
        self.adopt(order)
        self._begin(order)
        self._schedule(order)

    def adopt(self, order: Order) -> None:
        """Take an order into the books as it is."""
        self.orders[order.perm_id] = order
        if order.is_working:
            self.working[order.perm_id] = order
            self.working_on[order.instrument.con_id, order.ticket.action] += 1

    def replace(self, order: Order, ticket: Ticket) -> None:
        """Change a working order's quantity, prices or life."""
        order.ticket = ticket
        order.triggered = False
        order.next_slice = None
        self._begin(order)
        self._schedule(order)

    def cancel(self, order: Order, reason: str) -> None:
        """End a working order."""
        self._end(order, Status.CANCELLED, reason)

    def send_on(self, order: Order) -> None:
        """Let an order go to the market that was held."""
        order.held, order.status = False, Status.PRE_SUBMITTED
        self._begin(order)
        self._schedule(order)

    def _begin(self, order: Order) -> None:
        hours = self._prices.session(order.instrument, self.at)
        order.expires_at = _expiry(order.ticket, hours)
        if not order.is_sent_on:
            self._tell(StatusChanged(order=order))
            return
        if not hours.contains(self.at):
            order.status = Status.PRE_SUBMITTED
            self._tell(StatusChanged(order=order))
            self._tell(HeldUntilOpen(order=order, opens=hours.opens))
            return
        self._work(order)

    def _work(self, order: Order) -> None:
        waits = needs_trigger(order) or order.ticket.order_type in CLOSING_TYPES
        delayed = order.ticket.good_after is not None and order.ticket.good_after > self.at
        order.status = Status.PRE_SUBMITTED if waits or delayed else Status.SUBMITTED
        self._tell(StatusChanged(order=order))
        if not delayed:
            self._attempt(order)

    # -- what time does ----------------------------------------------------------------------

    def run_until(self, until: datetime) -> None:
        """Play everything due up to an instant, in order."""
        while self._queue and self._queue[0][0] <= until:
            due, _, perm_id = heapq.heappop(self._queue)
            if self._due_of.get(perm_id) != due:
                continue  # the order has ended, or was given another time since
            order = self.working[perm_id]
            self._settle_until(due)
            self.at = max(self.at, due)
            self._happen(order)
            self._schedule(order)
        self._settle_until(until)
        self.at = max(self.at, until)

    def schedule_all(self) -> None:
        """Look at every working order anew: prices or the clock's past have changed."""
        for order in list(self.working.values()):
            self._schedule(order)

    def _schedule(self, order: Order) -> None:
        due = self._due(order) if order.is_working else None
        if due is None:
            self._due_of.pop(order.perm_id, None)
            return
        self._due_of[order.perm_id] = due
        heapq.heappush(self._queue, (due, next(self._ties), order.perm_id))

    def _due(self, order: Order) -> datetime | None:
        """Return the next instant after now at which something can happen to an order."""
        if not order.is_sent_on:
            return order.expires_at
        hours = self._prices.session(order.instrument, self.at)
        if not hours.contains(self.at):
            return hours.opens
        end = hours.closes if order.expires_at is None else min(hours.closes, order.expires_at)
        if order.ticket.order_type in CLOSING_TYPES:
            return end
        start = self.at
        for later in (order.ticket.good_after, order.next_slice):
            if later is not None and later > start:
                start = later
        if start >= end:
            return max(end, self.at)
        found = self._prices.first_instant(order.instrument, hours, start, end, wanted(order))
        if found is None:
            return end
        return found if found > self.at else self.at + _SECOND

    def _happen(self, order: Order) -> None:
        running = self._prices.running(order.instrument, self.at)
        expires = order.expires_at is not None and order.expires_at <= self.at
        if order.ticket.order_type in CLOSING_TYPES and running.closes <= self.at:
            self._attempt(order)
        elif not expires and running.contains(self.at) and order.is_sent_on:
            if order.status is Status.PRE_SUBMITTED and not needs_trigger(order):
                self._work(order)
            else:
                self._attempt(order)
        if order.is_working and self._ends_now(order):
            self._end(order, Status.CANCELLED, "")

    def _ends_now(self, order: Order) -> bool:
        if order.expires_at is not None and order.expires_at <= self.at:
            return True
        item = order.instrument
        if isinstance(item, CashPair):
            return False
        running = self._prices.running(item, self.at)
        return running.closes <= self.at and running.session >= item.last_trade_date

    # -- trading -----------------------------------------------------------------------------

    def _attempt(self, order: Order) -> None:
        quote = self._prices.quote(order.instrument, self.at)
        if quote is None:
            return
        if order.ticket.order_type in CLOSING_TYPES and quote.is_open:
            return
        if needs_trigger(order):
            if not triggers(order, quote):
                return
            order.triggered = True
            order.status = Status.SUBMITTED
            self._tell(StatusChanged(order=order))
        order.next_slice = None
        if takes(order, quote):
            self._trade(order, quote)
        if order.is_working and order.ticket.tif in {"IOC", "FOK"}:
            self._end(order, Status.CANCELLED, "")

    def _trade(self, order: Order, quote: Quote) -> None:
        price, size = price_and_size(order, quote)
        if order.ticket.tif == "FOK" and size < order.remaining:
            return
        self._fill(order, size, price)
        if order.is_working:
            order.next_slice = self.at + _SLICE

    def _fill(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        item = order.instrument
        fee = _commission(order, quantity)
        realized = self._account.fill(item, order.action, quantity, price, fee)
        traded = order.average_price * order.filled + price * quantity
        order.filled += quantity
        order.average_price = traded / order.filled
        order.last_price = price
        execution = self._execution(order, quantity, price, fee, realized)
        self.executions.append(execution)
        if not order.remaining:
            self._complete(order, Status.FILLED, f"Filled Size: {order.filled.normalize():f}")
        self._tell(Filled(order=order, execution=execution))

    def _execution(
        self,
        order: Order,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        realized: Decimal | None,
    ) -> Execution:
        self.last_execution += 1
        return Execution(
            exec_id=f"0000e0d5.{int(self.at.timestamp()):08x}.{self.last_execution:08x}.01.01",
            perm_id=order.perm_id,
            client_id=order.client_id,
            order_id=order.order_id,
            order_ref=order.ticket.order_ref,
            account=self._account.name,
            instrument=order.instrument,
            action=order.action,
            quantity=quantity,
            price=price,
            at=self.at,
            cumulative=order.filled,
            average_price=order.average_price,
            commission=fee,
            realized=realized,
        )

    def _complete(self, order: Order, status: Status, text: str) -> None:
        order.status, order.held = status, False
        order.completed_at = self.at
        order.completed_text = text
        if self.working.pop(order.perm_id, None) is not None:
            self.working_on[order.instrument.con_id, order.ticket.action] -= 1
        self._due_of.pop(order.perm_id, None)

    def _end(self, order: Order, status: Status, reason: str) -> None:
        self._complete(order, status, reason or "Cancelled by Trader")
        self._tell(Cancelled(order=order, reason=reason))

    # -- settlement --------------------------------------------------------------------------

    def _settle_until(self, until: datetime) -> None:
        due = [item for item in self._coming_settlements() if item[0] <= until]
        while due:
            _, con_id = min(due)
            self._settle(con_id, self._closings.pop(con_id))
            due = [item for item in self._coming_settlements() if item[0] <= until]

    def _coming_settlements(self) -> list[tuple[datetime, int]]:
        for con_id, position in self._account.positions.items():
            if con_id not in self._closings:
                hours = self._prices.session(position.listing, self.at)
                self._closings[con_id] = hours
        for con_id in [key for key in self._closings if key not in self._account.positions]:
            del self._closings[con_id]
        return [(hours.closes, con_id) for con_id, hours in self._closings.items()]

    def _settle(self, con_id: int, hours: SessionHours) -> None:
        listing = self._account.positions[con_id].listing
        self.at = max(self.at, hours.closes)
        quote = self._prices.quote(listing, hours.closes)
        if quote is not None:
            if hours.session >= listing.last_trade_date:
                self._account.expire(con_id, quote.last)
            else:
                self._account.settle(con_id, quote.last, hours.session)
        self._tell(Settled(listing=listing))


def _expiry(ticket: Ticket, hours: SessionHours) -> datetime | None:
    if ticket.tif == "GTC":
        return None
    if ticket.tif == "GTD":
        return ticket.good_till
    return hours.closes


def _commission(order: Order, quantity: Decimal) -> Decimal:
    if isinstance(order.instrument, CashPair):
        return _PAIR_COMMISSION
    return order.instrument.product.commission * quantity
