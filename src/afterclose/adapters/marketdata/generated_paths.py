"""Random paths of the generated market: levels, volatility, exchange rates.

Every stream of random numbers has a name and starts on the same weekday in 2000, so a longer
history begins with the shorter one, and no market depends on which others are generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from afterclose.adapters.marketdata.digest import key_hash
from afterclose.adapters.marketdata.generated_roots import GeneratedRoot
from afterclose.adapters.marketdata.records import FloatArray, FxSeries

EPOCH = np.datetime64("2000-01-03", "D")
DAYS_PER_YEAR = 252.0

_REVERSION = 0.9994  # a shock loses half its weight in about four and a half years
_REGIMES = 600
_REGIME_SHAPE, _REGIME_SCALE, _REGIME_LEAST_DAYS = 2.0, 80.0, 20
_DRIFT_MEAN, _DRIFT_SPREAD = 0.1, 0.9
_CORRELATION = {
    "crypto": 0.85,
    "equity-america": 0.90,
    "equity-europe": 0.90,
    "equity-asia": 0.60,
    "oil": 0.93,
    "precious": 0.75,
    "rates-america": 0.92,
    "rates-europe": 0.92,
    "rates-asia": 0.60,
    "grain": 0.65,
    "oilseed": 0.75,
}
_LEAST_CORRELATION = 0.30
#: Dollars per unit, and yearly volatility.
FX_LEVELS = {
    "AUD": (0.66, 0.10),
    "CAD": (0.73, 0.07),
    "CHF": (1.13, 0.08),
    "EUR": (1.09, 0.08),
    "GBP": (1.27, 0.08),
    "HKD": (0.128, 0.002),
    "JPY": (0.0067, 0.10),
    "KRW": (0.00073, 0.08),
    "SGD": (0.745, 0.05),
}
_FX_DIGITS = 6


def stream(seed: int, *name: object) -> np.random.Generator:
    """Random numbers that depend on the seed and a name alone."""
    text = " ".join(str(part) for part in name)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key_hash(text)])))


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """What moves a market or a group, by weekday: shocks, drift per year, volatility multiplier."""

    shocks: FloatArray
    drift: FloatArray
    turmoil: FloatArray


def drive(seed: int, name: str, days: int) -> Drive:
    """Fat-tailed shocks and regimes of drift and turmoil."""
    shocks = stream(seed, name, "shocks").standard_t(5, days) / np.sqrt(5 / 3)
    regimes = stream(seed, name, "regimes")
    draws = regimes.standard_normal((_REGIMES, 2))
    lengths = regimes.gamma(_REGIME_SHAPE, _REGIME_SCALE, _REGIMES) + _REGIME_LEAST_DAYS
    which = np.searchsorted(np.cumsum(lengths.astype(np.int64)), np.arange(days), side="right")
    drift = _DRIFT_MEAN + _DRIFT_SPREAD * draws[:, 0]
    turmoil = np.exp(0.28 * draws[:, 1])
    return Drive(shocks, drift[which], turmoil[which])


def log_level(seed: int, root: GeneratedRoot, group: Drive, days: int) -> FloatArray:
    """Logarithm of the market's level over its usual price, by weekday since 2000."""
    own = drive(seed, f"root {root.root}", days)
    weight = _CORRELATION.get(root.group, _LEAST_CORRELATION)
    shocks = weight * group.shocks + np.sqrt(1.0 - weight**2) * own.shocks
    turmoil = np.sqrt(group.turmoil * own.turmoil)
    drift = weight * group.drift + (1.0 - weight) * own.drift
    moves = root.volatility * (shocks * turmoil / np.sqrt(DAYS_PER_YEAR) + drift / DAYS_PER_YEAR)
    return reverting(moves)


def reverting(moves: FloatArray) -> FloatArray:
    """The sum of past moves, each fading slowly."""
    fading = _REVERSION ** np.arange(len(moves))
    path: FloatArray = np.cumsum(moves / fading) * fading
    return path


def fx_series(seed: int, currency: str, first: date, last: date) -> FxSeries:
    """Dollars per unit of a currency on every weekday."""
    level, volatility = FX_LEVELS[currency]
    days = int(np.busday_count(EPOCH, np.datetime64(last, "D"))) + 1
    own = drive(seed, f"currency {currency}", days)
    path = reverting(volatility * (own.shocks / np.sqrt(DAYS_PER_YEAR) + own.drift / DAYS_PER_YEAR))
    sessions = np.busday_offset(EPOCH, np.arange(days), roll="forward")
    rates = np.array([_rounded(rate) for rate in level * np.exp(path)])
    keep = (sessions >= np.datetime64(first, "D")) & (sessions <= np.datetime64(last, "D"))
    return FxSeries(currency=currency, sessions=sessions[keep], usd_per_unit=rates[keep])


def _rounded(rate: float) -> float:
    return float(f"{rate:.{_FX_DIGITS}g}")
