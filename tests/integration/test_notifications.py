"""A word to the person, received: a local server stands where the channel's would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from afterclose.adapters.notify import AppriseNotifier, scrubbed
from afterclose.domain.notices import Notice, Told
from afterclose.errors import ConfigError
from afterclose.settings import Settings, load

NOTICE = Notice(told=Told.WAITING, title="2026-11-20: waiting", text="12 orders of DU1234567")


class Channel:
    """A server that keeps what it is told."""

    def __init__(self, status: int = 200) -> None:
        self.heard: list[dict[str, Any]] = []
        self.release = threading.Event()
        self.release.set()
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                channel.release.wait(30)
                channel.heard.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"json://127.0.0.1:{self._server.server_address[1]}/?token=s3cret"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def channel() -> Iterator[Channel]:
    served = Channel()
    yield served
    served.close()


def test_what_is_told_arrives_without_the_account(channel: Channel) -> None:
    notifier = AppriseNotifier(channels={"phone": channel.address}, page="http://127.0.0.1:8765")

    assert notifier.tell(NOTICE) == ()
    (heard,) = channel.heard
    assert heard["title"] == "2026-11-20: waiting"
    assert heard["message"] == "12 orders of the account\nhttp://127.0.0.1:8765"
    assert heard["attachments"] == []


def test_the_report_goes_along_only_when_that_is_wanted(channel: Channel, tmp_path: Path) -> None:
    report = tmp_path / "50-review.html"
    report.write_text("<html>", encoding="utf-8")
    notice = Notice(told=Told.PREPARED, title="t", text="t", report=report)

    AppriseNotifier(channels={"a": channel.address}).tell(notice)
    AppriseNotifier(channels={"a": channel.address}, attach=True).tell(notice)

    assert [len(h["attachments"]) for h in channel.heard] == [0, 1]
    assert channel.heard[1]["attachments"][0]["filename"] == "50-review.html"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_channels_that_fail_are_said_without_their_address_and_the_others_are_told(
    channel: Channel,
) -> None:
    refusing = Channel(status=500)
    try:
        troubles = AppriseNotifier(
            channels={
                "nowhere": "json://127.0.0.1:1/?token=s3cret",
                "refusing": refusing.address,
                "odd": "nothing-that-apprise-knows",
                "unset": None,
                "good": channel.address,
            }
        ).tell(NOTICE)
    finally:
        refusing.close()

    assert len(channel.heard) == 1
    assert sorted(t.split()[2] for t in troubles) == ["nowhere", "odd", "refusing", "unset"]
    assert "s3cret" not in " ".join(troubles)
    assert "AFTERCLOSE_CHANNEL_UNSET" in " ".join(troubles)


def test_a_channel_that_hangs_is_left_behind(channel: Channel) -> None:
    channel.release.clear()

    (trouble,) = AppriseNotifier(channels={"slow": channel.address}, timeout_s=0.3).tell(NOTICE)

    assert "no answer within 0.3 s" in trouble


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("U1234567 is live", "the account is live"),
        ("this login has DU1234567, DF765432", "this login has the account, the account"),
        ("F1234567 and ESU26", "the account and ESU26"),
        ("http://127.0.0.1:8765/?token=abc&x=1", "http://127.0.0.1:8765/?token=…&x=1"),
        (
            "403 for url: https://data.host/v3/x.json?api_key=abc",
            "403 for url: https://data.host/v3/x.json?api_key=…",
        ),
        ("/v1?apikey=abc&accessToken=abc", "/v1?apikey=…&accessToken=…"),
        ("host=db password=abc user=me", "host=db password=… user=me"),
        ("{'api_key': 'abc', 'root': 'ES'}", "{'api_key': '…', 'root': 'ES'}"),
        ("Authorization: Bearer abc", "Authorization: Bearer …"),
        ("KeyError: 'ESZ26'; the key: none", "KeyError: 'ESZ26'; the key: none"),
        ("postgresql+psycopg://me:word@host/desk failed", "an address failed"),
        ("desk-20261120-TF-ESZ26-O1", "desk-20261120-TF-ESZ26-O1"),
    ],
)
def test_numbers_of_accounts_and_keys_are_taken_out(text: str, told: str) -> None:
    assert scrubbed(text) == told


def test_what_the_desk_hides_is_hidden_whatever_it_looks_like() -> None:
    assert scrubbed("Account XY-77 of me", ("XY-77", "")) == "Account the account of me"


def test_an_address_in_the_settings_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(
        '[notify]\nchannels = ["tgram://s3cret/chat"]\n', encoding="utf-8"
    )

    with pytest.raises(ConfigError) as refused:
        load(tmp_path)

    assert "does not belong in the settings" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_page_with_its_token_is_refused() -> None:
    with pytest.raises(ValueError, match="without its token"):
        Settings.model_validate({"notify": {"page": "http://127.0.0.1:8765/?token=abc"}})
