"""The gateway's clocks: real, frozen, or fast. All give aware UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class GatewayClock(Protocol):
    """Tells the gateway's time. ``moves`` says whether it moves without being told to."""

    @property
    def moves(self) -> bool: ...

    def now(self) -> datetime: ...

    def advance_to(self, when: datetime) -> None: ...


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"a time needs its zone, was {at.isoformat()}")
    return at.astimezone(UTC)


class FrozenClock:
    """Stands still until it is moved, and never moves back."""

    moves = False

    def __init__(self, at: datetime) -> None:
        self._now = _utc(at)

    def now(self) -> datetime:
        """Return the instant the clock stands at."""
        return self._now

    def advance_to(self, when: datetime) -> None:
        """Move forward. Raises ValueError for an instant in the past."""
        when = _utc(when)
        if when < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()}, cannot go back")
        self._now = when


class FastClock:
    """Starts anywhere and runs at a multiple of real time, on the machine's monotonic clock."""

    moves = True

    def __init__(self, start: datetime, *, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, was {speed}")
        self._start = _utc(start)
        self._speed = speed
        self._zero = time.monotonic()

    def now(self) -> datetime:
        """Return the running instant."""
        return self._start + timedelta(seconds=(time.monotonic() - self._zero) * self._speed)

    def advance_to(self, when: datetime) -> None:
        """Jump forward; time runs on from there. Raises ValueError for an instant in the past."""
        when = _utc(when)
        if when < self.now():
            raise ValueError("cannot go back")
        self._start, self._zero = when, time.monotonic()


class RealClock(FastClock):
    """The machine's own time."""

    def __init__(self) -> None:
        super().__init__(datetime.fromtimestamp(time.time(), UTC), speed=1.0)
