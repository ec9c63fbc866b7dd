"""Margin before and after the basket, as the report says it: an estimate, or unknown with why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from afterclose.domain.margin import MarginEstimate, MarginImpact
from afterclose.report import drawer
from afterclose.report.evening import EveningView
from afterclose.report.figures import Fact, summary_facts
from make import USD
from unit.report.make_view import make_view

D = Decimal
KNOWN = MarginEstimate(
    currency=USD,
    orders=9,
    initial_before=D("803219.67"),
    initial_after=D("912345.60"),
    maintenance_before=D("715439.15"),
    maintenance_after=D("821000.40"),
    net_liquidation=D("5213440.17"),
)
UNKNOWN = replace(
    KNOWN, initial_after=None, maintenance_after=None, unknown=("a",), why="read-only mode"
)


def evening(after: MarginEstimate | None) -> EveningView:
    view = make_view()
    initial = None if after is None else after.initial_after
    return replace(view, audit=replace(view.audit, margin=after), margin_after=initial)


def margin_fact(after: MarginEstimate | None) -> Fact:
    (found,) = [f for f in summary_facts(evening(after)) if f.name == "Initial margin"]
    return found


def test_before_and_after_are_shown_and_called_an_estimate() -> None:
    shown = margin_fact(KNOWN)

    assert shown.value == "803,220 → 912,346 USD"
    for part in ("before and after", "an estimate", "9 what-ifs", "maintenance 715,439 → 821,000"):
        assert part in shown.note
    assert not shown.warn


def test_an_unknown_margin_is_marked_and_says_why() -> None:
    shown = margin_fact(UNKNOWN)

    assert "unknown" in shown.note
    assert "read-only mode" in shown.note
    assert shown.warn


def test_where_nobody_asked_nothing_is_claimed() -> None:
    assert "unknown" in margin_fact(None).note
    assert "estimate" not in margin_fact(None).note


@pytest.mark.parametrize(
    ("impact", "said"),
    [
        (
            MarginImpact(
                quantity=3,
                initial_before=D(1000),
                initial_after=D("23000.50"),
                maintenance_before=D(900),
                maintenance_after=D(20900),
                warning="capped",
            ),
            (
                "initial 22,000.50, maintenance 20,000.00 in the account’s base, by a what-if; "
                "TWS: capped"
            ),
        ),
        (MarginImpact(quantity=3, text="no answer within 20 s"), "unknown (no answer within 20 s)"),
    ],
)
def test_each_orders_own_change_stands_in_its_drawer(impact: MarginImpact, said: str) -> None:
    row = replace(make_view().audit.rows[0], margin=impact)
    facts = dict(drawer.position_facts(row, 3, None))

    assert facts["Margin of this order"] == said
    bare = dict(drawer.position_facts(replace(row, margin=None), 3, None))
    assert "Margin of this order" not in bare
