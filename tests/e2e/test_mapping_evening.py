"""The mapping check of an evening: what is traded is blocked by a wrong fact, the rest is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose import nightly, tws_sim
from afterclose.artifacts import RunFolder
from afterclose.domain.contracts import RootSymbol
from afterclose.domain.findings import Finding, Severity, Verdict
from afterclose.evening import run_files
from afterclose.evening.desk import Desk
from afterclose.settings import CheckMapping
from e2e.netted_desk import Script, desk_at, gateway_at, make_market
from e2e.small_desk import SESSION

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

TRADED = {"A": {"ESZ26": (0, 1), "ZNZ26": (0, 2)}}
OpenDesk = Callable[[tws_sim.RunningGateway], Desk]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mapping-evening")
    make_market(made)
    return made


@pytest.fixture
def start(home: Path) -> Iterator[Callable[[str], tws_sim.RunningGateway]]:
    with ExitStack() as stack:
        yield lambda scenario: stack.enter_context(gateway_at(home, scenario))


def with_wrong_multiplier(desk: Desk, root: str) -> Desk:
    """Believe ten times the money in a point, as the vendor does not."""
    symbol = RootSymbol(root)
    spec = desk.specs[symbol]
    assert spec.multiplier
    assert spec.point_value
    wrong = replace(
        spec, multiplier=str(Decimal(spec.multiplier) * 10), point_value=spec.point_value * 10
    )
    return replace(desk, specs={**desk.specs, symbol: wrong})


def checked(desk: Desk, chosen: CheckMapping) -> Desk:
    audit = desk.settings.audit.model_copy(update={"check_mapping": chosen})
    return replace(desk, settings=desk.settings.model_copy(update={"audit": audit}))


def of_rows(folder: RunFolder) -> dict[str, list[Finding]]:
    rows = run_files.read_view(folder).audit.rows
    return {r.order.contract.symbol: list(r.findings) for r in rows}


async def test_a_wrong_market_rule_blocks_its_row_and_a_root_without_an_order_is_shown(
    home: Path, start: Callable[[str], tws_sim.RunningGateway]
) -> None:
    gateway = start('[contracts]\ncoarse_rule = ["ZN"]')
    desk = with_wrong_multiplier(desk_at(home, gateway, Script(home, TRADED)), "HG")

    folder = await nightly.prepare(desk, SESSION)

    report = run_files.read_view(folder).audit
    (rule,) = [f for f in of_rows(folder)["ZNZ26"] if f.code == "AC206"]
    assert rule.severity is Severity.BLOCK
    assert rule.evidence["fact"] == "market rule"
    assert "'Tick Size' of ZN to 0.03125" in rule.hint
    assert [f.code for f in of_rows(folder)["ESZ26"] if f.severity is Severity.BLOCK] == []
    about_copper = [f for f in report.findings if f.subject.startswith("HG")]
    assert about_copper
    assert {f.severity for f in about_copper} == {Severity.WARN}
    assert all("no order in HG tonight" in f.message for f in about_copper)
    assert any("Contract Size IB" in f.hint for f in about_copper)
    assert [f for f in report.findings if f.subject.startswith("ZC")] == []
    assert [o.contract.symbol for o in report.cleared_orders()] == ["ESZ26"]
    assert report.verdict is not Verdict.CLEAR
    written = (folder.path / "36-mapping.csv").read_text(encoding="utf-8")
    assert "ZNZ26" in written
    assert "HG" in written


async def test_a_desk_may_ask_for_what_it_trades_alone(
    home: Path, start: Callable[[str], tws_sim.RunningGateway]
) -> None:
    gateway = start('[contracts]\ncoarse_rule = ["ZN"]')
    desk = with_wrong_multiplier(desk_at(home, gateway, Script(home, TRADED)), "HG")

    folder = await nightly.prepare(checked(desk, CheckMapping.TRADED), SESSION)

    report = run_files.read_view(folder).audit
    assert "AC206" in [f.code for f in of_rows(folder)["ZNZ26"]]
    assert [f for f in report.findings if f.subject.startswith("HG")] == []


async def test_an_evening_goes_on_when_the_gateway_says_nothing_of_the_other_roots(
    home: Path, start: Callable[[str], tws_sim.RunningGateway]
) -> None:
    desk = desk_at(home, start('[data]\nno_permission = ["HG", "ZC"]'), Script(home, TRADED))

    async with asyncio.timeout(120):
        folder = await nightly.prepare(desk, SESSION)

    report = run_files.read_view(folder).audit
    (silent,) = [f for f in report.findings if f.code == "AC213"]
    assert silent.severity is Severity.INFO
    assert "2 of 2 roots" in silent.message
    assert "HG, ZC" in silent.message
    assert sorted(o.contract.symbol for o in report.cleared_orders()) == ["ESZ26", "ZNZ26"]
