"""Trend following: buy what rises at three speeds, leave when the trend turns or the stop is hit.

Long only, daily, on the closes of continuous futures. Run it under the desk, or as it stands::

    zipline.run_algorithm(initialize=trend_following.initialize, ...)
"""

from __future__ import annotations

from typing import Any

from zipline.api import date_rules, schedule_function, time_rules

from afterclose.models import futures_rules as rules
from afterclose.models.futures_rules import BoolArray, Look


def initialize(context: Any) -> None:
    """Trade every day, at the close."""
    rules.prepare(context)
    schedule_function(trade, date_rules.every_day(), time_rules.market_close())


def trade(context: Any, data: Any) -> None:
    """One evening: look, protect, leave, roll, enter."""
    view = rules.look(context, data)
    book = rules.read_book(context)
    rules.trail_stops(context, view, book)
    leaving = rules.close_positions(context, data, view, book, wants_out(view))
    rules.roll_positions(context, data, view, book, leaving)
    rules.open_positions(context, data, view, book, wants_in(view))


def wants_in(view: Look) -> BoolArray:
    """EMA20 above EMA60, and EMA5, EMA20 and EMA60 all above yesterday's."""
    rising = (view.rise5 > 0) & (view.rise20 > 0) & (view.rise60 > 0)
    wanted: BoolArray = view.mean20_above_mean60 & rising
    return wanted


def wants_out(view: Look) -> BoolArray:
    """EMA20 below EMA60."""
    return view.mean20_below_mean60
