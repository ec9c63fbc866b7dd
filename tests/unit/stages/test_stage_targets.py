"""What the desk trades for a model: the rules that keep model and account together."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.findings import Severity
from afterclose.domain.orders import ModelTrade, TradeKind
from afterclose.stages.basket import (
    DeskTrades,
    ModelBook,
    desk_trades,
    file_trades,
    without_contracts,
)
from make import SESSION, codes, make_contract, make_finding, make_trade

D = Decimal
ES, ESH = make_contract("ESZ26"), make_contract("ESH27")
Positions = Mapping[FuturesContract, int]


def book(
    *trades: ModelTrade, held: int | Positions = 0, working: int | Positions = 0, **fields: Any
) -> ModelBook:
    """One model and ESZ26; the target follows from the trades unless it is given."""
    defaults: dict[str, Any] = {
        "model": "TF",
        "session": SESSION,
        "target": {t.contract: t.position_after for t in trades},
        "held": ({ES: held} if held else {}) if isinstance(held, int) else held,
        "working": ({ES: working} if working else {}) if isinstance(working, int) else working,
        "closes": {ES: D(6000)},
    }
    return ModelBook(trades=trades, **{**defaults, **fields})


def sizes(made: DeskTrades) -> dict[str, int]:
    return {t.trade.contract.symbol: t.quantity for t in made.trades}


def left_out(made: DeskTrades) -> list[str]:
    return [f.code for e in made.excluded for f in e.findings]


def said(made: DeskTrades) -> list[str]:
    return [f.code for t in made.trades for f in t.findings]


BOTH_SIDES = pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])


@BOTH_SIDES
def test_an_entry_is_the_models_size(side: int) -> None:
    made = desk_trades(book(make_trade(before=0, after=3 * side)))

    assert sizes(made) == {"ESZ26": 3 * side}
    assert made.excluded == ()


@BOTH_SIDES
def test_an_entry_is_scaled_towards_zero(side: int) -> None:
    made = desk_trades(book(make_trade(before=0, after=5 * side), scale=D("0.5")))

    assert sizes(made) == {"ESZ26": 2 * side}  # 2.5 contracts are 2


def test_an_entry_of_less_than_one_contract_is_left_out_and_said() -> None:
    made = desk_trades(book(make_trade(before=0, after=1), scale=D("0.4")))

    assert sizes(made) == {}
    assert left_out(made) == ["AC410"]


@BOTH_SIDES
def test_an_exit_trades_all_that_is_held_whatever_the_model_had(side: int) -> None:
    made = desk_trades(book(make_trade(before=5 * side, after=0), held=2 * side))

    assert sizes(made) == {"ESZ26": -2 * side}


def test_an_exit_of_something_never_opened_is_dropped_and_said() -> None:
    made = desk_trades(book(make_trade(before=5, after=0)))

    assert sizes(made) == {}
    assert left_out(made) == ["AC301"]


def test_an_exit_that_is_working_already_is_not_sent_again() -> None:
    made = desk_trades(book(make_trade(before=5, after=0), held=5, working=-5))

    assert sizes(made) == {}
    assert left_out(made) == ["AC302"]


def test_an_exit_is_completed_by_what_is_not_working_yet() -> None:
    made = desk_trades(book(make_trade(before=5, after=0), held=5, working=-2))

    assert sizes(made) == {"ESZ26": -3}


@BOTH_SIDES
def test_an_exit_never_counts_on_an_order_that_adds(side: int) -> None:
    made = desk_trades(book(make_trade(before=5, after=0), held=3 * side, working=2 * side))

    assert sizes(made) == {"ESZ26": -3 * side}
    assert said(made) == ["AC310"]


def test_working_orders_beyond_the_position_block_the_exit() -> None:
    made = desk_trades(book(make_trade(before=5, after=0), held=2, working=-3))

    assert sizes(made) == {}
    assert left_out(made) == ["AC303"]
    assert made.excluded[0].findings[0].severity is Severity.BLOCK


@BOTH_SIDES
def test_an_auto_close_closes_all_that_is_held(side: int) -> None:
    trade = make_trade(before=3 * side, after=0, kind=TradeKind.AUTO_CLOSE)

    assert sizes(desk_trades(book(trade, held=3 * side))) == {"ESZ26": -3 * side}


@pytest.mark.parametrize(
    ("held", "before", "after", "sells"),
    [
        (4, 4, 2, 2),  # the model's own
        (6, 4, 3, 2),  # a quarter of 6 is 1.5, half up
        (3, 10, 5, 2),  # half of 3 is 1.5, half up
        (1, 4, 2, 1),  # half of 1, half up: all of it
    ],
)
def test_a_reduction_is_the_models_share_of_what_is_held(
    held: int, before: int, after: int, sells: int
) -> None:
    assert sizes(desk_trades(book(make_trade(before=before, after=after), held=held))) == {
        "ESZ26": -sells
    }
    mirrored = book(make_trade(before=-before, after=-after), held=-held)
    assert sizes(desk_trades(mirrored)) == {"ESZ26": sells}


def test_a_reduction_too_small_for_one_contract_says_so() -> None:
    made = desk_trades(book(make_trade(before=10, after=9), held=2))  # 0.2 of a contract

    assert sizes(made) == {}
    assert left_out(made) == ["AC410"]


def test_a_reduction_of_something_never_opened_is_dropped() -> None:
    assert left_out(desk_trades(book(make_trade(before=4, after=2)))) == ["AC301"]


def test_a_reduction_filled_tonight_is_not_repeated() -> None:
    trade = make_trade(before=4, after=2)

    assert sizes(desk_trades(book(trade, held=2, done={ES: -2}))) == {}
    assert sizes(desk_trades(book(trade, held=3, done={ES: -1}))) == {"ESZ26": -1}


@BOTH_SIDES
def test_an_add_is_tonights_step_and_no_more(side: int) -> None:
    # The audit cut the entry of 5 to 2; the model goes to 7: its step of 2, not the missing 5.
    trade = make_trade(before=5 * side, after=7 * side)

    assert sizes(desk_trades(book(trade, held=2 * side))) == {"ESZ26": 2 * side}


def test_an_add_to_something_never_opened_is_dropped() -> None:
    assert left_out(desk_trades(book(make_trade(before=5, after=7)))) == ["AC301"]


def test_an_add_filled_or_working_is_not_repeated() -> None:
    trade = make_trade(before=5, after=7)

    assert sizes(desk_trades(book(trade, held=4, done={ES: 2}))) == {}
    assert sizes(desk_trades(book(trade, held=2, working=2))) == {}
    assert sizes(desk_trades(book(trade, held=3, done={ES: 1}))) == {"ESZ26": 1}


def test_an_entry_working_already_is_not_sent_again() -> None:
    made = desk_trades(book(make_trade(before=0, after=3), working=3))

    assert sizes(made) == {}
    assert left_out(made) == ["AC409"]


def test_only_the_rest_of_an_entry_is_sent() -> None:
    assert sizes(desk_trades(book(make_trade(before=0, after=3), held=1, done={ES: 1}))) == {
        "ESZ26": 2
    }


def test_an_entry_the_audit_cut_and_the_market_filled_is_complete() -> None:
    made = desk_trades(
        book(make_trade(before=0, after=5), held=2, done={ES: 2}, complete=frozenset({ES}))
    )

    assert sizes(made) == {}
    assert left_out(made) == ["AC409"]


@BOTH_SIDES
def test_a_reversal_goes_through_zero_in_one_order_and_is_named_so(side: int) -> None:
    made = desk_trades(book(make_trade(before=-3 * side, after=2 * side), held=-3 * side))

    assert sizes(made) == {"ESZ26": 5 * side}
    assert made.trades[0].trade.kind is TradeKind.REVERSAL


def test_a_reversal_too_small_to_open_still_closes() -> None:
    made = desk_trades(book(make_trade(before=-10, after=1), held=-3, scale=D("0.3")))

    assert sizes(made) == {"ESZ26": 3}
    assert made.trades[0].trade.kind is TradeKind.EXIT
    assert "AC412" in left_out(made)


@pytest.mark.parametrize(
    "trade", [make_trade(before=0, after=3), make_trade(before=4, after=2), make_trade(before=1)]
)
def test_what_is_held_against_the_model_is_closed_and_never_flipped(trade: ModelTrade) -> None:
    made = desk_trades(book(trade, held=-2))

    assert sizes(made) == {"ESZ26": 2}
    assert made.trades[0].trade.kind is TradeKind.EXIT
    assert "AC412" in left_out(made)


def test_a_close_of_the_wrong_side_counts_what_is_working() -> None:
    trade = make_trade(before=0, after=3)

    assert sizes(desk_trades(book(trade, held=-2, working=-1))) == {"ESZ26": 2}
    assert sizes(desk_trades(book(trade, held=-2, working=2))) == {}
    assert "AC303" in left_out(desk_trades(book(trade, held=-2, working=5)))


def test_a_position_the_model_no_longer_has_is_caught_up() -> None:
    made = desk_trades(book(held=3))
    (trade,) = made.trades

    assert (trade.quantity, trade.catch_up, trade.trade.kind) == (-3, True, TradeKind.EXIT)
    assert trade.trade.price == D(6000)
    assert codes(trade.findings) == ["AC306"]


def test_a_catch_up_never_sells_more_than_is_held() -> None:
    made = desk_trades(book(held=2, working=10, target={ES: 5}))

    assert sizes(made) == {}


def test_an_excess_over_the_model_is_reduced() -> None:
    made = desk_trades(book(held=5, target={ES: 3}))

    assert sizes(made) == {"ESZ26": -2}
    assert made.trades[0].trade.kind is TradeKind.REDUCE


def test_a_size_that_the_audit_raised_is_no_excess() -> None:
    assert desk_trades(book(held=5, target={ES: 3}, audit_sizes=True)).trades == ()


def test_a_position_that_the_scale_no_longer_allows_is_closed() -> None:
    made = desk_trades(book(held=1, target={ES: 1}, scale=D("0.5"), catch_up_entries=True))

    assert sizes(made) == {"ESZ26": -1}
    assert made.trades[0].trade.kind is TradeKind.EXIT


def test_a_missed_entry_is_opened_late_only_on_request() -> None:
    missed = book(target={ES: 3})
    asked = book(target={ES: 3}, catch_up_entries=True)

    assert sizes(desk_trades(missed)) == {}
    assert left_out(desk_trades(missed)) == ["AC408"]
    assert sizes(desk_trades(asked)) == {"ESZ26": 3}
    assert desk_trades(asked).trades[0].catch_up


def test_agreement_is_silence() -> None:
    made = desk_trades(book(held=3, target={ES: 3}))

    assert (made.trades, made.excluded) == ((), ())


def roll(old: int = 5, new: int = 5, *, held: Positions | None = None, **fields: Any) -> DeskTrades:
    close = make_trade("ESZ26", before=old, after=0, kind=TradeKind.ROLL_CLOSE, roll_partner=ESH)
    open_ = make_trade("ESH27", before=0, after=new, kind=TradeKind.ROLL_OPEN, roll_partner=ES)
    fields.setdefault("target", {ES: 0, ESH: new})
    return desk_trades(book(close, open_, **{"held": held or {}, **fields}))


@BOTH_SIDES
def test_a_roll_opens_what_it_closes(side: int) -> None:
    made = roll(5 * side, 5 * side, held={ES: 2 * side})

    assert sizes(made) == {"ESZ26": -2 * side, "ESH27": 2 * side}
    assert [t.trade.kind for t in made.trades] == [TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN]


def test_a_roll_of_something_never_opened_opens_nothing() -> None:
    made = roll()

    assert sizes(made) == {}
    assert left_out(made) == ["AC301", "AC301"]


def test_a_roll_that_was_filled_is_over() -> None:
    assert sizes(roll(held={ESH: 5}, done={ES: -5, ESH: 5}, complete=frozenset({ESH}))) == {}


def test_a_roll_whose_open_leg_is_filled_is_not_opened_twice() -> None:
    made = roll(held={ES: 2, ESH: 5}, done={ES: -3, ESH: 5})

    assert sizes(made) == {"ESZ26": -2}


def test_a_roll_in_the_market_is_left_alone() -> None:
    assert sizes(roll(held={ES: 5}, working={ES: -5, ESH: 5})) == {}


def test_a_roll_that_stands_on_one_leg_is_completed_by_a_second_run() -> None:
    made = roll(done={ES: -5})

    assert sizes(made) == {"ESH27": 5}
    (trade,) = made.trades
    assert (trade.trade.kind, trade.catch_up) == (TradeKind.ROLL_OPEN, True)
    assert codes(trade.findings) == ["AC313"]


def test_a_roll_that_stands_on_one_leg_is_told_where_the_desk_does_not_complete_it() -> None:
    made = roll(done={ES: -5}, complete_rolls=False)

    assert sizes(made) == {}
    assert "AC313" in left_out(made)


@BOTH_SIDES
def test_what_a_roll_of_an_earlier_evening_did_not_open_is_opened_now(side: int) -> None:
    target, half = {ESH: 5 * side}, {ESH: 2 * side}
    made = desk_trades(book(target=target, held={ESH: 3 * side}, half_rolled=half))

    assert sizes(made) == {"ESH27": 2 * side}
    assert made.trades[0].trade.kind is TradeKind.ROLL_OPEN


def test_no_more_is_opened_than_the_roll_closed_nor_than_the_model_holds() -> None:
    small_roll = book(target={ESH: 5}, held={ESH: 1}, half_rolled={ESH: 2})
    small_model = book(target={ESH: 2}, held={ESH: 1}, half_rolled={ESH: 4})

    assert sizes(desk_trades(small_roll)) == {"ESH27": 2}
    assert sizes(desk_trades(small_model)) == {"ESH27": 1}


def test_a_half_roll_of_a_position_the_model_left_is_over() -> None:
    assert sizes(desk_trades(book(target={}, half_rolled={ESH: 2}))) == {}


def test_closings_stand_before_openings() -> None:
    made = desk_trades(
        book(
            make_trade("ESH27", before=0, after=1),
            make_trade("NQZ26", before=2, after=0),
            held={make_contract("NQZ26"): 2},
        )
    )

    assert [t.trade.contract.symbol for t in made.trades] == ["NQZ26", "ESH27"]


def test_a_file_is_taken_at_its_word() -> None:
    made = file_trades([make_trade(before=3, after=-1)])

    assert [(t.quantity, t.held_before) for t in made.trades] == [(-4, 3)]


def test_trades_of_blocked_contracts_move_out_with_their_reasons() -> None:
    made = desk_trades(book(make_trade(before=0, after=3)))
    finding = make_finding(code="AC202")
    rest = without_contracts(made, {ES: (finding,)})

    assert rest.trades == ()
    assert [(e.subject, e.quantity, e.findings) for e in rest.excluded] == [
        ("ESZ26", 3, (finding,))
    ]
