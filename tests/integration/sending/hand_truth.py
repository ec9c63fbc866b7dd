"""What there is before and after a flattening or a roll by hand, and what must never be between.

Held against the gateway's own book, which is read beside the wire.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from afterclose import clock as calendar
from afterclose import tws_sim
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import Action, TradeKind
from afterclose.evening.books import read_books
from integration.sending.hand_stage import Stage
from integration.sending.mortal import OVER
from integration.sending.truth import of_a_name
from unit.ibkr.ibkr_values import CL, ES, ZC, order

CRUDE, INDEX, CORN = CL.contract, ES.contract, ZC.contract
MARCH = FuturesContract(RootSymbol("ES"), ContractMonth(2026, 3))
ESH = replace(ES, contract=MARCH)


class Act(StrEnum):
    """What is done by hand."""

    FLATTEN = "flatten"
    ROLL = "roll"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is there before, and what there must be after; positions by root and month."""

    positions: Mapping[str, int]
    models: Mapping[str, Mapping[FuturesContract, int]]
    wanted: Mapping[str, int]
    held: Mapping[str, Mapping[FuturesContract, int]]


SCENES = {
    Act.FLATTEN: Scene(
        positions={"CL202601": 3, "ES202512": -1, "ZC202603": 1},
        models={"TF": {CRUDE: 2, INDEX: -1}, "MR": {CRUDE: 1, CORN: 1}},
        wanted={"ZC202603": 1},  # somebody else has a working order there
        held={"TF": {}, "MR": {CORN: 1}},
    ),
    Act.ROLL: Scene(
        positions={"ES202512": -2, "ZC202603": 1},
        models={"TF": {INDEX: -2}, "MR": {CORN: 1}},
        wanted={"ES202603": -2, "ZC202603": 1},
        held={"TF": {MARCH: -2}, "MR": {CORN: 1}},
    ),
}
PRICES = {"CL202601": "59", "ES202512": "6800", "ZC202603": "448"}
STRANGER = "somebody-else"
#: Ours, far from the market: to be cancelled before anything goes.
OURS = {
    Act.FLATTEN: order(CL, quantity=1, limit_price=Decimal("57.00")),
    Act.ROLL: order(ESH, action=Action.SELL, quantity=1, limit_price=Decimal(7500)),
}


#: TF's way out of what it holds: fills at once.
EXITS = {
    Act.FLATTEN: order(
        CL,
        order_ref="desk-20251201-TF-CLF26-C1",
        quantity=2,
        action=Action.SELL,
        limit_price=Decimal("57.00"),
        kind=TradeKind.EXIT,
        held_before=2,
    ),
    Act.ROLL: order(
        ES,
        order_ref="desk-20251201-TF-ESZ25-C1",
        quantity=2,
        limit_price=Decimal(7000),
        kind=TradeKind.EXIT,
        held_before=-2,
    ),
}


def known_lives(stage: Stage) -> Mapping[str, OrderLife]:
    known: dict[str, OrderLife] = {}
    for session in stage.ledger.sessions():
        known.update(lives(stage.ledger.orders(session), stage.ledger.events(session)))
    return known


def without_what_left(stage: Stage, scene: Scene) -> Scene:
    """What TF's own exit closed of the old month is rolled no more."""
    ref = EXITS[Act.ROLL].order_ref
    rest = -2 + sum(int(view.filled) for view in stage.gateway.orders() if view.order_ref == ref)
    wanted = {**scene.wanted, "ES202603": rest}
    held = {**scene.held, "TF": {MARCH: rest} if rest else {}}
    return replace(scene, wanted={k: n for k, n in wanted.items() if n}, held=held)


def against_the_book(
    stage: Stage, scene: Scene, resolved: Collection[str], left: Collection[str]
) -> Iterator[str]:
    yield from _path(stage, scene)
    positions = {name: int(n) for name, n in stage.positions().items() if n}
    if positions != scene.wanted:
        yield f"in the end the account holds {positions}"
    for model, wanted in scene.held.items():
        held = dict(stage.ledger.held(model))
        if held != wanted:
            yield f"{model} is said to hold {held}"
    book: dict[str, list[tws_sim.OrderView]] = {}
    for view in stage.gateway.orders():
        book.setdefault(view.order_ref, []).append(view)
    if [view.status in OVER for view in book.pop(STRANGER)] != [False]:
        yield "the stranger's order was touched"
    known = known_lives(stage)
    for ref, life in known.items():
        if ref not in {*resolved, *left}:
            yield from of_a_name(ref, life, book.get(ref, []))
        elif ref not in left and sum(view.filled for view in book.get(ref, [])) != life.filled:
            yield f"{ref} is said to have filled {life.filled}"
    yield from (f"nobody named {ref}" for ref in book if ref not in known)


def _path(stage: Stage, scene: Scene) -> Iterator[str]:
    """No execution takes a position past zero, or beyond what was held of its root.

    Both legs of a roll may stand in the market, and the one that opens may fill first: that as much
    is closed as opened is asked of the end.
    """
    holds = dict(scene.positions)
    most = {root: abs(n) for root, n in ((k[:2], n) for k, n in scene.positions.items())}
    side = {k[:2]: 1 if n > 0 else -1 for k, n in scene.positions.items()}
    for done in stage.gateway.executions():
        name, sign = f"{done.root}{done.contract_month}", 1 if done.action == "BUY" else -1
        holds[name] = holds.get(name, 0) + sign * int(done.quantity)
        if not 0 <= holds[name] * side[done.root] <= most[done.root]:
            yield f"{done.order_ref} takes {name} to {holds[name]:+d}"


def exits_beyond(stage: Stage) -> Iterator[str]:
    """What the models could sell now beside what of ours works is never more than is there."""
    session = calendar.session_at(stage.gateway.now)
    books = read_books(stage.ledger, SCENES[Act.FLATTEN].models, session)
    positions = stage.positions()
    for contract in (CRUDE, INDEX):
        name = f"{contract.root}{contract.month.yyyymm}"
        position = int(positions.get(name, 0))
        side = 1 if SCENES[Act.FLATTEN].positions[name] > 0 else -1
        could = sum(
            max(0, book.get(contract, 0) * side - max(0, -books.working[m].get(contract, 0) * side))
            for m, book in books.held.items()
        )
        closes = "SELL" if side > 0 else "BUY"
        alive = sum(
            int(view.remaining)
            for view in stage.gateway.orders()
            if f"{view.root}{view.contract_month}" == name
            and view.action == closes
            and view.status not in OVER
        )
        if could and could + alive > position * side:
            yield f"{name}: {position:+d}, {alive} are closing, and the models could close {could}"
