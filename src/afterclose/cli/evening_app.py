"""The evening: prepare, review, decide, send, settle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, RunName, SessionText, day

evening_app = typer.Typer()


@evening_app.command()
def run(
    desk: Desk = Path(),
    session: SessionText = "",
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Run the models from inception, not from last night.")
    ] = False,
) -> None:
    """Prepare tonight: data, models, trades, basket, audit, report. Nothing is sent."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.run(desk, day(session), full=full)


@evening_app.command()
def review(
    desk: Desk = Path(),
    port: Annotated[int, typer.Option("--port", help="Port; default: a free one.")] = 0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name of this machine in your own tunnel."),
    ] = None,
    *,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")
    ] = True,
) -> None:
    """The evening in your browser: read, approve or reject, send, watch, cancel."""
    from afterclose.cli import review_command  # noqa: PLC0415 - costs time

    review_command.show(desk, port=port, browser=browser, names=allow_host or [])


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask once more.")]
Confirm = Annotated[
    str, typer.Option("--confirm", help="The account's number; a live desk wants it.")
]


@evening_app.command()
def approve(
    desk: Desk = Path(),
    run_id: RunName = "",
    note: Annotated[str, typer.Option("--note", help="Why flagged rows go all the same.")] = "",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who approves.")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Order reference to leave out.")
    ] = None,
    confirm: Confirm = "",
    *,
    yes: Yes = False,
) -> None:
    """Show what would go, and approve exactly that."""
    from afterclose.cli import decide_commands  # noqa: PLC0415 - costs time

    said = decide_commands.Said(reviewer=reviewer, note=note, confirmed=confirm, sure=yes)
    decide_commands.approve(desk, run_id, said, exclude=exclude or [])


@evening_app.command()
def reject(
    desk: Desk = Path(),
    run_id: RunName = "",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who rejects.")] = "",
    *,
    yes: Yes = False,
) -> None:
    """Reject tonight's basket; nothing of it can be sent."""
    from afterclose.cli import decide_commands  # noqa: PLC0415 - costs time

    decide_commands.reject(
        desk, run_id, decide_commands.Said(reviewer=reviewer, note=note, sure=yes)
    )


@evening_app.command()
def send(
    desk: Desk = Path(),
    run_id: RunName = "",
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay until every order is final.")
    ] = False,
    confirm: Confirm = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show exactly what would go, and send nothing.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end of a gateway's restart first.")
    ] = False,
) -> None:
    """Send the approved basket, each order exactly once. Safe to repeat."""
    from afterclose.cli import desk_commands, hand_commands  # noqa: PLC0415 - costs time

    if dry_run:
        hand_commands.dry_run(desk, run_id)
    else:
        if wait:
            hand_commands.wait_for_restart(desk)
        desk_commands.send(desk, run_id, follow=follow, confirmed=confirm)


@evening_app.command()
def status(desk: Desk = Path(), run_id: RunName = "") -> None:
    """Tell where the evening stands, from the journal alone."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.status(desk, run_id)


@evening_app.command()
def settle(desk: Desk = Path(), run_id: RunName = "") -> None:
    """The day after: what became of the orders, and who holds what."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.settle(desk, run_id)
