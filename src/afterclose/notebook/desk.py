"""A desk and its evenings, to be looked at."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from filelock import FileLock

from afterclose import clock as calendar
from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_desk as open_bootstrapped
from afterclose.clock import SystemClock
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditRow
from afterclose.domain.runs import RunManifest
from afterclose.errors import ConfigError, UsageError
from afterclose.evening import run_files
from afterclose.evening.books import session_lives
from afterclose.evening.desk import Desk
from afterclose.evening.journal import DESK_LOCK, MANIFEST
from afterclose.evening.past_evenings import past_evenings
from afterclose.notebook.charts import order_chart, plotly
from afterclose.notebook.tables import Audit, number
from afterclose.ports import BrokerReader, Ledger
from afterclose.report import story
from afterclose.report.evening import EveningView
from afterclose.settings import SETTINGS_FILE, Settings, load

T = TypeVar("T")


def _silent(_text: str) -> None:
    return


class Evening:
    """One evening, as it is on disk and in the ledger when it is asked for."""

    def __init__(self, folder: RunFolder, ledger: Ledger) -> None:
        self.folder = folder.path
        self.manifest: RunManifest = folder.read_json(MANIFEST, RunManifest)
        self.view: EveningView = run_files.read_view(folder)
        session = self.manifest.session
        known = session_lives(ledger, session)
        self.audit = Audit(self.view.audit, tuple(known.values()))
        self.approval = ledger.approval(self.manifest.run_id)

    @property
    def run_id(self) -> str:
        """Its name."""
        return self.manifest.run_id

    @property
    def report(self) -> Path:
        """The page to read, one file."""
        return self.folder / run_files.REPORT

    @property
    def workbook(self) -> Path:
        """The same tables as an Excel workbook."""
        return self.folder / run_files.WORKBOOK

    @property
    def orders(self) -> pd.DataFrame:
        """What became of each order."""
        return self.audit.orders

    @property
    def fills(self) -> pd.DataFrame:
        """Every execution."""
        return self.audit.fills

    @property
    def trades(self) -> pd.DataFrame:
        """Every trade that the models want tonight."""
        columns = ("model", "contract", "kind", "before", "after", "delta", "price", "reason")
        rows = (
            (
                t.model,
                t.contract.symbol,
                t.kind.value,
                t.position_before,
                t.position_after,
                t.delta,
                number(t.price),
                t.reason,
            )
            for t in self.view.trades
        )
        return pd.DataFrame(list(rows), columns=list(columns))

    def chart(self, order: str) -> Any:
        """Draw one order with plotly: candles, band, limit, stop, last close.

        Args:
            order: an order reference or, where only one order has it, a contract (``ESZ26``).

        Raises UsageError for an order that is none or several, ConfigError without plotly.

        """
        return order_chart(self._row(order))

    def _row(self, order: str) -> AuditRow:
        rows = self.view.audit.rows
        found = [r for r in rows if order in {r.order.order_ref, r.order.contract.symbol}]
        if len(found) != 1:
            refs = ", ".join(r.order.order_ref for r in (found or rows))
            many = "several orders" if found else "no order"
            raise UsageError(f"{many} {order!r} in this evening", hint=f"one of: {refs}")
        return found[0]

    def _repr_html_(self) -> str:
        head = story.headline(self.view)
        state = self.manifest.state.value.replace("_", " ")
        line = f"{self.manifest.session} · {self.view.audit.account} · {state}"
        return (
            f"<p><b>{escape(head.word.upper())}</b> {escape(head.sentence)}<br>"
            f"<small>{escape(line)} · run {escape(self.run_id)}</small></p>"
        )


class NotebookDesk:
    """A desk to be looked at. Made by ``afterclose.open``."""

    def __init__(self, home: Path) -> None:
        if not (home / SETTINGS_FILE).exists():
            raise ConfigError(
                f"{home} is no desk: there is no {SETTINGS_FILE} in it",
                hint="name the folder that 'afterclose run' works in",
            )
        self.home = home

    @property
    def settings(self) -> Settings:
        """The desk's settings, as its files have them now."""
        return load(self.home)

    def evenings(self) -> pd.DataFrame:
        """Return past evenings: orders, fills, values of models and account, and their drift."""
        rows = past_evenings(self._folders(), self._desk.ledger)
        columns = ("session", "run_id", "state", "reviewer", "orders", "sent", "filled", "breaks")
        money = ("models", "account", "drift")
        data = [
            {
                **{name: getattr(row, name) for name in columns},
                **{name: number(getattr(row, name)) for name in money},
            }
            for row in rows
        ]
        return pd.DataFrame(data, columns=[*columns, *money])

    def latest(self) -> Evening:
        """Return the newest evening. Raises UsageError before the first."""
        return self.evening("")

    def evening(self, name: str | date) -> Evening:
        """Return one evening, by session or run id; of several runs of a session the newest.

        Raises UsageError when there is none, DataError when it was not prepared to its report.
        """
        wanted = name.isoformat() if isinstance(name, date) else name
        found = next((f for f in self._folders() if f.path.name.startswith(wanted)), None)
        if found is None:
            raise UsageError(
                f"there is no evening {wanted or 'yet'} in {self.settings.runs}",
                hint="prepare one: desk.prepare(), or 'afterclose run'",
            )
        return Evening(found, self._desk.ledger)

    def prepare(
        self, session: date | None = None, *, say: Callable[[str], None] = _silent
    ) -> Evening:
        """Prepare an evening: update, models, basket, audit, report. Sends nothing; takes minutes.

        ``say`` shows progress, ``print`` does. No other command works on the desk meanwhile.
        """
        with FileLock(self.home / DESK_LOCK):
            desk = replace(self._desk, say=say)
            night = session or calendar.session_at(desk.clock.now())
            folder = _waited_for(nightly.prepare(desk, night))
        return Evening(folder, desk.ledger)

    def reader(self) -> AbstractAsyncContextManager[BrokerReader]:
        """Open a reader of the gateway, ``async with``. It cannot place an order."""
        return self._desk.open_reader()

    def account(self) -> AccountSnapshot:
        """Ask the gateway for the account as it is now. Raises BrokerError."""
        desk = self._desk

        async def ask() -> AccountSnapshot:
            async with desk.open_reader() as reader:
                return await reader.account(desk.settings.desk.account)

        return _waited_for(ask())

    def positions(self) -> pd.DataFrame:
        """Ask the gateway for the account's positions as they are now. Raises BrokerError."""
        held = self.account().positions
        if held is None:
            raise UsageError("the positions did not come whole", hint="ask again")
        columns = ("symbol", "month", "quantity", "average_cost", "currency", "con_id")
        rows = [
            (
                p.symbol,
                p.contract_month.yyyymm if p.contract_month else "",
                p.quantity,
                float(p.average_cost),
                str(p.currency),
                p.con_id,
            )
            for p in held
        ]
        return pd.DataFrame(rows, columns=list(columns))

    def value_chart(self) -> Any:
        """Draw models and account, evening by evening, with plotly."""
        frame = self.evenings().drop_duplicates("session").sort_values("session")
        graph = plotly()
        figure = graph.Figure()
        for name in ("models", "account"):
            figure.add_scatter(x=frame["session"], y=frame[name], name=name, mode="lines+markers")
        return figure.update_layout(template="plotly_white", title="Value of models and account")

    def _folders(self) -> list[RunFolder]:
        manifests = self.settings.runs.glob(f"????-??-??-*/{MANIFEST}")
        newest = sorted(
            manifests, key=lambda m: (m.parent.name[:10], m.stat().st_mtime_ns), reverse=True
        )
        return [RunFolder(m.parent) for m in newest]

    @cached_property
    def _desk(self) -> Desk:
        clock = SystemClock()
        tonight = calendar.session_at(clock.now())
        desk = open_bootstrapped(load(self.home), clock, say=_silent, session=tonight)
        weakref.finalize(self, _let_go, desk.ledger)
        return desk

    def __repr__(self) -> str:
        return f"desk {self.settings.desk.name} in {self.home}, {self.settings.desk.account}"


def open_desk(home: str | Path = ".") -> NotebookDesk:
    """Open the desk in a folder, to be looked at. Raises ConfigError when it is none."""
    return NotebookDesk(Path(home).expanduser())


def _let_go(ledger: Ledger) -> None:
    close = getattr(ledger, "close", None)  # a database has one, the port does not ask for it
    if close is not None:
        close()


def _waited_for(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a thread with a loop of its own: the caller's loop may be running."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="notebook") as thread:
        return thread.submit(asyncio.run, work).result()
