"""Quotes as ticks, live or delayed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from afterclose.tws_sim import messages
from afterclose.tws_sim.contracts import CashPair, Instrument
from afterclose.tws_sim.prices import Quote

_LIVE: Mapping[str, int] = MappingProxyType(
    {
        "bid": 1,
        "ask": 2,
        "last": 4,
        "high": 6,
        "low": 7,
        "close": 9,
        "open": 14,
        "bid_size": 0,
        "ask_size": 3,
        "last_size": 5,
        "volume": 8,
        "time": 45,
    }
)
_DELAYED: Mapping[str, int] = MappingProxyType(
    {
        "bid": 66,
        "ask": 67,
        "last": 68,
        "high": 72,
        "low": 73,
        "close": 75,
        "open": 76,
        "bid_size": 69,
        "ask_size": 70,
        "last_size": 71,
        "volume": 74,
        "time": 88,
    }
)


def ticks(
    request_id: int, item: Instrument, quote: Quote, at: datetime, *, delayed: bool
) -> list[bytes]:
    """Return a quote as the messages a quote request answers with."""
    kind = _DELAYED if delayed else _LIVE
    prices = [("bid", quote.bid, quote.bid_size), ("ask", quote.ask, quote.ask_size)]
    if not isinstance(item, CashPair):
        prices += [("last", quote.last, 1)]
    prices += [("high", quote.high, 0), ("low", quote.low, 0), ("close", quote.close, 0)]
    prices += [("open", quote.open, 0)]
    frames = [
        messages.tick_price(request_id, kind[name], price, size) for name, price, size in prices
    ]
    frames += [
        messages.tick_size(request_id, kind["bid_size"], quote.bid_size),
        messages.tick_size(request_id, kind["ask_size"], quote.ask_size),
    ]
    if not isinstance(item, CashPair):
        frames += [
            messages.tick_size(request_id, kind["last_size"], 1),
            messages.tick_size(request_id, kind["volume"], quote.volume),
            messages.tick_string(request_id, kind["time"], str(int(at.timestamp()))),
        ]
    return frames
