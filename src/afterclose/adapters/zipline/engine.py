"""One run of one model: the store, the chosen rules and the algorithm put together, in process.

Zipline itself is not changed. Bars, contract choice, order ids and the ledger come in through
constructors and through the methods that ``TradingAlgorithm`` calls to make its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from zipline.data.data_portal import DataPortal
from zipline.finance.trading import SimulationParameters

from afterclose.adapters.zipline.algorithm import DeskAlgorithm, EndState, Market, Progress
from afterclose.adapters.zipline.assets import ContractFinder, contract_finder, contract_id
from afterclose.adapters.zipline.bars import BarStore, ExchangeRates, MarketBars
from afterclose.adapters.zipline.blotter import Adoption, RepeatableBlotter
from afterclose.adapters.zipline.checkpoint import (
    GlobalValues,
    StateNotKept,
    global_values,
    own_names,
    put_state,
    require_same_globals,
    take_state,
)
from afterclose.adapters.zipline.costs import set_costs
from afterclose.adapters.zipline.portal import CausalPortal
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import RollHistory, TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis
from afterclose.adapters.zipline.strategy import Strategy, user_lines
from afterclose.adapters.zipline.tables import RunTables, run_tables
from afterclose.domain.runs import CurrencyRule, ModelRequest, RollRule
from afterclose.errors import AfterCloseError, DataError, ModelError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """A finished run.

    ``state`` lets a later run go on; it is empty, with the reason in ``state_missing``, when the
    model carries something that cannot be kept.
    """

    performance: pd.DataFrame
    tables: RunTables
    end: EndState
    state: bytes
    state_missing: str


def open_market(
    store: BarStore,
    request: ModelRequest,
    *,
    known_rolls: RollHistory | None = None,
    through: date | None = None,
) -> Market:
    """Prepare the market of a request. Raises DataError when the store cannot serve it.

    ``known_rolls`` are those of an earlier run on the same history, up to the session ``through``.
    """
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
    causal = request.rolls is RollRule.CAUSAL
    # Zipline's own roll finder looks ahead as far as the data go; the causal one never does.
    seen = last if causal else store.last_session
    bars = MarketBars(store, axis, roots=request.roots or store.roots(), last=seen)
    finder = contract_finder(bars.contracts.values(), alive_to_auto_close=causal)
    symbols = {contract_id(contract): symbol for symbol, contract in bars.contracts.items()}
    reader = StoreBarReader(bars, calendar, symbols)
    return Market(
        calendar=calendar,
        bars=bars,
        finder=finder,
        rates=ExchangeRates(store, axis, base=request.base_currency),
        portal=CausalPortal(finder, reader, calendar, known=known_rolls, through=through)
        if causal
        else _hindsight_portal(finder, reader, calendar),
    )


def _hindsight_portal(finder: ContractFinder, reader: StoreBarReader, calendar: Any) -> DataPortal:
    """Zipline's own portal: its windows, and its rolls with up to 90 sessions of hindsight."""
    portal = DataPortal(
        finder,
        trading_calendar=calendar,
        first_trading_day=reader.first_trading_day,
        future_daily_reader=reader,
    )
    # Readers and history share this mapping; there is no constructor argument for it.
    portal._roll_finders["volume"] = TabledVolumeRollFinder(calendar, finder, reader)  # noqa: SLF001
    return portal


def simulate(
    market: Market,
    request: ModelRequest,
    strategy: Strategy,
    *,
    on_session: Progress,
    state: Mapping[str, Any] | None = None,
    after: pd.Timestamp | None = None,
) -> Simulation:
    """Run a model from its inception, or with ``state`` from the session following ``after``.

    Raises ModelError with the author's own lines when the model fails.
    """
    start = _first_session(market, request) if after is None else _next(market, after)
    kept: list[bytes | StateNotKept] = []
    before: list[frozenset[str]] = []
    variables: list[GlobalValues] = []

    def at_start(algorithm: Any) -> None:
        set_costs(algorithm.blotter, market.bars.roots, request.commission, request.slippage)
        variables.append(global_values(strategy.modules))
        if state is not None:
            put_state(algorithm, state, before[0])

    def at_end(algorithm: Any) -> None:
        try:
            require_same_globals(variables[0], global_values(strategy.modules))
            kept.append(take_state(algorithm, before[0]))
        except StateNotKept as reason:
            kept.append(reason)

    adopt = adoptions(market, request, start) if after is None else ()
    blotter = RepeatableBlotter(adopt)
    algorithm = _algorithm(market, request, strategy, start, blotter, on_session, at_start, at_end)
    before.append(own_names(algorithm))
    _lend(algorithm, request)
    performance = _run(algorithm, request)
    end = algorithm.end
    if end is None:
        raise ModelError(f"model {request.model.name} ended without an end state")
    native = request.currency is CurrencyRule.NATIVE
    rate_of = (lambda *_: 1.0) if native else algorithm.rate_of
    state_kept = kept[0]
    return Simulation(
        performance=performance,
        tables=run_tables(performance, end, rate_of),
        end=end,
        state=state_kept if isinstance(state_kept, bytes) else b"",
        state_missing="" if isinstance(state_kept, bytes) else str(state_kept),
    )


