"""Market data from the command line: update, look, check."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import afterclose
from e2e.test_bad_input import assert_told

pytestmark = pytest.mark.slow

SETTINGS = """\
[data]
store = "market"
source = "generated"
roots = ["ES", "ZR"]
seed = 1
"""


def test_a_store_is_filled_then_followed_session_by_session(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    first = afterclose("update", "--session", "2026-10-22", home=tmp_path)
    next_day = afterclose("update", "--session", "2026-10-23", home=tmp_path)
    again = afterclose("update", "--session", "2026-10-23", home=tmp_path)
    root = afterclose("data", "show", "es", home=tmp_path)
    contract = afterclose("data", "show", "ESZ26", home=tmp_path)
    unknown = afterclose("data", "show", "XX", home=tmp_path)
    checked = afterclose("data", "check", home=tmp_path)

    assert_told(first, 0, "ESH00", "2026-10-22", "0 revised values")
    assert_told(next_day, 0, "2026-10-23")
    assert_told(again, 0, "0 new bars", "0 revised values")
    assert_told(root, 0, "Most volume", "ESZ26")
    assert_told(contract, 0, "tick 0.25", "2026-10-23", "fingerprint")
    assert_told(unknown, 2, "neither a market nor a contract 'XX'", "ES ZR")
    assert_told(checked, 0, "to look at since 2026-10-13")


def test_an_update_without_a_source_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text("[data]\nstore = 'market'\n", encoding="utf-8")

    assert_told(afterclose("update", home=tmp_path), 2, "data.source", "norgate")


def test_a_wait_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    assert_told(afterclose("update", "--wait", "soon", home=tmp_path), 2, "'soon'", "3h")
