"""What the commands show on a terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from afterclose.domain.audit import AuditReport, Reconciliation
from afterclose.domain.findings import Finding, Severity, Verdict
from afterclose.domain.netting import Netting
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, EventKind, OrderEvent, OrderState
from afterclose.report.slippage import slippage_sums

_STYLES = {Severity.INFO: "dim", Severity.WARN: "yellow", Severity.BLOCK: "bold red"}
#: How a verdict is written.
VERDICT_STYLES = {Verdict.CLEAR: "green", Verdict.LOOK: "yellow", Verdict.BLOCKED: "bold red"}


#: Width of tables where the output is no terminal: a file, a pipe, a log.
PIPE_WIDTH = 140


def console() -> Console:
    """Return a console on standard output; plain and wide where that is no terminal.

    What it prints are folders, models' words and a gateway's: a bracket in them is a bracket.
    """
    screen = Console(highlight=False, markup=False)
    if screen.is_terminal:
        return screen
    return Console(highlight=False, markup=False, width=PIPE_WIDTH)


@contextmanager
def ctrl_c_at_once() -> Iterator[None]:
    """Let Ctrl-C end what computes for a long time and sends nothing.

    Without this, asyncio keeps it until the next pause, and a model or a market makes none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def one_line(text: str) -> str:
    """Join the lines of a gateway's message."""
    return " ".join(text.split())


