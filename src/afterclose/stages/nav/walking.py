"""From one record of the account to the next: what is asked on the way, and the trades between."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import takewhile
from operator import itemgetter
from typing import TypeVar

from afterclose.domain.contracts import Currency, FuturesContract
from afterclose.domain.nav import AccountNav
from afterclose.stages.nav.inputs import ModelBook, NavInputs, Trade

_At = TypeVar("_At")


class Book:
    """One model's trades and the desk's for it, walked once from record to record."""

    def __init__(self, model: ModelBook) -> None:
        self.model = model
        self._model = deque(sorted(model.fills, key=itemgetter(0)))
        self._desk = deque(sorted(model.desk, key=itemgetter(0)))
        self.held_model: defaultdict[FuturesContract, Decimal] = defaultdict(Decimal)
        self.held_desk: defaultdict[FuturesContract, Decimal] = defaultdict(Decimal)
        self.of_model: Sequence[Trade] = ()
        self.of_desk: Sequence[Trade] = ()

    def walk(self, before: AccountNav, after: AccountNav) -> None:
        """Hold what was held at the first record, and set what was traded up to the second.

        A trade of the very instant of a record came after it: the record is of before the sending.
        """
        for trade in self._until(self._model, lambda at: at <= before.session):
            self.held_model[trade.contract] += trade.quantity * self.model.scale
        for trade in self._until(self._desk, lambda at: at < before.as_of):
            self.held_desk[trade.contract] += trade.quantity
        traded = takewhile(lambda fill: fill[0] <= after.session, self._model)
        self.of_model = [scaled(trade, self.model.scale) for _, trade in traded]
        self.of_desk = [t for _, t in takewhile(lambda fill: fill[0] < after.as_of, self._desk)]

    @staticmethod
    def _until(trades: deque[tuple[_At, Trade]], due: Callable[[_At], bool]) -> Iterator[Trade]:
        while trades and due(trades[0][0]):
            yield trades.popleft()[1]


@dataclass(slots=True)
class Span:
    """One stretch between two records, with what could not be had on the way."""

    inputs: NavInputs
    before: AccountNav
    after: AccountNav
    unknown: set[str] = field(default_factory=set)

    def close(self, contract: FuturesContract, session: date) -> Decimal | None:
        found = self.inputs.close(contract, session)
        if found is None:
            self.unknown.add(f"close of {contract.symbol} in {session}")
        return found

    def money(self, contract: FuturesContract, session: date) -> Decimal | None:
        """Reporting money per 1.0 of price, by the data's rate of a session."""
        spec = self.inputs.specs.get(contract.root)
        if spec is None or spec.point_value is None:
            self.unknown.add(f"facts of {contract.root}")
            return None
        rate = self.rate(spec.currency, session)
        return None if rate is None else spec.point_value * rate

    def account_rate(self, currency: Currency) -> Decimal | None:
        """What the account's money counts at: its own rate at the end, where it tells one."""
        own = self.after.worth(currency)
        return own if own is not None else self.rate(currency, self.after.session)

    def account_money(self, contract: FuturesContract) -> Decimal | None:
        """The account's money per 1.0 of price, at the end."""
        spec = self.inputs.specs.get(contract.root)
        if spec is None or spec.point_value is None:
            self.unknown.add(f"facts of {contract.root}")
            return None
        rate = self.account_rate(spec.currency)
        return None if rate is None else spec.point_value * rate

    def rate(self, currency: Currency, session: date) -> Decimal | None:
        found = self.inputs.rate(currency, session)
        if found is None:
            self.unknown.add(f"rate of {currency} in {session}")
        return found


def scaled(trade: Trade, scale: Decimal) -> Trade:
    return Trade(contract=trade.contract, quantity=trade.quantity * scale, price=trade.price)
