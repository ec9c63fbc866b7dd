from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.orders import (
    Action,
    Fill,
    ModelTrade,
    OrderState,
    TradeKind,
    final_fills,
    order_ref,
)
from afterclose.errors import ContractError, UsageError
from unit.files.basket_orders import make_order

COPPER = FuturesContract(RootSymbol("HG"), ContractMonth(2027, 3))
SESSION = date(2026, 11, 20)


def ref(**changes: object) -> str:
    facts: dict[str, object] = {
        "desk": "main", "session": SESSION, "model": "TF", "contract": COPPER, "closes": False,
        "attempt": 1,
    }  # fmt: skip
    return order_ref(**(facts | changes))  # type: ignore[arg-type]  # one dict of several types


def fill(exec_id: str, quantity: int = 1, **changes: object) -> Fill:
    one = Fill(
        exec_id=exec_id,
        order_ref="r",
        perm_id=1,
        con_id=2,
        action=Action.BUY,
        quantity=quantity,
        price=Decimal("5.1"),
        at=datetime(2026, 11, 20, 22, 5, tzinfo=UTC),
        account="DU1234567",
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # one dict of several types


def test_a_side_is_the_sign_of_a_quantity() -> None:
    assert (Action.of(3), Action.of(-3)) == (Action.BUY, Action.SELL)
    assert (Action.BUY.sign, Action.SELL.sign) == (1, -1)


def test_only_trades_that_take_a_position_away_close() -> None:
    assert {kind for kind in TradeKind if kind.closes} == {
        TradeKind.REDUCE,
        TradeKind.EXIT,
        TradeKind.ROLL_CLOSE,
        TradeKind.AUTO_CLOSE,
    }


def test_a_model_trade_is_the_change_of_its_position() -> None:
    trade = ModelTrade(
        model="TF",
        contract=COPPER,
        decided_on=SESSION,
        kind=TradeKind.REVERSAL,
        position_before=4,
        position_after=-2,
        price=Decimal(510),
    )

    assert (trade.delta, trade.trade_id) == (-6, "TF/2026-11-20/HGH27")


def test_a_reference_says_desk_session_model_contract_effect_and_attempt() -> None:
    assert ref() == "main-20261120-TF-HGH27-O1"
    assert ref(closes=True, attempt=2) == "main-20261120-TF-HGH27-C2"


@pytest.mark.parametrize("name", ["", "my desk", "d-1", "größe", "a,b", "a.b", "x\ny"])
def test_a_name_that_ib_may_not_carry_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of an order reference"):
        ref(desk=name)
    with pytest.raises(UsageError, match="cannot be part of an order reference"):
        ref(model=name)


def test_a_reference_has_at_most_forty_characters() -> None:
    assert len(ref(desk="d" * 19)) == 40
    with pytest.raises(UsageError, match="longer than 40 characters"):
        ref(desk="d" * 20)


@pytest.mark.parametrize("quantity", [0, -1])
def test_an_order_has_a_positive_quantity(quantity: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        make_order("ESZ26", "6012.25", quantity=quantity)


def test_an_order_has_the_sign_of_its_side() -> None:
    assert make_order("ESZ26", "6012.25", action=Action.SELL, quantity=3).signed == -3
    assert str(make_order("ESZ26", "6012.25").contract) == "ESZ26"
    assert fill("a", 3, action=Action.SELL).signed == -3


def test_only_filled_cancelled_and_rejected_orders_are_final() -> None:
    assert {state for state in OrderState if state.final} == {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REJECTED,
    }


def test_what_is_left_of_a_broker_order_is_never_negative() -> None:
    order = BrokerOrder(
        order_ref="r", perm_id=1, client_id=0, con_id=2, symbol="HG", action=Action.BUY,
        quantity=5, filled=2, status="Submitted", account="DU1234567",
    )  # fmt: skip

    assert order.remaining == 3
    assert replace(order, filled=6).remaining == 0


def test_an_execution_told_twice_counts_once() -> None:
    one = fill("0001f4e8.57d8a2c6.01.01")

    assert final_fills([one, one]) == (one,)


def test_a_correction_replaces_the_execution_whichever_comes_first() -> None:
    first = fill("0001f4e8.57d8a2c6.01.01", 5)
    corrected = fill("0001f4e8.57d8a2c6.01.02", 3)

    assert final_fills([first, corrected]) == (corrected,)
    assert final_fills([corrected, first]) == (corrected,)


def test_the_tenth_correction_is_later_than_the_ninth() -> None:
    ninth, tenth = fill("a.09", 1), fill("a.10", 2)

    assert final_fills([tenth, ninth]) == (tenth,)


def test_executions_of_one_order_stay_apart() -> None:
    fills = (fill("0001f4e8.57d8a2c6.01.01"), fill("0001f4e8.57d8a2c7.01.01"), fill("x"))

    assert final_fills(fills) == fills


def test_an_execution_told_again_does_not_lose_its_commission() -> None:
    paid = fill("a.01", commission=Decimal("2.47"))

    (kept,) = final_fills([paid, fill("a.01")])

    assert kept.commission == Decimal("2.47")


@pytest.mark.parametrize("month", [0, 13, -1])
def test_a_year_has_twelve_delivery_months(month: int) -> None:
    with pytest.raises(ContractError, match="must be 1 to 12"):
        ContractMonth(2027, month)


@pytest.mark.parametrize("text", ["2027", "20270", "2027033", "2027-3", "", "20270\uff13"])
def test_a_contract_month_has_six_digits(text: str) -> None:
    with pytest.raises(ContractError):
        ContractMonth.from_yyyymm(text)


def test_a_contract_month_is_written_in_two_ways() -> None:
    month = ContractMonth.from_yyyymm("202703")

    assert (month, month.code, month.yyyymm) == (ContractMonth(2027, 3), "H27", "202703")
    assert ContractMonth(2000, 1).code == "F00"


def test_months_sort_by_delivery() -> None:
    assert sorted([ContractMonth(2027, 1), ContractMonth(2026, 12), ContractMonth(2027, 3)]) == [
        ContractMonth(2026, 12),
        ContractMonth(2027, 1),
        ContractMonth(2027, 3),
    ]
