from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from afterclose.domain.findings import Severity
from afterclose.report.evening import EveningView
from afterclose.report.holdings import Holding, exposure_by, holdings
from unit.report.make_bars import finding
from unit.report.make_view import make_report, make_view


def holding(view: EveningView, symbol: str, delivery: str) -> Holding:
    return next(h for h in holdings(view) if (h.symbol, h.delivery) == (symbol, delivery))


def test_a_cleared_order_changes_its_position() -> None:
    gold = holding(make_view(), "GC", "Z26")
    assert (gold.before, gold.change, gold.after) == (2, -2, 0)

    corn = holding(make_view(), "ZC", "H27")
    assert (corn.before, corn.change, corn.after) == (8, 10, 18)


def test_an_excluded_order_changes_nothing_and_is_no_position() -> None:
    symbols = {h.symbol for h in holdings(make_view())}
    assert symbols.isdisjoint({"HSI", "KC", "FGBL"})


def test_in_a_blocked_evening_nothing_changes() -> None:
    view = make_view()
    stop = finding("AC502", Severity.BLOCK, "wrong account")
    blocked = replace(view, audit=make_report(view.audit.rows, (stop,)))
    assert {h.change for h in holdings(blocked)} == {0}


def test_a_contracts_value_is_close_times_point_value_times_exchange_rate() -> None:
    # 5688 × 10 EUR × 1.153425
    assert holding(make_view(), "FESX", "Z26").value_per_contract == Decimal("65606.814")
    # 0.0064285 × 12,500,000 USD
    assert holding(make_view(), "6J", "Z26").value_per_contract == Decimal("80356.25")


def test_a_position_without_a_close_is_taken_at_cost_and_says_so() -> None:
    korea = holding(make_view(), "KOS", "Z26")
    assert korea.at_cost
    # 548.35 × 250,000 KRW × 0.0006781
    assert korea.value_per_contract == Decimal("92959.03375")


def test_a_position_that_tonight_does_not_touch_uses_its_mark() -> None:
    euro = holding(make_view(), "6E", "Z26")
    assert (euro.before, euro.change, euro.sector) == (2, 0, "Currency")
    assert euro.value_per_contract == Decimal(144_175)


def test_a_position_whose_rate_the_basket_did_not_need_uses_the_accounts_own() -> None:
    view = make_view()
    rates = {c: r for c, r in view.fx.rates.items() if c != "EUR"}
    view = replace(view, fx=replace(view.fx, rates=rates))
    # 5688 × 10 EUR × 1.1533
    assert holding(view, "FESX", "Z26").value_per_contract == Decimal("65599.704")


def test_a_mark_can_name_the_contract_as_the_desk_does() -> None:
    view = make_view()
    marks = {con_id: replace(mark, root="EURO") for con_id, mark in view.marks.items()}
    assert holding(replace(view, marks=marks), "EURO", "Z26").before == 2


def test_a_position_nobody_marked_has_an_unknown_sector() -> None:
    euro = holding(make_view(marks={}), "6E", "Z26")
    assert (euro.sector, euro.at_cost) == ("unknown", True)


def test_unknown_positions_stay_unknown_before_and_after() -> None:
    view = make_view()
    view = replace(view, account=replace(view.account, positions=None))
    found = holdings(view)
    assert found
    assert all(h.before is None and h.after is None for h in found)


def test_exposure_sums_longs_and_shorts_in_the_accounts_currency() -> None:
    sums, _ = exposure_by(holdings(make_view()), lambda h: h.sector)
    metals = next(e for e in sums if e.name == "Metals")

    # Gold 2 × 406,130 is sold; copper −2 × 5.0135 × 25,000 is opened.
    assert metals.net_before == Decimal(812_260)
    assert metals.net_after == Decimal(-250675)
    assert metals.gross_after == Decimal(250_675)


def test_what_cannot_be_counted_is_listed_never_zero() -> None:
    view = make_view()
    rates = {c: r for c, r in view.fx.rates.items() if c != "EUR"}
    account = replace(view.account, exchange_rates={})
    view = replace(view, fx=replace(view.fx, rates=rates), account=account)

    sums, uncounted = exposure_by(holdings(view), lambda h: str(h.currency))

    assert "EUR" not in {e.name for e in sums}
    assert [h.symbol for h in uncounted] == ["FESX"]
