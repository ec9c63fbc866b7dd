"""The demo market: a whole futures universe that exists nowhere, the same for the same seed.

Markets trend, reverse and crash together; volume moves from month to month before expiry; each
market keeps its own holidays. A history that ends later begins with the one that ends earlier, to
the last bit, so "tomorrow" can be generated today.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.calendars import MarketSessions, market_sessions
from afterclose.adapters.marketdata.expiry import rule_positions
from afterclose.adapters.marketdata.generated_paths import (
    DAYS_PER_YEAR,
    EPOCH,
    Drive,
    drive,
    fx_series,
    log_level,
    stream,
)
from afterclose.adapters.marketdata.generated_roots import GeneratedRoot, generated_roots
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    MONTH_CODES,
    BarTable,
    ContractRecord,
    FloatArray,
    MarketData,
    contract_symbol,
)
from afterclose.errors import DataError

FIRST_DAY = EPOCH.astype(date)
_EPOCH_MONTH = EPOCH.astype("datetime64[M]")
_NO_NOTICE = -1
_AUTO_CLOSE_LEAD_SESSIONS = 2
_DRAWS = 6  # random numbers per bar: curve, open, high, low, volume, open interest
_HANDOVER_SESSIONS = 1.2
_NEXT_MONTH_SHARE, _DEFERRED_DECAY = 0.12, 0.45


def generate(
    roots: Iterable[str] | None = None, *, first: date, last: date, seed: int = 0
) -> MarketData:
    """Contracts, bars from ``first`` to ``last`` and exchange rates of the generated market.

    ``roots`` of ``generated_roots.csv``, or all. The earliest day there is is 2000-01-03.
    """
    if first < FIRST_DAY or last < first:
        raise DataError(f"the generated market runs from {FIRST_DAY}; asked for {first} to {last}")
    markets = generated_roots(roots)
    days = int(np.busday_count(EPOCH, np.datetime64(last, "D"))) + 1
    groups = {root.group: drive(seed, f"group {root.group}", days) for root in markets}
    calendars: dict[str, MarketSessions] = {}
    chains = []
    for root in markets:
        if root.calendar not in calendars:
            calendars[root.calendar] = _sessions(root.calendar, last)
        chain = _chain(root, calendars[root.calendar], first, last, seed)
        chains.append((chain, _bars(chain, groups[root.group], seed, days)))
    foreign = sorted({root.currency for root in markets} - {"USD"})
    return MarketData(
        contracts=tuple(record for chain, _ in chains for record in chain.records),
        bars=_joined(chains),
        fx={currency: fx_series(seed, currency, first, last) for currency in foreign},
    )


def _sessions(calendar: str, last: date) -> MarketSessions:
    """Sessions to well past the longest listing (six years), so that every expiry has a date."""
    return market_sessions(calendar, FIRST_DAY, last.replace(year=last.year + 8, day=1))


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The contracts of one market that have bars in the period, and where their sessions lie.

    Positions count sessions of the market's own calendar since 2000. ``end`` is the earlier of
    first notice and last trade, ``place`` the number of the contract in the whole chain;
    ``all_leaves`` is, for the whole chain, the session around which volume moves on.
    """

    root: GeneratedRoot
    sessions: MarketSessions
    records: tuple[ContractRecord, ...]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    shown_from: int
    end: NDArray[np.int64]
    place: NDArray[np.int64]
    all_leaves: NDArray[np.int64]


def _chain(
    root: GeneratedRoot, sessions: MarketSessions, first: date, last: date, seed: int
) -> Chain:
    months = _delivery_months(root, last)
    last_trade = rule_positions(root.last_trade_rule, months, sessions)
    notice = np.full(len(months), _NO_NOTICE, dtype=np.int64)
    end = last_trade
    if root.first_notice_rule:
        notice = rule_positions(root.first_notice_rule, months, sessions)
        end = np.minimum(last_trade, notice)
    leaves = end - root.roll_lead_sessions - _wobble(root, months, seed)
    start, stop = _listing(root, months, sessions, last_trade, last)
    shown_from = int(sessions.at_or_after(np.datetime64(first, "D")))
    kept = np.flatnonzero((start < stop) & (stop > shown_from))
    rows = zip(months[kept], start[kept], stop[kept], last_trade[kept], notice[kept], strict=True)
    return Chain(
        root=root,
        sessions=sessions,
        records=tuple(
            _record(root, sessions, month, max(begin, shown_from), end_row, traded, notified)
            for month, begin, end_row, traded, notified in rows
        ),
        start=start[kept],
        stop=stop[kept],
        shown_from=shown_from,
        end=end[kept],
        place=kept,
        all_leaves=np.maximum.accumulate(leaves),
    )


