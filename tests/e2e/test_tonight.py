"""What the schedule starts: it prepares once, tells, says what stopped it, and sends nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.clock import SystemClock, evening_of, next_session, session_at
from afterclose.desk_gateway import prepare_gateway
from afterclose.schedule import TOO_LATE_BEFORE_CLOSE
from afterclose.settings import load
from e2e.conftest import afterclose
from e2e.test_bad_input import assert_told
from integration.test_notifications import Channel
from ports import port_for_later

pytestmark = pytest.mark.slow
ROOTS = ("ES", "CL", "GC", "ZC", "ZN", "FESX")


def no_time_left() -> bool:
    """Whether the session closes soon: then nothing would be started, rightly."""
    now = SystemClock().now()
    closes = evening_of(next_session(session_at(now)))
    return now > closes - TOO_LATE_BEFORE_CLOSE - timedelta(minutes=10)


def test_an_evening_by_itself_is_prepared_once_and_told(tmp_path: Path, port: int) -> None:
    if no_time_left():  # asked now: hours of other tests may lie between the collection and here
        pytest.skip("the session closes within the hour")
    roots = [flag for root in ROOTS for flag in ("--root", root)]
    made = afterclose(
        "init", "d", "--yes", "--data", "generated", "--capital", "TF=20000000", *roots,
        f"--port={port}", home=tmp_path,
    )  # fmt: skip
    assert_told(made, 0)
    home = tmp_path / "d"
    channel = Channel()
    environment = {
        "AFTERCLOSE_CHANNEL_PHONE": channel.address,
        "AFTERCLOSE_NOTIFY__CHANNELS": '["phone"]',
        "AFTERCLOSE_DATA__START_AFTER_CLOSE_MIN": "0",
        "AFTERCLOSE_BROKER__PORT": str(port_for_later()),
    }

    def tonight() -> subprocess.CompletedProcess[str]:
        return afterclose("tonight", home=home, environment=environment)

    try:
        alone = tonight()
        with (
            waiting(home, environment) as (waits, heard),
            serving(home, int(environment["AFTERCLOSE_BROKER__PORT"])) as gateway,
        ):
            heard.extend(waits.stdout or ())
            code = waits.wait(timeout=300)
            again = tonight()
            assert gateway.orders() == ()
    finally:
        channel.close()

    assert_told(alone, 3, "the evening of", "nobody listens")
    prepared = " ".join("".join(heard).split())
    assert code == 0, prepared
    for word in ("nobody listens", "the gateway is back", "50-review.html"):
        assert word in prepared
    assert_told(again, 0, "is prepared; the next starts")
    titles = [str(message["title"]) for message in channel.heard]
    assert "the evening stopped" in titles[0]
    assert len(titles) in {2, 3}
    assert all("DU1234567" not in f"{h['title']} {h['message']}" for h in channel.heard)
    assert ("nothing to do" in titles[1]) or ("waiting for your approval" in titles[2])


@contextmanager
def waiting(
    home: Path, environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """An evening whose gateway restarts: it has said that it waits, and goes on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "afterclose", "tonight"],
        cwd=home,
        env={**os.environ, **environment, "AFTERCLOSE_BROKER__EVENING_WAIT_MIN": "10"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    heard: list[str] = []
    with process:
        for line in process.stdout or ():
            heard.append(line)
            if "nobody listens" in line:
                break
        try:
            yield process, heard
        finally:
            process.kill()


def serving(home: Path, port: int) -> tws_sim.RunningGateway:
    made = prepare_gateway(load(home), session_at(SystemClock().now()))
    return tws_sim.running(
        market=tws_sim.Market.from_folder(made.folder),
        account=made.account,
        clock=tws_sim.FrozenClock(made.start),
        port=port,
    )
