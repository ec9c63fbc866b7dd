"""What the acts of an evening gather: books, capital, notes against orders."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.findings import Severity
from afterclose.domain.market import FxRate, FxRates
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import TradesFrom
from afterclose.evening.allocations import adding_barred
from afterclose.evening.books import read_books
from afterclose.evening.orders import order_notes
from afterclose.evening.sizes import capital
from afterclose.evening.view import other_rule
from afterclose.settings import Settings, load
from afterclose.stages.basket import Basket
from afterclose.stages.mapping import ContractMap
from afterclose.stages.quality import BarQuality
from make import (
    EUR,
    NOW,
    SESSION,
    TOMORROW,
    USD,
    codes,
    filled,
    intent,
    make_account,
    make_contract,
    make_event,
    make_exit,
    make_finding,
    make_order,
    make_snapshot,
    status,
)

D = Decimal
ES, CL = make_contract("ESZ26"), make_contract("CLF27")
BUY = make_order("CLF27", 3)
SELL = make_exit("ESZ26", -2)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger(f"sqlite:///{(tmp_path / 'ledger.sqlite').as_posix()}")
    opened.adopt("TF", {ES: 2}, at=NOW, note="inception")
    opened.record_orders("run", [BUY, SELL])
    yield opened
    opened.close()


def test_books_of_an_untouched_evening_show_what_is_held(ledger: SqlLedger) -> None:
    books = read_books(ledger, ("MR",), SESSION)

    assert books.held == {"MR": {}, "TF": {ES: 2}}
    assert not any(books.working["TF"].values())
    assert not any(books.done["TF"].values())
    assert set(books.states.values()) == {OrderState.INTENDED}


def test_what_is_in_the_market_is_working_with_its_side_and_its_rest(ledger: SqlLedger) -> None:
    ledger.append_events(
        "run", [intent(BUY), filled(BUY, 1, "a.01"), intent(SELL), status(SELL, "Submitted")]
    )
    books = read_books(ledger, (), SESSION)

    assert books.working["TF"] == {CL: 2, ES: -2}
    assert books.done["TF"] == {CL: 1, ES: 0}
    assert books.held["TF"] == {CL: 1, ES: 2}
    assert books.complete["TF"] == frozenset()


def test_an_unknown_order_counts_as_working(ledger: SqlLedger) -> None:
    ledger.append_events("run", [intent(BUY), make_event(BUY, "absent")])

    assert read_books(ledger, (), SESSION).working["TF"][CL] == 3


def test_an_opening_that_was_filled_is_complete_and_nothing_is_working(ledger: SqlLedger) -> None:
    ledger.append_events("run", [intent(BUY), filled(BUY, 3, "a.01")])
    ledger.append_events("run", [intent(SELL), filled(SELL, 2, "b.01")])
    books = read_books(ledger, (), SESSION)

    assert books.complete["TF"] == {CL}
    assert not any(books.working["TF"].values())
    assert books.held["TF"] == {CL: 3}


def test_what_is_over_without_a_fill_leaves_nothing(ledger: SqlLedger) -> None:
    ledger.append_events("run", [intent(BUY), status(BUY, "Cancelled")])

    assert not any(read_books(ledger, (), SESSION).working["TF"].values())


def test_another_sessions_orders_are_not_tonights(ledger: SqlLedger) -> None:
    ledger.append_events("run", [intent(BUY), status(BUY, "Submitted")])
    books = read_books(ledger, (), TOMORROW)

    assert books.past == {}
    assert books.held["TF"] == {ES: 2}


def test_models_are_added_up(ledger: SqlLedger) -> None:
    ledger.adopt("MR", {ES: 3, CL: 1}, at=NOW, note="")

    assert read_books(ledger, (), SESSION).held_together() == {CL: 1, ES: 5}


# -- capital ---------------------------------------------------------------------------------


def settings(home: Path, **audit: Any) -> Settings:
    return load(home, {"audit": audit})


RATES = FxRates(
    base=USD, rates={EUR: FxRate(currency=EUR, rate=D("1.2"), as_of=SESSION, source="")}
)
EUROS = make_account(base=EUR, cash={EUR: D(500), USD: D(-40)}, net_liquidation=D(1000))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("usd_cash", D(-40)),
        ("net_liquidation", D(1200)),  # 1000 euros at 1.2
        ("available_funds", D(960_000)),  # 800,000 euros
    ],
)
def test_capital_is_the_chosen_figure_in_dollars(
    tmp_path: Path, source: str, expected: Decimal
) -> None:
    money = capital(settings(tmp_path, capital=source), EUROS, make_snapshot(fx=RATES))

    assert (money.rule, money.amount, money.currency) == (source, expected, "USD")


def test_fixed_capital_asks_nobody(tmp_path: Path) -> None:
    chosen = settings(tmp_path, capital="fixed", fixed_capital=250_000)

    assert capital(chosen, make_account(cash={}), make_snapshot()).amount == D(250_000)


@pytest.mark.parametrize(
    ("source", "account"),
    [
        ("usd_cash", make_account(cash={})),
        ("net_liquidation", make_account(net_liquidation=None)),
        ("net_liquidation", make_account(base=EUR)),  # and no rate for euros
    ],
)
def test_capital_that_is_not_known_is_not_zero(tmp_path: Path, source: str, account: Any) -> None:
    assert capital(settings(tmp_path, capital=source), account, make_snapshot()).amount is None


# -- notes -----------------------------------------------------------------------------------


def test_a_late_market_blocks_its_openings_and_shows_on_its_closings() -> None:
    entry, leave, other = make_order("ESZ26"), make_exit("ESH27"), make_order("CLF27")
    basket = Basket(
        session=SESSION,
        orders=(entry, leave, other),
        excluded=(),
        notes={entry.order_ref: (make_finding(Severity.INFO, code="AC109"),)},
    )
    mapping = ContractMap(mapped={}, blocked={}, notes={ES: (make_finding(code="AC210"),)})
    seen = BarQuality(bars={ES.root: (make_finding(code="AC124", subject="ESZ26"),)})
    notes = order_notes(basket, mapping, {"ES": make_finding(code="AC107", subject="ES")}, seen)

    assert codes(notes[entry.order_ref]) == ["AC109", "AC210", "AC124", "AC107"]
    assert notes[entry.order_ref][-1].severity is Severity.BLOCK
    assert notes[entry.order_ref][-1].subject == "ESZ26"
    assert codes(notes[leave.order_ref]) == ["AC124", "AC107"]
    assert [f.severity for f in notes[leave.order_ref]] == [Severity.WARN, Severity.WARN]
    assert notes[other.order_ref] == ()


def test_the_other_rule_is_the_other_one() -> None:
    assert other_rule(TradesFrom.ORDERS) is TradesFrom.TRANSACTIONS
    assert other_rule(TradesFrom.TRANSACTIONS) is TradesFrom.ORDERS


TWO_MODELS = """\
[[models]]
name = "TF"
entry_point = "tf.py"
allocated = {allocated}

