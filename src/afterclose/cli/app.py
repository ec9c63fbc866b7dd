"""``afterclose``: every command, its flags and its exit code.

0 ok · 1 blocked by findings · 2 usage · 3 an outside system is down · 4 refused. Imports that cost
time happen inside the commands.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from afterclose import __version__
from afterclose.errors import AfterCloseError, ExitCode, UsageError

app = typer.Typer(
    name="afterclose",
    help="From a Zipline futures backtest to Interactive Brokers, every evening, without fear.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
mapping_app = typer.Typer(help="The mapping from your symbols to Interactive Brokers'.")
data_app = typer.Typer(help="Look at the market data of a desk.")
sim_app = typer.Typer(help="The paper gateway, for any TWS API client.")
app.add_typer(mapping_app, name="mapping", no_args_is_help=True)
app.add_typer(data_app, name="data", no_args_is_help=True)
app.add_typer(sim_app, name="sim", no_args_is_help=True)

Desk = Annotated[Path, typer.Option("--desk", help="The desk's folder, with afterclose.toml.")]
SessionText = Annotated[
    str, typer.Option("--session", help="The evening, yyyy-mm-dd; default: the last close.")
]
RunName = Annotated[str, typer.Option("--run", help="A run id; default: the newest evening.")]


def main() -> None:
    """Run the command line; every error ends as a sentence, a hint and an exit code."""
    # A gateway that hangs up is told to the user by our own errors, in words.
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    try:
        app()
    except AfterCloseError as error:
        _stop(str(error), error.hint, error.exit_code)
    except KeyboardInterrupt:
        _stop("stopped by you", "run the same command again: it continues", ExitCode.USAGE)
    except Exception:  # noqa: BLE001 - the border of the process: a user never meets a traceback
        _stop(f"an error of ours; details are in {_crash_file()}", "please report it", 1)


def _stop(message: str, hint: str, code: int) -> NoReturn:
    sys.stderr.write(f"afterclose: {message}\n")
    if hint:
        sys.stderr.write(f"  → {hint}\n")
    sys.exit(int(code))


def _crash_file() -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="afterclose-crash-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback.format_exc())
    return Path(file.name)


def day(text: str) -> date | None:
    """Read a date of the command line; None for an empty text. Raises UsageError."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date", hint="write it as yyyy-mm-dd") from None


def duration(text: str) -> timedelta:
    """Read a stretch of time, ``90m`` or ``3h``; nothing for an empty text. Raises UsageError."""
    if not text:
        return timedelta()
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1)}
    number, unit = text[:-1], units.get(text[-1:])
    if unit is None or not number.isdecimal():
        raise UsageError(f"{text!r} is no stretch of time", hint="write it as 90m or 3h")
    return int(number) * unit


@app.callback(invoke_without_command=True)
def version(
    *, show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """From a Zipline futures backtest to Interactive Brokers, every evening, without fear."""
    if show:
        typer.echo(f"afterclose {__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the demo's desk.")] = Path("demo"),
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another market.")] = 1,
    session: SessionText = "",
    real_data: Annotated[
        Path | None, typer.Option("--real-data", help="Play it on a folder of real history.")
    ] = None,
    *,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Start the models once the first year of bars has warmed them."
        ),
    ] = False,
) -> None:
    """A whole evening on the built-in market and the paper gateway: no account, no network."""
    from afterclose.cli import demo_command  # noqa: PLC0415 - costs seconds

    demo_command.show(out=out, seed=seed, session=day(session), full=full, real_data=real_data)


@app.command()
def basket(
    transactions: Annotated[Path, typer.Option("--transactions", help="pyfolio's CSV.")],
    account: Annotated[str, typer.Option("--account", help="IB account, e.g. DU1234567.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the basket.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Workbook that overrides the table.")
    ] = None,
    session: SessionText = "",
    model: Annotated[str, typer.Option("--model", help="Name in the order references.")] = "FILE",
    form: Annotated[
        str, typer.Option("--form", help="Columns: tws, fifteen or seventeen.")
    ] = "tws",
) -> None:
    """A TWS basket from a transactions file: the trades of its last session."""
    from afterclose.cli import basket_command  # noqa: PLC0415 - costs time

    basket_command.write(
        transactions=transactions,
        mapping=mapping,
        account=account,
        out=out,
        session=day(session),
        model=model,
        form=form,
    )


@app.command()
def update(
    desk: Desk = Path(),
    session: SessionText = "",
    wait: Annotated[str, typer.Option("--wait", help="Wait for late markets: 90m, 3h.")] = "",
) -> None:
    """Bring the market data to the last session; show what was new, revised and late."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.update(desk, day(session), wait=duration(wait))


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A market (ES) or a contract (ESZ26).")],
    desk: Desk = Path(),
) -> None:
    """Show a market's chain, its rolls and its holes, or one contract's bars."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.show(desk, name)


@data_app.command("check")
def data_check(
    desk: Desk = Path(),
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1)] = 10,
) -> None:
    """Check the newest bars: spikes, unit slips, off-tick prices, holes, holidays."""
    from afterclose.cli import data_commands  # noqa: PLC0415 - costs time

    data_commands.check(desk, days=days)


@app.command()
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


