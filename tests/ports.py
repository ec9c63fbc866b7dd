"""Ports of this machine for tests: one at which nobody listens, and one to be listened at later.

A port that was only found free may be another test's a moment later: tests run side by side, and
each of their connections is given one.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

#: Below what any system gives out by itself: Linux begins at 32768, the others at 49152.
_NEVER_GIVEN_OUT = range(20_000, 32_000)


@contextmanager
def closed_port() -> Iterator[int]:
    """Hold a port for as long as the block lasts: nobody listens at it, and nobody else gets it."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def port_for_later() -> int:
    """Return a port that is free now, and that no system gives to anybody who asks for any."""
    for port in random.SystemRandom().sample(_NEVER_GIVEN_OUT, 100):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # somebody asked for this one by its number
                continue
            return port
    raise RuntimeError("a hundred ports were tried, and none was free")
