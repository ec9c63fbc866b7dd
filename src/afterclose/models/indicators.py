"""Indicators of daily closes, for all markets at once.

Every function takes a matrix with one column per market and one row per session, oldest first, and
returns one number per market. Missing closes are NaN and must be filled (``last_known``) before;
columns that still have NaN give NaN, which no rule accepts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SESSIONS_PER_YEAR = 252


def last_known(closes: FloatArray) -> FloatArray:
    """Carry the last known close over missing ones; before the first known one stays NaN."""
    known = np.isfinite(closes)
    rows = np.where(known, np.arange(len(closes))[:, None], 0)
    latest = np.maximum.accumulate(rows, axis=0)
    filled: FloatArray = np.take_along_axis(closes, latest, axis=0)
    return filled


def exponential_mean(closes: FloatArray, span: int, *, reference: FloatArray) -> FloatArray:
    """Exponential mean over all rows with weights ``(1 - 2/(span+1))^age``, less ``reference``.

    It is pandas' ``ewm(span, adjust=True).mean()`` of the last row, written as distances from a
    reference price: two means of a market that has not moved are then equal to the last bit, and
    "above yesterday's" is not decided by rounding.
    """
    decay = 1.0 - 2.0 / (span + 1.0)
    weights = decay ** np.arange(len(closes) - 1, -1, -1, dtype=np.float64)
    distances: FloatArray = weights @ (closes - reference) / weights.sum()
    return distances


def mean_and_deviation(closes: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Mean and sample standard deviation of the last ``window`` closes."""
    recent = closes[-window:]
    return recent.mean(axis=0), recent.std(axis=0, ddof=1)


def daily_returns(closes: FloatArray) -> FloatArray:
    """Returns from close to close; NaN where a price is not positive: it has no percentage."""
    valid = np.where(closes > 0, closes, np.nan)
    returns: FloatArray = valid[1:] / valid[:-1] - 1.0
    return returns


def sortino_ratio(closes: FloatArray) -> FloatArray:
    """Mean return over downside deviation (target 0), per year; infinite without a losing day.

    NaN for a market that never moved, or whose returns are not all known.
    """
    returns = daily_returns(closes)
    downside = np.sqrt((np.minimum(returns, 0.0) ** 2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: FloatArray = returns.mean(axis=0) / downside * np.sqrt(SESSIONS_PER_YEAR)
    return ratio


def correlations(closes: FloatArray, window: int) -> FloatArray:
    """Correlation of the last ``window`` daily returns, every market with every other.

    NaN where a market did not move or a return is not known.
    """
    returns = daily_returns(closes[-(window + 1) :])
    centred = returns - returns.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = centred / np.where(scale > 0, scale, np.nan)
    table: FloatArray = np.einsum("ij,ik->jk", unit, unit)
    return table


def as_matrix(frame: Any) -> FloatArray:
    """The numbers of a frame as float64, one column per market."""
    matrix: FloatArray = np.asarray(frame.to_numpy(), dtype=np.float64)
    return matrix
