"""Mean reversion: buy a dip that turns up inside the lower band, leave at the trailing stop.

Long only, daily, on the closes of continuous futures. Run it under the desk, or as it stands::

    zipline.run_algorithm(initialize=mean_reversion.initialize, ...)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from zipline.api import date_rules, schedule_function, time_rules

from afterclose.models import futures_rules as rules
from afterclose.models.futures_rules import BoolArray, Look

DIP_DEVIATIONS = 2.0


def initialize(context: Any) -> None:
    """Trade every day, at the close."""
    rules.prepare(context)
    schedule_function(trade, date_rules.every_day(), time_rules.market_close())


def trade(context: Any, data: Any) -> None:
    """One evening: look, protect, leave, roll, enter."""
    view = rules.look(context, data)
    book = rules.read_book(context)
    rules.trail_stops(context, view, book)
    leaving = rules.close_positions(context, data, view, book, never(view))
    rules.roll_positions(context, data, view, book, leaving)
    rules.open_positions(context, data, view, book, wants_in(view))


def wants_in(view: Look) -> BoolArray:
    """Close below its 20-day mean but above mean20 − 2·σ20, and EMA5 above yesterday's."""
    above_band = view.close > view.average - DIP_DEVIATIONS * view.deviation
    wanted: BoolArray = above_band & (view.close < view.average) & (view.rise5 > 0)
    return wanted


def never(view: Look) -> BoolArray:
    """No way out but the stop."""
    return np.zeros(len(view.roots), dtype=bool)