def _delivery_months(root: GeneratedRoot, last: date) -> NDArray[np.datetime64]:
    begin = max(_EPOCH_MONTH, np.datetime64(root.first_listed, "M"))
    end = np.datetime64(last, "M") + np.timedelta64(root.months_listed + 1, "M")
    months = np.arange(begin, end)
    listed = [MONTH_CODES.index(code) for code in root.months]
    kept: NDArray[np.datetime64] = months[np.isin(months.astype(np.int64) % 12, listed)]
    return kept


def _wobble(root: GeneratedRoot, months: NDArray[np.datetime64], seed: int) -> NDArray[np.int64]:
    """Traders do not all leave a month on the same day each time: up to two sessions later."""
    numbers = months.astype(np.int64) - _EPOCH_MONTH.astype(np.int64)
    noise = stream(seed, f"root {root.root}", "migration")
    drawn: NDArray[np.int64] = noise.integers(-1, 3, int(numbers[-1]) + 1)[numbers]
    return drawn


def _listing(
    root: GeneratedRoot,
    months: NDArray[np.datetime64],
    sessions: MarketSessions,
    last_trade: NDArray[np.int64],
    last: date,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    listed = (months - np.timedelta64(root.months_listed, "M")).astype("datetime64[D]")
    listed = np.maximum(np.maximum(listed, np.datetime64(root.first_listed, "D")), EPOCH)
    stop = np.minimum(last_trade, int(sessions.at_or_before(np.datetime64(last, "D")))) + 1
    return sessions.at_or_after(listed), stop


def _record(
    root: GeneratedRoot,
    sessions: MarketSessions,
    month: np.datetime64,
    first_row: int,
    end_row: int,
    last_trade: int,
    notice: int,
) -> ContractRecord:
    months = int(month.astype(np.int64))
    year, number = 1970 + months // 12, months % 12 + 1
    end = last_trade if notice == _NO_NOTICE else min(last_trade, notice)
    days = sessions.days
    return ContractRecord(
        symbol=contract_symbol(root.root, year, number),
        root=root.root,
        contract_month=f"{year:04d}{number:02d}",
        currency=root.currency,
        exchange=root.exchange,
        point_value=root.point_value,
        tick_size=root.tick_size,
        first_session=days[first_row].item(),
        last_session=days[end_row - 1].item(),
        first_notice=None if notice == _NO_NOTICE else days[notice].item(),
        last_trade=days[last_trade].item(),
        auto_close=days[end - _AUTO_CLOSE_LEAD_SESSIONS].item(),
        calendar=root.calendar,
        name=root.name,
        sector=root.sector,
    )


def _bars(chain: Chain, group: Drive, seed: int, days: int) -> dict[str, NDArray[np.generic]]:
    """Columns of all contracts of a market, one contract after the other."""
    root, sessions = chain.root, chain.sessions
    lengths = chain.stop - chain.start
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    which = np.repeat(np.arange(len(lengths)), lengths)
    at = np.arange(int(lengths.sum())) - firsts[which] + chain.start[which]
    noise = _noise(chain, seed)
    level = log_level(seed, root, group, days)
    weekday = np.busday_count(EPOCH, sessions.days[at])
    columns = _prices(chain, which, at, firsts, noise, level[weekday])
    volume, interest = _activity(chain, which, at, noise, seed)
    quiet = volume == 0.0
    for name in ("open", "high", "low"):
        columns[name] = np.where(quiet, columns["close"], columns[name])
    shown = at >= chain.shown_from
    result: dict[str, NDArray[np.generic]] = {name: columns[name][shown] for name in columns}
    result |= {"volume": volume[shown], "open_interest": interest[shown]}
    result |= {"codes": which[shown], "sessions": sessions.days[at[shown]]}
    return result


def _noise(chain: Chain, seed: int) -> FloatArray:
    """Random numbers of each contract from its own stream; the first column is summed up."""
    parts = []
    for record, begin, end in zip(chain.records, chain.start, chain.stop, strict=True):
        draws = stream(seed, "contract", record.symbol).standard_normal((int(end - begin), _DRAWS))
        draws[:, 0] = np.cumsum(draws[:, 0])
        parts.append(draws)
    return np.concatenate(parts) if parts else np.empty((0, _DRAWS))


def _prices(
    chain: Chain,
    which: NDArray[np.int64],
    at: NDArray[np.int64],
    firsts: NDArray[np.int64],
    noise: FloatArray,
    level: FloatArray,
) -> dict[str, FloatArray]:
    root = chain.root
    daily = root.volatility / np.sqrt(DAYS_PER_YEAR)
    years = np.maximum(chain.end[which] - at, 0) / DAYS_PER_YEAR
    curve = level * np.exp(-root.curve_damping * years) + root.carry * years
    close = root.price * np.exp(curve + 0.02 * daily * noise[:, 0])
    before = np.concatenate([close[:1], close[:-1]])
    before[firsts] = close[firsts]
    opened = before * np.exp(0.35 * daily * noise[:, 1])
    high = np.maximum(opened, close) * np.exp(0.45 * daily * np.abs(noise[:, 2]))
    low = np.minimum(opened, close) * np.exp(-0.45 * daily * np.abs(noise[:, 3]))
    named = {"open": opened, "high": high, "low": low, "close": close}
    return {name: on_tick(prices, root.tick_size) for name, prices in named.items()}


def on_tick(prices: FloatArray, tick_size: float) -> FloatArray:
    """Nearest multiple of the tick, at least one, as the float64 nearest to its decimal form."""
    per_unit = round(1.0 / tick_size)
    ticks = np.maximum(np.round(prices / tick_size), 1.0)
    return ticks / per_unit if per_unit > 1 else ticks * tick_size


def _activity(
    chain: Chain, which: NDArray[np.int64], at: NDArray[np.int64], noise: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Volume and open interest: both move from month to month before the end, with noise."""
    root, place = chain.root, chain.place[which]
    leaves = chain.all_leaves[place]
    arrives = np.where(
        place > 0, chain.all_leaves[np.maximum(place - 1, 0)], np.iinfo(np.int32).min
    )
    leaving = _share((leaves - at) / _HANDOVER_SESSIONS)
    arriving = _share((at - arrives) / _HANDOVER_SESSIONS)
    deferred = place - np.searchsorted(chain.all_leaves, at, side="right")
    floor = _NEXT_MONTH_SHARE * _DEFERRED_DECAY ** np.maximum(deferred - 1, 0)
    share = leaving * np.maximum(arriving, floor)
    busy = stream(seed, f"root {root.root}", "volume").standard_normal(len(chain.sessions))
    market = root.daily_volume * np.exp(0.28 * busy[at])
    volume = np.floor(market * share * np.exp(0.22 * noise[:, 4]))
    interest = np.floor(3.0 * root.daily_volume * share * np.exp(0.05 * noise[:, 5]))
    return volume, interest


def _share(x: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


def _joined(parts: Sequence[tuple[Chain, dict[str, NDArray[np.generic]]]]) -> BarTable:
    symbols: list[str] = []
    codes = []
    for chain, bars in parts:
        codes.append(bars["codes"] + len(symbols))
        symbols.extend(record.symbol for record in chain.records)
    columns = {
        name: np.concatenate([bars[name] for _, bars in parts])
        for name in ("sessions", *BAR_COLUMNS)
    }
    return BarTable(symbols=tuple(symbols), codes=np.concatenate(codes).astype(np.int32), **columns)
