"""What the account is worth at the gateway's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from afterclose.tws_sim.account import Account, Totals
from afterclose.tws_sim.account_values import Value, ledger_values, totals_values
from afterclose.tws_sim.contracts import Instrument
from afterclose.tws_sim.market import Market
from afterclose.tws_sim.prices import Prices


class Valuation:
    """Prices, rates and the account's value; ``now`` and ``today`` are the gateway's."""

    def __init__(
        self,
        *,
        market: Market,
        prices: Prices,
        account: Account,
        now: Callable[[], datetime],
        today: Callable[[], date],
    ) -> None:
        self._market = market
        self._prices = prices
        self._account = account
        self._now = now
        self._today = today

    def price(self, item: Instrument) -> Decimal:
        """Return the current price of an instrument, 0 where none is known."""
        quote = self._prices.quote(item, self._now())
        return Decimal(0) if quote is None else quote.last

    def rate(self, currency: str) -> Decimal | None:
        """Return dollars per unit of a currency."""
        return self._market.usd_per_unit(currency, self._today())

    def totals(self) -> Totals:
        """Value the account. Raises MissingRateError."""
        return self._account.totals(self.price, self.rate)

    def profit(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return the result of the day, open and realized, in the account's base currency."""
        totals = self.totals()
        return totals.unsettled, totals.unrealized, totals.realized

    def account_values(self) -> list[Value]:
        """Return every account value, totals first."""
        account, totals = self._account, self.totals()
        gross = sum(
            (
                abs(position.value(self.price(position.listing)))
                * account.to_base(position.listing.currency, self.rate)
                for position in account.held()
            ),
            Decimal(0),
        )
        ledger = ledger_values(account, totals, self.price, self.rate)
        return totals_values(totals, gross, account.base) + ledger
