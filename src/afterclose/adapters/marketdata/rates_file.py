"""Exchange rates in a CSV file: ``currency, session, usd_per_unit``, a row a day."""

from __future__ import annotations

import csv
import math
from datetime import date
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.records import FxSeries
from afterclose.errors import DataError

COLUMNS = ("currency", "session", "usd_per_unit")


def read_rates(path: Path) -> dict[str, FxSeries]:
    """Read every currency of the file. Raises DataError naming the line that is no rate."""
    rates: dict[str, dict[date, float]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                currency, day, rate = _rate(row, path, line)
                rates.setdefault(currency, {})[day] = rate
    except FileNotFoundError:
        raise DataError(
            f"there is no file of exchange rates {path}", hint=f"columns: {', '.join(COLUMNS)}"
        ) from None
    return {currency: _series(currency, by_day) for currency, by_day in rates.items()}


def _rate(row: dict[str, str], path: Path, line: int) -> tuple[str, date, float]:
    try:
        currency, day = row["currency"].strip(), date.fromisoformat(row["session"].strip())
        rate = float(row["usd_per_unit"])
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{path.name}, line {line} is no exchange rate: {error}",
            hint=f"columns: {', '.join(COLUMNS)}; days as 2026-11-20",
        ) from error
    if not (math.isfinite(rate) and rate > 0):
        raise DataError(f"{path.name}, line {line}: {rate} is no exchange rate")
    return currency, day, rate


def _series(currency: str, by_day: dict[date, float]) -> FxSeries:
    days = sorted(by_day)
    return FxSeries(
        currency=currency,
        sessions=np.array(days, dtype="datetime64[D]"),
        usd_per_unit=np.array([by_day[day] for day in days], dtype=np.float64),
    )
