"""The rules both models share: the look at all markets, stops, exits, rolls, filters and size.

Signals come from continuous futures, orders go to single contracts. Every function is one rule, in
the order of an evening; a model says only when it wants in and when it wants out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zipline.api import (
    cancel_order,
    continuous_future,
    get_open_orders,
    order,
    set_commission,
    set_slippage,
)
from zipline.errors import SymbolNotFound
from zipline.finance.commission import PerContract
from zipline.finance.slippage import (
    FixedSlippage,
    NoSlippage,
    SlippageModel,
    VolatilityVolumeShare,
    VolumeShareSlippage,
)

from afterclose.models import desk, indicators
from afterclose.models.desk import Reason
from afterclose.models.indicators import FloatArray

BoolArray = NDArray[np.bool_]

# fmt: off
UNIVERSE = (
    "BTC", "DX", "ETH", "CC", "CT", "DC", "GF", "HE", "KC", "LBR", "LE", "LSU", "OJ", "RS",
    "SB", "ZC", "ZL", "ZM", "ZO", "ZR", "ZS", "ZW", "CGB", "FBTP", "FGBL", "FGBM", "FGBS",
    "FGBX", "FOAT", "LLG", "SJB", "TN", "UB", "YXT", "YYT", "ZB", "ZF", "ZN", "ZT", "EMD", "ES",
    "FCE", "FDAX", "FESX", "FSMI", "FTDX", "HSI", "HTW", "KOS", "LFT", "NKD", "NQ", "RTY",
    "SCN", "SSG", "SXF", "YAP", "YM", "BRN", "CL", "GAS", "GWM", "HO", "NG", "RB", "WBS", "GC",
    "HG", "PA", "PL", "SI",
)
# fmt: on

RISK_FACTOR = 0.005
COMMISSION = 0.85
EXCHANGE_FEE = 1.5
#: Closes that the slowest rule needs (Sortino); means are taken over the last 250 of them.
CLOSES = 252
MEAN_CLOSES = 250
#: Extra closes, so that a holiday at the start of the window leaves no gap in it.
SPARE_CLOSES = 5
BAND_CLOSES = 20
STOP_DEVIATIONS = 3.0
CORRELATION_RETURNS = 60
CORRELATION_LIMIT = 0.9
SORTINO_LIMIT = 1.0
LIQUIDITY_SESSIONS = 5
LIQUIDITY_MINIMUM = 100.0
VOLUME_SESSIONS = 20
VOLUME_SHARE = 0.2
ROLL_DAYS = 5

#: Zipline's slippage models by name. "none" and "fixed" fill whole orders on any bar with volume.
SLIPPAGE: Mapping[str, Callable[[], SlippageModel]] = MappingProxyType(
    {
        "volatility": lambda: VolatilityVolumeShare(volume_limit=VOLUME_SHARE),
        "volume": lambda: VolumeShareSlippage(volume_limit=VOLUME_SHARE),
        "fixed": lambda: FixedSlippage(spread=0.0),
        "none": NoSlippage,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """All markets at tonight's close. One number per market, in the order of ``roots``.

    ``rise5``, ``rise20`` and ``rise60`` are today's exponential mean less yesterday's; ``floor`` is
    mean20 − 3·σ20. A missing close (a holiday of that market) is the last known one.
    """

    roots: tuple[str, ...]
    column: dict[str, int]
    close: FloatArray
    previous_close: FloatArray
    rise5: FloatArray
    rise20: FloatArray
    rise60: FloatArray
    mean20_above_mean60: BoolArray
    mean20_below_mean60: BoolArray
    average: FloatArray
    deviation: FloatArray
    floor: FloatArray
    volume5: FloatArray
    volume20: FloatArray
    sortino: FloatArray
    correlation: FloatArray


def prepare(context: Any) -> None:
    """Set costs, markets and the model's memory. To be called from ``initialize``.

    Parameters of a run: ``commission`` per contract, ``exchange_fee`` (Zipline takes it once per
    order, however many contracts), ``slippage`` (a key of ``SLIPPAGE``), ``risk_factor`` and
    ``roots``.
    """
    commission = float(desk.parameter(context, "commission", COMMISSION))
    fee = float(desk.parameter(context, "exchange_fee", EXCHANGE_FEE))
    set_commission(us_futures=PerContract(cost=commission, exchange_fee=fee))
    set_slippage(us_futures=SLIPPAGE[str(desk.parameter(context, "slippage", "volatility"))]())
    context.risk_factor = float(desk.parameter(context, "risk_factor", RISK_FACTOR))
    wanted = str(desk.parameter(context, "roots", " ".join(UNIVERSE))).split()
    context.futures = list(_continuations(wanted))
    #: Trailing stop and the close it was compared with, by root.
    context.stops = {}


def _continuations(roots: list[str]) -> Iterator[Any]:
    for root in roots:
        try:
            yield continuous_future(root, offset=0, roll="volume", adjustment="mul")
        except SymbolNotFound:
            continue  # not in these data: a model may run on a part of its universe


def look(context: Any, data: Any) -> Look:
    """Compute what the rules ask for, for all markets at once."""
    futures = context.futures
    history = data.history(futures, "close", CLOSES + SPARE_CLOSES, "1d")
    volumes = indicators.as_matrix(data.history(futures, "volume", VOLUME_SESSIONS, "1d"))
    closes = indicators.last_known(indicators.as_matrix(history))[-CLOSES:]
    window = closes[-MEAN_CLOSES:]
    today = {span: _mean(window, span, window[-1]) for span in (5, 20, 60)}
    before = {span: _mean(window[:-1], span, window[-1]) for span in (5, 20, 60)}
    average, deviation = indicators.mean_and_deviation(closes, BAND_CLOSES)
    roots = tuple(future.root_symbol for future in futures)
    return Look(
        roots=roots,
        column={root: number for number, root in enumerate(roots)},
        close=closes[-1],
        previous_close=closes[-2],
        rise5=today[5] - before[5],
        rise20=today[20] - before[20],
        rise60=today[60] - before[60],
        mean20_above_mean60=today[20] > today[60],
        mean20_below_mean60=today[20] < today[60],
        average=average,
        deviation=deviation,
        floor=average - STOP_DEVIATIONS * deviation,
        volume5=volumes[-LIQUIDITY_SESSIONS:].mean(axis=0),
        volume20=volumes.mean(axis=0),
        sortino=indicators.sortino_ratio(closes),
        correlation=indicators.correlations(closes, CORRELATION_RETURNS),
    )


def _mean(window: FloatArray, span: int, reference: FloatArray) -> FloatArray:
    return indicators.exponential_mean(window, span, reference=reference)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Book:
    """What stands when the evening begins: contracts held and orders not yet filled, by root.

    During a roll two months of one root stand side by side.
    """

    held: dict[str, dict[Any, int]]
    waiting: dict[str, list[Any]]

    @property
    def in_play(self) -> set[str]:
        """Roots held or ordered; all others are flat."""
        return self.held.keys() | self.waiting.keys()

    def is_waiting(self, contract: Any) -> bool:
        """Whether this very contract has an open order."""
        return any(order.sid == contract for order in self.waiting.get(contract.root_symbol, []))


def read_book(context: Any) -> Book:
    """Read positions and open orders."""
    held: dict[str, dict[Any, int]] = {}
    for contract, position in context.portfolio.positions.items():
        if position.amount:
            held.setdefault(contract.root_symbol, {})[contract] = int(position.amount)
    waiting: dict[str, list[Any]] = {}
    for contract, orders in get_open_orders().items():
        waiting.setdefault(contract.root_symbol, []).extend(orders)
    return Book(held=held, waiting=waiting)


def trail_stops(context: Any, view: Look, book: Book) -> None:
    """Raise the trailing stop of every market in play: max(previous stop, mean20 − 3·σ20).

    After a roll the continuation shows all its past at the new month's prices; the stop moves with
    it, by as much as yesterday's close did. In this measure it never falls.
    """
    for root in sorted(context.stops.keys() - book.in_play):
        del context.stops[root]
    for root in sorted(book.in_play & view.column.keys()):
        column = view.column[root]
        stop, seen_close = context.stops.get(root, (-math.inf, math.nan))
        previous = view.previous_close[column]
        if previous > 0 and seen_close > 0:
            stop *= previous / seen_close
        floor = view.floor[column]
        stop = max(stop, floor) if math.isfinite(floor) else stop
        context.stops[root] = (float(stop), float(view.close[column]))


def close_positions(
    context: Any, data: Any, view: Look, book: Book, wants_out: BoolArray
) -> set[str]:
    """Close every market whose close is below its stop, or that the model wants out of.

    An order still open counts: what is being sold is not sold again, what is being bought is
    called off. Returns the roots that are on their way out.
    """
    leaving = set()
    for root, contracts in sorted(book.held.items()):
        column = view.column.get(root)
        if column is None:
            continue
        stop = context.stops[root][0]
        stopped = bool(view.close[column] < stop)
        if not stopped and not wants_out[column]:
            continue
        leaving.add(root)
        pending_orders = book.waiting.get(root, [])
        for pending in pending_orders:
            if pending.amount > 0:
                cancel_order(pending)
        selling = _still_to_sell(pending_orders)
        for contract, amount in contracts.items():
            number = order(contract, -(amount + selling.get(contract, 0)))
            level = _stop_in(contract, data, view.close[column], stop)
            desk.note(context, number, Reason.STOP if stopped else Reason.EXIT, stop_level=level)
    return leaving


def _still_to_sell(orders: list[Any]) -> dict[Any, int]:
    selling: dict[Any, int] = {}
    for pending in orders:
        if pending.amount < 0:
            remaining = int(pending.amount - pending.filled)
            selling[pending.sid] = selling.get(pending.sid, 0) + remaining
    return selling


def roll_positions(context: Any, data: Any, view: Look, book: Book, leaving: set[str]) -> None:
    """Move a contract near its auto-close into the month that the continuation points to.

    At most 5 calendar days before the auto-close date, without an open order in that contract: the
    same number of contracts, old month sold and new month bought on the same day.
    """
    session = data.current_session
    for root, contracts in sorted(book.held.items()):
        if root in leaving or root not in view.column:
            continue
        for contract, amount in contracts.items():
            days_left = (contract.auto_close_date - session).days
            if days_left > ROLL_DAYS or book.is_waiting(contract):
                continue
            target = data.current(context.futures[view.column[root]], "contract")
            if target is None or target.auto_close_date <= contract.auto_close_date:
                continue
            stop, close = context.stops[root]
            for month, quantity in ((contract, -amount), (target, amount)):
                level = _stop_in(month, data, close, stop)
                desk.note(context, order(month, quantity), Reason.ROLL, stop_level=level)


def _stop_in(contract: Any, data: Any, close: float, stop: float) -> float | None:
    """The stop of a continuation in the prices of one contract, for the note; None if unknown."""
    price = float(data.current(contract, "price"))
    if not (price > 0 and close > 0 and math.isfinite(stop)):
        return None
    return stop * (price / close)


def open_positions(context: Any, data: Any, view: Look, book: Book, wants_in: BoolArray) -> None:
    """Enter every flat market that the model wants and all filters pass, one after the other."""
    held_columns = [view.column[root] for root in book.held if root in view.column]
    candidates = wants_in & passes_filters(view, held_columns)
    for column in np.flatnonzero(candidates):
        root = view.roots[column]
        if root in book.in_play:
            continue
        contract = data.current(context.futures[column], "contract")
        if contract is None or _about_to_close(contract, data):
            continue
        quantity = size(context, view, int(column), contract)
        if quantity > 0:
            stop = float(view.floor[column])
            context.stops[root] = (stop, float(view.close[column]))
            desk.note(context, order(contract, quantity), Reason.ENTRY, stop_level=stop)


def _about_to_close(contract: Any, data: Any) -> bool:
    """A month that would have to be rolled at once is no entry."""
    return bool((contract.auto_close_date - data.current_session).days <= ROLL_DAYS)


def passes_filters(view: Look, held_columns: list[int]) -> BoolArray:
    """Liquidity, then correlation with each market held since before tonight, then Sortino.

    A correlation that cannot be computed (a market that stands still) does not exclude; a Sortino
    ratio that cannot be computed does.
    """
    liquid = view.volume5 >= LIQUIDITY_MINIMUM
    crowded = np.zeros(len(view.roots), dtype=bool)
    for column in held_columns:
        crowded |= view.correlation[:, column] > CORRELATION_LIMIT
    rewarded = view.sortino > SORTINO_LIMIT
    passed: BoolArray = liquid & ~crowded & rewarded
    return passed


def size(context: Any, view: Look, column: int, contract: Any) -> int:
    """floor(portfolio value × risk factor / (stop distance × point value)), capped by volume.

    Nothing where the distance is not positive, or where no exchange rate is known.
    """
    distance = view.close[column] - view.floor[column]
    risk_per_contract = distance * desk.point_value(context, contract)
    if not risk_per_contract > 0:
        return 0
    by_risk = context.portfolio.portfolio_value * context.risk_factor / risk_per_contract
    quantity: int = math.floor(min(by_risk, VOLUME_SHARE * view.volume20[column]))
    return quantity
