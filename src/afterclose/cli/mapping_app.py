"""From your symbols to Interactive Brokers': baskets from files, the mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afterclose.cli.options import Desk, SessionText, day
from afterclose.domain.contracts import Rounding

basket_app = typer.Typer()
mapping_app = typer.Typer(help="The mapping from your symbols to Interactive Brokers'.")


@basket_app.command()
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
    *,
    rounding_buy: Annotated[
        Rounding, typer.Option("--rounding-buy", help="Which way purchases go to their tick.")
    ] = Rounding.NEAREST,
    rounding_sell: Annotated[
        Rounding, typer.Option("--rounding-sell", help="Which way sales go to their tick.")
    ] = Rounding.NEAREST,
    entry_offset: Annotated[
        int, typer.Option("--entry-offset", help="Ticks a limit that opens reaches further.")
    ] = 0,
    exit_offset: Annotated[
        int, typer.Option("--exit-offset", help="Ticks a limit that closes reaches further.")
    ] = 0,
) -> None:
    """A TWS basket from a transactions file: the trades of its last session."""
    from afterclose.by_file.basket import LimitTerms  # noqa: PLC0415 - costs time
    from afterclose.cli import basket_command  # noqa: PLC0415 - costs time

    basket_command.write(
        transactions=transactions,
        mapping=mapping,
        account=account,
        out=out,
        session=day(session),
        model=model,
        form=form,
        limits=LimitTerms(
            rounding_buy=rounding_buy,
            rounding_sell=rounding_sell,
            entry_offset_ticks=entry_offset,
            exit_offset_ticks=exit_offset,
        ),
    )


@basket_app.command()
def audit(
    basket: Annotated[Path, typer.Option("--basket", help="A basket file as TWS loads it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for audit, report and baskets.")],
    *,
    desk: Desk = Path(),
    account: Annotated[
        str, typer.Option("--account", help="IB account; default: the desk's, or the file's.")
    ] = "",
    host: Annotated[str, typer.Option("--host", help="Where TWS or IB Gateway listens.")] = "",
    port: Annotated[int | None, typer.Option("--port", help="Its API port.")] = None,
    client_id: Annotated[
        int | None, typer.Option("--client-id", help="This client id and the one two after it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Workbook that overrides the table.")
    ] = None,
    session: SessionText = "",
    snapshot: Annotated[
        Path | None,
        typer.Option("--snapshot", help="Offline: a kept 35-snapshot.json answers, no gateway."),
    ] = None,
) -> None:
    """Audit a TWS basket file against the live market and the account. Nothing is sent."""
    from afterclose.cli import audit_command  # noqa: PLC0415 - costs time

    audit_command.audit(
        basket,
        out,
        audit_command.Flags(
            desk=desk,
            account=account,
            host=host,
            port=port,
            client_id=client_id,
            mapping=mapping,
            session=day(session),
            snapshot=snapshot,
        ),
    )


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
