"""What every test may ask for: a clock that stands still, and a desk's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from afterclose.clock import ManualClock
from make import NOW
from postgresql import server


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL server of the tests; skipped, with a word, where there is none."""
    with server() as url:
        yield url
