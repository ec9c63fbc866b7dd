"""What a run leaves: the result values, and the files that pyfolio's users know by name.

``transactions_…``, ``positions_…`` and ``returns_<start>_to_<end>_<MODEL>.csv`` are, byte for byte,
the frames of pyfolio's ``extract_rets_pos_txn_from_zipline`` written by pandas: the index of the
transactions is the close of the session, that of the others its midnight in UTC; ``sid`` and
``symbol`` are the same text; an automatic close has no ``order_id``. One thing is ours: position
values are in the base currency, as the cash beside them is.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afterclose.adapters.zipline.engine import Simulation
from afterclose.domain.findings import Scalar
from afterclose.domain.runs import (
    AutoClose,
    CurrencyRule,
    ModelOrder,
    ModelPosition,
    ModelRequest,
    ModelResult,
    ModelTransaction,
)

TRANSACTION_COLUMNS = ("sid", "symbol", "price", "order_id", "amount", "commission", "dt")


def model_result(
    simulation: Simulation, request: ModelRequest, facts: dict[str, Scalar]
) -> ModelResult:
    """Read the values of a finished run."""
    performance = simulation.performance
    sessions = [day.date() for day in _days(performance)]
    orders = tuple(_order(order, simulation) for order in simulation.open_orders)
    positions = tuple(
        ModelPosition(
            symbol=asset.symbol,
            amount=int(position.amount),
            last_price=float(position.last_sale_price),
        )
        for asset, position in simulation.positions.items()
    )
    symbols = {order.symbol for order in orders} | {held.symbol for held in positions}
    return ModelResult(
        model=request.model.name,
        first_session=sessions[0],
        last_session=sessions[-1],
        capital_base=request.capital_base,
        transactions=tuple(_transactions(performance)),
        positions=positions,
        open_orders=orders,
        auto_closes=_auto_closes(simulation, request.last_session),
        portfolio_value=tuple(
            zip(sessions, (float(value) for value in performance["portfolio_value"]), strict=True)
        ),
        last_closes={symbol: _last_close(simulation, symbol) for symbol in sorted(symbols)},
        facts=facts,
    )


def _days(performance: pd.DataFrame) -> pd.DatetimeIndex:
    """The sessions, as midnights in UTC; the table itself has the closes."""
    return pd.DatetimeIndex(performance.index).normalize()


def _transactions(performance: pd.DataFrame) -> list[ModelTransaction]:
    return [
        ModelTransaction(
            session=day.date(),
            symbol=row["sid"].symbol,
            amount=int(row["amount"]),
            price=float(row["price"]),
            order_id=row["order_id"] or "",
        )
        for day, rows in zip(_days(performance), performance["transactions"], strict=True)
        for row in rows
    ]


def _order(order: Any, simulation: Simulation) -> ModelOrder:
    note = simulation.order_notes.get(order.id)
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


def _auto_closes(simulation: Simulation, last: date) -> tuple[AutoClose, ...]:
    """Positions that end before an order of the next evening could fill."""
    axis = simulation.market.bars.axis
    following = axis.day(axis.at_or_after(last) + 1)
    return tuple(
        AutoClose(
            symbol=asset.symbol,
            amount=int(position.amount),
            auto_close=asset.auto_close_date.date(),
        )
        for asset, position in simulation.positions.items()
        if asset.auto_close_date.date() <= following
    )


def _last_close(simulation: Simulation, symbol: str) -> tuple[date, float]:
    bars = simulation.market.bars
    series = bars.series(symbol)
    last = _days(simulation.performance)[-1].date()
    stop = bars.axis.at_or_before(last) + 1
    closes = series.fields["close"][: max(0, stop - series.first)]
    known = np.flatnonzero(np.isfinite(closes))
    if not len(known):
        return last, float("nan")
    return bars.axis.day(series.first + int(known[-1])), float(closes[known[-1]])


def write_files(
    simulation: Simulation, result: ModelResult, request: ModelRequest
) -> dict[str, Path]:
    """Write every table of a run. Returns the paths by what they hold."""
    folder = request.output
    suffix = f"{result.first_session}_to_{result.last_session}_{result.model}.csv"
    performance = simulation.performance
    tables = {
        "transactions": transactions_table(performance),
        "positions": positions_table(simulation, in_base=request.currency is CurrencyRule.ACCOUNT),
        "returns": returns_table(performance),
    }
    files = {}
    for name, table in tables.items():
        files[name] = folder / f"{name}_{suffix}"
        table.to_csv(files[name], lineterminator="\n", encoding="utf-8")
    frames = {
        "open_orders": pd.DataFrame([_row(order) for order in result.open_orders], columns=_ORDER),
        "fills": _fills(simulation, result),
        "daily": _daily(simulation),
    }
    files["open_orders"] = folder / f"open_orders_{suffix}"
    frames["open_orders"].to_csv(
        files["open_orders"], index=False, lineterminator="\n", encoding="utf-8"
    )
    for name, frame in frames.items():
        path = files[f"{name}.parquet"] = folder / f"{name}.parquet"
        frame.to_parquet(path, index=False)
    return files


_ORDER = [
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
]


def _row(order: ModelOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in _ORDER}


def _fills(simulation: Simulation, result: ModelResult) -> pd.DataFrame:
    """Every fill with the reason and the stop level that the model gave its order."""
    notes = simulation.order_notes
    rows = [
        {
            "session": fill.session,
            "symbol": fill.symbol,
            "amount": fill.amount,
            "price": fill.price,
            "order_id": fill.order_id,
            "reason": str(getattr(notes.get(fill.order_id), "reason", "")),
            "stop_level": getattr(notes.get(fill.order_id), "stop_level", None),
        }
        for fill in result.transactions
    ]
    names = ["session", "symbol", "amount", "price", "order_id", "reason", "stop_level"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.astype({"stop_level": "float64"})


def _daily(simulation: Simulation) -> pd.DataFrame:
    """The numbers of each session, whatever the model recorded among them."""
    performance = simulation.performance
    numbers = performance.select_dtypes(include=["number"])
    numbers = numbers[sorted(numbers.columns)]  # Zipline's order differs from process to process
    numbers.insert(0, "session", [day.date() for day in _days(performance)])
    return numbers.reset_index(drop=True)


def returns_table(performance: pd.DataFrame) -> pd.Series[float]:
    """Daily returns by session."""
    returns = performance["returns"].copy()
    returns.index = _days(performance)
    return returns


def transactions_table(performance: pd.DataFrame) -> pd.DataFrame:
    """One row per fill, in pyfolio's columns; ``txn_dollars`` leaves the multiplier out."""
    rows = [{**row, "symbol": row["sid"]} for rows in performance["transactions"] for row in rows]
    rows.sort(key=lambda row: row["dt"])
    table = pd.DataFrame(rows, columns=list(TRANSACTION_COLUMNS))
    table["txn_dollars"] = -table["amount"] * table["price"]
    table.index = pd.DatetimeIndex([pd.Timestamp(stamp) for stamp in table["dt"]], tz="UTC")
    return table


def positions_table(simulation: Simulation, *, in_base: bool) -> pd.DataFrame:
    """Notional value per contract ever held, and the cash, by session."""
    performance = simulation.performance
    days = _days(performance)
    values: dict[Any, np.ndarray[Any, Any]] = {}
    for number, held in enumerate(performance["positions"]):
        for row in held:
            asset = row["sid"]
            column = values.setdefault(asset, np.zeros(len(days)))
            rate = _rate(simulation, asset, days[number]) if in_base else 1.0
            column[number] = row["amount"] * row["last_sale_price"] * asset.price_multiplier * rate
    table = pd.DataFrame({asset: values[asset] for asset in sorted(values)}, index=days)
    table["cash"] = performance["ending_cash"].to_numpy()
    return table


def _rate(simulation: Simulation, asset: Any, day: pd.Timestamp) -> float:
    bars = simulation.market.bars
    currency = bars.contracts[asset.symbol].currency
    return simulation.market.rates.per_unit(currency, bars.axis.at_or_before(day.date()))
