"""A small market, typed by hand, in the data vendor's units."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from afterclose import tws_sim

MONDAY_EVENING = datetime(2025, 12, 1, 22, 30, tzinfo=UTC)
"""16:30 in Chicago: the session of 1 December is over, that of the 2nd opens in half an hour."""
TUESDAY_OPEN = datetime(2025, 12, 1, 23, 0, tzinfo=UTC)
TUESDAY_CLOSE = datetime(2025, 12, 2, 22, 0, tzinfo=UTC)

BARS = """\
root,contract_month,session,open,high,low,close,volume
ES,202512,2025-11-28,6800,6830,6790,6820,100000
ES,202512,2025-12-01,6820,6850,6800,6810,100000
ES,202512,2025-12-02,6812,6842,6800,6830,100000
ES,202603,2025-12-01,6870,6900,6850,6860,20000
CL,202601,2025-11-28,58.90,59.30,58.50,59.00,300000
CL,202601,2025-12-01,59.00,59.60,58.70,59.32,300000
CL,202601,2025-12-02,59.30,59.50,58.10,58.64,300000
CL,202602,2025-12-01,,,,59.10,0
HG,202603,2025-12-01,527.00,531.50,524.50,529.10,40000
SI,202603,2025-12-01,5700.0,5850.0,5650.0,5810.5,50000
ZR,202601,2025-12-01,1010,1020,1005,1012.5,900
6J,202512,2025-12-01,0.64100,0.64500,0.63900,0.64300,90000
GWM,202601,2025-12-01,72.10,73.50,71.00,72.85,9000
ZC,202603,2025-12-01,446.25,449.75,444.50,448.00,120000
ZN,202603,2025-12-01,113.0,113.25,112.75,113.015625,900000
FDAX,202512,2025-12-01,23800,23900,23650,23720,30000
FESX,202512,2025-12-01,5660,5690,5640,5667,600000
FESX,202512,2025-12-02,5667,5700,5650,5686,600000
VX,202512,2025-12-01,18.05,19.10,17.95,18.60,80000
NG,202601,2025-12-01,4.850,4.990,4.800,4.921,150000
LFT,202512,2025-12-01,9700,9760,9680,9702.5,90000
"""

FX = """\
currency,session,usd_per_unit
EUR,2025-11-28,1.15980
EUR,2025-12-01,1.16110
GBP,2025-12-01,1.32120
JPY,2025-12-01,0.00643
"""


def write_market(folder: Path, *, bars: str = BARS, fx: str = FX) -> Path:
    """Write a market folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bars.csv").write_text(bars, encoding="utf-8", newline="")
    (folder / "fx.csv").write_text(fx, encoding="utf-8", newline="")
    return folder


def account(*holdings: tws_sim.Holding) -> tws_sim.AccountSpec:
    """A dollar account with a million, and some euros."""
    cash = {"USD": Decimal(1_000_000), "EUR": Decimal(50_000)}
    return tws_sim.AccountSpec(account="DU1234567", cash=cash, positions=holdings)


def holding(root: str, month: str, quantity: int, average_price: str) -> tws_sim.Holding:
    """A starting position."""
    price = Decimal(average_price)
    return tws_sim.Holding(root=root, contract_month=month, quantity=quantity, average_price=price)


def sessions(bars: Iterable[tws_sim.Bar]) -> list[date]:
    """The dates of some bars."""
    return [bar.session for bar in bars]
