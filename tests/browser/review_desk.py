"""A small desk with its evening prepared, its paper gateway, and the review page served on it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from afterclose import nightly, tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder, latest_run
from afterclose.bootstrap import explain_code, open_desk
from afterclose.clock import ManualClock
from afterclose.evening.desk import Desk
from afterclose.report.evening import EveningView
from afterclose.settings import load
from afterclose.web.access import DeskAccess
from afterclose.web.app import make_app
from afterclose.web.security import Keys
from afterclose.web.serve import listen, server
from browser.chromium import Page
from e2e.small_desk import EVENING, SESSION, SmallDesk, make_small_desk
from unit.report.make_rows import NOW
from unit.web.web_site import PAPER, write_evening

NEVER = '[broker]\nrestart = "never"\n'


@dataclass(frozen=True, slots=True)
class Served:
    """The page, served, with what it works on."""

    desk: SmallDesk
    gateway: tws_sim.RunningGateway
    clock: ManualClock
    address: str
    origin: str
    folder: RunFolder

    def ledger_events(self) -> int:
        """How many things the ledger has seen of tonight's orders."""
        ledger = SqlLedger(load(self.desk.home).ledger_url)
        try:
            return len(ledger.events(SESSION))
        finally:
            ledger.close()


def prepare_small_desk(home: Path, *, contracts: int = 1) -> SmallDesk:
    """Make a desk that buys so many of each, and prepare its evening at a healthy gateway."""
    desk = make_small_desk(home)
    model = home / "models" / "buy.py"
    text = model.read_text(encoding="utf-8").replace("if held else 1", f"if held else {contracts}")
    model.write_text(text, encoding="utf-8")
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        prepare_again(desk, ManualClock(EVENING))
    return desk


def prepare_again(desk: SmallDesk, clock: ManualClock) -> None:
    """Run the evening's first act, as ``afterclose run`` does."""
    opened = opener(desk.home, clock)()
    try:
        with chdir(desk.home):  # where a user is, and where his models' paths begin
            asyncio.run(nightly.prepare(opened, SESSION))
    finally:
        close(opened)


def opener(home: Path, clock: ManualClock) -> Callable[[], Desk]:
    def opening() -> Desk:
        return open_desk(load(home), clock, say=lambda _text: None, session=SESSION)

    return opening


def close(desk: Desk) -> None:
    if isinstance(desk.ledger, SqlLedger):
        desk.ledger.close()


@contextmanager
def served(prepared: SmallDesk, home: Path, *, scenario: str = "") -> Iterator[Served]:
    """Serve the page on a copy of a prepared desk, with a gateway of its own."""
    shutil.copytree(prepared.home, home)
    desk, clock = SmallDesk(home), ManualClock(EVENING)
    with closing(SqlLedger(load(home).ledger_url)) as ledger:  # a copy, and the only one in use
        ledger.adopt_copy(by="Ann", note="each test has a desk of its own")
    with ExitStack() as stack:
        gateway = stack.enter_context(desk.gateway(scenario=scenario))
        desk.configure(port=gateway.port)
        folder = latest_run(home / "runs")
        assert folder is not None
        address = stack.enter_context(serving(home, clock))
        origin = address.partition("/?")[0]
        yield Served(desk, gateway, clock, address, origin, folder)


@contextmanager
def evening_served(
    home: Path, view: EveningView | None = None, settings: str = PAPER
) -> Iterator[tuple[str, RunFolder, ManualClock]]:
    """Serve the page on an evening that was typed: nobody is at its gateway."""
    make_small_desk(home)
    settings += '[data]\nstore = "market"\n' + ("" if "restart" in settings else NEVER)
    folder, clock = write_evening(home, view, settings), ManualClock(NOW)
    with serving(home, clock) as address:
        yield address, folder, clock


