"""Daily bars: asked for, repeated once after a pacing violation, judged."""

from __future__ import annotations

import asyncio
from functools import partial

from ib_async.contract import Contract

from afterclose.adapters.ibkr.codes import explain
from afterclose.adapters.ibkr.convert import daily_bar
from afterclose.adapters.ibkr.receiver import Outcome, Reply
from afterclose.adapters.ibkr.session import Session
from afterclose.domain.market import AnswerState, BarsAnswer

#: IB asks for fifteen seconds before an identical request is repeated.
PACING_PAUSE_S = 15.0

_DAYS_AT_MOST = 365  # longer durations must be asked for in years
_DAY, _YEAR = "D", "Y"


async def ask_daily_bars(
    session: Session, contract: Contract, *, show: str, duration: str, pacing_pause_s: float
) -> Reply:
    """Ask for daily bars up to now, all hours. One repetition after a pacing violation."""
    send = partial(_send, session, contract, show, duration)
    withdraw = session.client.cancelHistoricalData
    reply = await session.ask(send, cancel=withdraw)
    if not _paced(reply):
        return reply
    await asyncio.sleep(pacing_pause_s)
    return await session.ask(send, cancel=withdraw)


def _send(session: Session, contract: Contract, show: str, duration: str, number: int) -> None:
    session.client.reqHistoricalData(
        number,
        contract,
        endDateTime="",  # up to now: the forming session comes too, labelled by its date
        durationStr=duration,
        barSizeSetting="1 day",
        whatToShow=show,
        useRTH=0,  # for futures, regular hours would be the day session alone
        formatDate=1,
        keepUpToDate=False,
        chartOptions=[],
    )


def _paced(reply: Reply) -> bool:
    return (
        reply.outcome is Outcome.REFUSED
        and reply.code is not None
        and "pacing" in reply.text.lower()
        and explain(reply.code, reply.text).retryable
    )


def duration_for(sessions: int) -> str:
    """Name a duration that holds at least so many completed sessions.

    IB does not say whether its days are calendar or trading days, so weekends, holidays and the
    forming session are allowed for.
    """
    days = sessions * 3 // 2 + 7
    if days <= _DAYS_AT_MOST:
        return f"{days} {_DAY}"
    return f"{-(-days // _DAYS_AT_MOST)} {_YEAR}"


def bars_answer(reply: Reply, *, sessions: int | None = None) -> BarsAnswer:
    """Judge one answer; keep the last ``sessions`` bars and one for the forming session."""
    if reply.outcome is Outcome.REFUSED and reply.code is not None:
        meaning = explain(reply.code, reply.text)
        state = AnswerState.EMPTY if meaning.no_data else AnswerState.UNKNOWN
        return BarsAnswer(state=state, code=reply.code, text=reply.text)
    if not reply.ended:
        return BarsAnswer(state=AnswerState.UNKNOWN, code=reply.code, text=reply.text)
    try:
        bars = tuple(sorted((daily_bar(row) for row in reply.rows), key=lambda bar: bar.session))
    except ValueError as error:
        return BarsAnswer(state=AnswerState.UNKNOWN, text=f"bars cannot be read: {error}")
    if not bars:
        return BarsAnswer(state=AnswerState.EMPTY, text="the history service sent no bars")
    return BarsAnswer(
        state=AnswerState.VALUE, bars=bars if sessions is None else bars[-(sessions + 1) :]
    )
