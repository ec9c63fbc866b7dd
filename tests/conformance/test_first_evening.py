"""What an evening needs, through ib_async as a user would call it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import ib_async
import pytest

from afterclose import tws_sim
from conformance.conftest import Desk, Start
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_CLOSE, TUESDAY_OPEN, account, holding

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


def future(symbol: str, month: str, exchange: str, **more: Any) -> ib_async.Future:
    return ib_async.Future(symbol, month, exchange=exchange, **more)


async def qualified(desk: Desk, contract: ib_async.Contract) -> ib_async.Contract:
    details = await desk.ib.reqContractDetailsAsync(contract)
    assert len(details) == 1
    found = details[0].contract
    assert found is not None
    return found


async def test_connecting_brings_positions_values_and_no_request_times_out(
    start: Start, desk: Desk
) -> None:
    await desk.connect(start())

    positions = desk.ib.positions()
    values = {(each.tag, each.currency): each.value for each in desk.ib.accountValues()}
    assert desk.ib.client.serverVersion() == 178
    assert desk.ib.managedAccounts() == ["DU1234567"]
    assert [(each.contract.localSymbol, each.position) for each in positions] == [("ESZ5", 3)]
    assert positions[0].avgCost == 325_000
    assert values["CashBalance", "EUR"] == "50000.00"
    assert values["CashBalance", "USD"] == "1000000.00"
    # A million, and 50,000 euros at 1.1611.
    assert values["NetLiquidation", "USD"] == "1058055.00"
    assert values["AccountReady", ""] == "true"


async def test_contract_details_tell_unit_month_and_hours(start: Start, desk: Desk) -> None:
    await desk.connect(start())

    corn = (await desk.ib.reqContractDetailsAsync(future("ZC", "202603", "CBOT")))[0]
    crude = (await desk.ib.reqContractDetailsAsync(future("CL", "202601", "NYMEX")))[0]
    yen = (await desk.ib.reqContractDetailsAsync(future("JPY", "202512", "CME")))[0]

    assert corn.contract is not None
    assert crude.contract is not None
    assert yen.contract is not None
    assert (corn.contract.multiplier, corn.priceMagnifier, corn.minTick) == ("5000", 100, 0.0025)
    assert (crude.contractMonth, crude.realExpirationDate) == ("202601", "20251219")
    assert crude.contract.lastTradeDateOrContractMonth == "20251219"
    assert crude.timeZoneId == "US/Eastern"
    assert (yen.contract.multiplier, yen.minTick) == ("12500000", 0.0000005)
    assert yen.tradingHours.startswith("20251130:1700-20251201:1600;20251201:1700-20251202:1600")


async def test_an_ambiguous_contract_lists_all_and_an_unknown_one_answers_200(
    start: Start, desk: Desk
) -> None:
    await desk.connect(start())

    many = await desk.ib.reqContractDetailsAsync(future("DAX", "202512", "EUREX"))
    one = await desk.ib.reqContractDetailsAsync(future("DAX", "202512", "EUREX", multiplier="25"))
    none = await desk.ib.reqContractDetailsAsync(future("DAX", "202511", "EUREX"))
    bars = await desk.ib.reqHistoricalDataAsync(
        future("DAX", "202512", "EUREX"), "", "5 D", "1 day", "TRADES", useRTH=False
    )

    assert sorted(each.contract.tradingClass for each in many if each.contract) == [
        "FDAX",
        "FDXM",
        "FDXS",
    ]
    assert [each.contract.tradingClass for each in one if each.contract] == ["FDAX"]
    assert none == []
    assert len(bars) == 0
    assert desk.codes() == [200, 200]
    assert "ambiguous" in desk.errors[-1][2]


async def test_bars_end_with_the_forming_session_unless_an_end_is_stated(
    start: Start, desk: Desk
) -> None:
    gateway = start(at=TUESDAY_OPEN + (TUESDAY_CLOSE - TUESDAY_OPEN) / 3)
    await desk.connect(gateway)
    contract = await qualified(desk, future("ES", "202512", "CME"))

    forming = await desk.ib.reqHistoricalDataAsync(
        contract, "", "5 D", "1 day", "TRADES", useRTH=False
    )
    ended = await desk.ib.reqHistoricalDataAsync(
        contract, "20251202-06:00:00", "2 D", "1 day", "TRADES", useRTH=False
    )

    days = [each.date for each in forming]
    assert days == [date(2025, 11, 28), date(2025, 12, 1), date(2025, 12, 2)]
    assert (forming[-1].open, forming[-1].close) == (6812, 6800)
    assert [each.date for each in ended] == [date(2025, 11, 28), date(2025, 12, 1)]
    assert (ended[-1].open, ended[-1].high, ended[-1].low, ended[-1].close) == (
        6820,
        6850,
        6800,
        6810,
    )
    assert ended[-1].volume == 100_000


async def test_a_listed_month_without_bars_answers_162(start: Start, desk: Desk) -> None:
    await desk.connect(start())
    contract = await qualified(desk, future("ES", "202606", "CME"))

    bars = await desk.ib.reqHistoricalDataAsync(
        contract, "", "5 D", "1 day", "TRADES", useRTH=False
    )

    assert len(bars) == 0
    assert desk.codes() == [162]
    assert "HMDS query returned no data: ESM6@CME Trades" in desk.errors[-1][2]


async def test_exchange_rates_are_midpoints_of_cash_pairs(start: Start, desk: Desk) -> None:
    await desk.connect(start())
    pair = await qualified(desk, ib_async.Forex("EURUSD"))

    bars = await desk.ib.reqHistoricalDataAsync(
        pair, "20251201-22:15:00", "2 D", "1 day", "MIDPOINT", useRTH=False
    )

    assert [(each.date, each.close) for each in bars] == [
        (date(2025, 11, 28), 1.1598),
        (date(2025, 12, 1), 1.1611),
    ]
    assert bars[-1].volume == -1


async def test_a_snapshot_brings_bid_ask_last_and_yesterdays_close(
    start: Start, desk: Desk
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("ES", "202512", "CME"))

    (ticker,) = await desk.ib.reqTickersAsync(contract)

    assert ticker.marketDataType == 1
    assert ticker.bid < ticker.ask
    assert ticker.ask - ticker.bid in {0.25, 0.5}
    assert ticker.bid <= ticker.last <= ticker.ask
    assert ticker.close == 6810
    assert abs(ticker.last - 6812) < 1


async def test_a_limit_at_the_last_close_waits_for_the_opening_and_fills_there(
    start: Start, desk: Desk
) -> None:
    gateway = start()
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))
    order = ib_async.LimitOrder("BUY", 2, 59.32, tif="DAY", orderRef="desk-1-CL-OPEN-1")

    trade = desk.ib.placeOrder(contract, order)
    await desk.until(lambda: 399 in desk.codes())
    held = gateway.orders()
    await desk.advance(gateway, TUESDAY_OPEN + MINUTE)

    assert [(each.status, each.order_ref) for each in held] == [
        ("PreSubmitted", "desk-1-CL-OPEN-1")
    ]
    assert trade.orderStatus.status == "Filled"
    assert trade.orderStatus.avgFillPrice == 59.31
    assert trade.order.permId == held[0].perm_id
    (fill,) = trade.fills
    assert (fill.execution.side, fill.execution.shares, fill.execution.price) == ("BOT", 2, 59.31)
    assert fill.execution.orderRef == "desk-1-CL-OPEN-1"
    assert (fill.commissionReport.commission, fill.commissionReport.currency) == (4.74, "USD")


async def test_a_limit_rests_until_the_price_comes_to_it(start: Start, desk: Desk) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))

    trade = desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 58.50, tif="DAY"))
    await desk.until(lambda: trade.orderStatus.status == "Submitted")
    await desk.advance(gateway, TUESDAY_CLOSE)

    assert trade.orderStatus.status == "Filled"
    assert trade.fills[0].execution.price == 58.50
    at = gateway.executions()[0].at
    assert TUESDAY_OPEN < at < TUESDAY_CLOSE


async def test_a_day_order_that_finds_no_price_is_cancelled_at_the_close(
    start: Start, desk: Desk
) -> None:
    gateway = start()
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))

    trade = desk.ib.placeOrder(contract, ib_async.LimitOrder("SELL", 1, 70, tif="DAY"))
    await desk.until(lambda: 399 in desk.codes())
    await desk.advance(gateway, TUESDAY_CLOSE + MINUTE)

    completed = await desk.ib.reqCompletedOrdersAsync(apiOnly=False)
    assert trade.orderStatus.status == "Cancelled"
    assert desk.codes() == [399, 202]
    assert await desk.ib.reqAllOpenOrdersAsync() == []
    assert [each.orderStatus.status for each in completed] == ["Cancelled"]


async def test_a_large_order_fills_in_parts_and_reports_them_cumulatively(
    start: Start, desk: Desk
) -> None:
    gateway = start(scenario="[orders]\npartial_fills = { CL = 2 }", at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))

    trade = desk.ib.placeOrder(contract, ib_async.MarketOrder("SELL", 5, tif="DAY"))
    await desk.until(lambda: trade.orderStatus.filled > 0)  # told after the fill itself
    first = (trade.orderStatus.filled, trade.orderStatus.remaining)
    await desk.advance(gateway, TUESDAY_OPEN + 10 * MINUTE)

    assert first == (2, 3)
    assert [each.execution.shares for each in trade.fills] == [2, 2, 1]
    assert [each.execution.cumQty for each in trade.fills] == [2, 4, 5]
    assert trade.orderStatus.status == "Filled"
    assert len({each.execution.execId for each in trade.fills}) == 3


async def test_a_cancelled_order_answers_202_and_a_second_cancel_10148(
    start: Start, desk: Desk
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))
    order = ib_async.LimitOrder("BUY", 1, 40, tif="GTC")
    trade = desk.ib.placeOrder(contract, order)
    await desk.until(lambda: trade.orderStatus.status == "Submitted")

    desk.ib.cancelOrder(order)
    await desk.until(trade.isDone)
    desk.cancel_by_id(order.orderId)
    desk.cancel_by_id(999)
    await desk.until(lambda: 10147 in desk.codes())

    assert trade.orderStatus.status == "Cancelled"
    assert desk.codes() == [202, 10148, 10147]
    assert "state: Cancelled." in desk.errors[-2][2]


async def test_positions_and_cash_follow_a_fill_and_the_settlement(
    start: Start, desk: Desk
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("ES", "202512", "CME"))

    trade = desk.ib.placeOrder(contract, ib_async.MarketOrder("SELL", 1, tif="DAY"))
    await desk.until(lambda: trade.orderStatus.status == "Filled")
    price = trade.fills[0].execution.price
    await desk.until(lambda: trade.fills[0].commissionReport.execId != "")
    realized = trade.fills[0].commissionReport.realizedPNL
    await desk.advance(gateway, TUESDAY_CLOSE + MINUTE)

    values = {(each.tag, each.currency): each.value for each in desk.ib.accountValues()}
    assert [(each.position, each.avgCost) for each in desk.ib.positions()] == [(2, 325_000)]
    assert realized == pytest.approx((price - 6500) * 50 - 2.47)
    # From 6812 at the start: two contracts up to Tuesday's close of 6830, one to its sale at
    # 6811.75, less the commission of 2.47.
    assert price == 6811.75
    assert values["CashBalance", "USD"] == "1001785.03"


async def test_a_what_if_shows_margins_and_leaves_no_order(start: Start, desk: Desk) -> None:
    gateway = start()
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))

    state = await desk.ib.whatIfOrderAsync(
        contract, ib_async.LimitOrder("BUY", 2, 59.32, tif="DAY")
    )

    assert state.status == "PreSubmitted"
    assert (state.initMarginBefore, state.initMarginChange) == ("48180.00", "27807.88")
    assert state.initMarginAfter == "75987.88"
    assert state.maintMarginChange == "25027.09"
    assert gateway.orders() == ()


async def test_executions_come_with_their_commission_after_a_reconnect(
    start: Start, desk: Desk
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))
    trade = desk.ib.placeOrder(contract, ib_async.MarketOrder("BUY", 1, tif="DAY"))
    await desk.until(lambda: trade.orderStatus.status == "Filled")
    used = trade.order.orderId
    desk.ib.disconnect()

    again = Desk()
    await again.connect(gateway)
    fills = again.ib.fills()
    next_id = again.ib.client.getReqId()
    again.ib.disconnect()

    assert [(each.execution.orderId, each.execution.clientId) for each in fills] == [(used, 17)]
    assert fills[0].commissionReport.commission == 2.37
    assert next_id > used


@pytest.mark.parametrize(
    ("scenario", "code", "text"),
    [
        ('[orders]\nreject = { CL = "No trading permission." }', 201, "No trading permission."),
        ("[orders]\nread_only = true", 321, "Read-Only mode"),
        ("[orders]\nsize_limit = 1", 383, "Size Limit"),
        ('[contracts]\nunknown = ["CL"]', 200, "No security definition"),
        ('[contracts]\nambiguous = ["CL"]', 200, "ambiguous"),
        ("[orders]\nprice_limit_percent = 0.001", 163, "percentage constraint"),
    ],
)
async def test_a_refused_order_says_why(
    start: Start, desk: Desk, scenario: str, code: int, text: str
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    gateway.switch(tws_sim.Scenario.from_toml(scenario))
    contract = future("CL", "202601", "NYMEX")

    desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 2, 59.00, tif="DAY"))
    await desk.until(lambda: bool(desk.codes()))

    assert desk.codes()[0] == code
    assert text in desk.errors[-1][2]
    assert gateway.executions() == ()


async def test_an_order_off_the_tick_grid_answers_110_alone(start: Start, desk: Desk) -> None:
    gateway = start()
    await desk.connect(gateway)
    contract = await qualified(desk, future("ZN", "202603", "CBOT"))

    desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 112.01, tif="DAY"))
    await desk.until(lambda: bool(desk.codes()))

    assert desk.codes() == [110]
    assert gateway.orders() == ()


async def test_an_order_without_tif_is_warned_of_and_stays_alive(start: Start, desk: Desk) -> None:
    gateway = start()
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))

    desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 40))
    await desk.until(lambda: 10349 in desk.codes())

    assert [each.status for each in gateway.orders()] == ["PreSubmitted"]
    assert [each.tif for each in gateway.orders()] == ["DAY"]


async def test_close_to_delivery_only_closing_orders_are_taken(start: Start, desk: Desk) -> None:
    gateway = start(holding("CL", "202601", 1, "60.00"))
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))
    await desk.advance(gateway, TUESDAY_OPEN + timedelta(days=16))

    desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 50, tif="DAY"))
    await desk.until(lambda: 201 in desk.codes())
    closing = desk.ib.placeOrder(contract, ib_async.MarketOrder("SELL", 1, tif="DAY"))
    await desk.until(closing.isDone)

    assert "physical delivery" in desk.errors[-1][2]
    assert closing.orderStatus.status == "Filled"


@pytest.mark.parametrize(
    ("scenario", "data_type", "codes"),
    [
        ('[data]\nno_permission = ["ES"]', 1, [354]),
        ('[data]\ndelayed = ["ES"]', 1, [10089]),
        ("[data]\ncompeting_session = true", 1, [10197]),
        ('[data]\ndelayed = ["ES"]', 3, [10167]),
    ],
)
async def test_quotes_that_are_not_subscribed_say_so(
    start: Start, desk: Desk, scenario: str, data_type: int, codes: list[int]
) -> None:
    gateway = start(scenario=scenario)
    await desk.connect(gateway)
    contract = await qualified(desk, future("ES", "202512", "CME"))
    desk.ib.reqMarketDataType(data_type)

    (ticker,) = await desk.ib.reqTickersAsync(contract)

    assert desk.codes() == codes
    assert (ticker.marketDataType == 3) == (data_type == 3)
    assert (ticker.last == 6810) == (data_type == 3)


async def test_a_price_shift_shows_in_quotes_and_forming_bar_and_can_be_switched_off(
    start: Start, desk: Desk
) -> None:
    gateway = start(scenario='[data]\nprice_shift = { ES = "5%" }', at=TUESDAY_OPEN)
    await desk.connect(gateway)
    contract = await qualified(desk, future("ES", "202512", "CME"))

    (ticker,) = await desk.ib.reqTickersAsync(contract)
    shifted = ticker.last
    bars = await desk.ib.reqHistoricalDataAsync(
        contract, "", "2 D", "1 day", "TRADES", useRTH=False
    )
    gateway.switch(None)
    (ticker,) = await desk.ib.reqTickersAsync(contract)

    assert shifted == 7152.5
    assert [each.close for each in bars] == [6810, 7152.5]
    assert ticker.last == 6812


async def test_no_permission_for_history_answers_162(start: Start, desk: Desk) -> None:
    gateway = start(scenario='[data]\nno_permission = ["ES"]\nno_data = ["CL"]')
    await desk.connect(gateway)
    for symbol, month, exchange in (("ES", "202512", "CME"), ("CL", "202601", "NYMEX")):
        contract = await qualified(desk, future(symbol, month, exchange))
        await desk.ib.reqHistoricalDataAsync(contract, "", "2 D", "1 day", "TRADES", useRTH=False)

    assert desk.codes() == [162, 162]
    assert "No market data permissions for CME FUT" in desk.errors[-2][2]
    assert "returned no data: CLF6@NYMEX Trades" in desk.errors[-1][2]


async def test_with_a_running_clock_a_held_order_fills_by_itself(
    market: tws_sim.Market, desk: Desk
) -> None:
    # An hour of the market passes in a second: the opening is half a second away.
    clock = tws_sim.FastClock(MONDAY_EVENING, speed=3600)
    with tws_sim.running(market=market, account=account(), clock=clock) as gateway:
        await desk.connect(gateway)
        contract = await qualified(desk, future("CL", "202601", "NYMEX"))
        trade = desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 59.80, tif="DAY"))
        await desk.until(lambda: trade.orderStatus.status == "Filled")
        desk.ib.disconnect()

    (fill,) = trade.fills
    assert fill.execution.price <= 59.80


@pytest.mark.parametrize(
    "fields",
    [
        {"hedgeType": "D", "hedgeParam": ""},
        {"scaleInitLevelSize": 1, "scaleSubsLevelSize": 1, "scalePriceIncrement": 0.5},
        {"deltaNeutralOrderType": "LMT", "deltaNeutralAuxPrice": 1.0},
        {"algoStrategy": "Twap", "algoParams": [ib_async.TagValue("strategyType", "Marketable")]},
        {"goodAfterTime": "20251202 12:00:00 US/Eastern"},
        {"outsideRth": True, "hidden": True, "displaySize": 1, "minQty": 1},
    ],
)
async def test_orders_with_rarely_used_fields_are_read_to_their_end(
    start: Start, desk: Desk, fields: dict[str, Any]
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)
    contract = await qualified(desk, future("CL", "202601", "NYMEX"))
    order = ib_async.LimitOrder("BUY", 1, 40.0, tif="GTC", orderRef="kept", **fields)

    trade = desk.ib.placeOrder(contract, order)
    await desk.until(lambda: trade.order.permId != 0)

    assert desk.codes() == []
    assert [(each.order_ref, each.order_type) for each in gateway.orders()] == [("kept", "LMT")]


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (ib_async.Contract(secType="BAG", symbol="CL", exchange="NYMEX", currency="USD"), 320),
        (ib_async.Stock("IBM", "SMART", "USD"), 200),
    ],
)
async def test_what_is_not_served_is_refused(
    start: Start, desk: Desk, contract: ib_async.Contract, code: int
) -> None:
    gateway = start(at=TUESDAY_OPEN + MINUTE)
    await desk.connect(gateway)

    desk.ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 40.0, tif="DAY"))
    await desk.until(lambda: bool(desk.codes()))

    assert desk.codes() == [code]
    assert gateway.orders() == ()
