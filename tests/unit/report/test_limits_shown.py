"""What the desk's own words left out or hold back: limits at the door, markets kept at 0, nets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from afterclose.cli import decision_tables
from afterclose.domain.netting import Netting
from afterclose.domain.orders import Action
from afterclose.report.evening import EveningView
from afterclose.report.render import render_evening
from unit.report.make_view import make_report, make_view
from unit.report.page import Element, read_page, rows_of

D = Decimal
VIEW = make_view()
ES = next(r for r in VIEW.audit.rows if r.order.contract.symbol == "ESZ26")


def page(view: EveningView) -> Element:
    return read_page(render_evening(view))


def cells(table: Element) -> dict[str, list[str]]:
    return {
        row.one("th").text: [cell.text for cell in row.all("td")]
        for row in rows_of(table)
        if row.all("td")
    }


def test_each_limit_is_shown_with_what_tonight_comes_to() -> None:
    shown = cells(page(VIEW).one("table", id="limits"))

    assert shown["orders per evening"][0] == "100"
    assert shown["notional per order"][:3] == ["not set", "1,008,038 USD", "–"]
    assert shown["notional per root"] == ["2,000,000 USD", "1,500,000 USD", "75.00%", "ES"]
    assert "over the limit" in shown["quantity per order"][1]


def test_what_is_not_known_of_a_limit_is_said_and_is_not_small() -> None:
    shown = cells(page(VIEW).one("table", id="limits"))

    assert shown["notional total"][1] == "4,212,345 USD and 1 order unknown"
    assert shown["price band"][:3] == ["5.00%", "2 orders unknown", "–"]


def test_an_evening_that_never_measured_its_limits_claims_nothing() -> None:
    assert page(replace(VIEW, limits=None)).all("table", id="limits") == []


def test_markets_that_stay_at_0_after_a_flattening_are_named_by_model() -> None:
    assert cells(page(VIEW).one("table", id="kept-flat")) == {"TF": ["NG"]}
    nothing = replace(VIEW, kept_flat={"TF": (), "MR": ()})
    assert page(nothing).all("table", id="kept-flat") == []
    assert page(replace(VIEW, kept_flat=None)).all("table", id="kept-flat") == []


def test_a_netted_order_at_the_market_shows_no_limit() -> None:
    row = replace(ES.order, order_type="MKT")
    carried = {"main-20261120-NET-ESZ26-O1": {row.order_ref: row.signed}}
    whole = replace(row, order_ref="main-20261120-NET-ESZ26-O1")
    netting = Netting(orders=(whole,), rows=(row,), carried=carried)
    shown = cells(page(replace(VIEW, netting=netting)).one("table", id="netted-orders"))

    assert shown["ESZ26"][1] == "market"


def test_two_models_in_one_contract_are_held_one_after_the_other() -> None:
    buys = replace(ES, position_before=1)
    order = replace(
        ES.order, action=Action.SELL, quantity=2, order_ref="main-20261120-MR-ESZ26-O1", model="MR"
    )
    sells = replace(buys, order=order, final_quantity=2)
    view = replace(VIEW, audit=make_report((buys, sells), ()))
    table = decision_tables.going_table(view, frozenset(), width=80)
    held = next(c for c in table.columns if c.header == "held")

    # Of 1 the sale leaves −1; three bought then make 2, which is what the account has at last.
    assert list(held.cells) == ["1 → −1", "−1 → 2"]
