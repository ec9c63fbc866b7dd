"""The account beside the models: every part of a drift by numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterclose.domain.contracts import Currency, FuturesContract
from afterclose.domain.nav import (
    AccountNav,
    CashFlow,
    DriftParts,
    NavDay,
    StrangersTrade,
    returns,
)
from afterclose.report.nav import nav_rows
from afterclose.stages import nav
from make import ACCOUNT, EUR, USD, make_contract, make_spec

D = Decimal
DAYS = (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23))
ES, FESX = make_contract("ESZ26"), make_contract("FESXZ26")
SPECS = {
    ES.root: make_spec("ES"),
    FESX.root: make_spec("FESX", currency=EUR, multiplier="10", point_value=D(10)),
}
#: Closes in IB units; the euro is 1.10 dollars by the data on every day.
CLOSES: Mapping[FuturesContract, Sequence[int]] = {ES: (6000, 6010, 6030), FESX: (5000, 5040, 5000)}
#: When the session after each begins: five in the afternoon in Chicago, on Sunday after a Friday.
OPENINGS = {
    DAYS[0]: datetime(2026, 11, 19, 23, 0, tzinfo=UTC),
    DAYS[1]: datetime(2026, 11, 22, 23, 0, tzinfo=UTC),
    DAYS[2]: datetime(2026, 11, 23, 23, 0, tzinfo=UTC),
}


def closed(day: date) -> datetime:
    """Ten past four in Chicago."""
    return datetime(day.year, day.month, day.day, 22, 10, tzinfo=UTC)


def record(day: int, value: str, **fields: Any) -> AccountNav:
    defaults: dict[str, Any] = {
        "account": ACCOUNT,
        "session": DAYS[day],
        "as_of": closed(DAYS[day]),
        "base": USD,
        "net_liquidation": D(value),
        "reporting": USD,
        "rate": D(1),
        "positions": {},
    }
    return AccountNav(**{**defaults, **fields})


def bought(contract: FuturesContract, quantity: int, price: str | None, **fields: Any) -> nav.Trade:
    return nav.Trade(
        contract=contract,
        quantity=D(quantity),
        price=None if price is None else D(price),
        **fields,
    )


def ours(quantity: int, price: str, paid: str = "4.10", reference: str = "6000") -> nav.Trade:
    return bought(
        ES, quantity, price, reference=D(reference), commission=D(paid), commission_currency=USD
    )


def book(values: Sequence[str], **fields: Any) -> nav.ModelBook:
    defaults: dict[str, Any] = {
        "name": "TF",
        "scale": D(1),
        "values": {day: D(v) for day, v in zip(DAYS, values, strict=False)},
        "fills": (),
        "desk": (),
    }
    return nav.ModelBook(**{**defaults, **fields})


def inputs(records: Sequence[AccountNav], *models: nav.ModelBook, **fields: Any) -> nav.NavInputs:
    def close(contract: FuturesContract, session: date) -> Decimal | None:
        return D(CLOSES[contract][DAYS.index(session)])

    def rate(currency: Currency, _session: date) -> Decimal | None:
        return {USD: D(1), EUR: D("1.10")}.get(currency)

    defaults: dict[str, Any] = {
        "close": close,
        "rate": rate,
        "specs": SPECS,
        "reporting": USD,
        "opens_after": lambda session: OPENINGS[session],
    }
    return nav.NavInputs(records=records, models=models, **{**defaults, **fields})


def only_day(given: nav.NavInputs) -> NavDay:
    (day,) = nav.compare(given).days
    return day


def in_session(day: int) -> datetime:
    """In the evening before the session's close, an hour after the one before it."""
    return closed(DAYS[day - 1]) + timedelta(hours=2)


def test_a_fill_better_or_worse_is_slippage_and_the_models_later_price_is_timing() -> None:
    """Decided at 6000; the desk paid 6001, the model gets the next close, 6010.

    Account: 2 × (6010 − 6001) × 50 − 4.10 = 895.90. Model: −1.70 of commission.
    """
    model = book(
        ["1000000", "999998.30"],
        fills=[(DAYS[1], bought(ES, 2, "6010"))],
        desk=[(in_session(1), ours(2, "6001"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "5000895.90")], model))

    assert day.drift == D("897.60")
    assert day.parts == DriftParts(
        slippage=D(-100), timing=D(1000), commission=D("-2.40"), rest=D(0)
    )
    assert day.models[0].desk_result == D("895.90")


