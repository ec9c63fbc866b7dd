"""What our journal says, held against the gateway's own book, which is read beside the wire.

What is expected is worked out from the approved rows alone, by hand as it were: none of the
product's own arithmetic (netting, next attempts, sending order) is asked for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.netting import Netting, with_rows
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, EventKind, OrderState, TradeKind
from afterclose.domain.placing import LoneLeg, OrderType
from integration.sending.following import chains, gave_up, is_left
from integration.sending.mortal import OVER

Book = Mapping[str, Sequence[tws_sim.OrderView]]

_BOOK_STATES = {
    "Filled": {OrderState.FILLED},
    "Cancelled": {OrderState.CANCELLED},
    "Inactive": {OrderState.REJECTED},
    "PreSubmitted": {OrderState.ACKNOWLEDGED, OrderState.PARTLY_FILLED},
    "Submitted": {OrderState.WORKING, OrderState.PARTLY_FILLED},
}
_NOT_IN_THE_BOOK = frozenset({OrderState.INTENDED, OrderState.UNKNOWN, OrderState.REJECTED})
_ALGORITHMS = {"ADAPTIVE": "Adaptive", "VWAP": "Vwap"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the ledger says at the end. ``lives`` are those of orders that go to the market."""

    lives: Mapping[str, OrderLife]
    every: Mapping[str, OrderLife]
    netting: Netting
    #: Orders whose end we asked for, to go on with what is left.
    worked: frozenset[str]


def read_told(url: str, rows: Sequence[BasketOrder]) -> Told:
    ledger, session = SqlLedger(url), rows[0].session
    try:
        netting = ledger.netting(session)
        named = {o.order_ref: o for o in (*rows, *ledger.orders(session))}
        events = ledger.events(session)
    finally:
        ledger.close()
    every = lives(named.values(), events)
    inside = {row.order_ref for row in netting.rows}
    return Told(
        lives={ref: life for ref, life in every.items() if ref not in inside},
        every=every,
        netting=netting,
        worked=frozenset(e.order_ref for e in events if e.kind is EventKind.WORKED and e.status),
    )


def contradictions(
    rows: Sequence[BasketOrder], gateway: tws_sim.RunningGateway, told: Told
) -> Iterator[str]:
    """Name everything that must not be."""
    book: dict[str, list[tws_sim.OrderView]] = {}
    for view in gateway.orders():
        book.setdefault(view.order_ref, []).append(view)
    yield from (f"not ours to send: {ref}" for ref in set(book) - set(told.lives))
    for chain in chains(told.lives):
        yield from _of_a_chain(_approved(chain[0].order, rows, told.netting), chain, book)
    yield from _executions(gateway, told)
    yield from _rows(rows, told)
    yield from _attribution(rows, gateway, told)
    yield from _reasons(told)


def _approved(
    first: BasketOrder, rows: Sequence[BasketOrder], netting: Netting
) -> BasketOrder | None:
    """What a person's yes makes of this name: a row, or the sum of rows of the same terms."""
    by_ref = {row.order_ref: row for row in rows}
    if first.order_ref in by_ref:
        return by_ref[first.order_ref]
    parts = netting.carried.get(first.order_ref, {})
    carried = [by_ref[ref] for ref in parts if ref in by_ref]
    if not carried or len(carried) != len(parts):
        return None
    if any(_terms_beside_quantity(row) != _terms_beside_quantity(carried[0]) for row in carried):
        return None
    return replace(
        carried[0],
        order_ref=first.order_ref,
        quantity=sum(abs(part) for part in parts.values()),
    )


def _terms_beside_quantity(row: BasketOrder) -> tuple[object, ...]:
    return (*_terms(row), row.repricing, row.leg_limit)


