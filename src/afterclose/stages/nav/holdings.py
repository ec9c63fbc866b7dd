"""Open positions by model: since when, at what price, worth what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.nav import ZERO, OpenPosition
from afterclose.stages.nav.inputs import ModelBook, NavInputs, Trade


def open_positions(inputs: NavInputs, session: date) -> tuple[OpenPosition, ...]:
    """Return what the desk holds for each model, since its entry, valued at a session's closes."""
    found = []
    for model in inputs.models:
        for contract, entry in _entries(model).items():
            price = inputs.close(contract, session)
            found.append(_valued(inputs, model.name, contract, entry, price, session))
    return tuple(sorted(found, key=lambda p: (p.model, p.contract)))


@dataclass(slots=True)
class _Entry:
    """The holding of one contract since it was last flat."""

    quantity: Decimal = ZERO
    opened: Decimal = ZERO
    paid: Decimal | None = ZERO
    at: datetime | None = None

    def add(self, at: datetime, trade: Trade) -> None:
        before = self.quantity
        self.quantity += trade.quantity
        if not self.quantity:
            self.opened, self.paid, self.at = ZERO, ZERO, None
        elif before * self.quantity <= 0:  # from flat, or through it
            self.opened, self.at = self.quantity, at
            self.paid = None if trade.price is None else self.quantity * trade.price
        elif before * trade.quantity > 0:
            self.opened += trade.quantity
            if self.paid is not None:
                more = None if trade.price is None else trade.quantity * trade.price
                self.paid = None if more is None else self.paid + more


def _entries(model: ModelBook) -> Mapping[FuturesContract, _Entry]:
    entries: defaultdict[FuturesContract, _Entry] = defaultdict(_Entry)
    for at, trade in sorted(model.desk, key=lambda pair: pair[0]):
        entries[trade.contract].add(at, trade)
    return {contract: entry for contract, entry in entries.items() if entry.quantity}


def _valued(
    inputs: NavInputs,
    model: str,
    contract: FuturesContract,
    entry: _Entry,
    price: Decimal | None,
    session: date,
) -> OpenPosition:
    spec = inputs.specs.get(contract.root)
    rate = None if spec is None else inputs.rate(spec.currency, session)
    worth = None if spec is None or spec.point_value is None or rate is None else spec.point_value
    paid = None if entry.paid is None or not entry.opened else entry.paid / entry.opened
    moved = (
        None
        if price is None or paid is None
        else (price - paid) * (1 if entry.quantity > 0 else -1)
    )
    return OpenPosition(
        model=model,
        contract=contract,
        quantity=int(entry.quantity),
        entered=entry.at,
        entry_price=paid,
        price=price,
        value=None
        if price is None or worth is None or rate is None
        else entry.quantity * price * worth * rate,
        result=None
        if moved is None or worth is None or rate is None
        else abs(entry.quantity) * moved * worth * rate,
        change=None if moved is None or not paid else moved / abs(paid),
    )
