"""Answers of the gateway, one function per message; version gates where the dialects differ.

Two dialects are spoken, 157 and 178: a client's highest version, but never more than 178. The
counts of fields are strict; a client drops its connection over one too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from afterclose.tws_sim.contracts import ORDER_TYPES, CashPair, Instrument, Listing, Product
from afterclose.tws_sim.hours import describe, session_hours
from afterclose.tws_sim.market import Bar
from afterclose.tws_sim.orders import Action, Execution
from afterclose.tws_sim.wire import UNSET_DOUBLE, Field, escaped, frame

OLDEST_VERSION, NEWEST_VERSION = 157, 178
ZONE = "US/Eastern"
"""The zone this gateway's user would have logged in with; all time stamps name it."""

_ADVANCED_REJECT, _SIZE_RULES, _ISSUER_ID, _PENDING_REVISION = 166, 164, 176, 178
_HOURS_SHOWN_DAYS = 7
_LARGEST_SIZE_SHOWN = 500


def local_time(at: datetime) -> str:
    """Write an instant as time stamps do: ``20261121 15:30:00 US/Eastern``."""
    return f"{at.astimezone(ZoneInfo(ZONE)):%Y%m%d %H:%M:%S} {ZONE}"


def handshake(version: int, at: datetime) -> bytes:
    """Answer the greeting: the version spoken and the time. Exactly two fields."""
    return frame(version, local_time(at))


def next_valid_id(order_id: int) -> bytes:
    return frame(9, 1, order_id)


def managed_accounts(accounts: str) -> bytes:
    return frame(15, 1, accounts)


def current_time(at: datetime) -> bytes:
    return frame(49, 1, int(at.timestamp()))


def error(version: int, request_id: int, code: int, text: str) -> bytes:
    """Encode an error, a warning or an information; -1 where it belongs to no request."""
    fields: list[Field] = [4, 2, request_id, code, escaped(text)]
    if version >= _ADVANCED_REJECT:
        fields.append("")
    return frame(*fields)


def contract_fields(item: Instrument, *, exchange: str | None = None) -> list[Field]:
    """Return the eleven fields that name a contract in most answers."""
    shown = item.exchange if exchange is None else exchange
    if isinstance(item, CashPair):
        name: list[Field] = [item.con_id, item.symbol, "CASH", "", "0", "?", ""]
        return [*name, shown, item.currency, item.local_symbol, item.local_symbol]
    last_day = f"{item.last_trade_date:%Y%m%d}"
    name = [item.con_id, item.symbol, "FUT", last_day, "0", "?", item.multiplier]
    return [*name, shown, item.currency, item.local_symbol, item.product.trading_class]


def contract_data(version: int, request_id: int, item: Instrument, today: date) -> bytes:
    """Encode the details of one contract."""
    fields: list[Field] = [10]
    if version < _SIZE_RULES:
        fields.append(8)
    fields.append(request_id)
    fields += _details_head(item)
    if version < _SIZE_RULES:
        fields.append(1)
    fields += _details_body(item, today)
    if version >= _SIZE_RULES:
        size = "1000" if isinstance(item, CashPair) else "1"
        fields += [size, size, size]
    return frame(*fields)


def _details_head(item: Instrument) -> list[Field]:
    if isinstance(item, CashPair):
        names: list[Field] = [item.symbol, "CASH", "", "0", "", item.exchange, item.currency]
        return [
            *names,
            item.local_symbol,
            item.local_symbol,
            item.local_symbol,
            item.con_id,
            item.tick,
        ]
    product = item.product
    closes = session_hours(item.hours, item.last_trade_date).closes
    closing = closes.astimezone(ZoneInfo(product.time_zone))
    last_day = f"{item.last_trade_date:%Y%m%d} {closing:%H:%M:%S} {product.time_zone}"
    names = [item.symbol, "FUT", last_day, "0", "", item.exchange, item.currency]
    classes: list[Field] = [item.local_symbol, product.trading_class, product.trading_class]
    return [*names, *classes, item.con_id, product.min_tick]


