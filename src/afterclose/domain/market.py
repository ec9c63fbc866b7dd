"""What the market and the gateway answer, and what they leave unanswered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import Currency, FuturesContract, QualifiedContract, Session
from afterclose.domain.margin import MarginImpact


class AnswerState(StrEnum):
    """An answer is a value, a confirmed nothing, or unknown. A timeout is never nothing."""

    VALUE = "value"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One daily bar in IB price units, labelled by its session."""

    session: Session
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorContract:
    """What the data vendor knows of one contract; ``point_value`` is per 1.0 of *vendor* price."""

    point_value: Decimal | None = None
    first_notice: Session | None = None
    last_trade: Session | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsAnswer:
    """Daily bars of one contract, oldest first; ``text`` is the gateway's word when there are none.

    The last bar may belong to a session that is still forming: its date tells.
    """

    state: AnswerState
    bars: tuple[Bar, ...] = ()
    code: int | None = None
    text: str = ""

    def completed(self, session: Session) -> tuple[Bar, ...]:
        """Return the bars up to ``session``: without one that is still forming."""
        return tuple(b for b in self.bars if b.session <= session)


class QuoteKind(StrEnum):
    """How fresh a quote is, by IB's market data types."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    DELAYED_FROZEN = "delayed-frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The market of one contract at one moment, in IB price units."""

    state: AnswerState
    as_of: datetime | None = None
    kind: QuoteKind | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None
    code: int | None = None
    text: str = ""

    @property
    def price(self) -> Decimal | None:
        """Last price where there is one, else the middle of bid and ask."""
        if self.last is not None:
            return self.last
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return None


class QualificationState(StrEnum):
    """What became of naming a contract at the gateway."""

    FOUND = "found"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """The gateway's answer to one contract; more than one match is never resolved by taking one."""

    state: QualificationState
    qualified: QualifiedContract | None = None
    candidates: tuple[QualifiedContract, ...] = ()
    code: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FxRate:
    """Value of one unit of a currency in the base currency, and where it is from."""

    currency: Currency
    rate: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FxRates:
    """Rates into one base currency. A currency that is not here is unknown; it is never 1.0."""

    base: Currency
    rates: Mapping[Currency, FxRate] = field(default_factory=dict)
    #: currency → why there is no rate
    missing: Mapping[Currency, str] = field(default_factory=dict)

    def rate(self, currency: Currency) -> Decimal | None:
        """Value of one unit of ``currency`` in the base currency, or None when unknown."""
        if currency == self.base:
            return Decimal(1)
        found = self.rates.get(currency)
        return found.rate if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FxHistory:
    """Daily rates into one base currency, oldest first; ``missing`` as in ``FxRates``."""

    base: Currency
    rates: Mapping[Currency, tuple[FxRate, ...]] = field(default_factory=dict)
    missing: Mapping[Currency, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """Everything live that sizing and audit may look at; nothing else is."""

    as_of: datetime
    server_time: datetime | None
    session: Session
    qualifications: Mapping[FuturesContract, Qualification]
    bars: Mapping[FuturesContract, BarsAnswer]
    quotes: Mapping[FuturesContract, Quote]
    fx: FxRates
    account: AccountSnapshot
    #: When the gateway restarts next; None: never, or nobody said.
    next_restart: datetime | None = None
    #: Order reference → its what-if; None: none was asked.
    margins: Mapping[str, MarginImpact] | None = None

    def qualified(self, contract: FuturesContract) -> QualifiedContract | None:
        """The one contract the gateway knows by this name, if there is exactly one."""
        answer = self.qualifications.get(contract)
        return answer.qualified if answer and answer.state is QualificationState.FOUND else None
