"""The plan of a flattening: never larger than the position, never on its side."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterclose.domain.contracts import FuturesContract, RootSymbol
from afterclose.domain.orders import OrderState, TradeKind
from afterclose.errors import BrokerTimeout
from afterclose.stages.flatten import (
    FlattenInputs,
    FlattenRow,
    Listed,
    Selection,
    plan,
    unchanged,
)
from make import (
    SESSION,
    con_id_of,
    make_account,
    make_broker_order,
    make_contract,
    make_order,
    make_position,
    make_qualified,
    make_quote,
    make_spec,
)

D = Decimal
ES, NQ = make_contract("ESZ26"), make_contract("NQZ26")
ALL = Selection(everything=True)


def inputs(*quantities: int, **facts: Any) -> FlattenInputs:
    """An account with so many ESZ26 and NQZ26, which the gateway knows and quotes at 6000."""
    symbols = ("ESZ26", "NQZ26")[: len(quantities)]
    held = [make_position(s, q) for s, q in zip(symbols, quantities, strict=True)]
    defaults: dict[str, Any] = {
        "desk": "desk",
        "session": SESSION,
        "account": make_account(*held),
        "qualified": {p.con_id: make_qualified(s) for p, s in zip(held, symbols, strict=True)},
        "specs": {RootSymbol(r): make_spec(r) for r in ("ES", "NQ")},
        "quotes": {p.con_id: make_quote(bid=D(5999), ask=D(6001)) for p in held},
        "held": {},
        "ours": frozenset(),
        "selection": ALL,
    }
    return FlattenInputs(**{**defaults, **facts})


@given(
    st.integers(-9, 9),
    st.dictionaries(st.sampled_from(["TF", "MR", "XX"]), st.integers(-9, 9)),
    st.sampled_from(["", "TF", "MR"]),
)
def test_no_order_can_flip_a_position_whatever_the_models_hold(
    quantity: int, holding: dict[str, int], model: str
) -> None:
    chosen = Selection(model=model) if model else ALL
    held = {name: {ES: n} for name, n in holding.items()}
    for row in plan(inputs(quantity, held=held, selection=chosen)):
        if row.order is not None:
            assert row.order.signed * quantity < 0
            assert row.order.quantity <= abs(quantity)
            assert row.order.kind is TradeKind.EXIT


@given(st.integers(-9, 9), st.dictionaries(st.sampled_from(["TF", "MR"]), st.integers(-9, 9)))
def test_after_a_whole_flattening_no_model_holds_anything(
    quantity: int, holding: dict[str, int]
) -> None:
    held = {name: {ES: n} for name, n in holding.items()}
    for row in plan(inputs(quantity, held=held)):
        assert {m: n + row.parts.get(m, 0) for m, n in holding.items()} == dict.fromkeys(holding, 0)


def test_nothing_is_planned_while_positions_or_orders_are_unknown() -> None:
    for part in ("positions", "working_orders"):
        missing: dict[str, Any] = {part: None, "unknown": ("positions",)}
        account = make_account(**missing)
        with pytest.raises(BrokerTimeout, match="positions"):
            plan(inputs(2, account=account))


def test_ours_are_to_be_cancelled_and_a_strangers_order_blocks_its_contract() -> None:
    position = make_position("ESZ26", 2)
    mine = make_broker_order(make_order(order_ref="mine"))
    theirs = make_broker_order(make_order(order_ref=""), client_id=0)
    account = make_account(position, working_orders=(mine,))
    (row,) = plan(inputs(2, account=account, ours=frozenset({"mine"})))
    both = make_account(position, working_orders=(mine, theirs))
    (blocked,) = plan(inputs(2, account=both, ours=frozenset({"mine"})))

    assert (row.working, row.order is not None) == ((mine,), True)
    assert blocked.order is None
    assert blocked.reason == (
        "a working order that is not this desk's: BUY 2 (no reference, client 0)"
    )


def test_a_contract_outside_the_table_is_closed_under_the_gateways_own_name() -> None:
    (row,) = plan(inputs(2, specs={}))

    assert row.order is not None
    assert row.order.contract == FuturesContract(RootSymbol("ES"), ES.month)
    assert row.order.mapped.spec.tick_size == D("0.25")


def test_two_contracts_of_one_name_are_left_to_a_person() -> None:
    first = make_position("ESZ26", 2)
    second = replace(first, con_id=7)
    same = {first.con_id: make_qualified("ESZ26"), 7: make_qualified("ESZ26", con_id=7)}
    rows = plan(inputs(2, account=make_account(first, second), qualified=same))

    assert [row.order for row in rows] == [None, None]
    assert "two contracts" in rows[0].reason


def test_a_contract_that_the_gateway_does_not_describe_is_shown_and_left() -> None:
    (row,) = plan(inputs(2, qualified={}))

    assert row.order is None
    assert "does not say" in row.reason


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        (Listed(symbol="ES", expiry="202612"), True),
        (Listed(symbol="ES", expiry="20261218"), True),
        (Listed(symbol="ES", expiry="202612", multiplier="50.0"), True),
        (Listed(symbol="ES", expiry="202612", multiplier="5"), False),
        (Listed(symbol="ES", expiry="202703"), False),
        (Listed(symbol="NQ", expiry="202612"), False),
    ],
)
def test_a_basket_names_contracts_by_month_or_last_day(listed: Listed, *, taken: bool) -> None:
    assert bool(plan(inputs(2, selection=Selection(listed=(listed,))))) is taken


def test_limits_start_at_the_side_that_is_traded() -> None:
    sell, buy = plan(inputs(2, -1, order_type="LMT", ticks=2))

    assert sell.order is not None
    assert buy.order is not None
    assert (sell.order.limit_price, buy.order.limit_price) == (D("5998.5"), D("6001.5"))


def test_without_a_quote_only_the_market_order_goes() -> None:
    (limit,) = plan(inputs(2, quotes={}, order_type="LMT"))
    (market,) = plan(inputs(2, quotes={}))

    assert (limit.order, limit.reason) == (None, "no quote to make a limit from: use MKT")
    assert market.order is not None


def test_an_algorithm_goes_only_where_the_contract_takes_it() -> None:
    algo = {con_id_of(ES): make_qualified("ESZ26", order_types=("LMT", "ALGO"))}
    (refused,) = plan(inputs(2, order_type="VWAP"))
    (taken,) = plan(inputs(2, order_type="VWAP", qualified=algo))

    assert "does not take VWAP" in refused.reason
    assert taken.order is not None


def test_a_further_attempt_has_a_name_of_its_own() -> None:
    past = {"desk-20261119-ESZ26-F1": OrderState.CANCELLED}
    (row,) = plan(inputs(2, past=past))

    assert row.order is not None
    assert row.order.order_ref == "desk-20261119-ESZ26-F2"


def test_a_doubtful_order_of_ours_keeps_its_contract_out() -> None:
    (row,) = plan(inputs(2, doubtful={ES: "x is unknown: settle it first"}))

    assert (row.order, row.reason) == (None, "x is unknown: settle it first")


def test_only_orders_that_are_still_those_that_were_shown_go() -> None:
    shown: tuple[FlattenRow, ...] = plan(inputs(2, -1))
    now = plan(inputs(2, -3))
    going = unchanged(shown, now)

    assert [row.name for row in going] == ["ESZ26"]
    assert unchanged(shown, plan(inputs(2, -1))) == shown
