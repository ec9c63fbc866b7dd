"""What ``afterclose nav`` and ``cash-flow`` do. The gateway is not asked."""

from __future__ import annotations

import getpass
from decimal import Decimal
from pathlib import Path

from rich.table import Table

from afterclose.artifacts import latest_run
from afterclose.cli.desk_commands import open_for_command
from afterclose.cli.terminal import console
from afterclose.domain.contracts import Currency
from afterclose.domain.nav import PARTS, CashFlow, NavHistory
from afterclose.errors import UsageError
from afterclose.evening import run_files
from afterclose.evening.settling import value_history
from afterclose.report.nav import nav_csv, nav_performance, nav_rows, render_nav
from afterclose.report.words import exact, fixed


def nav(
    home: Path, *, sessions: int, csv: Path | None, page: Path | None, tearsheet: Path | None
) -> None:
    """Show the comparison by the newest results of the models."""
    with open_for_command(home) as desk:
        folder = latest_run(desk.settings.runs)
        if folder is None:
            raise UsageError("this desk has no evening yet", hint="run 'afterclose run' first")
        history = value_history(desk, run_files.read_results(folder))
    screen = console()
    if not history.days:
        screen.print("nothing to compare yet: it takes the account's value after two closes")
    else:
        screen.print(_sessions_table(history, sessions))
        screen.print(_parts_table(history))
        for metric in nav_performance(history) or ():
            both = [_metric(metric.account, metric.percent), _metric(metric.models, metric.percent)]
            screen.print(f"  {metric.name:<20}{both[0]:>12}{both[1]:>12}")
    if history.positions:
        screen.print(open_positions_table(history))
    for path, content in ((csv, nav_csv), (page, render_nav)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content(history), encoding="utf-8", newline="\n")
            screen.print(f"wrote  {path}", soft_wrap=True)
    if tearsheet is not None:
        from afterclose.report.tearsheet import write_tearsheet  # noqa: PLC0415 - an extra

        for path in write_tearsheet(history, tearsheet):
            screen.print(f"wrote  {path}", soft_wrap=True)


def cash_flow(home: Path, *, amount: Decimal, currency: str, by: str, note: str) -> None:
    """Write it into the ledger."""
    with open_for_command(home) as desk:
        flow = CashFlow(
            at=desk.clock.now(),
            amount=amount,
            currency=Currency(currency.upper()),
            by=by or getpass.getuser(),
            note=note,
        )
        desk.ledger.record_flow(flow)
    console().print(f"recorded: {fixed(amount, 2, sign=True)} {flow.currency}")


def _metric(value: float | None, percent: bool) -> str:  # noqa: FBT001 - beside its value
    if value is None:
        return "n/a"
    return f"{value * 100:.2f} %" if percent else f"{value:.2f}"


def _sessions_table(history: NavHistory, count: int) -> Table:
    table = Table(title=f"Account against models, in {history.reporting}")
    table.add_column("session", no_wrap=True)
    for name in ("account", "result", "models", "drift", "cumulative", "not known"):
        table.add_column(name, justify="right")
    for row in nav_rows(history)[-count:]:
        day = row.day
        money = (day.account_nav, day.account_result, day.model_result, day.drift, row.cumulative)
        texts = [fixed(value, 0) for value in money]
        table.add_row(day.session.isoformat(), *texts, "; ".join(day.unknown))
    return table


def _parts_table(history: NavHistory) -> Table:
    table = Table(title=f"Where the drift since {history.begins} came from")
    total, last = history.cumulative()[-1], history.days[-1].parts
    for name in ("part", "since the beginning", "last session"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for name in PARTS:
        table.add_row(name, fixed(getattr(total, name), 0), fixed(getattr(last, name), 0))
    table.add_row("whole", fixed(total.total, 0), fixed(last.total, 0))
    return table


def open_positions_table(history: NavHistory) -> Table:
    """What the desk holds for each model since its entry, in the reporting currency."""
    table = Table(title="Open positions since their entry")
    for name in (
        "contract",
        "model",
        "held",
        "since",
        "entry",
        "close",
        "value",
        "result",
        "return",
    ):
        table.add_column(name)
    for held in history.positions:
        table.add_row(
            held.contract.symbol,
            held.model,
            f"{held.quantity:+d}",
            "unknown" if held.entered is None else held.entered.date().isoformat(),
            "taken over" if held.entry_price is None else exact(round(held.entry_price, 6)),
            "unknown" if held.price is None else exact(held.price),
            "unknown" if held.value is None else fixed(held.value, 0),
            "unknown" if held.result is None else fixed(held.result, 0),
            "unknown" if held.change is None else f"{held.change * 100:+.2f} %",
        )
    return table
