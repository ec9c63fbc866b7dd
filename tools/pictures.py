"""Pictures of what a person sees: those of the README, and every state there is, to be looked at.

    python tools/pictures.py                 # the README's, into docs/images
    python tools/pictures.py --look FOLDER   # every state: wide, narrow, light, dark, on paper

The evenings are made for it: generated markets, the paper gateway. Chromium takes the pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from rich.console import Console  # noqa: E402 - the path comes first

from afterclose import demo  # noqa: E402
from afterclose.adapters.ledger.store import SqlLedger  # noqa: E402
from afterclose.artifacts import RunFolder  # noqa: E402
from afterclose.cli import decision_tables  # noqa: E402
from afterclose.clock import ManualClock  # noqa: E402
from afterclose.domain.findings import Severity  # noqa: E402
from afterclose.domain.runs import Mode, RunState  # noqa: E402
from afterclose.domain.sending import Halt  # noqa: E402
from afterclose.evening import run_files  # noqa: E402
from afterclose.report.evening import EveningView  # noqa: E402
from afterclose.report.nav import render_nav  # noqa: E402
from afterclose.report.render import render_evening  # noqa: E402
from afterclose.settings import load  # noqa: E402
from browser.chromium import Page, chromium, find_chromium  # noqa: E402
from browser.review_desk import (  # noqa: E402
    ALL_OUT,
    Served,
    approve,
    enter,
    enter_at,
    evening_served,
    phase,
    prepare_small_desk,
    send,
    served,
    sheet,
    until,
)
from e2e.small_desk import NEXT_EVENING  # noqa: E402
from unit.report.make_bars import finding  # noqa: E402
from unit.report.make_view import (  # noqa: E402
    make_approval,
    make_reconciliation,
    make_report,
    make_view,
    many_orders,
)
from unit.report.test_report_nav import day, history  # noqa: E402
from unit.web.web_site import LIVE  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WIDE, NARROW = 1440, 390
_FINER = 1.25
FAR = '[data.price_shift]\nES = "2%"\nHG = "2%"\nZC = "2%"\nZN = "2%"\n'
#: One order is lost with the line, one is rejected, one is held back, one works.
TROUBLED = """\
[orders]
drop_before = [3]
[orders.reject]
HG = "No trading permissions"
[data.price_shift]
ES = "2%"
ZC = "2%"
ZN = "9%"
"""
#: Orders fill one contract at a time.
BY_AND_BY = "[orders.partial_fills]\nES = 1\nHG = 1\nZC = 1\nZN = 1\n"


@dataclass(slots=True)
class Camera:
    """Takes pictures of one tab, into one folder."""

    page: Page
    folder: Path

    def shoot(self, name: str) -> None:
        """Take the whole page, wide and narrow, light and dark."""
        for width in (WIDE, NARROW):
            for scheme in ("light", "dark"):
                self.page.show(width=width, scheme=scheme)
                path = self.folder / f"{name}-{width}-{scheme}.png"
                dialog = self.page.ask("!!document.querySelector('dialog[open]')")
                if not dialog:
                    self.page.ask("scrollTo(0, 0)")
                    self.page.wait_for_frames()
                self.page.picture(path, whole=not dialog)
                sideways = self.page.ask("document.documentElement.scrollWidth")
                if sideways > width:
                    print(f"{path.name}: {sideways} pixels wide")
        self.page.show(width=WIDE)

    def one(self, name: str, *, width: int, height: int, scheme: str = "light") -> Path:
        """Take what one window shows."""
        self.page.show(width=width, height=height, scheme=scheme)
        path = self.folder / f"{name}.png"
        self.page.picture(path, whole=False)
        return path

    def element(self, name: str, selector: str) -> Path:
        """Take one element of the page, a little finer than it is shown."""
        box = self.page.ask(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect();"
            "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height}; })()"
        )
        clip = {**box, "scale": _FINER}
        answer = self.page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path = self.folder / f"{name}.png"
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def print(self, name: str) -> None:
        """Print the page as a PDF."""
        answer = self.page.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        (self.folder / f"{name}.pdf").write_bytes(base64.b64decode(answer["data"]))

    def open(self, view: EveningView) -> None:
        """Open the report of an evening, from disk."""
        path = self.folder / "evening.html"
        path.write_text(render_evening(view), encoding="utf-8", newline="")
        self.page.open(path)


# -- the report ------------------------------------------------------------------------------------


def report(camera: Camera, _place: Path) -> None:
    """Take the report in its states, and on paper."""
    view = make_view()
    settled = replace(view, approval=make_approval(view), reconciliation=make_reconciliation(view))
    stop = finding("AC501", Severity.BLOCK, "the account at the gateway is DU7654321")
    for name, shown in {
        "report": view,
        "report-settled": settled,
        "report-blocked": replace(view, audit=make_report(view.audit.rows, (stop,))),
        "report-nothing": replace(make_view((), trades=()), audit=make_report((), ())),
    }.items():
        camera.open(shown)
        camera.shoot(name)
    camera.open(settled)
    camera.print("report-print")
    camera.page.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    camera.shoot("report-open")
    camera.open(many_orders(100))
    camera.shoot("report-hundred")


def drift(camera: Camera, _place: Path) -> None:
    """Take the account beside the models: a quarter of evenings, one alone, and none."""
    days, account, model = [], 0, 0
    for number in range(60):
        moved = (number * 7919) % 23 - 10
        account, model = moved * 900 - 250, moved * 900
        days.append(day(number, account, model, slippage=Decimal(-180), commission=Decimal(-40)))
    for name, known in {"drift": history(*days), "drift-one": history(days[0])}.items():
        path = camera.folder / "drift.html"
        links = (("Evenings", "/evenings"), ("Drift", "/drift"))
        path.write_text(render_nav(known, links), encoding="utf-8", newline="")
        camera.page.open(path)
        camera.shoot(name)


# -- the review page, without a gateway ------------------------------------------------------------


def decisions(camera: Camera, place: Path) -> None:
    """Take the states of deciding: a rich evening, nobody at the gateway."""
    page = camera.page
    with evening_served(place / "decide") as (address, _folder, clock):
        enter_at(page, address)
        camera.shoot("review-undecided")
        page.click("#buy-table [data-go]")
        until(page, "document.querySelector('.left-out li')")
        camera.shoot("review-left-out")
        for name in ("approve-clear", "approve", "reject"):
            sheet(page, f"#do-{name}")
            camera.shoot(f"review-sheet-{name}")
            _back(page)
        page.click("[data-keys]")
        camera.shoot("review-keys")
        page.click("[data-close-keys]")
        approve(page)
        camera.shoot("review-approved")
        sheet(page, "#do-send")
        camera.shoot("review-sheet-send")
        _back(page)
        page.visit(address.partition("?")[0] + "evenings")
        camera.shoot("evenings")
        enter_at(page, address)
        _halt(place / "decide", clock)
        until(page, "document.getElementById('halted')")
        camera.shoot("review-halted")
        clock.move(clock.now() + timedelta(hours=13))
        phase(page, "approval expired")
        camera.shoot("review-expired")
    until(page, "!document.getElementById('away').hidden")
    camera.shoot("review-away")
    _changed(camera, place)
    _rejected_and_second(camera, place)
    _others(camera, place)


def _changed(camera: Camera, place: Path) -> None:
    page = camera.page
    with evening_served(place / "changed") as (address, folder, _clock):
        enter_at(page, address)
        approve(page)
        view = make_view()
        later = replace(view.audit, as_of=view.audit.as_of + timedelta(minutes=1))
        folder.write_json(run_files.VIEW, replace(view, audit=later))
        phase(page, "approval void")
        camera.shoot("review-void-and-changed")


def _rejected_and_second(camera: Camera, place: Path) -> None:
    page = camera.page
    with evening_served(place / "rejected") as (address, _folder, _clock):
        enter_at(page, address)
        sheet(page, "#do-approve")
        first = page.second_tab()
        enter_at(page, address)
        sheet(page, "#do-reject")
        page.click("#sheet textarea")
        page.type("the sizes are odd")
        page.click("#sheet button[type=submit]")
        phase(page, "rejected")
        camera.shoot("review-rejected")
        page.first_tab(first)
        until(page, "document.getElementById('standing').dataset.phase === 'rejected'")
        page.click("#sheet textarea")
        page.type("mine")
        page.click("#sheet button[type=submit]")
        until(page, "document.querySelector('#sheet[open] [data-problem]')")
        camera.shoot("review-second-is-told")


def _others(camera: Camera, place: Path) -> None:
    """Take live money, a blocked evening, none, one that was not prepared, and the locked page."""
    page, view = camera.page, make_view()
    manifest = replace(view.manifest, mode=Mode.LIVE, account="U1234567")
    live = replace(view, manifest=manifest, audit=replace(view.audit, account="U1234567"))
    with evening_served(place / "live", live, LIVE) as (address, _folder, _clock):
        enter_at(page, address)
        approve(page)
        sheet(page, "#do-send")
        camera.shoot("review-live-sheet-send")
    stop = finding("AC501", Severity.BLOCK, "the account at the gateway is DU7654321")
    blocked = replace(view, audit=make_report(view.audit.rows, (stop,)))
    empty = replace(make_view((), trades=()), audit=make_report((), ()))
    empty = replace(empty, manifest=replace(empty.manifest, state=RunState.NO_TRADES))
    for name, shown in {"blocked": blocked, "no-trades": empty}.items():
        with evening_served(place / name, shown) as (address, folder, _clock):
            enter_at(page, address)
            camera.shoot(f"review-{name}")
            page.visit(address.partition("?")[0] + "evening/none")
            camera.shoot("review-no-such-evening")
            (folder.path / run_files.VIEW).unlink()
            page.visit(address.partition("?")[0])
            camera.shoot("review-not-prepared")
            page.visit(address.partition("?")[0].replace("127.0.0.1", "localhost"))
            camera.shoot("review-locked")


def _back(page: Page) -> None:
    page.click("[data-back]")
    until(page, "!document.getElementById('sheet').open")


def _halt(home: Path, clock: ManualClock) -> None:
    ledger = SqlLedger(load(home).ledger_url, desk="main")
    try:
        ledger.record_halt(Halt(at=clock.now(), by="Bob", reason="the feed looks wrong"))
    finally:
        ledger.close()


# -- the review page, sending ----------------------------------------------------------------------


def sending(camera: Camera, place: Path) -> None:
    """Take the states of orders: out, partly filled, unknown, rejected, cancelled, final."""
    page, prepared = camera.page, prepare_small_desk(place / "prepared", contracts=5)
    with served(prepared, place / "far", scenario=FAR) as site:
        enter(page, site)
        approve(page)
        send(page)
        until(page, ALL_OUT)
        camera.shoot("sending-out")
        sheet(page, "[id^=cancel-]")
        camera.shoot("sending-sheet-cancel")
        page.click("#sheet button[type=submit]")
        until(page, "document.querySelector('.life tr[data-state=cancelled]')")
        sheet(page, "#do-cancel-all")
        camera.shoot("sending-sheet-cancel-all")
        _back(page)
        site.gateway.drop_connections()
        phase(page, "orders not followed")
        camera.shoot("sending-nobody-listens")
    with served(prepared, place / "troubled", scenario=TROUBLED) as site:
        enter(page, site)
        approve(page)
        send(page)
        phase(page, "orders not followed")
        page.click("#do-follow")
        until(page, "document.querySelector('.life tr[data-state=unknown]')", within_s=60)
        camera.shoot("sending-unknown-and-rejected")
    with served(prepared, place / "fills", scenario=BY_AND_BY) as site:
        partly_filled(page, site)
        camera.shoot("sending-partly-filled")
        site.gateway.advance_to(NEXT_EVENING)
        phase(page, "orders final")
        camera.shoot("sending-final")
    with served(prepared, place / "gone") as site:
        enter(page, site)
        approve(page)
        site.desk.configure(port=1)
        send(page)
        until(page, "document.getElementById('trouble')", within_s=60)
        camera.shoot("sending-gateway-gone")


def partly_filled(page: Page, site: Served) -> None:
    """Send, and move the market until some orders are partly filled."""
    enter(page, site)
    approve(page)
    send(page)
    until(page, "document.querySelectorAll('.life tbody tr').length === 4")
    wanted = "document.querySelector('.life tr[data-state=\"partly filled\"]')"
    for minutes in range(5, 600, 5):
        site.gateway.advance_to(site.clock.now() + timedelta(minutes=minutes))
        with suppress(AssertionError):
            until(page, wanted, within_s=1)
            return


# -- the README's ----------------------------------------------------------------------------------


def readme(camera: Camera, place: Path) -> None:
    """Take the README's pictures: report, one order, sending, the terminal."""
    silent = demo.Narrator(say=_nothing, act=_nothing, order=_nothing)
    evening = asyncio.run(demo.run(demo.DemoRequest(out=place / "demo"), silent))
    folder: RunFolder = evening.folder
    view = run_files.read_view(folder)
    for scheme in ("light", "dark"):
        camera.page.show(width=WIDE, scheme=scheme)
        camera.page.open(folder.path / run_files.REPORT)
        camera.one(f"evening-{scheme}", width=WIDE, height=1340, scheme=scheme)
    camera.page.show(width=1200)
    camera.page.ask("document.querySelector('#buy details.order.r-look').open = true")
    camera.page.wait_for_frames()
    camera.element("order", "#buy details.order[open]")
    _terminal(camera, view)
    prepared = prepare_small_desk(place / "prepared", contracts=5)
    with served(prepared, place / "fills", scenario=BY_AND_BY) as site:
        partly_filled(camera.page, site)
        camera.one("sending", width=1200, height=700)


