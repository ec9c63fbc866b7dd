"""Requests for quotes: snapshots and running ones."""

from __future__ import annotations

from decimal import Decimal

from afterclose.tws_sim import messages, quotes
from afterclose.tws_sim.contracts import CashPair, Instrument
from afterclose.tws_sim.gateway import Client, Gateway, QuoteSubscription
from afterclose.tws_sim.lookup import named, one_contract
from afterclose.tws_sim.requests import read_contract
from afterclose.tws_sim.wire import FieldReader

_LIVE, _FROZEN, _DELAYED = 1, 2, 3
_MOST_LINES = 100
_DUPLICATE_ID = "Error processing request.-'bH' : cause - Duplicate ticker id"
_NOT_SUBSCRIBED = "Requested market data is not subscribed."


def market_data_type(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Remember whether delayed or frozen quotes are wanted."""
    _ = gateway
    reader.skip(1)
    client.wants.market_data_type = reader.integer()


def market_data(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send a snapshot, or start a running quote request."""
    reader.skip(1)
    request_id = reader.integer()
    query = read_contract(reader)
    if reader.flag():
        reader.skip(3)
    reader.skip(1)
    snapshot = reader.flag()
    reader.skip(2)
    gateway.process()
    refusal = _line_refusal(client, request_id, snapshot=snapshot)
    if refusal is not None:
        client.error(request_id, *refusal)
        return
    item = one_contract(gateway, client, request_id, query)
    if item is None:
        return
    refusal = _quote_refusal(gateway, client, item)
    if refusal is not None:
        client.error(request_id, *refusal)
        return
    delayed = item.root in gateway.scenario.delayed
    if delayed:
        client.error(request_id, 10167, f"{_NOT_SUBSCRIBED} Displaying delayed market data.")
    quote = gateway.prices.quote(item, gateway.now)
    kind = _DELAYED if delayed else _LIVE
    if quote is not None and not quote.is_open and client.wants.market_data_type == _FROZEN:
        kind = _FROZEN
    client.send(
        messages.market_data_type(request_id, kind),
        messages.tick_request_parameters(request_id, _min_tick(item), "9c0001"),
    )
    if quote is not None:
        client.send(*quotes.ticks(request_id, item, quote, gateway.told_time, delayed=delayed))
    if not snapshot:
        client.wants.quotes[request_id] = QuoteSubscription(item=item, delayed=delayed, sent=quote)
    elif "snapshot" not in gateway.scenario.missing_end:
        client.send(messages.tick_snapshot_end(request_id))


def _line_refusal(client: Client, request_id: int, *, snapshot: bool) -> tuple[int, str] | None:
    if request_id in client.wants.quotes:
        return 322, _DUPLICATE_ID
    if not snapshot and len(client.wants.quotes) >= _MOST_LINES:
        return 101, "Max number of tickers has been reached"
    return None


def _min_tick(item: Instrument) -> Decimal:
    return item.tick if isinstance(item, CashPair) else item.product.min_tick


def _quote_refusal(gateway: Gateway, client: Client, item: Instrument) -> tuple[int, str] | None:
    scenario = gateway.scenario
    if scenario.competing_session:
        return 10197, "No market data during competing live session"
    if item.root in scenario.no_permission:
        return 354, f"{_NOT_SUBSCRIBED} Check API status by selecting the Account menu."
    if item.root in scenario.delayed and client.wants.market_data_type < _DELAYED:
        text = "Requested market data requires additional subscription for API."
        return 10089, f"{text} Delayed market data is available. {named(item)}/TOP/ALL"
    return None


def cancel_market_data(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Stop a running quote request."""
    _ = gateway
    reader.skip(1)
    request_id = reader.integer()
    if client.wants.quotes.pop(request_id, None) is None:
        client.error(request_id, 300, "Can't find EId with tickerId:" + str(request_id))
