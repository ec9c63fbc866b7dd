"""Plain Zipline, for people who want to see for themselves: a bundle, and ``run_algorithm`` on it.

Nothing of the engine takes part but the bars. What a bundle cannot hold is lost on the way: prices
keep three decimals, a price that is not positive becomes a missing one, and no contract has a
currency (every point value is dollars).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from zipline import run_algorithm
from zipline.data import bundles
from zipline.utils.calendar_utils import get_calendar

from afterclose.adapters.zipline.algorithm import EndState, end_state
from afterclose.adapters.zipline.bars import (
    FIELDS,
    PRICE_FIELDS,
    BarStore,
    MarketBars,
    StoredContract,
)
from afterclose.adapters.zipline.costs import set_costs
from afterclose.adapters.zipline.sessions import session_axis
from afterclose.adapters.zipline.strategy import Strategy, user_lines
from afterclose.domain.runs import ModelRequest
from afterclose.errors import AfterCloseError, DataError, ModelError

BUNDLE = "afterclose-market-store"
CALENDAR = "us_futures"


def export_bundle(bars: MarketBars, root: Path, *, name: str = BUNDLE) -> None:
    """Write the bars as a Zipline bundle under the Zipline folder ``root``.

    ``zipline`` tools see it with ``ZIPLINE_ROOT`` set to that folder, once a bundle of this name is
    registered there.
    """
    calendar = get_calendar(CALENDAR)
    if name in bundles.bundles:
        bundles.unregister(name)
    bundles.register(
        name,
        _ingest_of(bars, calendar),
        calendar_name=CALENDAR,
        start_session=calendar.sessions[bars.first],
        end_session=calendar.sessions[bars.stop - 1],
    )
    bundles.ingest(name, environ={"ZIPLINE_ROOT": str(root)}, show_progress=False)


def _ingest_of(bars: MarketBars, calendar: Any) -> Callable[..., None]:
    numbered = list(enumerate(sorted(bars.contracts.values(), key=_delivery)))

    def ingest(
        environ: Any,  # noqa: ARG001 - Zipline passes all of these by position
        assets: Any,
        minutes: Any,  # noqa: ARG001
        days: Any,
        adjustments: Any,
        *rest: Any,  # noqa: ARG001
    ) -> None:
        days.write(_frames(numbered, bars, calendar), show_progress=False)
        futures, exchanges, roots = _tables(numbered)
        assets.write(futures=futures, exchanges=exchanges, root_symbols=roots)
        adjustments.write()

    return ingest


def _delivery(contract: StoredContract) -> tuple[str, str]:
    return contract.root, contract.contract_month


def _frames(
    numbered: list[tuple[int, StoredContract]], bars: MarketBars, calendar: Any
) -> Iterator[tuple[int, pd.DataFrame]]:
    for number, contract in numbered:
        series = bars.series(contract.symbol)
        if not len(series):
            continue
        sessions = calendar.sessions[series.first : series.first + len(series)]
        frame = pd.DataFrame({name: series.field(name) for name in FIELDS}, index=sessions)
        prices = frame[list(PRICE_FIELDS)]
        # The bundle writes 0 for "no price", and can hold nothing below it.
        frame[list(PRICE_FIELDS)] = prices.where(prices > 0, 0.0)
        yield number, frame


def _tables(
    numbered: list[tuple[int, StoredContract]],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    futures = pd.DataFrame(
        [
            {
                "sid": number,
                "symbol": contract.symbol,
                "root_symbol": contract.root,
                "asset_name": contract.name,
                "start_date": pd.Timestamp(contract.first_session),
                "end_date": pd.Timestamp(contract.last_session),
                "first_traded": pd.Timestamp(contract.first_session),
                "exchange": contract.exchange,
                "notice_date": _stamp(contract.first_notice),
                "expiration_date": _stamp(contract.last_trade),
                "auto_close_date": pd.Timestamp(contract.auto_close),
                "tick_size": contract.tick_size,
                "multiplier": contract.point_value,
            }
            for number, contract in numbered
        ]
    ).set_index("sid")
    names = sorted({contract.exchange for _, contract in numbered})
    exchanges = pd.DataFrame({"exchange": names, "canonical_name": names, "country_code": "??"})
    roots = {contract.root: contract for _, contract in numbered}
    root_symbols = pd.DataFrame(
        [
            {
                "root_symbol": root,
                "root_symbol_id": number,
                "sector": sample.sector,
                "description": sample.name,
                "exchange": sample.exchange,
            }
            for number, (root, sample) in enumerate(sorted(roots.items()))
        ]
    )
    return futures, exchanges, root_symbols


def _stamp(day: date | None) -> Any:
    return pd.NaT if day is None else pd.Timestamp(day)


def run_stock(
    store: BarStore, request: ModelRequest, strategy: Strategy, *, keep: Path | None = None
) -> tuple[pd.DataFrame, EndState, MarketBars]:
    """Export a bundle (to ``keep``, or for the moment) and run the model with ``run_algorithm``.

    Raises ModelError when the model fails, and when it is to adopt positions: plain Zipline starts
    flat.
    """
    if request.adopt:
        raise ModelError(
            f"model {request.model.name} adopts positions, and plain Zipline always starts flat",
            hint='run it with engine = "desk"',
        )
    axis = session_axis(get_calendar(CALENDAR))
    bars = MarketBars(store, axis, roots=request.roots or store.roots(), last=store.last_session)
    if keep is not None:
        export_bundle(bars, keep)
        return *_run(bars, request, strategy, keep), bars
    with tempfile.TemporaryDirectory(prefix="afterclose-bundle-") as folder:
        export_bundle(bars, Path(folder))
        return *_run(bars, request, strategy, Path(folder)), bars


def _run(
    bars: MarketBars, request: ModelRequest, strategy: Strategy, root: Path
) -> tuple[pd.DataFrame, EndState]:
    ends: list[EndState] = []
    functions = dict(strategy.functions)
    own_initialize, own_analyze = functions["initialize"], functions.get("analyze")

    def initialize(context: Any) -> None:
        context.parameters = dict(request.model.parameters)
        own_initialize(context)
        set_costs(context.blotter, bars.roots, request.commission, request.slippage)

    def analyze(context: Any, performance: pd.DataFrame) -> None:
        ends.append(end_state(context))
        if own_analyze is not None:
            own_analyze(context, performance)

    calendar = get_calendar(CALENDAR)
    first = calendar.date_to_session(pd.Timestamp(request.first_session), direction="next")
    try:
        performance = run_algorithm(
            start=first,
            end=pd.Timestamp(request.last_session),
            capital_base=request.capital_base,
            bundle=BUNDLE,
            trading_calendar=calendar,
            environ={"ZIPLINE_ROOT": str(root)},
            default_extension=False,
            **{**functions, "initialize": initialize, "analyze": analyze},
        )
    except AfterCloseError:
        raise
    except (Exception, SystemExit) as error:  # the border to the user's code
        lines = user_lines(error, request.model.entry_point)
        raise ModelError(f"model {request.model.name} failed: {error!r}\n{lines}") from error
    if performance.empty:
        raise DataError("plain Zipline returned no session")
    return performance, ends[0]
