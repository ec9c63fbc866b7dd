"""Serve a paper gateway from the standard library alone: ``python -m afterclose.tws_sim``."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from afterclose.tws_sim.running import RunningGateway
from afterclose.tws_sim.serving import serve
from afterclose.tws_sim.wire_log import WireEvent


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m afterclose.tws_sim", description=__doc__)
    parser.add_argument("--port", type=int, default=7497)
    parser.add_argument("--market", type=Path, help="a market folder; made-up prices without it")
    parser.add_argument("--account", default="DU1234567")
    parser.add_argument("--scenario", type=Path, help="faults, as TOML; may change while it runs")
    parser.add_argument("--start", help="the gateway's time at the start, ISO 8601 with its zone")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--state", type=Path, help="keeps the book across restarts")
    parser.add_argument("--wire-log", type=Path)
    parser.add_argument("--quiet", action="store_true", help="show no messages")
    return parser.parse_args()


def _show(event: WireEvent) -> None:
    _say(event)


def _ready(gateway: RunningGateway) -> None:
    _say(f"listening on {gateway.host}:{gateway.port}, time {gateway.now:%Y-%m-%d %H:%M:%S} UTC")


def main() -> int:
    """Run until interrupted."""
    given = _arguments()
    start = None if given.start is None else datetime.fromisoformat(given.start).astimezone(UTC)
    serve(
        port=given.port,
        market_folder=given.market,
        account=given.account,
        scenario=given.scenario,
        start=start,
        speed=given.speed,
        state=given.state,
        wire_log=given.wire_log,
        on_event=None if given.quiet else _show,
        on_ready=_ready,
        on_problem=_say,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