class OrderTicker:
    """Shows what happens to orders, each change once: gateways repeat themselves."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._last: dict[str, str] = {}

    def __call__(self, event: OrderEvent) -> None:
        """Show one event, unless it says what was just said."""
        line = _event_text(event)
        if line and self._last.get(event.order_ref) != line:
            self._last[event.order_ref] = line
            self._screen.print(f"   {event.order_ref:<28} {line}", soft_wrap=True)


def _event_text(event: OrderEvent) -> str:
    if event.kind is EventKind.INTENT:
        return "sending"
    if event.kind is EventKind.FILL and event.fill is not None:
        return f"{event.fill.quantity} at {event.fill.price:f}"
    if event.kind is EventKind.STATUS:
        return event.status
    if event.kind is EventKind.COMMISSION:
        return ""
    return one_line(event.text)


def findings_table(findings: Iterable[Finding], *, title: str) -> Table:
    """Show findings, the worst first."""
    table = Table("code", "", "subject", "what, and what to do", title=title)
    for finding in sorted(findings, key=lambda f: (-f.severity, f.code, f.subject)):
        hint = f"\n→ {finding.hint}" if finding.hint else ""
        table.add_row(
            finding.code,
            finding.severity.name.lower(),
            finding.subject,
            f"{finding.message}{hint}",
            style=_STYLES[finding.severity],
        )
    return table


def order_text(order: BasketOrder) -> tuple[str, ...]:
    """Return an order as cells: side, quantity, contract, limit, kind, reference."""
    spec = order.mapped.spec
    return (
        order.action.value,
        str(order.quantity),
        f"{order.contract.symbol} ({spec.ib_symbol} {order.contract.month.yyyymm})",
        f"{spec.price_text(order.limit_price)} {spec.currency}",
        order.kind.value,
        order.order_ref,
    )


def audit_summary(report: AuditReport) -> Table:
    """Show every row of the audit in one line."""
    table = Table()
    table.add_column("")
    table.add_column("order", no_wrap=True)
    for name in ("model → final", "limit", "close", "Δ %", "live", "findings"):
        table.add_column(name)
    table.title = f"Audit of {report.session}: {report.verdict.word}"
    for row in sorted(report.rows, key=lambda r: (-r.verdict, r.order.action, r.order.contract)):
        order, spec = row.order, row.order.mapped.spec
        live = row.quote.price if row.quote else None
        codes = [f.code for f in row.findings if f.severity > Severity.INFO]
        table.add_row(
            row.verdict.word,
            f"{order.model} {order.kind.value} {order.action.value} {order.contract.symbol}",
            f"{order.model_quantity} → {row.final_quantity}",
            spec.price_text(order.limit_price),
            "unknown" if row.close is None else spec.price_text(row.close.close),
            "unknown" if row.pct_diff is None else f"{row.pct_diff * 100:+.2f}",
            "unknown" if live is None else spec.price_text(live),
            " ".join(dict.fromkeys(codes)),
            style=VERDICT_STYLES[row.verdict],
        )
    return table


def orders_table(lives: Iterable[OrderLife], *, title: str) -> Table:
    """Show what is known of each order."""
    table = Table(title=title)
    table.add_column("order", no_wrap=True)
    for name in ("side", "filled", "price", "state", "the gateway's word"):
        table.add_column(name)
    for life in lives:
        order, average = life.order, life.average_price
        style = "bold red" if life.state is OrderState.UNKNOWN else ""
        table.add_row(
            order.order_ref,
            f"{order.action.value} {order.contract.symbol}",
            f"{life.filled} of {order.quantity}",
            "" if average is None else order.mapped.spec.price_text(average),
            life.state.value,
            one_line(life.text),
            style=style,
        )
    return table


def rows_table(lives: Iterable[OrderLife], netting: Netting) -> Table:
    """Show what each model has of the orders that carry its rows, and of what crossed inside."""
    table = Table("model", "row", "filled", "price", "how", title="By model")
    models = netting.models()
    for life in lives:
        order, average = life.order, life.average_price
        if order.order_ref in models:
            table.add_row(
                order.model,
                f"{order.kind.value} {order.action.value} {order.contract.symbol}",
                f"{life.filled} of {order.quantity}",
                "" if average is None else order.mapped.spec.price_text(average),
                one_line(life.text),
            )
    return table


def positions_table(result: Reconciliation) -> Table:
    """Show the desk's positions beside the account's."""
    table = Table("contract", "desk", "account", "", title="Positions, desk against account")
    for check in result.positions:
        broker = "unknown" if check.broker is None else f"{check.broker:+d}"
        word = "agrees" if check.agrees else "DIFFERS"
        style = "" if check.agrees else "yellow"
        table.add_row(check.symbol, f"{check.desk:+d}", broker, word, style=style)
    return table


def breaks_table(result: Reconciliation) -> Table:
    """Show where two books differ, why, and what may be done."""
    table = Table(title="Breaks: cause and proposal")
    for name in ("contract", "between", "model", "should be", "is", "cause", "what may be done"):
        table.add_column(name)
    for each in result.breaks:
        said = f"{each.cause.value}: {one_line(each.detail)}" if each.detail else each.cause.value
        said += f"; it began as {each.origin}" if each.origin else ""
        table.add_row(
            each.symbol,
            each.kind.value,
            each.model,
            f"{each.expected:+d}",
            f"{each.actual:+d}",
            said,
            each.proposal,
        )
    return table


def slippage_table(result: Reconciliation) -> Table:
    """Show slippage by model and market, in ticks (worse is positive) and in money."""
    table = Table(title="Slippage: decision → limit → fill, ticks per contract; worse is positive")
    for name in ("model", "market", "filled", "to limit", "to fill", "ticks", "money", "paid"):
        table.add_column(name, justify="left" if name in {"model", "market"} else "right")
    for each in slippage_sums(result.outcomes):
        ticks = (each.reference_to_limit_ticks, each.limit_to_fill_ticks, each.slippage_ticks)
        money = (
            (each.slippage_money, each.currency),
            (each.commission, each.commission_currency),
        )
        table.add_row(
            each.model,
            each.root,
            f"{each.filled} of {each.asked}",
            *("" if t is None else f"{t:+.1f}" for t in ticks),
            *("" if m is None else f"{m:,.2f} {currency}" for m, currency in money),
        )
    return table
