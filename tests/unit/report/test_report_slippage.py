"""Slippage by model and market, in ticks and money, worked out by hand."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from afterclose.domain.audit import OrderOutcome
from afterclose.report.slippage import slippage_csv, slippage_sums
from make import EUR, make_mapped, make_order

D = Decimal


def outcome(model: str, symbol: str, filled: int, **fields: Any) -> OrderOutcome:
    defaults: dict[str, Any] = {
        "order": make_order(symbol, 4, model=model),
        "state": "filled",
        "filled": filled,
        "average_price": D(6001) if filled else None,
        "commission": D("2.05") * filled if filled else None,
        "commission_currency": "USD",
        "slippage_ticks": D(4) if filled else None,
        "slippage_money": D(50) * filled if filled else None,
        "reference_to_limit_ticks": D(6),
        "limit_to_fill_ticks": D(-2) if filled else None,
    }
    return OrderOutcome(**{**defaults, **fields})


def test_ticks_are_averaged_by_size_and_money_is_added_up() -> None:
    better = outcome("TF", "ESH27", 1, slippage_ticks=D(-1), slippage_money=D("-12.50"))
    (one,) = slippage_sums([outcome("TF", "ESZ26", 3), better])

    assert (one.model, one.root, one.orders, one.asked, one.filled) == ("TF", "ES", 2, 8, 4)
    assert one.slippage_ticks == D("2.75")  # (3 × 4 − 1 × 1) / 4
    assert one.slippage_money == D("137.50")
    assert one.reference_to_limit_ticks == D(6)
    assert (one.commission, one.commission_currency) == (D("8.20"), "USD")


def test_each_step_of_the_way_is_money_as_well() -> None:
    """Three yen contracts, a tick of 0.0000005 is 6.25 dollars: 6 × 6.25 × 3, and −2 × 6.25 × 3."""
    yen = make_mapped(
        "6JZ26", multiplier="12500000", point_value=D(12500000), tick_size=D("0.0000005")
    )
    (one,) = slippage_sums([outcome("TF", "6JZ26", 3, order=make_order("6JZ26", 4, mapped=yen))])

    assert (one.reference_to_limit_money, one.limit_to_fill_money) == (D("112.5"), D("-37.5"))


def test_a_commission_is_in_the_currency_that_the_broker_names() -> None:
    """A Bund future is in euros; an account may be told its commissions in dollars."""
    bund = make_mapped("FGBLZ26", currency=EUR, multiplier="1000", point_value=D(1000))
    filled = outcome("TF", "FGBLZ26", 1, order=make_order("FGBLZ26", 4, mapped=bund))
    (one,) = slippage_sums([filled])

    assert (one.currency, one.commission_currency, one.commission) == ("EUR", "USD", D("2.05"))


def test_commissions_in_two_currencies_are_not_added_up() -> None:
    euros = outcome("TF", "ESZ26", 1, commission_currency="EUR")
    (one,) = slippage_sums([outcome("TF", "ESZ26", 1), euros])

    assert (one.commission, one.commission_currency) == (None, "")


def test_models_and_markets_are_kept_apart() -> None:
    sums = slippage_sums([outcome("TF", "ESZ26", 1), outcome("MR", "ESZ26", 2)])

    assert [(s.model, s.filled) for s in sums] == [("MR", 2), ("TF", 1)]


def test_what_did_not_fill_has_no_slippage() -> None:
    (one,) = slippage_sums([outcome("TF", "ESZ26", 0)])

    assert (one.filled, one.slippage_ticks, one.slippage_money, one.commission) == (
        0,
        None,
        None,
        None,
    )


def test_one_commission_that_is_not_known_makes_the_sum_unknown() -> None:
    untold = outcome("TF", "ESZ26", 1, commission=None)
    (one,) = slippage_sums([outcome("TF", "ESZ26", 1), untold])

    assert one.commission is None


def test_the_table_is_plain() -> None:
    (row,) = csv.DictReader(io.StringIO(slippage_csv([outcome("TF", "ESZ26", 2)])))

    assert (row["model"], row["slippage_money"], row["currency"]) == ("TF", "100", "USD")
