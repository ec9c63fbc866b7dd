"""Futures contracts and the static facts needed to price and trade them.

Two price scales meet here and nowhere else: *vendor* prices (what the data vendor and the models
speak) and *IB* prices (what the gateway and the basket speak). ``ContractSpec.to_ib``, ``from_ib``
and ``to_tick`` are the only places where a price changes scale or is rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NewType

from afterclose.errors import ContractError

Currency = NewType("Currency", str)
RootSymbol = NewType("RootSymbol", str)

#: A trading day, labelled by the date on which its session ends.
Session = date

#: Delivery months January to December, as exchanges write them.
MONTH_CODES = "FGHJKMNQUVXZ"

#: A contract is listed at most this many years before its delivery (CL and GE: ten to eleven).
YEARS_LISTED_AHEAD = 15

_SYMBOL = re.compile(r"^(?P<root>[A-Z0-9]{1,6}?)-?(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{4}|\d{2})$")
_VENDOR_SYMBOL = re.compile(r"^(?P<root>[A-Z0-9]{1,6})-(?P<year>\d{4})(?P<month>[FGHJKMNQUVXZ])$")
_ZIPLINE_REPR = re.compile(r"^Future\(\s*\d+\s*\[\s*(?P<symbol>[^\]]+?)\s*\]\s*\)$")


@dataclass(frozen=True, slots=True, order=True)
class ContractMonth:
    """A delivery month. Formats as exchange code (``Z26``) or as IB's ``202612``."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= len(MONTH_CODES):
            raise ContractError(f"a delivery month must be 1 to 12, was {self.month}")

    @property
    def code(self) -> str:
        """Month letter and two-digit year, ``Z26``."""
        return f"{MONTH_CODES[self.month - 1]}{self.year % 100:02d}"

    @property
    def yyyymm(self) -> str:
        """IB's six digits, ``202612``: the *contract* month, never the month of the last trade."""
        return f"{self.year:04d}{self.month:02d}"

    @classmethod
    def from_yyyymm(cls, text: str) -> ContractMonth:
        """Read IB's six digits."""
        if not re.fullmatch(r"[0-9]{6}", text):
            raise ContractError(f"a contract month must be six digits (yyyymm), was {text!r}")
        return cls(int(text[:4]), int(text[4:]))


@dataclass(frozen=True, slots=True, order=True)
class FuturesContract:
    """One delivery month of one root, as the data vendor spells it; the key of everything.

    Exchange and currency are facts of the root (``ContractSpec``), not part of the identity: a
    root that is not mapped yet still has contracts, and they must be nameable in a finding.
    """

    root: RootSymbol
    month: ContractMonth

    @property
    def symbol(self) -> str:
        """``ESZ26``, as Zipline spells it."""
        return f"{self.root}{self.month.code}"

    def __str__(self) -> str:
        return self.symbol


def read_symbol(text: str, *, on: Session) -> FuturesContract:
    """Read a contract symbol in any of the spellings that reach us.

    ``Future(1523 [NKDU25])`` (Zipline), ``NKDU25``, ``NKDU2025``, ``NKD-2025U`` (Norgate). Roots
    may contain digits (``6E``, ``M6E``). A two-digit year is the one that was tradable ``on`` that
    session: from the year before it to 15 years after; the century is never assumed.

    Raises ContractError when the text is no symbol or no such year was tradable.
    """
    inner = _ZIPLINE_REPR.match(text.strip())
    symbol = (inner["symbol"] if inner else text).strip().upper()
    match = _VENDOR_SYMBOL.match(symbol) or _SYMBOL.match(symbol)
    # Other scripts have digits of their own, and letters that turn into ours in upper case.
    if match is None or not text.isascii():
        raise ContractError(
            f"{text!r} is not a futures symbol",
            hint="expected root, month letter and year, as in ESZ26 or Future(12 [ESZ26])",
        )
    month = MONTH_CODES.index(match["month"]) + 1
    year = _full_year(match["year"], on=on, text=text)
    return FuturesContract(RootSymbol(match["root"]), ContractMonth(year, month))


def _full_year(digits: str, *, on: Session, text: str) -> int:
    if len(digits) == len("2026"):
        return int(digits)
    earliest = on.year - 1
    year = earliest + (int(digits) - earliest) % 100
    if year > on.year + YEARS_LISTED_AHEAD:
        raise ContractError(
            f"{text!r} was not tradable on {on}: no year ending in {digits} between "
            f"{earliest} and {on.year + YEARS_LISTED_AHEAD}",
            hint="write the year with four digits if the contract really is that old or that far",
        )
    return year


