"""A whole evening on real history: the oil crash of March 2020, audited against the same bars."""

from __future__ import annotations

import csv
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from afterclose import demo
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.evening import run_files
from e2e.conftest import play

FOLDER = os.environ.get("AFTERCLOSE_REAL_DATA")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="AFTERCLOSE_REAL_DATA is not set"),
]

EVENING = date(2020, 3, 9)


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoEvening:
    return play(
        demo.DemoRequest(
            out=tmp_path_factory.mktemp("real"), session=EVENING, real_data=Path(str(FOLDER))
        )
    )


def source_close(symbol: str) -> Decimal:
    """The close of the evening as the folder of real data has it."""
    table = pq.read_table(
        Path(str(FOLDER)) / "contracts.parquet",
        columns=["contract_code", "date", "close"],
        filters=[("contract_code", "==", symbol)],
    ).to_pandas()
    return Decimal(repr(float(table.loc[table["date"] == str(EVENING), "close"].iloc[0])))


def test_the_models_trade_on_forty_real_markets(evening: demo.DemoEvening) -> None:
    home = evening.folder.path.parent.parent
    store = MarketStore.open(home / "market")
    traded = [r for r in store.roots() if len(store.contracts(r)) > 20]

    assert len(traded) >= 40
    assert store.last_session == EVENING
    # WTI lost a quarter that day and settled at 31.13 (NYMEX); the source has the last trade.
    assert abs(float(store.bars("CLJ20").close[-1]) - 31.13) < 0.2


def test_limits_and_the_gateways_closes_are_the_real_ones(evening: demo.DemoEvening) -> None:
    rows = run_files.read_view(evening.folder).audit.rows

    assert rows
    for row in rows:
        real = row.order.mapped.spec.to_ib(source_close(row.order.contract.symbol))
        assert row.close is not None
        assert row.close.session == EVENING
        assert row.close.close == real
        assert row.order.limit_price == row.order.mapped.spec.to_tick(real)


def test_orders_end_and_positions_agree_but_for_the_trade_by_hand(
    evening: demo.DemoEvening,
) -> None:
    assert all(life.state.final for life in evening.lives)
    assert len([c for c in evening.result.positions if not c.agrees]) <= 1


def test_a_roll_on_this_data_closes_its_old_month_without_an_order(
    evening: demo.DemoEvening,
) -> None:
    """The source has no volume in a month that it no longer held: nothing can fill there.

    The new month fills at its real prices; the old one is closed by Zipline itself at its last
    known close. No volume is invented.
    """
    home = evening.folder.path.parent.parent
    automatic = []
    for file in (home / "models" / "zipline").glob("*/transactions_*.csv"):
        with file.open(encoding="utf-8", newline="") as handle:
            automatic += [r for r in csv.DictReader(handle) if not r["order_id"]]

    assert automatic, "sixty sessions hold at least one roll"
    store = MarketStore.open(home / "market")
    for row in automatic:
        symbol = row["symbol"].split("[")[1].rstrip("])")
        closes = store.bars(symbol).close
        assert float(row["price"]) in closes.tolist()
