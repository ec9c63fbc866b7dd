"""From a model's trade to an order at the broker, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from afterclose.domain.contracts import Currency, FuturesContract, MappedContract, Session
from afterclose.domain.findings import Finding
from afterclose.domain.placing import LegLimit, LoneLeg, OrderType, Repricing, StartWhen, at_market
from afterclose.errors import UsageError


class Action(StrEnum):
    """Side of an order, as IB writes it."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a purchase, −1 for a sale."""
        return 1 if self is Action.BUY else -1

    @classmethod
    def of(cls, signed: int) -> Action:
        """Return the side of a signed quantity."""
        return cls.BUY if signed > 0 else cls.SELL


class TradeKind(StrEnum):
    """What a trade does to the model's position in its contract."""

    ENTRY = "entry"
    ADD = "add"
    REDUCE = "reduce"
    EXIT = "exit"
    REVERSAL = "reversal"
    ROLL_CLOSE = "roll-close"
    ROLL_OPEN = "roll-open"
    #: Zipline will close the position by itself; the account must be out before.
    AUTO_CLOSE = "auto-close"

    @property
    def closes(self) -> bool:
        """Whether the trade only takes a position away: nothing about sizing may hold it up."""
        return self in _CLOSING


_CLOSING = frozenset({TradeKind.REDUCE, TradeKind.EXIT, TradeKind.ROLL_CLOSE, TradeKind.AUTO_CLOSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTrade:
    """One trade that one model wants tonight, in the model's own quantities.

    ``price`` is a vendor price: the last close, or the model's fill under the transactions rule;
    None when the model's data has none. ``roll_partner`` is the other leg's contract. ``line`` is
    the row of the input file, if any.
    """

    model: str
    contract: FuturesContract
    decided_on: Session
    kind: TradeKind
    position_before: int
    position_after: int
    price: Decimal | None
    reason: str = ""
    stop_level: Decimal | None = None
    roll_partner: FuturesContract | None = None
    line: int | None = None

    @property
    def trade_id(self) -> str:
        """Stable name of the trade: model, session, contract."""
        return f"{self.model}/{self.decided_on.isoformat()}/{self.contract.symbol}"

    @property
    def delta(self) -> int:
        """Signed change of the model's position."""
        return self.position_after - self.position_before


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketOrder:
    """One row of the basket. Prices are IB prices, on the tick.

    ``order_ref`` is made from desk, session, model, contract, effect and attempt, not from the run:
    a second run of the same session meets its own orders. ``model_quantity`` is what the model
    would trade, ``held_before`` what the desk holds for it; ``trade_id`` names the ModelTrade.
    """

    order_ref: str
    model: str
    mapped: MappedContract
    action: Action
    quantity: int
    kind: TradeKind
    limit_price: Decimal
    account: str
    session: Session
    trade_id: str
    model_quantity: int
    held_before: int
    #: The price the limit was made from, in IB units, before rounding.
    reference_price: Decimal
    order_type: str = "LMT"
    tif: str = "DAY"
    reason: str = ""
    #: The model's stop, in IB units.
    stop_level: Decimal | None = None
    roll_pair: str = ""
    catch_up: bool = False
    #: When it may begin to trade: the rule, the moment, and for GTD the moment it ends.
    start: StartWhen = StartWhen.NOW
    good_after: datetime | None = None
    good_till: datetime | None = None
    #: Whether it also trades outside the day session: in the evening that is all there is.
    outside_rth: bool = True
    #: How its limit may be worked, and for a roll's leg how long the other may be filled alone.
    repricing: Repricing | None = None
    leg_limit: LegLimit | None = None
    #: The attempt that this order goes on with, where one was ended for it.
    replaces: str = ""

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"{self.order_ref}: quantity must be positive, was {self.quantity}")

    @property
    def contract(self) -> FuturesContract:
        """The contract, as the model spells it."""
        return self.mapped.contract

    @property
    def signed(self) -> int:
        """Quantity with its side."""
        return self.quantity * self.action.sign

    @property
    def price_bound(self) -> Decimal | None:
        """The worst price it may go out at, its limit worked to the end; None at the market."""
        if at_market(self.order_type):
            return None
        steps = self.repricing.ticks * self.repricing.times if self.repricing else 0
        return self.limit_price + self.action.sign * steps * self.mapped.spec.tick_size

    @property
    def start_text(self) -> str:
        """When it may begin to trade, in words."""
        if self.order_type == OrderType.MOC:
            return "at the close"
        hours = "all hours" if self.outside_rth else "day session"
        if self.good_after is None:
            return f"now, {hours}"
        until = f" to {self.good_till:%Y-%m-%d %H:%M}" if self.good_till else ""
        return f"{self.good_after:%Y-%m-%d %H:%M}{until} UTC, {hours}"

    @property
    def worked_text(self) -> str:
        """How its limit, or a roll's lone leg, may be worked; empty where it is not."""
        said = []
        if self.repricing and self.price_bound is not None:
            bound = self.mapped.spec.price_text(self.price_bound)
            one, times = self.repricing.ticks, self.repricing.times
            said.append(f"to {bound}: {times} × {one} ticks, each {self.repricing.every_s:g} s")
        if self.leg_limit:
            said.append(
                f"other leg alone {self.leg_limit.alone_s:g} s: {self.leg_limit.then.value}"
            )
        return "; ".join(said)

    @property
    def attempts(self) -> int:
        """How many further attempts working it, or the lone leg of a roll, may take."""
        at_last = self.leg_limit is not None and self.leg_limit.then is LoneLeg.MARKET
        return (self.repricing.times if self.repricing else 0) + int(at_last)


_REF_PART = re.compile(r"[A-Za-z0-9_]+")
_REF_LENGTH = 40  # IB keeps free text; forty ASCII characters survive every report


def order_ref(
    *, desk: str, session: date, model: str, contract: FuturesContract, closes: bool, attempt: int
) -> str:
    """Name an order: the same order of the same evening has the same name in every run.

    Raises UsageError when the name would not survive IB's fields: 40 printable ASCII characters.
    """
    for part in (desk, model):
        if not _REF_PART.fullmatch(part):
            raise UsageError(
                f"{part!r} cannot be part of an order reference",
                hint="use letters, digits and underscores in desk and model names",
            )
    effect = "C" if closes else "O"
    name = f"{desk}-{session:%Y%m%d}-{model}-{contract.symbol}-{effect}{attempt}"
    if len(name) > _REF_LENGTH:
        raise UsageError(
            f"the order reference {name!r} is longer than {_REF_LENGTH} characters",
            hint="shorten the desk name or the model name",
        )
    return name


def later_attempt(order_ref: str, number: int = 1) -> str:
    """Name the attempt that comes so many after this one: ``…-O1`` and 2 give ``…-O3``.

    Raises ValueError for a name without an attempt.
    """
    stem = order_ref.rstrip("0123456789")
    if stem == order_ref:
        raise ValueError(f"{order_ref!r} names no attempt")
    return f"{stem}{int(order_ref[len(stem) :]) + number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedTrade:
    """A model's trade that became no order, and why. Nothing is left out silently.

    ``subject`` is a contract or, where it could not even be read, the text that stood there.
    """

    subject: str
    model: str
    quantity: int
    findings: tuple[Finding, ...]
    trade: ModelTrade | None = None


class OrderState(StrEnum):
    """Where an order is, by evidence. UNKNOWN is a state: silence proves nothing."""

    INTENDED = "intended"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    WORKING = "working"
    PARTLY_FILLED = "partly filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self in {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED}


class EventKind(StrEnum):
    """What was seen of an order. Every event is appended to the journal as it comes."""

    INTENT = "intent"
    SENT = "sent"
    STATUS = "status"
    FILL = "fill"
    COMMISSION = "commission"
    MESSAGE = "message"
    #: We are about to ask for its end, to go on with what is left under the next attempt; without a
    #: status the opposite: it lives all the same, and whoever ends it now is not us.
    WORKED = "worked"
    #: A complete sweep of open and completed orders and executions did not show the order, or not
    #: the executions of one that it calls filled.
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One thing seen of one order. ``status`` is IB's own word; fills are in ``fill``."""

    order_ref: str
    at: datetime
    kind: EventKind
    status: str = ""
    perm_id: int = 0
    filled: int | None = None
    remaining: int | None = None
    code: int | None = None
    text: str = ""
    fill: Fill | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. ``commission`` is None until the broker reports it.

    ``client_id`` is the API client whose order it was, 0 a person at TWS; None where nobody told.
    """

    exec_id: str
    order_ref: str
    perm_id: int
    con_id: int
    action: Action
    quantity: int
    price: Decimal
    at: datetime
    account: str
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    client_id: int | None = None

    @property
    def signed(self) -> int:
        """Quantity with its side."""
        return self.quantity * self.action.sign

    @property
    def by_word(self) -> bool:
        """Whether a person said it, since the gateway no longer tells the execution."""
        return self.exec_id.startswith(BY_WORD)


#: Begins the id of an execution that a person looked up; IB's own are numbers and dots.
BY_WORD = "person:"


def final_fills(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return each execution once, in its last correction, in the order they first came.

    A gateway repeats executions after a reconnect. IB corrects one by sending it again with a
    higher number behind the last dot of its id; the earlier one is then void. So is a person's
    word on an order, once the gateway tells an execution of it that was not known.
    """
    latest: dict[str, Fill] = {}
    words: dict[str, str] = {}  # order → its word's key: there is one to an order
    for fill in fills:
        key = fill.exec_id.rpartition(".")[0] or fill.exec_id
        known = latest.get(key)
        if fill.by_word:
            words[fill.order_ref] = key
        elif known is None and fill.order_ref in words:
            del latest[words.pop(fill.order_ref)]
        if known is None or _revision(known.exec_id) <= _revision(fill.exec_id):
            kept = fill if fill.commission is not None or known is None else _keep(known, fill)
            latest[key] = kept
    return tuple(latest.values())


def _keep(known: Fill, fill: Fill) -> Fill:
    """A repeated execution without commission must not erase the one that was reported."""
    return replace(fill, commission=known.commission, commission_currency=known.commission_currency)


def _revision(exec_id: str) -> int:
    tail = exec_id.rpartition(".")[2]
    return int(tail) if tail.isdigit() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to exactly one set of orders, for one account, for a limited time.

    ``digest`` is over the basket, the audit and the account as they were shown.
    """

    run_id: str
    digest: str
    account: str
    order_refs: tuple[str, ...]
    reviewer: str
    at: datetime
    expires_at: datetime
    note: str = ""
    #: order_ref → reason, for each warning that was overridden.
    overrides: tuple[tuple[str, str], ...] = ()
    #: order_ref → further attempts that are approved with it: those of a limit that is worked.
    attempts: tuple[tuple[str, int], ...] = ()

    def names(self) -> frozenset[str]:
        """Every reference that may be sent; a further attempt only where it was approved."""
        further = {
            later_attempt(ref, number)
            for ref, count in self.attempts
            for number in range(1, count + 1)
        }
        return frozenset(self.order_refs) | further
