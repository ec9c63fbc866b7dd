"""The folder of plain CSV files from which a paper gateway plays the market.

Three files, prices in the data vendor's unit, numbers written so that they read back to the last
bit, days as ``2026-11-20``, an unknown value left empty:

``bars.csv``       root, contract_month, session, open, high, low, close, volume
``fx.csv``         currency, session, usd_per_unit
``contracts.csv``  root, contract_month, last_trade_date
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.records import (
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.errors import DataError

_BAR_FIELDS = ("root", "contract_month", "session", "open", "high", "low", "close", "volume")
_FX_FIELDS = ("currency", "session", "usd_per_unit")
#: As long as IB tells of contracts that have ended.
_ENDED_KEPT = timedelta(days=730)
_CONTRACT_FIELDS = ("root", "contract_month", "last_trade_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFolder:
    """What was written where."""

    path: Path
    contracts: int
    bars: int
    rates: int


def write_gateway_folder(
    market: MarketStore | MarketData,
    path: Path,
    *,
    live_on: date,
    through: date,
    sessions: int = 60,
    roots: Collection[str] | None = None,
) -> GatewayFolder:
    """Write the last ``sessions`` bars, up to ``through``, of every contract live on ``live_on``.

    The contracts that ended in the two years before are named with their last day, without bars: a
    gateway that is started again knows what is in its book.

    ``through`` may lie after ``live_on``: those sessions are what the gateway plays next. A
    contract is live while its last trade (where unknown: its last bar) is not before ``live_on``
    and it has a bar by then. Raises DataError when there is none.
    """
    wanted = [pair for pair in _contracts(market) if roots is None or pair[0].root in roots]
    chosen = [
        (r, _until(bars, through, sessions)) for r, bars in wanted if _is_live(r, bars, live_on)
    ]
    ended = [r for r, _ in wanted if live_on - _ENDED_KEPT <= _ends(r) < live_on]
    if not chosen:
        raise DataError(f"no contract is live on {live_on}")
    path.mkdir(parents=True, exist_ok=True)
    bar_rows = _write(
        path / "bars.csv", _BAR_FIELDS, (row for pair in chosen for row in _bar_rows(*pair))
    )
    currencies = {record.currency for record, _ in chosen}
    rates = _fx(market, currencies)
    fx_rows = _write(path / "fx.csv", _FX_FIELDS, _fx_rows(rates, through, sessions))
    named = sorted([*ended, *(record for record, _ in chosen)], key=lambda record: record.delivery)
    _write(path / "contracts.csv", _CONTRACT_FIELDS, (_contract_row(record) for record in named))
    return GatewayFolder(path=path, contracts=len(chosen), bars=bar_rows, rates=fx_rows)


def _contracts(market: MarketStore | MarketData) -> Iterator[tuple[ContractRecord, ContractBars]]:
    if isinstance(market, MarketStore):
        for record in market.contracts():
            yield record, market.bars(record.symbol)
        return
    bars = {piece.symbol: piece for piece in market.bars.split()}
    for record in sorted(market.contracts, key=lambda record: record.delivery):
        if record.symbol in bars:
            yield record, bars[record.symbol]


def _is_live(record: ContractRecord, bars: ContractBars, day: date) -> bool:
    started = len(bars) > 0 and bool(bars.sessions[0] <= np.datetime64(day, "D"))
    return started and _ends(record) >= day


def _ends(record: ContractRecord) -> date:
    return record.last_trade or record.last_session


def _until(bars: ContractBars, through: date, sessions: int) -> ContractBars:
    stop = int(bars.sessions.searchsorted(np.datetime64(through, "D"), side="right"))
    part = slice(max(0, stop - sessions), stop)
    return ContractBars(
        symbol=bars.symbol,
        sessions=bars.sessions[part],
        open=bars.open[part],
        high=bars.high[part],
        low=bars.low[part],
        close=bars.close[part],
        volume=bars.volume[part],
        open_interest=bars.open_interest[part],
    )


def _bar_rows(record: ContractRecord, bars: ContractBars) -> Iterator[tuple[str, ...]]:
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    days = bars.sessions.astype(str)
    for at, day in enumerate(days):
        values = (_text(float(column[at])) for column in columns)
        yield (record.root, record.contract_month, str(day), *values)


def _text(value: float) -> str:
    """The shortest text that reads back to the same float64; whole numbers without a point."""
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2.0**53 else repr(value)


def _fx(market: MarketStore | MarketData, currencies: Iterable[str]) -> Mapping[str, FxSeries]:
    foreign = sorted(set(currencies) - {"USD"})
    if isinstance(market, MarketStore):
        return {currency: market.fx(currency) for currency in foreign}
    return {currency: market.fx[currency] for currency in foreign}


def _fx_rows(
    rates: Mapping[str, FxSeries], through: date, sessions: int
) -> Iterator[tuple[str, ...]]:
    for currency, series in rates.items():
        stop = int(series.sessions.searchsorted(np.datetime64(through, "D"), side="right"))
        for at in range(max(0, stop - sessions), stop):
            yield currency, str(series.sessions[at]), _text(float(series.usd_per_unit[at]))


def _contract_row(record: ContractRecord) -> tuple[str, ...]:
    last = "" if record.last_trade is None else record.last_trade.isoformat()
    return record.root, record.contract_month, last


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        sink = csv.writer(file, lineterminator="\n")
        sink.writerow(header)
        for row in rows:
            sink.writerow(row)
            count += 1
    return count
