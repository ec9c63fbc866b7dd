"""The simulation calendar: Zipline's own for futures, without its thirteen million minutes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from exchange_calendars.us_futures_calendar import QuantopianUSFuturesCalendar

from afterclose.adapters.zipline.bars import IndexArray, SessionAxis, day_numbers

#: Zipline counts the sessions of a futures run from here.
FIRST_DAY = pd.Timestamp("1990-01-01")
_MINUTE_NS = 60_000_000_000


class RunCalendar(QuantopianUSFuturesCalendar):  # type: ignore[misc]  # exchange_calendars is untyped
    """The ``us_futures`` calendar; it answers "which session is this minute in?" from memory.

    Zipline asks that some sixty times per simulated session. The library's own answer is the same,
    and first lists every minute since 1990.
    """

    def __init__(self) -> None:
        super().__init__(start=FIRST_DAY, side="right")
        self._session_of: dict[int, pd.Timestamp] = {}
        self._last_minutes: IndexArray = self.last_minutes_nanos

    def minute_to_session(self, minute: Any, direction: str = "next", _parse: bool = True) -> Any:  # noqa: FBT001, FBT002 - the library's signature
        """The session that a minute belongs to, or the next one when it belongs to none."""
        if direction != "next" or not isinstance(minute, pd.Timestamp):
            return super().minute_to_session(minute, direction, _parse)
        stamp = minute.value
        found = self._session_of.get(stamp)
        if found is None:
            at = int(np.searchsorted(self._last_minutes, stamp))
            if stamp % _MINUTE_NS or at >= len(self._last_minutes):
                return super().minute_to_session(minute, direction, _parse)
            found = self._session_of[stamp] = self.sessions[at]
        return found


def session_axis(calendar: Any) -> SessionAxis:
    """The sessions of a calendar as days."""
    return SessionAxis(numbers=day_numbers(calendar.sessions.to_numpy()))
