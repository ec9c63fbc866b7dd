"""Indicators against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from afterclose.models import indicators

NAN = np.nan


def column(*numbers: float) -> indicators.FloatArray:
    return np.array(numbers, dtype=np.float64)[:, None]


def test_an_exponential_mean_weighs_each_close_half_as_much_as_the_next_at_span_three() -> None:
    # (0.25·1 + 0.5·2 + 1·4) / 1.75 = 3, told as the distance from the last close.
    mean = indicators.exponential_mean(column(1, 2, 4), 3, reference=np.array([4.0]))

    assert mean[0] == pytest.approx(-1.0)


def test_two_means_of_a_market_that_stands_still_are_equal_to_the_last_bit() -> None:
    closes = np.full((250, 3), [0.1, 1234.567, 1e-7])
    today = indicators.exponential_mean(closes, 20, reference=closes[-1])
    before = indicators.exponential_mean(closes[:-1], 20, reference=closes[-1])

    assert (today == before).all()
    assert (today == 0.0).all()


def test_a_missing_close_is_the_last_known_one_and_a_leading_gap_stays() -> None:
    closes = np.array([[NAN, 5.0], [2.0, NAN], [NAN, NAN], [3.0, 6.0]])

    filled = indicators.last_known(closes)

    np.testing.assert_array_equal(filled, [[NAN, 5.0], [2.0, 5.0], [2.0, 5.0], [3.0, 6.0]])


def test_the_deviation_is_that_of_a_sample() -> None:
    mean, deviation = indicators.mean_and_deviation(column(100, 2, 4, 4, 4, 5, 5, 7, 9), 8)

    assert mean[0] == 5.0
    assert deviation[0] == pytest.approx(2.138089935)  # sqrt(32 / 7)


def test_sortino_counts_only_losses_as_risk() -> None:
    # Returns 10 %, -10 %, 20 %: mean 6.667 %, downside sqrt(0.01 / 3), times sqrt(252).
    ratio = indicators.sortino_ratio(column(100, 110, 99, 118.8))

    assert ratio[0] == pytest.approx(18.330303)


def test_sortino_without_a_losing_day_is_infinite_and_of_a_dead_market_unknown() -> None:
    closes = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])

    ratio = indicators.sortino_ratio(closes)

    assert ratio[0] == np.inf
    assert np.isnan(ratio[1])


def test_a_price_that_is_not_positive_has_no_return() -> None:
    ratio = indicators.sortino_ratio(column(18.27, -37.63, 10.01))

    assert np.isnan(ratio[0])


def test_correlation_is_one_with_a_multiple_and_minus_one_with_the_mirror() -> None:
    steps = np.array([0.01, -0.02, 0.03, 0.005])
    closes = np.cumprod(np.vstack([np.ones(3), 1 + np.outer(steps, [1.0, 2.0, -1.0])]), axis=0)

    table = indicators.correlations(closes, 4)

    np.testing.assert_allclose(table[0], [1.0, 1.0, -1.0])


def test_correlation_looks_at_the_last_returns_only() -> None:
    closes = np.array([[1.0, 1.0], [2.0, 0.5], [2.2, 0.55], [2.42, 0.605], [2.178, 0.5445]])

    assert indicators.correlations(closes, 3)[0, 1] == pytest.approx(1.0)
    assert indicators.correlations(closes, 4)[0, 1] < 0


def test_correlation_with_a_market_that_stands_still_is_unknown() -> None:
    closes = np.array([[1.0, 4.0], [1.1, 4.0], [1.0, 4.0]])

    assert np.isnan(indicators.correlations(closes, 2)[0, 1])
