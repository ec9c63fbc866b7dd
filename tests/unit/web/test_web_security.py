"""Who may talk to the page, and who may not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from unit.web.web_site import ORIGIN, RUN, Site, site

pytestmark = pytest.mark.anyio

ACTS = ("choose", "approve", "reject", "send", "follow", "cancel")


async def stranger(known: Site, path: str, **headers: str) -> httpx.Response:
    """Ask without the cookie."""
    transport = known.client._transport
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.get(path, headers=headers)


async def test_the_printed_address_opens_the_page_and_leaves_the_key_out(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await stranger(known, f"/?token={known.keys.token}")
        cookie = answer.headers["set-cookie"]

    assert answer.status_code == 200
    assert 'url=/"' in answer.text
    assert known.keys.token not in answer.text
    assert f"{known.keys.cookie}={known.keys.token}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


async def test_without_the_key_every_address_is_locked(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        for path in ("/", f"/evening/{RUN}", f"/evening/{RUN}/live", "/evenings"):
            answer = await stranger(known, path)
            assert answer.status_code == 403, path
            assert RUN not in answer.text
        wrong = await stranger(known, "/?token=guess")
        assert wrong.status_code == 403
        assert "set-cookie" not in wrong.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
async def test_a_name_that_is_not_this_machines_is_refused(tmp_path: Path, host: str) -> None:
    async with site(tmp_path) as known:
        answer = await known.client.get(f"/evening/{RUN}", headers={"Host": host})

    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1", "[::1]:8017", "LOCALHOST"])
async def test_a_tunnel_may_end_at_another_port(tmp_path: Path, host: str) -> None:
    async with site(tmp_path) as known:
        answer = await known.client.get(f"/evening/{RUN}", headers={"Host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9999"},
        {"X-CSRF-Token": "guess"},
        {"X-CSRF-Token": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_from_elsewhere_does_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    async with site(tmp_path) as known:
        fields = {"reviewer": "Eve", "note": "x", "only": "all", "seen": await known.seen()}
        answer = await known.post("approve", fields, headers=headers)

        assert answer.status_code == 403
        assert known.approvals() == []


async def test_no_act_can_be_done_by_following_a_link(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        for act in ACTS:
            answer = await known.client.get(f"{known.evening}/{act}")
            assert answer.status_code == 405, act


async def test_a_page_may_run_nothing_but_the_products_own_files(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await known.client.get(known.evening)

    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert "http://" not in answer.text.replace(ORIGIN, "").replace("http://www.w3.org", "")
    assert "https://" not in answer.text


@pytest.mark.parametrize("name", ["nope", "..%2f..", "2026-11-20-1%2f..", "%00"])
async def test_what_is_no_evening_is_not_found(tmp_path: Path, name: str) -> None:
    async with site(tmp_path) as known:
        answer = await known.client.get(f"/evening/{name}")

    assert answer.status_code == 404


async def test_a_form_longer_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    async with site(tmp_path) as known:
        answer = await known.post("approve", {"note": "x" * 70_000})

    assert answer.status_code == 413
