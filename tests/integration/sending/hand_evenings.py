"""A flattening and a roll by hand in which our process dies at one write, and what comes after.

The gateway's own book, read beside the wire, is the truth: no execution takes a position past zero
or beyond what it was, every name is one order there, and in the end the account and the models hold
what they should.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from afterclose import by_hand, tws_sim
from afterclose import clock as calendar
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.by_hand import rolling
from afterclose.domain.orders import (
    BasketOrder,
    EventKind,
    OrderEvent,
    OrderState,
)
from afterclose.errors import AfterCloseError, ApprovalVoid, UsageError
from afterclose.evening import settling
from afterclose.evening.desk import Desk
from afterclose.stages import submit
from afterclose.stages.flatten import Selection
from integration.ibkr.gateways import PATIENCE_S, GatewayTime, qualified_by
from integration.sending.hand_stage import Stage, make_desk, opened, work
from integration.sending.hand_truth import (
    EXITS,
    OURS,
    PRICES,
    SCENES,
    STRANGER,
    Act,
    against_the_book,
    exits_beyond,
    known_lives,
    without_what_left,
)
from integration.sending.mortal import CrashError, Fuse, MortalDesk, MortalLedger
from unit.ibkr.ibkr_values import EVENING, ZC, approval, order
from unit.tws_sim.sim_market import TUESDAY_CLOSE, holding

#: Five minutes into the session after the next one.
NEXT_EVENING = TUESDAY_CLOSE + timedelta(hours=1, minutes=5)
#: So often a person runs the same command again.
_RUNS = 8
#: How long an answer is waited for where some never come.
_SHORT_S = 2.0


class Then(StrEnum):
    """What is done after the crash, before the same command again."""

    AGAIN = "the same command"
    SEND = "a sending of an exit approved before"
    NEXT_EVENING = "the next evening, settled"


#: The gateway fills one contract of each order, and the rest stands.
IN_PARTS = "[orders]\npartial_fills = { CL = 1, ES = 1 }"
#: Writes that each act has at least: approval, cancellation, names, two intents, two orders, words.
WRITES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEvening:
    """What is played: the act, the gateway's fault, and where our process dies (0: nowhere).

    ``fails``: the fault may stop the act, or leave orders unknown, without a crash of ours.
    """

    act: Act
    scenario: str = ""
    crash_at: int = 0
    crash_after: bool = False
    then: Then = Then.AGAIN
    fails: bool = False

    def survived(self, writes: int) -> bool:
        """Whether the act came to its end before so late a write."""
        return writes < self.crash_at


@dataclass(slots=True)
class HandOutcome:
    """What became of it, and everything that must not be."""

    wrong: list[str] = field(default_factory=list)
    writes: int = 0
    #: Orders at the gateway that were ours to close or to open.
    orders: int = 0
    runs: int = 0
    #: Orders that a person had to look up: of these the fills are his word, and right.
    resolved: set[str] = field(default_factory=set)


async def play(evening: HandEvening, market: tws_sim.Market, home: Path) -> HandOutcome:
    """Play it to its end: the crash, what was done then, the same command until nothing is left."""
    scene, outcome = SCENES[evening.act], HandOutcome()
    held = [holding(k[:2], k[2:], n, PRICES[k]) for k, n in scene.positions.items()]
    with opened(market, home, held=held) as stage:
        for model, positions in scene.models.items():
            stage.ledger.adopt(model, positions, at=EVENING, note="test")
        await _prepare(stage, evening.act)
        stage.gateway.switch(tws_sim.Scenario.from_toml(evening.scenario))
        fuse = Fuse(evening.crash_at, after=evening.crash_after)
        await _until_it_dies(stage, home, evening, fuse, outcome)
        outcome.writes = fuse.seen
        if evening.act is Act.FLATTEN and evening.then is not Then.NEXT_EVENING:
            outcome.wrong += exits_beyond(stage)
        await _in_between(stage, evening, outcome)
        await _until_done(stage, evening, fuse, outcome)
        over = evening.then is Then.NEXT_EVENING  # its own evening's settling tells of that one
        left = {OURS[evening.act].order_ref} if over else set()
        if evening.act is Act.ROLL:
            scene = without_what_left(stage, scene)
        outcome.wrong += against_the_book(stage, scene, outcome.resolved, left)
        outcome.orders = sum(v.client_id == 18 for v in stage.gateway.orders()) - 1
    return outcome


async def _prepare(stage: Stage, act: Act) -> None:
    ours = OURS[act]
    await work(stage, ours, client_id=18)
    stage.ledger.append_events(
        "run", [OrderEvent(order_ref=ours.order_ref, at=EVENING, kind=EventKind.INTENT)]
    )
    corn = order(ZC, order_ref=STRANGER, quantity=1, limit_price=Decimal(430), tif="GTC")
    await work(stage, corn, client_id=5)


async def _until_it_dies(
    stage: Stage, home: Path, evening: HandEvening, fuse: Fuse, outcome: HandOutcome
) -> None:
    ledger = MortalLedger(stage.ledger.url, fuse)
    patience_s = _SHORT_S if evening.fails else PATIENCE_S
    desk = make_desk(home, stage.gateway, ledger, timeout_s=patience_s)
    if evening.fails:
        chosen = desk.settings
        sending = chosen.sending.model_copy(update={"answer_timeout_s": _SHORT_S})
        desk = replace(desk, settings=chosen.model_copy(update={"sending": sending}))
    try:
        await _do(_mortal(desk, ledger, fuse), evening.act)
    except CrashError:
        pass
    except AfterCloseError as error:
        if not (fuse.burnt() or evening.fails):
            outcome.wrong.append(f"stopped: {error}")
    finally:
        ledger.close()


def _mortal(desk: Desk, ledger: SqlLedger, fuse: Fuse) -> Desk:
    @asynccontextmanager
    async def opening(yes: Any) -> Any:
        async with desk.open_order_desk(yes) as order_desk:
            yield MortalDesk(order_desk, fuse)

    return replace(desk, ledger=ledger, open_order_desk=opening)


async def _do(desk: Desk, act: Act) -> bool:
    """Do the act once, as the command does it; say whether nothing is left to do."""
    return await (_flatten(desk) if act is Act.FLATTEN else _roll(desk))


async def _flatten(desk: Desk) -> bool:
    request = by_hand.FlattenRequest(selection=Selection(everything=True), by="Ann")
    seen = await by_hand.survey(desk, request)
    if not any(row.order for row in seen.rows) and not seen.waiting:
        return {row.name for row in seen.rows} == {"ZCH26"}
    done = await by_hand.carry_out(
        desk,
        request,
        seen.rows,
        on_event=lambda _event: None,
        waiting=seen.waiting,
        follow=submit.until_answered,
    )
    return done.left is not None and {row.name for row in done.left} == {"ZCH26"}


async def _roll(desk: Desk) -> bool:
    request = rolling.RollRequest(symbol="ES", by="Ann")
    try:
        shown = await rolling.preview(desk, request)
    except UsageError as error:
        over = ("rolled into ESH26 already", "holds nothing of ES")  # closed by its exit
        if any(word in str(error) for word in over):
            return True
        raise
    done = await rolling.carry_out(
        desk, request, shown, on_event=lambda _event: None, follow=submit.until_answered
    )
    return all(life.state is OrderState.FILLED for life in done.lives.values())


async def _in_between(stage: Stage, evening: HandEvening, outcome: HandOutcome) -> None:
    if evening.fails:
        await asyncio.to_thread(stage.gateway.switch, None)
    if evening.then is Then.SEND:
        await _send_an_exit(stage, EXITS[evening.act])
    if evening.then is Then.NEXT_EVENING:
        await asyncio.to_thread(stage.gateway.advance_to, NEXT_EVENING)
        await _settle(stage)
        _resolve(stage, frozenset(_unknown(stage)), outcome, in_book=True)
    await asyncio.to_thread(stage.gateway.switch, None)


async def _send_an_exit(stage: Stage, exits: BasketOrder) -> None:
    """Send what TF's exit was, approved before anybody did this: refused, or harmless."""
    found = await qualified_by(stage.gateway, exits.mapped)
    now = stage.gateway.now
    async with open_desk(
        host=stage.gateway.host,
        port=stage.gateway.port,
        client_id=18,
        approval=approval(exits, at=now, expires_at=now + timedelta(hours=2)),
        timeout_s=PATIENCE_S,
        clock=GatewayTime(stage.gateway),
    ) as desk:
        try:
            await submit.run(
                desk,
                stage.ledger,
                submit.SubmitRequest(
                    run_id="evening", orders=[exits], qualified={exits.contract: found}
                ),
                GatewayTime(stage.gateway),
            )
        except ApprovalVoid:  # judged by what is at the gateway
            return


