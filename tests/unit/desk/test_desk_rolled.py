"""What the model still says of a month that a person rolled out of."""

from __future__ import annotations

from decimal import Decimal

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.orders import ModelTrade, TradeKind
from afterclose.domain.runs import TradesFrom
from afterclose.evening.rolled import after_hand_rolls, kept_flat, still_wanted
from afterclose.stages.signals import ModelTonight
from make import SESSION, make_contract, make_trade

LEFT, ENTERED = make_contract("ESZ26"), make_contract("ESH27")
ROLLED = {LEFT: ENTERED}
CLOSES = {LEFT: Decimal(6000), ENTERED: Decimal(6050)}


def night(target: dict[FuturesContract, int], *trades: ModelTrade) -> ModelTonight:
    return ModelTonight(
        model="TF",
        session=SESSION,
        trades_from=TradesFrom.ORDERS,
        trades=trades,
        before={},
        target=target,
        prices={},
    )


def read(
    tonight: ModelTonight,
    held: dict[FuturesContract, int],
    missing: dict[FuturesContract, int] | None = None,
) -> ModelTonight:
    return after_hand_rolls(tonight, ROLLED, held, CLOSES.get, missing or {})


def test_the_models_position_in_the_old_month_is_the_desks_in_the_new_one() -> None:
    assert read(night({LEFT: 2}), {ENTERED: 2}).target == {ENTERED: 2}


def test_a_month_that_was_only_left_is_wanted_in_the_new_one_where_the_roll_is_completed() -> None:
    """The command was killed between its two orders: nothing is held, and two are to be opened."""
    assert read(night({LEFT: 2}), {}, {ENTERED: 2}).target == {ENTERED: 2}


def test_what_it_decides_in_the_old_month_is_done_in_the_new_one_at_its_price() -> None:
    smaller = make_trade("ESZ26", 2, 1)
    found = read(night({LEFT: 1}, smaller), {ENTERED: 2})

    (trade,) = found.trades
    assert (trade.contract, trade.price, trade.delta) == (ENTERED, Decimal(6050), -1)
    assert found.target == {ENTERED: 1}


def test_its_own_roll_later_finds_the_desk_where_it_wants_it() -> None:
    close = make_trade("ESZ26", 2, 0, kind=TradeKind.ROLL_CLOSE, roll_partner=ENTERED)
    opens = make_trade("ESH27", 0, 2, kind=TradeKind.ROLL_OPEN, roll_partner=LEFT)
    tonight = night({ENTERED: 2}, close, opens)

    assert read(tonight, {ENTERED: 2}) == tonight


def test_a_month_that_the_desk_still_holds_or_does_not_hold_is_left_as_it_is() -> None:
    tonight = night({LEFT: 2})

    assert read(tonight, {LEFT: 1, ENTERED: 1}) == tonight
    assert read(tonight, {}) == tonight


def test_a_flattened_market_stays_at_0_and_is_named_until_the_model_enters_it_anew() -> None:
    out = frozenset({LEFT.root})
    wants, anew = night({LEFT: 2}), night({LEFT: 2}, make_trade("ESZ26", 0, 2))

    assert (still_wanted(wants, {}, out), kept_flat(wants, {}, out)) == ({}, ("ES",))
    assert (still_wanted(anew, {}, out), kept_flat(anew, {}, out)) == ({LEFT: 2}, ())


def test_what_the_desk_holds_or_the_model_no_longer_wants_is_not_named() -> None:
    out = frozenset({LEFT.root})

    assert kept_flat(night({LEFT: 2}), {LEFT: 1}, out) == ()
    assert kept_flat(night({LEFT: 2}), {ENTERED: 1}, out) == ()
    assert kept_flat(night({LEFT: 0}), {}, out) == ()
    assert kept_flat(night({LEFT: 2}), {}, frozenset()) == ()
