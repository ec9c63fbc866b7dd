"""One account: its values, positions and working orders, each known whole or named as unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from decimal import Decimal
from functools import partial

from ib_async.contract import Contract

from afterclose.adapters.ibkr.book import read_open_orders
from afterclose.adapters.ibkr.convert import money, position
from afterclose.adapters.ibkr.receiver import Part
from afterclose.adapters.ibkr.rows import AccountValue, PositionRow
from afterclose.adapters.ibkr.session import Session
from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.contracts import ContractMonth, Currency
from afterclose.errors import ContractError

ACCOUNT_VALUES = "account values"
_FUTURE = "FUT"
#: IB's pseudo-currency for sums over all currencies.
_ALL_CURRENCIES = "BASE"

Months = MutableMapping[int, ContractMonth]


async def read_account(session: Session, account: str, months: Months) -> AccountSnapshot:
    """Read the three parts at once. ``months`` remembers contract months by contract number."""
    values, positions, working = await asyncio.gather(
        _read_values(session, account),
        _read_positions(session, account, months),
        read_open_orders(session),
    )
    parts = ((ACCOUNT_VALUES, values), (Part.POSITIONS, positions), (Part.OPEN_ORDERS, working))
    known = values or ()
    return AccountSnapshot(
        account=account,
        base=base_currency(known),
        as_of=session.clock.now(),
        net_liquidation=_figure(known, "NetLiquidation"),
        available_funds=_figure(known, "AvailableFunds"),
        excess_liquidity=_figure(known, "ExcessLiquidity"),
        initial_margin=_figure(known, "InitMarginReq"),
        maintenance_margin=_figure(known, "MaintMarginReq"),
        cash=by_currency(known, "CashBalance"),
        exchange_rates=by_currency(known, "ExchangeRate"),
        positions=positions,
        working_orders=None
        if working is None
        else tuple(order for order in working if order.account in {account, ""}),
        unknown=tuple(str(name) for name, part in parts if part is None),
    )


async def _read_values(session: Session, account: str) -> tuple[AccountValue, ...] | None:
    numbers: list[int] = []

    def send(number: int) -> None:
        numbers.append(number)
        session.client.reqAccountUpdatesMulti(number, account, "", ledgerAndNLV=False)

    reply = await session.ask(send)
    for number in numbers:  # it is a subscription
        cancel = partial(session.client.cancelAccountUpdatesMulti, number)
        session.send_later(cancel, when_quiet=True)
    rows: tuple[AccountValue, ...] = reply.rows
    # While TWS still loads, it sends old figures and says so.
    loading = any(row.key == "AccountReady" and row.value == "false" for row in rows)
    return rows if reply.ended and rows and not loading else None


async def _read_positions(
    session: Session, account: str, months: Months
) -> tuple[Position, ...] | None:
    reply = await session.ask_by_turn(Part.POSITIONS, session.client.reqPositions)
    if not reply.ended:
        return None
    # It is a subscription.
    session.send_later(session.client.cancelPositions, when_quiet=True)
    rows = [row for row in _latest(reply.rows) if row.account == account]
    futures = [row for row in rows if row.contract.secType == _FUTURE and row.quantity]
    await asyncio.gather(*(_learn_month(session, row.contract.conId, months) for row in futures))
    try:
        return tuple(position(row, months.get(row.contract.conId)) for row in futures)
    except ValueError:
        return None


def _latest(rows: Iterable[PositionRow]) -> Iterable[PositionRow]:
    """Keep the last word on each position: one that changes meanwhile is sent again."""
    return {(row.account, row.contract.conId): row for row in rows}.values()


async def _learn_month(session: Session, con_id: int, months: Months) -> None:
    """Look up a contract month: a position tells only its last trading day, often a month earlier.

    Without an answer the month stays unknown; the contract number is the identity all the same.
    """
    if con_id in months:
        return
    query = Contract(conId=con_id, includeExpired=True)
    reply = await session.ask(lambda number: session.client.reqContractDetails(number, query))
    if not reply.ended or len(reply.rows) != 1:
        return
    try:
        months[con_id] = ContractMonth.from_yyyymm(reply.rows[0].contractMonth)
    except ContractError:
        return


def base_currency(rows: Iterable[AccountValue]) -> Currency:
    """Return the currency that the account is kept in; empty when it was not told."""
    told = (row.currency for row in rows if row.key == "NetLiquidation")
    return Currency(next((name for name in told if name != _ALL_CURRENCIES), ""))


def _figure(rows: Iterable[AccountValue], key: str) -> Decimal | None:
    return next((money(row.value) for row in rows if row.key == key), None)


def by_currency(rows: Iterable[AccountValue], key: str) -> dict[Currency, Decimal]:
    """Collect a figure per currency, the sum over all currencies left out."""
    figures = {
        Currency(row.currency): money(row.value)
        for row in rows
        if row.key == key and row.currency not in {_ALL_CURRENCIES, ""}
    }
    return {currency: value for currency, value in figures.items() if value is not None}
