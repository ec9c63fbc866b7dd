"""Why a contract has no bar on a day."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import numpy as np

from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord


class Absence(StrEnum):
    """The reason for a missing bar, as far as it can be known."""

    PRESENT = "present"  # there is a bar
    WEEKEND_OR_HOLIDAY = "holiday"  # its market was closed
    NOT_LISTED_YET = "not listed yet"  # before its first bar
    EXPIRED = "expired"  # after its last trading day
    NOT_YET_PUBLISHED = "not yet published"  # after its last bar, while it still trades
    HOLE = "hole"  # its market was open and it has bars before and after: the vendor's hole


def why_missing(record: ContractRecord, bars: ContractBars, day: date) -> Absence:
    """The reason why there is no bar of ``day``."""
    wanted = np.datetime64(day, "D")
    if (bars.sessions == wanted).any():
        return Absence.PRESENT
    if record.last_trade is not None and day > record.last_trade:
        return Absence.EXPIRED
    if not market_sessions(record.calendar, day, day).is_session(day):
        return Absence.WEEKEND_OR_HOLIDAY
    if not len(bars) or wanted < bars.sessions[0]:
        return Absence.NOT_LISTED_YET
    return Absence.NOT_YET_PUBLISHED if wanted > bars.sessions[-1] else Absence.HOLE
