"""Good transactions files, in the forms in which they reach us."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.adapters.files.moments import session_of
from afterclose.adapters.files.transactions import (
    TransactionsReading,
    aggregate,
    read_transactions,
)
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.findings import Severity
from afterclose.errors import UsageError
from unit.files.transactions_texts import FRIDAY, GOOD, HEADER, OTHER, THURSDAY, file_of, row

# Written by pyfolio's extract_rets_pos_txn_from_zipline and pandas' to_csv.
PYFOLIO = Path(__file__).parents[2] / "golden" / "transactions" / "pyfolio_run.csv"
FRIDAY_SESSION = date(2026, 11, 20)


def contract(root: str, year: int, month: int) -> FuturesContract:
    return FuturesContract(RootSymbol(root), ContractMonth(year, month))


def read(data: bytes, session: date | None = None) -> TransactionsReading:
    return read_transactions(data, source="TF.csv", session=session)


def test_the_newest_rows_of_a_pyfolio_file_are_the_trades_of_its_session() -> None:
    reading = read(PYFOLIO.read_bytes())

    assert reading.session == FRIDAY_SESSION
    assert [(str(t.contract), t.amount, t.price, t.line) for t in reading.trades] == [
        ("HGZ26", -6, Decimal("507.125"), 7),
        ("HGH27", 4, Decimal("512.40000101"), 8),
        ("HGH27", 2, Decimal("512.70000101"), 9),
        ("6JZ26", 3, Decimal("0.6700520001"), 10),
        ("PAZ26", -8, Decimal("1387.5"), 11),
    ]
    assert reading.trades[0].at == datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert reading.trades[0].order_id == "0000000000000000000000000000006a"
    assert not reading.findings
    assert not reading.rejected


def test_positions_before_are_the_sum_of_earlier_rows() -> None:
    reading = read(PYFOLIO.read_bytes())

    assert reading.positions_before == {
        contract("CT", 2027, 3): 32,
        contract("HG", 2026, 12): 6,
        contract("PA", 2026, 12): 8,
        contract("6E", 2026, 12): -7,
    }


def test_a_given_session_is_taken_out_of_the_middle_of_the_file() -> None:
    reading = read(PYFOLIO.read_bytes(), session=date(2026, 11, 19))

    assert [str(t.contract) for t in reading.trades] == ["CTH27", "6EZ26"]
    assert reading.positions_before[contract("CT", 2027, 3)] == 22
    assert [(f.code, f.severity) for f in reading.findings] == [("AC233", Severity.BLOCK)]
    assert reading.findings[0].evidence["rows"] == 5


def test_fills_of_one_contract_become_one_trade_at_their_weighted_price() -> None:
    trades = {str(t.contract): t for t in aggregate(read(PYFOLIO.read_bytes()).trades)}

    copper = trades["HGH27"]
    assert (copper.amount, copper.fills, copper.lines, copper.gross) == (6, 2, (8, 9), 6)
    # (4 × 512.40000101 + 2 × 512.70000101) / 6
    assert copper.price == Decimal("512.50000101")
    assert trades["HGZ26"].price == Decimal("507.125")
    assert {symbol: t.auto_close for symbol, t in trades.items()} == {
        "HGZ26": False,
        "HGH27": False,
        "6JZ26": False,
        "PAZ26": True,
    }


def test_a_weighted_price_that_does_not_end_is_cut_at_34_digits() -> None:
    data = file_of(row(price="1", amount="1"), row(price="2", amount="2", order_id="a2"))

    assert aggregate(read(data).trades)[0].price == Decimal("1.666666666666666666666666666666667")


def test_a_contract_bought_and_sold_has_the_price_of_the_side_that_remains() -> None:
    data = file_of(
        row(price="100", amount="10", order_id="a1"),
        row(price="130", amount="-4", order_id="a2"),
    )

    (trade,) = aggregate(read(data).trades)

    assert (trade.amount, trade.price, trade.gross) == (6, Decimal(100), 14)


def test_a_contract_bought_and_sold_to_nothing_is_still_a_trade() -> None:
    data = file_of(
        row(price="100", amount="3", order_id="a1"),
        row(price="104", amount="-3", order_id="a2"),
    )

    (trade,) = aggregate(read(data).trades)

    assert (trade.amount, trade.price, trade.gross) == (0, Decimal(102), 6)


def test_a_session_without_rows_is_a_proven_no_trades() -> None:
    reading = read(PYFOLIO.read_bytes(), session=date(2026, 11, 23))

    assert reading.session == date(2026, 11, 23)
    assert reading.trades == ()
    assert reading.positions_before[contract("HG", 2027, 3)] == 6
    (finding,) = reading.findings
    assert (finding.code, finding.severity) == ("AC238", Severity.INFO)
    assert "newest of its 10 rows is of 2026-11-20" in finding.message


def test_a_file_without_rows_proves_less() -> None:
    (finding,) = read(file_of(), session=FRIDAY_SESSION).findings

    assert (finding.code, finding.severity) == ("AC238", Severity.WARN)


def test_a_row_without_a_readable_date_leaves_no_trades_unproven() -> None:
    reading = read(file_of(row(dt="soon"), row(dt=THURSDAY, order_id="a0")), FRIDAY_SESSION)

    assert [finding.code for finding in reading.findings] == ["AC231"]
    assert reading.rejected[0].contract == contract("ES", 2026, 12)


def test_a_contract_with_a_bad_row_is_in_doubt() -> None:
    reading = read(file_of(row(), row(order_id="a2", price="nan"), OTHER))

    assert set(reading.in_doubt) == {contract("ES", 2026, 12)}
    assert [f.code for f in reading.in_doubt[contract("ES", 2026, 12)]] == ["AC106"]


def test_every_contract_that_a_bad_row_may_have_meant_is_in_doubt() -> None:
    crude, euro = contract("CL", 2027, 1), contract("6E", 2026, 12)
    other_sid = row(sid="Future(9 [CLF27])", order_id="a2")
    no_symbol = row(symbol="nan", sid="Future(3 [6EZ26])", order_id="a3")
    same_order = row(symbol="NQZ26", price="21987.5")

    assert set(read(file_of(row(), OTHER, other_sid)).in_doubt) == {crude, contract("ES", 2026, 12)}
    assert set(read(file_of(OTHER, no_symbol)).in_doubt) == {euro}
    assert set(read(file_of(row(), OTHER, same_order)).in_doubt) == {
        contract("ES", 2026, 12),
        contract("NQ", 2026, 12),
    }


def test_a_bad_row_of_the_past_puts_the_position_in_doubt() -> None:
    reading = read(file_of(row(dt=THURSDAY, amount="2.5", order_id="a0"), row(), OTHER))

    assert set(reading.in_doubt) == {contract("ES", 2026, 12)}


def test_bad_rows_after_the_session_do_not_matter_to_it() -> None:
    late = row(dt="2026-11-23 21:00:00+00:00", price="nan")
    reading = read(file_of(row(), late), FRIDAY_SESSION)

    assert reading.rejected == ()
    assert sorted(finding.code for finding in reading.findings) == ["AC106", "AC233"]


TEXT = f"{HEADER}\n{row()}\n{OTHER}\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8"),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("\n", "\n\n").encode(),
        TEXT.rstrip().encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", "|").encode(),
        ("sep=;\r\n" + TEXT.replace(",", ";")).encode(),
        TEXT.replace(",", " , ").encode(),
        TEXT.replace("\n", ",,\n").encode(),
        TEXT.upper().replace("FUTURE", "Future").encode(),
        TEXT.replace("commission", "Gebühr").encode("latin-1"),
    ],
    ids=[
        "utf-8", "utf-8 with mark", "utf-16 with mark", "utf-16-le", "utf-16-be",
        "utf-16-be with mark", "CRLF", "CR", "empty lines", "no last line end", "semicolons",
        "tabs", "bars", "Excel's sep line", "spaces", "empty columns at the end", "capitals",
        "latin-1",
    ],
)  # fmt: skip
def test_encodings_and_separators_do_not_matter(data: bytes) -> None:
    reading = read(data)

    assert [(str(t.contract), t.amount, t.price) for t in reading.trades] == [
        ("ESZ26", 2, Decimal("6012.3")),
        ("CLF27", -1, Decimal("58.12")),
    ]
    assert reading.findings == ()


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    data = ("sep=,\n" + TEXT.replace("\n", "\n\n")).encode()

    assert [trade.line for trade in read(data).trades] == [4, 6]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20", "2026/11/20", "2026.11.20", "20261120", "20.11.2026", "11/20/2026",
        "20/11/2026", "20-11-2026", "2026-11-20 00:00:00", "2026-11-20 00:00:00+00:00",
        "2026-11-20T21:00:00Z", "2026-11-20 21:00:00", "2026-11-20 21:00:00.000000000+00:00",
        "2026-11-20 16:00:00-05:00", "2026-11-20 22:00:00+0100", "11/20/2026 9:00:00 PM",
        "20.11.2026 21:00", "2026-11-20 21:00:00 UTC", "2026-11-21 06:00:00+09:00",
    ],
)  # fmt: skip
def test_dates_in_every_form_give_the_session(text: str) -> None:
    data = file_of(",".join((GOOD | {"dt": text, "index": "0"}).values()))

    assert read(data).session == FRIDAY_SESSION


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("2026-11-20 21:00:00", 21, 0),
        ("2026-11-20 21:00:00Z", 21, 0),
        ("2026-11-20 16:30:00-05:00", 21, 30),
        ("2026-11-20 16:30:00+0530", 11, 0),
        ("11/20/2026 9:15:00 PM", 21, 15),
        ("11/20/2026 9:15 am", 9, 15),
        ("11/20/2026 12:15 PM", 12, 15),
    ],
)
def test_times_are_turned_into_utc(text: str, hour: int, minute: int) -> None:
    (trade,) = read(file_of(row(dt=text))).trades

    assert trade.at == datetime(2026, 11, 20, hour, minute, tzinfo=UTC)


def test_half_past_midnight_belongs_to_the_day_that_has_begun() -> None:
    (trade,) = read(file_of(row(dt="11/20/2026 12:30 AM"))).trades

    assert trade.at == datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
    assert trade.session == FRIDAY_SESSION


def test_the_order_of_day_and_month_is_learned_from_the_whole_file() -> None:
    days_first = b"dt,symbol,amount,price\n05/11/2026,ESZ26,2,6012\n20/11/2026,NQZ26,1,21987\n"
    months_first = b"dt,symbol,amount,price\n11/05/2026,ESZ26,2,6012\n11/20/2026,NQZ26,1,21987\n"

    for data in (days_first, months_first):
        reading = read(data)
        assert reading.session == FRIDAY_SESSION
        assert reading.positions_before == {contract("ES", 2026, 12): 2}
        assert reading.findings == ()


def test_a_date_that_reads_alike_both_ways_needs_no_order() -> None:
    data = b"dt,symbol,amount,price\n11/11/2026,ESZ26,2,6012\n"

    assert read(data).session == date(2026, 11, 11)


@pytest.mark.parametrize(
    ("at", "session"),
    [
        # New York's close, in summer and in winter time.
        (datetime(2026, 7, 10, 20, tzinfo=UTC), date(2026, 7, 10)),
        (datetime(2026, 11, 20, 21, tzinfo=UTC), date(2026, 11, 20)),
        # Globex ends at 17:00 in Chicago: 23:00 UTC in winter.
        (datetime(2026, 11, 19, 23, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 19, 23, 1, tzinfo=UTC), date(2026, 11, 20)),
        # Friday night and Sunday night belong to Monday.
        (datetime(2026, 11, 21, 1, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 11, 23, 0, 30, tzinfo=UTC), date(2026, 11, 23)),
    ],
)
def test_a_time_belongs_to_the_session_that_ends_next_in_chicago(
    at: datetime, session: date
) -> None:
    assert session_of(at) == session


def test_mixed_time_zones_are_each_turned_into_the_exchange_day() -> None:
    data = file_of(
        row(dt=FRIDAY),
        row(dt="2026-11-20 16:00:00-05:00", symbol="NQZ26", order_id="a2", price="21987.5"),
        row(dt="2026-11-21 06:00:00+09:00", symbol="YMZ26", order_id="a3", price="44321"),
    )

    assert len(read(data).trades) == 3


@pytest.mark.parametrize(
    "header",
    [
        "dt,symbol,amount,price",
        "date,contract,quantity,price",
        "Date,Asset,Qty,Price",
        "timestamp,sid,amount,price",
        ",symbol,amount,price",
    ],
)
def test_the_least_columns_are_date_symbol_amount_and_price(header: str) -> None:
    reading = read(f"{header}\n2026-11-20 21:00:00+00:00,ESZ26,-2,6012.25\n".encode())

    assert [(str(t.contract), t.amount, t.order_id) for t in reading.trades] == [
        ("ESZ26", -2, None)
    ]
    assert reading.findings == ()
    assert not aggregate(reading.trades)[0].auto_close


def test_a_numbered_first_column_is_no_date() -> None:
    data = b",dt,symbol,amount,price\n0,2026-11-20,ESZ26,2,6012\n1,2026-11-20,NQZ26,2,21987\n"

    assert len(read(data).trades) == 2


def test_numeric_sids_beside_symbols_are_not_compared() -> None:
    assert read(file_of(row(sid="1523"))).findings == ()


@pytest.mark.parametrize(
    ("line", "price", "amount"),
    [
        ("2026-11-20;ESZ26;2;6012,25", "6012.25", 2),
        ("2026-11-20;ESZ26;-2;6.012,25", "6012.25", -2),
        ("2026-11-20;6JZ26;2;6,7005E-01", "0.67005", 2),
        ("2026-11-20;CLZ26;1;-37,63", "-37.63", 1),
    ],
)
def test_decimal_commas_are_read_in_files_with_semicolons(
    line: str, price: str, amount: int
) -> None:
    (trade,) = read(f"dt;symbol;amount;price\n{line}\n".encode()).trades

    assert (trade.price, trade.amount) == (Decimal(price), amount)


@pytest.mark.parametrize(
    ("text", "amount"), [("2", 2), ("2.0", 2), ("-2.000", -2), ("+2", 2), ("2e1", 20), ("02", 2)]
)
def test_whole_amounts_may_be_written_as_floats(text: str, amount: int) -> None:
    assert read(file_of(row(amount=text))).trades[0].amount == amount


@pytest.mark.parametrize("text", ["-37.63", "1e-05", "0.0067005", "5.", ".5", "123456.789"])
def test_prices_are_taken_exactly_as_written(text: str) -> None:
    assert read(file_of(row(price=text))).trades[0].price == Decimal(text)


@pytest.mark.parametrize("text", ["", "nan", "NaN", "None", "null"])
def test_an_order_id_that_is_missing_marks_an_automatic_close(text: str) -> None:
    trades = read(file_of(row(order_id=text))).trades

    assert trades[0].order_id == ""
    assert aggregate(trades)[0].auto_close


def test_two_orders_of_the_same_size_and_price_are_two_trades() -> None:
    data = file_of(row(order_id="a1"), row(order_id="a2"))

    assert aggregate(read(data).trades)[0].amount == 4


def test_an_order_may_fill_on_several_days() -> None:
    reading = read(file_of(row(dt=THURSDAY), row(dt=FRIDAY)))

    assert reading.findings == ()
    assert reading.positions_before == {contract("ES", 2026, 12): 2}


def test_a_contract_may_trade_in_the_month_after_its_delivery() -> None:
    # Milk of October ends early in November.
    reading = read(file_of(row(symbol="DCV26", price="17.11", dt="2026-11-03")))

    assert reading.findings == ()


def test_rows_of_the_last_century_are_read_as_of_their_own_day() -> None:
    reading = read(file_of(row(symbol="CLF00", price="25.6", dt="1999-12-15 21:00:00+00:00")))

    assert reading.trades[0].contract == contract("CL", 2000, 1)


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_read() -> None:
    lines = (
        row(dt=THURSDAY, order_id=f"x{number}", symbol="Future(9 [CLF27])", price="58.12")
        for number in range(100_000)
    )
    reading = read(file_of(*lines, row()))

    assert reading.rows == 100_001
    assert reading.positions_before == {contract("CL", 2027, 1): 200_000}


def test_a_refusal_names_the_columns_found() -> None:
    with pytest.raises(UsageError, match=r"missing: price; found: dt, symbol, amount"):
        read(b"dt,symbol,amount\n2026-11-20,ESZ26,2\n")
