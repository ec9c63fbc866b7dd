"""The account's positions with the value that the desk's own data give them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import (
    ContractSpec,
    RootSymbol,
    Session,
)
from afterclose.evening.desk import Desk
from afterclose.evening.nav_book import gateway_names
from afterclose.report.evening import Mark
from afterclose.stages import (
    audit,
)


def account_holdings(
    desk: Desk, account: AccountSnapshot, session: Session
) -> tuple[audit.Holding, ...]:
    """Value the account's positions, where the desk's data know them, else at their cost."""
    marks = account_marks(desk, account, session)
    held = []
    for position in account.positions or ():
        mark = marks.get(position.con_id)
        held.append(
            audit.Holding(
                con_id=position.con_id,
                quantity=position.quantity,
                sector=mark.sector if mark else "unknown",
                currency=position.currency,
                value=position.average_cost if (value := _value_of(mark)) is None else value,
            )
        )
    return tuple(held)


def holdings_at_cost(
    specs: Mapping[RootSymbol, ContractSpec], account: AccountSnapshot
) -> tuple[audit.Holding, ...]:
    """Value the account's positions at their cost, where there is no market data of our own."""
    sectors = {(s.ib_symbol, s.trading_class): s.sector for s in specs.values()}
    return tuple(
        audit.Holding(
            con_id=p.con_id,
            quantity=p.quantity,
            sector=sectors.get((p.symbol, p.trading_class), "unknown"),
            currency=p.currency,
            value=p.average_cost,
        )
        for p in account.positions or ()
    )


def _value_of(mark: Mark | None) -> Decimal | None:
    if mark is None or mark.price is None or mark.point_value is None:
        return None
    return mark.price * mark.point_value


def account_marks(desk: Desk, account: AccountSnapshot, session: Session) -> dict[int, Mark]:
    """Price the account's positions by the desk's own data, where it knows the contract."""
    marks: dict[int, Mark] = {}
    named = gateway_names(desk.specs)
    for position in account.positions or ():
        contract = named(position)
        if contract is None:
            continue
        spec = desk.specs[contract.root]
        close = desk.market.last_close(contract, session)
        marks[position.con_id] = Mark(
            root=spec.root,
            sector=spec.sector,
            price=None if close is None else spec.to_ib(close),
            point_value=spec.point_value,
        )
    return marks
