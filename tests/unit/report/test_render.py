from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import Action
from afterclose.domain.runs import Mode, RunState
from afterclose.report.render import render_evening
from unit.report.make_bars import finding
from unit.report.make_rows import HOSTILE_REASON
from unit.report.make_view import (
    make_approval,
    make_manifest,
    make_reconciliation,
    make_report,
    make_view,
    many_orders,
)
from unit.report.page import Element, read_page, rows_of
from unit.report.test_tables import BUY_NAMES, SELL_NAMES


@pytest.fixture(scope="module")
def text() -> str:
    return render_evening(make_view())


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return read_page(text)


@pytest.fixture(scope="module")
def settled() -> Element:
    view = make_view()
    view = replace(view, approval=make_approval(view), reconciliation=make_reconciliation(view))
    return read_page(render_evening(view))


def drawer(page: Element, ref: str) -> Element:
    return page.one("details", id=f"o-{ref}")


@pytest.mark.parametrize(
    ("side", "names", "count"), [("sell", SELL_NAMES, 6), ("buy", BUY_NAMES, 9)]
)
def test_each_side_shows_every_row_under_the_write_ups_columns(
    page: Element, side: str, names: list[str], count: int
) -> None:
    table = page.one("table", id=f"{side}-table")
    heads = [th.text for th in table.one("thead").all("th") if "data-column" in th.attributes]

    assert heads == names
    assert len(rows_of(table)) == count
    assert all(len(row.all("td")) == len(names) + 2 for row in rows_of(table))


def test_a_cell_carries_its_colour_group_and_its_sort_value(page: Element) -> None:
    table = page.one("table", id="buy-table")
    row = table.one("tr", data_ref="main-20261120-MR-6JZ26-O1")
    limit = row.all("td", class_="g-price")[0]
    assert (limit.text, limit.attributes["data-value"]) == ("0.0064285", "0.0064285")
    assert row.one("td", class_="flag").text == "▲ yes"


def test_unknown_stands_in_words_and_sorts_as_nothing(page: Element) -> None:
    table = page.one("table", id="sell-table")
    row = table.one("tr", data_ref="main-20261120-TF-KOSZ26-C1")
    unknown = row.all("td", class_="missing")
    assert [cell.text for cell in unknown] == ["unknown", "unknown", "unknown"]
    assert {cell.attributes["data-value"] for cell in unknown} == {""}


def test_every_order_has_one_drawer_with_its_chart(page: Element) -> None:
    drawers = page.all("details", class_="order")
    refs = [d.attributes["data-ref"] for d in drawers]

    assert sorted(refs) == sorted(r.order.order_ref for r in make_view().audit.rows)
    assert len(page.all("svg", class_="chart")) == 14
    assert "nothing to draw" in drawer(page, "main-20261120-TF-KOSZ26-C1").text


def test_a_drawer_walks_through_the_sizing_in_numbers(page: Element) -> None:
    steps = drawer(page, "main-20261120-TF-ESZ26-O1").one("table", class_="steps")
    lines = [[c.text for c in row.children if isinstance(c, Element)] for row in rows_of(steps)]

    assert lines == [
        ["Mean", "of the last 20 completed closes", "6,700.000"],
        ["σ", "population, of the same 20 closes", "40.000"],
        ["Lower band", "6,700.000 − 3 × 40.000", "6,580.000"],
        ["Stop distance", "6,720.25 − 6,580.000, not below 0", "140.250"],
        ["Risk per contract", "140.250 × point value 50", "7,012.50 USD"],
        ["… in USD", "7,012.50 × FX 1.000000", "7,012.50 USD"],
        ["Risk allowed", "5,000,000.00 × 0.50%", "25,000.00 USD"],
        ["Contracts", "25,000.00 ÷ 7,012.50, whole contracts", "3"],
        ["Risk of the trade", "3 × 7,012.50", "21,037.50 USD"],
        ["Final quantity", "model 3, basket 3, sized 3", "3"],
    ]


def test_a_short_entry_is_sized_from_the_upper_band(page: Element) -> None:
    steps = drawer(page, "main-20261120-MR-HGH27-O1").one("table", class_="steps")
    names = [row.all("th")[0].text for row in rows_of(steps)]
    assert "Upper band" in names
    assert "Lower band" not in names


