"""What a client was told, in order, and waiting for it without sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """One callback: its name, the same for all clients, and its arguments."""

    name: str
    args: tuple[Any, ...]


class MissingEventError(AssertionError):
    """An expected callback never came."""


class EventLog:
    """Callbacks of one client, filled by its thread and read by the test's."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def note(self, name: str, *args: Any) -> None:
        """Add a callback and wake who waits."""
        with self._changed:
            self.events.append(Event(name, args))
            self._changed.notify_all()

    @property
    def mark(self) -> int:
        """A place in the log, to look only at what comes after it."""
        with self._changed:
            return len(self.events)

    def since(self, mark: int, *names: str) -> list[Event]:
        """The callbacks after a mark, of some names or all."""
        with self._changed:
            return [each for each in self.events[mark:] if not names or each.name in names]

    def wait(
        self, matches: Callable[[Event], bool], *, since: int = 0, patience_s: float = PATIENCE_S
    ) -> Event:
        """Return the first matching callback after a mark, waiting for it if need be."""
        ends = time.monotonic() + patience_s
        seen = since
        with self._changed:
            while True:
                for event in self.events[seen:]:
                    if matches(event):
                        return event
                seen = len(self.events)
                left = ends - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise MissingEventError(f"never came; after the mark: {self.events[since:]}")
