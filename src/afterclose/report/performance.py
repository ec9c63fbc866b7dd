"""Performance of a series of daily returns, by empyrical's definitions; 252 days to the year.

annual return: compounded, to the year. volatility: standard deviation × √252. Sharpe: mean over
deviation × √252, no risk-free rate. Sortino: mean over downside deviation × √252, target 0. Calmar:
annual return over the largest drawdown. Omega: gains over losses, threshold 0. tail ratio: 95th
over 5th percentile. daily VaR 95 %: the 5th percentile. alpha (a year) and beta: against models.
Skew and kurtosis (excess) are scipy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

#: Two returns have no deviation worth a name.
_FEWEST = 3
_TAIL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of both; None where it is not defined. ``percent``: it is a fraction."""

    name: str
    percent: bool
    account: float | None
    models: float | None


def performance(account: Sequence[Decimal], models: Sequence[Decimal]) -> tuple[Metric, ...] | None:
    """Return the metrics of both; None for fewer than three days, or without empyrical."""
    if min(len(account), len(models)) < _FEWEST:
        return None
    try:
        import empyrical  # noqa: PLC0415 - costs seconds, and comes with the Zipline extra
        import numpy as np  # noqa: PLC0415 - likewise
        from scipy import stats  # noqa: PLC0415 - likewise
    except ImportError:
        return None
    ours, theirs = (np.array([float(r) for r in side]) for side in (account, models))
    one: tuple[tuple[str, bool, Callable[[Any], Any]], ...] = (
        ("cumulative return", True, empyrical.cum_returns_final),
        ("annual return", True, empyrical.annual_return),
        ("annual volatility", True, empyrical.annual_volatility),
        ("Sharpe ratio", False, empyrical.sharpe_ratio),
        ("Sortino ratio", False, empyrical.sortino_ratio),
        ("Calmar ratio", False, empyrical.calmar_ratio),
        ("Omega ratio", False, empyrical.omega_ratio),
        ("largest drawdown", True, empyrical.max_drawdown),
        ("skew", False, stats.skew),
        ("kurtosis", False, stats.kurtosis),
        ("tail ratio", False, empyrical.tail_ratio),
        ("daily VaR 95 %", True, lambda r: empyrical.value_at_risk(r, cutoff=_TAIL)),
    )
    with np.errstate(all="ignore"):
        found = [
            Metric(name=name, percent=percent, account=_plain(of(ours)), models=_plain(of(theirs)))
            for name, percent, of in one
        ]
        alpha, beta = empyrical.alpha_beta(ours, theirs)
    found.append(Metric(name="alpha", percent=True, account=_plain(alpha), models=None))
    found.append(Metric(name="beta", percent=False, account=_plain(beta), models=None))
    return tuple(found)


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if isfinite(number) else None
