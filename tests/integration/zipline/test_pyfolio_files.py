"""The three CSV files are those of pyfolio, byte for byte, and pyfolio's users can read them."""

from __future__ import annotations

import io
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from afterclose.adapters.zipline.engine import Simulation, open_market
from afterclose.adapters.zipline.results import model_result, write_files
from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.domain.runs import CurrencyRule
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

ROOTS = [SmallRoot(root="ES", drift=0.001), SmallRoot(root="GC", drift=0.0012)]
STORE = MemoryStore(
    data=small_market(ROOTS, first=date(2018, 1, 2), last=date(2019, 12, 31), volume_noise=0.5)
)
REQUEST = request_of(first=date(2019, 6, 3), last=date(2019, 12, 31), currency=CurrencyRule.NATIVE)


@pytest.fixture(scope="module")
def pyfolio() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pyfolio imports is not ours to mend
        return pytest.importorskip("pyfolio")


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return run_in_process(STORE, REQUEST, load_strategy("afterclose.models.trend_following"))


@pytest.fixture
def files(simulation: Simulation, tmp_path: Path) -> dict[str, Path]:
    return files_of(simulation, tmp_path)


def files_of(simulation: Simulation, folder: Path) -> dict[str, Path]:
    bars = open_market(STORE, REQUEST).bars
    result = model_result(simulation.tables, simulation.end, bars, REQUEST, {})
    return write_files(simulation.tables, result, folder)


def as_csv(table: Any) -> str:
    buffer = io.StringIO()
    table.to_csv(buffer, lineterminator="\n")
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "part"), [("returns", 0), ("positions", 1), ("transactions", 2)])
def test_our_file_is_pyfolios_table(
    simulation: Simulation, files: dict[str, Path], pyfolio: Any, name: str, part: int
) -> None:
    tables = pyfolio.utils.extract_rets_pos_txn_from_zipline(simulation.performance.copy())

    expected = as_csv(tables[part])

    assert expected.count("\n") > 5
    assert files[name].read_text(encoding="utf-8") == expected


def test_pyfolio_computes_its_figures_from_the_files(files: dict[str, Path], pyfolio: Any) -> None:
    returns, positions, transactions = (
        pd.read_csv(files[name], index_col=0, parse_dates=True)
        for name in ("returns", "positions", "transactions")
    )

    figures = pyfolio.timeseries.perf_stats(
        returns["returns"], positions=positions, transactions=transactions
    )

    assert {"Sharpe ratio", "Max drawdown", "Gross leverage", "Daily turnover"} <= set(
        figures.index
    )


def test_a_run_without_trades_leaves_files_with_headings_only(tmp_path: Path) -> None:
    store = MemoryStore(data=small_market(ROOTS, first=date(2019, 5, 1), last=date(2019, 12, 31)))
    request = request_of(first=date(2019, 12, 30), last=date(2019, 12, 31), output=tmp_path)
    quiet = run_in_process(store, request, strategy_of(initialize=lambda _: None))

    files = files_of(quiet, tmp_path)

    transactions, positions = (
        files[name].read_text(encoding="utf-8") for name in ("transactions", "positions")
    )
    assert transactions == ",sid,symbol,price,order_id,amount,commission,dt,txn_dollars\n"
    assert positions.splitlines() == [
        ",cash",
        "2019-12-30 00:00:00+00:00,1000000.0",
        "2019-12-31 00:00:00+00:00,1000000.0",
    ]
