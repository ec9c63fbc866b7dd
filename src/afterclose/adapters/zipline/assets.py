"""Contracts as Zipline assets: an asset database in memory, and a finder that remembers.

The id of a contract is a function of its symbol and delivery month, so a newly listed contract
renumbers nobody: ids in files of different evenings agree. Within a root they ascend by delivery,
which is the order in which Zipline chains them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool
from zipline.assets import AssetFinder, Future
from zipline.assets.asset_db_schema import ASSET_DB_VERSION
from zipline.assets.asset_db_schema import metadata as asset_tables

from afterclose.adapters.zipline.bars import StoredContract
from afterclose.errors import DataError

ROOT_LENGTH = 5
_ROOT_DIGITS = "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Zipline writes the ids of continuous futures with a leading 1; ours begin with a 2.
_ID_BASE = 200_000_000
_DAYS = (
    "start_date",
    "end_date",
    "first_traded",
    "notice_date",
    "expiration_date",
    "auto_close_date",
)


def contract_id(contract: StoredContract) -> int:
    """The lasting id of a contract: its root in base 37, then its delivery month (yyyymm).

    Raises DataError for a root that is too long or has other characters than A-Z and 0-9.
    """
    if len(contract.root) > ROOT_LENGTH or not set(contract.root) <= set(_ROOT_DIGITS[1:]):
        raise DataError(
            f"root {contract.root!r} cannot be numbered",
            hint=f"roots have at most {ROOT_LENGTH} characters out of A-Z and 0-9",
        )
    code = 0
    for character in contract.root.ljust(ROOT_LENGTH, "_"):
        code = code * len(_ROOT_DIGITS) + _ROOT_DIGITS.index(character)
    return (_ID_BASE + code) * 1_000_000 + int(contract.contract_month)


class ContractFinder(AssetFinder):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's finder, minus its SQL queries for every continuation, contract and symbol.

    ``futures`` are the rows of the contracts in its database; assets are made of them when first
    asked for, as Zipline makes them of what it reads back.
    """

    def __init__(self, engine: sa.Engine, futures: Iterable[dict[str, Any]]) -> None:
        super().__init__(engine)
        self._continuous: dict[tuple[Any, ...], Any] = {}
        self._rows = {row["sid"]: row for row in futures}
        self._sids = {row["symbol"]: row["sid"] for row in self._rows.values()}
        self._made: dict[int, Future] = {}

    def retrieve_all(self, sids: Iterable[int], default_none: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - the library's signature
        """The assets of these ids. Raises SidsNotFound."""
        wanted = list(sids)
        if not self._rows.keys() >= set(wanted):
            found: list[Any] = super().retrieve_all(wanted, default_none)
            return found
        return [self._made.get(sid) or self._make(sid) for sid in wanted]

    def _make(self, sid: int) -> Future:
        values = dict(self._rows[sid])
        values["exchange_info"] = self.exchange_info[values.pop("exchange")]
        for name in _DAYS:
            day = pd.Timestamp(values[name])
            values[name] = None if pd.isna(day) else day
        made = self._made[sid] = Future(**values)
        return made

    def lookup_future_symbol(self, symbol: str) -> Any:
        """The contract of a symbol. Raises SymbolNotFound."""
        sid = self._sids.get(symbol)
        return super().lookup_future_symbol(symbol) if sid is None else self.retrieve_asset(sid)

    def create_continuous_future(
        self, root_symbol: str, offset: int, roll_style: str, adjustment: str | None
    ) -> Any:
        """The continuation of a root, always the same object for the same question."""
        key = (root_symbol, offset, roll_style, adjustment)
        found = self._continuous.get(key)
        if found is None:
            found = super().create_continuous_future(root_symbol, offset, roll_style, adjustment)
            self._continuous[key] = found
        return found


def contract_finder(
    contracts: Iterable[StoredContract], *, alive_to_auto_close: bool = True
) -> ContractFinder:
    """Build a finder over an asset database in memory.

    With ``alive_to_auto_close`` a contract lives to its auto-close even where its last bar is
    older: a holiday of its market on the last evening does not delist it. Without it a contract
    ends with its last bar, as a Zipline bundle has it.
    """
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    tables = _rows(list(contracts), alive_to_auto_close=alive_to_auto_close)
    with engine.begin() as connection:
        asset_tables.create_all(connection)
        for table, rows in tables.items():
            connection.execute(asset_tables.tables[table].insert(), rows)
    return ContractFinder(engine, tables["futures_contracts"])


def _rows(
    contracts: list[StoredContract], *, alive_to_auto_close: bool
) -> dict[str, list[dict[str, Any]]]:
    exchanges = sorted({contract.exchange for contract in contracts})
    roots = {contract.root: contract for contract in contracts}
    futures = [_future(contract, alive_to_auto_close=alive_to_auto_close) for contract in contracts]
    return {
        "version_info": [{"id": 1, "version": ASSET_DB_VERSION}],
        "exchanges": [
            {"exchange": name, "canonical_name": name, "country_code": "??"} for name in exchanges
        ],
        "futures_root_symbols": [
            {
                "root_symbol": root,
                "root_symbol_id": number,
                "sector": sample.sector,
                "description": sample.name,
                "exchange": sample.exchange,
            }
            for number, (root, sample) in enumerate(sorted(roots.items()))
        ],
        "futures_contracts": futures,
        "asset_router": [{"sid": row["sid"], "asset_type": "future"} for row in futures],
    }


def _future(contract: StoredContract, *, alive_to_auto_close: bool) -> dict[str, Any]:
    end = contract.last_session
    if alive_to_auto_close:
        end = max(end, contract.auto_close)
    return {
        "sid": contract_id(contract),
        "symbol": contract.symbol,
        "root_symbol": contract.root,
        "asset_name": contract.name,
        "start_date": _nanoseconds(contract.first_session),
        "end_date": _nanoseconds(end),
        "first_traded": _nanoseconds(contract.first_session),
        "exchange": contract.exchange,
        "notice_date": _nanoseconds(contract.first_notice),
        "expiration_date": _nanoseconds(contract.last_trade),
        "auto_close_date": _nanoseconds(contract.auto_close),
        "tick_size": contract.tick_size,
        "multiplier": contract.point_value,
    }


def _nanoseconds(day: date | None) -> int:
    return int(pd.NaT.value if day is None else pd.Timestamp(day).value)
