"""What every test may ask for: a clock that stands still, and a desk's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterclose.clock import ManualClock
from make import NOW


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
