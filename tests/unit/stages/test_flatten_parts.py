"""Whose a flattening was: shares of its fills among the models, and its name."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.sending import flatten_ref, shares
from afterclose.errors import UsageError


@pytest.mark.parametrize(
    ("parts", "ordered", "filled", "expected"),
    [
        ({"TF": -3}, -3, -3, {"TF": -3}),
        ({"TF": -3, "MR": 1}, -2, -2, {"TF": -3, "MR": 1}),
        ({"TF": -2, "MR": -1}, -3, 0, {"TF": 0, "MR": 0}),
        ({"TF": -2, "MR": -1}, -3, -2, {"TF": -1, "MR": -1}),
        ({"TF": -5}, -3, -3, {"TF": -5}),
        ({}, -3, -2, {}),
    ],
)
def test_fills_are_shared_by_what_each_model_held(
    parts: dict[str, int], ordered: int, filled: int, expected: dict[str, int]
) -> None:
    assert shares(parts, ordered=ordered, filled=filled) == expected


@given(
    st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.integers(-50, 50), min_size=1),
    st.integers(1, 60),
    st.data(),
)
def test_shares_reach_each_part_exactly_and_never_more_than_it_by_one(
    parts: dict[str, int], size: int, data: st.DataObject
) -> None:
    side = data.draw(st.sampled_from([1, -1]))
    filled = data.draw(st.integers(0, size))
    given_ = shares(parts, ordered=side * size, filled=side * filled)

    assert shares(parts, ordered=side * size, filled=side * size) == parts
    assert shares(parts, ordered=side * size, filled=0) == dict.fromkeys(parts, 0)
    for name, part in parts.items():
        assert abs(given_[name] - part * filled / size) < 1 + 1e-9


@given(st.integers(1, 40), st.data())
def test_where_models_hold_it_all_the_shares_add_up_to_what_was_filled(
    size: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, size))
    filled = data.draw(st.integers(0, size))
    given_ = shares({"A": first, "B": size - first}, ordered=size, filled=filled)

    assert sum(given_.values()) == filled


def test_a_flattening_has_a_name_without_a_model_in_it() -> None:
    contract = FuturesContract(RootSymbol("ES"), ContractMonth(2026, 12))
    day = date(2026, 11, 20)

    assert flatten_ref(desk="desk", session=day, contract=contract, attempt=2) == (
        "desk-20261120-ESZ26-F2"
    )
    with pytest.raises(UsageError, match="longer than 40"):
        flatten_ref(desk="d" * 30, session=day, contract=contract, attempt=1)
