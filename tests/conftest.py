"""What every test may ask for: a clock that stands still, and a desk's folder.

No property is judged by how fast it ran: a machine with other work to do would fail it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from afterclose.clock import ManualClock
from make import NOW
from ports import closed_port
from postgresql import server

#: Whatever the speed. Each run draws the same examples, so that a red one is the change's own;
#: with this variable set it draws others, to look for more.
EXPLORE = "AFTERCLOSE_EXPLORE"
settings.register_profile(
    "afterclose",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get(EXPLORE),
)
settings.load_profile("afterclose")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def desk_folder(tmp_path: Path) -> Path:
    """A folder for a desk of one test."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nobody listens, for as long as the test runs."""
    with closed_port() as held:
        yield held


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL server of the tests; skipped, with a word, where there is none."""
    with server() as url:
        yield url
