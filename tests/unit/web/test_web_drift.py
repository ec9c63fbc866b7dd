"""The account beside the models, from the page's own navigation."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.evening.run_files import write_nav
from unit.report.test_report_nav import day, history
from unit.web.web_site import site

pytestmark = pytest.mark.anyio


async def test_before_anything_was_compared_the_page_says_what_it_takes(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await known.client.get("/drift")

        assert answer.status_code == 200
        assert "afterclose settle" in answer.text
        assert 'href="/drift"' in await known.page()
        assert 'href="/drift"' in (await known.client.get("/evenings")).text


async def test_the_drift_is_shown_as_the_newest_settled_evening_has_it(tmp_path: Path) -> None:
    compared = history(day(0, -500, 1000, slippage=Decimal(-1500)))
    async with site(tmp_path) as known:
        write_nav(known.folder, compared)
        answer = await known.client.get("/drift")
        policy = answer.headers["content-security-policy"]

        assert "Drift and its parts" in answer.text
        assert 'href="/evenings"' in answer.text
        assert "style-src 'sha256-" in policy  # its own style sheet, and no other
        assert "unsafe" not in policy