def _of_a_chain(
    approved: BasketOrder | None, chain: Sequence[OrderLife], book: Book
) -> Iterator[str]:
    if approved is None:
        yield f"{chain[0].order.order_ref} was not approved"
        return
    filled, alive = 0, []
    for number, life in enumerate(chain):
        ref = life.order.order_ref
        placed = book.get(ref, [])
        at_market = life.order.order_type == OrderType.MKT and number > 0
        wanted = _attempt(approved, number, left=approved.quantity - filled, at_market=at_market)
        for view in placed:
            yield from _other_terms(ref, wanted, view)
        yield from of_a_name(ref, life, placed)
        filled += sum(int(view.filled) for view in placed)
        alive += [view for view in placed if view.status not in OVER]
    names = {view.order_ref for view in alive}
    if len(names) > 1:
        yield f"several attempts are alive at once: {sorted(names)}"
    doubled = any(len(book.get(life.order.order_ref, [])) > 1 for life in chain)
    if filled > approved.quantity and not doubled:
        yield f"{approved.order_ref}: {filled} filled of {approved.quantity} approved"
    if len(chain) > 1 + approved.attempts:
        yield f"{approved.order_ref}: {len(chain)} attempts, {approved.attempts} more were approved"


def _attempt(approved: BasketOrder, number: int, *, left: int, at_market: bool) -> BasketOrder:
    """The n-th attempt at an approved order, so many of it being left."""
    rule, further = approved.repricing, approved
    if number == 0:
        return approved
    if at_market:
        allowed = approved.leg_limit is not None and approved.leg_limit.then is LoneLeg.MARKET
        kind = OrderType.MKT.value if allowed else approved.order_type
        further = replace(approved, order_type=kind, good_after=None)
    elif rule is not None:
        step = approved.action.sign * rule.ticks * approved.mapped.spec.tick_size
        steps = min(number, rule.times)
        further = replace(approved, limit_price=approved.limit_price + steps * step)
    return replace(further, quantity=max(left, 1))


def _terms(row: BasketOrder) -> tuple[object, ...]:
    at_market = row.order_type in {"MKT", "MOC"}
    return (
        row.action.value,
        f"{row.contract.root}{row.contract.month.yyyymm}",
        Decimal(0) if at_market else row.limit_price,
        row.tif,
        "LMT" if row.order_type in _ALGORITHMS else row.order_type,
        _ALGORITHMS.get(row.order_type, ""),
        row.account,
        row.good_after,
        row.outside_rth and row.order_type != "MOC",
    )


def _other_terms(ref: str, wanted: BasketOrder, view: tws_sim.OrderView) -> Iterator[str]:
    went = (
        int(view.quantity),
        view.action,
        f"{view.root}{view.contract_month}",
        view.limit_price or Decimal(0),
        view.tif,
        view.order_type,
        view.algo,
        view.account,
        view.good_after,
        view.outside_rth,
    )
    terms = (wanted.quantity, *_terms(wanted))
    if went != terms:
        yield f"{ref} went out as {went}, not as {terms}"


def of_a_name(ref: str, life: OrderLife, placed: Sequence[tws_sim.OrderView]) -> Iterator[str]:
    """Hold one name of the journal against the orders that the book has under it."""
    sendings = {(view.client_id, view.order_id) for view in placed}
    if len(sendings) > 1:
        yield f"{ref} was sent {len(sendings)} times"
    if len(placed) == 1 and life.state not in _states(placed[0]):
        yield f"{ref} is {life.state.value}, the book says {placed[0].status}"
    if len(placed) > 1 and not life.doubled:
        yield f"{ref} is {len(placed)} orders in the book, and we do not say so"
    if len(placed) > 1 and life.state in _NOT_IN_THE_BOOK:
        yield f"{ref} is {life.state.value}, the book says {[v.status for v in placed]}"
    if sum(view.filled for view in placed) != life.filled:
        yield f"{ref} filled {life.filled}, the book says {[v.filled for v in placed]}"
    if not placed and life.state not in _NOT_IN_THE_BOOK:
        yield f"{ref} is {life.state.value}, and the book does not know it"


