"""Run a model in the test's own process, on a market in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from afterclose.adapters.zipline.engine import Simulation, open_market, simulate
from afterclose.adapters.zipline.strategy import Strategy
from afterclose.domain.runs import CurrencyRule, ModelRef, ModelRequest, RollRule
from integration.zipline.small_market import MemoryStore


def strategy_of(**functions: Callable[..., Any]) -> Strategy:
    """A strategy made of functions of a test."""
    return Strategy(entry_point="test", path=Path(__file__), digest="", functions=functions)


def request_of(
    *,
    first: date,
    last: date,
    currency: CurrencyRule = CurrencyRule.ACCOUNT,
    rolls: RollRule = RollRule.CAUSAL,
    output: Path = Path(),
    entry_point: str = "test",
) -> ModelRequest:
    """A request with a million dollars."""
    return ModelRequest(
        model=ModelRef(name="TEST", entry_point=entry_point),
        store=Path(),
        first_session=first,
        last_session=last,
        capital_base=1_000_000.0,
        output=output,
        rolls=rolls,
        currency=currency,
    )


def run_in_process(store: MemoryStore, request: ModelRequest, strategy: Strategy) -> Simulation:
    """Run and return Zipline's table and the end state."""
    market = open_market(store, request)
    return simulate(market, request, strategy, on_session=lambda *_: None)
