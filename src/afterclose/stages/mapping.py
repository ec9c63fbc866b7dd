"""Mapping: from the model's contracts to IB's, by the facts of each root.

A root that is not in the table, or that the table blocks, is a blocked row with its reason; it is
never dropped and never guessed. ``check`` compares the facts themselves with a gateway, contract by
contract; ``evening.mapping_check`` asks for it every evening.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from afterclose.domain import contract_facts
from afterclose.domain.contracts import (
    MONTH_CODES,
    ContractMonth,
    ContractSpec,
    FuturesContract,
    MappedContract,
    PriceStep,
    QualifiedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import (
    BarsAnswer,
    Qualification,
    QualificationState,
    VendorContract,
)
from afterclose.ports import BrokerReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractMap:
    """What became of each contract: mapped, or blocked with findings; flags travel along."""

    mapped: Mapping[FuturesContract, MappedContract]
    blocked: Mapping[FuturesContract, tuple[Finding, ...]]
    notes: Mapping[FuturesContract, tuple[Finding, ...]]


def map_contracts(
    contracts: Iterable[FuturesContract],
    specs: Mapping[RootSymbol, ContractSpec],
    *,
    session: Session,
) -> ContractMap:
    """Look every contract up by its root. Pure; the gateway is asked later, at qualification."""
    mapped: dict[FuturesContract, MappedContract] = {}
    blocked: dict[FuturesContract, tuple[Finding, ...]] = {}
    notes: dict[FuturesContract, tuple[Finding, ...]] = {}
    for contract in sorted(set(contracts)):
        spec = specs.get(contract.root)
        reasons = _reasons(contract, spec, session=session)
        if spec is None or reasons:
            blocked[contract] = reasons
            continue
        mapped[contract] = MappedContract(contract=contract, spec=spec)
        if said := tuple(_notes(contract, spec)):
            notes[contract] = said
    return ContractMap(mapped=mapped, blocked=blocked, notes=notes)


def _reasons(
    contract: FuturesContract, spec: ContractSpec | None, *, session: Session
) -> tuple[Finding, ...]:
    if spec is None:
        return (unknown_root(contract),)
    findings: list[Finding] = []
    if spec.blocked:
        findings.append(blocked_root(contract, spec))
    months_past = (session.year - contract.month.year) * 12 + session.month - contract.month.month
    if months_past > 1:  # dairy ends early in the month after delivery; nothing ends later
        findings.append(expired(contract, session))
    return tuple(findings)


def _notes(contract: FuturesContract, spec: ContractSpec) -> Iterable[Finding]:
    """What is shown and blocks nothing: the gateway settles whether a month exists."""
    letter = contract.month.code[0]
    if letter not in spec.months.split(" ", 1)[0] and "serial" not in spec.months:
        yield off_cycle(contract, spec)
    if spec.confidence != "high":
        yield _flagged(contract, spec)


def unknown_root(contract: FuturesContract) -> Finding:
    """AC202: the mapping has no row for this root."""
    return Finding(
        code="AC202",
        severity=Severity.BLOCK,
        subject=contract.symbol,
        message=f"the root {contract.root} is not in the mapping",
        hint=f"add a row for {contract.root} to the mapping workbook (sheet ZiplineIB)",
    )


def blocked_root(contract: FuturesContract, spec: ContractSpec) -> Finding:
    """AC203: the table itself says that nothing may be sent in this root yet."""
    return Finding(
        code="AC203",
        severity=Severity.BLOCK,
        subject=contract.symbol,
        message=f"{contract.root} ({spec.name}) is blocked: {spec.blocked}",
        hint="check the contract in TWS and settle it with a row in the mapping workbook",
    )


def expired(contract: FuturesContract, session: Session) -> Finding:
    """AC208: the delivery month is over."""
    return Finding(
        code="AC208",
        severity=Severity.BLOCK,
        subject=contract.symbol,
        message=f"the delivery month {contract.month.yyyymm} lies before {session}",
        hint="the input is old, or its year was misread: write the year with four digits",
    )


def off_cycle(contract: FuturesContract, spec: ContractSpec) -> Finding:
    """AC209: the root does not list this month."""
    return Finding(
        code="AC209",
        severity=Severity.WARN,
        subject=contract.symbol,
        message=f"{contract.root} lists {spec.months}, not {contract.month.code[0]}",
        hint="look at the month; the gateway decides whether it exists",
    )


def _flagged(contract: FuturesContract, spec: ContractSpec) -> Finding:
    return Finding(
        code="AC210",
        severity=Severity.WARN,
        subject=contract.symbol,
        message=f"the facts of {contract.root} are of {spec.confidence} confidence: {spec.flags}",
        hint="compare the contract in TWS once, then confirm it in the mapping workbook",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedContract:
    """One contract of the mapping beside what the gateway, and the vendor, say of it.

    ``findings`` are empty where everything agrees. A root that the mapping blocks is looked up all
    the same, so that a person can settle it.
    """

    mapped: MappedContract
    answer: Qualification
    gateway_close: Decimal | None
    our_close: Decimal | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingQuestion:
    """What to compare: contracts, tonight's session, and what the data vendor knows of each.

    ``closes`` are last closes in vendor units.
    """

    session: Session
    contracts: Sequence[MappedContract]
    vendor: Mapping[FuturesContract, VendorContract]
    closes: Mapping[FuturesContract, Decimal]


def months_to_check(spec: ContractSpec, session: Session, *, count: int) -> list[FuturesContract]:
    """Return the next delivery months of a root that surely still trade.

    The first one is named after, and last trades in, a later month than tonight's.
    """
    letters = spec.months.split(" ", 1)[0] or MONTH_CODES
    offset = spec.last_trade_month_offset or 0
    found: list[FuturesContract] = []
    number = session.year * 12 + session.month - 1  # months since year 0
    while len(found) < count:
        number += 1
        if MONTH_CODES[number % 12] in letters and number + min(0, offset) > _number(session):
            found.append(FuturesContract(spec.root, ContractMonth(number // 12, number % 12 + 1)))
    return found


def _number(session: Session) -> int:
    return session.year * 12 + session.month - 1


Steps = Mapping[FuturesContract, tuple[PriceStep, ...]]


def check(
    question: MappingQuestion,
    answers: Mapping[FuturesContract, Qualification],
    bars: Mapping[FuturesContract, BarsAnswer],
    steps: Steps | None = None,
) -> tuple[CheckedContract, ...]:
    """Compare each contract with the gateway's facts, the vendor's and both closes. Pure.

    ``steps`` are the increments of the market rules, where the gateway told them.
    """
    return tuple(_checked(question, m, answers, bars, steps or {}) for m in question.contracts)


def _checked(
    question: MappingQuestion,
    mapped: MappedContract,
    answers: Mapping[FuturesContract, Qualification],
    bars: Mapping[FuturesContract, BarsAnswer],
    steps: Steps,
) -> CheckedContract:
    contract, spec = mapped.contract, mapped.spec
    answer = answers.get(contract, _NOT_ASKED)
    done = bars[contract].completed(question.session) if contract in bars else ()
    theirs = done[-1].close if done else None
    vendor_close = question.closes.get(contract)
    ours = None if vendor_close is None else spec.to_ib(vendor_close)
    findings = [
        *contract_facts.named_once(mapped, answer),
        *contract_facts.point_values_agree(mapped, question.vendor.get(contract)),
    ]
    if answer.qualified is not None:
        findings += contract_facts.facts_agree(mapped, answer.qualified)
        findings += contract_facts.last_trade_fits(mapped, answer.qualified)
        price = ours if theirs is None else theirs
        findings += contract_facts.steps_agree(mapped, steps.get(contract, ()), price)
    if ours is not None and theirs is not None:
        findings += contract_facts.levels_agree(mapped, ours, theirs, named=OUR_CLOSE)
    if spec.blocked:
        findings.insert(0, blocked_root(contract, spec))
    return CheckedContract(
        mapped=mapped,
        answer=answer,
        gateway_close=theirs,
        our_close=ours,
        findings=tuple(findings),
    )


_NOT_ASKED = Qualification(state=QualificationState.UNKNOWN, text="not asked")
#: Bars asked for: the last completed one, whatever holidays lie between.
CLOSE_BARS = 5
#: What the price of our own is called.
OUR_CLOSE = "the store's last close"


@runtime_checkable
class PriceRules(Protocol):
    """A reader that can also tell the increments that IB takes prices in."""

    async def price_steps(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, tuple[PriceStep, ...]]:
        """Ask for the price increments of each contract; those without an answer are left out."""


async def run(
    reader: BrokerReader, question: MappingQuestion, *, rules: PriceRules | None = None
) -> tuple[CheckedContract, ...]:
    """Ask the gateway for every contract, and for the last closes of those it knows.

    ``rules`` is asked for their market rules as well.
    """
    answers = await reader.qualify(question.contracts)
    found = [a.qualified for a in answers.values() if a.qualified is not None]
    bars = await reader.daily_bars(found, sessions=CLOSE_BARS)
    steps = {} if rules is None else await rules.price_steps(found)
    return check(question, answers, bars, steps)
