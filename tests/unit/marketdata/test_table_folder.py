from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.marketdata.table_folder import TableFolder
from afterclose.adapters.marketdata.update import update_store
from afterclose.errors import DataError, SourceUnavailable

ROOTS = """root,currency,exchange,calendar,point_value,tick_size,name,sector
ES,USD,CME,CMES,50,0.25,E-mini S&P 500,Equity Index
6E,USD,CME,CMES,125000,0.00005,Euro FX,Currency
FDAX,EUR,EUREX,XEUR,25,1,DAX,Equity Index
"""
CONTRACTS = """symbol,first_notice,last_trade,auto_close
ESM20,,2020-06-19,
6EM20,,2020-06-15,2020-06-10
FDAXM20,2020-06-01,2020-06-19,
"""


def folder(tmp_path: Path, files: dict[str, str], contracts: str = CONTRACTS) -> TableFolder:
    (tmp_path / "bars").mkdir()
    (tmp_path / "roots.csv").write_text(ROOTS, encoding="utf-8")
    (tmp_path / "contracts.csv").write_text(contracts, encoding="utf-8")
    for name, text in files.items():
        (tmp_path / "bars" / name).write_text(text, encoding="utf-8")
    return TableFolder(tmp_path)


def test_a_csv_per_contract_with_a_vendors_column_names_is_read_to_the_last_bit(
    tmp_path: Path,
) -> None:
    source = folder(
        tmp_path,
        {
            "6E-2020M.csv": "Date,Open,High,Low,Close,Volume,Open Interest\n"
            "2020-04-17,1.08635,1.09115,1.0820500000000001,1.0891,150000,560000\n"
            "2020-04-20,1.0889,1.0905,1.0851,1.08795,,\n"
        },
    )
    bars = source.bars(["6EM20"], first=None, last=date(2020, 4, 20))
    assert bars.close.tolist() == [1.0891, 1.08795]
    assert bars.low[0] == 1.0820500000000001
    assert pd.isna(bars.volume[1])
    (record,) = source.contracts("6E", live_on=None)
    assert (record.symbol, record.contract_month) == ("6EM20", "202006")
    assert record.auto_close == date(2020, 6, 10)
    assert record.point_value == 125000.0


def test_a_parquet_per_root_holds_several_contracts_in_any_order(tmp_path: Path) -> None:
    source = folder(tmp_path, {})
    frame = pd.DataFrame(
        {
            "contract": ["ESM20", "ESH20", "ESM20", "ESH20"],
            "timestamp": pd.to_datetime(["2020-04-20", "2020-03-19", "2020-04-17", "2020-03-18"]),
            "settle": [2815.5, 2400.25, 2869.25, None],
            "vol": [10, 20, 30, 40],
        }
    )
    frame.to_parquet(tmp_path / "bars" / "ES.parquet")
    data = source.load(["ES"])
    assert [record.symbol for record in data.contracts] == ["ESH20", "ESM20"]
    march, june = data.bars.split()
    assert march.close.tolist() == [2400.25]  # the row without a close is no bar
    assert june.close.tolist() == [2869.25, 2815.5]
    assert june.volume.tolist() == [30.0, 10.0]
    assert pd.isna(june.open).all()


def test_the_day_to_be_closed_follows_from_notice_last_trade_or_the_last_bar(
    tmp_path: Path,
) -> None:
    source = folder(
        tmp_path,
        {
            "ESH20.csv": "date,close\n20200318,2398\n20200319,2400.25\n",
            "ESM20.csv": "date,close\n20200420,2815.5\n",
            "FDAXM20.csv": "day,close\n2020-04-20,10675\n",
        },
    )
    march, june = source.contracts("ES", live_on=None)
    assert march.auto_close == date(2020, 3, 17)  # two sessions before its last bar
    assert june.auto_close == date(2020, 6, 17)  # before the third Friday of June
    (dax,) = source.contracts("FDAX", live_on=None)
    assert dax.auto_close == date(2020, 5, 28)  # before first notice on Monday, 1 June
    assert source.contracts("ES", live_on=date(2020, 4, 1)) == [june]