def test_a_trade_of_the_instant_of_a_record_came_after_it() -> None:
    trade = (closed(DAYS[0]), ours(1, "6000", paid="0"))
    model = book(["1000000", "1000000"], desk=[trade])

    day = only_day(inputs([record(0, "5000000"), record(1, "5000500")], model))
    assert day.parts == DriftParts(missed=D(500))
    assert day.models[0].desk_result == D(500)


LATE_VALUE = (
    "value at the close of 2026-11-20: it was taken at 2026-11-22 23:05 UTC, with prices of the "
    "next session"
)


def test_a_value_with_prices_of_the_next_session_is_named_on_both_sides_of_it() -> None:
    """Two contracts held throughout, 10 points to the 20th, 20 to the 23rd: 1000, then 2000.

    The record of the 20th is of Sunday evening at 6017: 1700, then 1300.
    """
    long = ours(2, "6000", paid="0")
    model = book(
        ["1000000", "1001000", "1003000"],
        fills=[(DAYS[0], bought(ES, 2, "6000"))],
        desk=[(closed(DAYS[0]) - timedelta(hours=1), long)],
    )
    sunday = datetime(2026, 11, 22, 23, 5, tzinfo=UTC)
    records = [
        record(0, "5000000", positions={"ESZ26": 2}),
        record(1, "5001700", as_of=sunday, positions={"ESZ26": 2}),
        record(2, "5003000", positions={"ESZ26": 2}),
    ]
    friday, monday = nav.compare(inputs(records, model)).days

    assert (friday.parts, monday.parts) == (DriftParts(rest=D(700)), DriftParts(rest=D(-700)))
    assert friday.unknown == monday.unknown == (LATE_VALUE,)


def test_an_order_that_is_unknown_is_named_in_the_stretch_in_which_it_left() -> None:
    records = [record(0, "5000000"), record(1, "5000700"), record(2, "5000700")]
    doubt = (in_session(1), "what became of desk-20261119-TF-ESZ26-O1")
    given = inputs(records, book(["1000000"] * 3), doubts=[doubt])
    first, second = nav.compare(given).days

    assert (first.parts, first.unknown) == (DriftParts(rest=D(700)), (doubt[1],))
    assert second.unknown == ()


@pytest.mark.parametrize(
    ("minute", "positions", "names"),
    [
        (4, {"ESZ26": 2}, ()),
        (5, {"ESZ26": 2}, (LATE_VALUE,)),
        (5, None, (LATE_VALUE,)),
        (5, {}, ()),
        (5, {"ESZ26": 0}, ()),
    ],
    ids=["before the opening", "at it", "positions not told", "flat", "flat again"],
)
def test_a_value_is_late_from_the_opening_on_unless_the_account_was_flat(
    minute: int, positions: Mapping[str, int] | None, names: Sequence[str]
) -> None:
    opening = datetime(2026, 11, 22, 23, 5, tzinfo=UTC)
    taken = datetime(2026, 11, 22, 23, minute, tzinfo=UTC)
    records = [record(0, "5000000"), record(1, "5000000", as_of=taken, positions=positions)]
    given = inputs(records, book(["1000000", "1000000"]), opens_after=lambda _session: opening)

    assert [n for n in only_day(given).unknown if n.startswith("value")] == list(names)


def test_a_short_sale_has_the_signs_the_other_way_round() -> None:
    model = book(
        ["1000000", "1000000"],
        fills=[(DAYS[1], bought(ES, -2, "6010"))],
        desk=[(in_session(1), ours(-2, "6001", paid="0"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "4999100")], model))

    assert day.parts == DriftParts(slippage=D(100), timing=D(-1000))


def test_what_the_model_holds_and_the_desk_does_not_is_missed() -> None:
    """Bought by the model at 6010; nothing at the desk. From 6010 to 6030 it makes 2,000."""
    model = book(["1000000", "1000000", "1002000"], fills=[(DAYS[1], bought(ES, 2, "6010"))])
    records = [record(n, "5000000") for n in range(3)]
    first, second = nav.compare(inputs(records, model)).days

    assert first.parts == DriftParts()
    assert second.parts == DriftParts(missed=D(-2000))