class Rounding(StrEnum):
    """Which way a price goes to its tick."""

    NEAREST = "nearest"
    DOWN = "down"
    UP = "up"


_ROUNDING = {
    Rounding.NEAREST: ROUND_HALF_EVEN,
    Rounding.DOWN: ROUND_FLOOR,
    Rounding.UP: ROUND_CEILING,
}


class Settlement(StrEnum):
    """How a contract ends."""

    CASH = "cash"
    PHYSICAL = "physical"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSpec:
    """Static facts of a root at Interactive Brokers, and the bridge between the two price scales.

    All prices with ``ib`` in their name are in the unit that the IB API shows (already multiplied
    by ``price_magnifier``: ZC in cents). ``blocked`` is the reason why orders in this root are not
    written until a person or the gateway settles it; empty when there is none.
    """

    root: RootSymbol
    name: str
    sector: str
    ib_symbol: str
    ib_exchange: str
    trading_class: str
    currency: Currency
    #: IB's own string: compared as a number, sent as text ("27.5", "5000"). Empty: not constant.
    multiplier: str
    price_magnifier: int
    #: Smallest price step in the unit of the API price (IB's minTick × magnifier).
    tick_size: Decimal
    #: Money per 1.0 of API price and contract, in ``currency``; None where it is not constant.
    point_value: Decimal | None
    #: IB price = vendor price × this (HG, SI, ZR, 6J, GWM: 0.01; all others 1).
    vendor_to_ib_scale: Decimal
    quotation: str
    months: str
    settlement: Settlement
    #: Months from delivery to last trade (CL −1, BRN −2, DC +1); None: unknown.
    last_trade_month_offset: int | None = None
    #: Send multiplier or trading class with every request: the symbol alone names several products.
    ambiguous: bool = False
    send_trading_class: bool = False
    confidence: str = "high"
    flags: str = ""
    blocked: str = ""

    def to_ib(self, vendor_price: Decimal) -> Decimal:
        """Turn a vendor price into the unit of the IB API. No rounding."""
        return vendor_price * self.vendor_to_ib_scale

    def from_ib(self, ib_price: Decimal) -> Decimal:
        """Turn an IB price into the vendor's unit. No rounding."""
        return ib_price / self.vendor_to_ib_scale

    def to_tick(self, ib_price: Decimal, rounding: Rounding = Rounding.NEAREST) -> Decimal:
        """Snap an IB price to the tick grid: the only place where a price is rounded."""
        steps = (ib_price / self.tick_size).quantize(Decimal(1), rounding=_ROUNDING[rounding])
        # A small negative price may round to minus zero, which nobody should have to read.
        return steps * self.tick_size + 0

    def on_tick(self, ib_price: Decimal) -> bool:
        """Whether IB would take this price as it stands."""
        return ib_price % self.tick_size == 0

    @property
    def digits(self) -> int:
        """Decimals that show one tick exactly."""
        exponent = self.tick_size.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    def price_text(self, ib_price: Decimal) -> str:
        """Write a price in full, with the digits of its tick and never with an exponent."""
        return f"{ib_price:.{self.digits}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifiedContract:
    """What the gateway says a contract is. After qualification ``con_id`` is its only identity."""

    contract: FuturesContract
    con_id: int
    local_symbol: str
    symbol: str
    exchange: str
    currency: Currency
    trading_class: str
    multiplier: str
    price_magnifier: int
    #: In the unit of the API price: reported minTick × magnifier.
    tick_size: Decimal
    contract_month: ContractMonth
    last_trade_date: date | None
    #: IANA name of the zone its hours are given in; empty when the gateway's name is unknown to us.
    time_zone: str
    trading_hours: str
    liquid_hours: str
    order_types: tuple[str, ...] = ()
    #: Number of IB's rule for its price increments at this exchange; None: not told.
    market_rule: int | None = field(default=None, compare=False)

    @property
    def point_value(self) -> Decimal:
        """Money per 1.0 of API price: multiplier / magnifier (IB's own identity)."""
        return Decimal(self.multiplier) / self.price_magnifier


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """One line of a market rule, in units of the API price: from ``low_edge`` on, this step."""

    low_edge: Decimal
    increment: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedContract:
    """A contract together with the facts of its root: what a request to the gateway is made of."""

    contract: FuturesContract
    spec: ContractSpec
