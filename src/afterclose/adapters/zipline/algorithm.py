"""Zipline's ``TradingAlgorithm`` as the desk runs it, and what is kept of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm

from afterclose.adapters.zipline.assets import ContractFinder
from afterclose.adapters.zipline.bars import ExchangeRates, MarketBars
from afterclose.adapters.zipline.ledger import AccountTracker
from afterclose.domain.runs import CurrencyRule

#: Called after each session with its number, the number of all sessions, and the session.
Progress = Callable[[int, int, pd.Timestamp], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """What a simulation trades on: bars, contracts, chosen rolls, exchange rates."""

    calendar: Any
    bars: MarketBars
    finder: ContractFinder
    rates: ExchangeRates
    portal: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EndState:
    """What stands at the end of a run; ``recorded`` are the names the model recorded."""

    positions: Mapping[Any, Any]
    open_orders: tuple[Any, ...]
    order_notes: Mapping[str, Any]
    recorded: tuple[str, ...]


def end_state(algorithm: Any) -> EndState:
    """Take it while Zipline still has it: after the last session, before ``run`` returns."""
    return EndState(
        positions=dict(algorithm.metrics_tracker.positions),
        open_orders=tuple(
            order for orders in algorithm.blotter.open_orders.values() for order in orders
        ),
        order_notes=dict(getattr(algorithm, "order_notes", {})),
        recorded=tuple(sorted(algorithm.recorded_vars)),
    )


class DeskAlgorithm(TradingAlgorithm):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's algorithm with the account's currency, progress, and its end state kept.

    ``at_start`` and ``at_end`` see the algorithm after its ``initialize`` and after its last
    session: there a checkpoint is put in or taken.
    """

    def __init__(
        self,
        *,
        market: Market,
        currency: CurrencyRule,
        on_session: Progress,
        at_start: Callable[[Any], None],
        at_end: Callable[[Any], None],
        **options: Any,
    ) -> None:
        super().__init__(data_portal=market.portal, trading_calendar=market.calendar, **options)
        self._market = market
        self._currency = currency
        self._on_session = on_session
        self._at_start = at_start
        self._at_end = at_end
        self.end: EndState | None = None

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Run the model's own ``initialize``, then put in what a checkpoint holds."""
        super().initialize(*args, **kwargs)
        self._at_start(self)

    def _create_metrics_tracker(self) -> Any:
        if self._currency is CurrencyRule.NATIVE:
            return super()._create_metrics_tracker()
        return AccountTracker(
            rate_of=self.rate_of,
            capital_base=self.sim_params.capital_base,
            trading_calendar=self.trading_calendar,
            first_session=self.sim_params.start_session,
            last_session=self.sim_params.end_session,
            emission_rate=self.sim_params.emission_rate,
            data_frequency=self.sim_params.data_frequency,
            asset_finder=self.asset_finder,
            metrics=self._metrics_set,
        )

    def rate_of(self, asset: Any, session: pd.Timestamp) -> float:
        """Base money per unit of an asset's currency at a session."""
        market = self._market
        currency = market.bars.contracts[asset.symbol].currency
        if currency == market.rates.base:
            return 1.0
        return market.rates.per_unit(currency, market.bars.axis.at_or_before(session))

    def rate_today(self, asset: Any) -> float:
        """The rate a model may size with: that of the session it is in."""
        if self._currency is CurrencyRule.NATIVE:
            return 1.0
        return self.rate_of(asset, self.trading_calendar.minute_to_session(self.get_datetime()))

    def get_generator(self) -> Iterator[Any]:
        """Zipline's session loop, with a word after each session."""
        sessions = self.sim_params.sessions
        done = 0
        for message in self._create_generator(self.sim_params):
            if "daily_perf" in message:
                done += 1
                self._on_session(done, len(sessions), sessions[done - 1])
            yield message

    def analyze(self, perf: pd.DataFrame) -> None:
        """Keep what stands at the end, before Zipline lets go of it; then the model's turn."""
        self.end = end_state(self)
        self._at_end(self)
        super().analyze(perf)
