"""Places and cancels orders, and tells what the gateway says of them.

The desk keeps no order state: it writes, and passes on what it hears (``order_stream``). It guards
the door instead. Only references of the approval go through, only for its account, and none that
the broker's book shows already. The book must have been read whole before the first order, and
again after TWS had lost IBKR's servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from afterclose.adapters.ibkr.book import read_book, read_open_orders
from afterclose.adapters.ibkr.convert import order_contract
from afterclose.adapters.ibkr.order_stream import OrderStream
from afterclose.adapters.ibkr.reader import require_account
from afterclose.adapters.ibkr.session import Session, connected
from afterclose.adapters.ibkr.written_order import ib_order
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.orders import Approval, BasketOrder, OrderEvent
from afterclose.errors import (
    ApprovalVoid,
    BrokerError,
    BrokerTimeout,
    BrokerUnavailable,
    ContractError,
    NotApproved,
    RunAlreadySubmitted,
)
from afterclose.ports import Clock


class IbkrDesk:
    """An ``OrderDesk`` on one open session. Made by ``open_desk``."""

    def __init__(self, session: Session, approval: Approval, numbers_from: int) -> None:
        self._session = session
        self._numbers_from = numbers_from
        self._approval = approval
        self._approved = approval.names()
        self._stream = OrderStream(
            client_id=session.client_id,
            clock=session.clock,
            lost=lambda: session.line_lost_error("orders were followed"),
        )
        session.receiver.attach(self._stream)
        self._taken: set[str] = set()
        self._book_lock = asyncio.Lock()
        #: State of the line to IBKR's servers when the book was last read whole.
        self._book_read_at: int | None = None

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        """Write one order to the wire; return when its bytes have left for the socket.

        Raises, with nothing sent: NotApproved or ApprovalVoid; RunAlreadySubmitted when the
        reference is at the broker or was sent by this desk; ContractError for another contract, or
        a type or price that the contract does not take; BrokerTimeout when the book cannot be read
        whole; BrokerUnavailable when the line, or TWS's own to IBKR, is down. Once its bytes have
        left, the order's fate comes through ``events`` alone, a lost line included.
        """
        self._require_approval(order)
        if qualified.contract != order.contract:
            raise ContractError(
                f"{order.order_ref} is for {order.contract}, not for {qualified.contract}"
            )
        now = self._session.clock.now()
        contract, written = order_contract(qualified), ib_order(order, qualified, now=now)
        self._require_servers()
        await self._require_book()
        if order.order_ref in self._taken:
            raise RunAlreadySubmitted(
                f"{order.order_ref} is at the broker already; nothing was sent"
            )
        number = max(
            self._session.receiver.next_valid_id,
            self._stream.highest_number + 1,
            self._numbers_from,
        )
        self._taken.add(order.order_ref)
        self._stream.placed(number, order.order_ref)

        def write() -> None:
            self._require_unchanged()  # its turn may have come seconds later
            self._session.client.placeOrder(number, contract, written)

        try:
            await self._session.send_order(number, write)
        except BaseException:  # before its bytes left: the reference is free again
            self._taken.discard(order.order_ref)
            raise

    def _require_approval(self, order: BasketOrder) -> None:
        approval = self._approval
        if order.order_ref not in self._approved:
            raise NotApproved(f"{order.order_ref} is not among the approved orders")
        if order.account != approval.account:
            raise NotApproved(
                f"{order.order_ref} is for account {order.account}, "
                f"the approval is for {approval.account}"
            )
        if self._session.clock.now() >= approval.expires_at:
            raise ApprovalVoid(
                f"the approval of {approval.run_id} ended at {approval.expires_at:%H:%M:%S %Z}",
                hint="look at the report again and approve it again",
            )

    def _require_servers(self) -> None:
        if self._session.receiver.servers_lost:
            raise BrokerUnavailable(
                "TWS has lost its line to IBKR's servers; nothing was sent",
                hint="wait until it is back (TWS says 1101 or 1102), then send again",
            )

    def _require_unchanged(self) -> None:
        self._require_servers()
        if self._book_read_at != self._session.receiver.server_changes:
            raise BrokerUnavailable(
                "TWS lost IBKR's servers while the order waited for its turn; nothing was sent",
                hint="read the broker's book and send again",
            )

    async def _require_book(self) -> None:
        async with self._book_lock:
            if self._book_read_at == self._session.receiver.server_changes:
                return
            book = await self.sweep()
        if self._session.lost:
            raise self._session.line_lost_error("the broker's book was read; nothing was sent")
        if book.unknown:
            raise BrokerTimeout(
                f"no end of {', '.join(book.unknown)}: what is at the broker is not known, "
                "nothing was sent",
            )

    async def cancel(self, order_ref: str) -> None:
        """Ask for a cancellation; every incarnation of the reference is meant.

        Whether it succeeds comes through ``events``. Raises BrokerError when no working order of
        this client carries the reference, BrokerTimeout when that cannot be found out.
        """
        if not self._stream.numbers_of(order_ref):
            await self._look_for(order_ref)
        for number in self._stream.numbers_of(order_ref):
            await self._session.send_order(
                number, partial(self._session.client.cancelOrder, number)
            )

    async def _look_for(self, order_ref: str) -> None:
        working = await read_open_orders(self._session)
        if self._session.lost:
            raise self._session.line_lost_error(f"looking for {order_ref}")
        if working is None:
            raise BrokerTimeout(f"the working orders could not be read; {order_ref} still stands")
        if self._stream.numbers_of(order_ref):
            return
        owners = sorted({o.client_id for o in working if o.order_ref == order_ref})
        whose = f"; client number {owners[0]} owns it" if owners else ""
        raise BrokerError(
            f"client number {self._session.client_id} has no working order {order_ref}{whose}",
            hint="an order can only be cancelled by the client number that placed it, or in TWS",
        )

    def events(self) -> AsyncIterator[OrderEvent]:
        """Everything the gateway says about this client's orders, in the order it came.

        One consumer at a time. Nothing is lost between two of them. When the line breaks, the
        iterator raises BrokerUnavailable after the last event; when the desk closes, it ends.
        """
        return self._stream.events()

    async def sweep(self) -> OrderSweep:
        """Read the broker's book whole, all clients, all accounts of the login."""
        changes = self._session.receiver.server_changes
        with self._stream.reading():
            book = await read_book(self._session)
        orders = (*book.open_orders, *book.completed_orders)
        self._taken.update(order.order_ref for order in orders if order.order_ref)
        self._taken.update(found.order_ref for found in book.fills if found.order_ref)
        if not book.unknown:
            self._book_read_at = changes
        return book

    def close(self) -> None:
        """End the stream of events. Working orders stay where they are."""
        self._stream.close()


@asynccontextmanager
async def open_desk(
    *,
    host: str,
    port: int,
    client_id: int,
    approval: Approval,
    timeout_s: float = 10.0,
    clock: Clock | None = None,
    numbers_from: int = 0,
) -> AsyncIterator[IbkrDesk]:
    """Connect for placing the orders of one approval.

    Order numbers begin at ``numbers_from`` where the gateway offers a lower one. A gateway whose
    sequence was reset offers numbers that were used today, and tells those of ended orders no more.
    ``clock`` dates the events and judges whether the approval still holds (the machine's clock by
    default). Raises AccountMismatch when the login does not have the approval's account,
    BrokerUnavailable, or BrokerError (326: client number in use).
    """
    async with connected(
        host=host, port=port, client_id=client_id, timeout_s=timeout_s, clock=clock
    ) as session:
        require_account(session, approval.account)
        desk = IbkrDesk(session, approval, numbers_from)
        try:
            yield desk
        finally:
            desk.close()
