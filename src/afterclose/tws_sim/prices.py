"""Prices inside a session: a path through the daily bar, quotes on the tick grid, forming bars.

The path is a straight line from the open over the low and the high (the nearer extreme first) to
the close; a bar with a close alone stands at that close. A session without a bar stands at the
last close known. Nothing here is random: the same instant always has the same price.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from afterclose.tws_sim.contracts import CashPair, Instrument, Listing
from afterclose.tws_sim.hours import SessionHours, session_at, session_before, session_hours
from afterclose.tws_sim.market import Bar, Market
from afterclose.tws_sim.scenario import Scenario

_SHARE_SHOWN = Decimal("0.002")
_UNLIMITED = 10**9
_RATE_STEP = Decimal("0.00000001")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What the market shows at an instant; sizes in contracts."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: int
    ask_size: int
    open: Decimal
    high: Decimal
    low: Decimal
    volume: int
    close: Decimal
    """The close of the session before."""
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The price of one session: knots as (share of the session passed, price)."""

    knots: tuple[tuple[Decimal, Decimal], ...]
    volume: int

    def price(self, share: Decimal) -> Decimal:
        """Return the price after a share (0..1) of the session."""
        for (begin, first), (end, second) in zip(self.knots, self.knots[1:], strict=False):
            if share <= end:
                return first + (second - first) * (share - begin) / (end - begin)
        return self.knots[-1][1]

    def extremes(self, share: Decimal) -> tuple[Decimal, Decimal]:
        """Return (high, low) so far."""
        passed = [price for knot, price in self.knots if knot <= share]
        passed.append(self.price(share))
        return max(passed), min(passed)


def path_of(bar: Bar | None, last_close: Decimal) -> Path:
    """Lay the path of a session through its bar; flat at the last close where there is no bar."""
    if bar is None:
        return Path(knots=((Decimal(0), last_close), (Decimal(1), last_close)), volume=0)
    if bar.open is None:
        return Path(knots=((Decimal(0), bar.close), (Decimal(1), bar.close)), volume=bar.volume)
    high = max(bar.open, bar.close, bar.open if bar.high is None else bar.high)
    low = min(bar.open, bar.close, bar.open if bar.low is None else bar.low)
    first, second = (low, high) if bar.close >= bar.open else (high, low)
    third = Decimal(1) / 3
    knots = ((Decimal(0), bar.open), (third, first), (2 * third, second), (Decimal(1), bar.close))
    return Path(knots=knots, volume=bar.volume)


