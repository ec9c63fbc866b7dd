"""What is listed: products with their facts, contract months, currency pairs.

The facts are the gateway's own (``facts.csv``), in the units Interactive Brokers uses; nothing is
shared with the product's contract table, so that a unit error on either side shows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources

from afterclose.tws_sim.days import Region, month_start, on_or_before, shift
from afterclose.tws_sim.hours import HOURS, TradingHours
from afterclose.tws_sim.last_trade import FIRST_NOTICE_RULES, LAST_TRADE_RULES

MONTH_CODES = "FGHJKMNQUVXZ"
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
ORDER_TYPES = (
    "ACTIVETIM,AD,ADJUST,ALERT,ALGO,BASKET,COND,CONDORDER,DAY,DEACT,GAT,GTC,GTD,IOC,"
    "LIT,LMT,MIT,MKT,MOC,MTL,OCA,SCALE,STP,STPLMT,TRAIL,TRAILLMT,VWAP,WHATIF"
)
_FIRST_FUTURE_ID = 500_000_000
_IDS_PER_PRODUCT = 10_000
_FIRST_PAIR_ID = 12_000_000
_CLOSE_OUT_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One futures product, as IB lists it.

    ``min_tick`` is in the currency's major unit, as contract details report it; prices move in
    steps of ``tick`` = ``min_tick`` x ``magnifier`` (cents for grains), and one such price unit is
    worth ``point_value`` = ``multiplier`` / ``magnifier``.  ``vendor_scale`` turns a price of the
    market files into an IB price: 0.01 where the data vendor writes cents and IB dollars.
    """

    number: int
    vendor_root: str
    vendor_scale: Decimal
    priced_from: str
    symbol: str
    trading_class: str
    name: str
    exchange: str
    currency: str
    multiplier: str
    magnifier: int
    min_tick: Decimal
    cycle: str
    ahead: int
    last_trade_rule: str
    first_notice_rule: str
    settlement: str
    hours_name: str
    time_zone: str
    industry: str
    typical_price: Decimal
    initial_margin: Decimal
    commission: Decimal

    sec_type = "FUT"

    @property
    def tick(self) -> Decimal:
        """The price step, in API price units."""
        return self.min_tick * self.magnifier

    @property
    def point_value(self) -> Decimal:
        """The value of one API price unit, in the product's currency."""
        return Decimal(self.multiplier) / self.magnifier

    @property
    def hours(self) -> TradingHours:
        """When it trades."""
        return HOURS[self.hours_name]

    @property
    def price_root(self) -> str:
        """The root whose bars give the prices; a mini follows its big contract."""
        return self.vendor_root or self.priced_from

    @property
    def market_rule(self) -> int:
        """The id of its price increments."""
        return 2000 + self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One contract month of a product. ``contract_month`` is yyyymm."""

    product: Product
    contract_month: str
    last_trade_date: date

    sec_type = "FUT"

    @property
    def con_id(self) -> int:
        """IB's contract id; the same on every run."""
        months = int(self.contract_month[:4]) * 12 + int(self.contract_month[4:]) - 1
        return _FIRST_FUTURE_ID + self.product.number * _IDS_PER_PRODUCT + months - 1970 * 12

    @property
    def local_symbol(self) -> str:
        """Trading class, month code and last digit of the year: ``ESZ6``."""
        code = MONTH_CODES[int(self.contract_month[4:]) - 1]
        return f"{self.product.trading_class}{code}{self.contract_month[3]}"

    @property
    def label(self) -> str:
        """The contract as messages name it: ``ES DEC'26``."""
        name = _MONTH_NAMES[int(self.contract_month[4:]) - 1]
        return f"{self.product.symbol} {name}'{self.contract_month[2:4]}"

    @property
    def symbol(self) -> str:
        return self.product.symbol

    @property
    def currency(self) -> str:
        return self.product.currency

    @property
    def exchange(self) -> str:
        return self.product.exchange

    @property
    def tick(self) -> Decimal:
        return self.product.tick

    @property
    def hours(self) -> TradingHours:
        return self.product.hours

    @property
    def point_value(self) -> Decimal:
        return self.product.point_value

    @property
    def multiplier(self) -> str:
        return self.product.multiplier

    @property
    def magnifier(self) -> int:
        return self.product.magnifier

    @property
    def root(self) -> str:
        """How scenarios and market files name its product."""
        return self.product.vendor_root or self.product.trading_class

    @property
    def close_only_from(self) -> date | None:
        """The day from which only closing orders are taken; None for cash-settled contracts.

        Two business days before first notice or last trade, whichever comes first: a broker does
        not let a customer stumble into delivery.
        """
        if self.product.settlement != "physical":
            return None
        region = self.product.hours.region
        end = self.last_trade_date
        rule = FIRST_NOTICE_RULES.get(self.product.first_notice_rule)
        if rule is not None:
            year, month = int(self.contract_month[:4]), int(self.contract_month[4:])
            end = min(end, rule(region, year, month))
        return shift(region, on_or_before(region, end), -_CLOSE_OUT_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashPair:
    """A currency pair on IDEALPRO. Only one direction of each pair is listed."""

    base: str
    quote: str
    number: int

    sec_type = "CASH"
    exchange = "IDEALPRO"
    multiplier = ""
    magnifier = 1
    point_value = Decimal(1)
    market_rule = 239

    @property
    def con_id(self) -> int:
        return _FIRST_PAIR_ID + self.number

    @property
    def local_symbol(self) -> str:
        return f"{self.base}.{self.quote}"

    @property
    def label(self) -> str:
        return self.local_symbol

    @property
    def root(self) -> str:
        return self.local_symbol

    @property
    def symbol(self) -> str:
        return self.base

    @property
    def currency(self) -> str:
        return self.quote

    @property
    def tick(self) -> Decimal:
        """Half a pip; half a sen for yen and won, which have no cents."""
        return Decimal("0.005") if self.quote in {"JPY", "KRW"} else Decimal("0.00005")

    @property
    def hours(self) -> TradingHours:
        return HOURS["cash"]


Instrument = Listing | CashPair

_BASE_BEFORE_DOLLAR = ("EUR", "GBP", "AUD", "NZD")
_QUOTED_IN_DOLLAR_TERMS = (
    *("CAD", "CHF", "JPY", "HKD", "KRW", "SGD", "MXN", "SEK", "NOK", "DKK", "CNH", "ZAR"),
)


@cache
def cash_pairs() -> tuple[CashPair, ...]:
    """Return the pairs against the dollar, each in the direction IDEALPRO lists."""
    directions = [(base, "USD") for base in _BASE_BEFORE_DOLLAR]
    directions += [("USD", quote) for quote in _QUOTED_IN_DOLLAR_TERMS]
    return tuple(
        CashPair(base=base, quote=quote, number=number)
        for number, (base, quote) in enumerate(directions, 1)
    )


def _product(row: Mapping[str, str]) -> Product:
    return Product(
        number=int(row["number"]),
        vendor_root=row["vendor_root"],
        vendor_scale=Decimal(row["vendor_scale"]),
        priced_from=row["priced_from"],
        symbol=row["symbol"],
        trading_class=row["trading_class"],
        name=row["name"],
        exchange=row["exchange"],
        currency=row["currency"],
        multiplier=row["multiplier"],
        magnifier=int(row["magnifier"]),
        min_tick=Decimal(row["min_tick"]),
        cycle=row["cycle"],
        ahead=int(row["ahead"]),
        last_trade_rule=row["last_trade_rule"],
        first_notice_rule=row["first_notice_rule"],
        settlement=row["settlement"],
        hours_name=row["hours"],
        time_zone=row["time_zone"],
        industry=row["industry"],
        typical_price=Decimal(row["typical_price"]),
        initial_margin=Decimal(row["initial_margin"]),
        commission=Decimal(row["commission"]),
    )


@cache
def products() -> tuple[Product, ...]:
    """Read every product of the facts file."""
    text = resources.files(__package__).joinpath("facts.csv").read_text(encoding="utf-8")
    return tuple(_product(row) for row in csv.DictReader(text.splitlines()))


def last_trade_date(product: Product, contract_month: str) -> date:
    """Compute the last trading day of a contract month from the product's rule."""
    region: Region = product.hours.region
    rule = LAST_TRADE_RULES[product.last_trade_rule]
    return rule(region, int(contract_month[:4]), int(contract_month[4:]))


def cycle_months(product: Product, first: date) -> Iterator[str]:
    """Give the contract months of the product's cycle, from a month on, without end."""
    month = month_start(first.year, first.month)
    while True:
        if MONTH_CODES[month.month - 1] in product.cycle:
            yield f"{month:%Y%m}"
        month = month_start(month.year, month.month + 1)


def chain(
    product: Product, today: date, *, extra: Mapping[str, date | None], history: timedelta
) -> tuple[Listing, ...]:
    """List a product's months: the expired of late, those of the cycle ahead, and ``extra`` ones.

    ``extra`` maps months that market files hold to their stated last trading day, if any.
    """
    months: dict[str, date] = {}
    ahead = 0
    for month in cycle_months(product, today - history):
        ends = extra.get(month) or last_trade_date(product, month)
        months[month] = ends
        ahead += ends >= today
        if ahead == product.ahead:
            break
    for month, stated in extra.items():
        months[month] = stated or last_trade_date(product, month)
    return tuple(
        Listing(product=product, contract_month=month, last_trade_date=ends)
        for month, ends in sorted(months.items())
    )
