"""Whatever happens in whatever order, the gateway's book has each approved order at most once."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.orders import OrderState
from afterclose.domain.sending import Halt
from integration.sending.evenings import (
    Evening,
    attempt,
    gateway_of,
    hold_against_the_book,
    make_orders,
    qualify,
)
from integration.sending.mortal import Fuse
from integration.sending.scenarios import SCENARIOS
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_CLOSE, TUESDAY_OPEN, write_market


class Sending(RuleBasedStateMachine):
    """Send, die, break the line, change the fault, let time pass, halt and lift, send again."""

    @initialize(count=st.integers(1, 8), seed=st.integers(0, 99))
    def begin(self, count: int, seed: int) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        market = tws_sim.Market.from_folder(write_market(folder / "market"))
        self.qualified = asyncio.run(qualify(market))
        self.evening = Evening(scenario="", orders=make_orders(count, seed=seed), seed=seed)
        self.gateway = self.stack.enter_context(gateway_of(market, "", seed=seed))
        self.url = f"sqlite:///{(folder / 'ledger.sqlite').as_posix()}"
        self.ledger = SqlLedger(self.url)
        self.stack.callback(self.ledger.close)
        self.now = MONDAY_EVENING
        self.doubling = False

    @rule(dies_at=st.integers(0, 40), after=st.booleans())
    def send(self, dies_at: int, after: bool) -> None:  # noqa: FBT001 - Hypothesis passes by name
        halted = self.ledger.halted() is not None
        before = len(self.gateway.orders())
        self._send(Fuse(dies_at, after=after))
        if halted and len(self.gateway.orders()) != before:
            raise AssertionError("a halted desk sent")

    def _send(self, fuse: Fuse, *, healthy: bool = False) -> list[str]:
        return asyncio.run(
            attempt(self.evening, self.gateway, self.qualified, self.url, fuse, healthy=healthy)
        )

    @rule(name=st.sampled_from(sorted(SCENARIOS)))
    def fault(self, name: str) -> None:
        self.doubling = self.doubling or "two orders" in name or "chance" in name
        self.gateway.switch(tws_sim.Scenario.from_toml(SCENARIOS[name]))

    @rule()
    def a_person_sends_on_what_tws_holds(self) -> None:
        for view in self.gateway.orders():
            if view.held:
                self.gateway.send_on(view.order_ref)

    @rule()
    def line_breaks(self) -> None:
        self.gateway.drop_connections()

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.now = min(self.now + timedelta(minutes=minutes), TUESDAY_OPEN + timedelta(hours=3))
        self.gateway.advance_to(self.now)

    @rule(lifted=st.booleans())
    def halt(self, lifted: bool) -> None:  # noqa: FBT001 - Hypothesis passes by name
        self.ledger.record_halt(Halt(at=self.now, by="a person", reason="test", lifted=lifted))

    @invariant()
    def nothing_is_there_twice_or_unasked(self) -> None:
        if not hasattr(self, "gateway"):
            return
        approved = {order.order_ref for order in self.evening.orders}
        sendings = {(o.order_ref, o.client_id, o.order_id) for o in self.gateway.orders()}
        refs = [ref for ref, _, _ in sendings]
        if len(refs) != len(set(refs)) or not set(refs) <= approved:
            raise AssertionError(f"sent twice or unasked: {sorted(refs)}")

    def teardown(self) -> None:
        if not hasattr(self, "gateway"):
            return
        try:
            self._end_known()
        finally:
            self.stack.close()

    def _end_known(self) -> None:
        """A healthy gateway, no halt: everything that can be known is known, and nothing waits."""
        self.ledger.record_halt(Halt(at=self.now, by="a person", reason="over", lifted=True))
        self.gateway.switch(_REMEMBERS)
        stopped = self._send(Fuse(0), healthy=True)
        outcome = hold_against_the_book(self.evening, self.gateway, self.url)
        if outcome.wrong:
            raise AssertionError("; ".join(outcome.wrong))
        self.gateway.advance_to(TUESDAY_CLOSE)
        stopped += self._send(Fuse(0), healthy=True)
        after = hold_against_the_book(self.evening, self.gateway, self.url)
        open_ = [r for r, life in after.lives.items() if life.state in _NOT_AT_THE_CLOSE]
        if after.wrong or stopped or open_:
            raise AssertionError(f"{stopped} {after.wrong}, still open after the close: {open_}")


#: Healthy, and asked to show a week of executions: whoever looks only after midnight in New York,
#: when the gateway forgets them by default, finds orders of which nobody can say what they cost.
_REMEMBERS = tws_sim.Scenario.from_toml("[connection]\nexecution_days = 7")
_NOT_AT_THE_CLOSE = frozenset(
    {OrderState.SENT, OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTLY_FILLED}
)

TestSending = pytest.mark.slow(Sending.TestCase)
Sending.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
