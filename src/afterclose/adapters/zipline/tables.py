"""A run as three tables, which can be added to: fills, holdings, days.

Everything a run leaves is written from them, so a run that went on from a checkpoint and one from
inception leave the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from afterclose.adapters.zipline.algorithm import EndState

#: Numbers of a session that do not depend on where a run began. Zipline's running statistics
#: (Sharpe, drawdown, alpha) do; they are for tools to compute from the returns.
DAILY = (
    "portfolio_value",
    "returns",
    "pnl",
    "ending_cash",
    "ending_exposure",
    "gross_leverage",
    "net_leverage",
)
FILLS = ("close_at", "sid", "symbol", "amount", "price", "order_id", "reason", "stop_level")
HOLDINGS = ("session", "sid", "symbol", "amount", "last_price", "value")

#: Base money per unit of a contract's currency: (asset, session) → rate.
RateOf = Callable[[Any, pd.Timestamp], float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunTables:
    """What happened in the sessions of a run.

    ``fills`` has one row per transaction (an empty ``order_id`` is an automatic close),
    ``holdings`` one per session and contract held (``value`` is the notional in the base currency),
    ``days`` one per session, with what the model recorded under ``recorded_<name>``.
    """

    fills: pd.DataFrame
    holdings: pd.DataFrame
    days: pd.DataFrame

    def followed_by(self, later: RunTables) -> RunTables:
        """These sessions, and then later ones."""
        return RunTables(
            fills=_joined(self.fills, later.fills),
            holdings=_joined(self.holdings, later.holdings),
            days=_joined(self.days, later.days),
        )


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    parts = [part for part in (first, second) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else first


def run_tables(performance: pd.DataFrame, end: EndState, rate_of: RateOf) -> RunTables:
    """Read Zipline's performance table."""
    sessions = pd.DatetimeIndex(performance.index).normalize().tz_localize(None)
    return RunTables(
        fills=_fills(performance, end),
        holdings=_holdings(performance, sessions, rate_of),
        days=_days(performance, sessions, end),
    )


def _fills(performance: pd.DataFrame, end: EndState) -> pd.DataFrame:
    rows = []
    for transactions in performance["transactions"]:
        for row in transactions:
            note = end.order_notes.get(row["order_id"])
            rows.append(
                {
                    "close_at": row["dt"],
                    "sid": int(row["sid"]),
                    "symbol": row["sid"].symbol,
                    "amount": int(row["amount"]),
                    "price": float(row["price"]),
                    "order_id": row["order_id"] or "",
                    "reason": str(getattr(note, "reason", "")),
                    "stop_level": getattr(note, "stop_level", None),
                }
            )
    frame = pd.DataFrame(rows, columns=list(FILLS))
    types = {"sid": "int64", "amount": "int64", "price": "float64", "stop_level": "float64"}
    frame = frame.astype(types)
    frame["close_at"] = pd.DatetimeIndex(frame["close_at"], tz="UTC")
    return frame.sort_values("close_at", kind="stable", ignore_index=True)


def _holdings(
    performance: pd.DataFrame, sessions: pd.DatetimeIndex, rate_of: RateOf
) -> pd.DataFrame:
    rows = []
    for session, held in zip(sessions, performance["positions"], strict=True):
        for row in held:
            asset, amount, price = row["sid"], row["amount"], row["last_sale_price"]
            value = amount * price * asset.price_multiplier * rate_of(asset, session)
            rows.append((session, int(asset), asset.symbol, int(amount), float(price), value))
    frame = pd.DataFrame(rows, columns=list(HOLDINGS))
    frame["session"] = pd.DatetimeIndex(frame["session"])
    types = {"sid": "int64", "amount": "int64", "last_price": "float64", "value": "float64"}
    return frame.astype(types)


def _days(performance: pd.DataFrame, sessions: pd.DatetimeIndex, end: EndState) -> pd.DataFrame:
    frame = performance[list(DAILY)].astype("float64").reset_index(drop=True)
    frame.insert(0, "session", sessions)
    for name in end.recorded:
        column = pd.to_numeric(performance[name], errors="coerce")
        frame[f"recorded_{name}"] = column.to_numpy(dtype="float64")
    return frame


def write_tables(tables: RunTables, folder: Path) -> dict[str, Path]:
    """Write the tables as Parquet files."""
    files = {}
    for name in ("fills", "holdings", "days"):
        path = files[f"{name}.parquet"] = folder / f"{name}.parquet"
        getattr(tables, name).to_parquet(path, index=False)
    return files


def read_tables(folder: Path) -> RunTables:
    """Read the tables of a run."""
    return RunTables(
        **{
            name: pd.read_parquet(folder / f"{name}.parquet")
            for name in ("fills", "holdings", "days")
        }
    )