@pytest.mark.parametrize(
    "text",
    [
        "Trade Date;Settle Price;Total Volume;Open Int\n2020-04-20;2815,50;1200;900\n",
        "DATE\tPX_LAST\tVol\tOI\n20200420\t2815.50\t1200\t900\n",
        "timestamp,Settlement,Volume,Previous Day Open Interest\n2020-04-20,2815.5,1200,900\n",
    ],
)
def test_files_of_other_houses_are_understood(tmp_path: Path, text: str) -> None:
    source = folder(tmp_path, {"ESM20.CSV": text})
    (piece,) = source.bars(["ESM20"], first=None, last=date(2020, 5, 1)).split()
    assert piece.sessions.tolist() == [date(2020, 4, 20)]
    assert (piece.close[0], piece.volume[0], piece.open_interest[0]) == (2815.5, 1200.0, 900.0)


def test_only_the_chosen_roots_are_kept(tmp_path: Path) -> None:
    whole = folder(tmp_path, {"ESM20.csv": "date,close\n20200420,2815.5\n"})
    assert {"ES", "FDAX"} <= set(whole.roots())
    assert TableFolder(tmp_path, only=("ES", "NQ")).roots() == ["ES"]


def test_a_live_contract_without_an_end_is_refused(tmp_path: Path) -> None:
    source = folder(tmp_path, {"ESM20.csv": "date,close\n20200420,2815.5\n"}, "symbol\n")
    with pytest.raises(DataError, match="when ESM20 ends"):
        source.contracts("ES", live_on=None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("date,open\n20200420,2815.5\n", "no column for close"),
        ("date,close\n20200420,2815.5\n20200420,2816\n", "two rows of ESM20 for 2020-04-20"),
        ("date,close\n04/20/2020,2815.5\n", "cannot be read as bars"),
        ("date,close\n20200420,about 2815\n", "cannot be read as bars"),
        ("date,symbol,close\n20200420,NQM20,8700\n", "no contract of ES"),
        ("date,symbol,close\n20200420,E-mini,2815\n", "not a futures symbol"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    tmp_path: Path, text: str, complaint: str
) -> None:
    source = folder(tmp_path, {"ESM20.csv": text})
    with pytest.raises(DataError, match=complaint) as caught:
        source.contracts("ES", live_on=None)
    assert "ESM20" in str(caught.value)


def test_a_store_follows_a_folder(tmp_path: Path) -> None:
    source = folder(tmp_path, {"ESM20.csv": "date,close\n20200417,2869.25\n"})
    (tmp_path / "fx.csv").write_text(
        "currency,session,usd_per_unit\nEUR,2020-04-17,1.0875\n", encoding="utf-8"
    )
    now = datetime(2020, 4, 20, 22, tzinfo=UTC)
    update_store(tmp_path / "store", source, session=date(2020, 4, 17), now=now, roots=["ES"])
    more = "date,close\n20200417,2869.25\n20200420,2815.5\n"
    (tmp_path / "bars" / "ESM20.csv").write_text(more, encoding="utf-8")
    update_store(tmp_path / "store", source, session=date(2020, 4, 20), now=now, roots=["ES"])
    store = MarketStore.open(tmp_path / "store")
    assert store.bars("ESM20").close.tolist() == [2869.25, 2815.5]
    assert store.revisions() == []
    assert source.fx(["EUR", "JPY"], first=date(2020, 1, 1), last=date(2020, 5, 1))[
        "EUR"
    ].usd_per_unit.tolist() == [1.0875]


def test_a_folder_that_is_not_there_is_a_source_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no folder"):
        TableFolder(tmp_path / "nowhere").roots()
