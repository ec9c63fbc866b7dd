"""The page's way to the desk: one that stays open, and a fresh one where settings changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from afterclose.errors import RunAlreadySubmitted
from afterclose.evening.desk import Desk
from afterclose.evening.journal import DESK_LOCK
from afterclose.ports import Clock, Ledger
from afterclose.settings import Settings, load


class DeskAccess:
    """Opens the desk. Acts read the settings again: they may have changed since the start."""

    def __init__(self, home: Path, clock: Clock, open_desk: Callable[[], Desk]) -> None:
        self.home = home
        self.clock = clock
        self._open = open_desk
        self._standing = open_desk()

    @property
    def desk(self) -> Desk:
        """The desk as it was at the start, to be read."""
        return self._standing

    @property
    def settings(self) -> Settings:
        """Settings as they were at the start."""
        return self._standing.settings

    @property
    def ledger(self) -> Ledger:
        """The ledger, to be read."""
        return self._standing.ledger

    @contextmanager
    def act(self, *, wait_s: float = 0.0) -> Iterator[Desk]:
        """Hold the desk for one act; no other command works on it meanwhile.

        It is the one that stands open, unless the settings were changed since: then one of today's.

        Raises RunAlreadySubmitted when another one does, and has not ended within ``wait_s``.
        """
        try:
            with FileLock(self.home / DESK_LOCK, timeout=wait_s):
                if load(self.home) == self.settings:
                    yield self._standing
                    return
                desk = self._open()
                try:
                    yield desk
                finally:
                    _let_go(desk.ledger)
        except Timeout:
            raise RunAlreadySubmitted(
                "another command is at work on this desk; nothing was done",
                hint="orders that are followed in another window or terminal hold the desk: "
                "wait until that has ended, then try again",
            ) from None

    def close(self) -> None:
        """Let go of the ledger."""
        _let_go(self._standing.ledger)


def _let_go(ledger: Ledger) -> None:
    close = getattr(ledger, "close", None)  # a database has one, the port does not ask for it
    if close is not None:
        close()
