"""What a finished model run wants tonight, by each of the two rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from afterclose.domain.orders import TradeKind
from afterclose.domain.runs import (
    AutoClose,
    ModelOrder,
    ModelPosition,
    ModelRef,
    ModelRequest,
    ModelResult,
    ModelTransaction,
    TradesFrom,
)
from afterclose.errors import ModelError
from afterclose.stages import signals
from afterclose.stages.signals import Decision, average_price, classify, tonight, trades_of
from make import SESSION, codes, make_contract

D = Decimal
ES, ESH, NQ = make_contract("ESZ26"), make_contract("ESH27"), make_contract("NQZ26")
YESTERDAY = SESSION - timedelta(days=1)


def result(**fields: Any) -> ModelResult:
    defaults: dict[str, Any] = {
        "model": "TF",
        "first_session": date(2026, 8, 3),
        "last_session": SESSION,
        "capital_base": 1_000_000.0,
        "transactions": (),
        "positions": (),
        "open_orders": (),
        "auto_closes": (),
        "portfolio_value": ((SESSION, 1_010_000.0),),
        "last_closes": {"ESZ26": (SESSION, 6000.25)},
        "facts": {},
    }
    return ModelResult(**{**defaults, **fields})


def order(symbol: str, amount: int, **fields: Any) -> ModelOrder:
    defaults: dict[str, Any] = {"filled": 0, "created": SESSION, "order_id": f"{symbol}{amount}"}
    return ModelOrder(symbol=symbol, amount=amount, **{**defaults, **fields})


def position(symbol: str, amount: int) -> ModelPosition:
    return ModelPosition(symbol=symbol, amount=amount, last_price=6000.25)


def fill(symbol: str, amount: int, price: float, **fields: Any) -> ModelTransaction:
    defaults: dict[str, Any] = {"session": SESSION, "order_id": "a"}
    return ModelTransaction(symbol=symbol, amount=amount, price=price, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (0, 3, TradeKind.ENTRY),
        (0, -3, TradeKind.ENTRY),
        (3, 5, TradeKind.ADD),
        (-3, -5, TradeKind.ADD),
        (5, 3, TradeKind.REDUCE),
        (-5, -3, TradeKind.REDUCE),
        (3, 0, TradeKind.EXIT),
        (-3, 0, TradeKind.EXIT),
        (3, -1, TradeKind.REVERSAL),
        (-3, 1, TradeKind.REVERSAL),
    ],
)
def test_a_change_is_named_by_the_position_before_and_after(
    before: int, after: int, kind: TradeKind
) -> None:
    assert classify(before, after) is kind


def decision(symbol: str, before: int, after: int, **fields: Any) -> Decision:
    return Decision(
        contract=make_contract(symbol), before=before, after=after, price=D(6000), **fields
    )


def kinds(decisions: list[Decision]) -> dict[str, TradeKind]:
    return {t.contract.symbol: t.kind for t in trades_of("TF", SESSION, decisions)}


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_that_moves_to_another_month_is_a_roll(side: int) -> None:
    made = trades_of(
        "TF", SESSION, [decision("ESZ26", 3 * side, 0), decision("ESH27", 0, 3 * side)]
    )
    legs = {t.kind: t for t in made}

    assert set(legs) == {TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN}
    assert legs[TradeKind.ROLL_CLOSE].contract == ES
    assert legs[TradeKind.ROLL_CLOSE].roll_partner == ESH
    assert legs[TradeKind.ROLL_OPEN].roll_partner == ES


def test_an_exit_and_a_short_entry_of_one_root_are_no_roll() -> None:
    assert kinds([decision("ESZ26", 3, 0), decision("ESH27", 0, -3)]) == {
        "ESZ26": TradeKind.EXIT,
        "ESH27": TradeKind.ENTRY,
    }


def test_two_roots_are_never_one_roll() -> None:
    assert kinds([decision("ESZ26", 3, 0), decision("NQH27", 0, 3)]) == {
        "ESZ26": TradeKind.EXIT,
        "NQH27": TradeKind.ENTRY,
    }


def test_two_exits_and_one_entry_are_not_guessed_to_be_a_roll() -> None:
    made = kinds([decision("ESZ26", 3, 0), decision("ESH27", 2, 0), decision("ESM27", 0, 5)])

    assert TradeKind.ROLL_CLOSE not in made.values()


def test_an_automatic_close_with_a_new_month_beside_it_is_a_roll() -> None:
    made = kinds([decision("ESZ26", 3, 0, automatic=True), decision("ESH27", 0, 3)])

    assert made["ESZ26"] is TradeKind.ROLL_CLOSE


def test_no_change_is_no_trade() -> None:
    assert trades_of("TF", SESSION, [decision("ESZ26", 3, 3)]) == ()


def test_open_orders_are_tonights_trades_at_the_last_close() -> None:
    night = tonight(
        result(
            positions=(position("ESZ26", 2),),
            open_orders=(order("ESZ26", -2, reason="stop", stop_level=5950.5),),
        ),
        TradesFrom.ORDERS,
    )
    (trade,) = night.trades

    assert (trade.kind, trade.position_before, trade.position_after) == (TradeKind.EXIT, 2, 0)
    assert trade.price == D("6000.25")
    assert (trade.reason, trade.stop_level) == ("stop", D("5950.5"))
    assert night.target == {ES: 0}


def test_only_what_remains_of_a_partly_filled_order_is_traded() -> None:
    night = tonight(
        result(positions=(position("ESZ26", 2),), open_orders=(order("ESZ26", 5, filled=2),)),
        TradesFrom.ORDERS,
    )

    assert night.trades[0].delta == 3
    assert night.target == {ES: 5}


def test_orders_of_one_contract_are_one_trade_with_the_newest_reason() -> None:
    night = tonight(
        result(
            open_orders=(
                order("ESZ26", 1, created=SESSION, reason="new"),
                order("ESZ26", 2, created=YESTERDAY, reason="old"),
            )
        ),
        TradesFrom.ORDERS,
    )

    assert [(t.delta, t.reason) for t in night.trades] == [(3, "new")]


def test_a_position_that_zipline_would_close_itself_is_closed_tonight() -> None:
    night = tonight(
        result(
            positions=(position("ESZ26", -2),),
            auto_closes=(AutoClose(symbol="ESZ26", amount=-2, auto_close=SESSION),),
        ),
        TradesFrom.ORDERS,
    )
    (trade,) = night.trades

    assert trade.kind is TradeKind.AUTO_CLOSE
    assert trade.delta == 2
    assert night.target == {ES: 0}


def test_an_order_and_an_auto_close_of_one_position_are_one_exit() -> None:
    night = tonight(
        result(
            positions=(position("ESZ26", 2),),
            open_orders=(order("ESZ26", -2, reason="stop"),),
            auto_closes=(AutoClose(symbol="ESZ26", amount=2, auto_close=SESSION),),
        ),
        TradesFrom.ORDERS,
    )

    assert [(t.kind, t.delta) for t in night.trades] == [(TradeKind.EXIT, -2)]


def test_fills_of_the_last_session_are_the_trades_of_the_other_rule() -> None:
    night = tonight(
        result(
            positions=(position("ESZ26", 3),),
            transactions=(
                fill("ESZ26", 5, 5990.0, session=YESTERDAY),
                fill("ESZ26", -2, 6001.0),
            ),
        ),
        TradesFrom.TRANSACTIONS,
    )
    (trade,) = night.trades

    assert (trade.kind, trade.position_before, trade.position_after) == (TradeKind.REDUCE, 5, 3)
    assert trade.price == D(6001)
    assert night.target == {ES: 3}


def test_several_fills_of_a_session_are_one_trade_at_their_average() -> None:
    # (1 × 6000 + 3 × 6004) / 4 = 6003
    night = tonight(
        result(
            positions=(position("ESZ26", 4),),
            transactions=(fill("ESZ26", 1, 6000.0), fill("ESZ26", 3, 6004.0)),
        ),
        TradesFrom.TRANSACTIONS,
    )

    assert [(t.delta, t.price) for t in night.trades] == [(4, D(6003))]


def test_a_fill_without_an_order_is_an_automatic_close() -> None:
    night = tonight(
        result(transactions=(fill("ESZ26", -2, 6001.0, order_id=""),)), TradesFrom.TRANSACTIONS
    )

    assert night.trades[0].kind is TradeKind.AUTO_CLOSE


def test_an_old_nights_fills_are_not_traded_again() -> None:
    night = tonight(
        result(
            positions=(position("ESZ26", 5),),
            transactions=(fill("ESZ26", 5, 5990.0, session=YESTERDAY),),
        ),
        TradesFrom.TRANSACTIONS,
    )

    assert night.trades == ()


def test_a_close_of_an_earlier_session_is_used_and_said() -> None:
    night = tonight(
        result(open_orders=(order("ESZ26", 1),), last_closes={"ESZ26": (YESTERDAY, 5999.0)}),
        TradesFrom.ORDERS,
    )

    assert night.trades[0].price == D(5999)
    assert codes(night.findings) == ["AC107"]


def test_a_close_that_is_no_number_is_no_price() -> None:
    night = tonight(
        result(open_orders=(order("ESZ26", 1),), last_closes={"ESZ26": (SESSION, math.nan)}),
        TradesFrom.ORDERS,
    )

    assert night.trades[0].price is None
    assert codes(night.findings) == ["AC107"]


def test_a_price_has_the_digits_of_the_float_and_no_more() -> None:
    night = tonight(
        result(open_orders=(order("ESZ26", 1),), last_closes={"ESZ26": (SESSION, 0.0066715)}),
        TradesFrom.ORDERS,
    )

    assert night.trades[0].price == D("0.0066715")


def test_a_missing_price_makes_no_average() -> None:
    assert average_price([(1, D(6000)), (2, None)]) is None
    assert average_price([]) is None


class Runner:
    """Runs nothing; answers each request with the model's name."""

    def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
        on_progress("runs")
        return result(model=request.model.name)


