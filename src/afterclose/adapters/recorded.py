"""A gateway that says again what it said one evening: a kept snapshot as a ``BrokerReader``.

For looking at an evening again, offline, with other settings or newer checks. What the gateway left
unanswered then stays unanswered; what it was not asked is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import (
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
)
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import (
    AnswerState,
    BarsAnswer,
    FxRates,
    MarketSnapshot,
    Qualification,
    QualificationState,
    Quote,
)
from afterclose.domain.orders import BasketOrder
from afterclose.errors import AccountMismatch, BrokerTimeout

_NOT_ASKED = "not asked on that evening"


class RecordedReader:
    """Answers from one ``MarketSnapshot``."""

    def __init__(self, snapshot: MarketSnapshot) -> None:
        self._snapshot = snapshot

    async def server_time(self) -> datetime:
        """The gateway's clock of that evening. Raises BrokerTimeout where it did not tell."""
        if self._snapshot.server_time is None:
            raise BrokerTimeout("the gateway did not tell its time on that evening")
        return self._snapshot.server_time

    async def accounts(self) -> Sequence[str]:
        """The one account that was read."""
        return (self._snapshot.account.account,)

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        """What became of each name."""
        unknown = Qualification(state=QualificationState.UNKNOWN, text=_NOT_ASKED)
        return {
            m.contract: self._snapshot.qualifications.get(m.contract, unknown) for m in contracts
        }

    async def describe(self, con_ids: Collection[int]) -> Mapping[int, QualifiedContract]:
        """The contracts of that evening among these numbers."""
        found = (a.qualified for a in self._snapshot.qualifications.values())
        return {q.con_id: q for q in found if q is not None and q.con_id in con_ids}

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        """The bars that came, at most ``sessions`` and the forming one."""
        unknown = BarsAnswer(state=AnswerState.UNKNOWN, text=_NOT_ASKED)
        found = {c.contract: self._snapshot.bars.get(c.contract, unknown) for c in contracts}
        return {c: replace(a, bars=a.bars[-(sessions + 1) :]) for c, a in found.items()}

    async def quotes(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, Quote]:
        """The market as it was."""
        unknown = Quote(state=AnswerState.UNKNOWN, text=_NOT_ASKED)
        return {c.contract: self._snapshot.quotes.get(c.contract, unknown) for c in contracts}

    async def fx_rates(self, currencies: Collection[Currency], *, base: Currency) -> FxRates:
        """The rates of that evening; none into another base than it was counted in."""
        kept = self._snapshot.fx
        if base != kept.base:
            return FxRates(base=base, missing=dict.fromkeys(currencies, _NOT_ASKED))
        known = {c: r for c, r in kept.rates.items() if c in currencies}
        left = set(currencies) - set(known) - {base}
        return FxRates(
            base=base,
            rates=known,
            missing={c: kept.missing.get(c, _NOT_ASKED) for c in sorted(left)},
        )

    async def account(self, account: str) -> AccountSnapshot:
        """The account as it was. Raises AccountMismatch for another one."""
        if account != self._snapshot.account.account:
            raise AccountMismatch(
                f"the snapshot is of {self._snapshot.account.account}, not of {account}",
                hint="replay it on a desk of that account",
            )
        return self._snapshot.account

    async def what_ifs(
        self, orders: Sequence[tuple[BasketOrder, QualifiedContract]]
    ) -> Mapping[str, MarginImpact]:
        """The what-ifs of that evening; one of another quantity was not asked."""
        kept = self._snapshot.margins or {}
        return {
            o.order_ref: found
            if (found := kept.get(o.order_ref)) is not None and found.quantity == o.quantity
            else MarginImpact(quantity=o.quantity, text=_NOT_ASKED)
            for o, _ in orders
        }

    async def sweep(self) -> OrderSweep:
        """The broker's book is no part of a snapshot. Raises BrokerTimeout."""
        raise BrokerTimeout("the broker's book was not kept with the snapshot")
