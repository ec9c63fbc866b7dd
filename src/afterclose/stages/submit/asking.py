"""What is asked of the gateway just before sending: are the contracts still what was approved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.market import FxRates, Qualification, QualificationState, Quote
from afterclose.domain.netting import Netting
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.domain.sending import PriceGuard, SendLimits
from afterclose.ports import BrokerReader
from afterclose.stages.submit.door import Departure, Door, departures, needs_quote
from afterclose.stages.submit.terms import SubmitRequest
from afterclose.stages.submit.turns import closing_leg, lonely, to_send


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What a person approved, and what the desk knows beside it.

    ``rows`` are the audit's rows of the approved ``orders``; ``past`` is every order this desk
    named for the session.
    """

    run_id: str
    orders: Sequence[BasketOrder]
    rows: Sequence[AuditRow]
    past: Mapping[str, OrderLife]
    rates: FxRates
    limits: SendLimits
    guard: PriceGuard
    #: How the approved rows became ``orders``.
    netting: Netting = field(default_factory=Netting)


async def request(reader: BrokerReader, approved: Approved) -> SubmitRequest:
    """Ask for every contract again and put together what sending needs."""
    answers = await reader.qualify({o.contract: o.mapped for o in approved.orders}.values())
    shown = {row.order.contract: row.qualified for row in approved.rows if row.qualified}
    judged = {c: _judge(shown.get(c), answer) for c, answer in answers.items()}
    return SubmitRequest(
        run_id=approved.run_id,
        orders=approved.orders,
        netting=approved.netting,
        qualified={c: found for c, (found, _) in judged.items() if found is not None},
        door=Door(
            limits=approved.limits,
            guard=approved.guard,
            closes={r.order.contract: r.close.close for r in approved.rows if r.close is not None},
            rates=approved.rates,
            gone=[(order, None) for order in _gone(approved.past.values())],
            held_back={
                o.order_ref: why
                for o in approved.orders
                if (why := judged.get(o.contract, (None, ""))[1])
            },
        ),
        quotes=reader.quotes,
    )


async def rehearse(
    reader: BrokerReader, asked: SubmitRequest, known: Mapping[str, OrderLife]
) -> tuple[Departure, ...]:
    """Say what would go now, in which order, and what would stay and why. Sends nothing."""
    waiting = to_send(known, asked.orders)
    wanted = {o.contract for o in waiting if needs_quote(asked.door, o)}
    contracts = [found for c, found in asked.qualified.items() if c in wanted]
    return leaving(asked, known, await reader.quotes(contracts) if contracts else {})


def leaving(
    asked: SubmitRequest,
    known: Mapping[str, OrderLife],
    quotes: Mapping[FuturesContract, Quote],
) -> tuple[Departure, ...]:
    """Judge what never left, as a sending would at this moment. Pure."""
    waiting = to_send(known, asked.orders)
    legs = {order.order_ref: closing_leg(known, order) for order in waiting}
    alone = {
        ref: why
        for ref, closing in legs.items()  # one that never left itself is judged with the others
        if closing is not None and closing.state is not OrderState.INTENDED
        if (why := lonely(closing))
    }
    door = replace(asked.door, held_back={**asked.door.held_back, **alone})
    return departures(door, waiting, asked.qualified, quotes)


def _gone(past: Iterable[OrderLife]) -> Iterable[BasketOrder]:
    """Orders that left before; of one that was gone on with, the first attempt counts for all."""
    left = (life.order for life in past if life.state is not OrderState.INTENDED)
    return (order for order in left if not order.replaces)


def _judge(
    shown: QualifiedContract | None, answer: Qualification
) -> tuple[QualifiedContract | None, str]:
    """Return the contract to trade, and what is against it. Silence leaves what was approved."""
    if answer.state is QualificationState.UNKNOWN:
        return shown, ""
    found = answer.qualified
    if answer.state is not QualificationState.FOUND or found is None:
        return shown, f"the gateway no longer knows it ({answer.state.value}: {answer.text})"
    if shown is None or found.con_id == shown.con_id:
        return found, ""
    return shown, f"it is contract {found.con_id} now, {shown.con_id} was approved"
