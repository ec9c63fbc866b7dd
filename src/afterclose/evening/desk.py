"""The desk: everything that an evening works with, and what decides an evening's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from afterclose import clock as calendar
from afterclose.adapters.patience import AT_ONCE, Patience, opened
from afterclose.artifacts import digest_of
from afterclose.domain.contracts import (
    ContractSpec,
    Currency,
    RootSymbol,
    Session,
)
from afterclose.domain.notices import Notice
from afterclose.domain.orders import Approval
from afterclose.evening.books import Books
from afterclose.ports import (
    BasketFiles,
    BrokerReader,
    Clock,
    Ledger,
    MarginPreview,
    MarketData,
    ModelRunner,
    OrderDesk,
)
from afterclose.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything an evening works with; made by ``bootstrap``, never by a stage.

    ``say`` shows progress to whoever watches. Readers and order desks are opened when they are
    needed, and only ``trade`` opens an order desk.
    """

    settings: Settings
    specs: Mapping[RootSymbol, ContractSpec]
    clock: Clock
    market: MarketData
    runner: ModelRunner
    ledger: Ledger
    baskets: BasketFiles
    open_reader: Callable[[], AbstractAsyncContextManager[BrokerReader]]
    open_order_desk: Callable[[Approval], AbstractAsyncContextManager[OrderDesk]]
    code_version: str
    say: Callable[[str], None]
    open_margin_preview: Callable[[], AbstractAsyncContextManager[MarginPreview]] | None = None
    on_order_event: Callable[[str], None] = lambda _text: None
    #: Tells the person who is elsewhere.
    tell: Callable[[Notice], None] = lambda _notice: None
    #: How long a gateway that restarts is waited for.
    patience: Patience = AT_ONCE

    def reader(
        self, heard: Callable[[str], None] = lambda _text: None
    ) -> AbstractAsyncContextManager[BrokerReader]:
        """Open the gateway to look at it; one that restarts is waited for, and ``heard`` hears it.

        Raises BrokerUnavailable, BrokerError (326: client number in use) or AccountMismatch.
        """

        def said(text: str) -> None:
            self.say(text)
            heard(text)

        return opened(self.open_reader, self.patience, self.clock, said)

    @property
    def base(self) -> Currency:
        """The currency that money is counted in."""
        return Currency(self.settings.engine.base_currency)


def inputs_digest(desk: Desk, session: Session, books: Books) -> str:
    """Return the digest of everything that decides tonight's orders."""
    settings = desk.settings.model_dump(mode="json", exclude=_DECIDES_NOTHING)
    held = {m: {c.symbol: q for c, q in book.items()} for m, book in books.held.items()}
    past = {ref: state.value for ref, state in books.states.items()}
    specs = [desk.specs[root] for root in sorted(desk.specs)]
    return digest_of(
        session, desk.market.fingerprint, desk.code_version, settings, specs, held, past
    )


#: Settings that change where and how fast things are done, and no order.
_DECIDES_NOTHING: Mapping[str, Any] = {
    "home": True,
    "broker": True,
    "ledger": True,
    "data": True,
    "notify": True,
    "engine": {"workers", "cluster", "time_limit_s"},
}


def next_restart(desk: Desk) -> datetime | None:
    """Return when the gateway restarts next; None where it never does."""
    return restart_after(desk.settings, desk.clock.now())


def restart_after(settings: Settings, now: datetime) -> datetime | None:
    """Return the gateway's first restart after ``now``, by the settings; None: it has none."""
    broker = settings.broker
    if broker.restart == "never":
        return None
    return calendar.next_time_of_day(now, broker.restart, broker.restart_zone)
