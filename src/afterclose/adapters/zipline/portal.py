"""History windows without sliding-window objects: the same numbers, several times cheaper.

Zipline builds a window for every asset and field, and builds it anew every 40 sessions. With causal
rolls the past of a continuation is fixed, so it is laid out once; each roll, when its day comes,
multiplies what lies before it by the ratio of the two months' closes, in the order and with the
rounding of Zipline's own windows. Anything else is left to Zipline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from zipline.assets import Future
from zipline.assets.continuous_futures import ContinuousFuture
from zipline.data.data_portal import DataPortal
from zipline.utils.math_utils import number_of_decimal_places

from afterclose.adapters.zipline.bars import FIELDS, FloatArray
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder, RollHistory

#: What Zipline rounds to when a contract has no tick size.
DEFAULT_DECIMALS = 3
#: So many sessions are laid out before the first window that is asked for.
SPARE_SESSIONS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class RollStep:
    """At session ``position`` everything before it is multiplied by, or shifted by, ``value``."""

    position: int
    value: float


class ContinuousHistory:
    """One field of one continuation as seen from a session that moves forward.

    ``first`` is the calendar position of the first value; ``decimals`` has one entry per value.
    """

    def __init__(
        self,
        *,
        first: int,
        raw: FloatArray,
        steps: Sequence[RollStep],
        decimals: Sequence[int],
        additive: bool,
    ) -> None:
        self.first = first
        self._raw = raw
        self._steps = tuple(steps)
        self._decimals = decimals
        self._additive = additive
        self._rewind()

    def _rewind(self) -> None:
        self._adjusted = self._raw.copy()
        self._applied = 0
        self._seen = -1
        self._places = self._decimals[0]
        self._rounded = self._adjusted.round(self._places)

    def window(self, start: int, stop: int) -> FloatArray:
        """Values of sessions ``start`` up to ``stop``, as they look on the last of them."""
        if stop - 1 < self._seen:
            self._rewind()
        self._advance(stop - 1)
        low, high = start - self.first, stop - self.first
        if low >= 0 and high <= len(self._rounded):
            return self._rounded[low:high]
        out = np.full(stop - start, np.nan)
        kept = slice(max(low, 0), min(max(high, 0), len(self._rounded)))
        out[kept.start - low : kept.stop - low] = self._rounded[kept]
        return out

    def _advance(self, position: int) -> None:
        self._seen = position
        changed = False
        while self._applied < len(self._steps):
            step = self._steps[self._applied]
            if step.position > position:
                break
            before = self._adjusted[: step.position - self.first]
            if self._additive:
                before += step.value
            else:
                before *= step.value
            self._applied += 1
            changed = True
        places = self._decimals[min(max(position - self.first, 0), len(self._decimals) - 1)]
        if changed or places != self._places:
            self._places = places
            self._rounded = self._adjusted.round(places)


class CausalPortal(DataPortal):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's data portal with causal volume rolls, and daily history from fixed pasts."""

    def __init__(
        self,
        asset_finder: Any,
        reader: StoreBarReader,
        calendar: Any,
        *,
        known: RollHistory | None = None,
        through: date | None = None,
    ) -> None:
        super().__init__(
            asset_finder,
            trading_calendar=calendar,
            first_trading_day=reader.first_trading_day,
            future_daily_reader=reader,
        )
        self._reader = reader
        self.rolls = CausalRollFinder(calendar, asset_finder, reader, known=known, through=through)
        self._roll_finders["volume"] = self.rolls
        self._stamps = calendar.sessions.asi8
        self._first = int(np.searchsorted(self._stamps, reader.first_trading_day.value))
        self._continuous: dict[tuple[int, str], ContinuousHistory] = {}
        self._tick_decimals: dict[int, int] = {}

    def _get_daily_window_data(
        self,
        assets: Sequence[Any],
        field: str,
        days_in_window: pd.DatetimeIndex,
        extra_slot: bool = True,  # noqa: FBT001, FBT002 - the library's signature
    ) -> Any:
        if extra_slot or field not in FIELDS or not all(map(self._is_fixed, assets)):
            return super()._get_daily_window_data(assets, field, days_in_window, extra_slot)
        start = int(np.searchsorted(self._stamps, days_in_window[0].value))
        stop = start + len(days_in_window)
        return np.column_stack([self._window(asset, field, start, stop) for asset in assets])

    @staticmethod
    def _is_fixed(asset: Any) -> bool:
        if isinstance(asset, ContinuousFuture):
            return bool(asset.roll_style == "volume")
        return isinstance(asset, Future)

    def _window(self, asset: Any, field: str, start: int, stop: int) -> FloatArray:
        if isinstance(asset, ContinuousFuture):
            return self._history(asset, field, start).window(start, stop)
        values = self._reader.series(asset.sid).slice(field, start, stop)
        return values.round(self._decimals(asset))

    def _history(self, future: Any, field: str, start: int) -> ContinuousHistory:
        """The past of a continuation, from some time before ``start`` on; more when asked for."""
        key = (future.sid, field)
        found = self._continuous.get(key)
        if found is None or start < found.first:
            first = max(start - SPARE_SESSIONS, self._first)
            found = self._continuous[key] = self._lay_out(future, field, min(start, first))
        return found

    def _lay_out(self, future: Any, field: str, first: int) -> ContinuousHistory:
        stop = int(np.searchsorted(self._stamps, self._reader.last_available_dt.value)) + 1
        sessions = self.trading_calendar.sessions
        rolls = self.rolls.get_rolls(
            future.root_symbol, sessions[first], sessions[stop - 1], future.offset
        )
        pieces, start = [], first
        for sid, until in rolls:
            end = stop if until is None else int(np.searchsorted(self._stamps, until.value))
            pieces.append(self._reader.series(sid).slice(field, start, end))
            start = end
        adjusts = future.adjustment is not None and field != "volume"
        steps = self._roll_steps(rolls, future.adjustment) if adjusts else []
        return ContinuousHistory(
            first=first,
            raw=np.concatenate(pieces),
            steps=steps,
            decimals=self._decimals_by_session(future.root_symbol, first, stop),
            additive=future.adjustment == "add",
        )

    def _roll_steps(self, rolls: list[Any], adjustment: str) -> list[RollStep]:
        """What each roll does to its past, from the last closes of both months before it."""
        steps = []
        for (front, until), (back, _) in pairwise(rolls):
            position = int(np.searchsorted(self._stamps, until.value))
            before = self.trading_calendar.sessions[position - 1]
            closes = [self._last_close(sid, before) for sid in (front, back)]
            if closes[0] is None or closes[1] is None:
                continue
            base = closes[1] - closes[0]
            value = base if adjustment == "add" else 1.0 + base / closes[0]
            steps.append(RollStep(position=position, value=value))
        return steps

    def _last_close(self, sid: int, day: pd.Timestamp) -> float | None:
        last = self._reader.get_last_traded_dt(sid, day)
        return None if pd.isna(last) else self._reader.get_value(sid, last, "close")

    def _decimals_by_session(self, root: str, first: int, stop: int) -> list[int]:
        """The decimals of the tick of the month next to close, for each session."""
        chain = self.rolls.chain(root)
        closes = np.maximum.accumulate(chain.auto_close)
        fronts = np.searchsorted(closes, self._stamps[first:stop], side="right")
        places = [self._decimals(asset) for asset in chain.assets]
        return [places[min(int(front), len(places) - 1)] for front in fronts]

    def _decimals(self, asset: Any) -> int:
        found = self._tick_decimals.get(asset.sid)
        if found is None:
            tick = asset.tick_size
            found = number_of_decimal_places(tick) if tick else DEFAULT_DECIMALS
            self._tick_decimals[asset.sid] = found
        return found