def _terminal(camera: Camera, view: EveningView) -> None:
    """Draw what ``afterclose approve`` shows, in the colours of a terminal."""
    with open("/dev/null", "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a sink
        screen = Console(record=True, width=116, file=nowhere, force_terminal=True, highlight=False)
        screen.print("$ afterclose approve --reviewer Ann")
        screen.print(decision_tables.going_table(view, frozenset(), width=116))
        for line in decision_tables.staying_lines(view.audit, frozenset()):
            screen.print(line)
        warnings = decision_tables.warnings_table(view.audit, frozenset())
        if warnings is not None:
            screen.print(warnings)
        screen.print(decision_tables.sum_line(view, frozenset()))
    text = screen.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
    html = f"<style>{_TERMINAL}</style>{text}"
    path = camera.folder / "terminal.html"
    path.write_text(html, encoding="utf-8", newline="")
    camera.page.open(path)
    camera.element("approve", "pre")
    path.unlink()


def _nothing(_said: object) -> None:
    return


_TERMINAL = """
body { margin: 0; background: #15181c; color: #e8e6e1; }
pre { margin: 0; padding: 24px; font: 15px/1.35 'DejaVu Sans Mono', monospace; width: max-content; }
"""

LOOKS: dict[str, Callable[[Camera, Path], None]] = {
    "report": report,
    "drift": drift,
    "decisions": decisions,
    "sending": sending,
}


def main() -> None:
    """Take what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", type=Path, help="take every state into this folder")
    parser.add_argument("--only", choices=[*LOOKS], help="of these states alone")
    asked = parser.parse_args()
    binary = find_chromium()
    if binary is None:
        sys.exit("no Chromium to take the pictures with")
    target: Path = asked.look or IMAGES
    target.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        page = stack.enter_context(chromium(binary, place / "profile"))
        camera = Camera(page, target.resolve())
        if asked.look is None:
            readme(camera, place)
        for name, take in LOOKS.items():
            if asked.look is not None and asked.only in {None, name}:
                take(camera, place)


if __name__ == "__main__":
    main()
