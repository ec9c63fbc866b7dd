"""What holds for every book, whatever was ordered and however the clock was moved."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from unit.tws_sim.sim_market import MONDAY_EVENING, TUESDAY_CLOSE, account, holding, write_market
from unit.tws_sim.sim_session import CRUDE, Wire, gateway_of, order_message

STOXX = ("", "ESTX50", "FUT", "202512", "", "", "10", "EUREX", "", "EUR", "", "")
END = TUESDAY_CLOSE + timedelta(hours=3)
SCENARIO = "[orders]\npartial_fills = { CL = 3 }\n[connection]\nmessages_per_second = 0"

CRUDE_ORDERS = st.builds(
    lambda action, quantity, kind, limit, aux, tif: {
        "action": action,
        "quantity": str(quantity),
        "kind": kind,
        "limit": f"{limit / 100:.2f}",
        "aux": f"{aux / 100:.2f}",
        "tif": tif,
        "contract": CRUDE,
    },
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 9),
    st.sampled_from(["LMT", "MKT", "STP", "STP LMT", "MIT", "MOC"]),
    st.integers(5780, 5980),
    st.integers(5780, 5980),
    st.sampled_from(["DAY", "GTC"]),
)
INDEX_ORDERS = st.builds(
    lambda action, quantity, limit: {
        "action": action,
        "quantity": str(quantity),
        "limit": str(limit),
        "contract": STOXX,
    },
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 9),
    st.integers(5630, 5720),
)
ORDERS = st.lists(st.one_of(CRUDE_ORDERS, INDEX_ORDERS), min_size=1, max_size=6)
STEPS = st.lists(st.integers(1, 60 * 27), max_size=6)


@cache
def market() -> tws_sim.Market:
    with TemporaryDirectory() as folder:
        return tws_sim.Market.from_folder(write_market(Path(folder)))


def played(orders: list[dict[str, object]], steps: list[int]) -> Gateway:
    """Place the orders on Monday evening, then move the clock to Tuesday night in steps."""
    start = account(holding("CL", "202601", 4, "59.00"))
    gateway = gateway_of(market(), start, tws_sim.FrozenClock(MONDAY_EVENING), SCENARIO)
    wire = Wire(gateway)
    wire.start()
    for number, order in enumerate(orders, 1):
        wire.receive(order_message(number, **order))  # type: ignore[arg-type]  # of its keywords
    for minutes in [*sorted(steps), None]:
        advance(gateway, END if minutes is None else MONDAY_EVENING + timedelta(minutes=minutes))
    return gateway


def advance(gateway: Gateway, when: datetime) -> None:
    if when > gateway.now:
        gateway.clock.advance_to(when)
        gateway.tick()


@settings(max_examples=40, deadline=None)
@given(ORDERS)
def test_every_execution_is_in_an_order_a_position_and_the_money(
    orders: list[dict[str, object]],
) -> None:
    gateway = played(orders, [])
    executions = gateway.exchange.executions

    for order in gateway.exchange.orders.values():
        own = [each for each in executions if each.perm_id == order.perm_id]
        assert order.filled == sum(each.quantity for each in own)
        assert order.filled + order.remaining == order.ticket.quantity
        assert order.is_working == (order.perm_id in gateway.exchange.working)
        assert not order.is_working or order.ticket.tif == "GTC"
        assert [each.cumulative for each in own] == sorted(each.cumulative for each in own)
        limit = order.ticket.limit_price
        if order.ticket.order_type in {"LMT", "STP LMT"} and limit is not None:
            assert all(each.action.sign * (limit - each.price) >= 0 for each in own)
    for root, month, before in (("CL", "202601", 4), ("FESX", "202512", 0)):
        item = gateway.directory.by_root(root, month)
        assert item is not None
        traded = sum(
            each.action.sign * each.quantity for each in executions if each.instrument == item
        )
        assert gateway.account.quantity(item.con_id) == before + traded
    assert [each.at for each in executions] == sorted(each.at for each in executions)
    assert len({each.exec_id for each in executions}) == len(executions)


@settings(max_examples=40, deadline=None)
@given(ORDERS)
def test_wealth_changes_by_the_prices_moves_and_the_commissions_alone(
    orders: list[dict[str, object]],
) -> None:
    gateway = played(orders, [])
    euros = Decimal("1.16110")
    expected = Decimal(1_000_000) + 50_000 * euros
    # Four contracts from Monday's close, then each trade to Tuesday's.
    expected += 4 * (Decimal("58.64") - Decimal("59.32")) * 1000
    for each in gateway.exchange.executions:
        is_crude = each.instrument.symbol == "CL"
        close, value = (Decimal("58.64"), 1000) if is_crude else (Decimal(5686), 10 * euros)
        result = each.action.sign * each.quantity * (close - each.price) * value
        expected += result - each.commission * (1 if is_crude else euros)

    assert abs(gateway.value.totals().net_liquidation - expected) < Decimal("0.05")


@settings(max_examples=25, deadline=None)
@given(ORDERS, STEPS)
def test_the_book_does_not_depend_on_how_often_one_looks(
    orders: list[dict[str, object]], steps: list[int]
) -> None:
    jumped, stepped = played(orders, []), played(orders, steps)

    def book(gateway: Gateway) -> list[object]:
        return [
            (each.order_id, each.status, each.filled, each.average_price)
            for each in gateway.exchange.orders.values()
        ]

    assert book(jumped) == book(stepped)
    assert jumped.account.cash == stepped.account.cash
