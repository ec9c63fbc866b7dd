"""What a person can do on the page, once each, and what the second one is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from openpyxl import load_workbook

from afterclose.domain.runs import Mode
from unit.report.make_view import make_view
from unit.web.web_site import LIVE, PAPER, RUN, Site, attribute, site

pytestmark = pytest.mark.anyio

ES = "main-20261120-TF-ESZ26-O1"


MINUTE = timedelta(minutes=1)


async def choose(known: Site, ref: str, goes: str, why: str = "") -> int:
    form = {"ref": ref, "goes": goes, "why": why, "seen": await known.seen()}
    return (await known.post("choose", form)).status_code


def left_out(html: str) -> list[str]:
    return attribute(html, "data-left-out").split()


async def test_a_choice_outlives_the_server(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        assert await choose(known, ES, "no", "index roll") == 200
    async with site(tmp_path) as again:
        html = await again.live()

        assert left_out(html) == [ES]
        assert "index roll" in html
        assert await choose(again, ES, "yes") == 200
        assert left_out(await again.live()) == []


async def test_a_choice_is_of_exactly_what_was_shown(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        await choose(known, ES, "no")
        view = make_view()
        known.show(replace(view, audit=replace(view.audit, as_of=view.audit.as_of + MINUTE)))

        assert left_out(await known.live()) == []


async def test_an_order_that_is_none_cannot_be_left_out(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        assert await choose(known, "main-20261120-TF-XXZ26-O1", "no") == 400


async def test_rows_with_warnings_want_a_reason(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await known.approve(note="")

        assert answer.status_code == 409
        assert "no reason was given" in answer.text
        assert known.approvals() == []


async def test_the_clear_ones_can_go_alone_without_a_reason(tmp_path: Path) -> None:
    view = make_view()
    clear = [r for r in view.audit.rows if r.verdict.word == "clear" and r.final_quantity]
    async with site(tmp_path) as known:
        answer = await known.approve(note="", only="clear")

        assert answer.status_code == 204
        assert answer.headers["hx-trigger"] == "done"
        assert known.approvals() == [("Ann", len(clear))]
        assert await known.phase() == "approved"


async def test_what_was_left_out_is_not_approved(tmp_path: Path) -> None:
    cleared = {o.order_ref for o in make_view().audit.cleared_orders()}
    async with site(tmp_path) as known:
        await choose(known, ES, "no")
        await known.approve()

        assert ES in cleared
        assert known.approvals() == [("Ann", len(cleared) - 1)]


async def test_a_form_counts_once(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        seen = await known.seen()
        first = await known.approve(once="k1", seen=seen)
        second = await known.approve(once="k1", seen=seen)
        notes = (known.folder.path / "54-review.jsonl").read_text(encoding="utf-8")

    assert (first.status_code, second.status_code) == (204, 204)
    assert notes.count('"approve"') == 1


async def test_of_two_people_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        seen = await known.seen()
        await known.approve(reviewer="Ann", once="a", seen=seen)
        late = await known.approve(reviewer="Bob", once="b", seen=seen)
        later = await known.post(
            "reject", {"reviewer": "Cy", "note": "no", "once": "c", "seen": seen}
        )

        for answer in (late, later):
            assert answer.status_code == 409
            assert "Ann approved" in answer.text
            assert "before you" in answer.text
        assert known.approvals()[0][0] == "Ann"


async def test_choices_changed_by_another_are_told_before_the_yes(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        seen = await known.seen()
        await choose(known, ES, "no")
        answer = await known.approve(seen=seen)

        assert answer.status_code == 409
        assert "left orders out" in answer.text
        assert known.approvals() == []


async def test_a_basket_prepared_again_is_not_approved_unseen(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        seen = await known.seen()
        view = make_view()
        known.show(replace(view, audit=replace(view.audit, as_of=view.audit.as_of + MINUTE)))
        answer = await known.approve(seen=seen)

        assert answer.status_code == 409
        assert "prepared again" in answer.text
        assert known.approvals() == []


async def test_a_rejection_wants_a_reason_and_a_name(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        seen = await known.seen()
        silent = await known.post("reject", {"reviewer": "Ann", "note": " ", "seen": seen})
        nameless = await known.post("reject", {"reviewer": "", "note": "no", "seen": seen})
        said = await known.post("reject", {"reviewer": "Ann", "note": "stale", "seen": seen})

        assert (silent.status_code, nameless.status_code, said.status_code) == (409, 409, 204)
        assert await known.phase() == "rejected"
        assert "stale" in await known.live()


async def test_a_yes_can_be_taken_back_before_anything_left(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        await known.approve()
        form = {"reviewer": "Ann", "note": "margin call", "seen": await known.seen()}
        answer = await known.post("reject", form)

        assert answer.status_code == 204
        assert known.approvals() == [("Ann", 0)]
        assert (await known.post("send", form)).status_code == 409


async def test_an_expired_approval_is_told_in_words_and_sends_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        await known.approve()
        known.clock.move(known.clock.now() + timedelta(hours=12))
        answer = await known.post("send", {"reviewer": "Ann", "seen": await known.seen()})

        assert await known.phase() == "approval expired"
        assert answer.status_code == 409
        assert "expired at 2026-11-21" in answer.text


async def test_nothing_is_sent_before_a_yes(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await known.post("send", {"reviewer": "Ann", "seen": await known.seen()})

        assert answer.status_code == 409
        assert "nothing can be sent now" in answer.text.lower()


async def test_live_wants_the_account_typed(tmp_path: Path) -> None:
    view = make_view()
    view = replace(
        view,
        manifest=replace(view.manifest, mode=Mode.LIVE, account="U1234567"),
        audit=replace(view.audit, account="U1234567"),
    )
    async with site(tmp_path, view=view, settings=LIVE) as known:
        await known.approve()
        sheet = (await known.client.get(f"{known.evening}/sheet/send")).text
        form = {"reviewer": "Ann", "typed": "U123456", "seen": await known.seen()}
        answer = await known.post("send", form)

        assert "for account U1234567" in sheet
        assert 'name="typed"' in sheet
        assert answer.status_code == 409
        assert "U1234567" in answer.text


async def test_the_report_is_written_again_with_the_decision(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        await known.approve(note="because of the note")
    content = json.loads((known.folder.path / "45-evening.json").read_text(encoding="utf-8"))

    assert content["approval"]["reviewer"] == "Ann"
    assert "because of the note" in (known.folder.path / "50-review.html").read_text("utf-8")
    book = load_workbook(known.folder.path / "50-review.xlsx")
    assert ("Approval", "approved by Ann") in [
        (row[0].value, row[1].value) for row in book["Evening"].iter_rows()
    ]


async def test_decisions_faster_than_reports_leave_the_last_one_on_paper(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        for number in range(3):
            await known.approve(note=f"yes {number}")
            seen = await known.seen()
            await known.post("reject", {"reviewer": "Bob", "note": f"no {number}", "seen": seen})
    content = json.loads((known.folder.path / "45-evening.json").read_text(encoding="utf-8"))

    assert (content["approval"]["reviewer"], content["approval"]["note"]) == ("Bob", "no 2")
    assert "no 2" in (known.folder.path / "50-review.html").read_text("utf-8")


async def test_report_and_workbook_can_be_taken_away(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        await known.approve()
    async with site(tmp_path) as known:
        page = await known.page()
        for name, kind in (("report", "text/html"), ("workbook", "spreadsheetml")):
            assert f'href="{known.evening}/{name}"' in page
            answer = await known.client.get(f"{known.evening}/{name}")
            assert kind in answer.headers["content-type"]
            assert RUN in answer.headers["content-disposition"]


@pytest.mark.slow
async def test_another_command_at_work_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        with FileLock(tmp_path / ".afterclose.lock"):
            answer = await known.approve()

        assert answer.status_code == 409
        assert "another command is at work" in answer.text.lower()
        assert known.approvals() == []


async def test_what_somebody_wrote_is_shown_and_never_run(tmp_path: Path) -> None:
    async with site(tmp_path, settings=PAPER) as known:
        await choose(known, ES, "no", '<script>alert(1)</script>" onfocus="x')
        html = await known.page()

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert 'onfocus="x' not in html


async def test_an_open_page_never_says_two_things_of_one_approval(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        assert "not approved" in await known.live()
        await known.approve()
        html = await known.live()

    assert "approved by Ann" in html
    assert "not approved" not in html


async def test_the_sheet_says_when_the_approval_ends_before_the_restart(tmp_path: Path) -> None:
    # 23:45 in New York is 04:45 UTC in November; half an hour before that is 04:15.
    async with site(tmp_path) as known:
        sheet = await known.client.get(f"{known.evening}/sheet/approve")
        await known.approve()

        assert "2026-11-21 04:15:00 UTC" in sheet.text
        assert "2026-11-21 04:15:00 UTC" in await known.live()


async def test_just_before_the_restart_the_sheet_says_why_nobody_can_say_yes(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as known:
        known.clock.move(datetime(2026, 11, 21, 4, 20, tzinfo=UTC))
        sheet = await known.client.get(f"{known.evening}/sheet/approve")
        answer = await known.approve()

        assert "restarts at 2026-11-21 04:45 UTC" in sheet.text
        assert answer.status_code == 409
        assert known.approvals() == []


async def test_a_gateway_that_never_restarts_leaves_the_whole_twelve_hours(tmp_path: Path) -> None:
    async with site(tmp_path, settings=PAPER + '[broker]\nrestart = "never"\n') as known:
        await known.approve()

        assert "2026-11-21 10:07:31 UTC" in await known.live()
