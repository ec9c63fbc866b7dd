"""The review page in each of its states: axe-core finds nothing, and nothing sticks out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.chromium import Page, chromium, find_chromium
from browser.review_desk import (
    Served,
    approve,
    enter,
    phase,
    prepare_small_desk,
    send,
    served,
    sheet,
    until,
)
from browser.test_accessibility import AXE, RUN
from e2e.small_desk import SmallDesk

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


def is_sound(page: Page, state: str) -> None:
    """Nothing for axe to find and no sideways scrolling, wide and light, narrow and dark."""
    assert AXE is not None
    page.ask(AXE.read_text(encoding="utf-8") + ";0")
    for width, scheme in ((1440, "light"), (390, "dark")):
        page.show(width=width, scheme=scheme)
        found = page.call("Runtime.evaluate", expression=RUN, awaitPromise=True, returnByValue=True)
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
