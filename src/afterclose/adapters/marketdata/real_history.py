"""Real futures history from a folder of Parquet tables: one held contract at a time.

The folder (not part of this product) holds

``contracts.parquet``       root, contract_code, contract_month, date, open, high, low, close,
                            volume, open_interest, source: one row per contract and day
``contracts_meta.parquet``  per contract active_from and active_to (when the source held it), last
                            trade and first notice where really known, an estimated expiry
``active_contract.parquet`` root, date, contract_code, source: what the source held each day
``roots.csv``               name, currency, exchange, point value and tick per root
``fx_daily.parquet``        pair (``EURUSD``), date, rate: dollars per unit

A row with full open, high, low, close and volume exists only on days on which the source held the
contract. Other rows are closes: they come out with open = high = low = close and volume 0, so that
nothing trades on them and volume rolls on the source's real roll date.

How a roll fills on such data: from the first session after ``active_to`` the old month has a close
without volume, or nothing; its closing order can never fill by volume. ``auto_close`` is therefore
the third session after ``active_to``: the model sees the new month, opens it at its real prices,
and the old month is closed by Zipline itself at its last known close. No volume is invented.

A last trading day that is not really known is the estimate of the tables, moved to a weekday and
not before ``auto_close``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afterclose.adapters.marketdata.market_calendar import market_calendar
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.errors import DataError

AUTO_CLOSE_LAG_SESSIONS = 3
DEFAULT_SOURCE = "quantiacs"
_FRIDAY = 4
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealHistory:
    """The folder, and which of its sources counts as trading history."""

    folder: Path
    source: str = DEFAULT_SOURCE

    @property
    def name(self) -> str:
        """The folder's kind and the source whose bars count."""
        return f"real history ({self.source})"

    def roots(self) -> list[str]:
        """Roots with full bars from the source."""
        table = self._read("active_contract.parquet", columns=["root"], source=self.source)
        return sorted(table["root"].unique())

    def load(
        self,
        *,
        first: date,
        last: date,
        roots: Collection[str] | None = None,
        close_only: bool = True,
    ) -> MarketData:
        """Contracts the source held at some time, with their bars from ``first`` to ``last``.

        ``close_only`` adds the rows that other sources have for the same contracts, as described
        above. Raises DataError when a root has no full bars, or a table cannot be read.
        """
        wanted = self._wanted(roots)
        meta = self._contracts(wanted)
        rows = self._rows(wanted, set(meta.index), first, last, close_only=close_only)
        meta = meta.loc[meta.index.isin(rows["contract_code"].unique())]
        facts = pd.read_csv(self.folder / "roots.csv").set_index("root").to_dict("index")
        ends = self._auto_closes(meta)
        records = [_record(line, facts[line.root], ends) for line in meta.itertuples()]
        return MarketData(
            contracts=tuple(sorted(records, key=lambda record: record.delivery)),
            bars=_bar_table(rows, [record.symbol for record in records]),
            fx=self._fx({record.currency for record in records}, first, last),
        )

    def _wanted(self, roots: Collection[str] | None) -> list[str]:
        known = self.roots()
        wanted = known if roots is None else sorted(set(roots))
        missing = sorted(set(wanted) - set(known))
        if missing:
            raise DataError(f"{self.name} has no full bars of {', '.join(missing)}")
        return wanted

    def _read(self, file: str, *, columns: list[str] | None = None, **equal: Any) -> pd.DataFrame:
        path = self.folder / file
        if not path.is_file():
            raise DataError(f"{path} is missing")
        filters = [(name, "==", value) for name, value in equal.items()] or None
        return pd.read_parquet(path, columns=columns, filters=filters)

    def _contracts(self, roots: list[str]) -> pd.DataFrame:
        meta = self._read("contracts_meta.parquet")
        held = meta["root"].isin(roots) & meta["active_from"].notna() & (meta["n_ohlcv"] > 0)
        return meta[held].set_index("contract_code", drop=False)

    def _rows(
        self, roots: list[str], symbols: set[str], first: date, last: date, *, close_only: bool
    ) -> pd.DataFrame:
        path = self.folder / "contracts.parquet"
        period = [("date", ">=", pd.Timestamp(first)), ("date", "<=", pd.Timestamp(last))]
        rows = pd.read_parquet(path, filters=[("root", "in", roots), *period])
        rows = rows[rows["contract_code"].isin(symbols) & rows["close"].notna()]
        full = rows["source"].astype(str) == self.source
        return _closes_as_bars(rows, full) if close_only else rows[full]

    def _auto_closes(self, meta: pd.DataFrame) -> dict[str, date]:
        """Per contract the third session of its market after the source let go of it."""
        held = self._read("active_contract.parquet", source=self.source)
        ends: dict[str, date] = {}
        for root, chain in meta.groupby("root"):
            days = np.unique(held.loc[held["root"] == root, "date"].to_numpy("datetime64[D]"))
            after = np.busday_offset(days[-1], np.arange(1, AUTO_CLOSE_LAG_SESSIONS + 1))
            days = np.concatenate([days, after])
            left = chain["active_to"].to_numpy("datetime64[D]")
            at = np.searchsorted(days, left, side="right") + AUTO_CLOSE_LAG_SESSIONS - 1
            ends.update(zip(chain.index, days[at].tolist(), strict=True))
        return ends

    def _fx(self, currencies: set[str], first: date, last: date) -> dict[str, FxSeries]:
        table = self._read("fx_daily.parquet")
        table = table[
            (table["date"] >= pd.Timestamp(first)) & (table["date"] <= pd.Timestamp(last))
        ]
        series = {}
        for currency in sorted(currencies - {"USD"}):
            rates = table[table["pair"] == f"{currency}USD"].sort_values("date")
            series[currency] = FxSeries(
                currency=currency,
                sessions=rates["date"].to_numpy("datetime64[D]"),
                usd_per_unit=rates["rate"].to_numpy(np.float64),
            )
        return series


