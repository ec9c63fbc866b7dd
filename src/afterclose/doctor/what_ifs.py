"""What the gateway would say to an order, exchange by exchange, asked as what-ifs: nothing is sent.

Read-only mode, TWS's precautions and missing trading permissions show in no other way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from afterclose.bootstrap import explain_code, margin_preview
from afterclose.doctor.diagnosis import Diagnosis, fails, good, note, unknown
from afterclose.domain.contracts import MappedContract, QualifiedContract, Session
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import Quote
from afterclose.domain.order_life import NOT_VALID
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.errors import AfterCloseError
from afterclose.ports import Clock
from afterclose.settings import Settings

PART = "gateway"
_READ_ONLY = "read-only"
#: TWS's own limits on size, value and price.
_PRECAUTIONS = frozenset({109, 163, 382, 383, 451, 10311})
_PERMISSION = frozenset({203, 460})


async def check(
    settings: Settings,
    clock: Clock,
    session: Session,
    probes: Sequence[tuple[MappedContract, QualifiedContract, Quote | None]],
) -> tuple[Diagnosis, ...]:
    """Ask for one contract on each exchange."""
    orders = {
        q.exchange: (_order(settings, session, mapped, quote.price), q)
        for mapped, q, quote in probes
        if quote is not None and quote.price is not None
    }
    if not orders:
        return (
            unknown(
                PART, "orders", "no market has a price to ask with", "ask while a market is open"
            ),
            _master(settings),
        )
    try:
        async with margin_preview(settings, clock) as preview:
            answers = await preview.what_ifs(list(orders.values()))
    except AfterCloseError as error:
        return (unknown(PART, "orders", str(error), error.hint), _master(settings))
    by_exchange = {x: answers[order.order_ref] for x, (order, _) in orders.items()}
    return (*judged(by_exchange), _master(settings))


def _order(
    settings: Settings, session: Session, mapped: MappedContract, market: Decimal
) -> BasketOrder:
    price = mapped.spec.to_tick(market)
    return BasketOrder(
        order_ref=f"doctor-{mapped.contract.symbol}",
        model="DOCTOR",
        mapped=mapped,
        action=Action.BUY,
        quantity=1,
        kind=TradeKind.ENTRY,
        limit_price=price,
        account=settings.desk.account,
        session=session,
        trade_id=f"doctor/{mapped.contract.symbol}",
        model_quantity=1,
        held_before=0,
        reference_price=price,
    )


def judged(answers: Mapping[str, MarginImpact]) -> Iterator[Diagnosis]:
    """Say what the answers mean, by exchange."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    texts: dict[str, tuple[int | None, str]] = {}
    for exchange, answer in sorted(answers.items()):
        kind = _kind(answer)
        groups[kind].append(exchange)
        texts.setdefault(kind, (answer.code, answer.text or answer.warning))
    for kind, exchanges in groups.items():
        yield _line(kind, ", ".join(exchanges), *texts[kind])


def _kind(answer: MarginImpact) -> str:
    text = answer.text.lower()
    if answer.code == NOT_VALID and _READ_ONLY in text:
        return "read-only"
    if answer.code in _PRECAUTIONS:
        return "precautions"
    if answer.code in _PERMISSION or "permission" in text:
        return "permission"
    if answer.refused:
        return "refused"
    if answer.initial_after is None:
        return "unanswered"
    return "taken"


def _line(kind: str, exchanges: str, code: int | None, text: str) -> Diagnosis:
    said = f"{exchanges}: {text}" if text else exchanges
    advice = explain_code(code, text) if code is not None else ""
    lines = {
        "taken": good(PART, "orders", f"would be taken on {exchanges}"),
        "read-only": fails(
            PART,
            "orders",
            "the API is in Read-Only mode: tonight can be prepared, not sent",
            "API > Settings: take the tick from Read-Only API when you want to send",
        ),
        "precautions": fails(PART, "orders", f"TWS's precautions refuse them on {said}", advice),
        "permission": note(PART, "orders", f"no permission to trade on {said}", advice),
        "refused": note(PART, "orders", f"refused on {said}", advice),
    }
    no_answer = unknown(PART, "orders", f"no answer to a what-if on {said}", "ask again")
    return lines.get(kind, no_answer)


def _master(settings: Settings) -> Diagnosis:
    return unknown(
        PART,
        "master client",
        "no client can ask for it",
        f"look at API > Settings > Master API client ID: empty, or {settings.broker.client_id} to "
        "see fills of other programs; never the number of another program that trades",
    )
