"""Bars, sizings and findings for the rows of the example evening."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from afterclose.domain.audit import (
    Sizing,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import Bar
from unit.report.make_contracts import (
    SESSION,
    make_mapped,
)

D = Decimal


def finding(code: str, severity: Severity, message: str, hint: str = "", **seen: Any) -> Finding:
    return Finding(
        code=code, severity=severity, subject="row", message=message, hint=hint, evidence=seen
    )


def make_bars(symbol: str, close: D, *, count: int = 60) -> tuple[Bar, ...]:
    """A quiet random walk that ends at ``close``, on the tick."""
    spec, chance = make_mapped(symbol).spec, random.Random(symbol)
    prices = [close]
    for _ in range(count):
        prices.append(prices[-1] * (1 - D(str(round(chance.gauss(0.0009, 0.008), 5)))))
    prices = [spec.to_tick(price) for price in reversed(prices)]
    days = [SESSION - timedelta(days=n) for n in range(count * 2)]
    sessions = [day for day in days if day.weekday() < 5][:count][::-1]
    bars = []
    for session, opened, closed in zip(sessions, prices, prices[1:], strict=False):
        reach = close * D(str(round(abs(chance.gauss(0, 0.004)), 5)))
        bars.append(
            Bar(
                session=session,
                open=opened,
                high=spec.to_tick(max(opened, closed) + reach),
                low=spec.to_tick(min(opened, closed) - reach),
                close=closed,
                volume=D(chance.randint(900, 90_000)),
            )
        )
    return tuple(bars)


def sized(
    symbol: str,
    close: D,
    *,
    fx: str | None,
    contracts: int | None,
    short: bool = False,
    **more: Any,
) -> Sizing:
    """A plausible sizing for rows whose figures no test looks at."""
    spec = make_mapped(symbol).spec
    mean = spec.to_tick(close * (D("1.01") if short else D("0.99")))
    deviation = spec.to_tick(close * D("0.01"))
    band = mean + 3 * deviation if short else mean - 3 * deviation
    distance, point_value = abs(close - band), spec.point_value or D(1)
    risk = distance * point_value
    in_base = None if fx is None else risk * D(fx)
    whole = contracts
    return Sizing(
        window=20,
        width=D(3),
        mean=mean,
        deviation=deviation,
        band=band,
        stop_distance=distance,
        point_value=point_value,
        risk_per_contract=risk,
        fx=None if fx is None else D(fx),
        risk_per_contract_base=in_base,
        capital=D(5_000_000),
        max_risk=D(25_000),
        contracts_to_trade=whole,
        risk_per_trade=None if in_base is None or whole is None else in_base * whole,
        risk_ok=None if in_base is None else in_base * (whole or 0) <= D(25_000),
        **more,
    )


#: Worked by hand: 6700 − 3 × 40 = 6580; 6720.25 − 6580 = 140.25; × 50 = 7012.50;
#: 25,000 / 7012.50 = 3.56…, so 3 contracts and 21,037.50.
ES_SIZING = Sizing(
    window=20,
    width=D(3),
    mean=D("6700.00"),
    deviation=D("40.00"),
    band=D("6580.00"),
    stop_distance=D("140.25"),
    point_value=D(50),
    risk_per_contract=D("7012.50"),
    fx=D(1),
    risk_per_contract_base=D("7012.50"),
    capital=D(5_000_000),
    max_risk=D(25_000),
    contracts_to_trade=3,
    risk_per_trade=D("21037.50"),
    risk_ok=True,
)
#: Worked by hand: 0.0064100 − 3 × 0.00003125 = 0.00631625; 0.0064285 − 0.00631625 = 0.00011225;
#: × 12,500,000 = 1403.125; 25,000 / 1403.125 = 17.81…, so 17 contracts and 23,853.125.
YEN_SIZING = Sizing(
    window=20,
    width=D(3),
    mean=D("0.0064100"),
    deviation=D("0.00003125"),
    band=D("0.00631625"),
    stop_distance=D("0.00011225"),
    point_value=D(12_500_000),
    risk_per_contract=D("1403.125"),
    fx=D(1),
    risk_per_contract_base=D("1403.125"),
    capital=D(5_000_000),
    max_risk=D(25_000),
    contracts_to_trade=17,
    risk_per_trade=D("23853.125"),
    risk_ok=True,
)

LOOK, BLOCK, INFO = Severity.WARN, Severity.BLOCK, Severity.INFO
