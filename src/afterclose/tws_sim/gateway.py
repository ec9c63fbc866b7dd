"""The gateway behind all connections: market, account, book and clock, and who hears of what.

No sockets here. Sessions (one per connection) call in; what they and others have to be told is put
into their outboxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from afterclose.tws_sim import messages, quotes, telling
from afterclose.tws_sim.account import Account, AccountSpec
from afterclose.tws_sim.clock import GatewayClock
from afterclose.tws_sim.contracts import Instrument, Listing
from afterclose.tws_sim.directory import Directory
from afterclose.tws_sim.exchange import BookEvent, Exchange, Filled, Settled
from afterclose.tws_sim.ids import OrderIds
from afterclose.tws_sim.market import Market
from afterclose.tws_sim.orders import Order
from afterclose.tws_sim.prices import Prices, Quote
from afterclose.tws_sim.scenario import Connectivity, Scenario
from afterclose.tws_sim.valuation import Valuation


@dataclass(slots=True, kw_only=True)
class QuoteSubscription:
    """A running quote request of a client, and what it was sent last."""

    item: Instrument
    delayed: bool
    sent: Quote | None = None


@dataclass(slots=True, kw_only=True)
class Subscriptions:
    """What a client wants to hear about."""

    positions: bool = False
    account_updates: bool = False
    summaries: dict[int, frozenset[str]] = field(default_factory=dict)
    quotes: dict[int, QuoteSubscription] = field(default_factory=dict)
    profit: dict[int, tuple[Decimal, Decimal, Decimal]] = field(default_factory=dict)
    market_data_type: int = 1


class Client(Protocol):
    """One connected client, as the gateway sees it."""

    client_id: int
    version: int
    wants: Subscriptions

    def send(self, *frames: bytes, delay_s: float = 0.0) -> None: ...

    def error(self, request_id: int, code: int, text: str) -> None: ...

    def close(self) -> None: ...


class Gateway:
    """All there is but the wire."""

    def __init__(
        self,
        *,
        market: Market,
        account: AccountSpec,
        clock: GatewayClock,
        scenario: Scenario | None = None,
        seed: int = 0,
    ) -> None:
        self.seed = seed
        self.market = market
        self.clock = clock
        self.scenario = scenario or Scenario()
        self.directory = Directory(market, self.today)
        self.prices = Prices(market, lambda: self.scenario)
        self.account = Account(name=account.account, base=account.base, cash=account.cash)
        self.value = Valuation(
            market=market,
            prices=self.prices,
            account=self.account,
            now=clock.now,
            today=lambda: self.today,
        )
        self.clients: dict[int, Client] = {}
        self.ids = OrderIds()
        self.by_client: dict[tuple[int, int], Order] = {}
        self.orders_seen = 0
        self.changed = False
        """Whether the book has changed since it was saved."""
        self.exchange = Exchange(
            prices=self.prices, account=self.account, at=clock.now(), tell=self._tell
        )
        self._hold(account)

    def _hold(self, spec: AccountSpec) -> None:
        for holding in spec.positions:
            listing = self.directory.by_root(holding.root, holding.contract_month)
            if listing is None:
                raise ValueError(f"no contract {holding.root} {holding.contract_month} is listed")
            price = self.value.price(listing)
            average = holding.average_price * listing.product.vendor_scale
            self.account.hold(listing, holding.quantity, average, price)
        self.value.totals()  # raises where a currency has no rate

    # -- time and value ----------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The gateway's time."""
        return self.clock.now()

    @property
    def told_time(self) -> datetime:
        """The time clients are told; wrong by the scenario's skew."""
        return self.now + timedelta(seconds=self.scenario.clock_skew_s)

    @property
    def today(self) -> date:
        """The calendar day of the gateway's user."""
        return self.now.astimezone(ZoneInfo(messages.ZONE)).date()

    def process(self) -> None:
        """Make everything happen that is due by now."""
        now = self.now
        if now > self.exchange.at:
            self.exchange.run_until(now)

    def tick(self) -> None:
        """Let time pass: what is due happens, and running quotes and results move."""
        self.process()
        for client in list(self.clients.values()):
            self.refresh_quotes(client)
            self._refresh_profit(client)

    def _refresh_profit(self, client: Client) -> None:
        for request_id, sent in client.wants.profit.items():
            now = self.value.profit()
            if now != sent:
                client.wants.profit[request_id] = now
                client.send(messages.profit_and_loss(request_id, *now))

    def befalls(self, fault: str) -> bool:
        """Say whether the scenario has a fault for the order that came last."""
        return self.scenario.befalls(fault, self.orders_seen, seed=self.seed)

    # -- clients -----------------------------------------------------------------------------

    def joined(self, client: Client) -> None:
        """Greet a client that started its session."""
        if self.scenario.roll_back_ids:
            self.ids.roll_back(client.client_id)
        self.clients[client.client_id] = client
        client.send(
            messages.managed_accounts(self.account.name),
            messages.next_valid_id(self.ids.next_order_id(client.client_id)),
        )
        farms = {2104: "usfuture", 2106: "ushmds", 2158: "secdefil"}
        names = {2104: "Market data farm", 2106: "HMDS data farm", 2158: "Sec-def data farm"}
        for code, farm in farms.items():
            client.error(-1, code, f"{names[code]} connection is OK:{farm}")
        if self.scenario.connectivity is Connectivity.LOST:
            self._announce(client)

    def left(self, client: Client) -> None:
        """Forget a client that is gone; its orders stay."""
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]

    def switch(self, scenario: Scenario) -> None:
        """Change the scenario while clients are connected."""
        changed = scenario.connectivity is not self.scenario.connectivity
        self.scenario = scenario
        self.orders_seen = 0
        self.exchange.schedule_all()
        for client in list(self.clients.values()):
            if changed:
                self._announce(client)
            self.refresh_quotes(client)

    def _announce(self, client: Client) -> None:
        said = telling.connectivity_error(self.scenario.connectivity)
        if said is not None:
            client.error(-1, *said)

    # -- what the book tells -----------------------------------------------------------------

    def _tell(self, event: BookEvent) -> None:
        self.changed = True
        if isinstance(event, Settled):
            self._after_change(event.listing)
            return
        client = self.clients.get(event.order.client_id)
        if client is not None:
            frames = telling.event_frames(client.version, event, self.account.name)
            self.deliver(event.order, frames)
        if isinstance(event, Filled) and isinstance(event.order.instrument, Listing):
            self._after_change(event.order.instrument)

    def deliver(self, order: Order, frames: Sequence[bytes]) -> None:
        """Send messages about an order to its client, with the scenario's faults."""
        client = self.clients.get(order.client_id)
        lost = self.scenario.connectivity is Connectivity.LOST
        if client is None or order.silent or lost:
            return
        if self.scenario.reverse_callbacks:
            frames = frames[::-1]
        if self.scenario.duplicate_callbacks:
            frames = [each for one in frames for each in (one, one)]
        client.send(*frames, delay_s=self.scenario.late_callbacks_s)

    def _after_change(self, listing: Listing) -> None:
        if self.scenario.connectivity is Connectivity.LOST:
            return
        for client in list(self.clients.values()):
            if client.wants.positions:
                client.send(self.position_frame(listing))
            if client.wants.account_updates:
                client.send(self.portfolio_frame(listing), *self.account_frames())

    def position_frame(self, listing: Listing) -> bytes:
        """Return the position message of a contract, as the scenario has it."""
        exchange = "" if self.scenario.empty_exchange else listing.exchange
        return telling.position_frame(self.account, listing, exchange=exchange)

    def portfolio_frame(self, listing: Listing) -> bytes:
        """Return the portfolio line of a contract."""
        return telling.portfolio_frame(self.account, listing, self.value.price(listing))

    def account_frames(self) -> list[bytes]:
        """Return all account values as account update messages."""
        return telling.account_frames(self.account.name, self.value.account_values())

    def refresh_quotes(self, client: Client) -> None:
        """Send the ticks that changed to a client's running quote requests."""
        for request_id, subscription in client.wants.quotes.items():
            quote = self.prices.quote(subscription.item, self.now)
            if quote is not None and quote != subscription.sent:
                delayed = subscription.delayed
                client.send(
                    *quotes.ticks(request_id, subscription.item, quote, self.now, delayed=delayed)
                )
                subscription.sent = quote
