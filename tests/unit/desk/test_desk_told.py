"""What a person who is elsewhere hears of a prepared evening on which there is little to send."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from afterclose.artifacts import RunFolder
from afterclose.domain.audit import AuditReport
from afterclose.domain.findings import Severity
from afterclose.domain.notices import Notice, Told
from afterclose.domain.orders import ExcludedTrade
from afterclose.evening import telling
from afterclose.evening.desk import Desk
from make import make_finding, make_report, make_row

LATE = make_finding(Severity.BLOCK, code="AC108", message="30 of 71 markets have no bar")
UNMAPPED = ExcludedTrade(
    subject="HGZ26",
    model="TF",
    quantity=-3,
    findings=(make_finding(Severity.BLOCK, code="AC202", message="HG has no facts"),),
)
HELD = ExcludedTrade(
    subject="ESZ26",
    model="TF",
    quantity=1,
    findings=(make_finding(Severity.INFO, code="AC132", message="held already"),),
)


def told(tmp_path: Path, report: AuditReport, *excluded: ExcludedTrade) -> list[Notice]:
    heard: list[Notice] = []
    desk = cast("Desk", SimpleNamespace(tell=heard.append))  # all that telling needs of one
    telling.prepared(desk, RunFolder(tmp_path), report, excluded)
    return heard


def test_an_evening_without_orders_that_is_blocked_is_a_problem(tmp_path: Path) -> None:
    (notice,) = told(tmp_path, make_report(rows=(), findings=(LATE,)))

    assert notice.told is Told.PROBLEM
    assert notice.title.endswith("the evening is blocked")
    assert notice.text == "AC108 30 of 71 markets have no bar"


def test_a_trade_that_is_blocked_before_it_is_an_order_is_a_problem(tmp_path: Path) -> None:
    (notice,) = told(tmp_path, make_report(rows=()), UNMAPPED, HELD)

    assert notice.told is Told.PROBLEM
    assert notice.title.endswith("no order, 1 trades are blocked")
    assert notice.text == "no order of TF in HGZ26: AC202 HG has no facts"


def test_what_became_no_order_is_said_beside_the_orders(tmp_path: Path) -> None:
    prepared, _ = told(tmp_path, make_report(make_row()), UNMAPPED)

    assert prepared.told is Told.PREPARED
    assert prepared.text.splitlines()[-1] == "no order of TF in HGZ26: AC202 HG has no facts"


def test_a_quiet_evening_says_whether_the_models_wanted_something(tmp_path: Path) -> None:
    (quiet,) = told(tmp_path, make_report(rows=()))
    (held,) = told(tmp_path, make_report(rows=()), HELD)

    assert (quiet.told, held.told) == (Told.NOTHING, Told.NOTHING)
    assert quiet.text.startswith("The models trade nothing.")
    assert held.text.startswith("The desk has nothing to trade: 1 trades of the models became no")
