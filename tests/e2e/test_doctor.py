"""``afterclose doctor`` on a whole desk: with its gateway, without, and with one that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import afterclose
from e2e.small_desk import SESSION, SmallDesk, make_small_desk
from e2e.test_bad_input import assert_told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("doctor"))


def lines(desk: SmallDesk, exit_code: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    done = afterclose("doctor", "--json", "--session", SESSION.isoformat(), home=desk.home)
    assert done.returncode == exit_code, done.stdout + done.stderr
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in json.loads(done.stdout):
        found.setdefault((line["part"], line["what"]), []).append(line)
    return found


def test_a_healthy_desk_is_ready_and_nothing_was_sent(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        found = lines(desk, 0)
        shown = afterclose("doctor", "--session", SESSION.isoformat(), home=desk.home)

        assert gateway.orders() == ()
    assert_told(shown, 0, "Is everything ready?", "Ready")
    for part, what in (
        ("machine", "Python"), ("machine", "disk"), ("books", "ledger"), ("books", "mapping"),
        ("data", "store"), ("data", "fresh"), ("models", "BUY"), ("gateway", "line"),
        ("gateway", "account"), ("gateway", "capital"), ("gateway", "markets"),
        ("gateway", "quotes"), ("gateway", "orders"), ("hours", "evening"),
    ):  # fmt: skip
        assert found[part, what][0]["health"] == "good", found[part, what]
    assert "CBOT, CME, COMEX" in found["gateway", "orders"][0]["said"]
    assert found["gateway", "clock"][0]["health"] == "note"


def test_without_a_gateway_the_rest_is_still_looked_at(desk: SmallDesk, port: int) -> None:
    desk.configure(port=port)
    found = lines(desk, 1)

    assert found["gateway", "line"][0]["health"] == "fails"
    assert "start TWS or IB Gateway" in found["gateway", "line"][0]["remedy"]
    assert found["models", "BUY"][0]["health"] == "good"
    assert found["hours", "evening"][0]["health"] == "good"


def test_read_only_mode_and_another_account_would_fail_tonight(desk: SmallDesk) -> None:
    with desk.gateway(scenario="[orders]\nread_only = true\n") as gateway:
        desk.configure(port=gateway.port)
        read_only = lines(desk, 1)
    with desk.gateway(account="DU7654321") as gateway:
        desk.configure(port=gateway.port)
        other = lines(desk, 1)

    assert "Read-Only" in read_only["gateway", "orders"][0]["said"]
    assert other["gateway", "account"][0]["health"] == "fails"


def test_settings_that_cannot_be_read_are_a_line_too(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text("[desk]\nnmae = 1\n", encoding="utf-8")

    assert_told(afterclose("doctor", home=tmp_path), 1, "desk.nmae", "Tonight would fail")
    assert_told(afterclose("doctor", home=tmp_path / ".."), 2, "no desk", "afterclose init")
    christmas = afterclose("doctor", "--session", "2026-12-25", home=tmp_path)
    assert_told(christmas, 2, "no trading session", "2026-12-24")
