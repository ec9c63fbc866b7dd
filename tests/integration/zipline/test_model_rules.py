"""The rules of the two models, one by one, on numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from afterclose.models import desk, futures_rules, mean_reversion, trend_following
from afterclose.models.futures_rules import Book, Look

ROOTS = ("ES", "CL", "GC")


def numbers(*values: float) -> Any:
    return np.array(values, dtype=np.float64)


def look(**changes: Any) -> Look:
    """Three markets that every filter lets pass."""
    plain = Look(
        roots=ROOTS,
        column={root: number for number, root in enumerate(ROOTS)},
        close=numbers(3000.0, 50.0, 1500.0),
        previous_close=numbers(2990.0, 49.0, 1510.0),
        rise5=numbers(1.0, 1.0, 1.0),
        rise20=numbers(1.0, 1.0, 1.0),
        rise60=numbers(1.0, 1.0, 1.0),
        mean20_above_mean60=np.array([True, True, True]),
        mean20_below_mean60=np.array([False, False, False]),
        average=numbers(2950.0, 51.0, 1500.0),
        deviation=numbers(20.0, 1.0, 10.0),
        floor=numbers(2890.0, 48.0, 1470.0),
        volume5=numbers(100.0, 5000.0, 5000.0),
        volume20=numbers(100.0, 5000.0, 5000.0),
        sortino=numbers(1.5, 1.01, 2.0),
        correlation=np.eye(3),
    )
    return replace(plain, **changes)


@dataclass(frozen=True)
class Contract:
    root_symbol: str
    price_multiplier: float = 50.0


@dataclass
class Context:
    risk_factor: float = 0.005
    stops: dict[str, tuple[float, float]] = field(default_factory=dict)
    portfolio: Any = field(default_factory=lambda: SimpleNamespace(portfolio_value=1_000_000.0))


def test_size_is_the_risk_of_the_account_over_the_risk_of_a_contract() -> None:
    view = look(volume20=numbers(1e6, 1e6, 1e6))

    # 1,000,000 × 0.005 = 5,000; (50 − 48) × 50 = 100 per contract.
    assert futures_rules.size(Context(), view, 1, Contract("CL")) == 50


def test_size_is_rounded_down_and_capped_at_a_fifth_of_the_mean_volume() -> None:
    # 5,000 / ((3000 − 2890) × 3) = 15.15; a fifth of 100 is 20, of 60 it is 12.
    assert futures_rules.size(Context(), look(), 0, Contract("ES", 3.0)) == 15
    thin = look(volume20=numbers(60.0, 1.0, 1.0))
    assert futures_rules.size(Context(), thin, 0, Contract("ES", 3.0)) == 12


@pytest.mark.parametrize("floor", [50.0, 51.0, math.nan])
def test_there_is_no_size_without_a_positive_stop_distance(floor: float) -> None:
    assert futures_rules.size(Context(), look(floor=numbers(0, floor, 0)), 1, Contract("CL")) == 0


def test_size_uses_the_exchange_rate_of_the_day_and_is_zero_without_one() -> None:
    context: Any = Context()
    view = look(volume20=numbers(1e6, 1e6, 1e6))
    context.exchange_rate = lambda _: 1.25
    assert desk.point_value(context, Contract("CL")) == 62.5
    assert futures_rules.size(context, view, 1, Contract("CL")) == 40
    context.exchange_rate = lambda _: math.nan

    assert futures_rules.size(context, view, 1, Contract("CL")) == 0


def test_a_hundred_contracts_a_day_are_enough_and_fewer_are_not() -> None:
    view = look(volume5=numbers(100.0, 99.9, 101.0))

    assert futures_rules.passes_filters(view, []).tolist() == [True, False, True]


def test_sortino_must_exceed_one_and_an_unknown_one_does_not() -> None:
    view = look(sortino=numbers(1.0, math.nan, math.inf))

    assert futures_rules.passes_filters(view, []).tolist() == [False, False, True]


def test_correlation_with_a_held_market_must_not_exceed_nine_tenths() -> None:
    table = np.array([[1.0, 0.9, 0.91], [0.9, 1.0, math.nan], [0.91, math.nan, 1.0]])
    view = look(correlation=table)

    assert futures_rules.passes_filters(view, [0]).tolist() == [False, True, False]
    assert futures_rules.passes_filters(view, [1]).tolist() == [True, False, True]


def test_the_trend_model_wants_in_when_all_three_means_rise_and_the_fast_is_above() -> None:
    view = look(rise5=numbers(1.0, 1.0, 0.0), mean20_above_mean60=np.array([True, False, True]))

    assert trend_following.wants_in(view).tolist() == [True, False, False]


def test_the_trend_model_wants_out_when_the_fast_mean_is_below_and_not_when_equal() -> None:
    view = look(
        mean20_above_mean60=np.array([False, False, True]),
        mean20_below_mean60=np.array([True, False, False]),
    )

    assert trend_following.wants_out(view).tolist() == [True, False, False]


def test_the_reversion_model_buys_between_the_lower_band_and_the_mean_when_turning_up() -> None:
    view = look(
        close=numbers(99.0, 97.9, 100.0),
        average=numbers(100.0, 100.0, 100.0),
        deviation=numbers(1.0, 1.0, 1.0),
    )

    assert mean_reversion.wants_in(view).tolist() == [True, False, False]
    assert not mean_reversion.wants_in(replace(view, rise5=numbers(0.0, 0.0, 0.0))).any()


def book(*held: str) -> Book:
    return Book(held={root: {Contract(root): 1} for root in held}, waiting={})


def test_a_stop_rises_with_the_band_and_never_falls() -> None:
    context = Context(stops={"ES": (2900.0, 2990.0), "CL": (47.0, 49.0)})

    futures_rules.trail_stops(context, look(), book("ES", "CL"))

    assert context.stops == {"ES": (2900.0, 3000.0), "CL": (48.0, 50.0)}


def test_a_stop_moves_with_a_roll_into_the_prices_of_the_new_month() -> None:
    # Yesterday the close was 49.0; after the roll the same session shows 53.9, a tenth more.
    context = Context(stops={"CL": (48.5, 49.0)})
    view = look(previous_close=numbers(2990.0, 53.9, 1510.0))

    futures_rules.trail_stops(context, view, book("CL"))

    assert context.stops["CL"][0] == pytest.approx(53.35)


def test_a_negative_close_leaves_the_stop_where_it_is() -> None:
    context = Context(stops={"CL": (15.0, 18.27)})
    view = look(
        previous_close=numbers(2990.0, -37.63, 1510.0), floor=numbers(2890.0, -60.0, 1470.0)
    )

    futures_rules.trail_stops(context, view, book("CL"))

    assert context.stops["CL"][0] == 15.0


def test_the_stop_of_a_flat_market_is_forgotten() -> None:
    context = Context(stops={"GC": (1400.0, 1500.0)})

    futures_rules.trail_stops(context, look(), book("ES"))

    assert set(context.stops) == {"ES"}
