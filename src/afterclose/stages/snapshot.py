"""Snapshot: everything live that sizing and audit look at, read once.

Contracts are qualified first; then bars, quotes, rates and the account are asked for side by side.
What does not come in time is unknown, and stays so: the rows that need it are blocked, the others
go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import (
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    Session,
)
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import (
    FxRate,
    FxRates,
    MarketSnapshot,
    Qualification,
    QualificationState,
)
from afterclose.domain.orders import BasketOrder
from afterclose.errors import AccountMismatch, BrokerError
from afterclose.ports import BrokerReader, Clock, MarginPreview

#: A daily rate bridges a weekend and holidays on both sides of it; an older one is stale.
MAX_RATE_AGE = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """What to ask for. ``sessions`` is how many daily bars each contract needs."""

    session: Session
    account: str
    contracts: Collection[MappedContract]
    sessions: int
    base: Currency
    #: When the gateway restarts next, by the desk's settings: the gateway does not tell.
    next_restart: datetime | None = None


def completed_fx(
    rates: FxRates, account: AccountSnapshot, currencies: Collection[Currency], *, as_of: date
) -> FxRates:
    """Fill missing and stale rates from the account's own, where its base is ours. Pure.

    A rate that neither the market nor the account has stays missing; it is never 1.0.
    """
    found = {c: r for c, r in rates.rates.items() if as_of - r.as_of <= MAX_RATE_AGE}
    missing = dict(rates.missing) | {
        c: f"the last rate of {r.source} is of {r.as_of}"
        for c, r in rates.rates.items()
        if c not in found
    }
    for currency in currencies:
        if currency == rates.base or currency in found:
            continue
        own = account.exchange_rates.get(currency)
        if own is not None and own > 0 and account.base == rates.base:
            found[currency] = FxRate(
                currency=currency, rate=own, as_of=as_of, source="account ExchangeRate"
            )
            missing.pop(currency, None)
        else:
            missing.setdefault(currency, "no rate at IDEALPRO and none in the account's values")
    return replace(rates, rates=found, missing=missing)


def currencies_of(
    contracts: Collection[MappedContract], account: AccountSnapshot, *, base: Currency
) -> frozenset[Currency]:
    """Currencies that tonight needs: those of the basket, of the account and of its cash."""
    cash = {currency for currency, amount in account.cash.items() if amount}
    needed = {m.spec.currency for m in contracts} | {account.base} | cash
    return frozenset(c for c in needed if c != base)


async def run(reader: BrokerReader, request: SnapshotRequest, clock: Clock) -> MarketSnapshot:
    """Read the gateway. Raises AccountMismatch when it does not serve the configured account."""
    accounts = await reader.accounts()
    if request.account not in accounts:
        raise AccountMismatch(
            f"the gateway serves {', '.join(accounts) or 'no account'}, not {request.account}",
            hint="log in to the right account, or correct desk.account in the settings",
        )
    server_time, qualifications, account = await asyncio.gather(
        _server_time(reader), reader.qualify(request.contracts), reader.account(request.account)
    )
    return await _prices(reader, request, clock, server_time, qualifications, account)


async def _server_time(reader: BrokerReader) -> datetime | None:
    """The gateway's clock; None when it does not tell, which stops nothing.

    A line that breaks here leaves the rest unknown too, and each row says so.
    """
    try:
        return await reader.server_time()
    except BrokerError:
        return None


async def _prices(
    reader: BrokerReader,
    request: SnapshotRequest,
    clock: Clock,
    server_time: datetime | None,
    qualifications: Mapping[FuturesContract, Qualification],
    account: AccountSnapshot,
) -> MarketSnapshot:
    found = [
        q.qualified
        for q in qualifications.values()
        if q.state is QualificationState.FOUND and q.qualified is not None
    ]
    currencies = currencies_of(request.contracts, account, base=request.base)
    bars, quotes, fx = await asyncio.gather(
        reader.daily_bars(found, sessions=request.sessions),
        reader.quotes(found),
        reader.fx_rates(currencies, base=request.base),
    )
    return MarketSnapshot(
        as_of=clock.now(),
        server_time=server_time,
        session=request.session,
        qualifications=qualifications,
        bars=bars,
        quotes=quotes,
        fx=completed_fx(fx, account, currencies, as_of=(server_time or clock.now()).date()),
        account=account,
        next_restart=request.next_restart,
    )


async def with_margins(
    live: MarketSnapshot,
    orders: Sequence[BasketOrder],
    open_preview: Callable[[], AbstractAsyncContextManager[MarginPreview]],
) -> MarketSnapshot:
    """Ask what each of these orders would do to the margin, alone; add the answers.

    Margins never hold up an evening: a gateway that does not take the question leaves them unknown.
    """
    asked = [(o, q) for o in orders if (q := live.qualified(o.contract)) is not None]
    if not asked:
        return replace(live, margins={})
    try:
        async with open_preview() as preview:
            margins = await preview.what_ifs(asked)
    except BrokerError as error:
        margins = _unanswered(asked, str(error))
    return replace(live, margins=dict(margins))


def _unanswered(
    asked: Sequence[tuple[BasketOrder, QualifiedContract]], why: str
) -> dict[str, MarginImpact]:
    return {o.order_ref: MarginImpact(quantity=o.quantity, text=why) for o, _ in asked}


def capital_in_base(
    account: AccountSnapshot, fx: FxRates, amount: Decimal | None
) -> Decimal | None:
    """Convert an amount of the account's base currency to the desk's; None when unknown."""
    rate = fx.rate(account.base)
    return None if amount is None or rate is None else amount * rate
