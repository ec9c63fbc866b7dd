"""Contract facts for the example evenings, typed by hand from the exchanges' and IB's pages."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Settlement,
    read_symbol,
)

D = Decimal
SESSION = date(2026, 11, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    root: str
    name: str
    sector: str
    ib_symbol: str
    exchange: str
    currency: str
    multiplier: str
    magnifier: int
    tick: str
    point_value: str
    scale: str
    quotation: str
    close: str


def _typed(line: str) -> Typed:
    fields = [part.strip() for part in line.split("|")]
    root, name, sector, ib, exchange, ccy, mult, mag, tick, point, scale, unit, close = fields
    return Typed(
        root=root,
        name=name,
        sector=sector,
        ib_symbol=ib,
        exchange=exchange,
        currency=ccy,
        multiplier=mult,
        magnifier=int(mag),
        tick=tick,
        point_value=point,
        scale=scale,
        quotation=unit,
        close=close,
    )


# root, name, sector, IB symbol, exchange, currency, multiplier, magnifier, tick, point value,
# vendor-to-IB scale, quotation, a close
_TABLE = """
ES|E-mini S&P 500|Equity Index|ES|CME|USD|50|1|0.25|50|1|index points|6720.25
NQ|E-mini Nasdaq-100|Equity Index|NQ|CME|USD|20|1|0.25|20|1|index points|24310.50
NKD|Nikkei 225 (USD)|Equity Index|NKD|CME|USD|5|1|5|5|1|index points|48905
FESX|EURO STOXX 50|Equity Index|ESTX50|EUREX|EUR|10|1|1|10|1|index points|5688
HSI|Hang Seng|Equity Index|HSI|HKFE|HKD|50|1|1|50|1|index points|25830
KOS|KOSPI 200|Equity Index|K200|KSE|KRW|250000|1|0.05|250000|1|index points|548.35
ZN|10-Year T-Note|Bonds|ZN|CBOT|USD|1000|1|0.015625|1000|1|points of par|112.890625
FGBL|Euro-Bund|Bonds|GBL|EUREX|EUR|1000|1|0.01|1000|1|percent of par|128.94
SJB|Mini 10-Year JGB|Bonds|SGB|SGX|JPY|100000|1|0.01|100000|1|percent of par|135.62
6J|Japanese Yen|Currency|JPY|CME|USD|12500000|1|0.0000005|12500000|0.01|USD per JPY|0.0064285
6E|Euro FX|Currency|EUR|CME|USD|125000|1|0.00005|125000|1|USD per EUR|1.15340
ZC|Corn|Agriculture|ZC|CBOT|USD|5000|100|0.25|50|1|US cents per bushel|438.25
KC|Coffee C|Agriculture|KC|NYBOT|USD|37500|100|0.05|375|1|US cents per lb|402.35
CL|WTI Crude|Energy|CL|NYMEX|USD|1000|1|0.01|1000|1|USD per barrel|59.14
GC|Gold|Metals|GC|COMEX|USD|100|1|0.1|100|1|USD per troy ounce|4061.3
HG|Copper|Metals|HG|COMEX|USD|25000|1|0.0005|25000|0.01|USD per lb|5.0135
"""

TYPED = {typed.root: typed for typed in map(_typed, _TABLE.strip().splitlines())}


def make_spec(root: str) -> ContractSpec:
    typed = TYPED[root]
    return ContractSpec(
        root=RootSymbol(root),
        name=typed.name,
        sector=typed.sector,
        ib_symbol=typed.ib_symbol,
        ib_exchange=typed.exchange,
        trading_class=root,
        currency=Currency(typed.currency),
        multiplier=typed.multiplier,
        price_magnifier=typed.magnifier,
        tick_size=D(typed.tick),
        point_value=D(typed.point_value),
        vendor_to_ib_scale=D(typed.scale),
        quotation=typed.quotation,
        months="HMUZ",
        settlement=Settlement.CASH if typed.sector == "Equity Index" else Settlement.PHYSICAL,
    )


def make_mapped(symbol: str) -> MappedContract:
    contract = make_contract(symbol)
    return MappedContract(contract=contract, spec=make_spec(contract.root))


def make_contract(symbol: str) -> FuturesContract:
    return read_symbol(symbol, on=SESSION)


def con_id_of(symbol: str) -> int:
    """A made-up but stable number per symbol."""
    return 600_000_000 + zlib.crc32(symbol.encode()) % 99_999_999


def make_qualified(symbol: str) -> QualifiedContract:
    mapped = make_mapped(symbol)
    spec = mapped.spec
    return QualifiedContract(
        contract=mapped.contract,
        con_id=con_id_of(symbol),
        local_symbol=f"{spec.ib_symbol}{mapped.contract.month.code[0]}6",
        symbol=spec.ib_symbol,
        exchange=spec.ib_exchange,
        currency=spec.currency,
        trading_class=spec.trading_class,
        multiplier=spec.multiplier,
        price_magnifier=spec.price_magnifier,
        tick_size=spec.tick_size,
        contract_month=mapped.contract.month,
        last_trade_date=_third_friday(mapped.contract.month),
        time_zone="America/Chicago",
        trading_hours="20261122:1700-20261123:1600",
        liquid_hours="20261123:0830-20261123:1500;20261124:0830-20261124:1500",
        order_types=("LMT", "MKT"),
    )


def _third_friday(month: ContractMonth) -> date:
    first = date(month.year, month.month, 1)
    return date(month.year, month.month, 15 + (4 - first.weekday()) % 7)
