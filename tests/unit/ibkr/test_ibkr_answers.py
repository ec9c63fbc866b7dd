"""How answers of the gateway are judged: value, confirmed nothing, or unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async.contract import Contract, ContractDetails
from ib_async.objects import BarData

from afterclose.adapters.ibkr.account_reading import base_currency, by_currency
from afterclose.adapters.ibkr.history import bars_answer, duration_for
from afterclose.adapters.ibkr.qualifying import qualification
from afterclose.adapters.ibkr.quoting import quote, quote_is_full
from afterclose.adapters.ibkr.rates import ended_days, last_completed_day
from afterclose.adapters.ibkr.receiver import Outcome, Reply
from afterclose.adapters.ibkr.rows import AccountValue, DataTypeNotice, PriceTick
from afterclose.domain.market import AnswerState, QualificationState, QuoteKind
from unit.ibkr.ibkr_values import ES, SI

NOW = datetime(2025, 12, 1, 22, 30, tzinfo=UTC)


def ended(*rows: Any) -> Reply:
    return Reply(outcome=Outcome.ENDED, rows=rows)


def refused(code: int, text: str) -> Reply:
    return Reply(outcome=Outcome.REFUSED, code=code, text=text)


TIMED_OUT = Reply(outcome=Outcome.TIMED_OUT, text="no answer within 10 s")
LINE_LOST = Reply(outcome=Outcome.LINE_LOST, text="the line to the gateway was lost")


# Contracts


def silver(con_id: int, *, multiplier: str, trading_class: str) -> ContractDetails:
    return ContractDetails(
        contract=Contract(
            conId=con_id,
            symbol="SI",
            exchange="COMEX",
            currency="USD",
            multiplier=multiplier,
            tradingClass=trading_class,
        ),
        minTick=0.005,
        priceMagnifier=1,
        contractMonth="202603",
    )


FULL_SILVER = silver(1, multiplier="5000", trading_class="SI")
SMALL_SILVER = silver(2, multiplier="1000", trading_class="SIL")


def test_the_one_contract_that_fits_is_found_among_its_siblings() -> None:
    answer = qualification(SI, ended(FULL_SILVER, SMALL_SILVER))
    assert answer.state is QualificationState.FOUND
    assert answer.qualified is not None
    assert answer.qualified.con_id == 1


def test_a_contract_told_twice_is_one_contract() -> None:
    assert qualification(SI, ended(FULL_SILVER, FULL_SILVER)).state is QualificationState.FOUND


def test_two_that_fit_are_ambiguous_and_both_are_shown() -> None:
    twin = silver(3, multiplier="5000", trading_class="SI")
    answer = qualification(SI, ended(FULL_SILVER, twin))
    assert answer.state is QualificationState.AMBIGUOUS
    assert [c.con_id for c in answer.candidates] == [1, 3]


def test_another_multiplier_than_ours_is_missing_and_the_text_says_which_there_is() -> None:
    answer = qualification(SI, ended(SMALL_SILVER))
    assert answer.state is QualificationState.MISSING
    assert answer.qualified is None
    assert "multiplier 1000" in answer.text


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (refused(200, "No security definition has been found"), QualificationState.MISSING),
        (refused(200, "The contract ... is ambiguous."), QualificationState.AMBIGUOUS),
        (refused(321, "Error validating request"), QualificationState.UNKNOWN),
        (TIMED_OUT, QualificationState.UNKNOWN),
        (LINE_LOST, QualificationState.UNKNOWN),
        (ended(ContractDetails(contract=Contract())), QualificationState.UNKNOWN),
    ],
)
def test_only_the_gateways_own_word_makes_a_contract_missing(
    reply: Reply, state: QualificationState
) -> None:
    answer = qualification(ES, reply)
    assert answer.state is state
    assert answer.text


# Bars


def bar(day: str, close: float) -> BarData:
    return BarData(date=day, open=close, high=close, low=close, close=close, volume=10.0)  # type: ignore[arg-type]  # the wire's text


def test_bars_come_oldest_first_and_no_more_than_asked_for_and_one() -> None:
    rows = [bar("20251201", 3.0), bar("20251127", 1.0), bar("20251128", 2.0)]
    answer = bars_answer(ended(*rows), sessions=1)
    assert answer.state is AnswerState.VALUE
    assert [b.session for b in answer.bars] == [date(2025, 11, 28), date(2025, 12, 1)]


NO_DATA = "Historical Market Data Service error message:HMDS query returned no data: X"
BARRED = "Historical Market Data Service error message:No market data permissions for CME FUT"


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (ended(), AnswerState.EMPTY),
        (refused(162, NO_DATA), AnswerState.EMPTY),
        (refused(162, BARRED), AnswerState.UNKNOWN),
        (refused(162, "API historical data query pacing violation"), AnswerState.UNKNOWN),
        (refused(354, "Requested market data is not subscribed."), AnswerState.UNKNOWN),
        (refused(10089, "needs a subscription"), AnswerState.UNKNOWN),
        (refused(200, "No security definition"), AnswerState.UNKNOWN),
        (TIMED_OUT, AnswerState.UNKNOWN),
        (LINE_LOST, AnswerState.UNKNOWN),
        (ended(bar("1 December", 3.0)), AnswerState.UNKNOWN),
    ],
)
def test_no_bars_are_empty_only_where_the_gateway_says_that_there_are_none(
    reply: Reply, state: AnswerState
) -> None:
    answer = bars_answer(reply)
    assert answer.state is state
    assert answer.bars == ()
    assert answer.text
    assert answer.code == reply.code


@pytest.mark.parametrize(("sessions", "duration"), [(21, "38 D"), (238, "364 D"), (240, "2 Y")])
def test_the_duration_allows_for_weekends_and_holidays(sessions: int, duration: str) -> None:
    assert duration_for(sessions) == duration


# Quotes


def tick(tick_type: int, price: float, size: float = 1.0) -> PriceTick:
    return PriceTick(tick_type=tick_type, price=price, size=size)


def test_live_ticks_make_a_live_quote() -> None:
    rows = (DataTypeNotice(data_type=1), tick(1, 10.25), tick(2, 10.5), tick(4, 10.5), tick(9, 9.0))
    answer = quote(ended(*rows), as_of=NOW)
    assert (answer.state, answer.kind) == (AnswerState.VALUE, QuoteKind.LIVE)
    assert (answer.bid, answer.ask) == (Decimal("10.25"), Decimal("10.5"))
    assert (answer.last, answer.close) == (Decimal("10.5"), Decimal(9))
    assert answer.as_of == NOW


@pytest.mark.parametrize(
    ("number", "kind"),
    [(2, QuoteKind.FROZEN), (3, QuoteKind.DELAYED), (4, QuoteKind.DELAYED_FROZEN)],
)
def test_the_gateway_names_the_kind_of_its_data(number: int, kind: QuoteKind) -> None:
    assert quote(ended(DataTypeNotice(data_type=number), tick(68, 5.0)), as_of=NOW).kind is kind


def test_delayed_ticks_tell_their_kind_even_without_a_notice() -> None:
    assert quote(ended(tick(66, 5.0), tick(67, 6.0)), as_of=NOW).kind is QuoteKind.DELAYED


def test_minus_one_without_size_is_no_quote() -> None:
    answer = quote(ended(tick(1, -1.0, 0), tick(2, 0.0, 0), tick(4, 7.5)), as_of=NOW)
    assert (answer.bid, answer.ask, answer.last) == (None, None, Decimal("7.5"))


def test_a_market_at_minus_one_is_a_market() -> None:
    answer = quote(ended(tick(1, -1.0, 12), tick(2, 0.0, 3), tick(4, -37.63, 1)), as_of=NOW)
    assert (answer.bid, answer.ask, answer.last) == (Decimal(-1), Decimal(0), Decimal("-37.63"))


def test_a_side_that_vanishes_during_the_snapshot_is_gone() -> None:
    answer = quote(ended(tick(1, 10.0, 5), tick(1, -1.0, 0), tick(4, 7.5)), as_of=NOW)
    assert answer.bid is None


def test_prices_that_are_not_set_are_none() -> None:
    answer = quote(ended(tick(1, float("nan")), tick(4, 1.7976931348623157e308)), as_of=NOW)
    assert answer.state is AnswerState.EMPTY


def test_a_snapshot_that_ended_without_a_price_is_empty() -> None:
    assert quote(ended(DataTypeNotice(data_type=1)), as_of=NOW).state is AnswerState.EMPTY


@pytest.mark.parametrize(
    "reply", [TIMED_OUT, LINE_LOST, refused(354, "not subscribed"), refused(10197, "competing")]
)
def test_a_quote_that_was_refused_or_did_not_come_is_unknown(reply: Reply) -> None:
    answer = quote(reply, as_of=NOW)
    assert answer.state is AnswerState.UNKNOWN
    assert (answer.code, answer.text) == (reply.code, reply.text)


def test_what_came_before_the_deadline_is_a_value_and_the_text_says_that_it_may_lack_parts() -> (
    None
):
    late = Reply(outcome=Outcome.TIMED_OUT, rows=(tick(4, 7.5),), text="no answer within 10 s")
    answer = quote(late, as_of=NOW)
    assert answer.state is AnswerState.VALUE
    assert answer.text == "no answer within 10 s"


def test_delayed_data_keeps_the_notice_that_said_so() -> None:
    reply = Reply(outcome=Outcome.ENDED, rows=(tick(68, 5.0),), notices=((10167, "delayed"),))
    assert quote(reply, as_of=NOW).code == 10167


def test_a_quote_is_full_once_bid_ask_last_and_close_were_spoken_of() -> None:
    rows = [tick(66, -1.0, 0), tick(67, 2.0), tick(68, 3.0)]
    assert not quote_is_full(rows)
    assert quote_is_full([*rows, tick(75, 4.0)])


# Exchange rates


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2025-12-01T21:59:59+00:00", date(2025, 11, 30)),  # 16:59:59 in New York
        ("2025-12-01T22:00:00+00:00", date(2025, 12, 1)),
        ("2025-07-01T20:59:59+00:00", date(2025, 6, 30)),  # in summer, an hour earlier
        ("2025-07-01T21:00:00+00:00", date(2025, 7, 1)),
        ("2025-12-02T04:00:00+00:00", date(2025, 12, 1)),  # still the first, in New York
    ],
)
def test_the_currency_day_ends_at_five_in_new_york(now: str, day: date) -> None:
    assert last_completed_day(datetime.fromisoformat(now)) == day


def test_the_forming_day_is_no_rate() -> None:
    answer = bars_answer(ended(bar("20251128", 1.16), bar("20251201", 1.17)))
    found = ended_days(answer, date(2025, 11, 30))
    assert [day.close for day in found] == [Decimal("1.16")]


def test_a_rate_of_zero_is_no_rate() -> None:
    assert ended_days(bars_answer(ended(bar("20251128", 0.0))), date(2025, 12, 1)) == []


# The account


def value(key: str, figure: str, currency: str) -> AccountValue:
    return AccountValue(key=key, value=figure, currency=currency)


def test_figures_per_currency_leave_out_the_sum_and_what_is_not_set() -> None:
    rows = [
        value("CashBalance", "1000.50", "USD"),
        value("CashBalance", "-20", "EUR"),
        value("CashBalance", "980", "BASE"),
        value("CashBalance", "", "GBP"),
        value("ExchangeRate", "1.16", "EUR"),
    ]
    assert by_currency(rows, "CashBalance") == {"USD": Decimal("1000.50"), "EUR": Decimal(-20)}


def test_the_base_currency_is_that_of_the_net_liquidation() -> None:
    assert base_currency([value("NetLiquidation", "1", "EUR")]) == "EUR"
    assert base_currency([]) == ""
