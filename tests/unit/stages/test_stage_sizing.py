"""Sizing against numbers worked out by hand.

The example: twenty closes, ten of 5990 and ten of 6010, the last one 6010. Mean 6000; every close
is 10 from it, so the population σ is 10. Lower band 6000 − 3·10 = 5970, upper band 6030.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.findings import Severity
from afterclose.domain.market import Bar
from afterclose.domain.orders import Action
from afterclose.stages.sizing import Policy, SizingInput, SizingRules, mean_and_deviation, size
from make import codes, make_bars, severities

D = Decimal
BARS = make_bars([5990, 6010] * 10)
RULES = SizingRules(risk_fraction=D("0.005"))


def entry(**fields: Any) -> SizingInput:
    defaults: dict[str, Any] = {
        "subject": "ESZ26",
        "root": "ES",
        "action": Action.BUY,
        "quantity": 2,
        "bars": BARS,
        "point_value": D(50),
        "fx": D(1),
        "currency": "USD",
        "capital": D(1_000_000),
    }
    return SizingInput(**{**defaults, **fields})


def test_deviation_is_that_of_the_population() -> None:
    # 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squares 9+1+1+1+0+0+4+16 = 32, 32/8 = 4, root 2.
    closes = [D(n) for n in (2, 4, 4, 4, 5, 5, 7, 9)]

    assert mean_and_deviation(closes) == (D(5), D(2))


def test_a_purchase_is_sized_to_the_lower_band() -> None:
    sized = size(entry(), RULES)
    figures = sized.sizing

    assert (figures.mean, figures.deviation, figures.band) == (D(6000), D(10), D(5970))
    assert figures.stop_distance == D(40)  # 6010 − 5970
    assert figures.risk_per_contract == D(2000)  # 40 × 50
    assert figures.risk_per_contract_base == D(2000)
    assert figures.max_risk == D(5000)  # 1,000,000 × 0.005
    assert figures.contracts_to_trade == 2  # 5000 / 2000 = 2.5
    assert figures.risk_per_trade == D(4000)
    assert figures.risk_ok is True
    assert (sized.quantity, sized.mismatch, sized.findings) == (2, False, ())


def test_a_short_sale_is_sized_to_the_upper_band() -> None:
    figures = size(entry(action=Action.SELL, quantity=5), RULES).sizing

    assert figures.band == D(6030)
    assert figures.stop_distance == D(20)  # 6030 − 6010
    assert figures.risk_per_contract == D(1000)
    assert figures.contracts_to_trade == 5


def test_risk_is_converted_with_the_exchange_rate() -> None:
    figures = size(entry(fx=D("1.30"), currency="EUR"), RULES).sizing

    assert figures.risk_per_contract == D(2000)  # euros
    assert figures.risk_per_contract_base == D(2600)
    assert figures.contracts_to_trade == 1  # 5000 / 2600 = 1.92


def test_only_the_last_twenty_closes_count() -> None:
    older = make_bars([1, 2, 3], last=BARS[0].session)

    assert size(entry(bars=(*older, *BARS)), RULES).sizing.band == D(5970)


def test_the_risk_fraction_exactly_used_up_still_goes() -> None:
    sized = size(entry(capital=D(800_000)), RULES)  # 4000 at risk / 2000 = 2 exactly

    assert sized.sizing.contracts_to_trade == 2
    assert sized.quantity == 2


@pytest.mark.parametrize(
    ("policy", "model", "goes"),
    [
        (Policy.SMALLER, 5, 2),
        (Policy.SMALLER, 1, 1),
        (Policy.AUDIT, 5, 2),
        (Policy.AUDIT, 1, 2),
        (Policy.MODEL, 5, 5),
        (Policy.MODEL, 1, 1),
    ],
)
def test_a_mismatch_is_said_and_the_policy_decides(policy: Policy, model: int, goes: int) -> None:
    sized = size(entry(quantity=model), replace(RULES, policy=policy))

    assert sized.mismatch is True
    assert sized.quantity == goes
    assert severities(sized.findings) == {"AC401": Severity.WARN}


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ({"bars": BARS[:19]}, "AC405"),
        ({"bars": ()}, "AC405"),
        ({"point_value": None}, "AC411"),
        ({"fx": None}, "AC403"),
        ({"capital": None}, "AC404"),
    ],
)
def test_what_is_missing_blocks_the_entry_and_is_named(missing: dict[str, Any], code: str) -> None:
    sized = size(entry(**missing), RULES)

    assert sized.quantity == 0
    assert sized.mismatch is None
    assert sized.sizing.contracts_to_trade is None
    assert severities(sized.findings) == {code: Severity.BLOCK}


def test_everything_that_is_missing_is_named_at_once() -> None:
    sized = size(entry(bars=(), point_value=None, fx=None, capital=None), RULES)

    assert codes(sized.findings) == ["AC405", "AC411", "AC403", "AC404"]


def test_a_missing_rate_leaves_the_local_figures_and_no_others() -> None:
    figures = size(entry(fx=None, currency="EUR"), RULES).sizing

    assert figures.risk_per_contract == D(2000)
    assert figures.risk_per_contract_base is None
    assert figures.risk_ok is None


def test_a_close_beyond_its_stop_has_no_size() -> None:
    # 19 × 6000 and 5900: mean 5995, σ = √(19·25 + 9025)/20 = √475 = 21.79…, band 5929.6 > 5900
    sized = size(entry(bars=make_bars([6000] * 19 + [5900])), RULES)

    assert sized.quantity == 0
    assert sized.sizing.stop_distance == 0
    assert severities(sized.findings) == {"AC407": Severity.BLOCK}


def test_one_contract_too_many_blocks() -> None:
    sized = size(entry(capital=D(300_000)), RULES)  # 1500 at risk, one contract risks 2000

    assert sized.quantity == 0
    assert severities(sized.findings)["AC402"] is Severity.BLOCK


def test_capital_below_zero_buys_nothing_and_sells_nothing() -> None:
    sized = size(entry(capital=D(-1_000_000)), RULES)

    assert sized.quantity == 0
    assert sized.sizing.contracts_to_trade == 0
    assert severities(sized.findings)["AC402"] is Severity.BLOCK


def test_a_cap_on_the_root_cuts_and_says_so() -> None:
    sized = size(entry(), replace(RULES, max_contracts={"ES": 1, "CL": 9}))

    assert sized.quantity == 1
    assert sized.sizing.caps == ("max_contracts 1",)
    assert severities(sized.findings) == {"AC406": Severity.WARN}


def test_a_cap_of_zero_blocks_by_the_name_of_the_cap() -> None:
    sized = size(entry(), replace(RULES, max_contracts={"ES": 0}))

    assert sized.quantity == 0
    assert severities(sized.findings) == {"AC406": Severity.BLOCK}


def test_a_thin_market_cuts_to_its_share_of_the_volume() -> None:
    thin = tuple(replace(bar, volume=D(9)) for bar in BARS)  # 20 % of 9 is 1.8
    sized = size(entry(bars=thin), RULES)

    assert sized.quantity == 1
    assert sized.sizing.caps == ("20% of mean volume",)


def test_unknown_volume_caps_nothing() -> None:
    unknown = tuple(replace(bar, volume=D(-1)) for bar in BARS)

    assert size(entry(bars=unknown), RULES).quantity == 2


def test_what_the_entry_holds_already_uses_up_its_risk() -> None:
    sized = size(entry(quantity=4, held=1), RULES)  # two allowed, one is there

    assert sized.quantity == 1
    assert size(entry(quantity=3, held=2), RULES).quantity == 0


def test_the_cap_counts_what_is_held() -> None:
    rules = replace(RULES, policy=Policy.MODEL, max_contracts={"ES": 3})

    assert size(entry(quantity=4, held=1), rules).quantity == 2


def test_a_reversal_closes_all_and_opens_what_is_sized() -> None:
    sized = size(entry(quantity=8, closing=3), RULES)  # five to open, two allowed

    assert sized.quantity == 5
    assert severities(sized.findings) == {"AC401": Severity.WARN}


@pytest.mark.parametrize(
    "missing",
    [{"bars": ()}, {"fx": None}, {"capital": None}, {"capital": D(1)}, {"point_value": None}],
)
def test_nothing_that_is_missing_holds_up_the_closing_part_of_a_reversal(
    missing: dict[str, Any],
) -> None:
    sized = size(entry(quantity=8, closing=3, **missing), RULES)

    assert sized.quantity == 3
    assert "AC413" in codes(sized.findings)
    assert max(f.severity for f in sized.findings) is Severity.WARN


def test_negative_prices_are_sized_like_any_other() -> None:
    bars: tuple[Bar, ...] = make_bars([-10, 10] * 10)  # mean 0, σ 10, lower band −30, last 10
    sized = size(entry(bars=bars), RULES)

    assert sized.sizing.band == D(-30)
    assert sized.sizing.risk_per_contract == D(2000)  # (10 + 30) × 50
