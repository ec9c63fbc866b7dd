from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose.adapters.files.basket_csv import (
    BasketForm,
    basket_name,
    basket_text,
    read_basket,
    side_name,
    write_basket,
)
from afterclose.domain.orders import Action
from afterclose.errors import AfterCloseError, ContractError, UsageError
from unit.files.basket_orders import make_order

TWS_HEADER = (
    "Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,Exchange,Currency,"
    "TimeInForce,OrderType,LmtPrice,BasketTag,Account,OrderRef,Multiplier\n"
)


def test_limit_orders_are_written_as_tws_reads_them() -> None:
    yen = make_order("6JZ26", "0.0067005", action=Action.SELL, quantity=11)
    lumber = make_order("LBRF27", "561.5")
    crude = make_order("CLQ27", "58.1")

    assert basket_text([lumber, yen, crude], form=BasketForm.TWS) == TWS_HEADER + (
        "BUY,2,CL,FUT,202708,NYMEX,USD,DAY,LMT,58.10,"
        "desk-20261120-TF-CLQ27-O1,DU1234567,desk-20261120-TF-CLQ27-O1,1000\n"
        "SELL,11,JPY,FUT,202612,CME,USD,DAY,LMT,0.0067005,"
        "desk-20261120-TF-6JZ26-O1,DU1234567,desk-20261120-TF-6JZ26-O1,12500000\n"
        "BUY,2,LBR,FUT,202701,CME,USD,DAY,LMT,561.5,"
        "desk-20261120-TF-LBRF27-O1,DU1234567,desk-20261120-TF-LBRF27-O1,27.5\n"
    )


def test_market_orders_have_a_block_of_their_own_without_a_limit() -> None:
    text = basket_text(
        [make_order("ESZ26", "6012.25", order_type="MKT"), make_order("ZNZ26", "112.015625")],
        form=BasketForm.TWS,
    )

    assert text == TWS_HEADER + (
        "BUY,2,ZN,FUT,202612,CBOT,USD,DAY,LMT,112.015625,"
        "desk-20261120-TF-ZNZ26-O1,DU1234567,desk-20261120-TF-ZNZ26-O1,1000\n"
        "Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,Exchange,Currency,"
        "TimeInForce,OrderType,BasketTag,Account,OrderRef,Multiplier\n"
        "BUY,2,ES,FUT,202612,CME,USD,DAY,MKT,"
        "desk-20261120-TF-ESZ26-O1,DU1234567,desk-20261120-TF-ESZ26-O1,50\n"
    )


def test_the_published_fifteen_columns_can_be_had() -> None:
    text = basket_text([make_order("NKDZ26", "48215", tif="GTC")], form=BasketForm.FIFTEEN)

    assert text == (
        "Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,DivPrt,Exchange,Currency,"
        "TimeInForce,OrderType,LmtPrice,BasketTag,Account,OrderRef,Multiplier\n"
        "BUY,2,NKD,FUT,202612,False,CME,USD,GTC,LMT,48215,"
        "desk-20261120-TF-NKDZ26-O1,DU1234567,desk-20261120-TF-NKDZ26-O1,5\n"
    )


def test_the_published_seventeen_columns_can_be_had() -> None:
    text = basket_text([make_order("ZCH27", "452.25")], form=BasketForm.SEVENTEEN)

    assert text == (
        "dt,Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,DivPrt,Exchange,"
        "Quotation,Currency,TimeInForce,OrderType,LmtPrice,BasketTag,Account,OrderRef,Multiplier\n"
        "2026-11-20,BUY,2,ZC,FUT,202703,False,CBOT,US cents per bushel,USD,DAY,LMT,452.25,"
        "desk-20261120-TF-ZCH27-O1,DU1234567,desk-20261120-TF-ZCH27-O1,5000\n"
    )


def test_months_of_one_symbol_stand_together_in_order_of_delivery() -> None:
    orders = [
        make_order("HGZ27", "5.1235"),
        make_order("CLF27", "58.10", order_ref="b"),
        make_order("HGH27", "5.1235"),
        make_order("CLF27", "58.11", order_ref="a"),
    ]

    rows = read_basket(basket_text(orders, form=BasketForm.TWS))

    assert [(r.symbol, r.expiry, r.order_ref) for r in rows] == [
        ("CL", "202701", "a"),
        ("CL", "202701", "b"),
        ("HG", "202703", "desk-20261120-TF-HGH27-O1"),
        ("HG", "202712", "desk-20261120-TF-HGZ27-O1"),
    ]