def test_another_size_is_missed_for_the_difference_alone() -> None:
    """Three for the model, one for the desk, at the same price: 6000 → 6010."""
    model = book(
        ["1000000", "1001500"],
        fills=[(DAYS[1], bought(ES, 3, "6000"))],
        desk=[(in_session(1), ours(1, "6000", paid="0"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "5000500")], model))

    assert day.parts == DriftParts(missed=D(-1000))


def test_a_late_exit_moves_with_the_market_until_it_is_made() -> None:
    """The model is out since the first close; the desk sells at 6015 in the next session."""
    model = book(
        ["1000000", "1000000"],
        fills=[(DAYS[0], bought(ES, 2, "5990")), (DAYS[0], bought(ES, -2, "6000"))],
        desk=[
            (in_session(1) - timedelta(days=1), ours(2, "5990", paid="0")),
            (in_session(1), ours(-2, "6015", paid="0")),
        ],
    )
    before = record(0, "5000000", positions={"ESZ26": 2})
    day = only_day(inputs([before, record(1, "5001500")], model))

    # Held over the night, 2 × 10 × 50 = 1000, less what was sold already: 2 × (6000 − 6010) × 50.
    # Against the decision's 6000 the sale was 15 better: 1500.
    assert day.parts == DriftParts(slippage=D(1500), missed=D(0))


def test_half_the_capital_follows_with_half_the_size() -> None:
    model = book(
        ["1000000", "1000500"],
        scale=D("0.5"),
        fills=[(DAYS[1], bought(ES, 2, "6005"))],
        desk=[(in_session(1), ours(1, "6005", paid="0", reference="6005"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "5000250")], model))

    assert (day.model_nav, day.model_result) == (D(500250), D(250))
    assert day.parts == DriftParts()


def test_cash_in_another_currency_moves_with_its_rate() -> None:
    """100,000 euros of an account in dollars, from 1.10 to 1.12."""
    before = record(0, "5000000", cash={USD: D(4890000), EUR: D(100000)}, rates={EUR: D("1.10")})
    after = record(1, "5002000", rates={EUR: D("1.12")})

    day = only_day(inputs([before, after], book(["1000000", "1000000"])))
    assert day.parts == DriftParts(currency=D(2000))


def test_an_account_in_euros_is_counted_in_the_models_dollars() -> None:
    euros = {"base": EUR, "cash": {EUR: D(1000000)}}
    before = record(0, "1000000", rate=D("1.10"), **euros)
    after = record(1, "1000000", rate=D("1.08"), **euros)

    day = only_day(inputs([before, after], book(["1000000", "1000000"])))
    assert (day.account_nav, day.account_result) == (D(1080000), D(-20000))
    assert day.parts == DriftParts(currency=D(-20000))


def test_a_contract_in_euros_is_worth_its_rate() -> None:
    """2 × (5040 − 5000) × 10 × 1.10 = 880, held by the model alone."""
    model = book(["1000000", "1000880"], fills=[(DAYS[0], bought(FESX, 2, "5000"))])

    day = only_day(inputs([record(0, "5000000"), record(1, "5000000")], model))
    assert day.parts == DriftParts(missed=D(-880))


def test_a_model_that_counts_points_as_dollars_differs_by_the_rate() -> None:
    """The same two contracts: 800 by the model's own count."""
    held = bought(FESX, 2, "5000")
    model = book(
        ["1000000", "1000800"],
        native=True,
        fills=[(DAYS[0], held)],
        desk=[(closed(DAYS[0]) - timedelta(hours=3), held)],
    )
    before = record(0, "5000000", positions={"FESXZ26": 2})
    day = only_day(inputs([before, record(1, "5000880")], model))
    assert day.parts == DriftParts(currency=D(80))


def test_a_position_of_no_model_is_shown_as_such() -> None:
    before = record(0, "5000000", positions={"ESZ26": 3})
    day = only_day(inputs([before, record(1, "5001500")], book(["1000000", "1000000"])))

    assert day.parts == DriftParts(other=D(1500))


def test_what_a_person_closed_by_hand_is_shown_as_such() -> None:
    """Two for model and desk; the account holds none any more, and misses 2 × 10 × 50."""
    model = book(
        ["1000000", "1001000"],
        fills=[(DAYS[0], bought(ES, 2, "6000"))],
        desk=[(closed(DAYS[0]) - timedelta(hours=1), ours(2, "6000", paid="0"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "5000000")], model))

    assert day.parts == DriftParts(other=D(-1000))


