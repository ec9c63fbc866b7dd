"""``afterclose mapping check``: every mapped root against a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer
from rich.table import Table

from afterclose.cli.desk_commands import open_for_command
from afterclose.cli.terminal import console, findings_table
from afterclose.clock import session_at
from afterclose.domain.contracts import ContractSpec, MappedContract, RootSymbol, Session
from afterclose.domain.findings import Severity
from afterclose.errors import ExitCode, UsageError
from afterclose.evening.desk import Desk
from afterclose.evening.mapping_check import question_about
from afterclose.stages import mapping


def check(home: Path, *, session: Session | None, months: int, roots: Sequence[str]) -> None:
    """Ask the desk's gateway for each root's next months. Exits 1 where anything differs."""
    with open_for_command(home, session) as desk:
        tonight = session or session_at(desk.clock.now())
        question = _question(desk, tonight, months=months, roots=roots)
        checked = asyncio.run(_ask(desk, question))
    screen = console()
    screen.print(_table(checked))
    told = [f for c in checked for f in c.findings]
    if told:
        screen.print(findings_table(told, title="What differs"))
    wrong = {c.mapped.spec.root for c in checked if _differs(c)}
    settled = sum(1 for c in checked if not c.findings)
    screen.print(f"{len(checked)} contracts asked for, {settled} without a word against them.")
    if wrong:
        screen.print(f"To be settled in the mapping workbook: {', '.join(sorted(wrong))}")
        raise typer.Exit(ExitCode.BLOCKED)


def _question(
    desk: Desk, session: Session, *, months: int, roots: Sequence[str]
) -> mapping.MappingQuestion:
    contracts = [
        MappedContract(contract=contract, spec=spec)
        for spec in _chosen(desk, roots)
        for contract in mapping.months_to_check(spec, session, count=months)
    ]
    return question_about(desk, session, contracts)


def _chosen(desk: Desk, roots: Sequence[str]) -> Iterable[ContractSpec]:
    unknown = [r for r in roots if RootSymbol(r) not in desk.specs]
    if unknown:
        raise UsageError(
            f"not in the mapping: {', '.join(unknown)}",
            hint="add the root to the mapping workbook (sheet ZiplineIB)",
        )
    wanted = [RootSymbol(r) for r in roots] or sorted(desk.specs)
    return (desk.specs[root] for root in wanted)


async def _ask(
    desk: Desk, question: mapping.MappingQuestion
) -> tuple[mapping.CheckedContract, ...]:
    async with desk.reader() as reader:
        rules = reader if isinstance(reader, mapping.PriceRules) else None
        return await mapping.run(reader, question, rules=rules)


def _differs(checked: mapping.CheckedContract) -> bool:
    """A root that the mapping blocks itself is known already; the rest is news."""
    return any(f.severity is Severity.BLOCK and f.code != "AC203" for f in checked.findings)


def _table(checked: Iterable[mapping.CheckedContract]) -> Table:
    table = Table(
        "contract", "at IB", "conId", "multiplier", "magnifier", "tick", "last trade", "our close",
        "its close", "verdict", title="The mapping against the gateway",
    )  # fmt: skip
    for row in checked:
        found, spec = row.answer.qualified, row.mapped.spec
        worst = max((f.severity for f in row.findings), default=None)
        table.add_row(
            row.mapped.contract.symbol,
            f"{spec.ib_symbol} {spec.ib_exchange}",
            str(found.con_id) if found else row.answer.state.value,
            found.multiplier if found else "",
            str(found.price_magnifier) if found else "",
            f"{found.tick_size.normalize():f}" if found else "",
            str(found.last_trade_date or "not told") if found else "",
            "none" if row.our_close is None else f"{row.our_close.normalize():f}",
            "none" if row.gateway_close is None else f"{row.gateway_close.normalize():f}",
            "agrees" if worst is None else f"{worst.name.lower()}: {row.findings[0].code}",
        )
    return table
