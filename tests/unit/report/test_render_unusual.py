"""The page of evenings that went wrong, or differently than most."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditRow, Sizing
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.findings import Severity
from afterclose.domain.market import FxRates
from afterclose.domain.orders import Action
from afterclose.report.render import render_evening
from unit.report.make_bars import finding
from unit.report.make_view import make_report, make_view
from unit.report.page import read_page, rows_of


def test_a_row_of_which_nothing_is_known_stays_in_the_table() -> None:
    view = make_view()
    rows = tuple(
        AuditRow(order=r.order, final_quantity=0, sizing=Sizing(window=20, width=Decimal(3)))
        for r in view.audit.rows
    )
    order = rows[0].order
    spec = replace(order.mapped.spec, multiplier="", point_value=None, quotation="")
    bare = replace(rows[0], order=replace(order, mapped=replace(order.mapped, spec=spec)))
    nothing = replace(
        view,
        audit=make_report((bare, *rows[1:])),
        account=AccountSnapshot(
            account=view.account.account,
            base=view.account.base,
            as_of=view.account.as_of,
            net_liquidation=None,
            available_funds=None,
            excess_liquidity=None,
            initial_margin=None,
            maintenance_margin=None,
        ),
        fx=FxRates(base=view.fx.base),
        capital=replace(view.capital, amount=None),
        other_rule_trades=None,
    )
    page = read_page(render_evening(nothing))
    text = page.one("section", id="buy").text + page.one("section", id="sell").text

    assert len(page.all("details", class_="order")) == 15
    assert "None" not in text
    assert text.count("unknown") > 200
    assert "unknown: the rule “transactions” was not worked out" in page.text


def test_orders_that_work_already_are_shown() -> None:
    view = make_view()
    order = BrokerOrder(
        order_ref="",
        perm_id=7,
        client_id=0,
        con_id=1,
        symbol="NQ",
        action=Action.SELL,
        quantity=3,
        filled=1,
        status="Submitted",
        account=view.account.account,
        limit_price=Decimal("24310.50"),
    )
    account = replace(view.account, working_orders=(order,))
    page = read_page(render_evening(replace(view, account=account)))
    cells = [c.text for c in rows_of(page.one("table", id="working-orders"))[0].walk()]
    assert cells[1:] == ["NQ", "SELL", "3", "2", "24310.5", "Submitted", "0", "none", "none"]


def test_a_band_of_another_width_is_said_in_the_caption() -> None:
    view = make_view()
    page = read_page(render_evening(view))
    rows = tuple(
        replace(r, sizing=replace(r.sizing, width=Decimal("2.5"))) if r.sizing else r
        for r in view.audit.rows
    )
    other = read_page(render_evening(replace(view, audit=make_report(rows))))

    assert "20 closes, 2.5 σ" in other.one("table", id="buy-table").one("caption").text
    assert "20 closes" not in page.one("table", id="buy-table").one("caption").text


def test_a_roll_in_a_blocked_evening_sends_nothing() -> None:
    view = make_view()
    stop = finding("AC502", Severity.BLOCK, "wrong account")
    page = read_page(render_evening(replace(view, audit=make_report(view.audit.rows, (stop,)))))
    said = page.one("ul", class_="rolls").text
    assert "SELL 0" in said
    assert "BUY 0" in said


def test_a_caught_up_exit_is_marked() -> None:
    view = make_view()
    first = view.audit.rows[0]
    row = replace(first, order=replace(first.order, catch_up=True))
    page = read_page(render_evening(replace(view, audit=make_report((row,)))))
    assert "exit · TF · catch-up" in page.one("table", id="sell-table").text
