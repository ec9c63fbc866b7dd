"""A whole evening in a real browser: read, choose, approve, send, watch; and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.web import notes
from afterclose.web.notes import Act, Note
from browser.chromium import Page, chromium, find_chromium
from browser.review_desk import (
    ALL_OUT,
    Served,
    approve,
    enter,
    give_reason,
    phase,
    prepare_small_desk,
    press,
    reload,
    send,
    served,
    sheet,
    states,
    until,
)
from e2e.small_desk import ACCOUNT, NEXT_EVENING, SmallDesk

BINARY = find_chromium()
ES = "small-20261021-BUY-ESZ26-O1"
HG = "small-20261021-BUY-HGZ26-O1"
#: Nothing fills: every quote is far above what the desk would pay.
FAR = '[data.price_shift]\nES = "2%"\nHG = "2%"\nZC = "2%"\nZN = "2%"\n'

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="no Chromium that can be driven on this machine"),
]

Open = Callable[..., Served]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BINARY is not None
    with chromium(BINARY, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return prepare_small_desk(tmp_path_factory.mktemp("prepared") / "desk")


@pytest.fixture
def opened(browser: Page, prepared: SmallDesk, tmp_path: Path) -> Iterator[Open]:
    """Serve the page on a copy of the desk, and open it."""
    with ExitStack() as stack:

        def opening(scenario: str = "") -> Served:
            site = stack.enter_context(served(prepared, tmp_path / "desk", scenario=scenario))
            browser.show(width=1440)
            enter(browser, site)
            return site

        yield opening
        browser.visit("about:blank")


def approvals(site: Served) -> int:
    with sqlite3.connect(site.desk.home / "ledger.sqlite") as ledger:
        found: int = ledger.execute("select count(*) from approvals").fetchone()[0]
    ledger.close()
    return found


def problem(page: Page) -> str:
    until(page, "document.querySelector('#sheet[open] [data-problem]')")
    found: str = page.ask("document.getElementById('sheet-body').innerText")
    return found


def test_a_whole_evening(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    page.click("#buy [data-filter]")
    page.type("esz")
    assert page.ask("document.querySelector('#buy [data-count]').textContent") == "1 of 4"
    page.click(f"#buy-table tr[data-ref='{ES}'] th a")
    assert page.ask(f"document.getElementById('o-{ES}').open") is True

    page.click(f"#buy-table [data-go='{ES}']")
    until(page, f"document.getElementById('left-{ES}')")
    page.click(f"[data-why='{ES}']")
    page.type("index members change tonight")
    press(page, "Tab")
    until(page, "document.querySelector('#decision p').textContent.includes('3 of 4')")
    reload(page)
    until(page, f"document.querySelector('[data-why=\"{ES}\"]').value.startsWith('index members')")
    assert page.ask(f"document.querySelector('#buy-table [data-go=\"{ES}\"]').checked") is False

    heading = sheet(page, "#do-approve")
    assert f"Approve 3 orders for {ACCOUNT}" in heading
    page.click("#sheet textarea")
    page.type("sizes read")
    for _double_click in range(2):
        page.click("#sheet button[type=submit]")
    phase(page, "approved")
    until(page, "!document.getElementById('sheet').open")
    assert approvals(site) == 1

    heading = sheet(page, "#do-send")
    assert f"You are about to send 3 orders for account {ACCOUNT} PAPER" in heading
    for _double_click in range(2):
        page.ask("document.querySelector('#sheet button[type=submit]')?.click()")
    until(page, "document.querySelectorAll('.life tbody tr').length === 3")
    until(
        page,
        "[...document.querySelectorAll('.life tr[data-state]')].every("
        "r => !['intended', 'sent'].includes(r.dataset.state))",
    )
    reload(page)
    assert len(states(page)) == 3

    site.gateway.advance_to(NEXT_EVENING)
    phase(page, "orders final")
    until(page, "!document.querySelector('#decision [data-key=s]')")
    assert sorted(o.order_ref for o in site.gateway.orders()) == sorted(
        r for r in (o.order_ref for o in site.gateway.orders()) if r != ES
    )
    assert len(site.gateway.orders()) == 3
    assert page.complaints == []


def test_two_people_decide_at_once_and_the_second_is_told(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    sheet(page, "#do-approve")
    other = second_tab(page, site)
    approve(page, note="Bob's tab")
    page.first_tab(other)

    until(page, "document.getElementById('standing').dataset.phase === 'approved'")
    give_reason(page, "mine")

    assert "Ann approved 4 orders" in problem(page)
    assert "before you" in problem(page)
    assert approvals(site) == 1


def test_what_one_tab_leaves_out_the_other_shows_at_once(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    other = second_tab(page, site)
    page.click(f"#buy-table [data-go='{HG}']")
    until(page, f"document.getElementById('left-{HG}')")
    page.first_tab(other)

    until(page, f"document.querySelector('#buy-table [data-go=\"{HG}\"]').checked === false")


def test_an_approval_that_expired_sends_nothing(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    approve(page)
    sheet(page, "#do-send")
    site.clock.move(site.clock.now() + timedelta(hours=13))
    phase(page, "approval expired")
    page.click("#sheet button[type=submit]")

    assert "expired" in problem(page)
    assert "Prepare the evening again" in page.ask("document.getElementById('standing').innerText")
    assert site.gateway.orders() == ()


def test_a_basket_that_changed_is_neither_approved_nor_sent(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    approve(page)
    sheet(page, "#do-send")
    file = site.folder.path / "45-evening.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["audit"]["rows"][0]["order"]["limit_price"] = "1.00"
    file.write_text(json.dumps(content), encoding="utf-8")
    phase(page, "approval void")
    until(page, "!document.getElementById('changed').hidden")
    page.click("#sheet button[type=submit]")

    assert "prepared again" in problem(page)
    assert site.gateway.orders() == ()


def test_a_sheet_that_is_answered_at_once_is_answered(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    page.ask(
        "document.addEventListener('htmx:afterSwap', () => setTimeout(() => {"
        "const why = document.querySelector('#sheet textarea');"
        "if (why) { why.value = 'read'; document.querySelector('#sheet [type=submit]').click(); }"
        "}))"
    )
    page.click("#do-approve")
    phase(page, "approved")

    assert approvals(site) == 1


def test_what_is_pressed_is_not_taken_away_under_the_finger(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    news = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/live')).length"
    digest = page.ask("document.body.dataset.digest")
    until(page, f"{news} === 1")  # what stood when it was opened
    spot = page.press("#do-approve")
    leave_out(site, HG, digest)
    until(page, f"{news} === 2")
    page.wait_for_frames()
    page.release(spot)
    until(page, "document.querySelector('#sheet[open] #sheet-title')")

    page.click("[data-back]")
    until(page, f"document.getElementById('left-{HG}')")  # what was kept back meanwhile


def leave_out(site: Served, ref: str, digest: str) -> None:
    """Leave an order out, as another person does elsewhere."""
    now = site.clock.now()
    notes.write(site.folder, Note(at=now, act=Act.EXCLUDE, digest=digest, order_ref=ref))


def test_an_answer_that_is_no_sheet_is_shown_all_the_same(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    headers = json.dumps({"X-CSRF-Token": "of another start"})
    page.ask(f"document.body.setAttribute('hx-headers', {headers!r})")
    sheet(page, "#do-approve")
    give_reason(page, "read")

    assert "this page is from before a restart: reload it" in problem(page)
    assert "how the evening stands now" in problem(page)
    assert approvals(site) == 0


def test_a_gateway_that_is_not_there_is_named(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    approve(page)
    site.desk.configure(port=1)
    send(page)
    until(page, "document.getElementById('trouble')")

    said = page.ask("document.getElementById('trouble').innerText")
    assert "127.0.0.1" in said
    phase(page, "approved")
    assert site.gateway.orders() == ()


def test_a_line_that_breaks_is_told_and_taken_up_again(browser: Page, opened: Open) -> None:
    page, site = browser, opened(FAR)
    approve(page)
    send(page)
    until(page, ALL_OUT)
    site.gateway.drop_connections()
    phase(page, "orders not followed")
    reload(page)
    assert "NOBODY LISTENS" in page.ask("document.getElementById('standing').innerText")
    assert "lost while orders were sent" in page.ask("document.getElementById('trouble').innerText")

    page.click("#do-follow")
    until(page, "document.getElementById('standing').dataset.connected === 'yes'")
    assert page.ask("document.getElementById('trouble')") is None
    site.gateway.switch(tws_sim.Scenario())
    site.gateway.advance_to(NEXT_EVENING)
    phase(page, "orders final")
    assert len(site.gateway.orders()) == 4


def test_one_order_is_cancelled_and_then_all(browser: Page, opened: Open) -> None:
    page, site = browser, opened(FAR)
    approve(page)
    send(page)
    until(page, ALL_OUT)
    sheet(page, f"[id='cancel-{ES}']")
    page.click("#sheet button[type=submit]")
    until(page, f"document.getElementById('sent-{ES}').dataset.state === 'cancelled'")
    assert states(page).count("cancelled") == 1

    sheet(page, "#do-cancel-all")
    page.click("#sheet button[type=submit]")
    phase(page, "orders final")
    assert states(page) == ["cancelled"] * 4
    assert site.gateway.executions() == ()


def test_an_order_lost_with_the_line_is_unknown_in_red_and_not_sent_again(
    browser: Page, opened: Open
) -> None:
    page, site = browser, opened("[orders]\ndrop_before = [4]\n" + FAR)
    approve(page)
    send(page)
    phase(page, "orders not followed")
    page.click("#do-follow")
    until(page, "document.querySelector('.life tr[data-state=unknown]')")
    row = "document.querySelector('.life tr[data-state=unknown]')"
    red = page.ask(
        "(() => { const probe = document.createElement('i'); probe.style.color = 'var(--blocked)';"
        "document.body.append(probe); const found = getComputedStyle(probe).color;"
        "probe.remove(); return found; })()"
    )

    assert states(page).index("unknown") == 0  # what needs a person stands first
    assert page.ask(f"getComputedStyle({row}.querySelector('.verdict')).color") == red
    assert page.ask(f"getComputedStyle({row}.querySelector('.words b')).color") == red
    assert "look in TWS" in page.ask(f"{row}.innerText")
    assert "1 unknown" in page.ask("document.querySelector('.tally').innerText")
    reload(page)
    assert states(page).count("unknown") == 1
    assert len(site.gateway.orders()) == 3


def test_a_page_that_shows_an_older_evening_cannot_decide_on_the_new_one(
    browser: Page, opened: Open
) -> None:
    page, site = browser, opened()
    file = site.folder.path / "45-evening.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["audit"]["rows"][0]["order"]["limit_price"] = "1.00"
    file.write_text(json.dumps(content), encoding="utf-8")
    until(page, "!document.getElementById('changed').hidden")

    assert page.ask("document.getElementById('do-approve').disabled") is True
    page.ask("document.activeElement.blur()")
    press(page, "a")
    page.ask("document.getElementById('do-approve').disabled = false")
    page.click("#do-approve")
    assert "prepared again" in problem(page)
    page.click("[data-back]")
    reload(page)
    heading = sheet(page, "#do-approve")

    assert "Approve 4 orders" in heading
    assert approvals(site) == 0


def test_a_rejection_is_put_into_plain_words(browser: Page, opened: Open) -> None:
    page = browser
    opened('[orders.reject]\nHG = "No trading permissions"\n')
    approve(page)
    send(page)
    until(page, "document.querySelector('.life tr[data-state=rejected]')")
    words = page.ask("document.querySelector('.life tr[data-state=rejected] .words').innerText")

    assert "201" in words
    assert "permission" in words.lower()
    assert page.ask(
        "document.querySelector('.life tr[data-state=rejected]').classList.contains('life-blocked')"
    )


def test_the_keyboard_is_enough(browser: Page, opened: Open) -> None:
    page, site = browser, opened()
    page.ask("document.activeElement.blur()")
    for key in ("j", "x"):
        press(page, key)
    until(page, "document.querySelectorAll('.left-out li').length === 1")
    press(page, "a")
    until(page, "document.querySelector('#sheet[open] textarea')")
    until(page, "document.activeElement.matches('#sheet textarea')")
    page.type("by keyboard")
    until(page, "document.querySelector('#sheet textarea').value === 'by keyboard'")
    press(page, "Tab")
    until(page, "document.activeElement.matches('#sheet [data-reviewer]')")
    press(page, "Enter")
    phase(page, "approved")
    until(page, "!document.getElementById('sheet').open")
    press(page, "s")
    until(page, "document.querySelector('#sheet[open] #sheet-title')")
    press(page, "Escape")
    until(page, "!document.getElementById('sheet').open")

    assert site.gateway.orders() == ()


def second_tab(page: Page, site: Served) -> str:
    """Open the same page in another tab and go on there; return the first one's name."""
    first = page.second_tab()
    page.show(width=1440)
    enter(page, site)
    return first