def test_no_orders_are_a_header_alone() -> None:
    text = basket_text([], form=BasketForm.TWS)

    assert text == TWS_HEADER
    assert read_basket(text) == ()


def test_negative_prices_are_written_as_they_are() -> None:
    (row,) = read_basket(basket_text([make_order("CLF27", "-37.63")], form=BasketForm.TWS))

    assert row.limit_price == Decimal("-37.63")


@pytest.mark.parametrize(
    ("symbol", "limit"),
    [("ESZ26", "6012.30"), ("ZNZ26", "112.01"), ("6JZ26", "0.00670052"), ("NKDZ26", "48213")],
)
def test_a_limit_off_its_tick_is_refused(symbol: str, limit: str) -> None:
    with pytest.raises(ContractError, match="not on the tick"):
        basket_text([make_order(symbol, limit)], form=BasketForm.TWS)


@pytest.mark.parametrize("limit", ["NaN", "Infinity", "sNaN"])
def test_a_limit_that_is_no_number_is_refused(limit: str) -> None:
    with pytest.raises(ContractError, match="not on the tick"):
        basket_text([make_order("ESZ26", limit)], form=BasketForm.TWS)


def test_a_blocked_root_is_refused_with_its_reason() -> None:
    with pytest.raises(ContractError, match="yield"):
        basket_text([make_order("YXTZ26", "95.615")], form=BasketForm.TWS)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"order_ref": "a,b"}, "OrderRef|BasketTag"),
        ({"order_ref": 'a"b'}, "BasketTag cannot be written"),
        ({"order_ref": "a\nb"}, "BasketTag cannot be written"),
        ({"order_ref": "größe"}, "BasketTag cannot be written"),
        ({"order_ref": " a"}, "spaces at its ends"),
        ({"order_ref": ""}, "BasketTag of ESZ26 is empty"),
        ({"account": ""}, "Account of ESZ26 is empty"),
        ({"account": "DU1;DU2"}, "Account cannot be written"),
        ({"tif": ""}, "TimeInForce of ESZ26 is empty"),
        ({"order_type": "STP"}, "no order type 'STP'"),
        ({"spec": {"ib_symbol": ""}}, "Symbol of ESZ26 is empty"),
        ({"spec": {"ib_exchange": "CME,GLOBEX"}}, "Exchange cannot be written"),
    ],
)
def test_a_value_that_the_file_cannot_carry_is_refused(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        basket_text([make_order("ESZ26", "6012.25", **changes)], form=BasketForm.TWS)


def test_two_orders_may_not_share_a_reference() -> None:
    orders = [
        make_order("ESZ26", "6012.25", order_ref="x"),
        make_order("NQZ26", "1", order_ref="x"),
    ]

    with pytest.raises(UsageError, match="two orders of the basket have the reference 'x'"):
        basket_text(orders, form=BasketForm.TWS)


def test_files_are_named_by_the_session() -> None:
    assert basket_name(date(2026, 11, 20)) == "TWS_Basket_2026-11-20.csv"
    assert side_name(date(2026, 11, 20), Action.SELL) == "TWS_Basket_SELL_20261120.csv"
    assert side_name(date(2026, 1, 2), Action.BUY) == "TWS_Basket_BUY_20260102.csv"


def test_a_basket_is_on_the_disk_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "basket.csv"
    text = basket_text([make_order("ESZ26", "6012.25")], form=BasketForm.TWS)

    write_basket(path, text)

    assert path.read_bytes() == text.encode()
    assert [file.name for file in path.parent.iterdir()] == ["basket.csv"]


def test_writing_again_replaces_the_basket_whole(tmp_path: Path) -> None:
    path = tmp_path / "basket.csv"
    path.write_text("x" * 10_000, encoding="utf-8")

    write_basket(path, TWS_HEADER)

    assert path.read_bytes() == TWS_HEADER.encode()


def test_a_basket_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "basket.csv").mkdir()

    with pytest.raises(UsageError, match="cannot be written"):
        write_basket(tmp_path / "basket.csv", TWS_HEADER)
    assert [file.name for file in tmp_path.iterdir()] == ["basket.csv"]