[[models]]
name = "MR"
entry_point = "mr.py"
allocated = 400000
"""


def two_models(home: Path, *, allocated: int) -> Settings:
    text = TWO_MODELS.format(allocated=allocated)
    (home / "afterclose.toml").write_text(text, encoding="utf-8")
    return load(home)


def test_models_that_get_more_than_the_account_is_worth_add_nothing(tmp_path: Path) -> None:
    live = make_snapshot(account=make_account(net_liquidation=D(1_000_000)))
    barred = adding_barred(two_models(tmp_path, allocated=600_001), live, {})
    opening, closing = make_order(), make_exit("CLF27")
    basket = Basket(session=SESSION, orders=(opening, closing), excluded=(), notes={})
    nothing = ContractMap(mapped={}, blocked={}, notes={})
    notes = order_notes(basket, nothing, {}, BarQuality(), barred)

    assert [(f.code, f.severity) for f in notes[opening.order_ref]] == [("AC519", Severity.BLOCK)]
    assert [(f.code, f.severity) for f in notes[closing.order_ref]] == [("AC519", Severity.WARN)]
    assert "1,000,001 together, the account is worth 1,000,000" in barred["TF"][0].message


@pytest.mark.parametrize("worth", [D(1_000_000), None])
def test_models_that_fit_or_an_account_that_tells_nothing_are_not_accused(
    tmp_path: Path, worth: Decimal | None
) -> None:
    live = make_snapshot(account=make_account(net_liquidation=worth))

    assert not any(adding_barred(two_models(tmp_path, allocated=600_000), live, {}).values())
