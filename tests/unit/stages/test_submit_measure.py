"""How near an evening is to the door's limits, by numbers typed by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from afterclose.domain.market import AnswerState, FxRates
from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import Repricing
from afterclose.domain.sending import LimitFigure, SendLimits
from afterclose.stages.submit import Caller, Door, measured
from make import EUR, USD, make_mapped, make_order, make_qualified, make_quote

D = Decimal
#: Two E-minis at 6000 are worth 600,000 dollars: 2 × 6000 × 50. 110 × the same 50 is 5,500.
BUY = make_order(signed=2)
SELL = make_order(signed=-1, model="MR")
NOTE = make_order("ZNZ26", signed=1, limit_price=D(110))


def figures(*orders: BasketOrder, quote: Any = None, **facts: Any) -> dict[str, LimitFigure]:
    defaults: dict[str, Any] = {
        "rates": FxRates(base=USD),
        "closes": {o.contract: o.limit_price for o in orders},
    }
    callers = [
        Caller(order=o, qualified=make_qualified(o.contract.symbol), quote=quote) for o in orders
    ]
    return {f.name: f for f in measured(Door(**{**defaults, **facts}), callers)}


def test_every_limit_has_its_figure_whether_it_is_set_or_not() -> None:
    limits = SendLimits(quantity_per_order=1, notional_total=D(1_500_000))
    found = figures(BUY, SELL, NOTE, limits=limits)

    assert {name: (f.most, f.tonight) for name, f in found.items()} == {
        "orders_per_evening": (None, D(3)),
        "quantity_per_order": (D(1), D(2)),
        "notional_per_order": (None, D(600_000)),
        "notional_per_root": (None, D(900_000)),
        "notional_total": (D(1_500_000), D(905_500)),
        "price_band": (None, D(0)),
    }
    assert found["notional_per_root"].of == "ES"
    assert found["notional_per_order"].of == BUY.order_ref
    assert [f.name for f in found.values() if f.exceeded] == ["quantity_per_order"]


def test_what_left_before_counts_for_the_evening_and_not_for_one_order() -> None:
    found = figures(NOTE, gone=[(BUY, None), (NOTE, None)])

    assert found["orders_per_evening"].tonight == D(2)
    assert found["notional_total"].tonight == D(605_500)
    assert found["notional_per_order"].tonight == D(5_500)


def test_a_value_without_a_rate_is_counted_as_unknown_and_not_as_nothing() -> None:
    dax = make_order("FDAXZ26", signed=1, mapped=make_mapped("FDAXZ26", currency=EUR))
    some, none = figures(BUY, dax), figures(dax)

    assert (some["notional_total"].tonight, some["notional_total"].unknown) == (D(600_000), 1)
    assert (none["notional_total"].tonight, none["notional_total"].unknown) == (None, 1)
    assert (none["notional_per_root"].tonight, none["notional_per_root"].unknown) == (None, 1)


def test_the_band_is_measured_at_the_worst_price_an_order_may_go_out_at() -> None:
    worked = make_order(signed=1, repricing=Repricing(ticks=40, times=3, every_s=60))
    market = make_order(signed=1, order_type="MKT")

    # Three times forty ticks of 0.25 above 6000 are 6030: half a per cent.
    assert figures(worked)["price_band"].tonight == D("0.005")
    # At the market it is the market that is measured: 6060 is one per cent from 6000.
    quote = make_quote(last=D(6060), state=AnswerState.VALUE)
    assert figures(market, quote=quote)["price_band"].tonight == D("0.01")
    unknown = figures(market)["price_band"]
    assert (unknown.tonight, unknown.unknown) == (None, 1)
    assert figures(BUY, closes={})["price_band"].unknown == 1


def test_an_evening_without_orders_comes_to_nothing() -> None:
    found = figures()

    assert found["orders_per_evening"].tonight == D(0)
    assert found["notional_total"].tonight == D(0)
    assert found["quantity_per_order"].tonight is None
    assert found["price_band"].unknown == 0