def test_a_basket_saved_by_tws_is_read() -> None:
    # Columns and trailing commas as TWS writes them when it saves a basket.
    text = (
        "\ufeffAction,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,Strike,Right,Exchange,"
        "Currency,TimeInForce,OrderType,LmtPrice,BasketTag,Account,OrderRef,Multiplier,\r\n"
        "BUY,1,CL,FUT,20270119,,,NYMEX,USD,DAY,LMT,58.58,Basket,DU1234567,Basket,1000,\r\n"
    )

    (row,) = read_basket(text)

    assert (row.action, row.quantity, row.symbol, row.expiry) == (Action.BUY, 1, "CL", "20270119")
    assert (row.limit_price, row.multiplier, row.line) == (Decimal("58.58"), "1000", 2)


GOOD_ROW = "BUY,2,CL,FUT,202701,NYMEX,USD,DAY,LMT,58.10,t,DU1,r,1000\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (GOOD_ROW, "must be a header"),
        (TWS_HEADER.replace(",Symbol", ""), "must be a header"),
        (TWS_HEADER.replace("Exchange", "Venue") + GOOD_ROW, "columns missing: Exchange"),
        (TWS_HEADER.replace("Account", "Action") + GOOD_ROW, "given twice: Action"),
        (TWS_HEADER + GOOD_ROW.replace(",r,", ","), "13 values where the header has 14"),
        (TWS_HEADER + GOOD_ROW.replace("BUY", "Buy"), "Action cannot be read: 'Buy'"),
        (TWS_HEADER + GOOD_ROW.replace("BUY", "SSHORT"), "Action cannot be read"),
        (TWS_HEADER + GOOD_ROW.replace(",2,", ",2.0,"), "Quantity cannot be read: '2.0'"),
        (TWS_HEADER + GOOD_ROW.replace(",2,", ",-2,"), "Quantity cannot be read"),
        (TWS_HEADER + GOOD_ROW.replace(",2,", ",0,"), "Quantity cannot be read"),
        (TWS_HEADER + GOOD_ROW.replace("FUT", "FOP"), "SecType must be FUT"),
        (TWS_HEADER + GOOD_ROW.replace("202701", "2701"), "ContractMonth cannot be read"),
        (TWS_HEADER + GOOD_ROW.replace("58.10", "nan"), "LmtPrice cannot be read: 'nan'"),
        (TWS_HEADER + GOOD_ROW.replace("58.10", ""), "LmtPrice cannot be read: ''"),
        (TWS_HEADER + GOOD_ROW.replace("58.10", "5.81E+1"), "LmtPrice cannot be read"),
        (TWS_HEADER + GOOD_ROW.replace("LMT", "MKT"), "a limit price on an order of type 'MKT'"),
        (TWS_HEADER + GOOD_ROW.replace("LMT", "STP LMT"), "a limit price on an order of type"),
        (TWS_HEADER + GOOD_ROW.replace("1000", "1,000"), "15 values where the header has 14"),
        (TWS_HEADER + GOOD_ROW.replace("NYMEX", " NYMEX"), "Exchange cannot be read by TWS"),
        (TWS_HEADER + GOOD_ROW.replace("NYMEX", '"NYMEX"'), "Exchange cannot be read by TWS"),
        (TWS_HEADER + GOOD_ROW.replace("USD", "US$"), "Currency cannot be read"),
        (TWS_HEADER.replace("BasketTag", "AuxPrice") + GOOD_ROW, "column AuxPrice is not known"),
    ],
)
def test_a_basket_that_is_not_certain_is_refused_whole(text: str, error: str) -> None:
    with pytest.raises(AfterCloseError, match=error):
        read_basket(text, source="basket.csv")


def test_a_refusal_names_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"my\.csv, line 3: Quantity"):
        read_basket(TWS_HEADER + GOOD_ROW + GOOD_ROW.replace(",2,", ",x,"), source="my.csv")


def test_a_basket_with_semicolons_says_how_to_save_it() -> None:
    text = "\ufeffAction;Quantity;Symbol\r\nBUY;3;ES\r\n"
    with pytest.raises(UsageError, match="semicolons stand between the columns") as caught:
        read_basket(text, source="basket.csv")

    assert "commas between columns and points in numbers" in caught.value.hint
