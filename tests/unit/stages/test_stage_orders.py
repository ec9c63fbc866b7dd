"""Orders: prices on the tick, names that survive a second run, legs that know each other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.contracts import Rounding
from afterclose.domain.findings import Severity
from afterclose.domain.orders import Action, OrderState, TradeKind
from afterclose.stages.basket import (
    Basket,
    DeskTrade,
    DeskTrades,
    OrderTerms,
    basket_orders,
    merge,
)
from afterclose.stages.basket.orders import limit_price
from make import ACCOUNT, SESSION, codes, make_contract, make_mapped, make_spec, make_trade

D = Decimal


def terms(**fields: Any) -> OrderTerms:
    return OrderTerms(**{"desk": "desk", "account": ACCOUNT, "session": SESSION, **fields})


def basket(*made: DeskTrade, given: OrderTerms | None = None, **facts: Any) -> Basket:
    mapped = {t.trade.contract.symbol: make_mapped(t.trade.contract.symbol, **facts) for t in made}
    return basket_orders(DeskTrades(trades=made, excluded=()), mapped, given or terms())


def desk_trade(quantity: int = 2, **trade: Any) -> DeskTrade:
    return DeskTrade(trade=make_trade(**trade), quantity=quantity, held_before=0)


def test_an_order_says_all_that_a_person_and_the_broker_need() -> None:
    (order,) = basket(desk_trade(reason="breakout", stop_level=D(5900))).orders

    assert order.order_ref == "desk-20261119-TF-ESZ26-O1"
    assert (order.action, order.quantity, order.kind) == (Action.BUY, 2, TradeKind.ENTRY)
    assert (order.limit_price, order.reference_price) == (D(6000), D(6000))
    assert (order.order_type, order.tif, order.account) == ("LMT", "DAY", ACCOUNT)
    assert order.trade_id == "TF/2026-11-19/ESZ26"
    assert (order.reason, order.stop_level) == ("breakout", D(5900))


def test_prices_change_scale_before_they_are_rounded() -> None:
    # Copper: 501.37 cents at the vendor is 5.0137 dollars at IB, and 5.0135 on a tick of 0.0005.
    (order,) = basket(
        desk_trade(price=D("501.37"), stop_level=D("480.5")),
        vendor_to_ib_scale=D("0.01"),
        tick_size=D("0.0005"),
    ).orders

    assert order.reference_price == D("5.0137")
    assert order.limit_price == D("5.0135")
    assert order.stop_level == D("4.805")


def test_a_price_between_two_ticks_is_moved_and_noted() -> None:
    made = basket(desk_trade(price=D("6000.10")))
    (order,) = made.orders

    assert order.limit_price == D(6000)
    assert codes(made.notes[order.order_ref]) == ["AC109"]


def test_a_trade_without_a_price_becomes_no_order_and_is_said() -> None:
    made = basket(desk_trade(price=None))

    assert made.orders == ()
    assert [f.code for e in made.excluded for f in e.findings] == ["AC106"]


@pytest.mark.parametrize(
    ("action", "kind", "expected"),
    [
        (Action.BUY, TradeKind.ENTRY, "6000.75"),  # three ticks up: towards being filled
        (Action.SELL, TradeKind.ENTRY, "5999.25"),
        (Action.BUY, TradeKind.EXIT, "6001.25"),  # five ticks
        (Action.SELL, TradeKind.ROLL_CLOSE, "5998.75"),
        (Action.BUY, TradeKind.ROLL_OPEN, "6000.75"),
    ],
)
def test_offsets_reach_towards_being_filled(action: Action, kind: TradeKind, expected: str) -> None:
    given = terms(entry_offset_ticks=3, exit_offset_ticks=5)

    assert limit_price(make_spec(), D(6000), action=action, kind=kind, terms=given) == D(expected)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [(Rounding.DOWN, "6000"), (Rounding.UP, "6000.25"), (Rounding.NEAREST, "6000.25")],
)
def test_the_direction_of_rounding_is_a_choice(rounding: Rounding, expected: str) -> None:
    (order,) = basket(desk_trade(price=D("6000.2")), given=terms(rounding=rounding)).orders

    assert order.limit_price == D(expected)


def test_closings_and_openings_have_names_of_their_own() -> None:
    (order,) = basket(desk_trade(-2, before=2, after=0)).orders

    assert order.order_ref == "desk-20261119-TF-ESZ26-C1"


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REJECTED, OrderState.FILLED])
def test_after_a_final_attempt_comes_the_next(state: OrderState) -> None:
    past = {"desk-20261119-TF-ESZ26-O1": state}

    assert basket(desk_trade(), given=terms(past=past)).orders[0].order_ref.endswith("-O2")


@pytest.mark.parametrize(
    "state",
    [
        OrderState.SENT,
        OrderState.ACKNOWLEDGED,
        OrderState.WORKING,
        OrderState.PARTLY_FILLED,
        OrderState.UNKNOWN,
    ],
)
def test_an_attempt_that_may_be_in_the_market_forbids_another(state: OrderState) -> None:
    past = {
        "desk-20261119-TF-ESZ26-O1": OrderState.CANCELLED,
        "desk-20261119-TF-ESZ26-O2": state,
    }
    made = basket(desk_trade(), given=terms(past=past))

    assert made.orders == ()
    (finding,) = made.excluded[0].findings
    assert (finding.code, finding.severity) == ("AC504", Severity.BLOCK)
    assert "desk-20261119-TF-ESZ26-O2" in finding.message


def test_the_legs_of_a_roll_name_each_other() -> None:
    old, new = make_contract("ESZ26"), make_contract("ESH27")
    close = make_trade("ESZ26", 2, 0, kind=TradeKind.ROLL_CLOSE, roll_partner=new)
    open_ = make_trade("ESH27", 0, 2, kind=TradeKind.ROLL_OPEN, roll_partner=old)
    first, second = basket(
        DeskTrade(trade=close, quantity=-2, held_before=2),
        DeskTrade(trade=open_, quantity=2, held_before=0),
    ).orders

    assert first.roll_pair == second.order_ref
    assert second.roll_pair == first.order_ref


def test_a_leg_without_its_partner_names_nobody() -> None:
    close = make_trade("ESZ26", 2, 0, kind=TradeKind.ROLL_CLOSE)
    (order,) = basket(DeskTrade(trade=close, quantity=-2, held_before=2)).orders

    assert order.roll_pair == ""


def test_baskets_of_several_models_are_laid_together() -> None:
    one = basket(desk_trade())
    other = basket(desk_trade(model="MR", price=None))
    both = merge(SESSION, [one, other])

    assert both.orders == one.orders
    assert both.excluded == other.excluded
    assert both.notes == one.notes


@pytest.mark.parametrize(("action", "expected"), [(Action.BUY, "6000"), (Action.SELL, "6000.25")])
def test_each_side_may_have_a_direction_of_its_own(action: Action, expected: str) -> None:
    given = replace(terms(), rounding_buy=Rounding.DOWN, rounding_sell=Rounding.UP)
    kind = TradeKind.ENTRY

    assert limit_price(make_spec(), D("6000.10"), action=action, kind=kind, terms=given) == D(
        expected
    )


@pytest.mark.parametrize(
    ("before", "after", "limit"),
    [(0, 2, "6004.00"), (0, -2, "5996.00"), (2, 0, "5980.00"), (-2, 0, "6020.00")],
)
def test_a_limit_can_reach_by_the_contracts_own_daily_moves(
    before: int, after: int, limit: str
) -> None:
    # A day moves it by 40: a tenth for what opens, half for what closes.
    given = replace(
        terms(),
        entry_offset_moves=D("0.1"),
        exit_offset_moves=D("0.5"),
        daily_moves={"ESZ26": D(40)},
    )
    trade = DeskTrade(
        trade=make_trade(before=before, after=after), quantity=after - before, held_before=before
    )
    made = basket_orders(DeskTrades(trades=(trade,), excluded=()), {"ESZ26": make_mapped()}, given)

    assert made.orders[0].limit_price == D(limit)
    assert made.orders[0].reference_price == D(6000)


def test_a_daily_move_nobody_knows_leaves_the_limit_at_its_price_and_says_so() -> None:
    given = replace(terms(), entry_offset_moves=D("0.1"))
    trade = DeskTrade(trade=make_trade(), quantity=2, held_before=0)
    made = basket_orders(DeskTrades(trades=(trade,), excluded=()), {"ESZ26": make_mapped()}, given)
    (order,) = made.orders

    assert order.limit_price == D(6000)
    assert codes(made.notes[order.order_ref]) == ["AC111"]