def test_a_drawer_says_what_to_do_about_each_finding(page: Element) -> None:
    said = drawer(page, "main-20261120-TF-HSIX26-O1").text
    assert "AC441 no exchange rate for HKD" in said
    assert "Do: subscribe to IDEALPRO" in said


def test_an_exit_says_why_it_is_not_sized(page: Element) -> None:
    said = drawer(page, "main-20261120-MR-NKDZ26-C1").text
    assert "Not sized: it closes what is held. Model 4, desk holds −4, final 4." in said


def test_every_link_within_the_page_leads_somewhere(settled: Element) -> None:
    ids = [e.attributes["id"] for e in settled.walk() if "id" in e.attributes]
    targets = {a.attributes["href"] for a in settled.all("a")}

    assert len(ids) == len(set(ids))
    assert targets
    assert {t.removeprefix("#") for t in targets} <= set(ids)


def test_a_models_reason_cannot_become_markup(text: str, page: Element) -> None:
    assert len(page.all("script")) == 1
    assert "<script>alert" not in text
    reason = drawer(page, "main-20261120-TF-ESZ26-O1").one("p", class_="reason")
    assert reason.text == HOSTILE_REASON


def test_nothing_that_anybody_wrote_can_become_markup() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    view = make_view(notes=(evil,), digest=evil, files={evil: evil}, dropped=(_evil(evil),))
    view = replace(
        view,
        audit=replace(view.audit, account=evil, findings=(_evil(evil),)),
        account=replace(view.account, account=evil, unknown=(evil,)),
        capital=replace(view.capital, rule=evil),
        data=replace(view.data, source=evil, fingerprint=evil, late=(_evil(evil),)),
    )
    page = read_page(render_evening(view))
    assert page.all("img") == []
    assert len(page.all("script")) == 1


def _evil(text: str) -> Finding:
    return finding("AC999", Severity.WARN, text, text, seen=text)


def test_the_page_runs_its_own_script_and_no_other(text: str, page: Element) -> None:
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert script is not None
    assert style is not None

    assert policy.startswith("default-src 'none'")
    assert f"script-src '{_digest(script[1])}'" in policy
    assert f"style-src '{_digest(style[1])}'" in policy
    assert "unsafe" not in policy


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def test_the_page_needs_no_other_file(text: str, page: Element) -> None:
    for element in page.walk():
        for name in ("src", "href", "srcset", "data", "action", "style"):
            value = element.attributes.get(name, "#")
            assert value.startswith("#"), f"<{element.tag} {name}={value!r}>"
    assert "@import" not in text
    assert "url(" not in text


def test_the_same_view_gives_the_same_bytes(text: str) -> None:
    assert render_evening(make_view()) == text


def test_paper_and_live_are_said_in_words() -> None:
    live = read_page(render_evening(make_view(manifest=make_manifest(mode=Mode.LIVE))))
    assert live.one("p", class_="stamp").text == "LIVEDU1234567"
    assert live.one("head").one("title").text.startswith("LOOK · 2026-11-20 · LIVE DU1234567")


def test_a_verdict_is_a_word_and_a_shape(page: Element) -> None:
    for verdict in page.all("span", class_="verdict"):
        assert verdict.text in {"clear", "look", "blocked", "note"}
        assert len(verdict.all("use")) == 1


def test_tables_tell_a_screen_reader_what_they_are(settled: Element) -> None:
    tables = settled.all("table")
    assert len(tables) > 15
    for table in tables:
        assert table.all("caption"), table.attributes
        for header in table.all("th"):
            assert header.attributes.get("scope") in {"col", "row"}, header.text


def test_the_account_that_was_audited_must_be_the_one_shown() -> None:
    view = make_view()
    other = replace(view, account=replace(view.account, account="DU7654321"))
    said = read_page(render_evening(other)).one("section", id="summary").text
    assert "The audit is for account DU1234567, the snapshot for DU7654321." in said


def test_unknown_answers_of_the_account_are_said(page: Element) -> None:
    view = make_view()
    account = replace(
        view.account, positions=None, working_orders=None, cash={}, unknown=("positions",)
    )
    said = read_page(render_evening(replace(view, account=account))).one("section", id="account")

    assert "Unknown at the gateway: positions." in said.text
    assert "unknown: the positions did not come" in said.text
    assert "unknown: no cash balances came." in said.text
    assert "Unknown at the gateway" not in page.text