@app.command()
def approve(
    desk: Desk = Path(),
    run_id: RunName = "",
    note: Annotated[str, typer.Option("--note", help="Why flagged rows go all the same.")] = "",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who approves.")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Order reference to leave out.")
    ] = None,
) -> None:
    """Approve exactly the basket that the report shows."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.approve(desk, run_id, reviewer=reviewer, note=note, exclude=exclude or [])


@app.command()
def reject(
    desk: Desk = Path(),
    run_id: RunName = "",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who rejects.")] = "",
) -> None:
    """Reject tonight's basket; nothing of it can be sent."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.reject(desk, run_id, reviewer=reviewer, note=note)


@app.command()
def send(
    desk: Desk = Path(),
    run_id: RunName = "",
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay until every order is final.")
    ] = False,
    confirm: Annotated[
        str, typer.Option("--confirm", help="The account's number; a live desk wants it.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show exactly what would go, and send nothing.")
    ] = False,
) -> None:
    """Send the approved basket, each order exactly once. Safe to repeat."""
    from afterclose.cli import desk_commands, hand_commands  # noqa: PLC0415 - costs time

    if dry_run:
        hand_commands.dry_run(desk, run_id)
    else:
        desk_commands.send(desk, run_id, follow=follow, confirmed=confirm)


@app.command()
def halt(
    desk: Desk = Path(),
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "by hand",
    by: Annotated[str, typer.Option("--by", help="Who halts.")] = "",
    *,
    lift: Annotated[bool, typer.Option("--lift", help="Let the desk send again.")] = False,
) -> None:
    """Stop all sending on this desk until it is lifted, and cancel its working orders."""
    from afterclose.cli import hand_commands  # noqa: PLC0415 - costs time

    hand_commands.halt(desk, reason=reason, by=by, lift=lift)


@app.command()
def flatten(
    desk: Desk = Path(),
    basket: Annotated[
        Path | None, typer.Option("--basket", help="The contracts of a basket file.")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", help="A root or contract; can be repeated.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="What one model holds.")] = "",
    kind: Annotated[str, typer.Option("--type", help="MKT, LMT, ADAPTIVE or VWAP.")] = "MKT",
    ticks: Annotated[
        int, typer.Option("--ticks", help="How far a limit reaches beyond the market's side.")
    ] = 0,
    yes: Annotated[
        str, typer.Option("--yes", help="The confirmation: number of orders; live: the account.")
    ] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every position.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Cancel, then send.")] = False,
) -> None:
    """Close positions: without a choice and --send it only shows what it would do."""
    from afterclose.cli import hand_commands as hand  # noqa: PLC0415 - costs time

    chosen = hand.selection(everything=everything, basket=basket, symbols=symbol or (), model=model)
    wanted = hand.request(chosen=chosen, order_type=kind, ticks=ticks, by="")
    hand.flatten(desk, wanted, send=send, typed=yes)


@app.command()
def resolve(
    order_ref: Annotated[str, typer.Argument(help="Reference of an order that is unknown.")],
    desk: Desk = Path(),
    note: Annotated[str, typer.Option("--note", help="Where you looked.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    *,
    never_arrived: Annotated[
        bool, typer.Option("--never-arrived", help="It is nowhere in TWS.")
    ] = False,
) -> None:
    """Say what became of an order that nobody can find: that it never arrived."""
    from afterclose.cli import hand_commands  # noqa: PLC0415 - costs time

    if not never_arrived or not note:
        raise UsageError(
            "say what became of it, and where you looked",
            hint="afterclose resolve ORDER_REF --never-arrived --note '…'",
        )
    hand_commands.resolve(desk, order_ref, note=note, by=by)


@app.command()
def settle(desk: Desk = Path(), run_id: RunName = "") -> None:
    """The day after: what became of the orders, and who holds what."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.settle(desk, run_id)


@app.command()
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


@app.command()
def status(desk: Desk = Path(), run_id: RunName = "") -> None:
    """Tell where the evening stands, from the journal alone."""
    from afterclose.cli import desk_commands  # noqa: PLC0415 - costs time

    desk_commands.status(desk, run_id)


@mapping_app.command("export")
def mapping_export(
    out: Annotated[Path, typer.Argument(help="Workbook to write.")] = Path(
        "ZiplineIB_Mapping.xlsx"
    ),
) -> None:
    """Write the contract table as a mapping workbook, to be changed row by row."""
    from afterclose.cli import basket_command  # noqa: PLC0415 - costs time

    basket_command.export_mapping(out)


@mapping_app.command("check")
def mapping_check(
    desk: Desk = Path(),
    session: SessionText = "",
    months: Annotated[
        int, typer.Option("--months", min=1, max=12, help="Delivery months per root.")
    ] = 1,
    root: Annotated[
        list[str] | None, typer.Option("--root", help="Only this root; can be repeated.")
    ] = None,
) -> None:
    """Compare every mapped root with the gateway: one contract, the same facts, one price."""
    from afterclose.cli import mapping_command  # noqa: PLC0415 - costs time

    mapping_command.check(desk, session=day(session), months=months, roots=root or ())


@sim_app.command("serve")
def sim_serve(
    port: Annotated[int, typer.Option("--port", help="Where to listen; 0 is any.")] = 7497,
    market: Annotated[
        Path | None, typer.Option("--market", help="Market folder; made-up prices without it.")
    ] = None,
    account: Annotated[str, typer.Option("--account", help="Its number.")] = "DU1234567",
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
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no messages.")] = False,
) -> None:
    """Serve the paper gateway until interrupted."""
    from afterclose.cli import sim_command  # noqa: PLC0415 - costs time

    sim_command.serve(
        port=port,
        market=market,
        account=account,
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