def adoptions(market: Market, request: ModelRequest, first: pd.Timestamp) -> tuple[Adoption, ...]:
    """The positions that a run takes over at the close of its first session, at that close.

    Raises DataError for a contract that is not in the store, has no close yet, or is over.
    """
    found = []
    for symbol, amount in sorted(request.adopt.items()):
        contract = market.bars.contracts.get(symbol)
        if contract is None:
            raise DataError(
                f"{request.model.name} cannot adopt {symbol}: it is not in the market store",
                hint="write the symbol as the data vendor does (ESZ26), of a market in 'roots'",
            )
        if contract.auto_close <= first.date():
            raise DataError(
                f"{request.model.name} cannot adopt {symbol}: Zipline closes it on "
                f"{contract.auto_close}, and the model begins on {first.date()}",
                hint="adopt the month that it was rolled into",
            )
        series = market.bars.series(symbol)
        last = market.bars.axis.at_or_before(first.date()) + 1 - series.first
        closes = series.field("close")[: max(0, last)]
        known = closes[np.isfinite(closes)]
        if not len(known):
            raise DataError(
                f"{request.model.name} cannot adopt {symbol}: no close is known up to "
                f"{first.date()}",
                hint="load its bars, or begin later",
            )
        asset = market.finder.retrieve_asset(contract_id(contract))
        found.append(Adoption(asset=asset, amount=amount, price=float(known[-1])))
    return tuple(found)


def _run(algorithm: DeskAlgorithm, request: ModelRequest) -> pd.DataFrame:
    try:
        performance: pd.DataFrame = algorithm.run()
    except AfterCloseError:
        raise
    except (Exception, SystemExit) as error:  # the border to the user's code: his to see
        lines = user_lines(error, request.model.entry_point)
        raise ModelError(f"model {request.model.name} failed: {error!r}\n{lines}") from error
    return performance


def _first_session(market: Market, request: ModelRequest) -> pd.Timestamp:
    axis = market.bars.axis
    earliest = max(request.first_session, axis.day(market.bars.first))
    first: pd.Timestamp = market.calendar.sessions[axis.at_or_after(earliest)]
    return first


def _next(market: Market, session: pd.Timestamp) -> pd.Timestamp:
    following: pd.Timestamp = market.calendar.sessions[market.bars.axis.at_or_before(session) + 1]
    return following


def _algorithm(
    market: Market,
    request: ModelRequest,
    strategy: Strategy,
    start: pd.Timestamp,
    blotter: RepeatableBlotter,
    on_session: Progress,
    at_start: Callable[[Any], None],
    at_end: Callable[[Any], None],
) -> DeskAlgorithm:
    end = pd.Timestamp(request.last_session)
    if start > end:
        raise DataError(f"a run from {start.date()} to {request.last_session} has no session")
    parameters = SimulationParameters(
        start_session=start,
        end_session=end,
        trading_calendar=market.calendar,
        capital_base=request.capital_base,
        data_frequency="daily",
    )
    sessions = market.calendar.sessions_in_range(start, end)
    return DeskAlgorithm(
        market=market,
        currency=request.currency,
        on_session=on_session,
        at_start=at_start,
        at_end=at_end,
        sim_params=parameters,
        blotter=blotter,
        benchmark_returns=pd.Series(0.0, index=sessions),
        **strategy.functions,
    )


def _lend(algorithm: DeskAlgorithm, request: ModelRequest) -> None:
    """Leave on ``context`` what a model may ask for (see ``afterclose.models.desk``)."""
    algorithm.parameters = dict(request.model.parameters)
    algorithm.exchange_rate = algorithm.rate_today
    algorithm.order_notes = {}
