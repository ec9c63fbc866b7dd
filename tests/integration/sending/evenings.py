"""One evening of sending against the paper gateway, with its faults and with crashes of ours.

The gateway's own book, read beside the wire, is the truth that our journal is held against.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.contracts import FuturesContract, MappedContract, QualifiedContract
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import (
    Action,
    BasketOrder,
    OrderEvent,
    OrderState,
    OrderSweep,
    TradeKind,
)
from afterclose.errors import AfterCloseError
from afterclose.ports import OrderDesk
from afterclose.stages import submit
from integration.ibkr.gateways import GatewayTime, reader_of
from unit.ibkr.ibkr_values import CL, ES, QUALIFIED_ES, ZC, approval, mapped, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN, account

ZN = mapped("ZN", "202603", ib_exchange="CBOT", multiplier="1000", tick_size=Decimal("0.015625"))
ESH = mapped("ES", "202603")
#: Contract, limit that fills when bought, limit that waits when bought.
TRADED: tuple[tuple[MappedContract, str, str], ...] = (
    (ES, "6900.25", "6700"),
    (CL, "60.50", "57.00"),
    (ZC, "460", "430"),
    (ZN, "114", "112"),
)
AFTER_THE_OPEN = TUESDAY_OPEN + timedelta(minutes=20)


class CrashError(Exception):
    """The process died here."""


@dataclass(slots=True)
class Fuse:
    """Burns at the n-th write, to the journal or to the wire; afterwards nothing is written."""

    at: int
    #: Whether the n-th write itself still happened.
    after: bool = False
    seen: int = 0

    def burnt(self) -> bool:
        return 0 < self.at <= self.seen

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        if self.burnt():
            raise CrashError
        self.seen += 1
        if self.burnt() and not self.after:
            raise CrashError
        yield
        if self.burnt():
            raise CrashError


class MortalLedger(SqlLedger):
    """The ledger of a process that dies."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        with self._fuse.write():
            super().append_events(run_id, events)

    def record_orders(
        self,
        run_id: str,
        orders: Sequence[BasketOrder],
        *,
        parts: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        with self._fuse.write():
            super().record_orders(run_id, orders, parts=parts)


@dataclass(slots=True)
class MortalDesk:
    """The order desk of a process that dies."""

    desk: OrderDesk
    fuse: Fuse

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        with self.fuse.write():
            await self.desk.place(order, qualified)

    async def cancel(self, order_ref: str) -> None:
        await self.desk.cancel(order_ref)

    def events(self) -> AsyncIterator[OrderEvent]:
        return self.desk.events()

    async def sweep(self) -> OrderSweep:
        return await self.desk.sweep()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What is played: the gateway's fault, the orders, and where our process dies (0: nowhere)."""

    scenario: str
    orders: tuple[BasketOrder, ...]
    crash_at: int = 0
    crash_after: bool = False
    seed: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of it, and everything that must not be."""

    lives: Mapping[str, OrderLife]
    wrong: list[str] = field(default_factory=list)
    writes: int = 0
    placed: int = 0

    @property
    def refused(self) -> tuple[str, ...]:
        """References that ended as rejected and that the gateway's book does not have."""
        return tuple(
            ref
            for ref, life in self.lives.items()
            if life.state is OrderState.REJECTED and not life.perm_id
        )

    @property
    def states(self) -> Counter[str]:
        return Counter(life.state.value for life in self.lives.values())


def make_orders(count: int, *, seed: int) -> tuple[BasketOrder, ...]:
    """Orders of several models, exits among them, some to be filled and some to wait; one roll."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        contract, filling, waiting = TRADED[number % len(TRADED)]
        model = f"M{number // len(TRADED)}"
        closes = draw.random() < 0.3
        name = f"desk-20251201-{model}-{contract.contract.symbol}-{'C' if closes else 'O'}1"
        made.append(
            order(
                contract,
                order_ref=name,
                model=model,
                quantity=draw.randint(1, 3),
                limit_price=Decimal(filling if draw.random() < 0.6 else waiting),
                kind=TradeKind.EXIT if closes else TradeKind.ENTRY,
            )
        )
    return tuple([*made[:-2], *_roll()] if count >= 6 else made)


def _roll() -> tuple[BasketOrder, BasketOrder]:
    close_ref, open_ref = "desk-20251201-R-ESZ25-C1", "desk-20251201-R-ESH26-O1"
    return (
        order(
            ES,
            order_ref=close_ref,
            model="R",
            action=Action.SELL,
            quantity=1,
            limit_price=Decimal(6700),
            kind=TradeKind.ROLL_CLOSE,
            roll_pair=open_ref,
        ),
        order(
            ESH,
            order_ref=open_ref,
            model="R",
            quantity=1,
            limit_price=Decimal(6950),
            kind=TradeKind.ROLL_OPEN,
            roll_pair=close_ref,
        ),
    )


async def qualify(market: tws_sim.Market) -> Mapping[FuturesContract, QualifiedContract]:
    """Ask a healthy gateway once: contract numbers are the market's, not the gateway's."""
    with gateway_of(market, "", seed=0) as gateway:
        async with reader_of(gateway) as reader:
            found = await reader.qualify([ES, ESH, CL, ZC, ZN])
    return {c: q.qualified for c, q in found.items() if q.qualified is not None}


def contracts(con_ids: Mapping[str, int]) -> dict[FuturesContract, QualifiedContract]:
    """Name contracts by number, for a process that was told no more."""
    known = {m.contract.symbol: m for m in (ES, ESH, CL, ZC, ZN)}
    return {
        known[symbol].contract: replace(
            QUALIFIED_ES,
            contract=known[symbol].contract,
            con_id=con_id,
            symbol=known[symbol].spec.ib_symbol,
            exchange=known[symbol].spec.ib_exchange,
            multiplier=known[symbol].spec.multiplier,
            trading_class=known[symbol].spec.trading_class,
        )
        for symbol, con_id in con_ids.items()
    }


def gateway_of(market: tws_sim.Market, scenario: str, *, seed: int) -> tws_sim.RunningGateway:
    return tws_sim.running(
        market=market,
        account=replace(account(), cash={"USD": Decimal(50_000_000)}),
        clock=tws_sim.FrozenClock(MONDAY_EVENING),
        scenario=tws_sim.Scenario.from_toml(scenario),
        seed=seed,
    )


async def play(
    evening: Evening,
    market: tws_sim.Market,
    qualified: Mapping[FuturesContract, QualifiedContract],
    ledger_file: Path,
) -> Outcome:
    """Play the evening to its end: fault and crash, again, a healthy gateway, fills, the book."""
    url = f"sqlite:///{ledger_file.as_posix()}"
    fuse = Fuse(evening.crash_at, after=evening.crash_after)
    with gateway_of(market, evening.scenario, seed=evening.seed) as gateway:
        await attempt(evening, gateway, qualified, url, fuse)
        await attempt(evening, gateway, qualified, url, Fuse(0))
        await asyncio.to_thread(gateway.switch, None)
        await attempt(evening, gateway, qualified, url, Fuse(0))
        await asyncio.to_thread(gateway.advance_to, AFTER_THE_OPEN)
        await attempt(evening, gateway, qualified, url, Fuse(0))
        outcome = Outcome(lives=read_lives(url, evening), writes=fuse.seen)
        hold_against_the_book(evening, gateway, outcome)
    return outcome


async def attempt(
    evening: Evening,
    gateway: tws_sim.RunningGateway,
    qualified: Mapping[FuturesContract, QualifiedContract],
    url: str,
    fuse: Fuse,
) -> None:
    """Send once, as ``afterclose send`` does, until it ends or dies."""
    ledger = MortalLedger(url, fuse)
    try:
        async with open_desk(
            host=gateway.host,
            port=gateway.port,
            client_id=8,
            approval=approval(
                *evening.orders,
                at=MONDAY_EVENING,
                expires_at=MONDAY_EVENING + timedelta(hours=12),
            ),
            timeout_s=2.0,
            clock=GatewayTime(gateway),
        ) as desk:
            await submit.run(
                MortalDesk(desk, fuse),
                ledger,
                submit.SubmitRequest(
                    run_id="2025-12-01-1",
                    orders=evening.orders,
                    qualified=qualified,
                    answer_timeout_s=0.4,
                ),
                GatewayTime(gateway),
            )
    except (CrashError, AfterCloseError):
        pass
    finally:
        ledger.close()


def read_lives(url: str, evening: Evening) -> Mapping[str, OrderLife]:
    ledger = SqlLedger(url)
    try:
        return lives(evening.orders, ledger.events(evening.orders[0].session))
    finally:
        ledger.close()


_BOOK_STATES = {
    "Filled": {OrderState.FILLED},
    "Cancelled": {OrderState.CANCELLED},
    "Inactive": {OrderState.REJECTED},
    "PreSubmitted": {OrderState.ACKNOWLEDGED, OrderState.PARTLY_FILLED},
    "Submitted": {OrderState.WORKING, OrderState.PARTLY_FILLED},
}


def hold_against_the_book(
    evening: Evening, gateway: tws_sim.RunningGateway, outcome: Outcome
) -> None:
    """Compare every order with the gateway's own book, and name each contradiction."""
    approved = {o.order_ref: o for o in evening.orders}
    book: dict[str, list[tws_sim.OrderView]] = {}
    for view in gateway.orders():
        book.setdefault(view.order_ref, []).append(view)
    outcome.placed = len(book)
    outcome.wrong += [f"not approved: {ref}" for ref in set(book) - set(approved)]
    for ref, wanted in approved.items():
        outcome.wrong += _contradictions(wanted, outcome.lives[ref], book.get(ref, []))
    told = {f.exec_id for life in outcome.lives.values() for f in life.fills}
    happened = {e.exec_id for e in gateway.executions()}
    if told != happened:
        outcome.wrong.append(f"executions differ: {sorted(told ^ happened)}")


def _contradictions(
    wanted: BasketOrder, life: OrderLife, placed: Sequence[tws_sim.OrderView]
) -> list[str]:
    ref, found = wanted.order_ref, []
    sendings = {(view.client_id, view.order_id) for view in placed}
    if len(sendings) > 1:
        found.append(f"{ref} was sent {len(sendings)} times")
    for view in placed:
        terms = (view.action, int(view.quantity), view.limit_price or Decimal(0), view.tif)
        if terms != (wanted.action.value, wanted.quantity, wanted.limit_price, wanted.tif):
            found.append(f"{ref} went out as {terms}")
    if len(placed) == 1 and life.state not in _BOOK_STATES[placed[0].status]:
        found.append(f"{ref} is {life.state.value}, the book says {placed[0].status}")
    if len(placed) > 1 and not life.doubled:
        found.append(f"{ref} is {len(placed)} orders in the book, and we do not say so")
    if sum(view.filled for view in placed) != life.filled:
        found.append(f"{ref} filled {life.filled}, the book says {[v.filled for v in placed]}")
    if not placed and life.state not in {
        OrderState.INTENDED,
        OrderState.UNKNOWN,
        OrderState.REJECTED,
    }:
        found.append(f"{ref} is {life.state.value}, and the book does not know it")
    if life.state is OrderState.INTENDED and not life.text.startswith("held back"):
        found.append(f"{ref} was left unsent without a reason: {life.text!r}")
    return found
