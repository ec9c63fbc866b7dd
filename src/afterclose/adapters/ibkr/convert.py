"""Between the domain's values and ib_async's objects. Pure; no input, no output.

IB's floats become Decimal by their shortest text (``repr``), which is the text TWS sent. Unset
figures (``1.7976931348623157E308``, NaN, infinity) become None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from decimal import Context, Decimal, InvalidOperation
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ib_async.contract import Contract, ContractDetails
from ib_async.objects import BarData, CommissionReport, PriceIncrement
from ib_async.order import Order

from afterclose.adapters.ibkr.rows import (
    ExecutionRow,
    OpenOrderRow,
    PositionRow,
    StatusRow,
)
from afterclose.domain.account import Position
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    PriceStep,
    QualifiedContract,
)
from afterclose.domain.market import Bar
from afterclose.domain.orders import Action, Fill
from afterclose.errors import ContractError

#: Client number of an order whose owner the gateway does not tell (completed orders).
CLIENT_NOT_TOLD = -1

#: IB writes a figure that is not set as the largest double; nothing real is near it.
_LARGEST_FIGURE = 1e300
#: … and a quantity as 2³¹ − 1, 2¹²⁷ − 1 or again the largest double.
_LARGEST_QUANTITY = 1e9
_FUTURE = "FUT"
_SIDES = {"BOT": Action.BUY, "SLD": Action.SELL, "BUY": Action.BUY, "SELL": Action.SELL}

#: Names of zones in IB's contract details that are ambiguous or unknown to the zone database.
_ZONES = {
    "CST": "America/Chicago",
    "CST6CDT": "America/Chicago",
    "CDT": "America/Chicago",
    "US/Central": "America/Chicago",
    "EST": "America/New_York",
    "EST5EDT": "America/New_York",
    "EDT": "America/New_York",
    "US/Eastern": "America/New_York",
    "PST8PDT": "America/Los_Angeles",
    "US/Pacific": "America/Los_Angeles",
    "CET": "Europe/Berlin",
    "MET": "Europe/Berlin",
    "MEZ": "Europe/Berlin",
    "GB": "Europe/London",
    "GB-Eire": "Europe/London",
    "BST": "Europe/London",
    "Hongkong": "Asia/Hong_Kong",
    "HKT": "Asia/Hong_Kong",
    "Japan": "Asia/Tokyo",
    "JST": "Asia/Tokyo",
    "ROK": "Asia/Seoul",
    "KST": "Asia/Seoul",
    "Singapore": "Asia/Singapore",
    "SGT": "Asia/Singapore",
    "Australia/NSW": "Australia/Sydney",
    "AEST": "Australia/Sydney",
    "Canada/Eastern": "America/Toronto",
}


@cache
def iana_zone(name: str) -> str:
    """Return the IANA name of a zone as IB names it; empty when it is unknown."""
    known = _ZONES.get(name, name)
    try:
        ZoneInfo(known)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return known


def exact(value: float) -> Decimal | None:
    """Turn a float of the gateway into the decimal it was written as; None when it is not set."""
    if not math.isfinite(value) or abs(value) > _LARGEST_FIGURE:
        return None
    return Decimal(repr(value).removesuffix(".0"))


def money(text: str) -> Decimal | None:
    """Read a figure of the account; None when it is not set or no number."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < Decimal(_LARGEST_FIGURE) else None


def whole(value: float) -> int:
    """Read a quantity of contracts. Raises ValueError when it is not a whole number."""
    if not _is_set(value) or not value.is_integer():
        raise ValueError(f"a quantity of futures must be whole, was {value!r}")
    return int(value)


def _is_set(quantity: float) -> bool:
    return math.isfinite(quantity) and abs(quantity) < _LARGEST_QUANTITY


def quantity_or_none(value: float) -> int | None:
    """Read a quantity that may be unset or, for other instruments, a fraction."""
    return int(value) if _is_set(value) else None


def compact_date(text: str) -> date:
    """Read IB's ``20261120``. Raises ValueError."""
    if len(text) != len("20261120"):
        raise ValueError(f"a date must be eight digits (yyyymmdd), was {text!r}")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _date_or_none(text: str) -> date | None:
    try:
        return compact_date(text[:8])
    except ValueError:
        return None


