from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from afterclose.tws_sim.scenario import (
    _SECTIONS,
    Connectivity,
    PriceShift,
    Scenario,
    ScenarioError,
    ShiftUnit,
)


def test_a_scenario_is_read_from_toml() -> None:
    scenario = Scenario.from_toml(
        """
        [contracts]
        unknown = ["GWM"]

        [data]
        no_data = ["CL", "ES"]
        price_shift = { ES = "-2.5%", ZN = "4 ticks" }

        [orders]
        reject = { NG = "Margin." }
        no_callback = [2, 5]
        late_callbacks_s = 1

        [connection]
        connectivity = "lost"
        """
    )

    assert scenario.unknown == {"GWM"}
    assert scenario.no_data == {"CL", "ES"}
    assert scenario.price_shift["ES"] == PriceShift(amount=Decimal("-2.5"), unit=ShiftUnit.PERCENT)
    assert scenario.price_shift["ZN"].apply(Decimal(113), Decimal("0.015625")) == Decimal(
        "113.0625"
    )
    assert scenario.reject["NG"] == "Margin."
    assert scenario.no_callback == {2, 5}
    assert scenario.late_callbacks_s == 1.0
    assert scenario.connectivity is Connectivity.LOST


def test_an_empty_scenario_is_a_healthy_gateway() -> None:
    assert Scenario.from_toml("") == Scenario()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[weather]\nrain = true", r"unknown section \[weather\]"),
        ("[orders]\nrejects = {}", r"unknown key 'rejects' in \[orders\]"),
        ('[orders]\nread_only = "yes"', r"\[orders\] read_only: expected true or false"),
        ("[orders]\nno_callback = [true]", "expected a list of whole numbers"),
        ('[data]\nno_data = "ES"', "expected a list of texts"),
        ('[data]\nprice_shift = { ES = "much" }', "ends in % or ticks"),
        ('[data]\nprice_shift = { ES = "x%" }', "is no number"),
        ('[connection]\nconnectivity = "maybe"', "connectivity"),
        ("[connection]\nmessages_per_second = -1", "expected a whole number"),
        ("not toml", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(toml: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        Scenario.from_toml(toml)


def test_every_field_can_be_set_and_is_explained() -> None:
    names = {each.name for each in fields(Scenario)}

    assert {key for keys in _SECTIONS.values() for key in keys} == names
    assert Scenario.__doc__ is not None
    assert [name for name in names if name not in Scenario.__doc__] == []
