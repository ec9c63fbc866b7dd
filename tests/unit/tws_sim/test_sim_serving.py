from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Self

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.recorder import (
    RecordingError,
    Scrubber,
    read_recording,
    record,
    replay,
)
from afterclose.tws_sim.wire import frame
from unit.tws_sim.sim_market import (
    MONDAY_EVENING,
    TUESDAY_CLOSE,
    TUESDAY_OPEN,
    account,
    holding,
    write_market,
)
from unit.tws_sim.sim_session import CRUDE, order_message

PATIENCE_S = 60.0


class Caller:
    """A client made of a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._socket.settimeout(PATIENCE_S)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def greet(self) -> list[str]:
        self._socket.sendall(b"API\0\x00\x00\x00\x09v100..178")
        return self.read()

    def start(self, client_id: int = 1) -> None:
        self.greet()
        self.send(frame(71, 2, client_id, ""))
        self.read_until("4", "4", "4")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> list[str]:
        length = int.from_bytes(self._file.read(4), "big")
        return str(self._file.read(length), "utf-8").split("\0")[:-1]

    def read_until(self, *kinds: str) -> list[list[str]]:
        """Read until messages of these kinds have come, in this order."""
        found, left = [], list(kinds)
        while left:
            found.append(self.read())
            if found[-1][0] == left[0]:
                left.pop(0)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_market(tmp_path / "market")


def start(folder: Path, state: Path | None, at: object = TUESDAY_OPEN) -> tws_sim.RunningGateway:
    return tws_sim.running(
        market=tws_sim.Market.from_folder(folder),
        account=account(holding("ES", "202512", 3, "6500")),
        clock=tws_sim.FrozenClock(at),  # type: ignore[arg-type]  # an instant
        state=state,
    )


def test_a_book_survives_a_restart_and_what_came_due_meanwhile_happens(
    tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "book.json"
    with start(folder, state) as gateway, Caller(gateway.port) as caller:
        caller.start()
        caller.send(order_message(1, limit="59.50", ref="filled"))
        caller.send(order_message(2, limit="58.50", tif="GTC", ref="resting"))
        caller.read_until("59", "3")
        before = (gateway.orders(), gateway.executions(), gateway.positions())

    with start(folder, state) as gateway:
        same = (gateway.orders(), gateway.executions(), gateway.positions())
        with Caller(gateway.port) as caller:
            caller.greet()
            caller.send(frame(71, 2, 1, ""))
            next_id = caller.read_until("9")[-1]
    with start(folder, state, at=TUESDAY_CLOSE) as gateway:
        later = gateway.orders()

    assert same == before
    assert next_id == ["9", "1", "3"]
    assert [each.status for each in before[0]] == ["Filled", "Submitted"]
    assert [(each.order_ref, each.status) for each in later] == [
        ("filled", "Filled"),
        ("resting", "Filled"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document | {"account": "DU7"}, "belongs to account DU7"),
        (lambda document: document | {"format": 9}, "unknown format"),
        (lambda _: {"format": 1}, "cannot be read"),
        (lambda _: [], "cannot be read"),
    ],
)
def test_a_state_file_that_does_not_fit_is_refused(
    tmp_path: Path, folder: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    state = tmp_path / "book.json"
    with start(folder, state):
        pass
    document = json.loads(state.read_text(encoding="utf-8"))
    state.write_text(json.dumps(change(document)), encoding="utf-8")

    with pytest.raises(tws_sim.StateError, match=said):
        start(folder, state)


def test_the_service_logs_the_wire_and_takes_a_changed_scenario(
    tmp_path: Path, folder: Path
) -> None:
    scenario, log = tmp_path / "scenario.toml", tmp_path / "wire.log"
    scenario.write_text("", encoding="utf-8")
    ready: queue.Queue[tws_sim.RunningGateway] = queue.Queue()
    events: queue.Queue[tws_sim.WireEvent] = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(
        target=tws_sim.serve,
        kwargs={
            "port": 0,
            "market_folder": folder,
            "cash": {"USD": Decimal(5000)},
            "scenario": scenario,
            "start": TUESDAY_OPEN,
            "wire_log": log,
            "on_event": events.put,
            "on_ready": ready.put,
            "stop": stop,
        },
    )
    thread.start()
    gateway = ready.get(timeout=PATIENCE_S)
    with Caller(gateway.port) as caller:
        caller.start()
        caller.send(frame(9, 8, 77, *CRUDE, 0, "", "", ""))
        caller.read_until("52")
        write_whole(scenario, '[connection]\nconnectivity = "lost"')
        lost = caller.read_until("4")[-1]
    stop.set()
    thread.join(PATIENCE_S)

    names = [events.get_nowait().name for _ in range(events.qsize())]
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lost[3] == "1100"
    assert names[:3] == ["opened", "greeting", "handshake"]
    assert "reqContractDetails" in names
    assert len(lines) == len(names)
    asked = next(line for line in lines if "reqContractDetails" in line)
    assert "#1 > reqContractDetails     8 77 · CL FUT 202601" in asked
    told = next(line for line in lines if "contractData " in line)
    assert "#1 < contractData           77 CL FUT 20251219" in told


def write_whole(file: Path, text: str) -> None:
    """Write it beside and put it in its place: the service may look at any time."""
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def test_a_scenario_file_with_a_mistake_leaves_the_service_as_it_was(
    tmp_path: Path, folder: Path
) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("[orders]\nread_only = true", encoding="utf-8")
    ready: queue.Queue[tws_sim.RunningGateway] = queue.Queue()
    problems: queue.Queue[str] = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(
        target=tws_sim.serve,
        kwargs={
            "port": 0,
            "market_folder": folder,
            "scenario": scenario,
            "start": TUESDAY_OPEN,
            "on_ready": ready.put,
            "on_problem": problems.put,
            "stop": stop,
        },
    )
    thread.start()
    gateway = ready.get(timeout=PATIENCE_S)
    write_whole(scenario, "[orders]\nread_onyl = true")
    said = problems.get(timeout=PATIENCE_S)
    with Caller(gateway.port) as caller:
        caller.start()
        caller.send(order_message(1, limit="59.50"))
        answer = caller.read_until("4")[-1]
    stop.set()
    thread.join(PATIENCE_S)

    assert "unknown key 'read_onyl'" in said
    assert answer[3] == "321"


def test_account_numbers_are_replaced_and_everything_else_is_kept() -> None:
    scrubber = Scrubber()

    assert scrubber.scrub("DU1234567,U7654321") == "DU0000001,U0000002"
    assert scrubber.scrub("margin of U7654321: 500600672") == "margin of U0000002: 500600672"
    assert scrubber.scrub("ESU5 F 2025 20251201 UB FUT") == "ESU5 F 2025 20251201 UB FUT"


def test_a_recorded_session_can_be_played_back(tmp_path: Path, folder: Path) -> None:
    recording = tmp_path / "session.jsonl"
    with start(folder, None) as gateway:
        _recorded(gateway.port, recording)
    lines = read_recording(recording)

    played, differences = _replayed(recording)

    assert "DU1234567" not in recording.read_text(encoding="utf-8")
    assert [line.fields[0] for line in lines if line.from_client] == ["v100..178", "71", "61", "9"]
    assert played[0][0] == "178"
    assert ["15", "1", "DU0000001"] in played
    assert played[-2][:4] == ["10", "77", "CL", "FUT"]
    assert differences == ["asked 49, recorded was 61"]


def _recorded(port: int, output: Path) -> None:
    stop = threading.Event()
    ready: queue.Queue[int] = queue.Queue()
    given: dict[str, object] = {
        "port": 0,
        "gateway_host": "127.0.0.1",
        "gateway_port": port,
        "output": output,
    }
    given |= {"on_ready": ready.put, "stop": stop}
    thread = threading.Thread(target=record, kwargs=given)
    thread.start()
    _talk(ready.get(timeout=PATIENCE_S), [])
    stop.set()
    thread.join(PATIENCE_S)


def _talk(port: int, surprise: list[bytes]) -> list[list[str]]:
    with Caller(port) as caller:
        answers = [caller.greet()]
        caller.send(frame(71, 2, 1, ""))
        answers += caller.read_until("15", "4", "4", "4")
        for message in surprise:
            caller.send(message)
        caller.send(frame(61, 1))
        answers += caller.read_until("62")
        caller.send(frame(9, 8, 77, *CRUDE, 0, "", "", ""))
        return answers + caller.read_until("52")


def _replayed(recording: Path) -> tuple[list[list[str]], list[str]]:
    stop = threading.Event()
    ready: queue.Queue[int] = queue.Queue()
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(replay, port=0, recording=recording, on_ready=ready.put, stop=stop)
        played = _talk(ready.get(timeout=PATIENCE_S), [frame(49, 1)])
        stop.set()
        return played, running.result(PATIENCE_S)


def test_a_line_that_is_none_of_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"t": 1}\n', encoding="utf-8")

    with pytest.raises(RecordingError, match="not a line of a recording"):
        read_recording(path)


def test_a_frozen_clock_cannot_go_back_and_wants_a_zone() -> None:
    clock = tws_sim.FrozenClock(MONDAY_EVENING)

    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(MONDAY_EVENING - timedelta(seconds=1))
    with pytest.raises(ValueError, match="needs its zone"):
        clock.advance_to(MONDAY_EVENING.replace(tzinfo=None))


def test_a_fast_clock_runs_at_its_speed_and_can_jump() -> None:
    clock = tws_sim.FastClock(MONDAY_EVENING, speed=1e6)

    clock.advance_to(MONDAY_EVENING + timedelta(days=400))

    assert clock.now() >= MONDAY_EVENING + timedelta(days=400)
    with pytest.raises(ValueError, match="speed must be positive"):
        tws_sim.FastClock(MONDAY_EVENING, speed=0)


def test_a_port_that_is_taken_is_an_error_of_the_starter(folder: Path) -> None:
    with (
        start(folder, None) as gateway,
        pytest.raises(OSError, match=r".+"),
        tws_sim.running(
            market=tws_sim.Market.from_folder(folder),
            account=account(),
            clock=tws_sim.FrozenClock(TUESDAY_OPEN),
            port=gateway.port,
        ),
    ):
        pass


def test_the_module_serves_from_the_command_line(tmp_path: Path, folder: Path) -> None:
    log = tmp_path / "wire.log"
    command = [sys.executable, "-m", "afterclose.tws_sim", "--port", "0", "--market", str(folder)]
    command += ["--start", "2025-12-02T15:00:00+00:00", "--wire-log", str(log), "--quiet"]
    source = str(Path(tws_sim.__file__).parents[2])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=child_path(source)
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        with Caller(int(said.split(",")[0].rpartition(":")[2])) as caller:
            caller.start()
            caller.send(order_message(1, kind="MKT"))
            filled = caller.read_until("59")
        process.terminate()

    assert said.startswith("listening on 127.0.0.1:")
    assert ", time 2025-12-02 15:0" in said  # its clock runs since it was started
    assert "Filled" in [each[2] for each in filled if each[0] == "3"]
    assert "placeOrder" in log.read_text(encoding="utf-8")


def child_path(source: str) -> dict[str, str]:
    """The environment of a child that finds the package."""
    return {**os.environ, "PYTHONPATH": source}
