"""The contracts of approved orders, asked for again at the paper gateway just before sending."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.domain.market import FxRates
from afterclose.domain.order_life import lives
from afterclose.domain.orders import BasketOrder
from afterclose.domain.sending import PriceGuard, SendLimits
from afterclose.stages import submit
from integration.ibkr.gateways import reader_of
from integration.sending.evenings import gateway_of, qualify
from make import USD, make_row
from unit.ibkr.ibkr_values import CL, ES, ZC, order
from unit.tws_sim.sim_market import write_market

pytestmark = pytest.mark.anyio

CORN, INDEX, CRUDE = (
    order(ZC, limit_price=Decimal(448)),
    order(ES, limit_price=Decimal(6810)),
    order(CL, limit_price=Decimal("59.32")),
)
#: The number that was approved of the index future is not the one the gateway tells now.
RENUMBERED = 4711


def approved(orders: list[BasketOrder], rows: dict[str, object]) -> submit.Approved:
    return submit.Approved(
        run_id="run",
        orders=orders,
        rows=[make_row(o, qualified=rows[o.order_ref], close=None) for o in orders],
        past={},
        rates=FxRates(base=USD),
        limits=SendLimits(),
        guard=PriceGuard(max_drift=Decimal("0.01")),
    )


async def test_a_contract_that_is_another_one_now_or_none_stays_and_a_far_limit_too(
    tmp_path: Path,
) -> None:
    market = tws_sim.Market.from_folder(write_market(tmp_path / "market"))
    known = await qualify(market)
    shown: dict[str, object] = {o.order_ref: known[o.contract] for o in (CORN, CRUDE)}
    shown[INDEX.order_ref] = replace(known[INDEX.contract], con_id=RENUMBERED)
    far = replace(CORN, order_ref="desk-20251201-MR-ZCH26-O1", limit_price=Decimal(470))
    shown[far.order_ref] = known[CORN.contract]
    orders = [CORN, far, INDEX, CRUDE]
    with gateway_of(market, '[contracts]\nunknown = ["CL"]', seed=0) as gateway:
        async with reader_of(gateway) as reader:
            asked = await submit.request(reader, approved(orders, shown))
            leaving = await submit.rehearse(reader, asked, lives(orders, []))

    reasons = {d.order.order_ref: d.reason for d in leaving}
    assert reasons[CORN.order_ref] == ""
    assert reasons[far.order_ref].endswith("the limit at 470: beyond max_drift")
    told = known[INDEX.contract].con_id
    assert reasons[INDEX.order_ref] == f"it is contract {told} now, {RENUMBERED} was approved"
    assert reasons[CRUDE.order_ref].startswith("the gateway no longer knows it (missing")
