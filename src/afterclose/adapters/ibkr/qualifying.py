"""From contract details to the one contract that was meant, or to why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ib_async.contract import ContractDetails

from afterclose.adapters.ibkr.convert import fits, qualified_contract
from afterclose.adapters.ibkr.receiver import Outcome, Reply
from afterclose.domain.contracts import (
    ContractMonth,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
)
from afterclose.domain.market import Qualification, QualificationState
from afterclose.errors import ContractError

_NO_DEFINITION = 200


def qualification(mapped: MappedContract, reply: Reply) -> Qualification:
    """Judge one answer. Several contracts that fit are never resolved by taking one."""
    if reply.outcome is Outcome.REFUSED and reply.code == _NO_DEFINITION:
        ambiguous = "ambiguous" in reply.text.lower()
        state = QualificationState.AMBIGUOUS if ambiguous else QualificationState.MISSING
        return Qualification(state=state, code=reply.code, text=reply.text)
    if not reply.ended:
        return Qualification(state=QualificationState.UNKNOWN, code=reply.code, text=reply.text)
    try:
        offered = _distinct(mapped, reply.rows)
    except (ValueError, ContractError) as error:
        return Qualification(
            state=QualificationState.UNKNOWN, text=f"contract details cannot be read: {error}"
        )
    fitting = tuple(found for found in offered if fits(mapped, found))
    if len(fitting) == 1:
        return Qualification(state=QualificationState.FOUND, qualified=fitting[0])
    if fitting:
        return Qualification(
            state=QualificationState.AMBIGUOUS,
            candidates=fitting,
            text=f"{len(fitting)} contracts fit: {_list(fitting)}",
        )
    return Qualification(
        state=QualificationState.MISSING,
        candidates=offered,
        text=f"the gateway offers other contracts only: {_list(offered)}"
        if offered
        else "the gateway offers no contract",
    )


def of_month(reply: Reply, mapped: MappedContract) -> Reply:
    """Leave in the answer for a whole root what is of one month. Nothing of it: all is left in."""
    month = mapped.contract.month.yyyymm
    rows = tuple(row for row in reply.rows if row.contractMonth == month)
    return replace(reply, rows=rows) if rows else reply


def described(reply: Reply) -> QualifiedContract | None:
    """Read what one contract number is; None where the answer is not exactly one contract."""
    if not reply.ended or len(reply.rows) != 1:
        return None
    details: ContractDetails = reply.rows[0]
    named = details.contract
    if named is None:
        return None
    try:
        month = ContractMonth.from_yyyymm(details.contractMonth)
        root = RootSymbol(named.tradingClass or named.symbol)
        return qualified_contract(FuturesContract(root, month), details)
    except (ValueError, ContractError):
        return None


def _distinct(
    mapped: MappedContract, rows: Iterable[ContractDetails]
) -> tuple[QualifiedContract, ...]:
    found = (qualified_contract(mapped.contract, details) for details in rows)
    return tuple({contract.con_id: contract for contract in found}.values())


def _list(contracts: Iterable[QualifiedContract]) -> str:
    return "; ".join(
        f"{c.local_symbol} (class {c.trading_class}, month {c.contract_month.yyyymm}, "
        f"multiplier {c.multiplier}, conId {c.con_id})"
        for c in contracts
    )
