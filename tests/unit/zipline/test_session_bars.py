"""Bars on the simulation's sessions, and exchange rates on the same days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from afterclose.adapters.zipline.bars import (
    ContractSeries,
    DayArray,
    ExchangeRates,
    FloatArray,
    SessionAxis,
    day_numbers,
)
from afterclose.errors import DataError

# Good Friday 2020-04-10 is no session.
SESSIONS = ("2020-04-07", "2020-04-08", "2020-04-09", "2020-04-13", "2020-04-14")
AXIS = SessionAxis(numbers=day_numbers(np.array(SESSIONS, dtype="datetime64[D]")))


@dataclass
class Bars:
    sessions: DayArray
    close: FloatArray
    volume: FloatArray
    open: FloatArray = field(init=False)
    high: FloatArray = field(init=False)
    low: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.open, self.high, self.low = self.close - 1, self.close + 2, self.close - 2


def bars(**rows: tuple[float, float]) -> Bars:
    days = [name.removeprefix("d").replace("_", "-") for name in rows]
    return Bars(
        sessions=np.array(days, dtype="datetime64[D]"),
        close=np.array([close for close, _ in rows.values()]),
        volume=np.array([volume for _, volume in rows.values()]),
    )


def test_a_missing_bar_has_no_price_and_no_volume() -> None:
    series = ContractSeries(
        bars(d2020_04_08=(-37.63, 5.0), d2020_04_13=(10.01, np.nan)), AXIS, stop=5
    )

    np.testing.assert_array_equal(
        series.slice("close", 0, 5), [np.nan, -37.63, np.nan, 10.01, np.nan]
    )
    np.testing.assert_array_equal(series.slice("volume", 0, 5), [0, 5, 0, 0, 0])
    np.testing.assert_array_equal(
        series.slice("known_volume", 0, 5), [np.nan, 5, np.nan, np.nan, np.nan]
    )


def test_a_bar_on_a_day_that_is_no_session_is_left_out_and_counted() -> None:
    series = ContractSeries(
        bars(d2020_04_09=(1.0, 1.0), d2020_04_10=(2.0, 2.0), d2020_04_13=(3.0, 3.0)), AXIS, stop=5
    )

    assert list(series.field("close")) == [1.0, 3.0]
    assert series.off_calendar == 1


def test_nothing_after_the_last_session_of_the_run_is_kept() -> None:
    series = ContractSeries(bars(d2020_04_07=(1.0, 1.0), d2020_04_14=(9.0, 9.0)), AXIS, stop=4)

    assert list(series.field("close")) == [1.0]
    assert np.isnan(series.slice("close", 0, 5)[4])


def test_days_are_found_among_sessions_from_either_side() -> None:
    good_friday = date(2020, 4, 10)

    assert AXIS.at_or_before(good_friday) == 2
    assert AXIS.at_or_after(good_friday) == 3
    assert AXIS.day(3) == date(2020, 4, 13)


@dataclass
class Rates:
    sessions: DayArray
    usd_per_unit: FloatArray


class RateStore:
    """Only the rates of a store."""

    fingerprint = ""
    last_session = date(2020, 4, 14)

    def roots(self) -> list[str]:
        return []

    def contracts(self, root: str | None = None) -> list[object]:  # noqa: ARG002 - as the store names it
        return []

    def bars(self, symbol: str) -> Bars:
        raise DataError(symbol)

    def fx(self, currency: str) -> Rates:
        known = {"EUR": [1.10, np.nan, 1.20], "JPY": [0.01, 0.0125, 0.01]}
        if currency not in known:
            raise DataError(f"no {currency}")
        days = np.array(["2020-04-08", "2020-04-09", "2020-04-10"], dtype="datetime64[D]")
        return Rates(sessions=days, usd_per_unit=np.array(known[currency]))


def test_the_last_known_rate_holds_and_no_later_one_is_used() -> None:
    rates = ExchangeRates(RateStore(), AXIS, base="USD")  # type: ignore[arg-type]  # no contracts

    assert np.isnan(rates.per_unit("EUR", 0))
    assert [rates.per_unit("EUR", at) for at in (1, 2, 3, 4)] == [1.10, 1.10, 1.20, 1.20]


def test_a_base_other_than_the_dollar_crosses_through_it() -> None:
    rates = ExchangeRates(RateStore(), AXIS, base="EUR")  # type: ignore[arg-type]  # no contracts

    assert rates.per_unit("EUR", 0) == 1.0
    assert rates.per_unit("USD", 3) == 1 / 1.20
    assert rates.per_unit("JPY", 3) == 0.01 / 1.20


def test_a_currency_without_any_rate_has_none() -> None:
    rates = ExchangeRates(RateStore(), AXIS, base="USD")  # type: ignore[arg-type]  # no contracts

    assert np.isnan(rates.per_unit("KRW", 4))
