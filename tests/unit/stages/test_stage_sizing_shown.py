"""The working of a size that differs from the model's, as the report's drawer writes it."""

from __future__ import annotations

from decimal import Decimal

from afterclose.domain.audit import Sizing
from afterclose.report.drawer import sizing_steps
from make import make_row

D = Decimal
SIZED = Sizing(
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
    parts=(
        ("capital", D("3.5")),
        ("sigma", D("-0.1147")),
        ("prices", D(0)),
        ("rounding", D("-0.3853")),
        ("rest", D(0)),
    ),
)


def test_the_causes_are_written_out_with_their_sum() -> None:
    (step,) = [
        s for s in sizing_steps(make_row(sizing=SIZED), "USD") if s.name == "The model's size"
    ]

    assert step.working == "differs by capital +3.50, sigma −0.11, rounding −0.39, rest 0.00"
    assert step.result == "+3"


def test_sizes_that_agree_need_no_explanation() -> None:
    agreed = Sizing(window=20, width=D(3), mean=D(6000), contracts_to_trade=2)
    steps = sizing_steps(make_row(sizing=agreed), "USD")

    assert "The model's size" not in [s.name for s in steps]