def by_hand(symbol: str = "ESZ26") -> StrangersTrade:
    return StrangersTrade(
        exec_id="7",
        at=in_session(1),
        symbol=symbol,
        quantity=-3,
        price=D(6004),
        commission=D("6.15"),
        commission_currency=USD,
    )


def test_what_others_traded_is_theirs_from_their_fill_to_the_close() -> None:
    """Three sold at 6004, 6010 at the close: −3 × 6 × 50, and 6.15 of commission."""
    records = [record(0, "5000000"), record(1, "4999093.85", positions={"ESZ26": -3})]
    day = only_day(inputs(records, book(["1000000", "1000000"]), strangers=[by_hand()]))

    assert day.parts == DriftParts(other=D("-906.15"))


def test_what_others_hold_and_trade_is_by_the_accounts_own_rate() -> None:
    """One held over 40 points, one bought at 5030: (400 + 100) euros at 1.12."""
    trade = StrangersTrade(
        exec_id="8",
        at=in_session(1),
        symbol="FESXZ26",
        quantity=1,
        price=D(5030),
        commission=D(0),
        commission_currency=EUR,
    )
    records = [
        record(0, "5000000", positions={"FESXZ26": 1}),
        record(1, "5000560", rates={EUR: D("1.12")}, positions={"FESXZ26": 2}),
    ]
    day = only_day(inputs(records, book(["1000000", "1000000"]), strangers=[trade]))

    assert day.parts == DriftParts(other=D(560))


def test_a_trade_of_others_that_cannot_be_named_stays_in_the_rest_and_is_said() -> None:
    records = [record(0, "5000000"), record(1, "4999093.85")]
    day = only_day(inputs(records, book(["1000000", "1000000"]), strangers=[by_hand("")]))

    assert day.parts == DriftParts(rest=D("-906.15"))
    assert day.unknown == ("the contract of 7, a trade of somebody else",)


def test_positions_that_the_account_did_not_tell_are_named() -> None:
    records = [record(0, "5000000", positions=None), record(1, "5000000")]

    day = only_day(inputs(records, book(["1000000", "1000000"])))
    assert "the account's positions in 2026-11-19" in day.unknown


def test_a_position_taken_over_between_two_records_is_nobodys_no_more() -> None:
    """Bought by hand, shown by the account at the close, taken over for the model after it."""
    model = book(
        ["1000000", "1001000"],
        fills=[(DAYS[0], bought(ES, 2, "6000"))],
        desk=[(in_session(1), bought(ES, 2, None))],
    )
    records = [record(0, "5000000", positions={"ESZ26": 2}), record(1, "5001000")]

    assert only_day(inputs(records, model)).parts == DriftParts()


def test_a_position_given_up_between_two_records_ends_with_the_first() -> None:
    """Closed by hand, and gone from the account at the close; the desk's record ends after it."""
    model = book(
        ["1000000", "1000000"],
        desk=[
            (closed(DAYS[0]) - timedelta(hours=1), ours(2, "6000", paid="0")),
            (in_session(1), bought(ES, -2, None)),
        ],
    )
    day = only_day(inputs([record(0, "5000000"), record(1, "5000000")], model))

    assert day.parts == DriftParts()
    assert day.models[0].desk_result == D(0)


def test_the_accounts_own_rate_is_told_apart_from_the_datas() -> None:
    """2 × 40 × 10 = 800 euros for both: 880 dollars by the data's 1.10, 896 by the account's 1.12.

    Two euros of commission: 2.24.
    """
    paid = bought(FESX, 2, "5000", reference=D(5000), commission=D(2), commission_currency=EUR)
    model = book(
        ["1000000", "1000880"],
        fills=[(DAYS[1], bought(FESX, 2, "5000"))],
        desk=[(in_session(1), paid)],
    )
    records = [record(0, "5000000"), record(1, "5000893.76", rates={EUR: D("1.12")})]

    day = only_day(inputs(records, model))
    assert day.parts == DriftParts(currency=D(16), commission=D("-2.24"))


def test_a_deposit_is_no_result() -> None:
    flow = CashFlow(at=in_session(1), amount=D(1000), currency=EUR, by="Ann", note="from the bank")
    after = record(1, "5001120", rates={EUR: D("1.12")})
    given = inputs([record(0, "5000000"), after], book(["1000000", "1000000"]), flows=[flow])

    assert only_day(given).parts == DriftParts(flows=D(1120))
    assert nav.compare(given).desk_nav() == (D(1000000),)


