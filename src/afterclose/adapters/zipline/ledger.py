"""Profit and loss in the account's currency, by the exchange rate of the day.

Zipline takes a contract's point value as dollars whatever its currency. Here each day's variation
(and each fill's) is converted with the rate of that session before it reaches the cash, the way a
clearing house pays it out. Nothing else changes: ``Ledger`` and ``MetricsTracker`` stay Zipline's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zipline.finance.ledger import Ledger
from zipline.finance.metrics import MetricsTracker

from afterclose.errors import ModelError

#: Base money per unit of the contract's currency: (asset, session) → rate.
RateOf = Callable[[Any, Any], float]


class AccountLedger(Ledger):  # type: ignore[misc]  # Zipline is untyped
    """A ledger that converts every payout of a futures position."""

    def __init__(self, sessions: Any, capital_base: float, frequency: str, rate_of: RateOf) -> None:
        super().__init__(sessions, capital_base, frequency)
        self._rate_of = rate_of
        self._session: Any = sessions[0]
        self._rate = 1.0

    def start_of_session(self, session_label: Any) -> None:
        """Remember the session: its rates hold until the next one begins."""
        super().start_of_session(session_label)
        self._session = session_label

    def process_transaction(self, transaction: Any) -> None:
        """Book a fill; the payout since the last mark is converted at today's rate."""
        self._rate = self._rate_today(transaction.asset)
        super().process_transaction(transaction)
        self._rate = 1.0

    def _calculate_payout(
        self, multiplier: float, amount: float, old_price: float, price: float
    ) -> float:
        native: float = Ledger._calculate_payout(multiplier, amount, old_price, price)  # noqa: SLF001 - the hook of this class
        return native * self._rate

    def _get_payout_total(self, positions: Any) -> float:
        marks = self._payout_last_sale_prices
        total = 0.0
        for asset, mark in marks.items():
            position = positions[asset]
            price = marks[asset] = position.last_sale_price
            self._rate = self._rate_today(asset)
            total += self._calculate_payout(asset.price_multiplier, position.amount, mark, price)
        self._rate = 1.0
        return total

    def _rate_today(self, asset: Any) -> float:
        rate = self._rate_of(asset, self._session)
        if rate != rate:  # noqa: PLR0124 - the plain test for NaN
            raise ModelError(
                f"no exchange rate to value {asset.symbol} on {self._session:%Y-%m-%d}",
                hint='load exchange rates for its currency, or run with currency = "native"',
            )
        return rate


class AccountTracker(MetricsTracker):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's metrics tracker around an ``AccountLedger``."""

    def __init__(self, *, rate_of: RateOf, capital_base: float, **options: Any) -> None:
        super().__init__(capital_base=capital_base, **options)
        self._ledger = AccountLedger(
            self._sessions, capital_base, options["data_frequency"], rate_of
        )
