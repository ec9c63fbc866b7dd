"""What a run leaves: the result values, and the files that pyfolio's users know by name.

``transactions_…``, ``positions_…`` and ``returns_<start>_to_<end>_<MODEL>.csv`` are, byte for byte,
the frames of pyfolio's ``extract_rets_pos_txn_from_zipline`` written by pandas: the index of the
transactions is the close of the session, that of the others its midnight in UTC; ``sid`` and
``symbol`` are the same text; an automatic close has no ``order_id``. One thing is ours: position
values are in the base currency, as the cash beside them is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afterclose.adapters.zipline.algorithm import EndState
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.tables import RunTables, write_tables
from afterclose.domain.findings import Scalar
from afterclose.domain.runs import (
    AutoClose,
    ModelOrder,
    ModelPosition,
    ModelRequest,
    ModelResult,
    ModelTransaction,
)

ORDER_COLUMNS = (
    "symbol",
    "amount",
    "filled",
    "remaining",
    "created",
    "order_id",
    "limit",
    "stop",
    "reason",
    "stop_level",
)


def model_result(
    tables: RunTables,
    end: EndState,
    bars: MarketBars,
    request: ModelRequest,
    facts: dict[str, Scalar],
) -> ModelResult:
    """Put the values of a finished run together."""
    sessions = [session.date() for session in tables.days["session"]]
    orders = tuple(_order(order, end) for order in end.open_orders)
    positions = tuple(
        ModelPosition(
            symbol=asset.symbol,
            amount=int(position.amount),
            last_price=float(position.last_sale_price),
        )
        for asset, position in end.positions.items()
    )
    symbols = {order.symbol for order in orders} | {held.symbol for held in positions}
    return ModelResult(
        model=request.model.name,
        first_session=sessions[0],
        last_session=sessions[-1],
        capital_base=request.capital_base,
        transactions=_transactions(tables.fills),
        positions=positions,
        open_orders=orders,
        auto_closes=_auto_closes(end, bars, sessions[-1]),
        portfolio_value=tuple(zip(sessions, tables.days["portfolio_value"].tolist(), strict=True)),
        last_closes={symbol: _last_close(bars, symbol, sessions[-1]) for symbol in sorted(symbols)},
        facts=facts,
    )


def _transactions(fills: pd.DataFrame) -> tuple[ModelTransaction, ...]:
    columns = [
        fills[name].tolist() for name in ("close_at", "symbol", "amount", "price", "order_id")
    ]
    return tuple(
        ModelTransaction(
            session=at.date(), symbol=symbol, amount=amount, price=price, order_id=number
        )
        for at, symbol, amount, price, number in zip(*columns, strict=True)
    )


def _order(order: Any, end: EndState) -> ModelOrder:
    note = end.order_notes.get(order.id)
    stop_level = getattr(note, "stop_level", None)
    return ModelOrder(
        symbol=order.asset.symbol,
        amount=int(order.amount),
        filled=int(order.filled),
        created=order.created.date(),
        order_id=order.id,
        limit=None if order.limit is None else float(order.limit),
        stop=None if order.stop is None else float(order.stop),
        reason=str(getattr(note, "reason", "")),
        stop_level=None if stop_level is None else float(stop_level),
    )


def _auto_closes(end: EndState, bars: MarketBars, last: date) -> tuple[AutoClose, ...]:
    """Positions that end before an order of the next evening could fill."""
    following = bars.axis.day(bars.axis.at_or_after(last) + 1)
    return tuple(
        AutoClose(
            symbol=asset.symbol,
            amount=int(position.amount),
            auto_close=asset.auto_close_date.date(),
        )
        for asset, position in end.positions.items()
        if asset.auto_close_date.date() <= following
    )


def _last_close(bars: MarketBars, symbol: str, last: date) -> tuple[date, float]:
    series = bars.series(symbol)
    stop = bars.axis.at_or_before(last) + 1
    closes = series.field("close")[: max(0, stop - series.first)]
    known = np.flatnonzero(np.isfinite(closes))
    if not len(known):
        return last, float("nan")
    return bars.axis.day(series.first + int(known[-1])), float(closes[known[-1]])


def write_files(tables: RunTables, result: ModelResult, folder: Path) -> dict[str, Path]:
    """Write every table of a run. Returns the paths by what they hold."""
    suffix = f"{result.first_session}_to_{result.last_session}_{result.model}.csv"
    files = {
        name: folder / f"{name}_{suffix}"
        for name in ("transactions", "positions", "returns", "open_orders")
    }
    _write_table(transactions_table(tables.fills), files["transactions"])
    _write_table(returns_table(tables.days), files["returns"])
    _write_lines(files["positions"], positions_lines(tables))
    orders = pd.DataFrame(
        [{name: getattr(order, name) for name in ORDER_COLUMNS} for order in result.open_orders],
        columns=list(ORDER_COLUMNS),
    )
    orders.to_csv(files["open_orders"], index=False, lineterminator="\n", encoding="utf-8")
    path = files["open_orders.parquet"] = folder / "open_orders.parquet"
    numbers = dict.fromkeys(("limit", "stop", "stop_level"), "float64")
    orders.astype(numbers).to_parquet(path, index=False)
    files.update(write_tables(tables, folder))
    return files


def _write_table(table: Any, path: Path) -> None:
    table.to_csv(path, lineterminator="\n", encoding="utf-8")


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def returns_table(days: pd.DataFrame) -> pd.Series[float]:
    """Daily returns by session."""
    index = pd.DatetimeIndex(days["session"], tz="UTC").rename(None)
    return pd.Series(days["returns"].to_numpy(), index=index, name="returns")


def transactions_table(fills: pd.DataFrame) -> pd.DataFrame:
    """One row per fill, in pyfolio's columns; ``txn_dollars`` leaves the multiplier out."""
    names = [_label(*row) for row in zip(fills["sid"], fills["symbol"], strict=True)]
    return pd.DataFrame(
        {
            "sid": names,
            "symbol": names,
            "price": fills["price"].to_numpy(),
            "order_id": fills["order_id"].to_numpy(),
            "amount": fills["amount"].to_numpy(),
            "commission": None,
            "dt": fills["close_at"].to_numpy(),
            "txn_dollars": -fills["amount"].to_numpy() * fills["price"].to_numpy(),
        },
        index=pd.DatetimeIndex(fills["close_at"]).rename(None),
    ).assign(dt=list(fills["close_at"]))


def _label(sid: int, symbol: str) -> str:
    return f"Future({sid} [{symbol}])"


def positions_lines(tables: RunTables) -> Iterator[str]:
    """The lines of the positions file: one column per contract ever held, by id, then the cash.

    Written by hand: over decades the table has millions of zeros and pandas takes a minute for it.
    """
    held = tables.holdings
    contracts = sorted(set(zip(held["sid"], held["symbol"], strict=True)))
    column = {sid: number for number, (sid, _) in enumerate(contracts)}
    yield ",".join(["", *(_label(sid, symbol) for sid, symbol in contracts), "cash"]) + "\n"
    rows: dict[Any, list[tuple[int, float]]] = {}
    for session, sid, value in zip(held["session"], held["sid"], held["value"], strict=True):
        rows.setdefault(session, []).append((column[sid], value))
    for session, cash in zip(tables.days["session"], tables.days["ending_cash"], strict=True):
        cells = ["0.0"] * len(contracts)
        for number, value in rows.get(session, ()):
            cells[number] = repr(float(value))
        yield ",".join([f"{session}+00:00", *cells, repr(float(cash))]) + "\n"
