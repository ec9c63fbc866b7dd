"""The desk itself: make one, see whether it is ready, let it run by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, SessionText, day

desk_app = typer.Typer()


@desk_app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The desk's folder; made when missing.")] = Path(),
    *,
    account: Annotated[str, typer.Option("--account", help="IB account; paper: DU…")] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data", help="Bars from: generated, norgate, bundle, folder, gateway, history."
        ),
    ] = "",
    data_folder: Annotated[
        Path | None, typer.Option("--data-folder", help="Where the sources folder, history read.")
    ] = None,
    bundle: Annotated[str, typer.Option("--bundle", help="Name of the Zipline bundle.")] = "",
    root: Annotated[
        list[str] | None, typer.Option("--root", help="Only this market; can be repeated.")
    ] = None,
    capital: Annotated[
        list[str] | None,
        typer.Option("--capital", help="TF=500000: capital of a model; can be repeated."),
    ] = None,
    adopt: Annotated[
        list[str] | None,
        typer.Option("--adopt", help="TF:ESZ26=2: a position that it takes over; repeatable."),
    ] = None,
    adopt_for: Annotated[
        str, typer.Option("--adopt-for", help="The model that takes over all of the account's.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Part of every order reference.")] = "desk",
    host: Annotated[str, typer.Option("--host", help="Where the gateway runs.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The gateway's port.")] = 7497,
    session: SessionText = "",
    flat: Annotated[
        bool, typer.Option("--flat", help="Start flat tonight, whatever the account holds.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: flags and defaults are the answers.")
    ] = False,
) -> None:
    """Make a desk's folder: settings, mapping, models, ledger. Never over what is there."""
    from afterclose.cli import init_command  # noqa: PLC0415 - costs time

    init_command.make(
        init_command.Flags(
            home=folder,
            account=account,
            data=data,
            data_folder=data_folder,
            bundle=bundle,
            roots=tuple(root or ()),
            capital=tuple(capital or ()),
            adopt=tuple(adopt or ()),
            adopt_for=adopt_for,
            name=name,
            host=host,
            port=port,
            session=day(session),
            flat=flat,
            ask=not yes,
        )
    )


@desk_app.command()
def doctor(
    desk: Desk = Path(),
    session: SessionText = "",
    *,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    knock: Annotated[
        bool, typer.Option("--knock", help="Send a word on every notification channel.")
    ] = False,
) -> None:
    """Is everything ready for tonight, and for how long; what to do about what is not."""
    from afterclose.cli import doctor_command  # noqa: PLC0415 - costs time

    doctor_command.look(desk, session=day(session), as_json=json, knock=knock)


@desk_app.command()
def schedule(
    desk: Desk = Path(),
    kind: Annotated[
        str, typer.Option("--for", help="systemd, cron or windows; default: this machine's.")
    ] = "",
    count: Annotated[
        int, typer.Option("--list", min=0, max=300, help="Show so many evenings to come.")
    ] = 0,
    *,
    install: Annotated[bool, typer.Option("--install", help="Put the entry in its place.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the entry out again.")] = False,
    markets: Annotated[
        bool, typer.Option("--markets", help="Show each market's last and next session.")
    ] = False,
) -> None:
    """Let evenings start by themselves: entries for systemd, cron or the Windows scheduler."""
    from afterclose.cli import schedule_command  # noqa: PLC0415 - costs time

    schedule_command.show(
        desk, kind=kind, install=install, remove=remove, count=count, markets=markets
    )


@desk_app.command()
def tonight(desk: Desk = Path()) -> None:
    """What the schedule starts: settle, update, prepare, tell; once an evening. Sends nothing."""
    from afterclose.cli import tonight_command  # noqa: PLC0415 - costs time

    tonight_command.run(desk)
