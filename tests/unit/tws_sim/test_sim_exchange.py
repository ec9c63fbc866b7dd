from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.contracts import Listing
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.orders import Order, Status
from unit.tws_sim.conftest import MakeGateway
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_CLOSE, TUESDAY_OPEN, holding
from unit.tws_sim.sim_session import Wire, errors_of, order_message

THIRD = (TUESDAY_CLOSE - TUESDAY_OPEN) / 3
DAY = timedelta(days=1)


def placed(gateway: Gateway, *messages: bytes) -> list[Order]:
    wire = Wire(gateway)
    wire.start()
    for message in messages:
        wire.receive(message)
    return list(gateway.exchange.orders.values())


def advance(gateway: Gateway, when: object) -> None:
    gateway.clock.advance_to(when)  # type: ignore[arg-type]  # frozen clocks take datetimes
    gateway.tick()


def test_a_resting_order_trades_at_its_limit_when_the_price_comes_and_not_before(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway()
    (order,) = placed(gateway, order_message(1, limit="58.50"))

    # From 59.30 up to 59.50 in the first third, in the second down to the low of 58.10.
    advance(gateway, TUESDAY_OPEN + THIRD)
    early = order.status
    advance(gateway, TUESDAY_OPEN + 2 * THIRD)

    assert early is Status.SUBMITTED
    assert order.status is Status.FILLED
    assert order.average_price == Decimal("58.50")
    at = gateway.exchange.executions[0].at
    # The ask is a tick above the price: 58.49 comes after 1.01 of the 1.40 it falls.
    assert abs(at - (TUESDAY_OPEN + THIRD + THIRD * 101 / 140)) < timedelta(minutes=5)


def test_an_order_better_than_the_market_is_filled_at_the_market(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway()
    (order,) = placed(gateway, order_message(1, limit="60.00"))

    assert order.status is Status.FILLED
    assert order.average_price == Decimal("59.31")


def test_one_jump_over_many_sessions_is_the_same_as_many_small_steps(
    make_gateway: MakeGateway,
) -> None:
    messages = [
        order_message(1, limit="58.50", tif="GTC"),
        order_message(2, action="SELL", limit="59.45", tif="GTC"),
        order_message(3, kind="STP", action="SELL", aux="58.30"),
        order_message(4, kind="MOC"),
        order_message(5, limit="40"),
    ]
    jump, steps = make_gateway(at=MONDAY_EVENING), make_gateway(at=MONDAY_EVENING)
    for gateway in (jump, steps):
        placed(gateway, *messages)

    advance(jump, TUESDAY_CLOSE + DAY)
    when = MONDAY_EVENING
    while when < TUESDAY_CLOSE + DAY:
        when = min(when + timedelta(minutes=37), TUESDAY_CLOSE + DAY)
        advance(steps, when)

    def book(gateway: Gateway) -> list[tuple[int, str, Decimal]]:
        return [
            (each.order_id, each.status.value, each.average_price)
            for each in gateway.exchange.orders.values()
        ]

    assert book(jump) == book(steps)
    assert jump.account.cash == steps.account.cash
    assert [each.order_id for each in jump.exchange.executions] == [
        each.order_id for each in steps.exchange.executions
    ]


@pytest.mark.parametrize(
    ("tif", "status", "filled"), [("IOC", "Cancelled", 2), ("FOK", "Cancelled", 0)]
)
def test_ioc_takes_what_is_there_and_fok_all_or_nothing(
    make_gateway: MakeGateway, tif: str, status: str, filled: int
) -> None:
    gateway = make_gateway(scenario="[orders]\npartial_fills = { CL = 2 }")

    (order,) = placed(gateway, order_message(1, quantity="5", limit="60", tif=tif))

    assert order.status.value == status
    assert order.filled == filled


def test_a_good_till_date_order_ends_at_its_date(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    (order,) = placed(
        gateway, order_message(1, limit="40", tif="GTD", good_till="20251203-12:00:00")
    )

    advance(gateway, TUESDAY_CLOSE + timedelta(hours=13))
    before = order.status
    advance(gateway, TUESDAY_CLOSE + timedelta(hours=15))

    assert before.is_final is False
    assert order.status is Status.CANCELLED


def test_a_position_that_reaches_its_last_day_is_settled_in_cash_and_gone(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(holding("ES", "202512", 2, "6500"))

    # The last close known is Tuesday's 6830; the contract ends on 19 December.
    advance(gateway, TUESDAY_CLOSE + 20 * DAY)

    assert gateway.account.held() == []
    assert gateway.account.cash["USD"] == 1_000_000 + 2 * (6830 - 6812) * 50


def test_orders_of_an_ended_contract_are_cancelled(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    (order,) = placed(gateway, order_message(1, limit="30", tif="GTC"))

    advance(gateway, TUESDAY_CLOSE + 25 * DAY)

    assert order.status is Status.CANCELLED


def test_turning_a_position_over_realizes_the_old_one_and_opens_the_new(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(holding("CL", "202601", 2, "58.00"))
    placed(gateway, order_message(1, action="SELL", quantity="5", kind="MKT"))

    (position,) = gateway.account.held()
    (execution,) = gateway.exchange.executions

    assert position.quantity == -3
    assert position.average_price == Decimal("59.30")
    # Two from 58.00 to 59.30, less the commission of five.
    assert execution.realized == Decimal("2600.00") - 5 * Decimal("2.37")


def test_a_parent_of_many_fills_keeps_the_average_price_exact(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(scenario="[orders]\npartial_fills = { CL = 1 }")
    (order,) = placed(gateway, order_message(1, quantity="3", kind="MKT"))
    advance(gateway, TUESDAY_OPEN + timedelta(hours=2))

    prices = [each.price for each in gateway.exchange.executions]
    assert len(prices) == 3
    assert order.average_price * 3 == sum(prices)


def test_held_orders_of_many_markets_open_in_the_order_of_time(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(at=MONDAY_EVENING)
    corn = ("", "ZC", "FUT", "202603", "", "", "", "CBOT", "", "USD", "", "")
    stoxx = ("", "ESTX50", "FUT", "202512", "", "", "10", "EUREX", "", "EUR", "", "")
    placed(
        gateway,
        order_message(1, kind="MKT", contract=stoxx),
        order_message(2, kind="MKT", contract=corn),
        order_message(3, kind="MKT"),
    )

    advance(gateway, MONDAY_EVENING + timedelta(hours=6))

    executions = gateway.exchange.executions
    # Globex at 17:00 in Chicago, grains at 19:00, Eurex at 01:10 in Frankfurt.
    assert [each.order_id for each in executions] == [3, 1, 2]
    assert [each.at.strftime("%H:%M") for each in executions] == ["23:00", "00:10", "01:00"]


def test_a_price_jump_by_scenario_fills_what_was_resting(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    (order,) = placed(gateway, order_message(1, limit="57.00"))
    gateway.switch(tws_sim.Scenario.from_toml('[data]\nprice_shift = { CL = "-5%" }'))

    advance(gateway, TUESDAY_OPEN + timedelta(minutes=1))

    assert order.status is Status.FILLED
    assert order.average_price < Decimal("57.00")


def test_margin_follows_the_position_in_the_accounts_currency(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(holding("FESX", "202512", -2, "5600"))

    totals = gateway.value.totals()

    # 2,637.07 euros each, at 1.1611 dollars.
    assert totals.initial_margin == 2 * Decimal("2637.07") * Decimal("1.1611")
    assert totals.maintenance_margin < totals.initial_margin


def test_an_order_in_a_currency_without_rate_is_refused(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()
    gilt = gateway.directory.by_root("LFT", "202512")
    assert isinstance(gilt, Listing)
    gateway.value.rate = lambda currency: None if currency == "GBP" else Decimal(1)  # type: ignore[method-assign]  # a market without sterling
    footsie = ("", "Z", "FUT", "202512", "", "", "", "ICEEU", "", "GBP", "", "")

    found = errors_of(wire.receive(order_message(1, kind="MKT", contract=footsie)))

    assert [code for _, code, _ in found] == [201]
    assert "no rate from GBP" in found[0][2]


def test_a_starting_position_is_given_in_the_units_of_the_market_files(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(holding("HG", "202603", 1, "520.00"))

    (position,) = gateway.account.held()

    # 520 cents a pound are 5.20 dollars, for 25,000 pounds.
    assert position.average_price == Decimal("5.20")
    assert position.average_cost == 130_000


def test_an_order_good_after_a_time_waits_for_it(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    (order,) = placed(gateway, order_message(1, kind="MKT", good_after="20251202-03:00:00"))

    advance(gateway, TUESDAY_OPEN + timedelta(hours=3))
    before = order.status
    advance(gateway, TUESDAY_OPEN + timedelta(hours=5))

    (execution,) = gateway.exchange.executions
    assert before is Status.PRE_SUBMITTED
    assert execution.at.strftime("%d %H:%M") == "02 03:00"
