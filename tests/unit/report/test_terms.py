"""How an order goes, in words: what is shown before anybody says yes to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from afterclose.domain.audit import AuditRow
from afterclose.domain.placing import LegLimit, LoneLeg, Repricing, StartWhen
from afterclose.report import terms
from afterclose.report.charts import order_chart
from afterclose.report.render import render_evening
from unit.report.make_view import make_report, make_view
from unit.report.page import read_page

VIEW = make_view()
ES = next(r for r in VIEW.audit.rows if r.order.contract.symbol == "ESZ26")


def changed(**fields: Any) -> AuditRow:
    return replace(ES, order=replace(ES.order, **fields))


def test_the_usual_order_is_a_days_limit_at_once() -> None:
    assert terms.terms(ES.order) == "LMT DAY, now, all hours"
    assert terms.limit_in_currency(ES.order) == "6,720.25 USD"


def test_an_order_at_the_market_shows_no_limit_anywhere() -> None:
    row = changed(order_type="MKT")
    page = read_page(render_evening(replace(VIEW, audit=make_report((row,)))))
    drawn = order_chart(row, "es", entry=None)

    assert terms.limit(row.order) == "market"
    assert "BUY 3 at market" in page.one("details", id="o-main-20261120-TF-ESZ26-O1").text
    assert "n/a" in page.one("table", id="buy-table").text
    assert drawn is not None
    assert "limit" not in {level.name for level in drawn.levels}


def test_what_may_be_done_to_an_order_later_is_said_before() -> None:
    worked = changed(repricing=Repricing(ticks=2, times=3, every_s=60))
    told = changed(leg_limit=LegLimit(alone_s=900, then=LoneLeg.TELL))
    ended = changed(leg_limit=LegLimit(alone_s=900, then=LoneLeg.MARKET))

    # Three times two ticks of 0.25 above the limit of 6720.25.
    assert terms.terms(worked.order) == (
        "LMT DAY, now, all hours; to 6721.75: 3 × 2 ticks, each 60 s"
    )
    assert terms.terms(told.order) == "LMT DAY, now, all hours"
    assert "other leg alone 900 s: market" in terms.terms(ended.order)


def test_rows_that_go_differently_each_say_how() -> None:
    later = changed(
        start=StartWhen.DAY_SESSION,
        good_after=datetime(2026, 11, 23, 14, 30, tzinfo=UTC),
        outside_rth=False,
    )
    other = next(r for r in VIEW.audit.rows if r.order.contract.symbol == "NKDZ26")
    mixed = read_page(render_evening(replace(VIEW, audit=make_report((later, other)))))
    same = read_page(render_evening(VIEW))

    assert "2026-11-23 14:30 UTC, day session" in mixed.one("table", id="buy-table").text
    assert "LMT DAY, now, all hours" in mixed.one("table", id="buy-table").text
    assert "each goes LMT DAY, now, all hours" in same.one("table", id="buy-table").text