def _details_body(item: Instrument, today: date) -> list[Field]:
    zone = time_zone_of(item)
    regular, liquid = (
        describe(item.hours, today, days=_HOURS_SHOWN_DAYS, zone=zone, liquid=liquid)
        for liquid in (False, True)
    )
    head: list[Field] = [item.multiplier, ORDER_TYPES, item.exchange, item.magnifier]
    if isinstance(item, CashPair):
        names: list[Field] = [0, f"{item.base} / {item.quote}", "", "", "", "", ""]
        tail: list[Field] = [item.symbol, "", item.market_rule, "", ""]
        return [*head, *names, zone, regular, liquid, "", 0, 0, 4, *tail]
    product = item.product
    names = [_underlying_id(product), escaped(product.name), product.exchange, item.contract_month]
    sector: list[Field] = [product.industry, product.industry, product.symbol]
    tail = [product.symbol, "IND", product.market_rule, f"{item.last_trade_date:%Y%m%d}", ""]
    return [*head, *names, *sector, zone, regular, liquid, "", 0, 0, 2, *tail]


def time_zone_of(item: Instrument) -> str:
    """Return the zone a contract's hours are written in, by IB's name for it."""
    return ZONE if isinstance(item, CashPair) else item.product.time_zone


def _underlying_id(product: Product) -> int:
    return 11_000_000 + product.number


def contract_data_end(request_id: int) -> bytes:
    return frame(52, 1, request_id)


def symbol_samples(version: int, request_id: int, products: Sequence[Product]) -> bytes:
    fields: list[Field] = [79, request_id, len(products)]
    for product in products:
        fields += [_underlying_id(product), product.symbol, "IND", product.exchange]
        fields += [product.currency, 1, "FUT"]
        if version >= _ISSUER_ID:
            fields += [escaped(product.name), ""]
    return frame(*fields)


