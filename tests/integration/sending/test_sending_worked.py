"""Working limits and lone legs at the paper gateway: never more in the market than was approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.domain.placing import LegLimit, LoneLeg, Repricing
from afterclose.errors import AfterCloseError
from afterclose.ports import OrderDesk
from afterclose.stages import submit
from integration.ibkr.gateways import PATIENCE_S, GatewayTime
from integration.sending.evenings import gateway_of, make_orders, qualify
from integration.sending.mortal import CrashError, Fuse, MortalDesk, MortalLedger
from unit.ibkr.ibkr_values import approval, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN, write_market

pytestmark = pytest.mark.anyio

OPEN = TUESDAY_OPEN + timedelta(minutes=1)
MINUTE = timedelta(seconds=61)
#: Far below the market: it never fills by itself. Two steps of a hundred ticks of a quarter.
WORKED = order(
    quantity=3,
    limit_price=Decimal(6700),
    repricing=Repricing(ticks=100, times=2, every_s=60),
)
FIRST, SECOND, THIRD = (f"{WORKED.order_ref[:-1]}{n}" for n in (1, 2, 3))
ENDS = MONDAY_EVENING + timedelta(hours=12)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path_factory.mktemp("market")))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}"


@dataclass
class Heard:
    """Every event, and a way to wait for one."""

    events: list[OrderEvent] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: OrderEvent) -> None:
        self.events.append(event)
        self.came.set()

    async def until(self, wanted: Callable[[OrderEvent], bool]) -> None:
        async with asyncio.timeout(90):
            while not any(wanted(event) for event in self.events):
                self.came.clear()
                await self.came.wait()

    async def works(self, ref: str) -> None:
        await self.until(lambda e: e.order_ref == ref and e.status == "Submitted")


class Watch(GatewayTime):
    """The gateway's clock, and a way to wait until somebody reads it."""

    def __init__(self, gateway: tws_sim.RunningGateway) -> None:
        super().__init__(gateway)
        self.read = asyncio.Event()

    def now(self) -> datetime:
        self.read.set()
        return super().now()


@dataclass
class Stage:
    """A gateway, a ledger, orders, and whoever follows them."""

    gateway: tws_sim.RunningGateway
    market: tws_sim.Market
    url: str
    orders: tuple[BasketOrder, ...]
    fuse: Fuse = field(default_factory=lambda: Fuse(0))
    heard: Heard = field(default_factory=Heard)
    ends: datetime = ENDS
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.gateway)

    async def looks(self, times: int) -> None:
        """Wait until the clock was read so often: the worker reads it twice a round."""
        async with asyncio.timeout(90):
            for _ in range(times):
                self.watch.read.clear()
                await self.watch.read.wait()

    async def advance(self, to: datetime) -> None:
        await asyncio.to_thread(self.gateway.advance_to, to)

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[OrderDesk]:
        yes = approval(
            *self.orders,
            at=MONDAY_EVENING,
            expires_at=self.ends,
            attempts=tuple((o.order_ref, o.attempts) for o in self.orders),
        )
        async with open_desk(
            host=self.gateway.host,
            port=self.gateway.port,
            client_id=8,
            approval=yes,
            timeout_s=PATIENCE_S,
            clock=GatewayTime(self.gateway),
        ) as desk:
            yield MortalDesk(desk, self.fuse)

    async def send(self, follow: submit.Follow) -> Mapping[str, OrderLife]:
        request = submit.SubmitRequest(
            run_id="run",
            orders=self.orders,
            qualified=await qualify(self.market),
            answer_timeout_s=PATIENCE_S,
            approved_until=self.ends,
        )
        with closing(MortalLedger(self.url, self.fuse)) as ledger:
            async with self.desk() as desk:
                return await submit.run(
                    desk, ledger, request, self.watch, on_event=self.heard, follow=follow
                )

    def told(self) -> Mapping[str, OrderLife]:
        with closing(SqlLedger(self.url)) as ledger:
            session = self.orders[0].session
            return lives(ledger.orders(session), ledger.events(session))


@pytest.fixture
def stage(market: tws_sim.Market, url: str) -> Iterator[Callable[..., Stage]]:
    opened = []

    def make(*orders: BasketOrder, scenario: str = "") -> Stage:
        running = gateway_of(market, scenario, seed=0)
        opened.append(running)
        return Stage(running.__enter__(), market, url, orders)

    yield make
    for running in opened:
        running.__exit__(None, None, None)


def book(stage: Stage) -> dict[str, tuple[str, int, Decimal | None]]:
    return {o.order_ref: (o.status, int(o.quantity), o.limit_price) for o in stage.gateway.orders()}


