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
from zipline.assets import AssetFinder
from zipline.assets.asset_db_schema import ASSET_DB_VERSION
from zipline.assets.asset_db_schema import metadata as asset_tables

from afterclose.adapters.zipline.bars import StoredContract
from afterclose.errors import DataError

ROOT_LENGTH = 5
_ROOT_DIGITS = "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Zipline writes the ids of continuous futures with a leading 1; ours begin with a 2.
_ID_BASE = 200_000_000


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
    """Zipline's finder, minus its one SQL query for every call of ``continuous_future``."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self._continuous: dict[tuple[Any, ...], Any] = {}

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
    chosen = list(contracts)
    with engine.begin() as connection:
        asset_tables.create_all(connection)
        for table, rows in _rows(chosen, alive_to_auto_close=alive_to_auto_close).items():
            connection.execute(asset_tables.tables[table].insert(), rows)
    return ContractFinder(engine)


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
