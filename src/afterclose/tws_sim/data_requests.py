"""Requests about contracts and prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from afterclose.tws_sim import messages
from afterclose.tws_sim.contracts import CashPair, Instrument, Listing
from afterclose.tws_sim.days import month_start
from afterclose.tws_sim.directory import ContractQuery
from afterclose.tws_sim.gateway import Client, Gateway
from afterclose.tws_sim.hours import is_session, session_hours
from afterclose.tws_sim.lookup import found_contracts, named, one_contract, unknown_contract
from afterclose.tws_sim.market import Bar
from afterclose.tws_sim.requests import read_contract, read_instant
from afterclose.tws_sim.wire import FieldReader, WireError

_ISSUER_ID = 176
_NO_DATA = "Historical Market Data Service error message:HMDS query returned no data: "
_NO_LAST_PRICES = "Historical Market Data Service error message:No historical market data for "
_NO_PERMISSION = "Historical Market Data Service error message:No market data permissions for "
_PACING = "Historical Market Data Service error message:API historical data query pacing violation"
_KINDS_OF_PRICE = frozenset({"TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK"})
_ANSWERED_BAR_SIZES = frozenset({"1 day", "1D", "1 days"})
_DAYS_PER_WEEK, _MONTHS_PER_YEAR, _SECONDS_PER_DAY = 7, 12, 86_400


def contract_details(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send one message per contract that fits, then the end marker; or 200."""
    reader.skip(1)
    request_id = reader.integer()
    query = read_contract(reader)
    include_expired = reader.flag()
    reader.skip(2)
    if client.version >= _ISSUER_ID:
        reader.skip(1)
    asked = _with_expired(query) if include_expired else query
    found = found_contracts(gateway, asked)
    if not found:
        unknown_contract(client, request_id)
        return
    today = gateway.today
    version = client.version
    client.send(*(messages.contract_data(version, request_id, item, today) for item in found))
    if "contractDetails" not in gateway.scenario.missing_end:
        client.send(messages.contract_data_end(request_id))


