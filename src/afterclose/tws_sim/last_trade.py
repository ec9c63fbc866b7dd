"""Last trading days and first notice days, from the exchanges' rule of each product.

IB reports the *last trading day*, which often falls in another month than the contract is named
after: the month before for crude and its products, sugar and natural gas, two before for Brent,
the month after for milk; and a Wednesday for VIX, whose data vendors stop on the Tuesday.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType

from afterclose.tws_sim.days import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    WEDNESDAY,
    Region,
    is_business_day,
    last_business_day,
    last_weekday,
    month_start,
    nth_weekday,
    on_or_after,
    on_or_before,
    shift,
)

Rule = Callable[[Region, int, int], date]


def _nth(weekday: int, nth: int, days: int = 0) -> Rule:
    def rule(region: Region, year: int, month: int) -> date:
        day = nth_weekday(year, month, weekday, nth)
        return shift(region, day, days) if days else on_or_before(region, day)

    return rule


def _from_month_end(days: int, *, months: int = 0) -> Rule:
    def rule(region: Region, year: int, month: int) -> date:
        return shift(region, last_business_day(region, year, month + months), -days)

    return rule


def _from_month_start(days: int) -> Rule:
    def rule(region: Region, year: int, month: int) -> date:
        return shift(region, month_start(year, month), days)

    return rule


def _before_day(day_of_month: int, days: int = 1) -> Rule:
    def rule(region: Region, year: int, month: int) -> date:
        return shift(region, date(year, month, day_of_month), -days)

    return rule


def _last_of(weekday: int) -> Rule:
    def rule(region: Region, year: int, month: int) -> date:
        return on_or_before(region, last_weekday(year, month, weekday))

    return rule


def _crude_oil(region: Region, year: int, month: int) -> date:
    """Three business days before the 25th of the month before; four if the 25th is none."""
    month_before = month_start(year, month - 1)
    day = month_before.replace(day=25)
    return shift(region, day, -3 if is_business_day(region, day) else -4)


def _day_before_crude_oil(region: Region, year: int, month: int) -> date:
    return shift(region, _crude_oil(region, year, month), -1)


def _vix(region: Region, year: int, month: int) -> date:
    """The Wednesday 30 days before the third Friday of the month after."""
    after = month_start(year, month + 1)
    day = nth_weekday(after.year, after.month, FRIDAY, 3) - timedelta(days=30)
    return on_or_before(region, day)


def _eurex_bond(region: Region, year: int, month: int) -> date:
    """Two exchange days before the delivery day, the 10th or the next exchange day."""
    return shift(region, on_or_after(region, date(year, month, 10)), -2)


def _white_sugar(region: Region, year: int, month: int) -> date:
    return on_or_before(region, month_start(year, month) - timedelta(days=16))


def _milk(region: Region, year: int, month: int) -> date:
    """The business day before the monthly price announcement, early in the month after."""
    after = month_start(year, month + 1)
    return shift(region, after - timedelta(days=1), 2)


def _japanese_bond(region: Region, year: int, month: int) -> date:
    """One session before the Osaka contract, which ends five business days before the 20th."""
    return shift(region, date(year, month, 20), -6)


def _australian_bond(region: Region, year: int, month: int) -> date:
    return on_or_after(region, date(year, month, 15))


def _thursday_before_second_friday(region: Region, year: int, month: int) -> date:
    day = nth_weekday(year, month, FRIDAY, 2) - timedelta(days=1)
    return on_or_before(region, day)


def _first(region: Region, year: int, month: int) -> date:
    return on_or_after(region, month_start(year, month))


LAST_TRADE_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "australian_bond": _australian_bond,
        "brent": _from_month_end(0, months=-2),
        "cocoa": _from_month_end(11),
        "coffee": _from_month_end(8),
        "cotton": _from_month_end(16),
        "crude_oil": _crude_oil,
        "day_before_crude_oil": _day_before_crude_oil,
        "day_before_fifteenth": _before_day(15),
        "day_before_last_day": _from_month_end(1),
        "day_before_sixteenth": _before_day(16),
        "day_before_third_wednesday": _nth(WEDNESDAY, 3, -1),
        "eurex_bond": _eurex_bond,
        "friday_of_week_1": _nth(FRIDAY, 1),
        "friday_of_week_2": _nth(FRIDAY, 2),
        "friday_of_week_3": _nth(FRIDAY, 3),
        "friday_of_week_4": _nth(FRIDAY, 4),
        "gasoil": _before_day(14, 2),
        "japanese_bond": _japanese_bond,
        "last_day": _from_month_end(0),
        "last_day_of_previous_month": _from_month_end(0, months=-1),
        "last_friday": _last_of(FRIDAY),
        "last_thursday": _last_of(THURSDAY),
        "milk": _milk,
        "orange_juice": _from_month_end(14),
        "second_thursday": _nth(THURSDAY, 2),
        "session_before_third_friday": _nth(FRIDAY, 3, -1),
        "seven_days_before_last_day": _from_month_end(7),
        "tenth_day": lambda region, year, month: shift(
            region, month_start(year, month) - timedelta(days=1), 10
        ),
        "third_friday": _nth(FRIDAY, 3),
        "third_last_day": _from_month_end(2),
        "third_last_day_of_previous_month": _from_month_end(2, months=-1),
        "third_thursday": _nth(THURSDAY, 3),
        "thursday_before_second_friday": _thursday_before_second_friday,
        "two_days_before_last_day": _from_month_end(2),
        "two_days_before_month": _from_month_start(-2),
        "two_days_before_third_wednesday": _nth(WEDNESDAY, 3, -2),
        "vix_wednesday": _vix,
        "wednesday_of_week_1": _nth(WEDNESDAY, 1),
        "wednesday_of_week_2": _nth(WEDNESDAY, 2),
        "wednesday_of_week_3": _nth(WEDNESDAY, 3),
        "wednesday_of_week_4": _nth(WEDNESDAY, 4),
        "white_sugar": _white_sugar,
    }
)

FIRST_NOTICE_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "day_before_month": lambda region, year, month: shift(
            region, _first(region, year, month), -1
        ),
        "first_day": _first,
        "first_monday": lambda region, year, month: on_or_after(
            region, nth_weekday(year, month, MONDAY, 1)
        ),
        "five_days_before_month": lambda region, year, month: shift(
            region, _first(region, year, month), -5
        ),
        "last_day_of_previous_month": _from_month_end(0, months=-1),
        "seven_days_before_month": lambda region, year, month: shift(
            region, _first(region, year, month), -7
        ),
        "ten_days_before_month": lambda region, year, month: shift(
            region, _first(region, year, month), -10
        ),
        "two_days_before_month": lambda region, year, month: shift(
            region, _first(region, year, month), -2
        ),
    }
)