async def test_a_limit_goes_step_by_step_to_its_bound_and_not_further(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(WORKED)

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        for number, ref in enumerate((FIRST, SECOND, THIRD), start=1):
            await evening.heard.works(ref)
            await evening.advance(OPEN + number * MINUTE)

    known = await evening.send(follow)

    assert book(evening) == {
        FIRST: ("Cancelled", 3, Decimal(6700)),
        SECOND: ("Cancelled", 3, Decimal(6725)),
        THIRD: ("Submitted", 3, Decimal(6750)),
    }
    assert known[THIRD].order.price_bound == WORKED.price_bound == Decimal(6750)
    assert [known[r].state for r in (FIRST, SECOND, THIRD)] == [
        OrderState.CANCELLED,
        OrderState.CANCELLED,
        OrderState.WORKING,
    ]
    again = await evening.send(submit.until_answered)
    assert {r: life.state for r, life in again.items()} == {r: k.state for r, k in known.items()}
    assert len(book(evening)) == 3


async def test_an_order_that_a_person_resized_in_tws_is_his_from_then_on(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(WORKED)

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.works(FIRST)
        await asyncio.to_thread(partial(evening.gateway.change, FIRST, quantity=2))
        await evening.heard.until(lambda e: e.order_ref == FIRST and e.remaining == 2)
        await evening.advance(OPEN + MINUTE)
        await evening.looks(3)

    known = await evening.send(follow)

    assert book(evening) == {FIRST: ("Submitted", 2, Decimal(6700))}
    assert (known[FIRST].state, known[FIRST].remaining) == (OrderState.WORKING, 2)


async def test_what_was_filled_meanwhile_is_not_sent_again(stage: Callable[..., Stage]) -> None:
    """A contract a minute is filled; what is left after twenty seconds goes on."""
    rule = Repricing(ticks=100, times=2, every_s=20)
    eager = replace(WORKED, limit_price=Decimal(6950), quantity=5, repricing=rule)
    evening = stage(eager, scenario="[orders]\npartial_fills = { ES = 1 }")

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.until(lambda e: e.kind is EventKind.FILL)
        await evening.heard.works(FIRST)
        await evening.advance(OPEN + timedelta(seconds=21))
        await evening.heard.until(lambda e: e.order_ref == SECOND and e.kind is EventKind.FILL)

    known = await evening.send(follow)
    placed = book(evening)

    assert 0 < known[FIRST].filled < 5
    assert placed[SECOND][1] == 5 - known[FIRST].filled
    assert known[SECOND].order.held_before == known[FIRST].filled
    assert sum(life.filled for life in evening.told().values()) <= 5


async def test_nothing_is_ended_that_the_approval_would_not_let_go_on(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(WORKED)
    evening.ends = OPEN + timedelta(seconds=100)

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.works(FIRST)
        await evening.advance(OPEN + MINUTE)

    await evening.send(follow)

    assert {ref: state for ref, (state, _, _) in book(evening).items()} == {FIRST: "Submitted"}


async def either(one: Coroutine[None, None, None], over: asyncio.Task[None]) -> None:
    """Wait for the one, or until there is nothing to wait for any more."""
    waiting = asyncio.create_task(one)
    await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


#: The word that it is worked, its cancellation, and intent and bytes of the next attempt.
QUICK = {6, 7, 11, 12}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "point",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in range(1, 17)],
)
async def test_a_crash_at_any_write_leaves_one_attempt_in_the_market_at_most(
    stage: Callable[..., Stage],
    point: int,
    after: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    evening = stage(WORKED)
    evening.fuse = Fuse(point, after=after)

    async def follow(orders: submit.Following) -> None:
        over = asyncio.create_task(orders.final())
        await evening.advance(OPEN)
        await either(evening.heard.works(FIRST), over)
        await evening.advance(OPEN + MINUTE)
        await either(evening.heard.works(SECOND), over)
        over.cancel()

    with suppress(CrashError, AfterCloseError):
        await evening.send(follow)
    evening.fuse, evening.heard = Fuse(0), Heard()
    await evening.send(submit.until_answered)

    placed = [o.order_ref for o in evening.gateway.orders()]
    working = [o for o in evening.gateway.orders() if o.status in {"Submitted", "PreSubmitted"}]
    assert len(placed) == len(set(placed))
    assert set(placed) <= {FIRST, SECOND, THIRD}
    assert len(working) <= 1
    told = evening.told()
    unknown = [r for r, life in told.items() if life.state is OrderState.UNKNOWN]
    assert working or unknown
    for one in evening.gateway.orders():
        final = one.status in {"Cancelled", "Filled"}
        assert told[one.order_ref].state.final is final


async def stands(evening: Stage, *later: OrderEvent) -> None:
    """The first attempt stands in the market; the journal has these words after that."""

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.works(FIRST)

    await evening.send(follow)
    with closing(SqlLedger(evening.url)) as ledger:
        ledger.append_events("run", later)


async def is_cancelled(evening: Stage) -> None:
    async with evening.desk() as desk:
        await desk.sweep()
        await desk.cancel(FIRST)
        await desk.sweep()


def word(kind: EventKind, status: str) -> OrderEvent:
    return OrderEvent(order_ref=FIRST, at=OPEN, kind=kind, status=status)


async def test_an_end_of_ours_is_gone_on_with_though_an_older_word_came_after_we_asked(
    stage: Callable[..., Stage],
) -> None:
    """The gateway had said that it works before it read the cancellation; then the line broke."""
    evening = stage(WORKED)
    await stands(evening, word(EventKind.WORKED, "LMT"), word(EventKind.STATUS, "Submitted"))
    await is_cancelled(evening)
    await evening.send(submit.until_answered)

    assert {r: (s, p) for r, (s, _, p) in book(evening).items()} == {
        FIRST: ("Cancelled", Decimal(6700)),
        SECOND: ("Submitted", Decimal(6725)),
    }


async def test_what_a_person_ends_after_our_cancellation_was_lost_stays_ended(
    stage: Callable[..., Stage],
) -> None:
    """The next sending finds it in the market: its end is not ours any more."""
    evening = stage(WORKED)
    await stands(evening, word(EventKind.WORKED, "LMT"))
    await evening.send(submit.until_answered)
    await is_cancelled(evening)
    await evening.send(submit.until_answered)

    assert {ref: state for ref, (state, _, _) in book(evening).items()} == {FIRST: "Cancelled"}


# A roll on one leg


def roll(then: LoneLeg) -> tuple[BasketOrder, BasketOrder]:
    """The close fills at the open, the new month waits far below the market."""
    limit = LegLimit(alone_s=600, then=then)
    close, opens = make_orders(6, seed=1)[-2:]
    return (
        replace(close, leg_limit=limit),
        replace(opens, leg_limit=limit, limit_price=Decimal(6000)),
    )


async def alone(evening: Stage) -> Mapping[str, OrderLife]:
    close, opens = evening.orders

    async def follow(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.until(
            lambda e: e.kind is EventKind.FILL and e.order_ref == close.order_ref
        )
        await evening.advance(TUESDAY_OPEN + timedelta(minutes=9))  # filled at the open itself
        await evening.looks(3)
        assert not any("ONE LEG" in e.text for e in evening.heard.events)
        await evening.advance(OPEN + timedelta(minutes=12))
        await evening.heard.until(lambda e: "ONE LEG" in e.text and e.order_ref == opens.order_ref)

    return await evening.send(follow)


async def test_a_leg_that_is_alone_for_too_long_is_said_and_left(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(*roll(LoneLeg.TELL))
    known = await alone(evening)
    opens = evening.orders[1]

    said = next(e.text for e in evening.heard.events if "ONE LEG" in e.text)
    assert said.startswith("A ROLL STANDS ON ONE LEG for ")
    assert "1 filled in ESZ25, 0 in ESH26" in said
    assert known[opens.order_ref].state is OrderState.WORKING


async def test_what_is_left_of_the_other_leg_is_cancelled_where_the_desk_wants_it(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(*roll(LoneLeg.CANCEL))
    known = await alone(evening)

    assert known[evening.orders[1].order_ref].state is OrderState.CANCELLED
    assert len(evening.gateway.orders()) == 2


async def test_what_is_left_of_the_other_leg_goes_at_the_market_where_the_desk_wants_it(
    stage: Callable[..., Stage],
) -> None:
    evening = stage(*roll(LoneLeg.MARKET))
    await alone(evening)
    opens = evening.orders[1]

    second = f"{opens.order_ref[:-1]}2"
    assert book(evening)[opens.order_ref][0] == "Cancelled"
    assert book(evening)[second][:2] == ("Filled", 1)
    assert evening.told()[second].order.replaces == opens.order_ref


async def test_what_another_basket_took_up_is_not_gone_on_with(stage: Callable[..., Stage]) -> None:
    """A crash after the cancellation; then the next attempt's name is given to another order."""
    evening = stage(WORKED)

    async def dies(_orders: submit.Following) -> None:
        await evening.advance(OPEN)
        await evening.heard.works(FIRST)
        with closing(SqlLedger(evening.url)) as ledger:
            another = replace(WORKED, order_ref=SECOND, quantity=1, repricing=None)
            ledger.record_orders("another run", [another])
        await evening.advance(OPEN + MINUTE)
        await evening.heard.until(lambda e: "stands for another order" in e.text)

    await evening.send(dies)
    await evening.send(submit.until_answered)

    assert {ref: state for ref, (state, _, _) in book(evening).items()} == {FIRST: "Cancelled"}
