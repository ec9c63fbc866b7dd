from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.errors import DataError
from unit.marketdata.market_examples import JUNE, MAY_OIL, bars, contract, market, three_contracts

EVENING = date(2020, 4, 20)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_prices_are_written_in_full_with_the_sessions_after_the_evening(tmp_path: Path) -> None:
    written = write_gateway_folder(
        three_contracts(), tmp_path, live_on=EVENING, through=date(2020, 4, 21), sessions=2
    )
    lines = rows(tmp_path / "bars.csv")
    header = ["root", "contract_month", "session", "open", "high", "low", "close", "volume"]
    assert lines[0] == header
    assert lines[1][:3] == ["CL", "202005", "2020-04-20"]
    assert lines[1][6] == "-37.63"
    assert lines[2][2:] == ["2020-04-21", "9.51", "11.01", "9.01", "10.01", "1000"]
    assert written.bars == len(lines) - 1 == 6
    assert written.contracts == 3


def test_the_same_folder_comes_from_the_store_and_from_the_data(tmp_path: Path) -> None:
    with MarketStoreWriter(tmp_path / "store") as writer:
        writer.write_all(three_contracts(), source="by hand")
    store = MarketStore.open(tmp_path / "store")
    for market_, folder in ((store, tmp_path / "a"), (three_contracts(), tmp_path / "b")):
        write_gateway_folder(market_, folder, live_on=EVENING, through=EVENING)
    for name in ("bars.csv", "fx.csv", "contracts.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_bars_of_contracts_live_that_evening_and_the_last_days_of_those_that_ended(
    tmp_path: Path,
) -> None:
    """A gateway's book names contracts that ended since: it must know them, by the same day."""
    expired = replace(contract("ESH20", month="202003"), last_trade=date(2020, 3, 20))
    long_ago = replace(contract("ESM18", month="201806"), last_trade=date(2018, 6, 15))
    data = market(
        [long_ago, expired, contract(JUNE, month="202006"), contract(MAY_OIL, month="202005")],
        [
            bars("ESM18", {"2018-06-14": 2700.0}),
            bars("ESH20", {"2020-03-19": 2400.0}),
            bars(JUNE, {"2020-06-18": 3100.0, "2020-06-19": 3097.0, "2020-06-22": 3110.0}),
            bars(MAY_OIL, {"2020-06-19": 1.0}),
        ],
    )
    write_gateway_folder(
        data, tmp_path, live_on=date(2020, 6, 19), through=date(2020, 6, 19), roots={"ES"}
    )
    lines = rows(tmp_path / "contracts.csv")
    assert lines == [
        ["root", "contract_month", "last_trade_date"],
        ["ES", "202003", "2020-03-20"],
        ["ES", "202006", "2020-06-19"],
    ]
    assert [line[2] for line in rows(tmp_path / "bars.csv")[1:]] == [
        "2020-06-18",
        "2020-06-19",
    ]
    with pytest.raises(DataError, match="no contract is live"):
        write_gateway_folder(data, tmp_path, live_on=date(2021, 1, 4), through=date(2021, 1, 4))
