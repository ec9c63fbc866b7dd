"""A model's past that has changed: what it was, and a person's word on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, RunName

history_app = typer.Typer()


@history_app.command()
def acknowledge(
    model: Annotated[str, typer.Argument(help="A model; without one: show what waits.")] = "",
    desk: Desk = Path(),
    run_id: RunName = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it is right all the same.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
) -> None:
    """Let a model whose past has changed open positions again, once you have seen what changed."""
    from afterclose.cli import history_command  # noqa: PLC0415 - costs time

    history_command.acknowledge(desk, run_id, model=model, reason=reason, by=by)
