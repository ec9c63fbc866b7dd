"""Exchange rates from IDEALPRO: completed daily midpoints, direct pair or inverse.

Which of the two pairs exists is the market's convention (EUR.USD, but USD.JPY): that one is asked
for, and the other only where it gives no rate. What has no rate is named with both reasons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from afterclose.adapters.ibkr.convert import cash_contract, inverse
from afterclose.adapters.ibkr.history import ask_daily_bars, bars_answer, duration_for
from afterclose.adapters.ibkr.session import Session
from afterclose.domain.contracts import Currency
from afterclose.domain.market import AnswerState, Bar, BarsAnswer, FxHistory, FxRate, FxRates

_DURATION = "10 D"
#: The currency day ends at 17:00 in New York.
_DAY_ENDS = time(17)


async def read_rates(
    session: Session, currencies: Collection[Currency], *, base: Currency, pacing_pause_s: float
) -> FxRates:
    """Ask for all currencies at once; the base itself needs no rate.

    A currency without a name (of an account that did not answer) has none.
    """
    nameless = Currency("")
    wanted = sorted(set(currencies) - {base, nameless})
    if base == nameless:
        return FxRates(base=base, missing=dict.fromkeys(wanted, "the base currency is unknown"))
    last_day = last_completed_day(await session.gateway_time()) if wanted else date.min
    found = await asyncio.gather(
        *(_read_days(session, c, base, last_day, _DURATION, pacing_pause_s) for c in wanted)
    )
    return FxRates(
        base=base,
        rates={days[-1].currency: days[-1] for days in found if isinstance(days, tuple)},
        missing={c: why for c, why in zip(wanted, found, strict=True) if isinstance(why, str)},
    )


async def read_rate_history(
    session: Session,
    currencies: Collection[Currency],
    *,
    base: Currency,
    sessions: int,
    pacing_pause_s: float,
) -> FxHistory:
    """Ask for the rates of at least so many days of each currency."""
    wanted = sorted(set(currencies) - {base})
    last_day = last_completed_day(await session.gateway_time()) if wanted else date.min
    duration = duration_for(sessions)
    found = await asyncio.gather(
        *(_read_days(session, c, base, last_day, duration, pacing_pause_s) for c in wanted)
    )
    return FxHistory(
        base=base,
        rates={days[-1].currency: days for days in found if isinstance(days, tuple)},
        missing={c: why for c, why in zip(wanted, found, strict=True) if isinstance(why, str)},
    )


def last_completed_day(now: datetime) -> date:
    """Return the latest day whose currency session has ended."""
    in_new_york = now.astimezone(ZoneInfo("America/New_York"))
    ended = in_new_york.time() >= _DAY_ENDS
    return in_new_york.date() - timedelta(days=0 if ended else 1)


async def _read_days(
    session: Session,
    currency: Currency,
    base: Currency,
    last_day: date,
    duration: str,
    pacing_pause_s: float,
) -> tuple[FxRate, ...] | str:
    """The rates of the days that are over, at least one; else why there is none."""
    reasons: list[str] = []
    for first, second in pairs_to_ask(currency, base):
        answer = await _read_pair(session, first, second, duration, pacing_pause_s)
        done = ended_days(answer, last_day)
        if not done:
            reasons.append(f"{first}.{second}: {_why(answer)}")
            continue
        direct = first == currency
        source = f"{'' if direct else '1 / '}{first}.{second} daily midpoint"
        return tuple(
            FxRate(
                currency=currency,
                rate=bar.close if direct else inverse(bar.close),
                as_of=bar.session,
                source=source,
            )
            for bar in done
        )
    return "; ".join(reasons)


def pairs_to_ask(currency: str, base: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return both pairs of two currencies, the one that the market quotes first.

    A pair is named by the senior currency first (EUR.USD, USD.JPY); of two that are not in the
    order, the direct one is tried first.
    """
    direct, turned = (currency, base), (base, currency)
    return (direct, turned) if _seniority(currency) <= _seniority(base) else (turned, direct)


def _seniority(currency: str) -> int:
    return _SENIORITY.index(currency) if currency in _SENIORITY else len(_SENIORITY)


#: Which of two currencies a pair is named by first, in the currency market.
_SENIORITY = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF")


async def _read_pair(
    session: Session, symbol: str, currency: str, duration: str, pacing_pause_s: float
) -> BarsAnswer:
    reply = await ask_daily_bars(
        session,
        cash_contract(symbol, currency),
        show="MIDPOINT",
        duration=duration,
        pacing_pause_s=pacing_pause_s,
    )
    return bars_answer(reply)


def ended_days(answer: BarsAnswer, last_day: date) -> list[Bar]:
    """Return the bars of days that have ended, with a rate above zero."""
    return [bar for bar in answer.bars if bar.session <= last_day and bar.close > 0]


def _why(answer: BarsAnswer) -> str:
    if answer.state is AnswerState.VALUE:
        return "no completed day among its bars"
    return f"{answer.code} {answer.text}" if answer.code is not None else answer.text
