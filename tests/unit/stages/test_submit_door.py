"""The door: limits of last resort and the price guard, by numbers typed by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.market import AnswerState, FxRate, FxRates, Quote
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.domain.placing import Repricing
from afterclose.domain.sending import PriceGuard, SendLimits
from afterclose.stages.submit.door import Departure, Door, departures, needs_quote
from make import EUR, SESSION, USD, make_exit, make_mapped, make_order, make_qualified, make_quote

D = Decimal
#: Two E-minis at 6000 are worth 600,000 dollars: 2 × 6000 × 50.
BUY = make_order(signed=2)
OTHER = make_order("ZNZ26", signed=1, limit_price=D(110))


def leave(
    *orders: BasketOrder, quotes: dict[str, Quote] | None = None, **facts: Any
) -> tuple[Departure, ...]:
    defaults: dict[str, Any] = {
        "rates": FxRates(base=USD),
        "closes": {o.contract: o.limit_price for o in orders},
    }
    return departures(
        Door(**{**defaults, **facts}),
        orders,
        {o.contract: make_qualified(o.contract.symbol) for o in orders},
        {o.contract: quotes[o.contract.symbol] for o in orders} if quotes else {},
    )


def reasons(*orders: BasketOrder, **facts: Any) -> list[str]:
    return [d.reason for d in leave(*orders, **facts)]


def limited(**limits: Any) -> SendLimits:
    return SendLimits(**limits)


def test_without_limits_everything_goes() -> None:
    assert reasons(BUY, OTHER) == ["", ""]


@pytest.mark.parametrize(
    ("limits", "goes"),
    [
        ({"quantity_per_order": 2}, True),
        ({"quantity_per_order": 1}, False),
        ({"notional_per_order": D(600_000)}, True),
        ({"notional_per_order": D(599_999)}, False),
        ({"notional_per_root": D(600_000)}, True),
        ({"notional_per_root": D(599_999)}, False),
        ({"notional_total": D(600_000)}, True),
        ({"notional_total": D(599_999)}, False),
        ({"orders_per_evening": 1}, True),
    ],
)
def test_each_limit_holds_back_what_is_beyond_it(limits: dict[str, Any], *, goes: bool) -> None:
    (found,) = leave(BUY, limits=limited(**limits))

    assert found.goes is goes
    assert goes or f"limits.{next(iter(limits))}" in found.reason


def test_the_evenings_number_of_orders_counts_those_that_went_before() -> None:
    earlier = make_order("CLF27")
    said = reasons(BUY, OTHER, limits=limited(orders_per_evening=2), gone=[(earlier, None)])

    assert said[0] == ""
    assert "orders_per_evening" in said[1]


def test_a_root_and_the_whole_evening_are_summed_over_orders() -> None:
    again = make_order("ESH27", signed=2)

    assert (
        "notional_per_root"
        in reasons(BUY, again, limits=limited(notional_per_root=D(1_199_999)))[1]
    )
    assert reasons(BUY, again, limits=limited(notional_per_root=D(1_200_000))) == ["", ""]
    # One note at 110 counts 110 × 50 = 5,500 here.
    assert reasons(BUY, OTHER, limits=limited(notional_total=D(605_500))) == ["", ""]
    assert "notional_total" in reasons(BUY, OTHER, limits=limited(notional_total=D(605_499)))[1]


def test_what_is_held_back_uses_up_nothing() -> None:
    large = make_order("CLF27", signed=9)
    said = reasons(large, BUY, limits=limited(quantity_per_order=2, orders_per_evening=1))

    assert "quantity_per_order" in said[0]
    assert said[1] == ""


def test_values_are_counted_in_the_base_currency() -> None:
    euro = make_order(mapped=make_mapped(currency=EUR), signed=2)
    rates = FxRates(
        base=USD, rates={EUR: FxRate(currency=EUR, rate=D("1.25"), as_of=SESSION, source="t")}
    )

    assert reasons(euro, rates=rates, limits=limited(notional_per_order=D(750_000))) == [""]
    assert "750,000" in reasons(euro, rates=rates, limits=limited(notional_per_order=D(749_999)))[0]


def test_without_a_rate_an_opening_stays_and_a_closing_goes() -> None:
    mapped = make_mapped(currency=EUR)
    opening, closing = make_order(mapped=mapped), make_exit(mapped=mapped)
    few = limited(notional_total=D(1))

    assert "not known" in reasons(opening, limits=few)[0]
    assert reasons(closing, limits=few) == [""]


@pytest.mark.parametrize(
    ("limit", "goes"), [("6300", True), ("6300.25", False), ("5700", True), ("5699.75", False)]
)
def test_the_band_is_a_share_of_the_last_close_to_either_side(limit: str, *, goes: bool) -> None:
    order = make_order(limit_price=D(limit))
    closes = {order.contract: D(6000)}
    (found,) = leave(order, closes=closes, limits=limited(price_band=D("0.05")))

    assert found.goes is goes


def test_without_a_close_an_opening_stays_and_a_closing_goes() -> None:
    band = limited(price_band=D("0.05"))

    assert "no close" in reasons(BUY, closes={}, limits=band)[0]
    assert reasons(make_exit(), closes={}, limits=band) == [""]


def test_a_negative_price_has_a_band_like_any_other() -> None:
    order = make_order(limit_price=D("-37.75"))
    band = limited(price_band=D("0.01"))

    assert reasons(order, closes={order.contract: D("-37.75")}, limits=band) == [""]
    assert reasons(order, closes={order.contract: D("-37.25")}, limits=band) != [""]


GUARD = PriceGuard(max_drift=D("0.01"))


@pytest.mark.parametrize(
    ("live", "goes"), [(6060, True), ("6060.25", False), (5940, True), ("5939.75", False)]
)
def test_the_guard_keeps_a_limit_that_the_market_left(live: Any, *, goes: bool) -> None:
    (found,) = leave(BUY, guard=GUARD, quotes={"ESZ26": make_quote(live)})

    assert found.goes is goes


def test_an_unknown_market_keeps_an_order_unless_the_desk_says_otherwise() -> None:
    silent = {"ESZ26": Quote(state=AnswerState.UNKNOWN, text="no permission")}
    lenient = PriceGuard(max_drift=D("0.01"), send_without_quote=True)

    assert "no permission" in reasons(BUY, guard=GUARD, quotes=silent)[0]
    assert "not known" in reasons(BUY, guard=GUARD)[0]
    assert reasons(BUY, guard=lenient, quotes=silent) == [""]


def test_closing_orders_are_exempt_from_the_guard_unless_it_is_set() -> None:
    strict = PriceGuard(max_drift=D("0.01"), guard_exits=True)
    away = {"ESZ26": make_quote(5000)}

    assert reasons(make_exit(), guard=GUARD, quotes=away) == [""]
    assert reasons(make_exit(), guard=strict, quotes=away) != [""]


def test_a_roll_does_not_open_when_its_closing_leg_stayed() -> None:
    close = make_order("ESZ26", -9, kind=TradeKind.ROLL_CLOSE)
    opens = make_order("ESH27", 1, kind=TradeKind.ROLL_OPEN, roll_pair=close.order_ref)
    said = reasons(close, opens, limits=limited(quantity_per_order=5))

    assert "quantity_per_order" in said[0]
    assert close.order_ref in said[1]


def test_a_contract_that_no_longer_qualifies_stays_with_the_reason_given() -> None:
    door = Door(held_back={BUY.order_ref: "it is contract 2 now"})

    assert departures(door, [BUY], {}, {})[0].reason == "it is contract 2 now"
    assert "does not know" in departures(Door(), [BUY], {}, {})[0].reason


def test_all_limits_of_an_empty_section_are_unset() -> None:
    assert len(SendLimits().unset()) == 6
    assert "price_band" not in SendLimits(price_band=D("0.1")).unset()


AT_MARKET = make_order(signed=2, order_type="MKT", limit_price=D(6000))
MARKET_EXIT = make_exit(order_type="MKT")


def test_an_order_at_the_market_is_worth_what_the_market_says_else_its_close() -> None:
    limits = limited(notional_per_order=D(610_000))
    dear = {"ESZ26": make_quote(last=D(6200))}

    assert "worth 620,000" in reasons(AT_MARKET, limits=limits, quotes=dear)[0]
    assert reasons(AT_MARKET, limits=limits, quotes={"ESZ26": make_quote(last=D(6050))}) == [""]
    contract = AT_MARKET.contract
    assert "worth 620,000" in reasons(AT_MARKET, limits=limits, closes={contract: D(6200)})[0]


def test_the_band_holds_for_an_order_at_the_market_by_the_market_itself() -> None:
    limits = limited(price_band=D("0.02"))
    far, near = {"ESZ26": make_quote(last=D(6200))}, {"ESZ26": make_quote(last=D(6100))}

    assert "market 6200" in reasons(AT_MARKET, limits=limits, quotes=far)[0]
    assert reasons(AT_MARKET, limits=limits, quotes=near) == [""]
    assert "its market is not known" in reasons(AT_MARKET, limits=limits)[0]
    assert reasons(MARKET_EXIT, limits=limits) == [""]


def test_a_limit_that_may_be_worked_is_judged_by_the_worst_it_can_become() -> None:
    """Three steps of four ticks of a quarter: 6000 may become 6003."""
    worked = make_order(signed=2, repricing=Repricing(ticks=4, times=3, every_s=60))
    assert worked.price_bound == D(6003)
    held = reasons(
        worked, closes={worked.contract: D(5945)}, limits=limited(price_band=D("0.0095"))
    )

    assert "limit 6003" in held[0]
    assert "worth 600,300" in reasons(worked, limits=limited(notional_per_order=D(600_000)))[0]
    sale = make_order(signed=-2, repricing=Repricing(ticks=4, times=3, every_s=60))
    assert sale.price_bound == D(5997)


def test_a_market_is_asked_for_where_any_check_needs_it() -> None:
    assert not needs_quote(Door(), BUY)
    assert not needs_quote(Door(limits=limited(price_band=D("0.02"))), BUY)
    assert needs_quote(Door(limits=limited(price_band=D("0.02"))), AT_MARKET)
    assert needs_quote(Door(limits=limited(notional_total=D(1))), AT_MARKET)
    assert needs_quote(Door(guard=PriceGuard(max_drift=D("0.05"))), BUY)