def on_grid(price: Decimal, tick: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Put a price on the tick grid."""
    return (price / tick).quantize(Decimal(1), rounding=rounding) * tick


class Prices:
    """Prices of every instrument at any instant, under a scenario's shifts."""

    def __init__(self, market: Market, scenario: Callable[[], Scenario]) -> None:
        self._market = market
        self._scenario = scenario
        # One order looks at the same quote several times.
        self._kept: dict[int, tuple[datetime, Scenario, Quote | None]] = {}

    def session(self, item: Instrument, at: datetime) -> SessionHours:
        """Return the session that is open at an instant, else the next one."""
        return session_at(item.hours, at)

    def running(self, item: Instrument, at: datetime) -> SessionHours:
        """Return the session that is open at an instant, else the one that closed last."""
        coming = session_at(item.hours, at)
        if coming.opens <= at:
            return coming
        return session_hours(item.hours, session_before(item.hours, coming.session))

    def finished(self, item: Instrument, at: datetime) -> date:
        """Return the newest session that has closed."""
        running = self.running(item, at)
        if running.closes <= at:
            return running.session
        return session_before(item.hours, running.session)

    def bar(self, item: Instrument, session: date) -> Bar | None:
        """Return the bar of a session in IB's unit, on the tick grid."""
        if isinstance(item, CashPair):
            rates = self._market.fx_bars(_foreign(item), session)[-1:]
            return _pair_bar(item, *rates[0]) if rates and rates[0][0] == session else None
        found = self._market.history(item).on(session)
        return None if found is None else _in_ib_units(item, found)

    def last_bar(self, item: Instrument, session: date) -> Bar | None:
        """Return the newest bar of a session or before it, in IB's unit."""
        if isinstance(item, CashPair):
            rates = self._market.fx_bars(_foreign(item), session)[-1:]
            return _pair_bar(item, *rates[0]) if rates else None
        found = self._market.history(item).last(session)
        return None if found is None else _in_ib_units(item, found)

    def bars(self, item: Instrument, session: date) -> list[Bar]:
        """Return the bars up to and including a session, oldest first, in IB's unit."""
        if isinstance(item, CashPair):
            rates = self._market.fx_bars(_foreign(item), session)
            return [_pair_bar(item, day, rate) for day, rate in rates]
        return [_in_ib_units(item, bar) for bar in self._market.history(item).until(session)]

    def quote(self, item: Instrument, at: datetime) -> Quote | None:
        """Return the quote of an instant; None where no price was ever known."""
        scenario = self._scenario()
        kept = self._kept.get(item.con_id)
        if kept is not None and kept[0] == at and kept[1] is scenario:
            return kept[2]
        found = self._found(item, at)
        self._kept[item.con_id] = (at, scenario, found)
        return found

    def _found(self, item: Instrument, at: datetime) -> Quote | None:
        running = self.running(item, at)
        before = self.last_bar(item, session_before(item.hours, running.session))
        bar = self.bar(item, running.session)
        if bar is None and before is None:
            return None
        last_close = before.close if before is not None else path_of(bar, Decimal(0)).knots[0][1]
        path = path_of(bar, last_close)
        return self._quote(item, path, running, at, last_close)

    def _quote(
        self,
        item: Instrument,
        path: Path,
        running: SessionHours,
        at: datetime,
        last_close: Decimal,
    ) -> Quote:
        share = share_passed(running, at)
        last = self.shifted(item, path.price(share))
        high, low = path.extremes(share)
        bid, ask = spread_around(item, last)
        shown = max(1, int(path.volume * _SHARE_SHOWN)) if path.volume else _UNLIMITED
        limit = self._scenario().partial_fills.get(item.root)
        if limit is not None:
            shown = max(1, limit)
        return Quote(
            bid=bid,
            ask=ask,
            last=last,
            bid_size=shown,
            ask_size=shown,
            open=self.shifted(item, path.knots[0][1]),
            high=max(last, self.shifted(item, high)),
            low=min(last, self.shifted(item, low)),
            volume=int(path.volume * share),
            close=last_close,
            is_open=running.contains(at),
        )

    def forming(self, item: Instrument, at: datetime) -> Bar | None:
        """Return the bar of the session that is open at an instant; None while closed."""
        running = self.running(item, at)
        if not running.contains(at):
            return None
        quote = self.quote(item, at)
        if quote is None:
            return None
        return Bar(
            session=running.session,
            open=quote.open,
            high=quote.high,
            low=quote.low,
            close=quote.last,
            volume=quote.volume,
        )

    def shifted(self, item: Instrument, price: Decimal) -> Decimal:
        """Apply the scenario's shift of the root, then the tick grid."""
        shift = self._scenario().price_shift.get(item.root)
        if shift is not None:
            price = shift.apply(price, item.tick)
        return on_grid(price, item.tick)

    def first_instant(
        self,
        item: Instrument,
        hours: SessionHours,
        after: datetime,
        until: datetime,
        wanted: Callable[[Quote], bool],
    ) -> datetime | None:
        """Return the first instant in (after, until] whose quote is wanted, to the second.

        Between two knots the path moves one way, so that a condition on one side of the market
        changes at most once there: halving finds the instant.
        """
        for begin, end in _stretches(hours, after, until):
            for edge in (begin, end):
                quote = self.quote(item, edge)
                if quote is not None and wanted(quote):
                    return edge if edge == begin else self._halve(item, begin, end, wanted)
        return None

    def _halve(
        self, item: Instrument, begin: datetime, end: datetime, wanted: Callable[[Quote], bool]
    ) -> datetime:
        while end - begin > _SECOND:
            middle = begin + (end - begin) / 2
            quote = self.quote(item, middle)
            if quote is not None and wanted(quote):
                end = middle
            else:
                begin = middle
        return end


def _stretches(
    hours: SessionHours, after: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    length = hours.closes - hours.opens
    inside = [hours.opens + length * third / 3 for third in (0, 1, 2)]
    edges = [after, *(edge for edge in inside if after < edge < until), until]
    return list(itertools.pairwise(edges))


def share_passed(hours: SessionHours, at: datetime) -> Decimal:
    """Return how much of a session has passed at an instant, 0..1."""
    length = hours.closes - hours.opens
    passed = min(max(at - hours.opens, timedelta(0)), length)
    return Decimal(passed // _SECOND) / Decimal(length // _SECOND)


def spread_around(item: Instrument, last: Decimal) -> tuple[Decimal, Decimal]:
    """Return (bid, ask): one tick wide for even contract months, two for odd ones."""
    wide = isinstance(item, Listing) and item.con_id % 2 == 1
    return (last - item.tick, last + item.tick) if wide else (last, last + item.tick)


def _foreign(pair: CashPair) -> str:
    return pair.quote if pair.base == "USD" else pair.base


def _pair_bar(pair: CashPair, session: date, usd_per_unit: Decimal) -> Bar:
    rate = usd_per_unit if pair.quote == "USD" else 1 / usd_per_unit
    # A midpoint lies between the ticks; eight decimals lose nothing of a rate file.
    close = rate.quantize(_RATE_STEP)
    return Bar(session=session, open=close, high=close, low=close, close=close, volume=0)


def _in_ib_units(listing: Listing, bar: Bar) -> Bar:
    """Scale a vendor bar; prices off the tick grid (averages, settlements) stay as they are."""
    return bar.scaled(listing.product.vendor_scale)
