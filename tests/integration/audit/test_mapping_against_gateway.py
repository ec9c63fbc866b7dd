"""Every mapped root against the paper gateway, whose contract facts are its own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.contracts import FuturesContract, MappedContract
from afterclose.domain.findings import Severity
from afterclose.domain.market import VendorContract
from afterclose.domain.orders import TradeKind
from afterclose.stages import mapping
from integration.audit.evenings import SESSION, Start, mapped, order, vendor_close
from integration.ibkr.gateways import desk_of, following, reader_of
from integration.ibkr.hurry import hurried

pytestmark = pytest.mark.anyio

UNVERIFIED = {"GWM", "SIL", "YXT", "YYT"}


def first_months() -> list[MappedContract]:
    return [
        MappedContract(contract=contract, spec=spec)
        for spec in packaged_specs().values()
        for contract in mapping.months_to_check(spec, SESSION, count=1)
    ]


def question(market: tws_sim.Market, *contracts: MappedContract) -> mapping.MappingQuestion:
    """What the vendor says: the market's own closes, and point values by the identity."""
    vendor: dict[FuturesContract, VendorContract] = {}
    for each in contracts:
        ours = each.spec.point_value
        value = None if ours is None else ours * each.spec.vendor_to_ib_scale
        vendor[each.contract] = VendorContract(point_value=value)
    return mapping.MappingQuestion(
        session=SESSION,
        contracts=contracts,
        vendor=vendor,
        closes={c.contract: vendor_close(market, c.contract) for c in contracts},
    )


async def test_every_root_agrees_with_the_gateway_or_says_why_it_is_blocked(
    start: Start, everything: tws_sim.Market
) -> None:
    contracts = first_months()
    async with reader_of(start()) as reader:
        found = await reader.qualify(contracts)
        steps = await reader.price_steps([q.qualified for q in found.values() if q.qualified])
        checked = await mapping.run(reader, question(everything, *contracts), rules=reader)

    assert set(steps) == {c.contract for c in contracts}  # every market rule was told
    told = {c.mapped.spec.root: [f.code for f in c.findings] for c in checked if c.findings}
    assert len(checked) == 85
    assert set(told) == UNVERIFIED
    assert all(codes == ["AC203"] for root, codes in told.items() if root != "SIL"), told
    assert all(c.gateway_close is not None for c in checked)


@pytest.mark.slow
async def test_every_verified_root_gets_an_accepted_limit_order_at_our_price(
    start: Start, everything: tws_sim.Market
) -> None:
    contracts = first_months()
    gateway = start("[orders]\nmargin_check = false")
    blocked = mapping.map_contracts(
        (c.contract for c in contracts), packaged_specs(), session=SESSION
    ).blocked
    assert {c.root for c in blocked} == UNVERIFIED
    assert all([f.code for f in why] == ["AC203"] for why in blocked.values())

    orders = [
        order(everything, c, 1, kind=TradeKind.ENTRY)
        for c in contracts
        if c.contract not in blocked
    ]
    async with reader_of(gateway) as reader:
        found = await reader.qualify([o.mapped for o in orders])
    accepted = {"PreSubmitted", "Submitted", "Filled"}
    async with desk_of(gateway, *orders) as desk, following(desk) as follower:
        for each in orders:
            qualified = found[each.contract].qualified
            assert qualified is not None, each.contract
            await desk.place(each, qualified)
        names = {o.order_ref for o in orders}
        await follower.until(
            lambda events: names <= {e.order_ref for e in events if e.status in accepted}
        )
        working = [v.order_ref for v in gateway.orders() if v.status in accepted - {"Filled"}]
        for name in working:
            await desk.cancel(name)
        await follower.until(
            lambda events: set(working) <= {e.order_ref for e in events if e.status == "Cancelled"}
        )

    book = {v.order_ref: v for v in gateway.orders()}
    assert len(orders) == 81
    assert set(book) == names
    assert {v.status for v in book.values()} <= {"Cancelled", "Filled"}
    assert all(book[o.order_ref].limit_price == o.limit_price for o in orders)


@pytest.mark.parametrize(
    ("root", "wrong", "code", "fix"),
    [
        ("HG", {"tick_size": Decimal("0.05")}, "AC206", "'Tick Size' of HG"),
        ("ZC", {"price_magnifier": 1}, "AC206", "'Magnifier' of ZC"),
        ("SI", {"vendor_to_ib_scale": Decimal(1)}, "AC105", "price scale"),
        ("CL", {"last_trade_month_offset": 0}, "AC214", "look in TWS"),
        ("ES", {"point_value": Decimal(500)}, "AC215", "'Contract Size IB'"),
    ],
)
async def test_a_wrong_fact_is_found_and_the_fix_is_named(
    start: Start,
    everything: tws_sim.Market,
    root: str,
    wrong: dict[str, object],
    code: str,
    fix: str,
) -> None:
    right = mapped(root, "202603")
    believed = replace(right, spec=replace(right.spec, **wrong))  # type: ignore[arg-type]  # one field of several kinds
    asked = replace(question(everything, right), contracts=(believed,))
    async with reader_of(start()) as reader:
        (checked,) = await mapping.run(reader, asked)

    found = {f.code: f for f in checked.findings}
    assert code in found
    assert fix in found[code].hint


@pytest.mark.parametrize(("scenario", "code"), [("unknown", "AC205"), ("ambiguous", "AC204")])
async def test_a_name_that_no_or_several_contracts_answer_to(
    start: Start, everything: tws_sim.Market, scenario: str, code: str
) -> None:
    asked = question(everything, mapped("ES", "202603"))
    async with reader_of(start(f'[contracts]\n{scenario} = ["ES"]')) as reader:
        (checked,) = await mapping.run(reader, asked)

    assert [(f.code, f.severity) for f in checked.findings] == [(code, Severity.BLOCK)]
    assert checked.gateway_close is None


async def test_a_gateway_that_does_not_answer_is_unknown_not_wrong(
    start: Start, everything: tws_sim.Market
) -> None:
    gateway = start('[connection]\nmissing_end = ["contractDetails"]')
    asked = question(everything, mapped("ES", "202603"))
    async with reader_of(gateway) as reader, hurried(gateway):
        (checked,) = await mapping.run(reader, asked)

    assert [f.code for f in checked.findings] == ["AC211"]
