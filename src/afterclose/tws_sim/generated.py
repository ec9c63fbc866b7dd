"""A made-up market: every listed product, with prices of the right size and a seed.

For trying things out without market files. Each root walks at random from a typical price, in whole
ticks; the months of a root differ by a small, constant carry. The same seed gives the same market.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

from afterclose.tws_sim.contracts import Product, cycle_months, last_trade_date, products
from afterclose.tws_sim.hours import is_session
from afterclose.tws_sim.market import Bar, History, Market

_MONTHS = 4
_VOLATILITY = 0.011
_CARRY_TICKS = 6
_FRONT_VOLUME, _NEXT_VOLUME, _FAR_VOLUME = 120_000, 9_000, 800
_DOLLARS_PER_UNIT = (
    *(("EUR", "1.16"), ("GBP", "1.32"), ("AUD", "0.655"), ("NZD", "0.572"), ("CAD", "0.715")),
    *(("CHF", "1.245"), ("JPY", "0.00643"), ("HKD", "0.1284"), ("KRW", "0.00068")),
    *(("SGD", "0.772"), ("MXN", "0.0545"), ("SEK", "0.106"), ("CNH", "0.1413")),
)


def generated_market(
    *, until: date, sessions: int = 60, roots: Iterable[str] = (), seed: int = 0
) -> Market:
    """Make a market of some roots, all where none is named, up to and including a day."""
    wanted = frozenset(roots)
    histories: dict[tuple[str, str], History] = {}
    for product in products():
        if product.vendor_root and (not wanted or product.vendor_root in wanted):
            histories |= _histories(product, until=until, sessions=sessions, seed=seed)
    days = _days(products()[0], until, sessions)
    fx = {}
    for currency, rate in _DOLLARS_PER_UNIT:
        walk = _walk(Decimal(rate), Decimal(rate) / 10_000, days, seed, currency)
        fx[currency] = dict(zip(days, walk, strict=True))
    return Market(histories=histories, fx=fx, last_trade_dates={})


def _days(product: Product, until: date, sessions: int) -> list[date]:
    found: list[date] = []
    day = until
    while len(found) < sessions:
        if is_session(product.hours, day):
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def _walk(
    start: Decimal, step: Decimal, days: list[date], seed: int, name: str
) -> Iterator[Decimal]:
    """Walk in whole steps from a price, about one percent a day."""
    source = random.Random(f"{seed}:{name}")  # noqa: S311 - prices, not secrets
    steps = int(start / step)
    for _ in days:
        steps = max(10, round(steps * (1 + source.gauss(0, _VOLATILITY))))
        yield steps * step


def _histories(
    product: Product, *, until: date, sessions: int, seed: int
) -> dict[tuple[str, str], History]:
    days = _days(product, until, sessions)
    closes = list(_walk(product.typical_price, product.tick, days, seed, product.vendor_root))
    live = (
        month
        for month in cycle_months(product, days[0] - timedelta(days=62))
        if last_trade_date(product, month) >= days[0]
    )
    found = {}
    for number, month in enumerate(islice(live, _MONTHS + sessions // 21)):
        ends = last_trade_date(product, month)
        carry = number * _CARRY_TICKS * product.tick
        bars = [
            _bar(product, day, before + carry, close + carry, _volume(ends, day))
            for day, before, close in zip(days, [closes[0], *closes], closes, strict=False)
            if day <= ends
        ]
        found[product.vendor_root, month] = History(bars)
    return found


def _volume(ends: date, day: date) -> int:
    left = (ends - day).days
    if left < 0:
        return 0
    if left <= 10:  # noqa: PLR2004 - the weeks in which traders roll
        return _NEXT_VOLUME
    return _FRONT_VOLUME if left <= 100 else _FAR_VOLUME  # noqa: PLR2004


def _bar(product: Product, day: date, before: Decimal, close: Decimal, volume: int) -> Bar:
    reach = 3 * product.tick
    bar = Bar(
        session=day,
        open=before,
        high=max(before, close) + reach,
        low=min(before, close) - reach,
        close=close,
        volume=volume,
    )
    return bar.scaled(1 / product.vendor_scale)
