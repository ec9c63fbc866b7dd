"""Slippage by model and market, in ticks and money, worked out by hand."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from afterclose.domain.audit import OrderOutcome
from afterclose.report.slippage import slippage_csv, slippage_sums
from make import make_order

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
    assert one.commission == D("8.20")


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
