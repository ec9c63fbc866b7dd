"""The mapping check of an evening: what weighs on a row, what is only shown, what is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.contracts import (
    FuturesContract,
    MappedContract,
    PriceStep,
    QualifiedContract,
)
from afterclose.domain.findings import Severity, Verdict
from afterclose.domain.market import BarsAnswer, Qualification, VendorContract
from afterclose.errors import BrokerUnavailable
from afterclose.evening.mapping_check import MappingTonight, check, with_checked
from afterclose.stages.audit import AuditInputs, AuditRules, audit
from afterclose.stages.mapping import MappingQuestion
from make import (
    ACCOUNT,
    SESSION,
    TOMORROW,
    bars_answer,
    found,
    make_bars,
    make_contract,
    make_mapped,
    make_order,
    make_snapshot,
)

pytestmark = pytest.mark.anyio

D = Decimal
QUARTERS = (PriceStep(low_edge=D(0), increment=D("0.25")),)
ES, NQ = make_contract("ESZ26"), make_contract("NQZ26")


@dataclass
class Gateway:
    """Answers with the same facts for every contract; what it is told to leave out never comes."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[PriceStep, ...] = QUARTERS
    close: str = "6000"
    silent: Collection[str] = ()
    broken: bool = False

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        await self._heard("contracts")
        facts = {"market_rule": 7, **self.facts}
        return {m.contract: found(m.contract.symbol, **facts) for m in contracts}

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        await self._heard("bars")
        return {c.contract: bars_answer(make_bars([self.close] * sessions)) for c in contracts}

    async def price_steps(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, tuple[PriceStep, ...]]:
        await self._heard("rules")
        return {c.contract: self.steps for c in contracts}

    async def _heard(self, what: str) -> None:
        if self.broken:
            raise BrokerUnavailable("the line is gone")
        if what in self.silent:
            await asyncio.Event().wait()

    async def server_time(self) -> datetime:
        raise NotImplementedError

    accounts = describe = quotes = fx_rates = account = sweep = server_time


async def checked(
    gateway: Gateway, *, closes: Mapping[FuturesContract, str] | None = None, **vendor: Any
) -> MappingTonight:
    """One order in ESZ26 at 6000, and NQ, which is in the store and not traded."""
    live = make_snapshot("ESZ26", qualifications={ES: found("ESZ26", market_rule=7)})
    question = MappingQuestion(
        session=SESSION,
        contracts=[make_mapped("ESZ26"), make_mapped("NQZ26")],
        vendor={NQ: VendorContract(**vendor)} if vendor else {},
        closes={c: D(close) for c, close in (closes or {}).items()},
    )
    patience = 0.2 if gateway.silent else 60.0
    return await check(gateway, question, [make_order()], live, deadline_s=patience)  # type: ignore[arg-type]  # never asked for the rest


async def test_nothing_is_said_where_everything_agrees() -> None:
    tonight = await checked(Gateway(), closes={ES: "6000", NQ: "6000"}, point_value=D(50))

    assert tonight.findings == ()
    assert tonight.asked == 2


async def test_a_step_that_is_not_the_tick_blocks_the_row_and_shows_on_the_root() -> None:
    tonight = await checked(Gateway(steps=(PriceStep(low_edge=D(0), increment=D("0.5")),)))

    (rule,) = tonight.rows[ES]
    assert (rule.code, rule.severity) == ("AC206", Severity.BLOCK)
    (shown,) = tonight.roots
    assert (shown.code, shown.subject, shown.severity) == ("AC206", "NQZ26", Severity.WARN)
    assert shown.message.endswith("(no order in NQ tonight)")
    assert "'Tick Size' of NQ to 0.5" in shown.hint


@pytest.mark.parametrize(
    ("close", "code"), [("5220", None), ("5000", "AC110"), ("60", "AC105"), ("60000", "AC105")]
)
async def test_the_stores_own_close_is_held_against_the_gateways(
    close: str, code: str | None
) -> None:
    tonight = await checked(Gateway(), closes={ES: close})

    told = [(f.code, f.severity) for f in tonight.rows.get(ES, ())]
    assert told == ([] if code is None else [(code, Severity.BLOCK)])
    assert all(f.message.startswith("the store's last close") for f in tonight.rows.get(ES, ()))


async def test_another_level_or_point_value_of_a_root_without_an_order_is_shown() -> None:
    tonight = await checked(Gateway(), closes={NQ: "60"}, point_value=D(20))

    assert tonight.rows == {}
    assert [(f.code, f.severity) for f in tonight.roots] == [
        ("AC215", Severity.WARN),
        ("AC105", Severity.WARN),
    ]


@pytest.mark.parametrize("silent", ["contracts", "bars"])
async def test_a_root_that_was_not_answered_for_is_unknown_and_said_once(silent: str) -> None:
    tonight = await checked(Gateway(silent=[silent]), closes={NQ: "60"})

    assert tonight.rows == {}
    (unknown,) = tonight.roots
    assert (unknown.code, unknown.severity) == ("AC213", Severity.INFO)
    assert unknown.message.endswith("1 of 1 roots without an order tonight: NQ")


async def test_a_market_rule_that_is_not_told_is_looked_at_on_the_row() -> None:
    tonight = await checked(Gateway(silent=["rules"]))

    (unknown,) = tonight.rows[ES]
    assert (unknown.code, unknown.severity) == ("AC213", Severity.WARN)


async def test_a_line_that_breaks_ends_no_evening() -> None:
    tonight = await checked(Gateway(broken=True))

    assert [f.code for f in tonight.rows[ES]] == ["AC213"]
    assert [f.code for f in tonight.roots] == ["AC213"]


async def test_findings_join_the_notes_of_every_order_of_their_contract() -> None:
    tonight = await checked(Gateway(silent=["rules"]))
    other = make_order("NQZ26")
    first = make_order()

    notes = with_checked({first.order_ref: (), other.order_ref: ()}, [first, other], tonight)

    assert [f.code for f in notes[first.order_ref]] == ["AC213"]
    assert notes[other.order_ref] == ()


async def test_no_weight_lets_a_root_without_an_order_block_the_evening() -> None:
    tonight = await checked(Gateway(), point_value=D(20))
    rules = AuditRules(
        max_deviation=D("0.005"), execute_on=TOMORROW, severities={"AC215": Severity.BLOCK}
    )
    report = audit(
        AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=(),
            sized={},
            notes={},
            snapshot=make_snapshot(),
            rules=rules,
            shown=tonight.roots,
        )
    )

    (shown,) = [f for f in report.findings if f.code == "AC215"]
    assert shown.severity is Severity.WARN
    assert report.verdict is not Verdict.BLOCKED
