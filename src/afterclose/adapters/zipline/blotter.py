"""Orders whose ids say what they are, and come out the same in every repetition of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zipline.finance.blotter import SimulationBlotter
from zipline.finance.order import Order
from zipline.finance.transaction import Transaction

from afterclose.domain.runs import ADOPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A position that a model takes over at the close of its first session, at ``price``."""

    asset: Any
    amount: int
    price: float


class RepeatableBlotter(SimulationBlotter):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's blotter with ids from session, contract and a count: ``20200309-CLK20-1``.

    ``adopt`` are booked on the first bar as fills without cost, each by an order of its own that is
    filled at once, so that every later record of the run (fills, positions, files) agrees.
    """

    def __init__(self, adopt: Sequence[Adoption] = ()) -> None:
        super().__init__()
        self._to_adopt = tuple(adopt)

    def order(self, asset: Any, amount: int, style: Any, order_id: str | None = None) -> Any:
        """Place an order; one that brings no id of its own gets the next for its contract."""
        if order_id is None:
            order_id = self._next_id(asset)
        return super().order(asset, amount, style, order_id)

    def get_transactions(self, bar_data: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Fill open orders; on the first bar the adopted positions come first."""
        adopted = [self._adopt(position) for position in self._to_adopt]
        self._to_adopt = ()
        transactions, commissions, closed = super().get_transactions(bar_data)
        return [*adopted, *transactions], commissions, closed

    def _adopt(self, position: Adoption) -> Transaction:
        order = Order(
            dt=self.current_dt,
            asset=position.asset,
            amount=position.amount,
            filled=position.amount,
            id=f"{ADOPTED}{position.asset.symbol}",
        )
        self.orders[order.id] = order
        return Transaction(
            asset=position.asset,
            amount=position.amount,
            dt=self.current_dt,
            price=position.price,
            order_id=order.id,
        )

    def _next_id(self, asset: Any) -> str:
        stem = f"{self.current_dt:%Y%m%d}-{asset.symbol}"
        number = 1
        while f"{stem}-{number}" in self.orders:
            number += 1
        return f"{stem}-{number}"
