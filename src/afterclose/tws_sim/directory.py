"""Finding contracts by what a client says about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from afterclose.tws_sim.contracts import (
    CashPair,
    Instrument,
    Listing,
    Product,
    cash_pairs,
    chain,
    products,
)
from afterclose.tws_sim.market import Market

_EXPIRED_SHOWN = timedelta(days=730)
_FOUND_KEPT = 4096
_MONTH_LENGTH, _DATE_LENGTH = 6, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractQuery:
    """The contract block of a request; empty fields were not stated."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    last_trade_date_or_contract_month: str = ""
    strike: str = ""
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    include_expired: bool = False


class Directory:
    """All contracts of a market. A product is listed where the market has bars for its root."""

    def __init__(self, market: Market, today: date) -> None:
        self.market = market
        roots = set(market.roots)
        self.products: tuple[Product, ...] = tuple(
            product for product in products() if product.price_root in roots
        )
        self.listings: tuple[Listing, ...] = tuple(
            listing for product in self.products for listing in self._chain(product, today)
        )
        self._by_id: dict[int, Instrument] = {item.con_id: item for item in self.listings}
        self._by_id |= {pair.con_id: pair for pair in cash_pairs()}
        self._by_symbol: defaultdict[str, list[Listing]] = defaultdict(list)
        for listing in self.listings:
            self._by_symbol[listing.symbol].append(listing)
        # Clients name the same few contracts again and again.
        self._find = lru_cache(maxsize=_FOUND_KEPT)(self._search)

    def _chain(self, product: Product, today: date) -> Sequence[Listing]:
        stated = self.market.months(product.vendor_root) if product.vendor_root else {}
        return chain(product, today, extra=stated, history=_EXPIRED_SHOWN)

    def by_id(self, con_id: int) -> Instrument | None:
        """Return the contract of an id."""
        return self._by_id.get(con_id)

    def by_root(self, root: str, contract_month: str) -> Listing | None:
        """Return the contract of a root of the market files (or a trading class) and month."""
        for listing in self.listings:
            if listing.contract_month == contract_month and root in {
                listing.product.vendor_root,
                listing.product.trading_class,
            }:
                return listing
        return None

    def find(self, query: ContractQuery, today: date) -> tuple[Instrument, ...]:
        """Return every contract that fits all that was stated.

        Contracts whose last trading day has passed fit only with ``include_expired``, and then
        for two years.
        """
        return self._find(query, today)

    def _search(self, query: ContractQuery, today: date) -> tuple[Instrument, ...]:
        if query.con_id:
            found = self._by_id.get(query.con_id)
            candidates: Iterable[Instrument] = () if found is None else (found,)
        elif query.sec_type == "CASH":
            candidates = cash_pairs()
        elif query.symbol:
            candidates = self._by_symbol.get(query.symbol, ())
        elif query.local_symbol or query.trading_class:
            candidates = self.listings
        else:
            candidates = ()
        oldest = today - _EXPIRED_SHOWN if query.include_expired else today
        return tuple(item for item in candidates if _fits(item, query) and _alive(item, oldest))

    def matching(self, pattern: str) -> list[Product]:
        """Return products whose symbol or name begins with a pattern, one per symbol."""
        wanted = pattern.upper()
        found = {
            product.symbol: product
            for product in reversed(self.products)
            if wanted
            and (product.symbol.startswith(wanted) or product.name.upper().startswith(wanted))
        }
        return sorted(found.values(), key=lambda product: product.number)


def _alive(item: Instrument, oldest: date) -> bool:
    return isinstance(item, CashPair) or item.last_trade_date >= oldest


def _fits(item: Instrument, query: ContractQuery) -> bool:
    return all(check(item, query) for check in _CHECKS)


def _fits_type(item: Instrument, query: ContractQuery) -> bool:
    if not query.sec_type:
        return bool(query.con_id)
    return query.sec_type == item.sec_type


def _fits_symbol(item: Instrument, query: ContractQuery) -> bool:
    return not query.symbol or bool(query.con_id) or query.symbol == item.symbol


def _fits_exchange(item: Instrument, query: ContractQuery) -> bool:
    if not query.exchange:
        return not query.primary_exchange or query.primary_exchange == item.exchange
    if query.exchange == item.exchange:
        return True
    # Renamed exchanges stayed valid for a while under their old names; not in this gateway.
    return query.exchange == "SMART" and isinstance(item, CashPair)


def _fits_currency(item: Instrument, query: ContractQuery) -> bool:
    return not query.currency or query.currency == item.currency


def _fits_local_symbol(item: Instrument, query: ContractQuery) -> bool:
    return not query.local_symbol or query.local_symbol == item.local_symbol


def _fits_class(item: Instrument, query: ContractQuery) -> bool:
    if not query.trading_class:
        return True
    own = item.local_symbol if isinstance(item, CashPair) else item.product.trading_class
    return query.trading_class == own


def _fits_multiplier(item: Instrument, query: ContractQuery) -> bool:
    if not query.multiplier or isinstance(item, CashPair):
        return True
    try:
        return Decimal(query.multiplier) == Decimal(item.multiplier)
    except InvalidOperation:
        return False


def _fits_date(item: Instrument, query: ContractQuery) -> bool:
    stated = query.last_trade_date_or_contract_month
    if not stated or isinstance(item, CashPair) or query.con_id:
        return True
    if len(stated) == _MONTH_LENGTH:
        return stated == item.contract_month
    return len(stated) == _DATE_LENGTH and stated == f"{item.last_trade_date:%Y%m%d}"


_CHECKS: tuple[Callable[[Instrument, ContractQuery], bool], ...] = (
    _fits_date,
    _fits_type,
    _fits_symbol,
    _fits_exchange,
    _fits_currency,
    _fits_local_symbol,
    _fits_class,
    _fits_multiplier,
)