def test_a_missing_rate_says_why(page: Element) -> None:
    table = page.one("div", id="fx").one("table")
    hkd = next(row for row in rows_of(table) if row.text.startswith("HKD"))
    assert hkd.text.startswith("HKDunknownunknownno midpoint for USD.HKD")


def test_excluded_and_dropped_rows_say_why(page: Element) -> None:
    section = page.one("section", id="trades")
    excluded = section.one("table", class_="excluded")
    assert len(rows_of(excluded)) == 3
    assert "no exchange rate for HKD" in excluded.text
    assert "LBRF27" in section.one("table", class_="dropped").text
    assert "add LBR to contracts.csv" in section.text


def test_every_model_trade_leads_to_its_order(page: Element) -> None:
    rows = rows_of(page.one("table", id="model-trades"))
    assert len(rows) == 16
    assert sum("no order" in row.text for row in rows) == 1


def test_what_changed_in_history_is_shown(page: Element) -> None:
    said = page.one("section", id="provenance").text
    assert "the close of KCH27 on 2026-11-18 changed from 401.90 to 402.05" in said
    assert "7e" * 32 in said


def test_history_that_nobody_compared_is_not_called_unchanged() -> None:
    view = make_view()
    said = {
        revised: read_page(
            render_evening(replace(view, data=replace(view.data, revised=revised)))
        ).one("section", id="provenance")
        for revised in (None, ())
    }
    assert "unknown: past bars were not compared" in said[None].text
    assert "No past bar changed" in said[()].text


def test_without_an_approval_the_page_says_that_nothing_is_sent(page: Element) -> None:
    assert "Not approved." in page.one("section", id="approval").text
    assert page.all("section", id="outcomes") == []


def test_an_approval_is_shown_with_its_overrides(settled: Element) -> None:
    said = settled.one("section", id="approval").text
    assert "VOID" not in said
    assert "delayed quotes are fine on paper" in said
    assert "the mismatch is the σ convention" in said


def test_an_approval_of_another_basket_is_void() -> None:
    view = make_view()
    approval = replace(make_approval(view), digest="0" * 64)
    said = read_page(render_evening(replace(view, approval=approval)))
    assert "VOID" in said.one("section", id="approval").text
    assert "void" in said.one("dl", class_="figures").text


def test_a_position_shows_its_average_entry_on_chart_and_in_numbers(page: Element) -> None:
    gold = drawer(page, "main-20261120-TF-GCZ26-C1")
    assert "Average entry4,061.3" in gold.text
    assert "entry 4,061.3" in [t.text for t in gold.one("svg", class_="chart").all("text")]


def test_outcomes_go_from_order_to_fill_to_position(settled: Element) -> None:
    section = settled.one("section", id="outcomes")
    outcomes = rows_of(section.one("table", id="order-outcomes"))
    checks = rows_of(section.one("table", id="position-checks"))

    assert len(outcomes) == 12
    assert "NOT SETTLED" in section.text
    assert outcomes[0].text.count("unknown") == 4
    assert "unknown" in checks[0].text
    assert all(row.text.endswith("yes") for row in checks[1:])
    assert "12 orders, 11 filled; 1 position not agreed." in section.text


def test_an_evening_without_orders_is_a_page_too() -> None:
    view = make_view((), trades=(), dropped=(), manifest=make_manifest(state=RunState.NO_TRADES))
    page = read_page(render_evening(replace(view, audit=make_report((), ()))))
    assert "NO TRADES" in page.one("section", id="summary").text
    assert "No SELL orders tonight." in page.one("section", id="sell").text


def test_a_contract_the_gateway_does_not_know_stays_in_the_table() -> None:
    view = make_view()
    rows = tuple(replace(r, qualified=None) for r in view.audit.rows)
    page = read_page(render_evening(replace(view, audit=make_report(rows))))
    assert len(rows_of(page.one("table", id="buy-table"))) == 9
    assert "conIdunknown" in drawer(page, "main-20261120-TF-ESZ26-O1").text


def test_a_hundred_orders_stay_light() -> None:
    text = render_evening(many_orders(100))

    assert len(read_page(text).all("details", class_="order")) == 100
    assert len(text.encode()) < 3_000_000


def test_flagged_rows_lead_both_tables(page: Element) -> None:
    for action in Action:
        table = page.one("table", id=f"{action.value.lower()}-table")
        order = [row.attributes["data-verdict"] for row in rows_of(table)]
        assert order == sorted(order, key=["blocked", "look", "clear"].index)
