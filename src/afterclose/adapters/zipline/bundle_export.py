"""A market store as a stock Zipline bundle, and an account of what the bundle cannot hold.

For people who use Zipline's own tools. Imports Zipline.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from zipline.utils.calendar_utils import get_calendar

from afterclose.adapters.zipline.bars import PRICE_FIELDS, BarStore, MarketBars, StoredContract
from afterclose.adapters.zipline.bundle import PRICE_STEP, lost_decimals
from afterclose.adapters.zipline.sessions import session_axis
from afterclose.adapters.zipline.stock import CALENDAR, export_bundle
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import DataError

#: Thousandths in 32 bits end here.
_HIGHEST_PRICE = (2**32 - 1) * PRICE_STEP
#: Less than this share of a tick is no loss: prices are nearest float64 values.
_NEGLIGIBLE_TICKS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBundle:
    """What was written where, and what was lost on the way.

    ``off_calendar`` counts bars on days that are no session of Zipline's futures calendar.
    """

    home: Path
    name: str
    contracts: int
    bars: int
    first: date
    last: date
    off_calendar: int
    losses: tuple[Finding, ...]


def export_store(
    store: BarStore,
    home: Path,
    *,
    name: str,
    roots: Collection[str] = (),
    through: date | None = None,
) -> ExportedBundle:
    """Write the store, or some roots of it, as a new ingest of bundle ``name`` under ``home``.

    Raises DataError for roots the store does not have.
    """
    missing = sorted(set(roots) - set(store.roots()))
    if missing:
        raise DataError(
            f"the store has no {', '.join(missing)}", hint=f"it has: {' '.join(store.roots())}"
        )
    axis = session_axis(get_calendar(CALENDAR))
    wanted = sorted(roots) or store.roots()
    bars = MarketBars(store, axis, roots=wanted, last=through or store.last_session)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of Zipline's asset writer
        export_bundle(bars, home, name=name)
    series = [bars.series(symbol) for symbol in bars.contracts]
    return ExportedBundle(
        home=home,
        name=name,
        contracts=sum(1 for one in series if len(one)),
        bars=sum(int((~np.isnan(one.field("close"))).sum()) for one in series if len(one)),
        first=axis.day(bars.first),
        last=axis.day(bars.stop - 1),
        off_calendar=sum(one.off_calendar for one in series),
        losses=tuple(_losses(bars)),
    )


def _losses(bars: MarketBars) -> list[Finding]:
    by_root: dict[str, list[StoredContract]] = {}
    for contract in bars.contracts.values():
        by_root.setdefault(contract.root, []).append(contract)
    found: list[Finding] = []
    for root in sorted(by_root):
        found.extend(_losses_of(root, by_root[root], bars))
    return sorted(found, key=lambda f: (f.code, -float(f.evidence.get("ticks") or 0)))


def _losses_of(root: str, chain: list[StoredContract], bars: MarketBars) -> list[Finding]:
    prices = np.concatenate(
        [bars.series(contract.symbol).field(name) for contract in chain for name in PRICE_FIELDS]
    )
    prices = prices[~np.isnan(prices)]
    kept = (prices > 0) & (prices <= _HIGHEST_PRICE)
    off_by = np.abs(prices[kept] - np.round(prices[kept] / PRICE_STEP) * PRICE_STEP)
    worst, found = float(off_by.max(initial=0.0)), []
    tick = chain[-1].tick_size
    if tick > 0 and worst > _NEGLIGIBLE_TICKS * tick:
        found.append(lost_decimals(root, tick_size=tick, off_by=worst))
    if gone := int((~kept).sum()):
        found.append(_lost_prices(root, gone))
    if chain[-1].currency != "USD":
        found.append(_lost_currency(root, chain[-1].currency))
    return found


def _lost_prices(root: str, gone: int) -> Finding:
    return Finding(
        code="AC135",
        severity=Severity.WARN,
        subject=root,
        message=f"{gone} prices of zero, below it or too high for a bundle are missing in it",
        hint="Zipline sees no price on these days",
        evidence={"prices": gone},
    )


def _lost_currency(root: str, currency: str) -> Finding:
    return Finding(
        code="AC136",
        severity=Severity.WARN,
        subject=root,
        message=f"it is in {currency}, and a bundle has no currencies",
        hint="Zipline takes its point value for dollars",
        evidence={"currency": currency},
    )