@contextmanager
def serving(home: Path, clock: ManualClock) -> Iterator[str]:
    """Serve the page of a desk, and say under which address."""
    access = DeskAccess(home, clock, opener(home, clock))
    listening = listen()
    keys = Keys(port=listening.port)
    web = server(make_app(access, keys=keys, explain=explain_code, reviewer="Ann"))
    thread = threading.Thread(target=web.run, kwargs={"sockets": [listening.socket]})
    thread.start()
    try:
        yield listening.address(keys)
    finally:
        web.should_exit = True
        thread.join(60)
        listening.socket.close()


def until(page: Page, expression: str, *, within_s: int = 90) -> None:
    """Wait, drawing by drawing, until something is true of the page; across a reload, too."""
    watch = (
        "new Promise((yes, no) => { const start = performance.now(); const look = () => {"
        f"if ({expression}) yes(true);"
        f"else if (performance.now() - start > {within_s * 1000}) no(new Error('not in time'));"
        "else requestAnimationFrame(look); }; look(); })"
    )
    for _reload in range(4):
        try:
            answer = page.call("Runtime.evaluate", expression=watch, awaitPromise=True)
        except RuntimeError:  # the page went away under the question: ask the next one
            continue
        details = answer.get("exceptionDetails")
        if details is None:
            return
        if "not in time" in str(details):
            shown = page.ask(
                "['standing', 'sent', 'decision', 'sheet']"
                ".map(i => document.getElementById(i)?.innerText ?? '').join(' | ')"
            )
            raise AssertionError(f"never true: {expression}\n{shown}")
    raise AssertionError(f"the page never stood still for: {expression}")


_VIRTUAL_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}
#: Every order of the small desk is out, and none is over; some market opens later.
ALL_OUT = (
    "document.querySelectorAll('.life tr:is([data-state=working], [data-state=acknowledged])')"
    ".length === 4"
)
READY = "document.documentElement.dataset.review === 'ready'"


def enter(page: Page, served: Served) -> None:
    """Open the printed address, and wait for the page behind it."""
    enter_at(page, served.address)


def enter_at(page: Page, address: str) -> None:
    """Open an address, and wait for the page behind it."""
    page.visit(address)
    until(page, READY)
    page.complaints.clear()


def reload(page: Page) -> None:
    """Load the page again."""
    page.ask("document.documentElement.dataset.review = 'old'")
    page.call("Page.reload")
    until(page, READY)


def phase(page: Page, name: str) -> None:
    """Wait until the evening stands so."""
    until(page, f"document.getElementById('standing').dataset.phase === {name!r}")


def press(page: Page, key: str) -> None:
    """Press and release one key."""
    text = "\r" if key == "Enter" else key if len(key) == 1 else ""
    extra = {"windowsVirtualKeyCode": _VIRTUAL_KEYS.get(key, 0), **({"text": text} if text else {})}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **extra)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


def sheet(page: Page, button: str) -> str:
    """Press a button that opens a sheet, wait for it, and return its heading."""
    page.click(button)
    until(page, "document.querySelector('#sheet[open] #sheet-title')")
    heading: str = page.ask("document.getElementById('sheet-title').textContent")
    return heading


def give_reason(page: Page, note: str) -> None:
    """Fill in the open sheet, where it wants a reason, and hand it in."""
    if page.ask("!!document.querySelector('#sheet textarea')"):
        page.click("#sheet textarea")
        page.type(note)
    page.click("#sheet button[type=submit]")


def approve(page: Page, *, note: str = "rehearsal") -> None:
    """Approve whatever goes."""
    sheet(page, "#do-approve")
    give_reason(page, note)
    phase(page, "approved")
    until(page, "!document.getElementById('sheet').open")  # the answer may come after the news


def send(page: Page) -> None:
    """Send what is approved."""
    sheet(page, "#do-send")
    page.click("#sheet button[type=submit]")
    until(page, "!document.getElementById('sheet').open")


def states(page: Page) -> list[str]:
    """States of the orders, as the page shows them."""
    found: list[str] = page.ask(
        "[...document.querySelectorAll('.life tbody tr')].map(r => r.dataset.state)"
    )
    return found
