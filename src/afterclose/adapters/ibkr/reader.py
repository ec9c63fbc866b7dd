"""Reads the gateway: contracts, bars, quotes, exchange rates, the account, the broker's book.

No method here can place or change an order. Each answer is a value, a confirmed nothing or unknown:

- *empty* only where the gateway asserts that there is nothing (an End marker without rows, or its
  words "no data");
- *unknown* where it did not answer in time, the line broke, or it refused to tell: a missing market
  data permission (354, 10089, …) says nothing about the market.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from ib_async.contract import Contract

from afterclose.adapters.ibkr.account_reading import read_account
from afterclose.adapters.ibkr.book import read_book
from afterclose.adapters.ibkr.convert import (
    contract_query,
    data_contract,
    listing_query,
    price_steps,
)
from afterclose.adapters.ibkr.history import (
    PACING_PAUSE_S,
    ask_daily_bars,
    bars_answer,
    duration_for,
)
from afterclose.adapters.ibkr.qualifying import described, of_month, qualification
from afterclose.adapters.ibkr.quoting import DELAYED, quote, quote_is_full
from afterclose.adapters.ibkr.rates import read_rate_history, read_rates
from afterclose.adapters.ibkr.session import Session, connected, value_of
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import (
    ContractMonth,
    Currency,
    FuturesContract,
    MappedContract,
    PriceStep,
    QualifiedContract,
    RootSymbol,
)
from afterclose.domain.market import (
    BarsAnswer,
    FxHistory,
    FxRates,
    Qualification,
    QualificationState,
    Quote,
)
from afterclose.errors import AccountMismatch, BrokerUnavailable
from afterclose.ports import Clock


class IbkrReader:
    """A ``BrokerReader`` on one open session. Made by ``open_reader``."""

    def __init__(self, session: Session, *, pacing_pause_s: float = PACING_PAUSE_S) -> None:
        self._session = session
        self._pacing_pause_s = pacing_pause_s
        self._months: dict[int, ContractMonth] = {}

    async def server_time(self) -> datetime:
        """Return the gateway's clock. Raises BrokerTimeout or BrokerUnavailable."""
        session = self._session
        reply = await session.ask_time()
        (seconds,) = value_of(reply, of="the server's time", session=session)
        return datetime.fromtimestamp(seconds, UTC)

    async def accounts(self) -> Sequence[str]:
        """Return the accounts that this login may trade."""
        return self._session.accounts

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        """Ask for each contract by the facts of its root.

        Several months of one root (a roll has two) are read from one answer: all that it lists.
        """
        by_root: defaultdict[RootSymbol, list[MappedContract]] = defaultdict(list)
        for mapped in contracts:
            by_root[mapped.contract.root].append(mapped)
        answers = await asyncio.gather(*(self._qualify_root(each) for each in by_root.values()))
        return {contract: found for answer in answers for contract, found in answer.items()}

    async def _qualify_root(
        self, contracts: Sequence[MappedContract]
    ) -> dict[FuturesContract, Qualification]:
        if len(contracts) == 1 or len({m.spec for m in contracts}) > 1:
            answers = await asyncio.gather(*(self._qualify(m) for m in contracts))
            return dict(zip((m.contract for m in contracts), answers, strict=True))
        query = listing_query(contracts[0].spec)
        reply = await self._session.ask(
            lambda number: self._session.client.reqContractDetails(number, query)
        )
        found = {m.contract: qualification(m, of_month(reply, m)) for m in contracts}
        # What the list does not show, or all of it was refused, is asked for by its own name.
        again = [m for m in contracts if found[m.contract].state is QualificationState.MISSING]
        if reply.code is not None:
            again = list(contracts)
        answers = await asyncio.gather(*(self._qualify(m) for m in again))
        return found | dict(zip((m.contract for m in again), answers, strict=True))

    async def _qualify(self, mapped: MappedContract) -> Qualification:
        query = contract_query(mapped)
        reply = await self._session.ask(
            lambda number: self._session.client.reqContractDetails(number, query)
        )
        return qualification(mapped, reply)

    async def describe(self, con_ids: Collection[int]) -> Mapping[int, QualifiedContract]:
        """Ask what these contract numbers are, from whatever exchange; silence leaves one out.

        The contracts are named as IB names them: by trading class, else by symbol.
        """
        wanted = sorted(set(con_ids))
        answers = await asyncio.gather(*(self._describe(con_id) for con_id in wanted))
        return {c: found for c, found in zip(wanted, answers, strict=True) if found is not None}

    async def _describe(self, con_id: int) -> QualifiedContract | None:
        query = Contract(conId=con_id)
        reply = await self._session.ask(
            lambda number: self._session.client.reqContractDetails(number, query)
        )
        return described(reply)

    async def price_steps(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, tuple[PriceStep, ...]]:
        """Ask for the price increments of each contract; those without an answer are left out."""
        rules = sorted({c.market_rule for c in contracts if c.market_rule is not None})
        replies = await asyncio.gather(*(self._session.ask_rule(rule) for rule in rules))
        told = {rule: r.rows for rule, r in zip(rules, replies, strict=True) if r.ended}
        return {
            c.contract: price_steps(told[c.market_rule], magnifier=c.price_magnifier)
            for c in contracts
            if c.market_rule in told
        }

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        """Ask for daily TRADES bars of all hours, the forming session included.

        At most ``sessions`` + 1 bars: enough completed ones whether or not the last still forms.
        """
        answers = await asyncio.gather(*(self._bars(c, sessions) for c in contracts))
        return dict(zip((found.contract for found in contracts), answers, strict=True))

    async def _bars(self, qualified: QualifiedContract, sessions: int) -> BarsAnswer:
        reply = await ask_daily_bars(
            self._session,
            data_contract(qualified),
            show="TRADES",
            duration=duration_for(sessions),
            pacing_pause_s=self._pacing_pause_s,
        )
        return bars_answer(reply, sessions=sessions)

    async def quotes(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, Quote]:
        """Take one snapshot of each market: live where the login has it, else delayed."""
        if contracts:
            with suppress(BrokerUnavailable):  # each quote will say so
                await self._session.send(lambda: self._session.client.reqMarketDataType(DELAYED))
        answers = await asyncio.gather(*(self._quote(found) for found in contracts))
        return dict(zip((found.contract for found in contracts), answers, strict=True))

    async def _quote(self, qualified: QualifiedContract) -> Quote:
        client, wanted = self._session.client, data_contract(qualified)
        reply = await self._session.ask(
            lambda number: client.reqMktData(
                number,
                wanted,
                genericTickList="",
                snapshot=True,
                regulatorySnapshot=False,
                mktDataOptions=[],
            ),
            cancel=client.cancelMktData,
            enough=quote_is_full,
        )
        return quote(reply, as_of=self._session.clock.now())

    async def fx_rates(self, currencies: Collection[Currency], *, base: Currency) -> FxRates:
        """Read the last completed daily midpoint of each currency against ``base``."""
        return await read_rates(
            self._session, currencies, base=base, pacing_pause_s=self._pacing_pause_s
        )

    async def fx_history(
        self, currencies: Collection[Currency], *, base: Currency, sessions: int
    ) -> FxHistory:
        """Read completed daily midpoints of each currency: at least so many days of them."""
        return await read_rate_history(
            self._session,
            currencies,
            base=base,
            sessions=sessions,
            pacing_pause_s=self._pacing_pause_s,
        )

    async def account(self, account: str) -> AccountSnapshot:
        """Read values, positions and working orders (of all clients) of exactly this account.

        Positions are those in futures. Raises AccountMismatch when the login does not have it.
        """
        require_account(self._session, account)
        return await read_account(self._session, account, self._months)

    async def sweep(self) -> OrderSweep:
        """Read the broker's book of all clients and all accounts of the login."""
        return await read_book(self._session)


def require_account(session: Session, account: str) -> None:
    """Refuse a gateway that serves other accounts. Raises AccountMismatch."""
    if account not in session.accounts:
        raise AccountMismatch(
            f"the gateway at {session.address} does not serve account {account}; "
            f"its login has {', '.join(session.accounts)}",
            hint="log in with the right user, or change the account in the settings",
        )


@asynccontextmanager
async def open_reader(
    *,
    host: str,
    port: int,
    client_id: int,
    account: str,
    timeout_s: float = 10.0,
    clock: Clock | None = None,
    pacing_pause_s: float = PACING_PAUSE_S,
) -> AsyncIterator[IbkrReader]:
    """Connect for reading; an empty ``account`` accepts any login.

    ``timeout_s`` is the deadline of each single request. ``clock`` dates what is read (the
    machine's clock by default). ``pacing_pause_s`` is the wait before a history request is repeated
    that IB refused for its pace.

    Raises BrokerUnavailable, BrokerError (326: client number in use) or AccountMismatch.
    """
    async with connected(
        host=host, port=port, client_id=client_id, timeout_s=timeout_s, clock=clock
    ) as session:
        if account:
            require_account(session, account)
        yield IbkrReader(session, pacing_pause_s=pacing_pause_s)