def historical_data(
    request_id: int, start: str, end: str, bars: Sequence[Bar], *, midpoint: bool
) -> bytes:
    """Encode daily bars; midpoints carry -1 for volume, average and count."""
    fields: list[Field] = [17, request_id, start, end, len(bars)]
    for bar in bars:
        close = bar.close
        opened = close if bar.open is None else bar.open
        high = max(opened, close) if bar.high is None else bar.high
        low = min(opened, close) if bar.low is None else bar.low
        fields += [f"{bar.session:%Y%m%d}", opened, high, low, close]
        if midpoint:
            fields += [-1, -1, -1]
        else:
            fields += [bar.volume, close, max(1, bar.volume // 3)]
    return frame(*fields)


def historical_schedule(
    request_id: int, start: str, end: str, zone: str, sessions: Sequence[tuple[str, str, str]]
) -> bytes:
    """Encode sessions as (start, end, reference date)."""
    fields: list[Field] = [106, request_id, start, end, zone, len(sessions)]
    for opened, closed, reference in sessions:
        fields += [opened, closed, reference]
    return frame(*fields)


def head_timestamp(request_id: int, text: str) -> bytes:
    return frame(88, request_id, text)


def market_data_type(request_id: int, kind: int) -> bytes:
    return frame(58, 1, request_id, kind)


def tick_request_parameters(request_id: int, min_tick: Decimal, exchange: str) -> bytes:
    return frame(81, request_id, min_tick, exchange, 3)


def tick_price(request_id: int, kind: int, price: Decimal, size: int) -> bytes:
    return frame(1, 6, request_id, kind, price, min(size, _LARGEST_SIZE_SHOWN), 0)


def tick_size(request_id: int, kind: int, size: int) -> bytes:
    shown = size if kind in {8, 74} else min(size, _LARGEST_SIZE_SHOWN)
    return frame(2, 6, request_id, kind, shown)


def tick_string(request_id: int, kind: int, text: str) -> bytes:
    return frame(46, 6, request_id, kind, text)


def tick_snapshot_end(request_id: int) -> bytes:
    return frame(57, 1, request_id)


def position(
    account: str, item: Listing, quantity: Decimal, average_cost: Decimal, *, exchange: str
) -> bytes:
    fields = contract_fields(item, exchange=exchange)
    return frame(61, 3, account, *fields, quantity, average_cost)


def position_end() -> bytes:
    return frame(62, 1)


def account_value(key: str, value: str, currency: str, account: str) -> bytes:
    return frame(6, 2, key, value, currency, account)


def portfolio_value(
    account: str,
    item: Listing,
    quantity: Decimal,
    market_price: Decimal,
    average_cost: Decimal,
    unrealized: Decimal,
    realized: Decimal,
) -> bytes:
    """Encode one portfolio line; ``market_price`` in major currency units, without magnifier."""
    value = quantity * market_price * Decimal(item.multiplier)
    amounts = (quantity, market_price, value, average_cost, unrealized, realized)
    return frame(7, 8, *contract_fields(item), *(amount.normalize() for amount in amounts), account)


def account_update_time(at: datetime) -> bytes:
    return frame(8, 1, f"{at.astimezone(ZoneInfo(ZONE)):%H:%M}")


def account_download_end(account: str) -> bytes:
    return frame(54, 1, account)


def account_summary(request_id: int, account: str, tag: str, value: str, currency: str) -> bytes:
    return frame(63, 1, request_id, account, tag, value, currency)


def account_summary_end(request_id: int) -> bytes:
    return frame(64, 1, request_id)


def account_update_multi(
    request_id: int, account: str, key: str, value: str, currency: str
) -> bytes:
    return frame(73, 1, request_id, account, "", key, value, currency)


def account_update_multi_end(request_id: int) -> bytes:
    return frame(74, 1, request_id)


def open_order_end() -> bytes:
    return frame(53, 1)


def completed_orders_end() -> bytes:
    return frame(102)


def execution_details(version: int, request_id: int, execution: Execution) -> bytes:
    """Encode a fill; request id -1 where nobody asked."""
    item = execution.instrument
    side = "BOT" if execution.action is Action.BUY else "SLD"
    fields: list[Field] = [11, request_id, execution.order_id, *contract_fields(item)]
    fields += [execution.exec_id, local_time(execution.at), execution.account, item.exchange, side]
    fields += [execution.quantity, execution.price, execution.perm_id, execution.client_id, 0]
    fields += [execution.cumulative, execution.average_price, execution.order_ref, "", "", "", 2]
    if version >= _PENDING_REVISION:
        fields.append(0)
    return frame(*fields)


def execution_details_end(request_id: int) -> bytes:
    return frame(55, 1, request_id)


def commission_report(execution: Execution) -> bytes:
    """Encode the commission of a fill; the realized profit is unset for an opening fill."""
    currency = execution.instrument.currency
    realized: Field = UNSET_DOUBLE if execution.realized is None else execution.realized
    amount = execution.commission
    return frame(59, 1, execution.exec_id, amount, currency, realized, UNSET_DOUBLE, "")


def profit_and_loss(
    request_id: int, daily: Decimal, unrealized: Decimal, realized: Decimal
) -> bytes:
    return frame(94, request_id, daily, unrealized, realized)


def profit_and_loss_single(
    request_id: int,
    quantity: Decimal,
    daily: Decimal,
    unrealized: Decimal,
    realized: Decimal,
    value: Decimal,
) -> bytes:
    return frame(95, request_id, quantity, daily, unrealized, realized, value)


def market_rule(rule: int, increments: Iterable[tuple[Decimal, Decimal]]) -> bytes:
    """Encode price increments as (low edge, step), both in major currency units."""
    steps = list(increments)
    fields: list[Field] = [93, rule, len(steps)]
    for edge, step in steps:
        fields += [edge, step]
    return frame(*fields)


def user_info(request_id: int) -> bytes:
    return frame(107, request_id, "")


def security_definition_end(request_id: int) -> bytes:
    return frame(76, request_id)