async def _settle(stage: Stage) -> None:
    """Write down what the whole book tells, as the settling of the newest evening does."""
    session = calendar.session_at(stage.gateway.now)
    async with stage.desk.open_reader() as reader:
        sweep = await reader.sweep()
    settling.write_down(stage.ledger, "settle", session, sweep)


async def _until_done(stage: Stage, evening: HandEvening, fuse: Fuse, outcome: HandOutcome) -> None:
    while outcome.runs < _RUNS:
        outcome.runs += 1
        try:
            done = await _do(stage.desk, evening.act)
        except AfterCloseError as error:
            if not _unknown(stage):
                outcome.wrong.append(f"run {outcome.runs} stopped: {error} {error.hint}")
                return
            done = False
        if done:
            return
        allowed = frozenset(_unknown(stage)) if evening.fails else fuse.victims
        _resolve(stage, allowed, outcome, in_book=evening.then is Then.NEXT_EVENING)
    outcome.wrong.append(f"not done after {_RUNS} runs")


def _unknown(stage: Stage) -> list[str]:
    return [r for r, life in known_lives(stage).items() if life.state is OrderState.UNKNOWN]


def _resolve(stage: Stage, allowed: frozenset[str], outcome: HandOutcome, *, in_book: bool) -> None:
    """Let a person look in TWS for what is unknown, which only a crash may have left so.

    What TWS shows needs no word as long as it tells executions: the same command looks again. It
    may have read the book before the gateway had read the last bytes of a process that died.
    """
    book = {view.order_ref: view for view in stage.gateway.orders()}
    for ref in _unknown(stage):
        view = book.get(ref)
        if view is not None and not in_book:
            continue
        if ref not in allowed:
            outcome.wrong.append(f"{ref} is unknown without need")
        filled = int(view.filled) if view else 0
        price = view.average_price if view and filled else None
        by_hand.settle_unknown(
            stage.desk, ref, by="Ann", why="looked in TWS", filled=filled, price=price
        )
        outcome.resolved.add(ref)