def test_a_close_that_nobody_knows_is_named_and_stays_in_the_rest() -> None:
    def nothing(_contract: FuturesContract, _session: date) -> None:
        return None

    model = book(["1000000", "1000500"], fills=[(DAYS[0], bought(ES, 1, "6000"))])
    records = [record(0, "5000000"), record(1, "5000000")]
    day = only_day(inputs(records, model, close=nothing))

    assert any("ESZ26" in what for what in day.unknown)
    assert day.drift == D(-500)
    assert day.parts == DriftParts(rest=D(-500))


def test_a_missing_commission_is_named() -> None:
    untold = bought(ES, 1, "6000", reference=D(6000))
    model = book(["1000000", "1000000"], desk=[(in_session(1), untold)])

    day = only_day(inputs([record(0, "5000000"), record(1, "5000500")], model))
    assert "commission of ESZ26" in day.unknown


def test_a_position_taken_over_counts_from_the_close_before() -> None:
    """Taken over at the evening's close of 6000, 6010 a session later."""
    model = book(
        ["1000000", "1001000"],
        fills=[(DAYS[0], bought(ES, 2, "5900"))],
        desk=[(in_session(1), bought(ES, 2, None))],
    )
    before = record(0, "5000000", positions={"ESZ26": 2})
    day = only_day(inputs([before, record(1, "5001000")], model))

    assert day.parts == DriftParts()


def test_a_session_without_a_record_is_bridged() -> None:
    """From the first close to the third: 2 × 30 × 50."""
    model = book(
        ["1000000", "1001000", "1003000"],
        fills=[(DAYS[0], bought(ES, 2, "6000"))],
    )
    day = only_day(inputs([record(0, "5000000"), record(2, "5000000")], model))

    assert (day.since, day.session) == (DAYS[0], DAYS[2])
    assert day.parts == DriftParts(missed=D(-3000))


def test_a_model_that_begins_later_leaves_the_days_before_as_they_were() -> None:
    """TF from the 19th on; MR, of half a million, from the 20th: its 5,000 of the 23rd are 1 %.

    The account makes 1,000 on the 20th, and on the 23rd 8,000 of 3,000 and 5,000.
    """
    first = book(["1000000", "1001000", "1004000"])
    late = replace(book(["1"]), name="MR", values={DAYS[1]: D(500000), DAYS[2]: D(505000)})
    records = [record(0, "5000000"), record(1, "5001000"), record(2, "5009000")]
    history = nav.compare(inputs(records, first, late))
    one, two = history.days

    assert ([m.model for m in one.models], [m.model for m in two.models]) == (
        ["TF"],
        ["TF", "MR"],
    )
    assert (history.models_begin, one.joined, two.joined) == ({"TF": D(1000000)}, D(0), D(500000))
    assert (one.model_result, two.model_result, two.model_nav) == (D(1000), D(8000), D(1509000))
    assert history.desk_nav() == (D(1001000), D(1509000))
    assert nav_rows(history)[1].model_return == D(1509000) / D(1501000) - 1
    assert nav_rows(history)[1].account_return == D(1509000) / D(1501000) - 1


def test_what_is_taken_over_for_a_model_is_nobodys_until_the_model_begins() -> None:
    """The account's own 1 ES makes 500 on the 20th; at that close it is MR's, which begins then.

    On the 23rd MR makes the 1,000 of it, and nothing is left of either day.
    """
    late = replace(
        book(["1"]),
        name="MR",
        values={DAYS[1]: D(500000), DAYS[2]: D(501000)},
        fills=[(DAYS[1], bought(ES, 1, "6010"))],
        desk=[(closed(DAYS[1]) - timedelta(minutes=1), bought(ES, 1, None))],
    )
    values = ["5000000", "5000500", "5001500"]
    records = [record(n, value, positions={"ESZ26": 1}) for n, value in enumerate(values)]
    one, two = nav.compare(inputs(records, book(["1000000"] * 3), late)).days

    assert one.parts == DriftParts(other=D(500))
    assert (two.parts, two.models[1].desk_result) == (DriftParts(), D(1000))


def test_a_session_of_which_one_models_value_is_missing_waits_for_it() -> None:
    late = replace(book(["1"]), name="MR", values={DAYS[0]: D(500000), DAYS[2]: D(505000)})
    records = [record(n, "5000000") for n in range(3)]

    day = only_day(inputs(records, book(["1000000", "1000000", "1000000"]), late))
    assert (day.since, day.session) == (DAYS[0], DAYS[2])


