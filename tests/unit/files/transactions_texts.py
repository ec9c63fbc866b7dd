"""Transactions files: a good one, and many bad ones with what must be said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADER = ",sid,symbol,price,order_id,amount,commission,dt,txn_dollars"
FRIDAY = "2026-11-20 21:00:00+00:00"
THURSDAY = "2026-11-19 21:00:00+00:00"

#: What a good row says, cell by cell; a bad one changes some of it.
GOOD = {
    "index": FRIDAY,
    "sid": "Future(12 [ESZ26])",
    "symbol": "Future(12 [ESZ26])",
    "price": "6012.3",
    "order_id": "a1",
    "amount": "2",
    "commission": "",
    "dt": FRIDAY,
    "txn_dollars": "-12024.6",
}


def row(**changes: str) -> str:
    """One line; ``symbol`` changes sid as well, and ``dt`` the index, unless they are given."""
    if "symbol" in changes:
        changes.setdefault("sid", changes["symbol"])
    if "dt" in changes:
        changes.setdefault("index", changes["dt"])
    if {"price", "amount"} & changes.keys():
        changes.setdefault("txn_dollars", "")
    return ",".join((GOOD | changes).values())


def file_of(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *lines, "")).encode()


#: Another good row, of a contract that no bad row names.
OTHER = row(
    symbol="Future(9 [CLF27])", price="58.12", amount="-1", order_id="b1", txn_dollars="58.12"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file, and what must come of it: a UsageError with ``error`` in it, or these findings.

    ``line`` is where the first finding must point; ``trades`` how many good rows must remain.
    """

    name: str
    data: bytes
    error: str = ""
    codes: Sequence[str] = ()
    line: int = 0
    trades: int = 1


def refused(name: str, data: bytes, error: str) -> BadFile:
    return BadFile(name=name, data=data, error=error)


def one_bad_row(name: str, code: str, *, also: Sequence[str] = (), **changes: str) -> BadFile:
    """A good row of another contract on line 2, the bad row on line 3."""
    data = file_of(OTHER, row(**changes))
    return BadFile(name=name, data=data, codes=(code, *also), line=3)


def with_cells(line: str) -> bytes:
    return file_of(OTHER, line)


_SEMICOLONS = ";".join
_ISO = "2026-11-20"

