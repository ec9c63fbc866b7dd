"""A whole evening up to the door: the dry run, limits that hold back, and the sending after it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.conftest import afterclose
from e2e.small_desk import SESSION, SmallDesk, make_small_desk

pytestmark = pytest.mark.slow


def said_by(desk: SmallDesk, *command: str) -> tuple[int, str]:
    done = afterclose(*command, home=desk.home)
    said = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert "Traceback" not in said
    assert "an error of ours" not in said
    return done.returncode, said


def test_the_dry_run_shows_what_then_goes_and_what_the_door_holds_back(tmp_path: Path) -> None:
    desk = make_small_desk(tmp_path)
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        settings = desk.home / "afterclose.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(f"{text}[limits]\norders_per_evening = 3\n", encoding="utf-8")
        assert said_by(desk, "run", "--session", SESSION.isoformat())[0] == 0
        assert said_by(desk, "approve", "--yes", "--note", "rehearsal")[0] == 0

        code, shown = said_by(desk, "send", "--dry-run")
        assert code == 0, shown
        assert "3 orders would go, 1 would stay. Nothing was sent." in shown
        assert "Dry run for account DU1234567: nothing is sent" in shown
        assert "limits.orders_per_evening is 3" in shown
        assert gateway.orders() == ()

        code, said = said_by(desk, "send")
        assert code == 1, said
        assert "1 orders were not sent" in said
        sent = gateway.orders()
        assert len(sent) == 3
        for order in sent:
            assert f" {order.tif} now, all hours {order.order_ref}" in shown
        code, again = said_by(desk, "send", "--dry-run")
        assert "0 orders would go, 1 would stay" in again
        assert len(gateway.orders()) == 3

        settings.write_text(text, encoding="utf-8")  # the evening's own settings again
        with following(desk):
            code, said = said_by(desk, "send")
            assert (code, "another command is at work" in said) == (4, True)
            code, said = said_by(desk, "status")
            assert code in {0, 3}, said
            assert all(order.order_ref in said for order in sent)
        assert len(gateway.orders()) == 4
        code, said = said_by(desk, "send")
        assert code == 0, said
        assert len(gateway.orders()) == 4


@contextmanager
def following(desk: SmallDesk) -> Iterator[None]:
    """Another process sends and follows, until it is interrupted as by a person."""
    command = [sys.executable, "-m", "afterclose", "send", "--follow"]
    process = subprocess.Popen(
        command, cwd=desk.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.stdout is None:
        raise RuntimeError("a sender without a voice")
    try:
        while "sending" not in process.stdout.readline():  # its fourth order is on its way
            assert process.poll() is None
        yield
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
