"""A person's word that a position of the account is a model's, or no longer: no order is sent.

What was bought by hand to make up for an entry is the model's only once the desk's books say so;
what was closed by hand, or settled at the contract's end, stays in them until somebody says it is
gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import FuturesContract, MappedContract
from afterclose.domain.market import Qualification, QualificationState
from afterclose.domain.order_life import lives
from afterclose.domain.orders import OrderState
from afterclose.errors import BrokerUnavailable, UsageError
from afterclose.evening.desk import Desk
from afterclose.ports import BrokerReader

#: Orders of so many sessions back may still be open: their exchange was closed.
_SESSIONS_BACK = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """One contract: what all models of the desk held before and hold now, and the account."""

    contract: FuturesContract
    before: int
    after: int
    account: int


async def adopt(
    desk: Desk, model: str, changes: Mapping[FuturesContract, int], *, by: str, why: str
) -> tuple[Adopted, ...]:
    """Write signed changes into a model's book. Raises UsageError.

    Each must bring desk and account nearer to each other and not past: a word can neither make the
    desk hold more than the account shows, nor take a position from the desk that is there. Refused
    while an order of ours on the contract is open, or the account's positions are unknown.
    """
    known = {m.name for m in desk.settings.models} | set(desk.ledger.models())
    if model not in known:
        raise UsageError(f"there is no model {model}", hint=f"one of {', '.join(sorted(known))}")
    async with desk.reader() as reader:
        shown = await _account(desk, reader, changes)
    found = tuple(_adopted(desk, contract, changes[contract], shown) for contract in changes)
    desk.ledger.adopt(model, changes, at=desk.clock.now(), note=f"{why} (said by {by})")
    return found


async def _account(
    desk: Desk, reader: BrokerReader, contracts: Mapping[FuturesContract, int]
) -> Mapping[FuturesContract, int]:
    """What the account holds of each contract."""
    unmapped = [c.symbol for c in contracts if c.root not in desk.specs]
    if unmapped:
        raise UsageError(f"not in the contract table: {', '.join(unmapped)}")
    account = await reader.account(desk.settings.desk.account)
    if account.positions is None:
        raise BrokerUnavailable(
            "the gateway did not tell the account's positions", hint="try again in a minute"
        )
    wanted = [MappedContract(contract=c, spec=desk.specs[c.root]) for c in contracts]
    names = await reader.qualify(wanted)
    return {mapped.contract: _held(account, mapped, names[mapped.contract]) for mapped in wanted}


def _held(account: AccountSnapshot, mapped: MappedContract, name: Qualification) -> int:
    if name.qualified is not None:
        return account.held(name.qualified.con_id) or 0
    if name.state is QualificationState.MISSING and not _alike(account, mapped):
        return 0  # what the gateway knows no longer, the account does not hold
    raise BrokerUnavailable(
        f"the gateway did not say which contract {mapped.contract.symbol} is ({name.state.value})",
        hint="try again in a minute; 'afterclose mapping check' tells more",
    )


def _alike(account: AccountSnapshot, mapped: MappedContract) -> bool:
    """Whether a position may be this contract all the same: where the table names it wrongly."""
    months = {None, mapped.contract.month}
    return any(
        p.quantity and p.symbol == mapped.spec.ib_symbol and p.contract_month in months
        for p in account.positions or ()
    )


def _adopted(
    desk: Desk, contract: FuturesContract, change: int, shown: Mapping[FuturesContract, int]
) -> Adopted:
    held = sum(desk.ledger.held(name).get(contract, 0) for name in desk.ledger.models())
    account = shown[contract]
    open_order = _open_order(desk, contract)
    if open_order:
        raise UsageError(f"{contract.symbol}: {open_order}", hint="'afterclose settle' looks again")
    missing = account - held
    if change * missing <= 0 or abs(change) > abs(missing):
        raise UsageError(
            f"{contract.symbol}: the desk holds {held:+d}, the account {account:+d}; "
            f"{change:+d} does not bring them together",
            hint=f"at most {missing:+d}" if missing else "nothing is missing",
        )
    return Adopted(contract=contract, before=held, after=held + change, account=account)


def _open_order(desk: Desk, contract: FuturesContract) -> str:
    for session in desk.ledger.sessions()[-_SESSIONS_BACK:]:
        known = lives(desk.ledger.orders(session), desk.ledger.events(session))
        for ref, life in known.items():
            sent = life.state is not OrderState.INTENDED
            if life.order.contract == contract and sent and not life.state.final:
                return f"{ref} is {life.state.value}"
    return ""