def same_number(left: str, right: str) -> bool:
    """Compare two multipliers as numbers: ``"5000"`` is ``"5000.0"``."""
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        return False


# Contracts


def contract_query(mapped: MappedContract) -> Contract:
    """Describe a contract to be looked up: six digits mean the contract month at IB."""
    query = listing_query(mapped.spec)
    query.lastTradeDateOrContractMonth = mapped.contract.month.yyyymm
    return query


def listing_query(spec: ContractSpec) -> Contract:
    """Describe all months of a root that are listed."""
    narrow = spec.ambiguous or spec.send_trading_class
    return Contract(
        secType=_FUTURE,
        symbol=spec.ib_symbol,
        exchange=spec.ib_exchange,
        currency=spec.currency,
        multiplier=spec.multiplier if spec.ambiguous else "",
        tradingClass=spec.trading_class if narrow else "",
        includeExpired=False,
    )


def data_contract(qualified: QualifiedContract) -> Contract:
    """Name a qualified contract for market data."""
    return Contract(conId=qualified.con_id, secType=_FUTURE, exchange=qualified.exchange)


def order_contract(qualified: QualifiedContract) -> Contract:
    """Name a qualified contract for an order; the rest of the words are for whoever reads logs."""
    return Contract(
        conId=qualified.con_id,
        secType=_FUTURE,
        symbol=qualified.symbol,
        exchange=qualified.exchange,
        currency=qualified.currency,
        multiplier=qualified.multiplier,
        tradingClass=qualified.trading_class,
    )


def cash_contract(symbol: str, currency: str) -> Contract:
    """Name a currency pair: price of one ``symbol`` in ``currency``."""
    return Contract(secType="CASH", symbol=symbol, currency=currency, exchange="IDEALPRO")


def qualified_contract(contract: FuturesContract, details: ContractDetails) -> QualifiedContract:
    """Read contract details. Raises ValueError or ContractError where they cannot be read."""
    named = details.contract
    if named is None or not named.conId:
        raise ValueError("contract details without a contract number")
    magnifier = details.priceMagnifier or 1
    return QualifiedContract(
        contract=contract,
        con_id=named.conId,
        local_symbol=named.localSymbol,
        symbol=named.symbol,
        exchange=named.exchange,
        currency=Currency(named.currency),
        trading_class=named.tradingClass,
        multiplier=named.multiplier,
        price_magnifier=magnifier,
        tick_size=Decimal(repr(details.minTick)) * magnifier,
        contract_month=ContractMonth.from_yyyymm(details.contractMonth),
        last_trade_date=_date_or_none(named.lastTradeDateOrContractMonth),
        time_zone=iana_zone(details.timeZoneId),
        trading_hours=details.tradingHours,
        liquid_hours=details.liquidHours,
        order_types=tuple(t for t in details.orderTypes.split(",") if t),
        market_rule=_rule_at(named.exchange, details),
    )


def _rule_at(exchange: str, details: ContractDetails) -> int | None:
    """Rules are listed like the exchanges, in the same order; one alone is of all of them."""
    rules = [text.strip() for text in details.marketRuleIds.split(",") if text.strip()]
    places = [text.strip() for text in details.validExchanges.split(",")]
    if len(set(rules)) == 1:
        told = rules[0]
    elif exchange in places and len(rules) == len(places):
        told = rules[places.index(exchange)]
    else:
        return None
    return int(told) if told.isdigit() else None


def price_steps(rows: Iterable[PriceIncrement], *, magnifier: int) -> tuple[PriceStep, ...]:
    """Read a market rule: IB tells it in the currency, the API price is that × magnifier."""
    return tuple(
        PriceStep(
            low_edge=Decimal(repr(row.lowEdge)) * magnifier,
            increment=Decimal(repr(row.increment)) * magnifier,
        )
        for row in rows
    )


