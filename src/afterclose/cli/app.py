"""``afterclose``: every command, its flags and its exit code.

0 ok · 1 blocked by findings · 2 usage · 3 an outside system is down · 4 refused · 130 stopped by
Ctrl-C. Imports that cost time happen inside the commands.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from afterclose import __version__
from afterclose.cli.data_app import data_app, update_app
from afterclose.cli.desk_app import desk_app
from afterclose.cli.disk import DISK_HINT, disk_text, of_the_disk
from afterclose.cli.evening_app import evening_app
from afterclose.cli.hand_app import hand_app
from afterclose.cli.history_app import history_app
from afterclose.cli.ledger_app import ledger_app
from afterclose.cli.mapping_app import basket_app, mapping_app
from afterclose.cli.nav_app import nav_app
from afterclose.cli.options import SessionText, day
from afterclose.cli.sim_app import sim_app
from afterclose.errors import AfterCloseError, ExitCode, Stopped


class Commands(TyperGroup):
    """Hears Ctrl-C before typer does, which would end the process without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command. Raises Stopped when the person ended it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as error:
            raise Stopped from error


app = typer.Typer(
    name="afterclose",
    cls=Commands,
    help="From a Zipline futures backtest to Interactive Brokers, every evening, without fear.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; every error ends as a sentence, a hint and an exit code."""
    # A gateway that hangs up is told to the user by our own errors, in words.
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    try:
        app()
    except AfterCloseError as error:
        _stop(str(error), error.hint, error.exit_code)
    except KeyboardInterrupt:  # before a command began, or while it ended
        _stop(str(Stopped()), Stopped().hint, Stopped.exit_code)
    except Exception as error:  # noqa: BLE001 - the border: a user never meets a traceback
        if of_the_disk(error):
            _stop(disk_text(error), DISK_HINT, ExitCode.OUTSIDE_DOWN)
        _stop(f"an error of ours; {_details()}", "please report it", ExitCode.BLOCKED)


def _stop(message: str, hint: str, code: int) -> NoReturn:
    sys.stderr.write(f"afterclose: {message}\n")
    if hint:
        sys.stderr.write(f"  → {hint}\n")
    sys.exit(int(code))


def _details() -> str:
    """Keep the traceback in a file and name it; where no file can be made, its last line."""
    text = traceback.format_exc()
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="afterclose-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError:
        return f"no file of it could be written: {text.splitlines()[-1]}"
    return f"details are in {file.name}"


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


# In the order of the evening: that is the order of ``--help``.
for group in (desk_app, update_app, evening_app, history_app, hand_app, nav_app, basket_app):
    app.add_typer(group)
app.add_typer(data_app, name="data", no_args_is_help=True)
app.add_typer(mapping_app, name="mapping", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger", no_args_is_help=True)
app.add_typer(sim_app, name="sim", no_args_is_help=True)
