"""Bring a source's data into the order of the store: contracts by root and delivery, then bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.errors import DataError


def arranged(data: MarketData) -> tuple[list[ContractRecord], BarTable]:
    """Contracts in chain order with the sessions of their bars, and the bars in the same order.

    Raises DataError when a contract is named twice or bars belong to no contract.
    """
    records = sorted(data.contracts, key=lambda record: record.delivery)
    order = {record.symbol: at for at, record in enumerate(records)}
    if len(order) != len(records):
        raise DataError("the data names a contract twice")
    strangers = [symbol for symbol in data.bars.symbols if symbol not in order]
    if strangers:
        raise DataError(f"bars without a contract: {', '.join(strangers[:5])}")
    table = in_order(data.bars, order)
    return with_bar_sessions(records, table), table


def in_order(table: BarTable, order: Mapping[str, int]) -> BarTable:
    """The same rows with contracts numbered by ``order``."""
    symbols = tuple(order)
    if table.symbols == symbols:
        return table
    place = np.array([order[symbol] for symbol in table.symbols], dtype=np.int32)
    codes = place[table.codes] if len(place) else table.codes
    columns = {name: getattr(table, name) for name in BAR_COLUMNS}
    if not (np.diff(codes) < 0).any():
        return BarTable(symbols=symbols, codes=codes, sessions=table.sessions, **columns)
    return BarTable.sorted(symbols=symbols, codes=codes, sessions=table.sessions, columns=columns)


def with_bar_sessions(records: Sequence[ContractRecord], table: BarTable) -> list[ContractRecord]:
    """Records whose first and last session are those of their rows; unchanged without rows."""
    edges = np.searchsorted(table.codes, np.arange(len(records) + 1))
    days = table.sessions
    result = []
    for at, record in enumerate(records):
        start, stop = int(edges[at]), int(edges[at + 1])
        if start == stop:
            result.append(record)
            continue
        first, last = days[start].item(), days[stop - 1].item()
        if (first, last) != (record.first_session, record.last_session):
            record = replace(record, first_session=first, last_session=last)  # noqa: PLW2901 - the same record, dated
        result.append(record)
    return result


def fx_columns(
    series: Mapping[str, FxSeries],
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Flat columns (currencies, codes, sessions, rates) of several series."""
    currencies = sorted(series)
    lengths = [len(series[currency]) for currency in currencies]
    codes = np.repeat(np.arange(len(currencies), dtype=np.int32), lengths)
    days = [series[currency].sessions.astype("datetime64[D]") for currency in currencies]
    rates = [series[currency].usd_per_unit for currency in currencies]
    if not currencies:
        return [], codes, np.empty(0, dtype="datetime64[D]"), np.empty(0, dtype=np.float64)
    sessions = np.concatenate(days)
    if ((np.diff(codes) == 0) & (np.diff(sessions) <= np.timedelta64(0, "D"))).any():
        raise DataError("exchange rates are not in order of their days")
    return currencies, codes, sessions, np.concatenate(rates)


def cut_after(data: MarketData, last: date) -> MarketData:
    """What was known on the evening of ``last``: no later bar or rate, no contract listed later."""
    day = np.datetime64(last, "D")
    kept = [record for record in data.contracts if record.first_session <= last]
    names = {record.symbol for record in kept}
    keep = data.bars.sessions <= day
    listed = np.array([symbol in names for symbol in data.bars.symbols], dtype=np.bool_)
    number = np.cumsum(listed, dtype=np.int32) - np.int32(1)
    bars = BarTable(
        symbols=tuple(symbol for symbol in data.bars.symbols if symbol in names),
        codes=number[data.bars.codes[keep]],
        sessions=data.bars.sessions[keep],
        **{name: getattr(data.bars, name)[keep] for name in BAR_COLUMNS},
    )
    rates = {currency: _rates_until(series, day) for currency, series in data.fx.items()}
    return MarketData(contracts=tuple(_dated(kept, bars)), bars=bars, fx=rates)


def _rates_until(series: FxSeries, day: np.datetime64) -> FxSeries:
    stop = int(series.sessions.searchsorted(day, side="right"))
    return FxSeries(
        currency=series.currency,
        sessions=series.sessions[:stop],
        usd_per_unit=series.usd_per_unit[:stop],
    )


def _dated(records: Sequence[ContractRecord], bars: BarTable) -> list[ContractRecord]:
    place = {record.symbol: at for at, record in enumerate(records)}
    return with_bar_sessions(records, in_order(bars, place))
