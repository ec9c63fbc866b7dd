"""Between the domain's values and ib_async's objects."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async.contract import Contract, ContractDetails
from ib_async.objects import BarData, CommissionReport, Execution, PriceIncrement
from ib_async.order import Order, OrderState
from ib_async.util import UNSET_DOUBLE

from afterclose.adapters.ibkr import convert
from afterclose.adapters.ibkr.rows import ExecutionRow, OpenOrderRow, PositionRow, StatusRow
from afterclose.adapters.ibkr.written_order import ib_order
from afterclose.domain.contracts import ContractMonth, PriceStep, QualifiedContract
from afterclose.domain.orders import Action
from afterclose.errors import ContractError
from unit.ibkr.ibkr_values import CL, ES, EVENING, FDAX, QUALIFIED_ES, SI, ZC, mapped, order


def details(**facts: Any) -> ContractDetails:
    named = {
        "conId": 1,
        "symbol": "ES",
        "exchange": "CME",
        "currency": "USD",
        "tradingClass": "ES",
        "multiplier": "50",
        "lastTradeDateOrContractMonth": "20251219",
        "localSymbol": "ESZ5",
    }
    contract = Contract(**{k: facts.pop(k, v) for k, v in named.items()})
    defaults: dict[str, Any] = {
        "contract": contract,
        "minTick": 0.25,
        "priceMagnifier": 1,
        "contractMonth": "202512",
        "timeZoneId": "US/Central",
    }
    return ContractDetails(**{**defaults, **facts})


# Prices on the way out


@pytest.mark.parametrize(
    ("price", "on_the_wire"),
    [
        ("6800.25", "6800.25"),
        ("0.0067005", "0.0067005"),
        ("112.015625", "112.015625"),
        ("-37.63", "-37.63"),
        ("0.0001", "0.0001"),
        ("23720", "23720.0"),
    ],
)
def test_a_limit_goes_out_exactly_as_it_was_computed(price: str, on_the_wire: str) -> None:
    assert str(convert.wire_price(Decimal(price))) == on_the_wire


@pytest.mark.parametrize("price", ["0.00001", "0.1000000000000000055", "NaN", "Infinity"])
def test_a_limit_that_a_float_cannot_carry_is_refused(price: str) -> None:
    with pytest.raises(ContractError, match="cannot be sent exactly"):
        convert.wire_price(Decimal(price))


@given(st.integers(-(10**9), 10**9), st.sampled_from(["0.25", "0.01", "0.0000005", "0.015625"]))
def test_any_price_on_a_tick_is_sent_exactly_or_refused(steps: int, tick: str) -> None:
    price = steps * Decimal(tick)
    try:
        carried = convert.wire_price(price)
    except ContractError:
        assert 0 < abs(price) < Decimal("0.0001")
    else:
        assert Decimal(str(carried)) == price


def test_a_limit_order_leaves_nothing_to_the_presets_of_tws() -> None:
    written = ib_order(order(quantity=7, limit_price=Decimal("6800.25")), QUALIFIED_ES, now=EVENING)
    assert written.action == "BUY"
    assert written.totalQuantity == 7
    assert written.orderType == "LMT"
    assert written.lmtPrice == 6800.25
    assert written.tif == "DAY"
    assert written.account == "DU1234567"
    assert written.orderRef == "desk-20251201-TF-ESZ25-O1"
    assert written.transmit is True
    assert written.eTradeOnly is False
    assert written.firmQuoteOnly is False


def test_an_order_at_the_market_carries_no_limit() -> None:
    assert ib_order(order(order_type="MKT"), QUALIFIED_ES, now=EVENING).lmtPrice == UNSET_DOUBLE


def test_order_types_that_the_contract_does_not_list_are_refused() -> None:
    for kind in ("MOC", "ADAPTIVE", "VWAP"):
        with pytest.raises(ContractError, match="does not take"):
            ib_order(order(order_type=kind), QUALIFIED_ES, now=EVENING)
    with pytest.raises(ContractError, match="not supported"):
        ib_order(order(order_type="TRAIL"), QUALIFIED_ES, now=EVENING)


def test_algorithms_work_around_the_limit_where_the_contract_lists_them() -> None:
    adaptive = ib_order(order(order_type="ADAPTIVE"), _taking("ALGO"), now=EVENING)
    assert (adaptive.orderType, adaptive.algoStrategy) == ("LMT", "Adaptive")
    assert [(p.tag, p.value) for p in adaptive.algoParams] == [("adaptivePriority", "Normal")]
    assert ib_order(order(order_type="VWAP"), _taking("ALGO"), now=EVENING).algoStrategy == "Vwap"
    assert ib_order(order(order_type="MOC"), _taking("MOC"), now=EVENING).orderType == "MOC"


def test_an_order_of_the_evening_trades_in_all_hours_and_at_once() -> None:
    written = ib_order(order(), QUALIFIED_ES, now=EVENING)
    assert (written.outsideRth, written.goodAfterTime, written.goodTillDate) == (True, "", "")


def test_a_start_is_written_in_utc_and_left_out_once_it_has_passed() -> None:
    day = order(
        good_after=datetime(2025, 12, 2, 14, 30, tzinfo=UTC),
        good_till=datetime(2025, 12, 2, 22, 0, tzinfo=UTC),
        outside_rth=False,
        tif="GTD",
    )
    written = ib_order(day, QUALIFIED_ES, now=EVENING)
    assert (written.goodAfterTime, written.goodTillDate) == (
        "20251202-14:30:00",
        "20251202-22:00:00",
    )
    assert (written.outsideRth, written.tif) == (False, "GTD")
    late = ib_order(day, QUALIFIED_ES, now=datetime(2025, 12, 2, 14, 30, tzinfo=UTC))
    assert late.goodAfterTime == ""


def test_an_order_for_the_close_is_for_no_other_hours() -> None:
    assert ib_order(order(order_type="MOC"), _taking("MOC"), now=EVENING).outsideRth is False


def _taking(*types: str) -> QualifiedContract:
    read = convert.qualified_contract(ES.contract, details(orderTypes=",".join(types)))
    assert read.order_types == types
    return read


# Contracts


def test_a_contract_is_asked_for_by_its_six_digit_month() -> None:
    asked = convert.contract_query(CL)
    assert asked.lastTradeDateOrContractMonth == "202601"
    assert (asked.secType, asked.symbol, asked.exchange) == ("FUT", "CL", "NYMEX")
    assert (asked.multiplier, asked.tradingClass) == ("", "")
    assert asked.includeExpired is False


def test_an_ambiguous_root_is_asked_for_with_multiplier_and_trading_class() -> None:
    asked = convert.contract_query(FDAX)
    assert (asked.symbol, asked.multiplier, asked.tradingClass) == ("DAX", "25", "FDAX")


def test_a_root_may_ask_by_trading_class_alone() -> None:
    asked = convert.contract_query(mapped("VX", "202512", send_trading_class=True))
    assert (asked.multiplier, asked.tradingClass) == ("", "VX")


def test_the_tick_is_in_the_unit_of_the_price() -> None:
    corn = details(minTick=0.0025, priceMagnifier=100, multiplier="5000", contractMonth="202603")
    read = convert.qualified_contract(ZC.contract, corn)
    assert read.tick_size == Decimal("0.25")
    assert read.point_value == Decimal(50)


def test_the_smallest_tick_is_read_exactly() -> None:
    yen = convert.qualified_contract(ES.contract, details(minTick=5e-07))
    assert yen.tick_size == Decimal("0.0000005")


def test_the_month_of_a_contract_is_not_that_of_its_last_trading_day() -> None:
    crude = details(contractMonth="202601", lastTradeDateOrContractMonth="20251219")
    read = convert.qualified_contract(CL.contract, crude)
    assert read.contract_month == ContractMonth(2026, 1)
    assert read.last_trade_date == date(2025, 12, 19)


@pytest.mark.parametrize("text", ["0", "", "202512", "19 Dec 2025"])
def test_a_last_trading_day_that_cannot_be_read_is_unknown(text: str) -> None:
    read = convert.qualified_contract(ES.contract, details(lastTradeDateOrContractMonth=text))
    assert read.last_trade_date is None


def test_a_contract_fits_by_month_class_and_the_number_of_its_multiplier() -> None:
    def found(**facts: Any) -> QualifiedContract:
        return convert.qualified_contract(
            SI.contract, details(tradingClass="SI", contractMonth="202603", **facts)
        )

    assert convert.fits(SI, found(multiplier="5000.0"))
    assert not convert.fits(SI, found(multiplier="1000"))
    assert not convert.fits(SI, found(multiplier=""))


def test_a_root_without_constant_multiplier_fits_with_any() -> None:
    gas = mapped("GWM", "202512", multiplier="")
    found = convert.qualified_contract(
        gas.contract, details(tradingClass="GWM", multiplier="31000")
    )
    assert convert.fits(gas, found)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("US/Central", "America/Chicago"),
        ("CST", "America/Chicago"),
        ("MET", "Europe/Berlin"),
        ("GB-Eire", "Europe/London"),
        ("Hongkong", "Asia/Hong_Kong"),
        ("Australia/NSW", "Australia/Sydney"),
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("Nowhere/Else", ""),
        ("", ""),
        ("../etc", ""),
    ],
)
def test_zones_get_their_iana_names(name: str, zone: str) -> None:
    assert convert.iana_zone(name) == zone


# Figures


def test_figures_keep_the_digits_that_tws_wrote() -> None:
    assert convert.exact(0.0067005) == Decimal("0.0067005")
    assert convert.exact(-37.63) == Decimal("-37.63")


def test_figures_that_are_not_set_are_none() -> None:
    for unset in (UNSET_DOUBLE, float("nan"), float("inf")):
        assert convert.exact(unset) is None
    assert convert.money("1.7976931348623157E308") is None
    assert convert.money("") is None
    assert convert.money("-12.50") == Decimal("-12.50")


def test_a_fraction_of_a_future_is_an_error() -> None:
    with pytest.raises(ValueError, match="whole"):
        convert.whole(2.5)


def test_a_bar_without_a_price_is_an_error() -> None:
    row = BarData(date="20251201", open=1.0, high=2.0, low=0.5, close=UNSET_DOUBLE)  # type: ignore[arg-type]  # the wire's text
    with pytest.raises(ValueError, match="without prices"):
        convert.daily_bar(row)


def test_an_inverse_rate_has_twelve_significant_digits() -> None:
    assert convert.inverse(Decimal("155.52")) == Decimal("0.00643004115226")


# Orders and fills on the way in


def an_execution(**facts: Any) -> ExecutionRow:
    defaults: dict[str, Any] = {
        "execId": "0000e0d5.1.01.01",
        "time": datetime(2025, 12, 1, 23, 0, tzinfo=UTC),
        "acctNumber": "DU1234567",
        "side": "SLD",
        "shares": 2.0,
        "price": 0.0067005,
        "permId": 77,
        "orderRef": "ref",
        "clientId": 31,
    }
    execution = Execution(**{**defaults, **facts})
    return ExecutionRow(contract=Contract(conId=5, secType="FUT"), execution=execution)


def test_an_execution_becomes_a_fill() -> None:
    commission = CommissionReport(execId="x", commission=4.94, currency="USD")
    read = convert.fill(an_execution(), commission)
    assert (read.action, read.quantity, read.price) == (Action.SELL, 2, Decimal("0.0067005"))
    assert (read.perm_id, read.con_id, read.order_ref) == (77, 5, "ref")
    assert read.client_id == 31
    assert (read.commission, read.commission_currency) == (Decimal("4.94"), "USD")


@pytest.mark.parametrize(
    "broken", [{"side": "???"}, {"shares": 0.5}, {"price": UNSET_DOUBLE}, {"time": "yesterday"}]
)
def test_an_execution_that_cannot_be_read_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|whole"):
        convert.fill(an_execution(**broken), None)


def an_order(**facts: Any) -> OpenOrderRow:
    defaults: dict[str, Any] = {
        "permId": 9,
        "clientId": 4,
        "orderId": 3,
        "action": "SELL",
        "totalQuantity": 5.0,
        "orderType": "LMT",
        "lmtPrice": 58.1,
        "account": "DU1234567",
        "orderRef": "ref",
    }
    return OpenOrderRow(
        order=Order(**{**defaults, **facts}),
        contract=Contract(conId=5, symbol="CL"),
        state=OrderState(status="Submitted"),
    )


def test_an_order_of_the_book_takes_its_quantities_from_its_status() -> None:
    status = StatusRow(
        order_id=3,
        status="PreSubmitted",
        filled=2.0,
        remaining=3.0,
        perm_id=9,
        client_id=4,
        why_held="",
        capped_price=0.0,
    )
    read = convert.broker_order(an_order(), status)
    assert read is not None
    assert (read.status, read.filled, read.remaining) == ("PreSubmitted", 2, 3)
    assert (read.limit_price, read.client_id, read.symbol) == (Decimal("58.1"), 4, "CL")


def test_the_limit_of_a_market_order_is_none_whatever_tws_writes_there() -> None:
    read = convert.broker_order(an_order(orderType="MKT", lmtPrice=0.0), None)
    assert read is not None
    assert read.limit_price is None


def test_a_fraction_of_a_share_is_no_order_of_a_futures_book() -> None:
    assert convert.broker_order(an_order(totalQuantity=0.5), None) is None


def test_a_position_keeps_the_cost_of_a_whole_contract() -> None:
    row = PositionRow(
        account="DU1234567",
        contract=Contract(conId=5, symbol="CL", tradingClass="CL", currency="USD"),
        quantity=-2.0,
        average_cost=59000.0,
    )
    read = convert.position(row, ContractMonth(2026, 1))
    assert (read.quantity, read.average_cost) == (-2, Decimal(59000))


@pytest.mark.parametrize(
    ("rules", "exchanges", "rule"),
    [
        ("67,2001", "QBALGO,CME", 2001),
        ("2001", "CME,QBALGO", 2001),
        ("67,2001", "QBALGO,ICE", None),
        ("", "CME", None),
    ],
)
def test_the_market_rule_is_the_one_of_the_contracts_exchange(
    rules: str, exchanges: str, rule: int | None
) -> None:
    read = convert.qualified_contract(
        ES.contract, details(marketRuleIds=rules, validExchanges=exchanges)
    )

    assert read.market_rule == rule


def test_increments_are_told_in_the_currency_and_read_in_the_unit_of_the_price() -> None:
    corn = [PriceIncrement(lowEdge=0.0, increment=0.0025)]

    assert convert.price_steps(corn, magnifier=100) == (
        PriceStep(low_edge=Decimal(0), increment=Decimal("0.2500")),
    )