def matching_symbols(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the products whose symbol or name begins with a text."""
    request_id, pattern = reader.integer(), reader.text()
    found = gateway.directory.matching(pattern)[:16]
    client.send(messages.symbol_samples(client.version, request_id, found))


def market_rule(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the price increments of a rule, in major currency units."""
    rule = reader.integer()
    steps = {CashPair.market_rule: Decimal("0.00005")}
    steps |= {product.market_rule: product.min_tick for product in gateway.directory.products}
    if rule not in steps:
        client.error(-1, 321, "Error validating request.-'bH' : cause - Invalid market rule id.")
        return
    coarse = {
        product.market_rule
        for product in gateway.directory.products
        if product.price_root in gateway.scenario.coarse_rule
    }
    step = steps[rule] * 2 if rule in coarse else steps[rule]
    client.send(messages.market_rule(rule, [(Decimal(0), step)]))


def option_parameters(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """No options are listed here: the end marker alone."""
    _ = gateway
    client.send(messages.security_definition_end(reader.integer()))


# -- history ---------------------------------------------------------------------------------


def historical_data(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send daily bars, or the schedule of sessions."""
    request_id = reader.integer()
    query = read_contract(reader)
    include_expired = reader.flag()
    end_text, bar_size, duration = reader.text(), reader.text(), reader.text()
    reader.skip(1)  # useRTH: bars cover the whole session in any case
    show = reader.text()
    reader.skip(3)  # formatDate, keepUpToDate, chartOptions
    gateway.process()
    item = one_contract(
        gateway, client, request_id, _with_expired(query) if include_expired else query
    )
    if item is None:
        return
    problem = _history_problem(gateway, item, bar_size, show)
    if problem is not None:
        client.error(request_id, *problem)
        return
    end, zone_stated = read_instant(end_text)
    if not zone_stated:
        text = "You submitted request with date-time attributes without explicit time zone."
        client.error(request_id, 2174, f"Warning: {text}")
    stop = gateway.now if end is None else min(end, gateway.now)
    first = first_session(duration, stop.date())
    if show == "SCHEDULE":
        client.send(_schedule(request_id, item, first, stop))
        return
    bars = _bars(gateway, item, stop, forming=end is None)
    bars = _cut(bars, duration, first)
    if not bars:
        client.error(request_id, 162, f"{_NO_DATA}{named(item)} {show.title()}")
        return
    start = messages.local_time(session_hours(item.hours, bars[0].session).opens)
    midpoint = isinstance(item, CashPair) or show != "TRADES"
    until = messages.local_time(stop)
    client.send(messages.historical_data(request_id, start, until, bars, midpoint=midpoint))


def _with_expired(query: ContractQuery) -> ContractQuery:
    return replace(query, include_expired=True)


def _history_problem(
    gateway: Gateway, item: Instrument, bar_size: str, show: str
) -> tuple[int, str] | None:
    if show not in _KINDS_OF_PRICE | {"SCHEDULE"}:
        return 321, f"Error validating request.-'bH' : cause - Unknown what to show: {show}"
    if bar_size not in _ANSWERED_BAR_SIZES:
        return 162, f"{_NO_DATA}{named(item)} {show.title()} {bar_size}: daily bars only"
    if isinstance(item, CashPair) and show == "TRADES":
        return 162, f"{_NO_LAST_PRICES}{named(item)} Last"
    return _scripted_problem(gateway, item, show)


def _scripted_problem(gateway: Gateway, item: Instrument, show: str) -> tuple[int, str] | None:
    scenario = gateway.scenario
    if item.root in scenario.pacing:
        return 162, _PACING
    if item.root in scenario.no_permission:
        return 162, f"{_NO_PERMISSION}{item.exchange} {item.sec_type}"
    if item.root in scenario.no_data:
        return 162, f"{_NO_DATA}{named(item)} {show.title()}"
    return None


def _bars(gateway: Gateway, item: Instrument, stop: datetime, *, forming: bool) -> list[Bar]:
    last = gateway.prices.finished(item, stop)
    bars = gateway.prices.bars(item, last)
    ended = isinstance(item, Listing) and last >= item.last_trade_date
    if forming and bars and not ended:
        now = gateway.prices.forming(item, gateway.now)
        bars += [] if now is None else [now]
    return bars


def _cut(bars: list[Bar], duration: str, first: date | None) -> list[Bar]:
    if first is None:
        return bars[-int(duration.partition(" ")[0]) :]
    return [bar for bar in bars if bar.session > first]


def first_session(duration: str, last: date) -> date | None:
    """Return the day before which bars are cut off; None where days are counted as bars.

    Durations are ``21 D`` (bars), ``3 W``, ``6 M``, ``2 Y`` or seconds. Raises WireError.
    """
    count_text, _, unit = duration.partition(" ")
    if not count_text.isdecimal() or not 0 < int(count_text) <= 100_000:  # noqa: PLR2004
        raise WireError(f"a duration cannot be read: {duration[:20]!r}")
    count = int(count_text)
    if unit == "D":
        return None
    if unit == "W":
        return last - timedelta(days=_DAYS_PER_WEEK * min(count, 5000))
    if unit in {"M", "Y"}:
        months = count * (_MONTHS_PER_YEAR if unit == "Y" else 1)
        begin = month_start(last.year, last.month - min(months, _MONTHS_PER_YEAR * 100))
        return begin + timedelta(days=min(last.day, 28) - 1)
    if unit == "S":
        return last - timedelta(days=count // _SECONDS_PER_DAY + 1)
    raise WireError(f"a duration cannot be read: {duration[:20]!r}")


def _schedule(request_id: int, item: Instrument, first: date | None, stop: datetime) -> bytes:
    zone_name = messages.time_zone_of(item)
    zone = ZoneInfo(zone_name)
    last = stop.astimezone(zone).date()
    begin = first or last - timedelta(days=_DAYS_PER_WEEK)
    days = [begin + timedelta(days=offset) for offset in range(1, (last - begin).days + 1)]
    sessions = []
    for day in days:
        if is_session(item.hours, day):
            hours = session_hours(item.hours, day)
            opened, closed = (
                f"{at.astimezone(zone):%Y%m%d-%H:%M:%S}" for at in (hours.opens, hours.closes)
            )
            sessions.append((opened, closed, f"{day:%Y%m%d}"))
    start, end = (sessions[0][0], sessions[-1][1]) if sessions else ("", "")
    return messages.historical_schedule(request_id, start, end, zone_name, sessions)


def cancel_historical(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Every answer is complete at once, so there is never anything to cancel."""
    _ = gateway
    reader.skip(1)
    client.error(reader.integer(), 366, "No historical data query found for ticker id")


def head_timestamp(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Say when the history of a contract begins."""
    request_id = reader.integer()
    query = read_contract(reader)
    include_expired = reader.flag()
    reader.skip(3)
    item = one_contract(
        gateway, client, request_id, _with_expired(query) if include_expired else query
    )
    if item is None:
        return
    bars = gateway.prices.bars(item, gateway.prices.finished(item, gateway.now))
    if not bars or item.root in gateway.scenario.no_data:
        client.error(request_id, 162, f"{_NO_DATA}{named(item)} Trades")
        return
    opened = session_hours(item.hours, bars[0].session).opens
    client.send(messages.head_timestamp(request_id, f"{opened:%Y%m%d-%H:%M:%S}"))


def cancel_head_timestamp(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Nothing to do: the answer is complete at once."""
    _ = gateway, client
    reader.skip(1)
