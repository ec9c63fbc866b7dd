"""Seams: what the evening needs from the world outside, as small protocols.

``BrokerReader`` cannot place an order: placing is not in its type. ``OrderDesk`` is opened by
``nightly.trade`` and ``nightly.flatten`` only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import (
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding
from afterclose.domain.history import Acknowledgement
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import BarsAnswer, FxRates, Qualification, Quote, VendorContract
from afterclose.domain.nav import AccountNav, CashFlow
from afterclose.domain.netting import Netting, SessionRecord, Transfer
from afterclose.domain.notices import Notice
from afterclose.domain.orders import Action, Approval, BasketOrder, OrderEvent
from afterclose.domain.runs import ModelRequest, ModelResult
from afterclose.domain.sending import Halt


class Clock(Protocol):
    """The only source of the time."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""


class WaitingClock(Clock, Protocol):
    """A clock that can be waited by."""

    def sleep_until(self, moment: datetime) -> None:
        """Return when the moment has come; at once when it is past."""


class ModelRunner(Protocol):
    """Runs a model and returns what it did and wants."""

    def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
        """Run one model to its last session. Raises ModelError with the user's own lines."""


class MarketData(Protocol):
    """Tonight's bars, as the models see them."""

    @property
    def path(self) -> Path:
        """Where the store lives: model processes open it themselves."""

    @property
    def source(self) -> str:
        """Where the bars came from, as their loader named it."""

    @property
    def fingerprint(self) -> str:
        """Digest of the content; changes with any bar."""

    def roots(self) -> Sequence[str]:
        """Every market in the store."""

    def last_session(self) -> Session:
        """The newest session in the store."""

    def no_close(self, session: Session) -> Mapping[str, Finding]:
        """Roots that have no close of the session: an American holiday on which they stop early."""

    def late(self, session: Session) -> Mapping[str, Finding]:
        """Roots whose bar of ``session`` is not there, each with the reason as a finding."""

    def quality(
        self, contracts: Collection[FuturesContract], session: Session
    ) -> Mapping[RootSymbol, tuple[Finding, ...]]:
        """What looks wrong in the session's bars of these contracts and of their markets' leads.

        By market; one without a finding, or without a bar of the session, is left out.
        """

    def revised(self, session: Session) -> Mapping[str, Finding]:
        """Markets and currencies whose history changed since the evening before, and how much."""

    def last_close(self, contract: FuturesContract, session: Session) -> Decimal | None:
        """Last known close up to ``session``, exact, in vendor units; None where there is none."""

    def daily_move(self, contract: FuturesContract, session: Session) -> Decimal | None:
        """Standard deviation of the last twenty changes of the close, in vendor units.

        None where fewer are known.
        """

    def rate(self, currency: Currency, base: Currency, session: Session) -> Decimal | None:
        """Value of one unit of a currency in another, last known up to ``session``."""

    def vendor_contract(self, contract: FuturesContract) -> VendorContract | None:
        """What the vendor knows of the contract itself; None where it does not list it."""


class BrokerReader(Protocol):
    """Reads the gateway. Each answer is a value, a confirmed nothing, or unknown."""

    async def server_time(self) -> datetime:
        """The gateway's clock."""

    async def accounts(self) -> Sequence[str]:
        """Accounts that this login may trade."""

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        """Ask for each contract by the facts of its root."""

    async def describe(self, con_ids: Collection[int]) -> Mapping[int, QualifiedContract]:
        """What these contract numbers are; those without an answer are left out."""

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        """Daily TRADES bars, all hours, the forming session included."""

    async def quotes(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, Quote]:
        """One snapshot of the market of each contract."""

    async def fx_rates(self, currencies: Collection[Currency], *, base: Currency) -> FxRates:
        """Last daily midpoint of each currency against the base: direct pair, else inverse."""

    async def account(self, account: str) -> AccountSnapshot:
        """Values, positions and working orders (of all clients) of one account."""

    async def sweep(self) -> OrderSweep:
        """Open and completed orders and executions of all clients."""


class MarginPreview(Protocol):
    """Asks what orders would do to the margin, and can do nothing else."""

    async def what_ifs(
        self, orders: Sequence[tuple[BasketOrder, QualifiedContract]]
    ) -> Mapping[str, MarginImpact]:
        """Ask for each order alone, against the account as it is; keyed by order reference."""


