"""Why two sizes differ, and limits that openings share, by numbers worked out by hand.

The example of the audit: mean 6000, population σ 10, band 5970, close 6010, distance 40, 2000
dollars of risk, 5000 allowed: 2.5, so 2 contracts.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterclose.domain.audit import Sizing
from afterclose.domain.findings import Severity
from afterclose.domain.market import FxRates
from afterclose.domain.orders import TradeKind
from afterclose.stages.sizing import (
    ModelMoney,
    ModelSize,
    Money,
    OpeningRisk,
    RiskLimits,
    SizingInput,
    SizingRules,
    explain,
    size,
    size_all,
    within_limits,
)
from afterclose.stages.sizing.explain import parts_text
from make import (
    USD,
    bars_answer,
    make_bars,
    make_contract,
    make_exit,
    make_mapped,
    make_order,
    make_snapshot,
    severities,
)

D = Decimal
AUDITED = Sizing(
    window=20,
    width=D(3),
    mean=D(6000),
    deviation=D(10),
    band=D(5970),
    stop_distance=D(40),
    point_value=D(50),
    risk_per_contract=D(2000),
    fx=D(1),
    risk_per_contract_base=D(2000),
    capital=D(1_000_000),
    max_risk=D(5000),
    contracts_to_trade=2,
)


def parts(**fields: Any) -> dict[str, Decimal]:
    defaults: dict[str, Any] = {"quantity": 2, "budget": D(5000)}
    return dict(explain(AUDITED, ModelSize(**{**defaults, **fields})))


def near(number: Decimal, typed: str) -> bool:
    return abs(number - D(typed)) < D("0.0001")


def test_more_capital_is_the_cause() -> None:
    # 12,000 / 2000 = 6.0 exactly; sample σ = 10 × √(20/19) = 10.2598, distance 40.7794,
    # risk 2038.97: 5.8853. From 2.5: capital +3.5, sigma −0.1147.
    # Whole: 5 − 5.8853 − (2 − 2.5) = −0.3853.
    told = parts(quantity=5, budget=D(12_000))

    assert told["capital"] == D("3.5")
    assert near(told["sigma"], "-0.1147")
    assert near(told["rounding"], "-0.3853")
    assert [told[name] for name in ("prices", "rate", "caps", "rest")] == [0] * 4


def test_a_nearer_stop_of_the_model_is_the_cause() -> None:
    # 5000 / (20 × 50) = 5; with sample σ 2.4522: prices +2.5478.
    told = parts(quantity=5, stop_distance=D(20))

    assert near(told["prices"], "2.5478")
    assert told["rest"] == 0


def test_a_model_that_counts_in_dollars_is_the_cause() -> None:
    # A euro contract at 1.25: the audit's risk is 2500, 2 contracts exactly; the model's 2000.
    euros = replace(AUDITED, fx=D("1.25"), risk_per_contract_base=D(2500))
    told = dict(explain(euros, ModelSize(quantity=2, budget=D(5000), stop_distance=D(40), fx=D(1))))

    assert told["rate"] == D("0.5")
    assert told["rounding"] == D("-0.5")
    assert told["rest"] == 0


def test_the_models_share_of_volume_is_the_cause() -> None:
    told = parts(quantity=3, budget=D(12_000), volume_cap=D("3.7"))

    assert told["caps"] == -2  # from 5 to 3
    assert told["rest"] == 0


def test_what_nothing_explains_is_the_rest() -> None:
    assert parts(quantity=9)["rest"] == 7  # 2.45 says 2


def test_the_desks_scale_rounds_twice() -> None:
    # Model: 4.9 → 4 contracts; half of it is the desk's: 2.
    told = parts(quantity=2, scale=D("0.5"))

    assert told["rest"] == 0


def test_nothing_is_explained_without_a_size() -> None:
    unsized = replace(AUDITED, contracts_to_trade=None)

    assert explain(unsized, ModelSize(quantity=2, budget=D(5000))) == ()


@given(
    quantity=st.integers(0, 500),
    budget=st.integers(0, 10**6),
    distance=st.none() | st.integers(1, 10**4),
    fx=st.none() | st.integers(1, 50),
    cap=st.none() | st.integers(0, 1000),
    scale=st.sampled_from(["1", "0.1", "2.5"]),
)
def test_the_parts_always_add_up_to_the_difference(
    quantity: int, budget: int, distance: int | None, fx: int | None, cap: int | None, scale: str
) -> None:
    told = parts(
        quantity=quantity,
        budget=D(budget),
        stop_distance=None if distance is None else D(distance),
        fx=None if fx is None else D(fx),
        volume_cap=None if cap is None else D(cap),
        scale=D(scale),
    )

    assert abs(sum(told.values(), D(0)) - (quantity - 2)) < D("1e-15")


def test_the_text_leaves_out_what_is_nothing() -> None:
    told = (("capital", D("3.5")), ("sigma", D("-0.11")), ("prices", D("0.01")))

    assert parts_text(told) == "capital +3.5, sigma −0.1"


def entry(**fields: Any) -> SizingInput:
    order = make_order()
    defaults: dict[str, Any] = {
        "subject": "ESZ26",
        "root": "ES",
        "action": order.action,
        "quantity": 5,
        "bars": make_bars([5990, 6010] * 10),
        "point_value": D(50),
        "fx": D(1),
        "currency": "USD",
        "capital": D(1_000_000),
    }
    return SizingInput(**{**defaults, **fields})


def test_a_difference_is_loud_only_for_its_rest() -> None:
    rules = SizingRules(risk_fraction=D("0.005"))
    known = size(entry(model=ModelSize(quantity=5, budget=D(12_000))), rules)
    unknown = size(entry(model=ModelSize(quantity=5, budget=D(5000))), rules)

    assert severities(known.findings) == {"AC415": Severity.INFO}
    assert "capital +3.5" in known.findings[0].message
    assert severities(unknown.findings) == {"AC401": Severity.WARN}
    assert unknown.findings[0].evidence["rest"] == "3"


def test_one_order_has_its_own_cap() -> None:
    rules = SizingRules(risk_fraction=D("0.005"), max_order_contracts=1)
    sized = size(entry(quantity=2), rules)

    assert (sized.quantity, sized.sizing.caps) == (1, ("max_order_contracts 1",))


# -- limits that openings share --------------------------------------------------------------


def opening(ref: str, sector: str, quantity: int, risk: int) -> OpeningRisk:
    return OpeningRisk(order_ref=ref, sector=sector, quantity=quantity, risk=D(risk))


def kept(limits: RiskLimits, *openings: OpeningRisk) -> dict[str, int]:
    return {ref: o.quantity for ref, o in within_limits(openings, limits).items()}


def test_a_sector_above_its_limit_is_cut_by_one_factor() -> None:
    # Energy: 10 × 100 + 5 × 200 = 2000 of 1000 allowed: half. Metals keep theirs.
    cut = kept(
        RiskLimits(sector=D(1000)),
        opening("CL", "Energy", 10, 100),
        opening("NG", "Energy", 5, 200),
        opening("GC", "Metals", 9, 100),
    )

    assert cut == {"CL": 5, "NG": 2, "GC": 9}


def test_the_total_comes_after_the_sectors() -> None:
    # Energy 1000 (cut), metals 1000; 1500 in all allowed: three quarters.
    cut = kept(
        RiskLimits(sector=D(1000), total=D(1500)),
        opening("CL", "Energy", 20, 100),
        opening("GC", "Metals", 10, 100),
    )

    assert cut == {"CL": 7, "GC": 7}


def test_without_limits_nothing_is_cut() -> None:
    assert kept(RiskLimits(), opening("CL", "Energy", 20, 100)) == {"CL": 20}


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 50), st.integers(1, 10**5)), max_size=8
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.randoms(),
)
def test_limits_hold_and_do_not_depend_on_the_order(
    rows: list[tuple[str, int, int]], sector: int, total: int, shuffle: Any
) -> None:
    openings = [opening(str(n), s, q, r) for n, (s, q, r) in enumerate(rows)]
    limits = RiskLimits(sector=D(sector), total=D(total))
    cut = within_limits(openings, limits)
    mixed = list(openings)
    shuffle.shuffle(mixed)

    assert within_limits(mixed, limits) == cut
    assert sum(o.quantity * o.risk for o in cut.values()) <= total
    for name in "ABC":
        assert sum(o.quantity * o.risk for o in cut.values() if o.sector == name) <= sector
    assert all(cut[o.order_ref].quantity <= o.quantity for o in openings)


# -- the whole evening -----------------------------------------------------------------------


def test_only_openings_are_sized_and_the_limits_are_fractions_of_the_capital() -> None:
    es, nq = make_contract("ESZ26"), make_contract("NQZ26")
    orders = (
        make_order("ESZ26", 2),
        make_order("NQZ26", 2),
        make_exit("ESZ26"),
        make_order("ESZ26", 1, kind=TradeKind.ROLL_OPEN, order_ref="roll"),
    )
    live = make_snapshot(
        "ESZ26",
        "NQZ26",
        bars={c: bars_answer(make_bars([5990, 6010] * 10)) for c in (es, nq)},
        fx=FxRates(base=USD),
    )
    # Each risks 2 × 2000 = 4000; 8000 of 1,000,000 × 0.004 = 4000: half.
    sized = size_all(
        orders,
        live,
        Money(capital=D(1_000_000), sector_fraction=D("0.004")),
        SizingRules(risk_fraction=D("0.005")),
        {"TF": ModelMoney(budget=D(5000))},
    )

    assert {ref: row.quantity for ref, row in sized.items()} == {
        orders[0].order_ref: 1,
        orders[1].order_ref: 1,
    }
    assert all(row.sizing.caps == ("max_sector_risk",) for row in sized.values())
    assert all("AC406" in severities(row.findings) for row in sized.values())


def test_a_reversal_is_cut_to_its_closing_part_by_a_common_limit() -> None:
    order = make_order("ESZ26", 5, kind=TradeKind.REVERSAL, held_before=-3)
    live = make_snapshot("ESZ26", bars={order.contract: bars_answer(make_bars([5990, 6010] * 10))})
    sized = size_all(
        [order],
        live,
        Money(capital=D(1_000_000), total_fraction=D("0.001")),
        SizingRules(risk_fraction=D("0.005")),
        {},
    )

    assert sized[order.order_ref].quantity == 3


@pytest.mark.parametrize("stop", ["5970", None])
def test_the_models_own_figures_reach_the_explanation(stop: str | None) -> None:
    order = make_order(
        "ESZ26",
        5,
        mapped=make_mapped("ESZ26"),
        reference_price=D(6010),
        stop_level=None if stop is None else D(stop),
    )
    live = make_snapshot("ESZ26", bars={order.contract: bars_answer(make_bars([5990, 6010] * 10))})
    sized = size_all(
        [order],
        live,
        Money(capital=D(1_000_000)),
        SizingRules(risk_fraction=D("0.005")),
        {"TF": ModelMoney(budget=D(10_500))},  # / (40 × 50) = 5.25
    )

    assert severities(sized[order.order_ref].findings) == {"AC415": Severity.INFO}