def _closes_as_bars(rows: pd.DataFrame, full: pd.Series) -> pd.DataFrame:
    rows = rows.copy()
    closes = ~full.to_numpy()
    for name in _PRICES:
        rows.loc[closes, name] = rows.loc[closes, "close"]
    rows.loc[closes, "volume"] = 0.0
    return rows


def _bar_table(rows: pd.DataFrame, symbols: list[str]) -> BarTable:
    code_of = {symbol: code for code, symbol in enumerate(symbols)}
    return BarTable.sorted(
        symbols=symbols,
        codes=rows["contract_code"].map(code_of).to_numpy().astype(np.int32),
        sessions=rows["date"].to_numpy("datetime64[D]"),
        columns={name: rows[name].to_numpy(np.float64) for name in BAR_COLUMNS},
    )


def _record(line: Any, facts: Mapping[Any, Any], ends: dict[str, date]) -> ContractRecord:
    return ContractRecord(
        symbol=line.contract_code,
        root=line.root,
        contract_month=f"{line.contract_month:06d}",
        currency=facts["currency"],
        exchange=_text(facts["exchange"]),
        point_value=_first_known(facts, "norgate_point_value", "quantiacs_point_value"),
        tick_size=_first_known(facts, "norgate_tick_2021", "norgate_tick_2025"),
        first_session=line.first_date.date(),
        last_session=line.last_date.date(),
        first_notice=_day(line.first_notice_date),
        last_trade=_last_trade(line, ends[line.contract_code]),
        auto_close=ends[line.contract_code],
        calendar=market_calendar(
            line.root,
            exchange=_text(facts["exchange"]),
            currency=facts["currency"],
            sector=_text(facts["asset_class"]),
        ),
        name=_text(facts["name"]),
        sector=_text(facts["asset_class"]),
    )


def _last_trade(line: Any, auto_close: date) -> date | None:
    known = _day(line.last_trade_date)
    estimate = _day(line.expiry_est)
    if known is not None or estimate is None:
        return known
    return max(estimate - timedelta(days=max(0, estimate.weekday() - _FRIDAY)), auto_close)


def _day(value: pd.Timestamp) -> date | None:
    if pd.isna(value):
        return None
    day: date = value.date()
    return day


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first_known(facts: Mapping[Any, Any], *names: str) -> float:
    for name in names:
        if not pd.isna(facts[name]):
            return float(facts[name])
    return float("nan")