def test_the_first_record_after_a_close_is_the_sessions() -> None:
    late = record(0, "5000700", as_of=closed(DAYS[0]) + timedelta(hours=3))
    early = record(0, "5000000")

    assert nav.one_per_session([late, early, record(1, "5000100")]) == (
        early,
        record(1, "5000100"),
    )


def test_a_record_without_a_rate_is_not_compared() -> None:
    unknown = record(1, "5000000", base=EUR, rate=None)
    model = book(["1000000", "1000000", "1000000"])

    day = only_day(inputs([record(0, "5000000"), unknown, record(2, "5000000")], model))
    assert day.session == DAYS[2]


def test_one_record_is_no_comparison() -> None:
    history = nav.compare(inputs([record(0, "5000000")], book(["1000000"])))

    assert history.days == ()
    assert (history.begins, history.account_begins) == (DAYS[0], D(5000000))


amounts = st.decimals(min_value=-9999999, max_value=9999999, places=2)
prices = st.decimals(min_value=1, max_value=9999, places=3)
sizes = st.integers(-9, 9)


@given(
    values=st.tuples(amounts, amounts, amounts, amounts),
    trades=st.lists(st.tuples(sizes, prices, sizes, prices, prices), max_size=6),
    scale=st.decimals(min_value="0.01", max_value=3, places=4),
)
def test_the_parts_always_add_up_to_the_drift(
    values: tuple[Decimal, ...],
    trades: list[tuple[int, Decimal, int, Decimal, Decimal]],
    scale: Decimal,
) -> None:
    model = nav.ModelBook(
        name="TF",
        scale=scale,
        values={DAYS[0]: values[0], DAYS[1]: values[1]},
        fills=[(DAYS[1], bought(FESX, mine, str(price))) for mine, price, *_ in trades if mine],
        desk=[
            (in_session(1), bought(FESX, its, str(paid), reference=meant))
            for _, _, its, paid, meant in trades
            if its
        ],
    )
    day = only_day(inputs([record(0, str(values[2])), record(1, str(values[3]))], model))

    assert day.parts.total == day.drift
    assert day.drift == day.account_result - day.model_result


# -- open positions ----------------------------------------------------------------------------


def held(*desk: tuple[datetime, nav.Trade]) -> nav.NavInputs:
    return inputs([], book(["1000000"], desk=desk))


def test_an_open_position_has_its_entry_its_value_and_its_return() -> None:
    at = in_session(1)
    (position,) = nav.open_positions(held((at, ours(2, "5950"))), DAYS[1])

    assert (position.contract, position.quantity, position.entered) == (ES, 2, at)
    assert (position.entry_price, position.price) == (D(5950), D(6010))
    assert (position.value, position.result) == (D(601000), D(6000))
    assert position.change == D(60) / D(5950)


def test_what_was_added_is_averaged_and_what_was_sold_is_not() -> None:
    at = in_session(1)
    trades = [ours(2, "5900"), ours(2, "6000"), ours(-1, "6100")]
    given = held(*[(at + timedelta(minutes=n), t) for n, t in enumerate(trades)])

    (position,) = nav.open_positions(given, DAYS[1])
    assert (position.quantity, position.entry_price, position.entered) == (3, D(5950), at)


def test_a_reversal_begins_anew_at_its_own_price() -> None:
    at = in_session(1)
    given = held((at, ours(2, "5900")), (at + timedelta(minutes=1), ours(-3, "6000")))

    (position,) = nav.open_positions(given, DAYS[1])
    assert (position.quantity, position.entry_price) == (-1, D(6000))
    assert position.result == D(-500)


def test_a_closed_position_is_not_open() -> None:
    at = in_session(1)
    given = held((at, ours(2, "5900")), (at + timedelta(minutes=1), ours(-2, "6000")))

    assert nav.open_positions(given, DAYS[1]) == ()


def test_a_position_taken_over_has_no_entry_price() -> None:
    (position,) = nav.open_positions(held((in_session(1), bought(ES, 2, None))), DAYS[1])

    assert (position.entry_price, position.result, position.change) == (None, None, None)
    assert position.value == D(601000)


def test_returns_are_changes_of_the_value_before() -> None:
    assert returns(D(100), [D(110), D(99)]) == (D("0.1"), D("-0.1"))
    assert returns(D(0), [D(5)]) == (D(0),)