class OrderDesk(Protocol):
    """Places orders. Exists only with an Approval in hand."""

    async def place(self, order: BasketOrder, qualified: QualifiedContract) -> None:
        """Write one order to the wire. Its fate arrives through ``events``.

        An AfterCloseError means that no byte left, but for RunAlreadySubmitted: then the order is
        at the broker.
        """

    async def cancel(self, order_ref: str) -> None:
        """Ask for a cancellation of one of our own orders."""

    def events(self) -> AsyncIterator[OrderEvent]:
        """Everything the gateway says about our orders, in the order it came."""

    async def sweep(self) -> OrderSweep:
        """The broker's book, read whole."""


class BasketFiles(Protocol):
    """Writes baskets that TWS can load."""

    def write(
        self, folder: Path, session: date, orders: Sequence[BasketOrder], *, side: Action | None
    ) -> Path:
        """Write one basket, whole or not at all, and read it back; ``side`` None is both sides."""


class Ledger(Protocol):
    """Append-only facts that outlive a run. Nothing is updated, nothing deleted."""

    def append_events(self, run_id: str, events: Sequence[OrderEvent]) -> None:
        """Write order events durably; returns only when they would survive a power cut."""

    def events(self, session: date) -> Sequence[OrderEvent]:
        """Every order event of one session, in the order they were written."""

    def record_orders(
        self,
        run_id: str,
        orders: Sequence[BasketOrder],
        *,
        parts: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Remember what each order reference means, and whose position a flattening closes."""

    def record_netting(self, run_id: str, netting: Netting) -> None:
        """Remember rows and the orders that carry them; all of it or nothing."""

    def record_transfers(self, run_id: str, transfers: Sequence[Transfer], *, at: datetime) -> None:
        """Write what rows bought of each other inside the desk; twice written, it counts once."""

    def netting(self, session: date) -> Netting:
        """What was netted for one session; its ``orders`` are those that carry rows."""

    def record_approval(self, approval: Approval) -> None:
        """Write an approval (or its absence: a rejection has no order references)."""

    def approval(self, run_id: str) -> Approval | None:
        """Return the last decision on one run."""

    def orders(self, session: date) -> Sequence[BasketOrder]:
        """Every order this desk ever named for one session."""

    def models(self) -> Sequence[str]:
        """Names of every model that ever held or traded anything on this desk."""

    def held(self, model: str) -> Mapping[FuturesContract, int]:
        """What the desk holds for one model, by its own adoptions and attributed fills."""

    def adopt(
        self, model: str, positions: Mapping[FuturesContract, int], *, at: datetime, note: str
    ) -> None:
        """Take positions over for a model, without an order."""

    def adopted(self, model: str) -> frozenset[FuturesContract]:
        """Contracts of which a model ever took a position over."""

    def acknowledge(self, word: Acknowledgement) -> None:
        """Write that a person has seen what changed in a model's past."""

    def acknowledged(self, model: str, digest: str) -> Acknowledgement | None:
        """Return the last word on exactly these changes, if there is one."""

    def parts(self, refs: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Whose positions these orders close, for those that belong to several models. Signed."""

    def flattened(self, model: str) -> frozenset[RootSymbol]:
        """Roots that a person flattened and that the model has not opened again since."""

    def rolled(self, model: str) -> Mapping[FuturesContract, FuturesContract]:
        """Which contract a person rolled into which for this model."""

    def named(self, refs: Collection[str]) -> Mapping[str, BasketOrder]:
        """Those of these references that this desk named."""

    def record_halt(self, halt: Halt) -> None:
        """Write a person's halt, or its lifting."""

    def halted(self) -> Halt | None:
        """The halt that stands, if one does."""

    def record_nav(self, record: AccountNav) -> None:
        """Write where the account's value stood at one moment."""

    def navs(self, account: str) -> Sequence[AccountNav]:
        """Every record of the account's value, oldest first."""

    def record_flow(self, flow: CashFlow) -> None:
        """Write a person's word on money put in or taken out."""

    def flows(self) -> Sequence[CashFlow]:
        """Money put in or taken out, oldest first."""

    def sessions(self) -> Sequence[date]:
        """Every session for which this desk named an order, oldest first."""

    def records(self) -> Sequence[SessionRecord]:
        """Every session with orders, oldest first, read at once: for what looks at all of them."""

    def adoptions(self, model: str) -> Sequence[tuple[datetime, FuturesContract, int]]:
        """What a model took over without an order: when, what, how many."""


class Notifier(Protocol):
    """Tells a person who is elsewhere."""

    def tell(self, notice: Notice) -> tuple[str, ...]:
        """Tell it on every channel that wants it; return what went wrong, in words. Never raises.

        No account number and no key is in what is told.
        """
