"""Following an evening whose limits are worked, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from afterclose import tws_sim
from afterclose.domain.legs import last_attempts, lone_pairs
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import OrderEvent, OrderState
from afterclose.ports import Ledger
from afterclose.stages import submit
from unit.tws_sim.sim_market import TUESDAY_OPEN

#: How long a further attempt, or a word on a lone leg, is waited for that may never come.
_PATIENCE_S = 2.5
_IN_THE_MARKET = frozenset({OrderState.WORKING, OrderState.PARTLY_FILLED})
#: The open, twice a minute later, and when a leg has been alone for long enough.
MOMENTS = tuple(TUESDAY_OPEN + timedelta(seconds=s) for s in (60, 125, 190, 14 * 60))


class Follower:
    """Moves the gateway's clock on, whenever nothing more is to be expected at the moment."""

    def __init__(self, gateway: tws_sim.RunningGateway, ledger: Ledger, session: date) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._session = session
        self._came = asyncio.Event()

    def heard(self, _event: OrderEvent) -> None:
        self._came.set()

    async def follow(self, orders: submit.Following) -> None:
        """Let the market open and time pass, until all is over or the line broke."""
        over = asyncio.create_task(orders.final())
        try:
            for moment in MOMENTS:
                if moment > await asyncio.to_thread(lambda: self._gateway.now):
                    await asyncio.to_thread(self._gateway.advance_to, moment)
                await self._until_settled(over, moment)
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)

    async def _until_settled(self, over: asyncio.Task[None], now: datetime) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while not over.done() and loop.time() < until and not settled(self._lives(), now):
            self._came.clear()
            word = asyncio.create_task(self._came.wait())
            await asyncio.wait(
                {word, over},
                timeout=until - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            word.cancel()

    def _lives(self) -> Mapping[str, OrderLife]:
        return lives(self._ledger.orders(self._session), self._ledger.events(self._session))


def settled(known: Mapping[str, OrderLife], now: datetime) -> bool:
    """Whether nothing is to be expected before time goes on."""
    return not any(_is_due(life) for life in last_attempts(known.values())) and not any(
        _unsaid(pair.lagging, pair.since, now) for pair in lone_pairs(known)
    )


def _is_due(life: OrderLife) -> bool:
    """Whether a limit stands that is to be worked at once, or is ended and not gone on with."""
    rule = life.order.repricing
    if rule is None or rule.every_s or life.doubled or gave_up(life):
        return False
    return life.state in _IN_THE_MARKET or is_left(life)


def _unsaid(lagging: OrderLife, since: datetime, now: datetime) -> bool:
    limit = lagging.order.leg_limit
    if limit is None or now - since < timedelta(seconds=limit.alone_s):
        return False
    return "LEG" not in lagging.text and not lagging.state.final


def is_left(life: OrderLife) -> bool:
    """Whether it is over with something left of it."""
    return life.state is OrderState.CANCELLED and life.filled < life.order.quantity


def gave_up(life: OrderLife) -> bool:
    return life.text.startswith("not worked any more")


def chains(known: Mapping[str, OrderLife]) -> Sequence[Sequence[OrderLife]]:
    """Return every order with the attempts that go on with it, the first one first."""
    following = {life.order.replaces: life for life in known.values() if life.order.replaces}
    found = []
    for life in known.values():
        if life.order.replaces:
            continue
        chain = [life]
        while chain[-1].order.order_ref in following:
            chain.append(following[chain[-1].order.order_ref])
        found.append(chain)
    return found