REFUSED = (
    refused("nothing at all", b"", "is empty"),
    refused("spaces and line ends only", b" \n\r\n\t\n", "is empty"),
    refused("a byte order mark only", b"\xef\xbb\xbf", "is empty"),
    refused("header without rows", file_of(), "no row with a readable date"),
    refused("no header", f"{row()}\n{OTHER}\n".encode(), "no header"),
    refused("prose", b"Dear desk,\nplease buy 2 ES tomorrow.\n", "no header"),
    refused("a list of returns", b",returns\n2026-11-20 00:00:00+00:00,0.001\n", "no header"),
    refused(
        "the positions file",
        b",Future(12 [ESZ26]),cash\n2026-11-20 00:00:00+00:00,601230.0,1000000.0\n",
        "no header",
    ),
    refused("no price column", b"dt,symbol,amount\n2026-11-20,ESZ26,2\n", "missing: price"),
    refused("no amount column", b"dt,symbol,price\n2026-11-20,ESZ26,6012\n", "missing: amount"),
    refused("no symbol column", b"dt,amount,price\n2026-11-20,2,6012\n", "missing: symbol"),
    refused("no date column", b"symbol,amount,price\nESZ26,2,6012\n", "missing: dt"),
    refused(
        "misspelled columns", b"dt,symbl,amount,prce\n2026-11-20,ESZ26,2,6012\n",
        "missing: symbol, price; found: dt, symbl, amount, prce",
    ),
    refused(
        "a column twice", b"dt,symbol,price,price,amount\n2026-11-20,ESZ26,6012,6013,2\n",
        "given twice: price",
    ),
    refused(
        "amount twice in other letters", b"dt,symbol,Amount,price,AMOUNT\n2026-11-20,ESZ26,2,1,3\n",
        "given twice: amount",
    ),
    refused("a workbook", b"PK\x03\x04\x14\x00\x06\x00", "a workbook or a ZIP archive"),
    refused("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    refused("a packed file", b"\x1f\x8b\x08\x00\x00\x00", "a gzip archive"),
    refused("a Parquet file", b"PAR1\x15\x04\x15\x10", "a Parquet file"),
    refused("a PDF", b"%PDF-1.7\n", "a PDF document"),
    refused("a pickle", b"\x80\x04\x95\x10\x00", "a Python pickle"),
    refused("bytes of no text", bytes(range(256)), "not a text file"),
    refused("a NUL in the middle", file_of(row(order_id="a\x001")), "not a text file"),
    refused("half a UTF-16 letter", "dt,symbol".encode("utf-16") + b"\x00", "not a text file"),
    refused(
        "a quotation mark never closed", file_of('"' + row(), OTHER), "not a CSV file"
    ),
    refused("text after a closing quote", file_of(row(order_id='"a1"x')), "not a CSV file"),
    refused(
        "no readable date anywhere", file_of(row(dt="yesterday"), row(dt="soon")),
        "no row with a readable date",
    ),
)  # fmt: skip

BAD_ROWS = (
    # Prices.
    one_bad_row("price NaN", "AC106", price="NaN"),
    one_bad_row("price nan in small letters", "AC106", price="nan"),
    one_bad_row("price empty", "AC106", price=""),
    one_bad_row("price infinite", "AC106", price="inf"),
    one_bad_row("price minus infinite", "AC106", price="-Infinity"),
    one_bad_row("price zero", "AC106", price="0.0"),
    one_bad_row("price beyond any market", "AC106", price="1e300"),
    one_bad_row("price too small for any market", "AC106", price="1e-30"),
    one_bad_row("price in words", "AC106", price="market"),
    one_bad_row("price with a thousands comma", "AC106", price='"6,012.30"'),
    one_bad_row("price with a currency sign", "AC106", price="$6012.30"),
    one_bad_row("price in 32nds", "AC106", symbol="ZNZ26", price="112'05"),
    one_bad_row("price in hexadecimal", "AC106", price="0x1F"),
    one_bad_row("price with underscores", "AC106", price="6_012"),
    one_bad_row("price in digits of another script", "AC106", price="٦٠١٢"),
    # Amounts.
    one_bad_row("amount zero", "AC230", amount="0"),
    one_bad_row("amount a fraction", "AC230", amount="1.5"),
    one_bad_row("amount empty", "AC230", amount=""),
    one_bad_row("amount NaN", "AC230", amount="nan"),
    one_bad_row("amount infinite", "AC230", amount="inf"),
    one_bad_row("amount in words", "AC230", amount="two"),
    one_bad_row("amount in brackets, as accountants write minus", "AC230", amount="(2)"),
    one_bad_row("amount with the minus behind", "AC230", amount="2-"),
    one_bad_row("amount beyond any desk", "AC230", amount="2000000"),
    one_bad_row("amount with side", "AC230", amount="BUY 2"),
    # Symbols.
    one_bad_row("symbol empty", "AC201", symbol="", sid=""),
    one_bad_row("symbol without a month", "AC201", symbol="ES"),
    one_bad_row("symbol with an unknown month", "AC201", symbol="ESA26"),
    one_bad_row("symbol with a year of one digit", "AC201", symbol="ESZ6"),
    one_bad_row("symbol of the last century", "AC201", symbol="ESZ98"),
    one_bad_row("a share", "AC201", symbol="Equity(24 [AAPL])"),
    one_bad_row("a continuous future", "AC201", symbol="ContinuousFuture(9 [ES 0 volume mul])"),
    one_bad_row("Norgate's continuous symbol", "AC201", symbol="&ES_CCB"),
    one_bad_row("symbol of a spreadsheet service", "AC201", symbol="ES=F"),
    one_bad_row("symbol as IB writes it locally", "AC201", symbol="ESZ6 CME"),
    one_bad_row("symbol a number", "AC201", symbol="1523", sid="1523"),
    one_bad_row("symbol NaN", "AC201", symbol="nan", sid="nan"),
    one_bad_row("option on a future", "AC201", symbol="ESZ26C6000"),
    one_bad_row("delivery long over", "AC234", symbol="ESZ1998"),
    one_bad_row("delivery two months over", "AC234", symbol="ESU26"),
    one_bad_row("delivery half a year over", "AC234", symbol="ESM26"),
    one_bad_row("delivery forty years away", "AC234", symbol="ESZ2066"),
    # Dates.
    one_bad_row("date empty", "AC231", dt="", index=""),
    one_bad_row("date in words", "AC231", dt="Friday"),
    one_bad_row("a day that does not exist", "AC231", dt="2026-02-30 21:00:00+00:00"),
    one_bad_row("a month that does not exist", "AC231", dt="2026-13-20"),
    one_bad_row("an hour that does not exist", "AC231", dt="2026-11-20 25:00:00+00:00"),
    one_bad_row("a Saturday", "AC231", dt="2026-11-14"),
    one_bad_row("a Sunday at midnight", "AC231", dt="2026-11-15 00:00:00+00:00"),
    one_bad_row("a year of two digits", "AC231", dt="11/20/26"),
    one_bad_row("a serial number of Excel", "AC231", dt="46346.875"),
    one_bad_row("the year 1", "AC231", dt="0001-01-01 00:00:00"),
    one_bad_row("the year 9999", "AC231", dt="9999-12-31 23:59:59-23:59"),
    one_bad_row("a name of a time zone", "AC231", dt="2026-11-20 16:00:00 US/Eastern"),
    one_bad_row("an offset that does not exist", "AC231", dt="2026-11-20 16:00:00+99:00"),
    # Columns that contradict each other.
    one_bad_row("sid of another contract", "AC236", sid="Future(13 [NQZ26])"),
    one_bad_row("sid that is no symbol", "AC236", sid="E-mini"),
    one_bad_row("first column of another day", "AC237", index=THURSDAY),
    one_bad_row("first column a day that does not exist", "AC237", index="2026-02-30"),
    one_bad_row("sign of the money turned", "AC239", txn_dollars="12024.6"),
    one_bad_row("sign of the amount turned", "AC239", amount="-2", txn_dollars="-12024.6"),
    one_bad_row(
        "yen rounded to cents", "AC239", symbol="6JZ26", price="0.01", txn_dollars="-0.0134010"
    ),
    one_bad_row("price in another unit", "AC239", price="601230", txn_dollars="-12024.6"),
    one_bad_row("money in words", "AC239", txn_dollars="much"),
    # Several faults in one row.
    one_bad_row("price and amount", "AC230", also=("AC106",), price="nan", amount="nan"),
    # Shape.
    BadFile(
        name="a row cut off at the end of the file", codes=("AC230", "AC231", "AC235"), line=3,
        data=with_cells(f"{FRIDAY},Future(12 [ESZ26]),Future(12 [ESZ26]),6012.3,a1"), trades=1,
    ),
    BadFile(
        name="a value too many", codes=("AC235",), line=3, data=with_cells(row() + ",x"), trades=1
    ),
    BadFile(
        name="the header again in the middle", codes=("AC235",), line=3, trades=2,
        data=file_of(OTHER, HEADER, row()),
    ),
    # Rows given twice.
    BadFile(name="a row copied", codes=("AC232",), line=3, data=file_of(row(), row()), trades=1),
    BadFile(
        name="an order filled twice in one bar", codes=("AC232",), line=3, trades=1,
        data=file_of(row(), row(amount="3", txn_dollars="-18036.9")),
    ),
    BadFile(
        name="an order id in two contracts", codes=("AC232",), line=3, trades=1,
        data=file_of(row(), row(symbol="NQZ26", price="21987.5", txn_dollars="-43975.0")),
    ),
    BadFile(
        name="an automatic close copied", codes=("AC232",), line=3, trades=1,
        data=file_of(row(order_id=""), row(order_id="")),
    ),
    BadFile(
        name="a row copied, no order ids", codes=("AC232",), line=3, trades=1,
        data=b"dt,symbol,amount,price\n2026-11-20,ESZ26,2,6012\n2026-11-20,ESZ26,2,6012\n",
    ),
    BadFile(
        name="two runs joined", codes=("AC232", "AC232"), line=4, trades=2,
        data=file_of(row(), OTHER, row(), OTHER),
    ),
    # Whole files in doubt.
    BadFile(
        name="day and month in an unknown order", codes=("AC231", "AC231"), line=3, trades=1,
        data=b"dt,symbol,amount,price\n2026-11-20,ESZ26,2,6012\n"
        b"11/10/2026,NQZ26,2,21987\n10/11/2026,YMZ26,1,44321\n",
    ),
    BadFile(
        name="day and month in both orders", codes=("AC231", "AC231"), line=3, trades=1,
        data=b"dt,symbol,amount,price\n2026-11-20,ESZ26,2,6012\n"
        b"11/20/2026,NQZ26,2,21987\n20/11/2026,YMZ26,1,44321\n",
    ),
    BadFile(
        name="points and commas mixed", codes=("AC106",), line=3, trades=1,
        data=b"dt;symbol;amount;price\n2026-11-20;ESZ26;2;6012,25\n2026-11-20;NQZ26;2;21987.50\n",
    ),
    BadFile(
        name="a bad row of an earlier session", codes=("AC230",), line=2, trades=1,
        data=file_of(row(dt=THURSDAY, amount="x", order_id="a0"), row()),
    ),
    BadFile(
        name="every row bad", codes=("AC106", "AC106"), line=2, trades=0,
        data=file_of(row(price="nan"), row(symbol="NQZ26", price="nan", order_id="a2")),
    ),
)  # fmt: skip
