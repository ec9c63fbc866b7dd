"""The margin after the basket, asked of the paper gateway: nothing reaches its market."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.what_if import IbkrMarginPreview, open_margin_preview
from afterclose.adapters.recorded import RecordedReader
from afterclose.domain.audit import AuditReport
from afterclose.domain.findings import Severity
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.ports import MarginPreview
from afterclose.stages import audit, snapshot
from integration.audit.evenings import (
    SESSION,
    TOMORROW,
    Start,
    four_orders,
    mapped,
    order,
    snapshot_of,
)
from integration.ibkr.gateways import GatewayTime, reader_of
from integration.ibkr.hurry import hurried
from unit.ibkr.ibkr_values import ACCOUNT

pytestmark = pytest.mark.anyio
D = Decimal


def preview_of(
    gateway: tws_sim.RunningGateway, *, timeout_s: float = 20.0
) -> AbstractAsyncContextManager[IbkrMarginPreview]:
    return open_margin_preview(
        host=gateway.host,
        port=gateway.port,
        client_id=9,
        account=ACCOUNT,
        timeout_s=timeout_s,
        clock=GatewayTime(gateway),
    )


def audited(
    orders: Sequence[BasketOrder], live: MarketSnapshot, **rules: Decimal | dict[str, Severity]
) -> AuditReport:
    return audit.audit(
        audit.AuditInputs(
            run_id="2025-12-01-margin",
            account=ACCOUNT,
            orders=orders,
            sized={},
            notes={},
            snapshot=live,
            rules=audit.AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW, **rules),  # type: ignore[arg-type]  # limits and severities by name
        )
    )


async def evening(
    gateway: tws_sim.RunningGateway,
    orders: Sequence[BasketOrder],
    open_preview: Callable[[], AbstractAsyncContextManager[MarginPreview]],
) -> MarketSnapshot:
    async with asyncio.timeout(60), reader_of(gateway) as reader:
        live = await snapshot_of(reader, gateway, orders)
        going = audited(orders, live).cleared_orders()
        live = await snapshot.with_margins(live, going, open_preview)
        book = await reader.sweep()
    assert not book.unknown
    assert (book.open_orders, book.completed_orders, book.fills) == ((), (), ())
    return live


async def test_the_basket_is_the_sum_of_its_orders_one_by_one(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start()
    live = await evening(gateway, orders, lambda: preview_of(gateway))
    report = audited(orders, live)
    usd_per_euro = everything.usd_per_unit("EUR", SESSION)
    assert usd_per_euro is not None
    # Margins of one contract, by the gateway's table; two crude are sold, and that is all of it.
    expected = {
        "ES": 2 * D(16060),
        "HG": 3 * D("7669.17"),
        "FESX": 5 * D("2637.07") * usd_per_euro,
        "CL": -2 * D("13903.94"),
    }

    for row in report.rows:
        assert row.margin is not None
        root = row.order.contract.root
        assert row.margin.initial_change is not None
        assert abs(row.margin.initial_change - expected[root]) < D("0.02")
    after = report.margin
    assert after is not None
    assert after.initial_before == live.account.initial_margin
    assert after.initial_after is not None
    opened = expected["ES"] + expected["HG"] + expected["FESX"]
    assert abs(after.initial_after - opened) < D("0.10")
    assert after.maintenance_after is not None
    assert abs(after.maintenance_after - after.initial_after * D("0.9")) < D("0.10")
    assert (after.unknown, after.orders) == ((), 4)


async def test_a_roll_is_counted_as_one_and_sets_nothing_free(
    start: Start, everything: tws_sim.Market
) -> None:
    closes = order(everything, mapped("CL", "202602"), -2, kind=TradeKind.ROLL_CLOSE)
    opens = order(everything, mapped("CL", "202603"), 2, kind=TradeKind.ROLL_OPEN)
    pair = (
        replace(closes, roll_pair=opens.order_ref),
        replace(opens, roll_pair=closes.order_ref),
    )
    gateway = start()
    live = await evening(gateway, pair, lambda: preview_of(gateway))
    after = audited(pair, live).margin

    assert after is not None
    assert after.initial_after == live.account.initial_margin


async def test_a_read_only_api_leaves_the_margin_unknown_and_is_asked_once(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start("[orders]\nread_only = true")
    live = await evening(gateway, orders, lambda: preview_of(gateway))
    report = audited(orders, live)

    assert report.margin is not None
    assert report.margin.initial_after is None
    assert len(report.margin.unknown) == 4
    (unknown,) = [f for f in report.findings if f.code == "AC515"]
    assert "Read-Only" in unknown.message
    assert len(report.cleared_orders()) == 4  # it holds nothing up
    assert {m.code for m in (live.margins or {}).values()} == {321}


async def test_a_gateway_that_does_not_answer_leaves_the_margin_unknown(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start()

    @asynccontextmanager
    async def slow() -> AsyncIterator[IbkrMarginPreview]:
        async with preview_of(gateway) as preview:
            slow_answers = tws_sim.Scenario.from_toml("[connection]\nslow_answers_s = 600")
            await asyncio.to_thread(gateway.switch, slow_answers)
            try:
                async with hurried(gateway):
                    yield preview
            finally:
                await asyncio.to_thread(gateway.switch, tws_sim.Scenario())

    live = await evening(gateway, orders, slow)
    report = audited(orders, live)

    assert "AC515" in {f.code for f in report.findings}
    assert report.margin is not None
    assert "no answer" in report.margin.why


async def test_a_client_number_in_use_is_no_reason_to_lose_the_audit(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start()
    async with preview_of(gateway):
        live = await evening(gateway, orders, lambda: preview_of(gateway))
    report = audited(orders, live)

    assert len(report.cleared_orders()) == 4
    assert report.margin is not None
    assert "in use" in report.margin.why


async def test_an_order_that_tws_would_refuse_says_so_before_it_is_sent(
    start: Start, everything: tws_sim.Market
) -> None:
    orders = four_orders(everything)
    gateway = start('[orders.reject]\nHG = "No trading permission."')
    live = await evening(gateway, orders, lambda: preview_of(gateway))
    report = audited(orders, live)
    refused = {r.order.contract.root for r in report.rows for f in r.findings if f.code == "AC417"}

    assert refused == {"HG"}
    assert {f.code for f in report.findings} >= {"AC515"}


async def test_a_limit_made_blocking_keeps_openings_out_and_lets_the_exit_go(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start()
    live = await evening(gateway, orders, lambda: preview_of(gateway))
    limit = D("0.0001")
    shown = audited(orders, live, max_margin_share=limit)
    held = audited(orders, live, max_margin_share=limit, severities={"AC514": Severity.BLOCK})

    assert "AC514" in {f.code for f in shown.findings}
    assert len(shown.cleared_orders()) == 4
    assert [o.contract.root for o in held.cleared_orders()] == ["CL"]


async def test_a_kept_evening_says_the_same_margins_of_the_same_quantities(
    start: Start, everything: tws_sim.Market
) -> None:
    orders, gateway = four_orders(everything), start()
    live = await evening(gateway, orders, lambda: preview_of(gateway))
    kept = RecordedReader(live)
    named = [(o, q) for o in orders if (q := live.qualified(o.contract)) is not None]
    smaller = [(replace(o, quantity=1), q) for o, q in named]

    assert await kept.what_ifs(named) == live.margins
    assert all(m.initial_change is None for m in (await kept.what_ifs(smaller)).values())
