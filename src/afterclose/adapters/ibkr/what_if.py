"""Asks TWS what an order would do to the margin: what-ifs, and nothing else.

A what-if goes out as the message that places an order, with one flag set; TWS then answers with
margins and creates no order. The flag is set here, on every order that this module writes, and the
order's name is taken off: what is asked here can neither reach the market nor be taken for an order
of the desk. It is asked under a client number of its own, so that no order number is used up.

TWS leaves a figure that it could not work out unset (the largest double, an empty text, or zeros
all over): unset is unknown. A read-only API refuses what-ifs as it refuses orders (321); then one
is asked, and the others are unknown for the same reason.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal

from ib_async.order import Order, OrderState

from afterclose.adapters.ibkr.code_entry import CodeKind
from afterclose.adapters.ibkr.codes import explain
from afterclose.adapters.ibkr.convert import money, order_contract
from afterclose.adapters.ibkr.reader import require_account
from afterclose.adapters.ibkr.receiver import Outcome, Reply
from afterclose.adapters.ibkr.rows import OpenOrderRow
from afterclose.adapters.ibkr.session import Session, connected
from afterclose.adapters.ibkr.written_order import ib_order
from afterclose.domain.contracts import QualifiedContract
from afterclose.domain.margin import MarginImpact
from afterclose.domain.orders import BasketOrder
from afterclose.errors import ContractError
from afterclose.ports import Clock

#: Refusals that are about the set-up, not about the order: the next one would be refused, too.
_NOT_ABOUT_THE_ORDER = frozenset({CodeKind.SETUP, CodeKind.LINE})


class IbkrMarginPreview:
    """A ``MarginPreview`` on one open session. Made by ``open_margin_preview``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers = itertools.count(session.receiver.next_valid_id)

    async def what_ifs(
        self, orders: Sequence[tuple[BasketOrder, QualifiedContract]]
    ) -> Mapping[str, MarginImpact]:
        """Ask for each order alone; the first answer tells whether asking on makes sense."""
        if not orders:
            return {}
        (first, qualified), *rest = orders
        impact = await self._what_if(first, qualified)
        answers = {first.order_ref: impact}
        if _pointless(impact):
            return answers | {
                o.order_ref: MarginImpact(quantity=o.quantity, code=impact.code, text=impact.text)
                for o, _ in rest
            }
        others = await asyncio.gather(*(self._what_if(o, q) for o, q in rest))
        return answers | {o.order_ref: found for (o, _), found in zip(rest, others, strict=True)}

    async def _what_if(self, order: BasketOrder, qualified: QualifiedContract) -> MarginImpact:
        try:
            written = what_if_order(order, qualified, now=self._session.clock.now())
        except ContractError as error:
            return MarginImpact(quantity=order.quantity, text=str(error))
        contract = order_contract(qualified)
        reply = await self._session.ask(
            lambda number: self._session.client.placeOrder(number, contract, written),
            numbers=self._numbers,
            enough=bool,
        )
        return margin_impact(order, reply)


def what_if_order(order: BasketOrder, qualified: QualifiedContract, *, now: datetime) -> Order:
    """Write an order as a what-if: nameless, plain, never to be placed. Raises ContractError.

    When it would start and how long it would stay change no margin, and are left out.
    """
    written = ib_order(order, qualified, now=now)
    written.whatIf = True
    written.tif = "DAY"
    written.goodAfterTime = ""
    written.goodTillDate = ""
    written.orderRef = ""
    written.algoStrategy = ""
    written.algoParams = []
    return written


def margin_impact(order: BasketOrder, reply: Reply) -> MarginImpact:
    """Judge one answer. Pure."""
    states = [row.state for row in reply.rows if isinstance(row, OpenOrderRow)]
    if not reply.ended or not states:
        return MarginImpact(
            quantity=order.quantity,
            refused=_refused(reply),
            code=reply.code,
            text=reply.text or "TWS gave no margins",
        )
    return _read(order, states[-1])


def _refused(reply: Reply) -> bool:
    if reply.outcome is not Outcome.REFUSED or reply.code is None:
        return False
    return explain(reply.code, reply.text).kind not in _NOT_ABOUT_THE_ORDER


def _pointless(impact: MarginImpact) -> bool:
    if impact.code is None:
        return False
    return explain(impact.code, impact.text).kind in _NOT_ABOUT_THE_ORDER


def _read(order: BasketOrder, state: OrderState) -> MarginImpact:
    initial, maintenance = money(state.initMarginAfter), money(state.maintMarginAfter)
    worked_out = any((initial, maintenance, money(state.equityWithLoanAfter)))
    binds = order.kind.closes or bool(initial and initial > 0)  # what opens binds some margin
    if initial is None or not worked_out or not binds:
        return MarginImpact(
            quantity=order.quantity,
            warning=state.warningText,
            text=state.warningText or "TWS left the margins unset",
        )
    return MarginImpact(
        quantity=order.quantity,
        initial_before=_before(state.initMarginBefore, state.initMarginChange, initial),
        initial_after=initial,
        maintenance_before=_before(state.maintMarginBefore, state.maintMarginChange, maintenance),
        maintenance_after=maintenance,
        warning=state.warningText,
    )


def _before(before: str, change: str, after: Decimal | None) -> Decimal | None:
    """Read the figure, or work it out from the change: either may be unset."""
    told, changed = money(before), money(change)
    if told is not None or changed is None or after is None:
        return told
    return after - changed


@asynccontextmanager
async def open_margin_preview(
    *,
    host: str,
    port: int,
    client_id: int,
    account: str,
    timeout_s: float = 10.0,
    clock: Clock | None = None,
) -> AsyncIterator[IbkrMarginPreview]:
    """Connect for what-ifs alone.

    Raises BrokerUnavailable, BrokerError (326: client number in use) or AccountMismatch.
    """
    async with connected(
        host=host, port=port, client_id=client_id, timeout_s=timeout_s, clock=clock
    ) as session:
        require_account(session, account)
        yield IbkrMarginPreview(session)
