"""What a person reads on the terminal."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console
from rich.table import Table

from afterclose.cli.nav_commands import open_positions_table
from afterclose.cli.options import day
from afterclose.cli.terminal import (
    OrderTicker,
    audit_summary,
    findings_table,
    one_line,
    order_text,
    orders_table,
    positions_table,
)
from afterclose.domain.audit import PositionCheck, Reconciliation
from afterclose.domain.findings import Severity
from afterclose.domain.nav import NavHistory, OpenPosition
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import OrderState
from afterclose.errors import ExitCode, UsageError
from make import (
    NOW,
    SESSION,
    USD,
    filled,
    intent,
    make_contract,
    make_event,
    make_fill,
    make_finding,
    make_mapped,
    make_order,
    make_report,
    make_row,
    status,
)

D = Decimal
BUY = make_order(signed=3)


def plain(*things: object) -> str:
    out = io.StringIO()
    screen = Console(file=out, width=200, highlight=False)
    for thing in things:
        screen.print(thing)
    return out.getvalue()


def lines(table: Table) -> list[str]:
    return [line.strip("│ ") for line in plain(table).splitlines()]


def test_a_date_is_read_or_refused_in_words() -> None:
    assert day("2026-11-19") == date(2026, 11, 19)
    assert day("") is None
    with pytest.raises(UsageError, match="19/11/2026") as raised:
        day("19/11/2026")
    assert raised.value.exit_code is ExitCode.USAGE
    assert raised.value.hint == "write it as yyyy-mm-dd"


def test_a_gateways_message_becomes_one_line() -> None:
    assert one_line("two\n  lines\t of it ") == "two lines of it"


def test_each_change_of_an_order_is_told_once() -> None:
    out = io.StringIO()
    ticker = OrderTicker(Console(file=out, width=200, highlight=False))
    for event in (
        intent(BUY),
        status(BUY, "Submitted"),
        status(BUY, "Submitted"),
        filled(BUY, 3, "a.01", price=D("6000.25")),
        make_event(BUY, "commission", fill=make_fill(BUY)),
        make_event(BUY, "message", text="order\nheld"),
    ):
        ticker(event)
    said = [line.split(BUY.order_ref)[1].strip() for line in out.getvalue().splitlines()]

    assert said == ["sending", "Submitted", "3 at 6000.25", "order held"]


def test_the_worst_finding_stands_first() -> None:
    info, block = make_finding(Severity.INFO, code="AC109"), make_finding(Severity.BLOCK)
    text = plain(findings_table([info, block], title="Findings"))

    assert text.index("AC104") < text.index("AC109")


def test_an_order_shows_its_price_with_the_digits_of_its_tick() -> None:
    mapped = make_mapped("6EZ26", tick_size=D("0.00005"))
    order = make_order("6EZ26", 2, mapped=mapped, limit_price=D("1.1534"))

    assert order_text(order) == (
        "BUY",
        "2",
        "6EZ26 (6E 202612)",
        "1.15340 USD",
        "entry",
        order.order_ref,
    )


def test_what_is_not_known_is_called_unknown() -> None:
    row = make_row(BUY, close=None, quote=None, findings=(make_finding(Severity.BLOCK),))
    text = plain(audit_summary(make_report(row)))

    assert text.count("unknown") == 3  # close, deviation, live price
    assert "AC104" in text


def test_orders_show_what_was_filled_and_at_what() -> None:
    lives = [
        OrderLife(order=BUY, state=OrderState.PARTLY_FILLED, fills=(make_fill(BUY, 2),)),
        OrderLife(order=make_order("NQZ26"), state=OrderState.UNKNOWN, text="not\nthere"),
    ]
    text = plain(orders_table(lives, title="Orders"))

    assert "2 of 3" in text
    assert "6000.00" in text
    assert "not there" in text


def test_positions_that_differ_stand_out() -> None:
    result = Reconciliation(
        run_id="r",
        session=SESSION,
        as_of=NOW,
        outcomes=(),
        positions=(
            PositionCheck(symbol="ESZ26", con_id=1, desk=2, broker=2),
            PositionCheck(symbol="NQZ26", con_id=2, desk=-1, broker=0),
            PositionCheck(symbol="CLF27", con_id=3, desk=1, broker=None),
        ),
    )
    table = [
        line for line in lines(positions_table(result)) if line[:5] in {"ESZ26", "NQZ26", "CLF27"}
    ]

    assert [row.split()[-1] for row in table] == ["agrees", "DIFFERS", "DIFFERS"]
    assert "unknown" in table[2]


def test_an_open_position_is_shown_with_its_entry_its_value_and_its_return() -> None:
    """Two bought at 5950, 6010 now: 60 points of 50 dollars each, and 60 / 5950."""
    position = OpenPosition(
        model="TF",
        contract=make_contract("ESZ26"),
        quantity=2,
        entered=NOW,
        entry_price=Decimal(5950),
        price=Decimal(6010),
        value=Decimal(601000),
        result=Decimal(6000),
        change=Decimal(60) / Decimal(5950),
    )
    shown = _open_positions(NavHistory(reporting=USD, positions=(position,)))

    assert "ESZ26" in shown
    for told in ("+2", "2026-11-19", "5950", "6010", "601,000", "6,000", "+1.01 %"):
        assert told in shown


def _open_positions(history: NavHistory) -> str:
    screen = Console(file=io.StringIO(), width=200)
    screen.print(open_positions_table(history))
    return str(screen.file.getvalue())  # type: ignore[attr-defined]
