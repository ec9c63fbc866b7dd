"""``afterclose sim serve``: the paper gateway with a live view of what clients ask and get."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from afterclose import tws_sim
from afterclose.cli.terminal import console
from afterclose.errors import UsageError
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
        raise UsageError(
            f"the gateway cannot start: {error}",
            hint="correct the file or the port it names (docs/paper-gateway.md)",
        ) from error


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
