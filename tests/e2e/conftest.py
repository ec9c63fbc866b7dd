"""Whole evenings: one demo for all tests that look at it, and a small desk to be played with."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from afterclose import demo

SMALL_ROOTS = ("CL", "ES", "FESX", "GC", "HG", "ZC", "ZN", "6E")


NO_WAIT = {"AFTERCLOSE_BROKER__WAIT_S": "0", "AFTERCLOSE_BROKER__EVENING_WAIT_MIN": "0"}


def play(request: demo.DemoRequest) -> demo.DemoEvening:
    """Run one demo, silently."""
    silent = demo.Narrator(say=_nothing, act=_nothing, order=_nothing)
    return asyncio.run(demo.run(request, silent))


def _nothing(_said: object) -> None:
    return


@pytest.fixture(scope="session")
def evening(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoEvening:
    """The demo evening, once for all tests that only look at it."""
    return play(demo.DemoRequest(out=tmp_path_factory.mktemp("demo")))


def afterclose(
    *arguments: str | Path, home: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a desk's folder.

    A gateway that is down stays down in these tests: nobody waits for it, unless ``environment``
    says so.
    """
    return subprocess.run(
        [sys.executable, "-m", "afterclose", *(str(a) for a in arguments)],
        cwd=home,
        env={**os.environ, **NO_WAIT, **(environment or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
