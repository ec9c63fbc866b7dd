"""What a person does by hand: halt the desk, flatten positions, settle what is unknown.

Beside the evening (``nightly``), with the same journal, the same order machine and the same gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from afterclose import clock as calendar
from afterclose.by_hand.words import yes_to
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import FuturesContract
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderEvent, OrderState
from afterclose.errors import BrokerError
from afterclose.evening import settling
from afterclose.evening.books import anything_at_large, lately, unended_by_hand
from afterclose.evening.desk import Desk
from afterclose.evening.dispatch import may_send_until
from afterclose.ports import BrokerReader
from afterclose.stages import cancelling, flatten, submit

#: How long a flattening is followed before what is left is read.
FOLLOW_S = 30.0


async def for_a_while(orders: submit.Following) -> None:
    """Follow for so long as a person waits at the screen."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FOLLOW_S):
            await orders.final()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenRequest:
    """Which positions, by what orders, and by whom."""

    selection: flatten.Selection
    order_type: str = "MKT"
    ticks: int = 0
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened:
    """What became of it. ``left`` is None where the positions afterwards are not known.

    ``lost`` is how the gateway was lost on the way: flattened again, the rest goes.
    """

    lives: Mapping[str, OrderLife]
    cancelling: cancelling.Cancelling
    rows: tuple[flatten.FlattenRow, ...]
    left: tuple[flatten.FlattenRow, ...] | None
    lost: BrokerError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a flattening would do: the positions, and this desk's orders where there is none.

    Those are cancelled with the others: what is flattened shall not be opened by them later.
    """

    rows: tuple[flatten.FlattenRow, ...]
    waiting: tuple[BrokerOrder, ...]


async def survey(desk: Desk, request: FlattenRequest) -> Survey:
    """Show what would be closed and cancelled, and how. Nothing is cancelled or sent.

    Raises BrokerTimeout while positions or working orders are unknown.
    """
    async with desk.reader() as reader:
        await hear(desk, reader)
        account = await reader.account(desk.settings.desk.account)
        rows = await _rows(desk, reader, request, account)
    held = {p.con_id for p in account.positions or () if p.quantity}
    working = [o for o in account.working_orders or () if o.con_id not in held]
    ours = desk.ledger.named({o.order_ref for o in working if o.order_ref})
    waiting = [
        order
        for order in working
        if order.order_ref in ours and request.selection.names(ours[order.order_ref].contract)
    ]
    return Survey(rows=rows, waiting=tuple(waiting))


async def hear(desk: Desk, reader: BrokerReader) -> None:
    """Write down what the broker's book tells of our orders whose end nobody has seen yet.

    A command that was killed heard no more of them. What the whole book does not show is unknown
    from then on, which a person can settle; until somebody has looked it could not be.
    """
    session = calendar.session_at(desk.clock.now())
    if anything_at_large(desk.ledger, session) or unended_by_hand(desk.ledger, session):
        settling.hear(desk, await reader.sweep())


async def preview(desk: Desk, request: FlattenRequest) -> tuple[flatten.FlattenRow, ...]:
    """Show what would be closed, and how. Raises BrokerTimeout as ``survey`` does."""
    return (await survey(desk, request)).rows


async def carry_out(
    desk: Desk,
    request: FlattenRequest,
    shown: Sequence[flatten.FlattenRow],
    *,
    on_event: Callable[[OrderEvent], None],
    waiting: Sequence[BrokerOrder] = (),
    follow: submit.Follow = for_a_while,
) -> Flattened:
    """Cancel ours, wait for the proof, and send the orders that were shown.

    ``waiting`` are ours on contracts without a position (``survey``); ``follow`` says how long what
    was sent is listened to.

    Positions are read again after the cancellations: a contract whose order would now be another
    one is left alone, and one in which an order of ours filled meanwhile, since the position that
    is told may be the one from before. Raises SafetyError while the desk is halted, BrokerTimeout
    where positions or the book are not known.
    """
    may_send_until(desk)
    orders = [row.order for row in shown if row.order is not None]
    yes = yes_to(desk, "flatten", tuple(o.order_ref for o in orders), by=request.by)
    desk.ledger.record_approval(yes)
    lost: list[BrokerError] = []
    async with desk.reader() as reader, desk.open_order_desk(yes) as order_desk:
        until = may_send_until(desk)  # once more: the gateway may have been waited for
        meant = {row.position.con_id for row in shown if row.order is not None}
        meant |= {order.con_id for order in waiting}
        ended = await cancelling.run(
            order_desk,
            desk.ledger,
            run_id=yes.run_id,
            con_ids=None if request.selection.everything else meant,
            on_event=on_event,
        )
        alone = {order.con_id for order in ended.still_open} | ended.filled
        now = await plan(desk, reader, request)
        going = [r for r in flatten.unchanged(shown, now) if r.position.con_id not in alone]
        known = await submit.run(
            order_desk,
            desk.ledger,
            submit.SubmitRequest(
                run_id=yes.run_id,
                orders=[row.order for row in going if row.order is not None],
                qualified={r.qualified.contract: r.qualified for r in going if r.qualified},
                answer_timeout_s=desk.settings.sending.answer_timeout_s,
                sends_until=until,
                parts={r.order.order_ref: r.parts for r in going if r.order is not None},
            ),
            desk.clock,
            on_event=on_event,
            on_lost=lost.append,
            follow=follow,
        )
        try:
            left = await _left(desk, reader, request)
        except BrokerError as error:  # the orders are out: what became of them is told all the same
            lost.append(error)
            left = None
    return Flattened(
        lives=known,
        cancelling=ended,
        rows=tuple(going),
        left=left,
        lost=lost[0] if lost else None,
    )


async def _left(
    desk: Desk, reader: BrokerReader, request: FlattenRequest
) -> tuple[flatten.FlattenRow, ...] | None:
    account = await reader.account(desk.settings.desk.account)
    if account.positions is None or account.working_orders is None:
        return None
    return await _rows(desk, reader, request, account)


async def plan(
    desk: Desk, reader: BrokerReader, request: FlattenRequest
) -> tuple[flatten.FlattenRow, ...]:
    """Make a row per position that is meant, from what the account is now."""
    account = await reader.account(desk.settings.desk.account)
    return await _rows(desk, reader, request, account)


async def _rows(
    desk: Desk,
    reader: BrokerReader,
    request: FlattenRequest,
    account: AccountSnapshot,
) -> tuple[flatten.FlattenRow, ...]:
    qualified = await reader.describe({p.con_id for p in account.positions or ()})
    by_contract = await reader.quotes(list(qualified.values())) if qualified else {}
    session = calendar.session_at(desk.clock.now())
    past = lives(desk.ledger.orders(session), desk.ledger.events(session))
    working = {o.order_ref for o in account.working_orders or () if o.order_ref}
    return flatten.plan(
        flatten.FlattenInputs(
            desk=desk.settings.desk.name,
            session=session,
            account=account,
            qualified=qualified,
            specs=desk.specs,
            quotes={q.con_id: by_contract[q.contract] for q in qualified.values()},
            held={model: desk.ledger.held(model) for model in desk.ledger.models()},
            ours=frozenset(desk.ledger.named(working)),
            past={ref: life.state for ref, life in past.items()},
            doubtful=doubtful(_in_question(desk, request, past).values(), working),
            selection=request.selection,
            order_type=request.order_type,
            ticks=request.ticks,
        )
    )


def _in_question(
    desk: Desk, request: FlattenRequest, tonight: Mapping[str, OrderLife]
) -> Mapping[str, OrderLife]:
    """Orders that may be in doubt: of this session, where the account says how much is closed.

    Where a model's own records say it, those of earlier evenings as well: what one of them filled
    unheard the model no longer holds, and another one's would be closed in its place.
    """
    if not request.selection.model:
        return tonight
    ledger, session = desk.ledger, calendar.session_at(desk.clock.now())
    earlier = (lives(ledger.orders(day), ledger.events(day)) for day in lately(ledger, session))
    return {ref: life for known in earlier for ref, life in known.items()}


def doubtful(past: Iterable[OrderLife], working: Collection[str]) -> dict[FuturesContract, str]:
    """Contracts on which an order of ours neither works nor is known to have ended, and why.

    What works is cancelled first.
    """
    return {
        life.order.contract: _what_to_do(life)
        for life in past
        if life.order.order_ref not in working
        and life.state is not OrderState.INTENDED
        and not life.state.final
    }


def _what_to_do(life: OrderLife) -> str:
    ref, state = life.order.order_ref, life.state
    if state is OrderState.UNKNOWN:
        return f"{ref} is unknown: look in TWS, then say what became of it: 'afterclose resolve'"
    return f"{ref} is {state.value}, and does not work: the same command again looks for it"
