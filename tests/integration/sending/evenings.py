"""One evening of sending against the paper gateway, with its faults and with crashes of ours.

The gateway's own book, read beside the wire, is the truth that our journal is held against
(``truth``); ``desks`` says what is sent, ``following`` how time goes on where limits are worked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from afterclose import tws_sim
from afterclose.adapters.ibkr.desk import open_desk
from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, OrderState
from afterclose.errors import AfterCloseError
from afterclose.evening.books import market_orders, numbers_from
from afterclose.stages import review, submit
from integration.ibkr.gateways import GatewayTime, reader_of
from integration.sending.desks import CONTRACTS, ESH, make_orders
from integration.sending.following import Follower
from integration.sending.mortal import CrashError, Fuse, MortalDesk, MortalLedger
from integration.sending.truth import contradictions, read_told
from unit.ibkr.ibkr_values import QUALIFIED_ES, approval
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN, account

__all__ = ["ESH", "Evening", "Outcome", "contracts", "gateway_of", "make_orders", "play", "qualify"]

AFTER_THE_OPEN = TUESDAY_OPEN + timedelta(minutes=20)
_APPROVED_FOR = timedelta(hours=12)
#: How long an answer is waited for: where some never come, and where only a busy machine is late.
_SHORT_S, _PATIENCE_S = 2.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What is played: the gateway's fault, the rows, and where our process dies (0: nowhere).

    ``net``: rows of several models go together. ``followed``: somebody stays, and works limits.
    """

    scenario: str
    orders: tuple[BasketOrder, ...]
    crash_at: int = 0
    crash_after: bool = False
    seed: int = 0
    net: bool = False
    followed: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of it, and everything that must not be."""

    lives: Mapping[str, OrderLife]
    wrong: list[str] = field(default_factory=list)
    writes: int = 0
    placed: int = 0
    #: Orders on whose intent or bytes our process died.
    victims: frozenset[str] = frozenset()
    #: Orders that the gateway's book has, held by a precaution: unknown until a person acts.
    held: frozenset[str] = frozenset()
    #: What rows traded with each other inside the desk.
    transfers: int = 0

    @property
    def refused(self) -> tuple[str, ...]:
        """References that ended as rejected and that the gateway's book does not have."""
        return tuple(
            ref
            for ref, life in self.lives.items()
            if life.state is OrderState.REJECTED and not life.perm_id
        )

    @property
    def attempts(self) -> int:
        """Orders that go on with one that was ended for it."""
        return sum(bool(life.order.replaces) for life in self.lives.values())

    @property
    def unknown(self) -> frozenset[str]:
        return frozenset(r for r, v in self.lives.items() if v.state is OrderState.UNKNOWN)

    @property
    def states(self) -> Counter[str]:
        return Counter(life.state.value for life in self.lives.values())


async def qualify(market: tws_sim.Market) -> Mapping[FuturesContract, QualifiedContract]:
    """Ask a healthy gateway once: contract numbers are the market's, not the gateway's."""
    with gateway_of(market, "", seed=0) as gateway:
        async with reader_of(gateway) as reader:
            found = await reader.qualify(CONTRACTS)
    return {c: q.qualified for c, q in found.items() if q.qualified is not None}


def contracts(con_ids: Mapping[str, int]) -> dict[FuturesContract, QualifiedContract]:
    """Name contracts by number, for a process that was told no more."""
    known = {m.contract.symbol: m for m in CONTRACTS}
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
        wrong = await attempt(evening, gateway, qualified, url, fuse)
        wrong += await attempt(evening, gateway, qualified, url, Fuse(0))
        await asyncio.to_thread(gateway.switch, None)
        wrong += await attempt(evening, gateway, qualified, url, Fuse(0), healthy=True)
        await asyncio.to_thread(gateway.advance_to, AFTER_THE_OPEN)
        wrong += await attempt(evening, gateway, qualified, url, Fuse(0), healthy=True)
        outcome = hold_against_the_book(evening, gateway, url)
    outcome.wrong[:0] = wrong
    outcome.writes, outcome.victims = fuse.seen, fuse.victims
    return outcome


def hold_against_the_book(evening: Evening, gateway: tws_sim.RunningGateway, url: str) -> Outcome:
    """Compare every order with the gateway's own book, and name each contradiction."""
    told = read_told(url, evening.orders)
    return Outcome(
        lives=told.lives,
        wrong=list(contradictions(evening.orders, gateway, told)),
        placed=len({view.order_ref for view in gateway.orders()}),
        held=frozenset(view.order_ref for view in gateway.orders() if view.held),
        transfers=len(told.netting.transfers),
    )


async def attempt(
    evening: Evening,
    gateway: tws_sim.RunningGateway,
    qualified: Mapping[FuturesContract, QualifiedContract],
    url: str,
    fuse: Fuse,
    *,
    healthy: bool = False,
) -> list[str]:
    """Send once, as ``afterclose send`` does, until it ends or dies; say what must not be.

    Against a ``healthy`` gateway a sending that stops short is wrong.
    """
    ledger = MortalLedger(url, fuse)
    session, until = evening.orders[0].session, MONDAY_EVENING + _APPROVED_FOR
    netting = market_orders(ledger, evening.orders, desk="desk", session=session, net=evening.net)
    yes = approval(
        *evening.orders,
        at=MONDAY_EVENING,
        expires_at=until,
        attempts=tuple((o.order_ref, o.attempts) for o in evening.orders if o.attempts),
    )
    follower = Follower(gateway, ledger, session)
    wrong: list[str] = []
    try:
        async with open_desk(
            host=gateway.host,
            port=gateway.port,
            client_id=8,
            approval=review.for_orders(yes, netting),
            timeout_s=_PATIENCE_S if healthy else _SHORT_S,
            clock=GatewayTime(gateway),
            numbers_from=numbers_from(ledger, GatewayTime(gateway)),
        ) as desk:
            await submit.run(
                MortalDesk(desk, fuse, book=gateway.orders, wrong=wrong),
                ledger,
                submit.SubmitRequest(
                    run_id="2025-12-01-1",
                    orders=netting.orders,
                    netting=netting,
                    qualified=qualified,
                    answer_timeout_s=0.4,
                    approved_until=until if evening.followed else None,
                ),
                GatewayTime(gateway),
                on_event=follower.heard,
                follow=follower.follow if evening.followed else submit.until_answered,
            )
    except CrashError:
        pass
    except AfterCloseError as error:
        wrong += [f"stopped: {error}"] if healthy else []
    finally:
        ledger.close()
    return wrong
