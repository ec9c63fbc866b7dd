"""By hand, beside the evening: halt, flatten, a word on an unknown order or on a position."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk
from afterclose.errors import UsageError

hand_app = typer.Typer()


@hand_app.command()
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


@hand_app.command()
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


@hand_app.command()
def roll(
    symbol: Annotated[str, typer.Argument(help="Root or contract whose position is rolled.")],
    desk: Desk = Path(),
    into: Annotated[
        str, typer.Option("--to", help="The new contract, ESH27; default: the next month.")
    ] = "",
    kind: Annotated[str, typer.Option("--type", help="MKT, LMT, ADAPTIVE or VWAP.")] = "MKT",
    ticks: Annotated[
        int, typer.Option("--ticks", help="How far a limit reaches beyond the market's side.")
    ] = 0,
    yes: Annotated[
        str, typer.Option("--yes", help="The confirmation: number of orders; live: the account.")
    ] = "",
    *,
    send: Annotated[bool, typer.Option("--send", help="Cancel, then send both legs.")] = False,
) -> None:
    """Roll a position into another month by hand: without --send it only shows both orders."""
    from afterclose.cli import roll_command  # noqa: PLC0415 - costs time

    wanted = roll_command.request(symbol, into=into, order_type=kind, ticks=ticks, by="")
    roll_command.roll(desk, wanted, send=send, typed=yes)


@hand_app.command()
def resolve(
    order_ref: Annotated[str, typer.Argument(help="Reference of an order that is unknown.")],
    desk: Desk = Path(),
    note: Annotated[str, typer.Option("--note", help="Where you looked.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    filled: Annotated[
        int, typer.Option("--filled", min=0, help="Contracts of it that filled, in all.")
    ] = 0,
    price: Annotated[str, typer.Option("--price", help="At which price, in IB's unit.")] = "",
    *,
    never_arrived: Annotated[
        bool, typer.Option("--never-arrived", help="It is nowhere in TWS.")
    ] = False,
) -> None:
    """Say what became of an order that nobody can find: it never arrived, or so much filled."""
    from afterclose.cli import hand_commands  # noqa: PLC0415 - costs time

    if never_arrived == bool(filled) or not note:
        raise UsageError(
            "say what became of it, and where you looked",
            hint="afterclose resolve ORDER_REF --never-arrived --note '…', "
            "or --filled 2 --price 431.25 --note '…'",
        )
    hand_commands.resolve(desk, order_ref, note=note, by=by, filled=filled, price=price)


@hand_app.command()
def adopt(
    position: Annotated[
        list[str], typer.Argument(help="MODEL:CONTRACT=CHANGE, as TF:ESZ26=2; -2 gives it up.")
    ],
    desk: Desk = Path(),
    note: Annotated[str, typer.Option("--note", help="How it came.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
) -> None:
    """Say that a position of the account is a model's, or no longer. Sends nothing."""
    from afterclose.cli import hand_commands  # noqa: PLC0415 - costs time

    if not note:
        raise UsageError(
            "say how it came",
            hint="afterclose adopt TF:ESZ26=2 --note 'bought by hand on Thursday'",
        )
    hand_commands.adopt(desk, position, note=note, by=by)
