"""What a long run compares every day, by what the gateway holds and by the faults that were drawn.

Nothing here asks the product whether it is right: positions and executions are the gateway's own,
and what was excluded, refused or traded by hand is known to whoever did it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from afterclose import tws_sim
from afterclose.domain.audit import Reconciliation
from afterclose.domain.breaks import Break, BreakCause, BreakKind
from afterclose.domain.contracts import read_symbol
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderState
from afterclose.evening.books import session_lives
from afterclose.evening.desk import Desk

#: Begins the reference of a trade that is nobody's of the desk; the contract's number follows.
BY_HAND = "hand-"
#: A trade from TWS itself, and one of another program.
HAND_CLIENT, OTHER_CLIENT = 0, 31
#: Orders of so many sessions back may still be open: their exchange was closed.
_SESSIONS_BACK = 6
_SHORT = frozenset({BreakCause.NOT_FILLED, BreakCause.PARTLY_FILLED})
_STRANGE = {HAND_CLIENT: BreakCause.MANUAL, OTHER_CLIENT: BreakCause.OTHER_CLIENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was done to one evening: who may know why it went as it did."""

    scenario: str = ""
    excluded: frozenset[str] = frozenset()
    rejected: bool = False
    #: con_id → who traded by hand since the last look.
    strangers: Mapping[int, int] = field(default_factory=dict)
    #: Contracts in which a person gave an order another size at TWS.
    resized: frozenset[str] = frozenset()


def by_hand(gateway: tws_sim.RunningGateway) -> Counter[int]:
    """Contract number → what strangers hold of it, by the gateway's executions."""
    held: Counter[int] = Counter()
    for done in gateway.executions():
        if done.order_ref.startswith(BY_HAND):
            con_id = int(done.order_ref.split("-")[1])
            held[con_id] += int(done.quantity) * (1 if done.action == "BUY" else -1)
    return held


def recent_lives(desk: Desk) -> Iterator[OrderLife]:
    """Orders of the last sessions, tonight's among them."""
    for session in desk.ledger.sessions()[-_SESSIONS_BACK:]:
        yield from session_lives(desk.ledger, session).values()


def recent_orders(desk: Desk) -> Iterator[OrderLife]:
    """The same without the rows that an order for several models carries: what left by itself."""
    for session in desk.ledger.sessions()[-_SESSIONS_BACK:]:
        yield from lives(desk.ledger.orders(session), desk.ledger.events(session)).values()


def wrong_positions(
    desk: Desk, result: Reconciliation, gateway: tws_sim.RunningGateway, resolved: frozenset[str]
) -> Iterator[str]:
    """Desk and strangers together are the account, contract by contract, or an order is unknown.

    Of ``resolved`` contracts a person has said more since.
    """
    truth = {p.con_id: int(p.quantity) for p in gateway.positions() if p.quantity}
    strange = by_hand(gateway)
    doubtful = {
        life.order.contract.symbol
        for life in recent_lives(desk)
        if life.state is OrderState.UNKNOWN
    } | resolved
    #: Ended, and still in the desk's books: that, too, is told.
    ended = {f.subject for f in result.findings if f.code == "AC609"}
    shown = {check.symbol: check for check in result.positions}
    held: Counter[str] = Counter()
    for model in desk.settings.models:
        for contract, quantity in desk.ledger.held(model.name).items():
            held[contract.symbol] += quantity
    for symbol, quantity in held.items():
        if not quantity or symbol in resolved or (symbol not in shown and symbol in ended):
            continue
        if symbol not in shown or shown[symbol].desk != quantity:
            yield f"{symbol}: the models hold {quantity} together, settle says {shown.get(symbol)}"
    for check in result.positions:
        there = truth.pop(check.con_id, 0)
        if check.broker != there:
            yield f"{check}: the gateway has {there}"
        if check.desk + strange[check.con_id] != there and check.symbol not in doubtful:
            yield f"{check}: strangers hold {strange[check.con_id]}, the gateway has {there}"
    yield from (f"the gateway has {n} of {con_id}, settle is silent" for con_id, n in truth.items())


def wrong_causes(
    desk: Desk,
    result: Reconciliation,
    gateway: tws_sim.RunningGateway,
    drawn: Drawn,
    before: frozenset[tuple[str, str]] | None,
) -> Iterator[str]:
    """Causes that whoever drew the faults knows to be false. ``before``: model and root."""
    short = {
        (life.order.model, life.order.contract.symbol)
        for life in session_lives(desk.ledger, result.session).values()
        if life.filled < life.order.quantity
    }
    models = {m.name for m in desk.settings.models}
    for each in result.breaks:
        root = each.symbol[:-3]
        if each.cause is BreakCause.EXCLUDED_AT_APPROVAL:
            # The other leg of a roll goes with the one that was taken out.
            taken_out = any(f"-{each.model}-{root}" in ref for ref in drawn.excluded)
            true = drawn.rejected or taken_out
        elif each.cause is BreakCause.REJECTED:
            ids = "roll_back_ids" in drawn.scenario
            drawn_so = "reject" in drawn.scenario and f"'{root}'" in drawn.scenario
            true = ids or drawn_so or _near_delivery(each, result)
        elif each.cause in _SHORT:
            true = (each.model, each.symbol) in short
        elif each.cause is BreakCause.RESIZED:
            true = each.symbol in drawn.resized
        elif each.cause is BreakCause.DROPPED:
            true = not any(other in each.detail for other in models - {each.model})
        elif each.cause is BreakCause.SIZED_BY_AUDIT:
            true = bool(each.detail)  # the desk sizes as the model: only a cap cuts
        elif each.cause is BreakCause.EARLIER:
            true = before is None or ((each.model, root) in before and bool(each.origin))
        else:
            true = True
        if not true:
            yield f"{each} is not so: {drawn}"
    yield from _wrong_strangers(result, gateway, drawn)


def _near_delivery(each: Break, result: Reconciliation) -> bool:
    """Whether the gateway's own rule refused: near its delivery only closing orders are taken."""
    month = read_symbol(each.symbol, on=result.session).month
    ahead = (month.year - result.session.year) * 12 + month.month - result.session.month
    return "close to physical delivery" in each.detail and ahead <= 1


def _wrong_strangers(
    result: Reconciliation, gateway: tws_sim.RunningGateway, drawn: Drawn
) -> Iterator[str]:
    """A position of strangers is a break with their name; what they did not do is not theirs."""
    strange = by_hand(gateway)
    numbers = {check.symbol: check.con_id for check in result.positions}
    named: dict[int, Break] = {
        numbers[b.symbol]: b for b in result.breaks if b.kind is BreakKind.ACCOUNT
    }
    for con_id, quantity in strange.items():
        found = named.get(con_id)
        if quantity and (found is None or found.cause not in set(_STRANGE.values())):
            yield f"strangers hold {quantity} of {con_id}, and settle says {found}"
        who = drawn.strangers.get(con_id)
        if quantity and found is not None and who is not None and found.cause != _STRANGE[who]:
            yield f"client {who} traded {con_id}, and settle says {found}"
    for con_id, each in named.items():
        if not strange[con_id] and each.cause in set(_STRANGE.values()):
            yield f"{each}, and no stranger holds any"


def broken(result: Reconciliation) -> frozenset[tuple[str, str]]:
    """Models and roots with a break: what tomorrow may call left by an earlier evening."""
    return frozenset((b.model, b.symbol[:-3]) for b in result.breaks if b.model)


def first_of(messages: Sequence[str], most: int = 3) -> str:
    """The first few, in one line."""
    return "; ".join(messages[:most])
