"""Which contract a continuation points to, session by session.

Zipline's rule compares the volume of two neighbouring months on the session before
(``VolumeRollFinder._active_contract``). In a backtest it then walks *back* from up to 90 sessions
later, to settle on one roll per pair: tonight nobody has those sessions. ``CausalRollFinder`` looks
at the sessions up to that evening alone and goes one way only. Tonight's choice, its replay next
year and a resumed run agree by construction, and so do the contract that is current and the
contracts that make up a history window.

Volumes are noisy and have holes, and a step that cannot be undone must not rest on one odd day. So
the next month takes over when it has traded more on ``CONFIRMING_SESSIONS`` sessions in a row (of
those on which both volumes are known); near the auto-close, in Zipline's ``GRACE_DAYS``, at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from zipline.assets.roll_finder import RollFinder, VolumeRollFinder

from afterclose.adapters.zipline.bars import FloatArray, IndexArray
from afterclose.adapters.zipline.reader import StoreBarReader

BoolArray = NDArray[np.bool_]

#: On so many sessions in a row the next month must have traded more before it takes over.
CONFIRMING_SESSIONS = 3
#: Sessions to look back for them: holes of a month are bridged.
_LOOK_BACK = 25
_REMEMBERED_WALKS = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """The contracts of one root in order of delivery; days as nanoseconds, like Zipline's."""

    assets: tuple[Any, ...]
    start: IndexArray
    end: IndexArray
    auto_close: IndexArray

    def __len__(self) -> int:
        return len(self.assets)

    @property
    def gone(self) -> IndexArray:
        """The last moment a contract can be the active one."""
        return np.minimum(self.end, self.auto_close)


