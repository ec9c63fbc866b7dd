"""One run of one model: the store, the chosen rules and the algorithm put together, in process.

Zipline itself is not changed. Bars, contract choice, order ids and the ledger come in through
constructors and through the methods that ``TradingAlgorithm`` calls to make its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.data.data_portal import DataPortal
from zipline.errors import ZiplineError
from zipline.finance.trading import SimulationParameters

from afterclose.adapters.zipline.assets import ContractFinder, contract_finder, contract_id
from afterclose.adapters.zipline.bars import BarStore, ExchangeRates, MarketBars
from afterclose.adapters.zipline.blotter import RepeatableBlotter
from afterclose.adapters.zipline.ledger import AccountTracker
from afterclose.adapters.zipline.portal import CausalPortal
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from afterclose.adapters.zipline.strategy import Strategy, user_lines
from afterclose.domain.runs import CurrencyRule, ModelRequest, RollRule
from afterclose.errors import AfterCloseError, DataError, ModelError

#: Called after each session with its number, the number of all sessions, and the session.
Progress = Callable[[int, int, pd.Timestamp], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """What a simulation trades on: bars, contracts, chosen rolls, exchange rates."""

    calendar: Any
    bars: MarketBars
    finder: ContractFinder
    reader: StoreBarReader
    rates: ExchangeRates
    portal: DataPortal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """A finished run: Zipline's performance table and what stood at its end."""

    performance: pd.DataFrame
    positions: Mapping[Any, Any]
    open_orders: tuple[Any, ...]
    order_notes: Mapping[str, Any]
    market: Market


def open_market(store: BarStore, request: ModelRequest) -> Market:
    """Prepare the market of a request. Raises DataError when the store cannot serve it."""
    calendar = RunCalendar()
    axis = session_axis(calendar)
    last = request.last_session
    if axis.at_or_after(last) != axis.at_or_before(last):
        raise DataError(f"{last} is no session of the futures calendar")
    if last > store.last_session:
        raise DataError(
            f"the market store ends on {store.last_session}, before {last}",
            hint="update the market data first",
        )
    # Zipline's own roll finder looks ahead as far as the data go; the causal one never does.
    seen = store.last_session if request.rolls is RollRule.ZIPLINE else last
    bars = MarketBars(store, axis, roots=request.roots or store.roots(), last=seen)
    finder = contract_finder(
        bars.contracts.values(), alive_to_auto_close=request.rolls is RollRule.CAUSAL
    )
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    reader = StoreBarReader(bars, calendar, symbols)
    return Market(
        calendar=calendar,
        bars=bars,
        finder=finder,
        reader=reader,
        rates=ExchangeRates(store, axis, base=request.base_currency),
        portal=_portal(request.rolls, finder, reader, calendar),
    )


def _portal(
    rule: RollRule, finder: ContractFinder, reader: StoreBarReader, calendar: Any
) -> DataPortal:
    if rule is RollRule.CAUSAL:
        return CausalPortal(finder, reader, calendar)
    portal = DataPortal(
        finder,
        trading_calendar=calendar,
        first_trading_day=reader.first_trading_day,
        future_daily_reader=reader,
    )
    # Readers and history share this mapping; there is no constructor argument for it.
    portal._roll_finders["volume"] = TabledVolumeRollFinder(calendar, finder, reader)  # noqa: SLF001
    return portal


class DeskAlgorithm(TradingAlgorithm):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's algorithm with the account's currency, progress, and its end state kept."""

    def __init__(
        self, *, market: Market, currency: CurrencyRule, on_session: Progress, **options: Any
    ) -> None:
        super().__init__(data_portal=market.portal, trading_calendar=market.calendar, **options)
        self._market = market
        self._currency = currency
        self._on_session = on_session
        self.end_positions: dict[Any, Any] = {}
        self.end_orders: tuple[Any, ...] = ()

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
        position = market.bars.axis.at_or_before(session)
        return market.rates.per_unit(currency, position)

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
        """Keep what stands open at the end, before Zipline lets go of it; then the user's turn."""
        self.end_positions = dict(self.metrics_tracker.positions)
        self.end_orders = tuple(
            order for orders in self.blotter.open_orders.values() for order in orders
        )
        super().analyze(perf)


def simulate(
    market: Market, request: ModelRequest, strategy: Strategy, *, on_session: Progress
) -> Simulation:
    """Run a model from its inception to the last session.

    Raises ModelError with the author's own lines when the model fails.
    """
    algorithm = _algorithm(market, request, strategy, on_session)
    try:
        performance = algorithm.run()
    except AfterCloseError:
        raise
    except ZiplineError as error:
        raise _failed(error, request) from error
    except Exception as error:  # the border to the user's code: whatever he raises is his to see
        raise _failed(error, request) from error
    return Simulation(
        performance=performance,
        positions=algorithm.end_positions,
        open_orders=algorithm.end_orders,
        order_notes=dict(getattr(algorithm, "order_notes", {})),
        market=market,
    )


def _failed(error: Exception, request: ModelRequest) -> ModelError:
    lines = user_lines(error, request.model.entry_point)
    return ModelError(f"model {request.model.name} failed: {error!r}\n{lines}")


def _algorithm(
    market: Market, request: ModelRequest, strategy: Strategy, on_session: Progress
) -> DeskAlgorithm:
    axis, calendar = market.bars.axis, market.calendar
    first = axis.at_or_after(max(request.first_session, axis.day(market.bars.first)))
    start, end = calendar.sessions[first], pd.Timestamp(request.last_session)
    if start > end:
        raise DataError(f"a run from {request.first_session} to {request.last_session} is empty")
    parameters = SimulationParameters(
        start_session=start,
        end_session=end,
        trading_calendar=calendar,
        capital_base=request.capital_base,
        data_frequency="daily",
    )
    sessions = calendar.sessions_in_range(start, end)
    algorithm = DeskAlgorithm(
        market=market,
        currency=request.currency,
        on_session=on_session,
        sim_params=parameters,
        blotter=RepeatableBlotter(),
        benchmark_returns=pd.Series(0.0, index=sessions),
        **strategy.functions,
    )
    algorithm.parameters = dict(request.model.parameters)
    algorithm.exchange_rate = algorithm.rate_today
    algorithm.order_notes = {}
    return algorithm