def requests_of(*names: str) -> list[ModelRequest]:
    return [
        ModelRequest(
            model=ModelRef(name=name, entry_point="models.x"),
            store=Path("store"),
            first_session=SESSION,
            last_session=SESSION,
            capital_base=1e6,
            output=Path("out"),
        )
        for name in names
    ]


def test_every_model_is_run_in_its_order() -> None:
    said: list[str] = []
    ran = signals.run(Runner(), requests_of("TF", "MR"), on_progress=said.append)

    assert [r.model for r in ran] == ["TF", "MR"]
    assert said == ["TF: runs", "MR: runs"]


def test_models_run_side_by_side_and_a_failing_one_waits_for_the_others() -> None:
    together, ended = Barrier(2, timeout=30), []

    class Together(Runner):
        def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
            together.wait()
            if request.model.name == "TF":
                raise ModelError("TF fails at once")
            answer = super().run(request, on_progress=on_progress)
            ended.append(request.model.name)
            return answer

    with pytest.raises(ModelError, match="TF fails"):
        signals.run(Together(), requests_of("TF", "MR"), on_progress=lambda _: None, at_once=2)

    assert ended == ["MR"]


def test_an_adopted_position_is_held_and_no_trade_by_either_rule() -> None:
    adopted = result(
        transactions=(
            ModelTransaction(
                session=SESSION, symbol="ESZ26", amount=2, price=6000.0, order_id="adopted-ESZ26"
            ),
        ),
        positions=(ModelPosition(symbol="ESZ26", amount=2, last_price=6000.0),),
        open_orders=(),
    )

    for rule in TradesFrom:
        night = signals.tonight(adopted, rule)

        assert night.trades == ()
        assert list(night.target.values()) == [2]