def _states(view: tws_sim.OrderView) -> set[OrderState]:
    """What we may say of an order that the book has so."""
    return {OrderState.UNKNOWN} if view.held else _BOOK_STATES[view.status]


def _executions(gateway: tws_sim.RunningGateway, told: Told) -> Iterator[str]:
    known = {f.exec_id for life in told.lives.values() for f in life.fills}
    happened = {e.exec_id for e in gateway.executions()}
    if known != happened:
        yield f"executions differ: {sorted(known ^ happened)}"


def _rows(rows: Sequence[BasketOrder], told: Told) -> Iterator[str]:
    """Each approved row is traded by one order, or inside, and never again."""
    netting, crossed = told.netting, defaultdict[object, int](int)
    for transfer in netting.transfers:
        crossed[transfer.contract] += transfer.quantity
    carried = {ref: p for ref, p in netting.carried.items() if not told.every[ref].order.replaces}
    for row in rows:
        ref = row.order_ref
        own = row.signed if ref in told.lives else 0
        shared = sum(parts.get(ref, 0) for parts in carried.values())
        if own + shared + netting.inside(ref) != row.signed:
            yield (
                f"{ref} is {row.signed:+d}: {own:+d} by itself, {shared:+d} in others, "
                f"{netting.inside(ref):+d} inside"
            )
    if not netting.rows:
        return
    for contract in {row.contract for row in rows}:
        mine = [row.signed for row in rows if row.contract == contract]
        could = min(sum(q for q in mine if q > 0), -sum(q for q in mine if q < 0))
        if crossed[contract] != could:
            yield f"{crossed[contract]} of {contract} crossed inside, {could} could"


def _attribution(
    rows: Sequence[BasketOrder], gateway: tws_sim.RunningGateway, told: Told
) -> Iterator[str]:
    """What the rows are said to have filled is what the account traded, contract by contract."""
    known = with_rows(told.every, told.netting)
    traded, said = defaultdict[str, int](int), defaultdict[str, int](int)
    for done in gateway.executions():
        sign = 1 if done.action == "BUY" else -1
        traded[f"{done.root}{done.contract_month}"] += sign * int(done.quantity)
    following = {life.order.replaces: life for life in known.values() if life.order.replaces}
    for row in rows:
        life = known[row.order_ref]
        filled = life.filled
        while life.order.order_ref in following and row.order_ref in told.lives:
            life = following[life.order.order_ref]
            filled += life.filled
        if filled > row.quantity and not _doubled(told):
            yield f"{row.order_ref}: {filled} of {row.quantity} are said to have filled"
        said[f"{row.contract.root}{row.contract.month.yyyymm}"] += filled * row.action.sign
    for name in {*traded, *said}:
        if traded[name] != said[name] and not _doubled(told):
            yield f"{name}: the account traded {traded[name]:+d}, the rows {said[name]:+d}"


def _doubled(told: Told) -> bool:
    """Whether the gateway made two orders of one: what is too much belongs to nobody."""
    return any(life.doubled for life in told.lives.values())


def _reasons(told: Told) -> Iterator[str]:
    """What was left unsent, or ended with something left, has a reason that holds."""
    last = {chain[0].order.order_ref: chain[-1] for chain in chains(told.lives)}
    for life in told.lives.values():
        if life.state is OrderState.INTENDED:
            closing = last.get(life.order.roll_pair)
            state = "" if closing is None else closing.state.value
            name = "" if closing is None else closing.order.order_ref
            reason = f"held back: the leg that closes, {name}, is {state}"
            lonely = state in {"rejected", "unknown", "cancelled", "intended"}
            opens = life.order.kind is TradeKind.ROLL_OPEN
            if not (opens and lonely and life.text == reason):
                yield f"{life.order.order_ref} was left unsent: {life.text!r}"
    for life in last.values():
        if is_left(life) and life.order.order_ref in told.worked:
            said = " with a word" if gave_up(life) else ""
            yield f"{life.order.order_ref} was ended{said} and not gone on with: {life.text!r}"
