"""Mapping: from the model's contracts to IB's, by the facts of each root.

A root that is not in the table, or that the table blocks, is a blocked row with its reason; it is
never dropped and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from afterclose.domain.contracts import (
    ContractSpec,
    FuturesContract,
    MappedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity


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
