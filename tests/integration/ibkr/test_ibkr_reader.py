"""Reading contracts, bars, quotes, rates and the account from the paper gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.reader import IbkrReader
from afterclose.domain.contracts import (
    ContractMonth,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
)
from afterclose.domain.market import AnswerState, QualificationState, QuoteKind
from integration.ibkr.gateways import Start, advance, desk_of, qualified_by, reader_of
from integration.ibkr.hurry import hurried
from unit.ibkr.ibkr_values import ACCOUNT, CL, ES, FDAX, SI, ZC, mapped, order
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_OPEN

pytestmark = pytest.mark.anyio

YEN = mapped(
    "6J",
    "202512",
    ib_symbol="JPY",
    trading_class="6J",
    multiplier="12500000",
    tick_size=Decimal("0.0000005"),
)
USD, EUR, GBP, JPY, XXX = (Currency(c) for c in ("USD", "EUR", "GBP", "JPY", "XXX"))
MONDAY, FRIDAY, TUESDAY = date(2025, 12, 1), date(2025, 11, 28), date(2025, 12, 2)


async def found(
    reader: IbkrReader, *contracts: MappedContract
) -> Mapping[FuturesContract, QualifiedContract]:
    answers = await reader.qualify(contracts)
    return {c: a.qualified for c, a in answers.items() if a.qualified is not None}


# Contracts


async def test_contracts_are_found_by_the_facts_of_their_root(start: Start) -> None:
    async with reader_of(start()) as reader:
        read = await found(reader, ES, CL, ZC, SI, FDAX, YEN)
    assert len(read) == 6
    assert read[ZC.contract].tick_size == Decimal("0.25")
    assert read[ZC.contract].point_value == Decimal(50)
    assert read[YEN.contract].tick_size == Decimal("0.0000005")
    assert read[SI.contract].multiplier == "5000"
    assert read[FDAX.contract].trading_class == "FDAX"
    assert read[CL.contract].contract_month == ContractMonth(2026, 1)
    assert read[CL.contract].last_trade_date == date(2025, 12, 19)
    assert len({q.con_id for q in read.values()}) == 6


async def test_a_month_that_is_not_listed_is_missing_with_ibs_word(start: Start) -> None:
    gone = mapped("ES", "203111")
    async with reader_of(start()) as reader:
        answer = (await reader.qualify([gone]))[gone.contract]
    assert (answer.state, answer.code) == (QualificationState.MISSING, 200)


async def test_a_sibling_under_the_same_symbol_is_not_taken(start: Start) -> None:
    thousand = mapped("SI", "202603", ib_exchange="COMEX", multiplier="2500", ambiguous=False)
    async with reader_of(start()) as reader:
        answer = (await reader.qualify([thousand]))[thousand.contract]
    assert answer.state is QualificationState.MISSING
    assert "multiplier 5000" in answer.text


async def test_a_description_that_several_contracts_fit_is_ambiguous_and_shows_them(
    start: Start,
) -> None:
    loose = mapped(
        "FDAX",
        "202512",
        ib_symbol="DAX",
        ib_exchange="EUREX",
        currency=EUR,
        multiplier="",
        trading_class="",
    )
    async with reader_of(start()) as reader:
        answer = (await reader.qualify([loose]))[loose.contract]
    assert answer.state is QualificationState.AMBIGUOUS
    assert answer.qualified is None
    assert {c.multiplier for c in answer.candidates} == {"25", "5", "1"}


async def test_a_contract_that_the_gateway_does_not_know_is_missing(start: Start) -> None:
    async with reader_of(start('[contracts]\nunknown = ["ES"]')) as reader:
        answer = (await reader.qualify([ES]))[ES.contract]
    assert (answer.state, answer.code) == (QualificationState.MISSING, 200)


async def test_details_without_an_end_marker_are_unknown(start: Start) -> None:
    gateway = start('[connection]\nmissing_end = ["contractDetails"]')
    async with reader_of(gateway) as reader, hurried(gateway):
        answer = (await reader.qualify([ES]))[ES.contract]
    assert answer.state is QualificationState.UNKNOWN


# Bars


async def test_bars_are_exact_in_ib_units_and_labelled_by_session(start: Start) -> None:
    async with reader_of(start()) as reader:
        read = await found(reader, ES, YEN, SI)
        bars = await reader.daily_bars(read.values(), sessions=21)
    assert [b.session for b in bars[ES.contract].bars] == [FRIDAY, MONDAY]
    assert bars[ES.contract].bars[-1].close == Decimal(6810)
    assert bars[YEN.contract].bars[-1].close == Decimal("0.0064300")
    assert bars[SI.contract].bars[-1].close == Decimal("58.105")


async def test_the_forming_session_is_the_last_bar_once_it_has_opened(start: Start) -> None:
    gateway = start()
    await advance(gateway, TUESDAY_OPEN + timedelta(hours=12))
    async with reader_of(gateway) as reader:
        read = await found(reader, ES)
        bars = (await reader.daily_bars(read.values(), sessions=21))[ES.contract].bars
        last = (await reader.daily_bars(read.values(), sessions=1))[ES.contract].bars
    assert [b.session for b in bars] == [FRIDAY, MONDAY, TUESDAY]
    assert [b.session for b in last] == [MONDAY, TUESDAY]


async def test_no_data_is_empty_and_no_permission_is_unknown(start: Start) -> None:
    gateway = start('[data]\nno_data = ["ES"]\nno_permission = ["CL"]')
    async with reader_of(gateway) as reader:
        read = await found(reader, ES, CL)
        bars = await reader.daily_bars(read.values(), sessions=21)
        quotes = await reader.quotes(read.values())
    assert (bars[ES.contract].state, bars[ES.contract].code) == (AnswerState.EMPTY, 162)
    assert "no data" in bars[ES.contract].text
    assert (bars[CL.contract].state, bars[CL.contract].code) == (AnswerState.UNKNOWN, 162)
    assert "permission" in bars[CL.contract].text
    assert (quotes[CL.contract].state, quotes[CL.contract].code) == (AnswerState.UNKNOWN, 354)


# Quotes


async def test_a_live_quote_has_all_its_parts(start: Start) -> None:
    async with reader_of(start()) as reader:
        read = await found(reader, ES)
        quote = (await reader.quotes(read.values()))[ES.contract]
    assert (quote.state, quote.kind) == (AnswerState.VALUE, QuoteKind.LIVE)
    assert (quote.last, quote.close) == (Decimal(6810), Decimal(6820))
    assert quote.bid is not None
    assert quote.ask is not None
    assert quote.bid < quote.ask
    assert quote.as_of == MONDAY_EVENING


async def test_a_login_without_subscription_gets_delayed_prices_and_says_so(start: Start) -> None:
    async with reader_of(start('[data]\ndelayed = ["ES"]')) as reader:
        read = await found(reader, ES)
        quote = (await reader.quotes(read.values()))[ES.contract]
    assert (quote.state, quote.kind, quote.code) == (AnswerState.VALUE, QuoteKind.DELAYED, 10167)
    assert quote.last == Decimal(6810)


async def test_a_competing_session_leaves_the_quote_unknown(start: Start) -> None:
    async with reader_of(start("[data]\ncompeting_session = true")) as reader:
        read = await found(reader, ES)
        quote = (await reader.quotes(read.values()))[ES.contract]
    assert (quote.state, quote.code) == (AnswerState.UNKNOWN, 10197)


async def test_a_full_quote_does_not_wait_for_its_end_marker(start: Start) -> None:
    async with reader_of(start('[connection]\nmissing_end = ["snapshot"]')) as reader:
        read = await found(reader, ES)
        quote = (await reader.quotes(read.values()))[ES.contract]
    assert (quote.state, quote.text) == (AnswerState.VALUE, "")


# Exchange rates


async def test_rates_come_from_the_pair_that_exists_direct_or_inverse(start: Start) -> None:
    async with reader_of(start()) as reader:
        fx = await reader.fx_rates([USD, EUR, GBP, JPY, XXX], base=USD)
    assert fx.rates[EUR].rate == Decimal("1.1611")
    assert fx.rates[EUR].as_of == MONDAY
    assert fx.rates[EUR].source == "EUR.USD daily midpoint"
    assert fx.rates[JPY].source == "1 / USD.JPY daily midpoint"
    assert abs(fx.rates[JPY].rate - Decimal("0.00643")) < Decimal("0.000000001")
    assert set(fx.rates) == {EUR, GBP, JPY}
    assert "XXX.USD" in fx.missing[XXX]
    assert "USD.XXX" in fx.missing[XXX]


async def test_rates_against_another_base_are_turned_round(start: Start) -> None:
    async with reader_of(start()) as reader:
        fx = await reader.fx_rates([EUR, USD], base=EUR)
    assert fx.rates[USD].source == "1 / EUR.USD daily midpoint"
    # 1 / 1.16110, to twelve significant digits.
    assert fx.rates[USD].rate == Decimal("0.861252260787")
    assert EUR not in fx.rates


# The account


async def test_the_account_is_read_whole(start: Start) -> None:
    async with reader_of(start()) as reader:
        account = await reader.account(ACCOUNT)
    assert (account.account, account.base, account.unknown) == (ACCOUNT, "USD", ())
    # A million, and 50,000 euros at 1.1611.
    assert account.net_liquidation == Decimal("1058055.00")
    assert account.cash == {USD: Decimal(1_000_000), EUR: Decimal(50_000)}
    assert account.exchange_rates[EUR] == Decimal("1.1611")
    assert account.initial_margin is not None
    assert account.available_funds is not None
    assert account.available_funds == account.net_liquidation - account.initial_margin
    assert account.working_orders == ()
    assert account.positions is not None
    (crude,) = account.positions
    assert (crude.symbol, crude.quantity, crude.average_cost) == ("CL", 2, Decimal(59000))
    assert crude.contract_month == ContractMonth(2026, 1)
    assert account.held(crude.con_id) == 2


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("positions", "positions"),
        ("accountUpdatesMulti", "account values"),
        ("openOrders", "open orders"),
    ],
)
async def test_a_part_of_the_account_without_its_end_is_unknown_and_the_others_stand(
    start: Start, marker: str, name: str
) -> None:
    gateway = start(f'[connection]\nmissing_end = ["{marker}"]')
    async with reader_of(gateway) as reader, hurried(gateway):
        account = await reader.account(ACCOUNT)
    assert account.unknown == (name,)
    assert (account.positions is None) == (name == "positions")
    assert (account.net_liquidation is None) == (name == "account values")
    assert (account.working_orders is None) == (name == "open orders")


async def test_reading_works_with_a_read_only_api(start: Start) -> None:
    async with reader_of(start("[orders]\nread_only = true")) as reader:
        account = await reader.account(ACCOUNT)
    assert account.positions is not None


async def test_working_orders_of_every_client_are_shown(start: Start) -> None:
    gateway = start()
    mine = order(limit_price=Decimal(6700))
    es = await qualified_by(gateway, ES)
    async with desk_of(gateway, mine, client_id=8) as desk:
        await desk.place(mine, es)
        async with reader_of(gateway, client_id=7) as reader:
            account = await reader.account(ACCOUNT)
            book = await reader.sweep()
    assert account.working_orders is not None
    (shown,) = account.working_orders
    assert (shown.order_ref, shown.client_id) == (mine.order_ref, 8)
    assert (shown.quantity, shown.filled, shown.remaining) == (3, 0, 3)
    assert shown.limit_price == Decimal(6700)
    assert [o.order_ref for o in book.open_orders] == [mine.order_ref]
    assert book.unknown == ()


async def test_an_evenings_questions_run_side_by_side(start: Start) -> None:
    async with reader_of(start()) as reader:
        read = await found(reader, ES, CL, SI, ZC, YEN, FDAX)
        bars, quotes, fx, account, book, now = await asyncio.gather(
            reader.daily_bars(read.values(), sessions=21),
            reader.quotes(read.values()),
            reader.fx_rates([EUR, GBP, JPY], base=USD),
            reader.account(ACCOUNT),
            reader.sweep(),
            reader.server_time(),
        )
    assert {b.state for b in bars.values()} == {AnswerState.VALUE}
    assert {q.state for q in quotes.values()} == {AnswerState.VALUE}
    assert len(fx.rates) == 3
    assert account.unknown == ()
    assert book.unknown == ()
    assert now == MONDAY_EVENING


async def test_a_shifted_market_shows_in_the_quote_and_not_in_the_finished_bar(
    start: Start,
) -> None:
    gateway = start()
    gateway.switch(tws_sim.Scenario.from_toml('[data.price_shift]\nES = "2%"'))
    async with reader_of(gateway) as reader:
        read = await found(reader, ES)
        quote = (await reader.quotes(read.values()))[ES.contract]
        bars = (await reader.daily_bars(read.values(), sessions=5))[ES.contract].bars
    assert quote.last == Decimal("6946.25")  # 6810 × 1.02 = 6946.2, on the tick
    assert bars[-1].close == Decimal(6810)


async def test_a_currency_without_a_name_is_not_asked_for(start: Start) -> None:
    async with reader_of(start()) as reader:
        fx = await reader.fx_rates([Currency(""), EUR], base=USD)
        nothing = await reader.fx_rates([EUR], base=Currency(""))
    assert set(fx.rates) == {EUR}
    assert nothing.rates == {}
    assert nothing.missing == {EUR: "the base currency is unknown"}
