"""From the ticks of a snapshot to a quote.

IB marks a side without a quote by price −1 or 0 *with size 0*. Only both together mean "none":
futures trade at −1 and at 0 like at any other price, and then with a size.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterclose.adapters.ibkr.convert import exact
from afterclose.adapters.ibkr.receiver import Reply
from afterclose.adapters.ibkr.rows import DataTypeNotice, PriceTick
from afterclose.domain.market import AnswerState, Quote, QuoteKind

#: What is asked for: live where the login has it, else delayed.
DELAYED = 3

_KINDS = {
    1: QuoteKind.LIVE,
    2: QuoteKind.FROZEN,
    3: QuoteKind.DELAYED,
    4: QuoteKind.DELAYED_FROZEN,
}
#: IB's tick numbers, live and delayed.
_FIELDS = {1: "bid", 66: "bid", 2: "ask", 67: "ask", 4: "last", 68: "last", 9: "close", 75: "close"}
_FIRST_DELAYED_TICK = 66
_NO_QUOTE = frozenset({-1.0, 0.0})


def quote_is_full(rows: Sequence[Any]) -> bool:
    """Whether bid, ask, last and close were all spoken of: nothing more is waited for."""
    told = {_FIELDS.get(row.tick_type) for row in rows if isinstance(row, PriceTick)}
    return told >= {"bid", "ask", "last", "close"}


def quote(reply: Reply, *, as_of: datetime) -> Quote:
    """Judge one snapshot.

    A snapshot that ended without a price is empty. One that did not end but brought prices is a
    value whose missing fields are merely not known.
    """
    prices = _prices(reply.rows)
    code, text = _words(reply)
    if prices:
        kind = _kind(reply.rows)
        return Quote(
            state=AnswerState.VALUE, as_of=as_of, kind=kind, **prices, code=code, text=text
        )
    state = AnswerState.EMPTY if reply.ended else AnswerState.UNKNOWN
    return Quote(state=state, as_of=as_of, code=code, text=text)


def _prices(rows: Sequence[Any]) -> dict[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for row in rows:
        name = _FIELDS.get(row.tick_type) if isinstance(row, PriceTick) else None
        if name is None:
            continue
        price = exact(row.price)
        if price is None or (row.size == 0 and row.price in _NO_QUOTE):
            prices.pop(name, None)
        else:
            prices[name] = price
    return prices


def _kind(rows: Sequence[Any]) -> QuoteKind:
    told = [_KINDS.get(row.data_type) for row in rows if isinstance(row, DataTypeNotice)]
    if told and told[-1] is not None:
        return told[-1]
    delayed = any(
        isinstance(row, PriceTick) and row.tick_type >= _FIRST_DELAYED_TICK for row in rows
    )
    return QuoteKind.DELAYED if delayed else QuoteKind.LIVE


def _words(reply: Reply) -> tuple[int | None, str]:
    if reply.code is not None or reply.text:
        return reply.code, reply.text
    return reply.notices[-1] if reply.notices else (None, "")
