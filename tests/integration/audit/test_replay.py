"""An evening kept in its run folder and audited again, offline: the same report, to the digest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose import tws_sim
from afterclose.adapters.recorded import RecordedReader
from afterclose.artifacts import RunFolder, digest_of
from afterclose.clock import ManualClock
from afterclose.domain.contracts import Currency
from afterclose.domain.market import MarketSnapshot, QualificationState
from afterclose.errors import AccountMismatch, BrokerTimeout, DataError
from afterclose.evening import run_files
from afterclose.ports import BrokerReader, Clock
from afterclose.stages import audit, sizing, snapshot
from integration.audit.evenings import SESSION, TOMORROW, Start, four_orders, mapped, sized_row
from integration.ibkr.gateways import GatewayTime, reader_of
from unit.ibkr.ibkr_values import ACCOUNT

pytestmark = pytest.mark.anyio

TROUBLE = '[data]\nno_data = ["HG"]\nno_permission = ["CL"]\n[contracts]\nambiguous = ["FESX"]'


async def seen(
    reader: BrokerReader, clock: Clock, market: tws_sim.Market, **fields: Any
) -> MarketSnapshot:
    request = snapshot.SnapshotRequest(
        session=SESSION,
        account=ACCOUNT,
        contracts=tuple(o.mapped for o in four_orders(market)),
        sessions=25,
        base=Currency("USD"),
    )
    return await snapshot.run(reader, replace(request, **fields), clock)


async def kept_evening(
    start: Start, market: tws_sim.Market, folder: Path, *, scenario: str = ""
) -> tuple[MarketSnapshot, MarketSnapshot]:
    """Read an evening, keep it, read it back."""
    gateway = start(scenario)
    async with reader_of(gateway) as reader:
        live = await seen(reader, GatewayTime(gateway), market)
    run_files.write_snapshot(RunFolder(folder), live)
    return live, run_files.read_snapshot(RunFolder(folder))


def report_digest(live: MarketSnapshot, market: tws_sim.Market) -> str:
    orders = four_orders(market)
    rules = sizing.SizingRules(risk_fraction=Decimal("0.005"))
    sized = sizing.size_all(orders, live, sizing.Money(capital=Decimal(10**7)), rules, {})
    report = audit.audit(
        audit.AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=orders,
            sized={ref: sized_row(row) for ref, row in sized.items()},
            notes={},
            snapshot=live,
            rules=audit.AuditRules(max_deviation=Decimal("0.005"), execute_on=TOMORROW),
        )
    )
    return digest_of(report)


@pytest.mark.parametrize("scenario", ["", TROUBLE], ids=["healthy", "in trouble"])
async def test_a_kept_snapshot_gives_the_same_audit(
    start: Start, everything: tws_sim.Market, tmp_path: Path, scenario: str
) -> None:
    live, kept = await kept_evening(start, everything, tmp_path, scenario=scenario)

    assert kept == live
    assert report_digest(kept, everything) == report_digest(live, everything)


@pytest.mark.parametrize("scenario", ["", TROUBLE], ids=["healthy", "in trouble"])
async def test_a_recorded_gateway_says_what_it_said(
    start: Start, everything: tws_sim.Market, tmp_path: Path, scenario: str
) -> None:
    _, kept = await kept_evening(start, everything, tmp_path, scenario=scenario)
    again = await seen(RecordedReader(kept), ManualClock(kept.as_of), everything)

    assert report_digest(again, everything) == report_digest(kept, everything)
    assert (again.qualifications, again.quotes) == (kept.qualifications, kept.quotes)
    assert (again.account, again.fx) == (kept.account, kept.fx)


async def test_a_recorded_gateway_knows_nothing_it_was_not_asked(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    _, kept = await kept_evening(start, everything, tmp_path)
    reader = RecordedReader(replace(kept, server_time=None))
    other = mapped("ZN", "202603")

    asked = await seen(
        reader, ManualClock(kept.as_of), everything, contracts=(other,), base=Currency("EUR")
    )
    assert asked.qualifications[other.contract].state is QualificationState.UNKNOWN
    assert asked.fx.rate(Currency("USD")) is None
    assert asked.server_time is None
    es = kept.qualified(mapped("ES", "202512").contract)
    assert es is not None
    assert await reader.describe([es.con_id, 1]) == {es.con_id: es}
    with pytest.raises(AccountMismatch, match=ACCOUNT):
        await reader.account("DU7654321")
    with pytest.raises(BrokerTimeout):
        await reader.sweep()


async def test_an_evening_that_was_not_kept_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="35-snapshot"):
        await asyncio.to_thread(run_files.read_snapshot, RunFolder(tmp_path))
