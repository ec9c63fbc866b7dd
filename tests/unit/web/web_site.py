"""A desk with one prepared evening on disk, and its review page without a server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import explain_code
from afterclose.clock import ManualClock
from afterclose.evening.desk import Desk
from afterclose.evening.journal import MANIFEST
from afterclose.evening.run_files import VIEW
from afterclose.report.evening import EveningView
from afterclose.settings import load
from afterclose.web.access import DeskAccess
from afterclose.web.app import make_app
from afterclose.web.security import Keys
from unit.report.make_rows import ACCOUNT, NOW
from unit.report.make_view import make_view

RUN = "2026-11-20-1"
HOST = "127.0.0.1:8017"
ORIGIN = f"http://{HOST}"
PAPER = f'[desk]\nname = "main"\naccount = "{ACCOUNT}"\n'
LIVE = """\
[desk]
name = "main"
account = "U1234567"
allowed_accounts = ["U1234567"]
mode = "live"
[broker]
port = 7496
restart = "never"
[limits]
orders_per_evening = 99
quantity_per_order = 99
notional_per_order = 1000000000
notional_per_root = 1000000000
notional_total = 1000000000
price_band = 0.5
"""


class Never:
    """Stands where an evening's market, models and gateway would: no test here may ask them."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the page asked for {name}")

    def __call__(self, *_arguments: object) -> Any:
        raise AssertionError("the page asked for the gateway")


@dataclass(frozen=True, slots=True)
class Site:
    """One desk, one evening, and a client that came through the printed address."""

    home: Path
    folder: RunFolder
    clock: ManualClock
    keys: Keys
    client: httpx.AsyncClient

    @property
    def evening(self) -> str:
        return f"/evening/{self.folder.path.name}"

    async def page(self) -> str:
        answer = await self.client.get(self.evening)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def live(self) -> str:
        return (await self.client.get(f"{self.evening}/live")).text

    async def seen(self) -> str:
        """What a form made now would say it was made from."""
        return attribute(await self.live(), "data-version")

    async def phase(self) -> str:
        return attribute(await self.live(), "data-phase")

    async def post(
        self, act: str, fields: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a form as the page does, unless told otherwise."""
        usual = {"Origin": ORIGIN, "X-CSRF-Token": self.keys.csrf}
        return await self.client.post(
            f"{self.evening}/{act}", data=dict(fields), headers={**usual, **(headers or {})}
        )

    async def approve(self, **fields: str) -> httpx.Response:
        """Approve with a reason, as Ann, unless told otherwise."""
        form = {"reviewer": "Ann", "note": "read", "only": "all", "seen": await self.seen()}
        return await self.post("approve", {**form, **fields})

    def approvals(self) -> list[tuple[str, int]]:
        """Who decided, and on how many orders, in the order of the ledger."""
        ledger = SqlLedger(load(self.home).ledger_url)
        try:
            last = ledger.approval(self.folder.path.name)
            return [] if last is None else [(last.reviewer, len(last.order_refs))]
        finally:
            ledger.close()

    def show(self, view: EveningView) -> None:
        """Prepare the evening anew: what is on disk is this."""
        self.folder.write_json(VIEW, view)


def attribute(html: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', html)
    assert found is not None, name
    return found[1]


def write_evening(home: Path, view: EveningView | None = None, settings: str = PAPER) -> RunFolder:
    """Write a desk's settings and one evening that was prepared."""
    (home / "afterclose.toml").write_text(settings, encoding="utf-8")
    shown = view or make_view()
    folder = RunFolder(home / "runs" / shown.manifest.run_id)
    folder.write_json(MANIFEST, replace(shown.manifest))
    folder.write_json(VIEW, shown)
    return folder


@asynccontextmanager
async def site(
    home: Path, *, view: EveningView | None = None, settings: str = PAPER, keys: Keys | None = None
) -> AsyncIterator[Site]:
    """Open the page on a desk; an evening is written unless there is one."""
    folder = RunFolder(home / "runs" / (view or make_view()).manifest.run_id)
    if not folder.path.exists():
        write_evening(home, view, settings)
    clock, keys = ManualClock(NOW), keys or Keys(port=8017)
    access = DeskAccess(home, clock, lambda: open_desk(home, clock))
    app = make_app(access, keys=keys, explain=explain_code, reviewer="Ann")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url=ORIGIN,
            cookies={keys.cookie: keys.token},
        ) as client,
    ):
        yield Site(home, folder, clock, keys, client)


def open_desk(home: Path, clock: ManualClock) -> Desk:
    settings, never = load(home), Never()
    return Desk(
        settings=settings,
        specs={},
        clock=clock,
        market=never,
        runner=never,
        ledger=SqlLedger(settings.ledger_url),
        baskets=never,
        open_reader=never,
        open_order_desk=never,
        code_version="test",
        say=lambda _text: None,
    )
