"""What fills cost: the desk's rules, the model's own, and Zipline's default."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from zipline import api
from zipline.finance.commission import PerContract
from zipline.finance.slippage import FixedSlippage, NoSlippage

from afterclose.adapters.zipline.engine import Simulation
from afterclose.domain.runs import CommissionRule, FeePer, SlippageName, SlippageRule
from afterclose.errors import ModelError
from integration.zipline.in_process import request_of, run_in_process, strategy_of
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

FIRST, LAST = date(2019, 7, 1), date(2019, 7, 8)
ROOTS = (SmallRoot(root="ES", price=3000.0, point_value=1.0), SmallRoot(root="LFT", price=70.0))


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return MemoryStore(data=small_market(ROOTS, first=date(2019, 1, 2), last=LAST))


def buys(symbol: str = "ESU19", *, amount: int = 22, own_costs: bool = True) -> dict[str, Any]:
    """Buys once, on the first evening."""

    def initialize(context: Any) -> None:
        context.done = False
        if own_costs:
            api.set_commission(us_futures=PerContract(cost=0.85, exchange_fee=1.5))
            api.set_slippage(us_futures=NoSlippage())

    def handle_data(context: Any, _data: Any) -> None:
        if not context.done:
            api.order(context.asset_finder.lookup_future_symbol(symbol), amount)
            context.done = True

    return {"initialize": initialize, "handle_data": handle_data}


def run(store: MemoryStore, functions: dict[str, Any], **rules: Any) -> Simulation:
    request = replace(request_of(first=FIRST, last=LAST), **rules)
    return run_in_process(store, request, strategy_of(**functions))


def cost(simulation: Simulation) -> float:
    orders: dict[str, float] = {
        order["id"]: order["commission"]
        for rows in simulation.performance["orders"]
        for order in rows
    }
    return sum(orders.values())


def test_zipline_takes_the_fee_once_per_order(store: MemoryStore) -> None:
    assert cost(run(store, buys())) == pytest.approx(22 * 0.85 + 1.50)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CommissionRule(per_contract=0.85, exchange_fee=1.5), 51.70),
        (CommissionRule(per_contract=0.85, exchange_fee=1.5, fee_per=FeePer.ORDER), 20.20),
        (CommissionRule(per_contract=0.85, by_root={"ES": 2.0}), 44.0),
        (CommissionRule(per_contract=0.85, exchange_fee=1.0, by_root={"LFT": 2.0}), 40.70),
    ],
)
def test_the_desks_commission_takes_the_place_of_the_models(
    store: MemoryStore, rule: CommissionRule, expected: float
) -> None:
    assert cost(run(store, buys(), commission=rule)) == pytest.approx(expected)


def test_a_root_without_a_fee_of_ziplines_stops_the_run_and_says_what_to_set(
    store: MemoryStore,
) -> None:
    with pytest.raises(ModelError, match="no exchange fee for LFT") as caught:
        run(store, buys("LFTU19", own_costs=False))

    assert "set_commission" in caught.value.hint
    assert "[engine.commission]" in caught.value.hint


def test_ziplines_default_stays_where_it_knows_the_fee(store: MemoryStore) -> None:
    assert cost(run(store, buys(amount=10, own_costs=False))) == pytest.approx(10 * 0.85 + 1.18)


def test_the_desks_commission_helps_a_model_that_sets_none(store: MemoryStore) -> None:
    rule = CommissionRule(per_contract=1.0)

    assert cost(run(store, buys("LFTU19", own_costs=False), commission=rule)) == 22.0


@pytest.mark.parametrize(
    ("rule", "fills", "away"),
    [
        (SlippageRule(model=SlippageName.NONE), [30], 0.0),
        (SlippageRule(model=SlippageName.FIXED, spread=0.5), [30], 0.25),
        (
            SlippageRule(model=SlippageName.BASIS_POINTS, basis_points=10.0, volume_limit=0.0005),
            [9, 9, 9, 3],
            None,
        ),
        (SlippageRule(model=SlippageName.VOLUME, volume_limit=0.0005), [9, 9, 9, 3], None),
        (SlippageRule(model=SlippageName.VOLATILITY, volume_limit=0.0005), [9, 9, 9, 3], None),
    ],
    ids=lambda value: value.model.value if isinstance(value, SlippageRule) else None,
)
def test_every_slippage_model_of_zipline_can_be_chosen(
    store: MemoryStore, rule: SlippageRule, fills: list[int], away: float | None
) -> None:
    def expensive(context: Any) -> None:
        buys()["initialize"](context)
        api.set_slippage(us_futures=FixedSlippage(spread=100.0))

    functions = {**buys(amount=30), "initialize": expensive}
    made = run(store, functions, slippage=rule).tables.fills

    bars = store.bars("ESU19")
    day = [d.item() for d in bars.sessions].index(date(2019, 7, 2))
    assert made["amount"].tolist() == fills
    if away is not None:
        assert made["price"].iloc[0] == pytest.approx(bars.close[day] + away)
