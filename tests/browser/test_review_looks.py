"""The review page in each of its states: axe-core finds nothing, and nothing sticks out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from afterclose.domain.runs import Mode
from afterclose.evening.run_files import VIEW
from browser.chromium import Page, chromium, find_chromium
from browser.review_desk import (
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
from browser.test_accessibility import AXE, RUN
from e2e.small_desk import SmallDesk
from unit.report.make_bars import BLOCK, finding
from unit.report.make_view import make_report, make_view
from unit.web.web_site import LIVE

BINARY = find_chromium()
HG = "small-20261021-BUY-HGZ26-O1"
#: One order is rejected, one held back since its market went away, two wait far from theirs.
TROUBLED = """\
[orders.reject]
HG = "No trading permissions"
[data.price_shift]
ES = "2%"
ZC = "2%"
ZN = "9%"
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="no Chromium that can be driven on this machine"),
    pytest.mark.skipif(AXE is None, reason="no package that carries axe-core is installed"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BINARY is not None
    with chromium(BINARY, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return prepare_small_desk(tmp_path_factory.mktemp("prepared") / "desk")


#: What differs from state to state; the tables around it are looked at once, by another test.
PARTS = (
    "{include: ['.bar', '#standing', '#sent', '#away', '#changed', '#decision', '#sheet', '#keys']"
    ".filter(s => document.querySelector(s)).map(s => [s])}"
)


def is_sound(page: Page, state: str, *, whole: bool = True) -> None:
    """Nothing for axe to find and no sideways scrolling, wide and light, narrow and dark."""
    assert AXE is not None
    page.ask(AXE.read_text(encoding="utf-8") + ";0")
    rules = RUN if whole else RUN.replace("run(document", f"run({PARTS}")
    for width, scheme in ((1440, "light"), (390, "dark")):
        page.show(width=width, scheme=scheme)
        found = page.call(
            "Runtime.evaluate", expression=rules, awaitPromise=True, returnByValue=True
        )
        where = f"{state}, {width}, {scheme}"
        assert json.loads(found["result"]["value"]) == [], where
        assert page.ask("document.documentElement.scrollWidth") == width, where
    page.show(width=1440)


def test_every_state_is_sound(browser: Page, prepared: SmallDesk, tmp_path: Path) -> None:
    page = browser
    with served(prepared, tmp_path / "desk", scenario=TROUBLED) as site:
        page.show(width=1440)
        enter(page, site)
        page.click(f"#buy-table [data-go='{HG}']")
        until(page, "document.querySelector('.left-out li')")
        is_sound(page, "one left out")
        page.click("[data-include]")
        until(page, "!document.querySelector('.left-out li')")
        sheet(page, "#do-reject")
        is_sound(page, "about to be rejected")
        page.click("[data-back]")
        sheet(page, "#do-approve")
        is_sound(page, "about to be approved")
        page.click("[data-back]")
        until(page, "!document.getElementById('sheet').open")
        approve(page)
        sheet(page, "#do-send")
        is_sound(page, "about to be sent")
        page.click("[data-back]")
        until(page, "!document.getElementById('sheet').open")
        orders_out(page, site)
        page.visit(f"{site.origin}/evenings")
        is_sound(page, "evenings")


def orders_out(page: Page, site: Served) -> None:
    send(page)
    until(page, "document.querySelectorAll('.life tr[data-state]').length === 4")
    until(page, "document.getElementById('sent').innerText.includes('held back')")
    until(page, "document.querySelector('.life tr[data-state=rejected]')")
    is_sound(page, "orders out")
    site.gateway.drop_connections()
    phase(page, "orders not followed")
    is_sound(page, "nobody listens")
    page.click("[data-keys]")
    is_sound(page, "keys")
    page.click("[data-close-keys]")


#: The line breaks before the last order, which nobody sees again.
LOST = """\
[orders]
drop_before = [4]
[data.price_shift]
ES = "2%"
HG = "2%"
ZC = "2%"
ZN = "2%"
"""


def test_an_unknown_order_is_sound(browser: Page, prepared: SmallDesk, tmp_path: Path) -> None:
    page = browser
    with served(prepared, tmp_path / "desk", scenario=LOST) as site:
        page.show(width=1440)
        enter(page, site)
        approve(page)
        send(page)
        phase(page, "orders not followed")
        page.click("#do-follow")
        until(page, "document.querySelector('.life tr[data-state=unknown]')")
        is_sound(page, "an unknown order", whole=False)
        sheet(page, "#do-cancel-all")
        is_sound(page, "about to cancel all", whole=False)
        page.click("[data-back]")


def test_an_approval_that_ended_is_sound(browser: Page, tmp_path: Path) -> None:
    page, view = browser, make_view()
    with evening_served(tmp_path / "desk") as (address, folder, clock):
        page.show(width=1440)
        enter_at(page, address)
        approve(page)
        clock.move(clock.now() + timedelta(hours=13))
        phase(page, "approval expired")
        is_sound(page, "expired", whole=False)
        later = replace(view.audit, as_of=view.audit.as_of + timedelta(minutes=1))
        folder.write_json(VIEW, replace(view, audit=later))
        phase(page, "approval void")
        is_sound(page, "void and changed", whole=False)
    until(page, "!document.getElementById('away').hidden")
    is_sound(page, "the server gone", whole=False)


def test_real_money_is_sound(browser: Page, tmp_path: Path) -> None:
    page, view = browser, make_view()
    manifest = replace(view.manifest, mode=Mode.LIVE, account="U1234567")
    account = replace(view.account, account="U1234567")
    live = replace(
        view,
        manifest=manifest,
        account=account,
        audit=replace(view.audit, account="U1234567"),
    )
    with evening_served(tmp_path / "desk", live, LIVE) as (address, _folder, _clock):
        page.show(width=1440)
        enter_at(page, address)
        is_sound(page, "live")
        approve(page)
        sheet(page, "#do-send")
        is_sound(page, "about to be sent for real", whole=False)
        assert page.ask("document.querySelector('#sheet [name=typed]').required") is True
        page.click("[data-back]")


def test_evenings_without_orders_are_sound(browser: Page, tmp_path: Path) -> None:
    page, view = browser, make_view()
    stop = finding("AC501", BLOCK, "the account at the gateway is DU7654321")
    blocked = replace(view, audit=make_report(view.audit.rows, (stop,)))
    with evening_served(tmp_path / "blocked", blocked) as (address, folder, _clock):
        page.show(width=1440)
        enter_at(page, address)
        phase(page, "blocked")
        is_sound(page, "blocked", whole=False)
        (folder.path / VIEW).unlink()
        page.visit(address.partition("?")[0])
        is_sound(page, "not prepared")
        page.visit(address.partition("?")[0].replace("127.0.0.1", "localhost"))
        is_sound(page, "locked")