def fits(mapped: MappedContract, found: QualifiedContract) -> bool:
    """Whether an answer is the contract that was meant: month, trading class and multiplier."""
    spec = mapped.spec
    return (
        found.contract_month == mapped.contract.month
        and (not spec.trading_class or found.trading_class == spec.trading_class)
        and (not spec.multiplier or same_number(found.multiplier, spec.multiplier))
    )


# Market data


def daily_bar(row: BarData) -> Bar:
    """Read one daily bar, exactly. Raises ValueError where a price is not a number."""
    prices = [exact(p) for p in (row.open, row.high, row.low, row.close)]
    if None in prices:
        raise ValueError(f"a bar without prices: {row}")
    opened, high, low, close = (p for p in prices if p is not None)
    return Bar(
        session=compact_date(str(row.date)),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=exact(row.volume) or Decimal(0),
    )


def inverse(rate: Decimal) -> Decimal:
    """Turn a rate round, to twelve significant digits."""
    return Context(prec=12).divide(Decimal(1), rate)


# The account


def position(row: PositionRow, month: ContractMonth | None) -> Position:
    """Read one position. Raises ValueError where quantity or cost is not a number."""
    cost = exact(row.average_cost)
    if cost is None:
        raise ValueError(f"a position without average cost: {row}")
    return Position(
        account=row.account,
        con_id=row.contract.conId,
        symbol=row.contract.symbol,
        trading_class=row.contract.tradingClass,
        contract_month=month,
        quantity=whole(row.quantity),
        average_cost=cost,
        currency=Currency(row.contract.currency),
    )


# Orders


def wire_price(price: Decimal) -> float:
    """Turn a limit into the float whose text on the wire is exactly this price.

    Raises ContractError when there is none: a price with too many digits, or one so small that
    its text would carry an exponent.
    """
    carried = float(price)
    text = str(carried)
    if "e" in text or not math.isfinite(carried) or Decimal(text) != price:
        raise ContractError(f"the limit {price} cannot be sent exactly; it would go out as {text}")
    return carried


def broker_order(row: OpenOrderRow, status: StatusRow | None) -> BrokerOrder | None:
    """Read an order of anybody's. None for a fraction of something: no future, not ours to show."""
    order, state = row.order, row.state
    done = float(order.filledQuantity if status is None else status.filled)
    filled = done if _is_set(done) else 0.0
    total = order.totalQuantity if _is_set(order.totalQuantity) else 0.0
    if not (float(total).is_integer() and filled.is_integer()):
        return None
    return BrokerOrder(
        order_ref=order.orderRef,
        perm_id=order.permId,
        client_id=order.clientId,
        con_id=row.contract.conId,
        symbol=row.contract.symbol,
        action=Action.BUY if order.action == "BUY" else Action.SELL,
        quantity=int(total),
        filled=int(filled),
        status=status.status if status is not None else state.status,
        account=order.account,
        limit_price=_limit(order),
        text=state.completedStatus or state.warningText or (status.why_held if status else ""),
    )


def _limit(order: Order) -> Decimal | None:
    # TWS fills the limit of an order at the market with zero.
    if "LMT" not in order.orderType or order.lmtPrice is None:
        return None
    return exact(float(order.lmtPrice))


def fill(row: ExecutionRow, commission: CommissionReport | None) -> Fill:
    """Read one execution. Raises ValueError where side, quantity, price or time cannot be read."""
    done = row.execution
    side = _SIDES.get(done.side)
    price = exact(done.price)
    if side is None or price is None or not isinstance(done.time, datetime):
        raise ValueError(f"an execution that cannot be read: {done}")
    return Fill(
        exec_id=done.execId,
        order_ref=done.orderRef,
        perm_id=done.permId,
        con_id=row.contract.conId,
        action=side,
        quantity=whole(done.shares),
        price=price,
        at=done.time,
        account=done.acctNumber,
        commission=exact(commission.commission) if commission else None,
        commission_currency=Currency(commission.currency) if commission else None,
        client_id=done.clientId,
    )


def with_commission(done: Fill, commission: CommissionReport) -> Fill:
    """Add what the broker charged."""
    return replace(
        done,
        commission=exact(commission.commission),
        commission_currency=Currency(commission.currency),
    )
