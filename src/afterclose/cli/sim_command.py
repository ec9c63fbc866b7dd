"""``afterclose sim``: the paper gateway with a live view, and a recorder of true ones."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from afterclose import clock as calendar
from afterclose import tws_sim
from afterclose.cli.terminal import console
from afterclose.clock import SystemClock
from afterclose.errors import UsageError
from afterclose.settings import SETTINGS_FILE, load
from afterclose.tws_sim import recorder
from afterclose.tws_sim.serving import serve as serve_gateway


def serve(
    *,
    port: int,
    market: Path | None,
    account: str,
    scenario: Path | None,
    start: str,
    speed: float,
    state: Path | None,
    wire_log: Path | None,
    quiet: bool,
) -> None:
    """Serve until interrupted. Raises UsageError when a file or a time cannot be read."""
    screen = console()

    def ready(gateway: tws_sim.RunningGateway) -> None:
        screen.print(
            f"paper gateway on {gateway.host}:{gateway.port}, account {account}, "
            f"time {gateway.now:%Y-%m-%d %H:%M:%S} UTC; stop it with Ctrl-C"
        )

    try:
        serve_gateway(
            port=port,
            market_folder=market,
            account=account,
            scenario=scenario,
            start=_moment(start),
            speed=speed,
            state=state,
            wire_log=wire_log,
            on_event=None if quiet else lambda e: screen.print(str(e), markup=False),
            on_ready=ready,
            on_problem=screen.print,
        )
    except (ValueError, OSError) as error:
        raise _cannot_start(error) from error


def serve_desk(
    home: Path,
    *,
    port: int | None,
    session: date | None,
    scenario: Path | None,
    speed: float,
    wire_log: Path | None,
    quiet: bool,
) -> None:
    """Serve a desk's own market on its evening; Enter plays the next session. Raises UsageError."""
    from afterclose.desk_gateway import next_evening, prepare_gateway  # noqa: PLC0415 - costs time

    if not (home / SETTINGS_FILE).exists():
        raise UsageError(f"{home} is no desk", hint="make one with 'afterclose init'")
    settings, screen = load(home), console()
    tonight = session or calendar.session_at(SystemClock().now())
    made = prepare_gateway(settings, calendar.require_session(tonight))

    def play(gateway: tws_sim.RunningGateway) -> None:
        for _line in sys.stdin:
            until = next_evening(gateway.now)
            if calendar.session_at(until) > made.last:
                screen.print(f"its market ends on {made.last}: start it again for more")
                continue
            gateway.advance_to(until)
            screen.print(f"played until {until:%Y-%m-%d %H:%M} UTC")

    def ready(gateway: tws_sim.RunningGateway) -> None:
        screen.print(
            f"paper gateway on {gateway.host}:{gateway.port}, account {made.account.account}, "
            f"evening of {tonight}, time {gateway.now:%Y-%m-%d %H:%M} UTC\n"
            "Enter plays until the next evening; Ctrl-C stops it, its book is kept.",
            soft_wrap=True,
        )
        threading.Thread(target=play, args=(gateway,), name="next session", daemon=True).start()

    try:
        serve_gateway(
            port=settings.broker.port if port is None else port,
            market_folder=made.folder,
            account=made.account.account,
            base=made.account.base,
            cash=made.account.cash,
            scenario=scenario or made.scenario,
            start=made.start,
            speed=speed,
            state=made.book,
            wire_log=wire_log,
            on_event=None if quiet else lambda e: screen.print(str(e), markup=False),
            on_ready=ready,
            on_problem=screen.print,
        )
    except (ValueError, OSError) as error:
        raise _cannot_start(error) from error


def _cannot_start(error: Exception) -> UsageError:
    return UsageError(
        f"the gateway cannot start: {error}",
        hint="correct the file or the port it names (docs/paper-gateway.md)",
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", hint="write it as 2026-10-26T17:05-05:00, with its zone"
        ) from None
    if moment.tzinfo is None:
        raise UsageError(f"{text!r} has no zone", hint="end it with Z or with an offset")
    return moment.astimezone(UTC)


def record(*, port: int, gateway_host: str, gateway_port: int, output: Path) -> None:
    """Stand between clients and a true TWS and write down what both say, until interrupted."""
    screen = console()

    def work(stop: threading.Event) -> None:
        recorder.record(
            port=port,
            gateway_host=gateway_host,
            gateway_port=gateway_port,
            output=output,
            on_ready=lambda listening: screen.print(
                f"recording: connect your program to 127.0.0.1:{listening}; it talks to "
                f"{gateway_host}:{gateway_port} through here. Stop it with Ctrl-C"
            ),
            stop=stop,
        )

    _until_interrupted(work)
    screen.print(f"wrote {output}; read it before you give it to anybody", soft_wrap=True)


def replay(*, port: int, recording: Path, connection: int) -> None:
    """Play a recording to every client that connects, until interrupted."""
    screen = console()
    differences: list[str] = []

    def work(stop: threading.Event) -> None:
        differences.extend(
            recorder.replay(
                port=port,
                recording=recording,
                connection=connection,
                on_ready=lambda listening: screen.print(f"replaying on 127.0.0.1:{listening}"),
                stop=stop,
            )
        )

    _until_interrupted(work)
    for difference in differences:
        screen.print(f"not in the recording: {difference}", markup=False)


def _until_interrupted(work: Callable[[threading.Event], None]) -> None:
    """Run work in a thread until it ends or the user interrupts. Raises UsageError."""
    stop = threading.Event()
    problems: list[Exception] = []

    def guarded() -> None:
        try:
            work(stop)
        except (ValueError, OSError) as error:
            problems.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        stop.set()
        thread.join()
    if problems:
        raise UsageError(
            f"it cannot start: {problems[0]}", hint="correct the file or the port it names"
        ) from problems[0]
