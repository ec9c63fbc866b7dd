"""Transactions files: good ones read back exactly, any bytes give our answers and no others."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from afterclose.adapters.files.transactions import aggregate, read_transactions
from afterclose.errors import AfterCloseError

GOOD = (Path(__file__).parents[1] / "golden" / "transactions" / "pyfolio_run.csv").read_bytes()
FIRST = date(2026, 11, 16)  # a Monday
SYMBOLS = ("ESZ26", "6EH27", "ZCH27", "HGZ26", "CLF27")

FILLS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(SYMBOLS),
        st.integers(-500, 500).filter(bool),
        st.floats(-100, 100_000, allow_nan=False).filter(lambda price: abs(price) > 1e-6),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)
Fills = Sequence[tuple[int, str, int, float, bool]]


def written(fills: Fills, *, separator: str, shown: str) -> bytes:
    lines = [separator.join(("dt", "sid", "symbol", "price", "order_id", "amount"))]
    for number, (day, symbol, amount, price, automatic) in enumerate(fills):
        # Distinct seconds keep an automatic close from looking like its own copy.
        moment = f"{FIRST + timedelta(days=day)} 20:{number // 60:02d}:{number % 60:02d}+00:00"
        name = shown.format(symbol)
        order_id = "" if automatic else f"order{number}"
        cells = (moment, name, name, repr(price), order_id, str(amount))
        lines.append(separator.join(cells))
    return "\n".join(lines).encode()


@given(FILLS, st.sampled_from(",;\t|"), st.sampled_from(["{}", "Future(12 [{}])"]))
def test_what_was_written_is_what_is_read(fills: Fills, separator: str, shown: str) -> None:
    reading = read_transactions(
        written(fills, separator=separator, shown=shown), source="f", session=None
    )

    last = max(day for day, *_ in fills)
    assert reading.session == FIRST + timedelta(days=last)
    assert not reading.findings
    assert [(str(t.contract), t.amount, t.price) for t in reading.trades] == [
        (symbol, amount, Decimal(repr(price)))
        for day, symbol, amount, price, _ in fills
        if day == last
    ]


@given(FILLS)
def test_positions_before_and_the_sessions_trades_sum_to_all_rows(fills: Fills) -> None:
    reading = read_transactions(written(fills, separator=",", shown="{}"), source="f", session=None)

    total: Counter[str] = Counter()
    for _, symbol, amount, _, _ in fills:
        total[symbol] += amount
    summed = Counter({str(c): amount for c, amount in reading.positions_before.items()})
    for trade in aggregate(reading.trades):
        summed[str(trade.contract)] += trade.amount
    assert {s: n for s, n in summed.items() if n} == {s: n for s, n in total.items() if n}


@given(FILLS)
def test_an_aggregated_price_lies_between_the_prices_of_its_fills(fills: Fills) -> None:
    reading = read_transactions(written(fills, separator=",", shown="{}"), source="f", session=None)

    for trade in aggregate(reading.trades):
        prices = [row.price for row in reading.trades if row.contract == trade.contract]
        assert min(prices) <= trade.price <= max(prices)
        assert trade.fills == len(prices)
        assert trade.gross >= abs(trade.amount)


def answers(data: bytes, session: date | None = None) -> Any:  # the reading, or our refusal
    try:
        return read_transactions(data, source="f", session=session)
    except AfterCloseError as error:
        return str(error)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_by_us(data: bytes) -> None:
    answers(data)


@given(st.text(max_size=400))
def test_any_text_below_a_good_header_is_read_or_refused_by_us(text: str) -> None:
    answers(b"dt,symbol,amount,price,order_id\n" + text.encode("utf-8", "surrogatepass"))


CELLS = st.one_of(
    st.text(alphabet=string.printable, max_size=20),
    st.sampled_from(
        ["", "nan", "inf", "-0", "0", "1e9", "1e-9", "1e999", "9" * 60, "2026-11-20", "0000-00-00",
         "9999-12-31 23:59:59-14:00", "1970-01-01T00:01:00+23:59", "13/13/2026", "ESZ26", "ESZ9999",
         "Future(1 [ESZ26])", "ESZ0000", "\u0660", "\uff11\uff12", "−5", "1,5", "1.000,5", "'", '"',
         "\ufeff"]
    ),
)  # fmt: skip


@given(st.lists(st.lists(CELLS, max_size=8), max_size=6), st.sampled_from(",;\t|"))
def test_any_cells_below_a_good_header_are_read_or_refused_by_us(
    rows: list[list[str]], separator: str
) -> None:
    header = separator.join(("dt", "sid", "symbol", "price", "order_id", "amount", "txn_dollars"))
    lines = [header, *(separator.join(cells) for cells in rows)]
    reading = answers("\n".join(lines).encode("utf-8", "replace"), session=date(2026, 11, 20))

    if not isinstance(reading, str):
        good = {row.line for row in reading.trades}
        assert not good & {row.line for row in reading.rejected}
        assert all(finding.hint for finding in reading.findings if finding.severity > 1)


@given(st.data())
def test_a_good_file_with_bytes_changed_is_read_or_refused_by_us(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        what = data.draw(st.sampled_from(["set", "insert", "delete", "cut", "copy"]))
        if what == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif what == "insert":
            changed[at:at] = data.draw(st.binary(max_size=5))
        elif what == "delete":
            del changed[at : at + data.draw(st.integers(1, 40))]
        elif what == "cut":
            del changed[at + 1 :]
        else:
            changed += changed[at:]
        if not changed:
            return
    answers(bytes(changed))
