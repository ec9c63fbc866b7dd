"""The paper gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import SessionText, day
from afterclose.errors import UsageError

sim_app = typer.Typer(help="The paper gateway, for any TWS API client.")


@sim_app.command("serve")
def sim_serve(
    *,
    port: Annotated[
        int | None, typer.Option("--port", help="Where to listen; 0 is any; default: 7497.")
    ] = None,
    desk: Annotated[
        Path | None,
        typer.Option("--desk", help="Play this desk's market: its account and port, its evening."),
    ] = None,
    session: SessionText = "",
    market: Annotated[
        Path | None, typer.Option("--market", help="Market folder; made-up prices without it.")
    ] = None,
    account: Annotated[str, typer.Option("--account", help="Its number; default: DU1234567.")] = "",
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Faults, as TOML; may change while it runs.")
    ] = None,
    start: Annotated[str, typer.Option("--start", help="Its time, ISO 8601 with zone.")] = "",
    speed: Annotated[float, typer.Option("--speed", help="How fast its time runs.")] = 1.0,
    state: Annotated[
        Path | None, typer.Option("--state", help="File that keeps the book across restarts.")
    ] = None,
    wire_log: Annotated[
        Path | None, typer.Option("--wire-log", help="File that gets one line per message.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no messages.")] = False,
) -> None:
    """Serve the paper gateway until interrupted."""
    from afterclose.cli import sim_command  # noqa: PLC0415 - costs time

    if desk is not None:
        if market or account or start or state:
            raise UsageError(
                "--desk brings its own market, account, time and book",
                hint="leave --market, --account, --start and --state out",
            )
        sim_command.serve_desk(
            desk,
            port=port,
            session=day(session),
            scenario=scenario,
            speed=speed,
            wire_log=wire_log,
            quiet=quiet,
        )
        return
    if session:
        raise UsageError("--session goes with --desk", hint="elsewhere --start says the time")
    sim_command.serve(
        port=7497 if port is None else port,
        market=market,
        account=account or "DU1234567",
        scenario=scenario,
        start=start,
        speed=speed,
        state=state,
        wire_log=wire_log,
        quiet=quiet,
    )


@sim_app.command("record")
def sim_record(
    output: Annotated[Path, typer.Argument(help="File that gets one JSON line per message.")],
    port: Annotated[int, typer.Option("--port", help="Where your program connects.")] = 7499,
    gateway_port: Annotated[
        int, typer.Option("--gateway-port", help="Where the true TWS listens.")
    ] = 7497,
    gateway_host: Annotated[str, typer.Option("--gateway-host")] = "127.0.0.1",
) -> None:
    """Record what a program and a true TWS say, with account numbers replaced."""
    from afterclose.cli import sim_command  # noqa: PLC0415 - costs time

    sim_command.record(
        port=port, gateway_host=gateway_host, gateway_port=gateway_port, output=output
    )


@sim_app.command("replay")
def sim_replay(
    recording: Annotated[Path, typer.Argument(help="File that 'sim record' wrote.")],
    port: Annotated[int, typer.Option("--port", help="Where to listen.")] = 7499,
    connection: Annotated[int, typer.Option("--connection", help="Which of its sessions.")] = 1,
) -> None:
    """Play a recording to a client that asks the same in the same order."""
    from afterclose.cli import sim_command  # noqa: PLC0415 - costs time

    sim_command.replay(port=port, recording=recording, connection=connection)
