"""``afterclose basket`` and ``afterclose mapping``: files in, files out."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import typer
from rich.table import Table

from afterclose.adapters.files.basket_csv import BasketForm
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.files.workbook import write_workbook
from afterclose.bootstrap import specs
from afterclose.by_file.basket import (
    FileBasket,
    FileBasketRequest,
    LimitTerms,
    write_file_basket,
)
from afterclose.cli.terminal import console, findings_table, order_text
from afterclose.errors import ExitCode, UsageError
from afterclose.settings import LIVE_ACCOUNT, PAPER_ACCOUNT


def write(
    *,
    transactions: Path,
    mapping: Path | None,
    account: str,
    out: Path,
    session: date | None,
    model: str,
    form: str,
    limits: LimitTerms | None = None,
) -> None:
    """Write the basket, show what it holds and what it does not."""
    if not (PAPER_ACCOUNT.match(account) or LIVE_ACCOUNT.match(account)):
        raise UsageError(
            f"{account!r} is no IB account number",
            hint="U and digits is live, DU and digits is paper",
        )
    table, notes = specs(mapping, session=session)
    request = FileBasketRequest(
        transactions=transactions,
        account=account,
        out=out,
        model=model,
        session=session,
        form=_form(form),
        limits=limits or LimitTerms(),
    )
    made = write_file_basket(request, table)
    screen = console()
    if notes:
        screen.print(findings_table(notes, title=f"Notes on {mapping}"))
    _show(made)
    if not made.complete:
        raise typer.Exit(ExitCode.BLOCKED)


def _form(text: str) -> BasketForm:
    try:
        return BasketForm(text)
    except ValueError:
        known = ", ".join(f.value for f in BasketForm)
        raise UsageError(f"{text!r} is no basket form", hint=f"choose one of {known}") from None


def _show(made: FileBasket) -> None:
    screen = console()
    title = f"{len(made.orders)} orders of {made.session}"
    table = Table("side", "quantity", "contract", "limit", "kind", "reference", title=title)
    for order in made.orders:
        table.add_row(*order_text(order))
    if made.orders:
        screen.print(table)
    else:
        screen.print(f"No orders of {made.session}.")
    if made.findings:
        screen.print(findings_table(made.findings, title="Findings"))
    for path in made.files:
        screen.print(f"wrote {path}", soft_wrap=True)
    if not made.complete:
        screen.print(
            f"{len(made.excluded)} rows are not in the basket: correct them and run this again"
        )


def export_mapping(out: Path) -> None:
    """Write the packaged table as a workbook."""
    if out.exists():
        raise UsageError(f"{out} exists already", hint="name another file, or move this one away")
    write_workbook(out, packaged_specs())
    console().print(f"wrote {out}: change a row, then give it with --mapping", soft_wrap=True)