def read_chain(ordered: Any) -> Chain:
    """Take the contracts out of Zipline's linked list."""
    assets = []
    node = ordered._head_contract  # noqa: SLF001 - the list has no public iterator
    while node is not None:
        assets.append(node.contract)
        node = node.next
    return Chain(
        assets=tuple(assets),
        start=np.array([asset.start_date.value for asset in assets], dtype=np.int64),
        end=np.array([asset.end_date.value for asset in assets], dtype=np.int64),
        auto_close=np.array([asset.auto_close_date.value for asset in assets], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActivePair:
    """Zipline's rule for one pair of months, for many sessions at once."""

    chain: Chain
    stamps: IndexArray
    reader: StoreBarReader

    def back_is_active(self, front: int, back: int, start: int, stop: int) -> BoolArray:
        """Whether the later month is the active one, for sessions ``start`` up to ``stop``.

        The rules in Zipline's order: a month that has ended or not begun cannot be active; else the
        larger volume of the session before decides; else, near the auto-close of the front month, a
        change that was there once stays.
        """
        chain, stamps = self.chain, self.stamps
        at = np.arange(start, stop)
        today, before = stamps[at], stamps[at - 1]
        grace = self._grace_start(front, back)
        low = min(start, grace) - 2
        volumes = self._larger_back_volume(front, back, low, stop)
        larger = volumes[at - 1 - low]
        settled = self._changed_since(volumes, low, grace, at)
        result = larger | ((today >= self._grace_stamp(front, back)) & settled)
        result &= ~((chain.start[back] > before) | (today > chain.gone[back]))
        result |= (chain.start[front] > before) | (today > chain.gone[front])
        return result

    def _larger_back_volume(self, front: int, back: int, start: int, stop: int) -> BoolArray:
        """Per session ``start`` up to ``stop``: the later month traded more."""
        front_series = self.reader.series(int(self.chain.assets[front]))
        back_series = self.reader.series(int(self.chain.assets[back]))
        larger: BoolArray = back_series.slice("volume", start, stop) > front_series.slice(
            "volume", start, stop
        )
        return larger

    def _grace_start(self, front: int, back: int) -> int:
        return int(np.searchsorted(self.stamps, self._grace_stamp(front, back)))

    def _grace_stamp(self, front: int, back: int) -> int:
        close = int(np.searchsorted(self.stamps, self.chain.auto_close[front]))
        earliest = max(0, close - VolumeRollFinder.GRACE_DAYS)
        if earliest >= len(self.stamps):
            return int(np.iinfo(np.int64).max)
        return int(max(self.chain.start[back], self.stamps[earliest]))

    @staticmethod
    def _changed_since(volumes: BoolArray, low: int, grace: int, at: IndexArray) -> BoolArray:
        """Whether the volume changed over on a session from ``grace`` to the one before last."""
        position = np.arange(low, low + len(volumes))
        changes = np.concatenate([[0], np.cumsum(volumes & (position >= grace))])
        settled: BoolArray = changes[at - 1 - low] > 0
        return settled


#: Per root the months that were current, each with its first session: symbol, day.
RollHistory = Mapping[str, Sequence[tuple[str, date]]]


class CausalRollFinder(RollFinder):  # type: ignore[misc]  # Zipline is untyped
    """Volume rolls from the data up to each session, one way only.

    ``known`` are the rolls of an earlier run on the same history, up to the session ``through``.
    """

    def __init__(
        self,
        calendar: Any,
        asset_finder: Any,
        reader: StoreBarReader,
        *,
        known: RollHistory | None = None,
        through: date | None = None,
    ) -> None:
        self.trading_calendar = calendar
        self.asset_finder = asset_finder
        self._reader = reader
        self._stamps: IndexArray = calendar.sessions.asi8
        self._stop = int(np.searchsorted(self._stamps, reader.last_available_dt.value)) + 1
        self._known = known or {}
        self._through = 0 if through is None else self._at(through) + 1
        self._paths: dict[str, tuple[Chain, int, IndexArray]] = {}

    def history(self) -> dict[str, list[tuple[str, date]]]:
        """All rolls of the roots asked for so far, for a later run to go on from."""
        sessions = self.trading_calendar.sessions
        found = {}
        for root, (chain, first, path) in sorted(self._paths.items()):
            starts = [0, *(np.flatnonzero(np.diff(path)) + 1)]
            found[root] = [
                (chain.assets[path[at]].symbol, sessions[first + at].date()) for at in starts
            ]
        return found

    def _at(self, day: date) -> int:
        return int(np.searchsorted(self._stamps, pd.Timestamp(day).value))

    def get_contract_center(self, root_symbol: str, dt: Any, offset: int) -> Any:
        """The contract the continuation points to at a session; None where there is none."""
        chain, first, path = self._path(root_symbol)
        at = int(np.searchsorted(self._stamps, dt.value))
        chosen = int(path[min(max(at - first, 0), len(path) - 1)]) + offset
        return chain.assets[chosen] if chosen < len(chain) else None

    def get_rolls(self, root_symbol: str, start: Any, end: Any, offset: int) -> list[Any]:
        """Contract ids with the session on which each gives way to the next; None for the last.

        Raises IndexError when ``offset`` reaches past the last listed contract.
        """
        chain, first, path = self._path(root_symbol)
        low, high = (int(np.searchsorted(self._stamps, day.value)) for day in (start, end))
        at = np.clip(np.arange(low, high + 1) - first, 0, len(path) - 1)
        chosen = path[at]
        changes = np.flatnonzero(np.diff(chosen)) + 1
        sessions = self.trading_calendar.sessions
        ids = [chain.assets[chosen[0] + offset].sid]
        ids.extend(chain.assets[chosen[change] + offset].sid for change in changes)
        days = [sessions[low + int(change)] for change in changes]
        return list(zip(ids, [*days, None], strict=True))

    def chain(self, root: str) -> Chain:
        """The contracts of a root."""
        return self._path(root)[0]

    def _active_contract(self, oc: Any, front: int, back: int, dt: Any) -> int:
        chain, _, _ = self._path(oc.root_symbol)
        position = {asset.sid: index for index, asset in enumerate(chain.assets)}
        at = int(np.searchsorted(self._stamps, dt.value))
        rule = ActivePair(chain=chain, stamps=self._stamps, reader=self._reader)
        active = rule.back_is_active(position[front], position[back], at, at + 1)
        return back if active[0] else front

    def _path(self, root: str) -> tuple[Chain, int, IndexArray]:
        """The chain, the first session of its path, and the position in the chain from there on."""
        found = self._paths.get(root)
        if found is None:
            chain = read_chain(self.asset_finder.get_ordered_contracts(root))
            rule = TakeOver(chain=chain, stamps=self._stamps, reader=self._reader)
            first, past = self._past(root, chain)
            month = int(past[-1]) if len(past) else 0
            rest = walk(rule, first + len(past), self._stop, month)
            found = self._paths[root] = (chain, first, np.concatenate([past, rest]))
        return found

    def _past(self, root: str, chain: Chain) -> tuple[int, IndexArray]:
        """The first session of the path, and what an earlier run already knows of it."""
        position = {asset.symbol: number for number, asset in enumerate(chain.assets)}
        rolls = self._known.get(root, ())
        if not rolls or any(symbol not in position for symbol, _ in rolls):
            first = int(np.searchsorted(self._stamps, chain.start.min()))
            return min(max(first, 2), self._stop - 1), np.empty(0, dtype=np.int64)
        starts = [self._at(day) for _, day in rolls]
        lengths = np.diff([*starts, self._through])
        return starts[0], np.repeat([position[symbol] for symbol, _ in rolls], lengths)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TakeOver:
    """When the next month takes over, from nothing but the sessions before."""

    chain: Chain
    stamps: IndexArray
    reader: StoreBarReader

    def leave(self, front: int, start: int, stop: int) -> tuple[int, int]:
        """The first session from ``start`` on that belongs to a later month, and which month.

        Only months listed by then count: one that is listed later between two others changes
        nothing before its listing. ``stop`` and ``front`` when it is not left before ``stop``.
        """
        gone = int(np.searchsorted(self.stamps, self.chain.gone[front], side="right"))
        end, at = max(start, min(stop, gone)), start
        while at < end and front + 1 < len(self.chain):
            back, upto = self._next_listed(front, at, end)
            if back is not None:
                taken = np.flatnonzero(self._taken(front, back, at, upto))
                if len(taken):
                    return at + int(taken[0]), back
            at = upto
        if end >= stop or front + 1 == len(self.chain):
            return stop, front
        return end, self._next_listed(front, end, end + 1)[0] or front + 1

    def _next_listed(self, front: int, at: int, end: int) -> tuple[int | None, int]:
        """The next month with a session before ``at``, and up to which session it is the next."""
        starts = self.chain.start[front + 1 :]
        listed = np.flatnonzero(starts <= self.stamps[at - 1])
        nearer = starts[: listed[0]] if len(listed) else starts
        if len(nearer):
            end = min(end, int(np.searchsorted(self.stamps, nearer.min())) + 1)
        return (front + 1 + int(listed[0]) if len(listed) else None), end

    def _taken(self, front: int, back: int, start: int, end: int) -> BoolArray:
        taken = self._confirmed(front, back, start, end) | self._near(front, back, start, end)
        taken |= self.chain.start[front] > self.stamps[start - 1 : end - 1]
        return taken

    def _confirmed(self, front: int, back: int, start: int, end: int) -> BoolArray:
        """The later month led on each of the last sessions on which both volumes are known."""
        low = start - _LOOK_BACK
        front_volume, back_volume = self._volumes(front, back, low, end - 1)
        known = np.flatnonzero(np.isfinite(front_volume) & np.isfinite(back_volume))
        if not len(known):
            return np.zeros(end - start, dtype=bool)
        led = back_volume[known] > front_volume[known]
        streak = np.convolve(led, np.ones(CONFIRMING_SESSIONS, dtype=np.int64))[: len(led)]
        latest = np.searchsorted(known, np.arange(start - low, end - low), side="left") - 1
        confirmed: BoolArray = np.zeros(end - start, dtype=bool)
        seen = latest >= 0
        confirmed[seen] = streak[latest[seen]] == CONFIRMING_SESSIONS
        return confirmed

    def _near(self, front: int, back: int, start: int, end: int) -> BoolArray:
        """In the grace days, the larger volume of the session before; an unknown one is none."""
        close = int(np.searchsorted(self.stamps, self.chain.auto_close[front]))
        grace = max(close - VolumeRollFinder.GRACE_DAYS, 0)
        front_volume, back_volume = self._volumes(front, back, start - 1, end - 1)
        larger = np.nan_to_num(back_volume) > np.nan_to_num(front_volume)
        near: BoolArray = larger & (np.arange(start, end) >= grace)
        return near

    def _volumes(
        self, front: int, back: int, start: int, stop: int
    ) -> tuple[FloatArray, FloatArray]:
        assets = self.chain.assets
        first, second = (self.reader.series(int(assets[month])) for month in (front, back))
        name = "known_volume"
        return first.slice(name, start, stop), second.slice(name, start, stop)


def walk(rule: TakeOver, start: int, stop: int, month: int) -> IndexArray:
    """The position in the chain for sessions ``start`` up to ``stop``, from ``month`` on."""
    path = np.empty(stop - start, dtype=np.int64)
    at = start
    while at < stop:
        until, following = rule.leave(month, at, stop)
        path[at - start : until - start] = month
        at, month = until, following
    return path


class TabledVolumeRollFinder(VolumeRollFinder):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's own volume rolls, hindsight and all, with its rule for a pair looked up in a table.

    The walk through the chain stays Zipline's; only the many comparisons of two volumes on one
    session are made at once. Outside the sessions on which both months live, Zipline is asked.
    """

    def __init__(self, calendar: Any, asset_finder: Any, reader: StoreBarReader) -> None:
        super().__init__(calendar, asset_finder, reader)
        self._reader = reader
        self._stamps: IndexArray = calendar.sessions.asi8
        self._rules: dict[str, tuple[ActivePair, dict[int, int]]] = {}
        self._tables: dict[tuple[int, int], tuple[int, BoolArray]] = {}
        self._walks: dict[tuple[Any, ...], list[Any]] = {}

    def get_rolls(self, root_symbol: str, start: Any, end: Any, offset: int) -> list[Any]:
        """As Zipline's; the last answers are remembered, since every field asks the same."""
        key = (root_symbol, start.value, end.value, offset)
        found = self._walks.get(key)
        if found is None:
            if len(self._walks) > _REMEMBERED_WALKS:
                self._walks.clear()
            found = self._walks[key] = super().get_rolls(root_symbol, start, end, offset)
        return found

    def _active_contract(self, oc: Any, front: int, back: int, dt: Any) -> int:
        first, table = self._table(oc, front, back)
        at = int(np.searchsorted(self._stamps, dt.value)) - first
        if not 0 <= at < len(table) or self._stamps[at + first] != dt.value:
            active: int = super()._active_contract(oc, front, back, dt)
            return active
        return back if table[at] else front

    def _table(self, oc: Any, front: int, back: int) -> tuple[int, BoolArray]:
        found = self._tables.get((front, back))
        if found is None:
            rule, position = self._rule(oc)
            pair = position[front], position[back]
            starts, ends = rule.chain.start[list(pair)], rule.chain.gone[list(pair)]
            start = max(2, int(np.searchsorted(self._stamps, starts.max())) + 1)
            stop = int(np.searchsorted(self._stamps, ends.min(), side="right"))
            table = rule.back_is_active(*pair, start, max(start, stop))
            found = self._tables[front, back] = (start, table)
        return found

    def _rule(self, oc: Any) -> tuple[ActivePair, dict[int, int]]:
        found = self._rules.get(oc.root_symbol)
        if found is None:
            chain = read_chain(oc)
            rule = ActivePair(chain=chain, stamps=self._stamps, reader=self._reader)
            position = {asset.sid: number for number, asset in enumerate(chain.assets)}
            found = self._rules[oc.root_symbol] = (rule, position)
        return found
