"""Bring a source's data into the order of the store: contracts by root and delivery, then bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
