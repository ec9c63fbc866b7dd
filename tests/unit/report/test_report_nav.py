"""The account beside the models, as a table and as a page."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from afterclose.domain.nav import DriftParts, ModelDay, NavDay, NavHistory, OpenPosition
from afterclose.errors import UsageError
from afterclose.report.nav import nav_csv, nav_performance, render_nav
from afterclose.report.performance import performance
from afterclose.report.tearsheet import write_tearsheet
from make import USD, make_contract

D = Decimal
FIRST = date(2026, 11, 2)


def day(number: int, account: int, model: int, **parts: Decimal) -> NavDay:
    session = FIRST + timedelta(days=number)
    made = DriftParts(**parts)
    rest = D(account - model) - made.total
    whole = made.plus(DriftParts(rest=rest))
    nav = D(1_000_000 + model)
    models = (ModelDay(model="TF", nav=nav, result=D(model), desk_result=D(0), parts=made),)
    return NavDay(
        session=session,
        since=session - timedelta(days=1),
        account_nav=D(5_000_000 + account),
        account_result=D(account),
        models=models,
        parts=whole,
        unknown=("commission of ESZ26",) if number == 1 else (),
    )


def history(*days: NavDay, **fields: object) -> NavHistory:
    begin: dict[str, object] = {
        "reporting": USD,
        "days": days,
        "begins": FIRST - timedelta(days=1),
        "account_begins": D(5_000_000),
        "models_begin": {"TF": D(1_000_000)},
    }
    return NavHistory(**{**begin, **fields})  # type: ignore[arg-type]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_a_row_for_each_session() -> None:
    table = rows(nav_csv(history(day(0, -500, 1000, slippage=D(-1500)))))

    assert [row["date"] for row in table] == ["2026-11-02"]
    (row,) = table
    assert (row["nav_drift"], row["slippage"], row["rest"]) == (
        "-1500.0000",
        "-1500.0000",
        "0.0000",
    )
    assert (row["desk_nav"], row["model_nav"]) == ("999500.0000", "1001000.0000")
    assert (row["account_return"], row["model_return"]) == ("-0.0005000000", "0.0010000000")


def test_the_drift_adds_up_over_the_sessions() -> None:
    table = rows(nav_csv(history(day(0, -500, 1000), day(1, 200, 100))))

    assert [row["cumulative_drift"] for row in table] == ["-1500.0000", "-1400.0000"]
    assert table[1]["unknown"] == "commission of ESZ26"


def test_a_deposit_moves_the_account_and_no_return() -> None:
    table = rows(nav_csv(history(day(0, 10_000, 0, flows=D(10_000)))))

    assert (table[0]["account_nav"], table[0]["desk_nav"]) == ("5010000.0000", "1000000.0000")
    assert table[0]["account_return"] == "0.0000000000"


def test_performance_is_by_the_known_definitions() -> None:
    """Returns of +10 %, −10 %, +10 %: worked out by hand."""
    ours = [D("0.1"), D("-0.1"), D("0.1")]
    found = {m.name: m for m in performance(ours, ours) or ()}

    assert found["cumulative return"].account == pytest.approx(1.1 * 0.9 * 1.1 - 1)
    assert found["largest drawdown"].account == pytest.approx(-0.1)
    # Mean 1/30; deviation, n − 1: sqrt((2 × (1/15)² + (2/15)²) / 2) = 0.11547
    assert found["annual volatility"].account == pytest.approx(0.1154700538 * 252**0.5)
    assert found["Sharpe ratio"].account == pytest.approx(0.0333333333 / 0.1154700538 * 252**0.5)
    assert found["Omega ratio"].account == pytest.approx(2.0)
    assert found["beta"].account == pytest.approx(1.0)
    assert found["alpha"].account == pytest.approx(0.0, abs=1e-12)
    assert found["beta"].models is None


def test_two_sessions_have_no_performance() -> None:
    assert nav_performance(history(day(0, 1, 1), day(1, 1, 1))) is None


class Page(HTMLParser):
    """Collects what a reader sees, and whatever the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.fetched += [v or "" for name, v in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_needs_no_other_file_and_shows_every_part() -> None:
    position = OpenPosition(
        model="TF",
        contract=make_contract("ESZ26"),
        quantity=2,
        entered=datetime(2026, 11, 2, 23, 0, tzinfo=UTC),
        entry_price=D("5950.25"),
        price=D(6010),
        value=D(601000),
        result=D(5975),
        change=D("0.0100415"),
    )
    days = [day(n, n * 100 - 150, n * 90, slippage=D(-5), missed=D(12)) for n in range(5)]
    page = Page()
    page.feed(render_nav(history(*days, positions=(position,))))
    text = " ".join(" ".join(page.text).split())

    assert page.fetched == []
    assert "5 sessions since Sunday 1 November 2026" in text
    assert "slippage" in text
    assert "5950.25" in text
    assert "Sharpe ratio" in text


def test_a_desk_without_two_closes_says_so() -> None:
    assert "Nothing to compare yet" in render_nav(NavHistory(reporting=USD))


def test_a_tear_sheet_of_a_few_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="22 sessions"):
        write_tearsheet(history(day(0, 1, 1)), tmp_path)


@pytest.mark.slow
def test_a_tear_sheet_is_a_picture(tmp_path: Path) -> None:
    days = [day(n, (n % 5) * 900 - 1500, (n % 7) * 700 - 2000) for n in range(60)]

    (path,) = write_tearsheet(history(*days), tmp_path / "pages")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
