"""What a person hears of an evening, from its preparation to the day after, and what he must not.

Told by the acts themselves, and received by a local server where the channel's would stand.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_ledger
from afterclose.cli import tonight_command
from afterclose.cli.app import app
from afterclose.clock import ManualClock
from afterclose.domain.notices import Notice, Told
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import Mode, RunManifest, RunState, TradesFrom
from afterclose.errors import (
    AfterCloseError,
    BrokerUnavailable,
    ConfigError,
    ExitCode,
    LedgerElsewhere,
    RunAlreadySubmitted,
)
from afterclose.evening import run_files, unfinished
from afterclose.evening.books import session_lives
from afterclose.evening.desk import Desk
from afterclose.evening.journal import LOG, MANIFEST
from afterclose.settings import load
from afterclose.stages import submit
from e2e.netted_desk import Script, desk_at, gateway_at, make_market
from e2e.small_desk import ACCOUNT, EVENING, SESSION, TOMORROW
from integration.test_notifications import Channel

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
BUYS: dict[str, dict[str, tuple[int, int]]] = {"A": {"ESZ26": (0, 3)}, "B": {}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_market(tmp_path)
    return tmp_path


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A channel that every desk of this test tells."""
    served = Channel()
    monkeypatch.setenv("AFTERCLOSE_CHANNEL_PHONE", served.address)
    monkeypatch.setenv("AFTERCLOSE_NOTIFY__CHANNELS", '["phone"]')
    monkeypatch.setenv("AFTERCLOSE_NOTIFY__PAGE", "http://127.0.0.1:8765")
    yield served
    served.close()


def titles(channel: Channel) -> list[str]:
    heard = [str(h["title"]) for h in channel.heard]
    channel.heard.clear()
    return heard


async def test_each_act_tells_what_it_did_and_no_message_or_log_has_account_or_key(
    home: Path, channel: Channel
) -> None:
    texts: list[str] = []
    with gateway_at(home, "") as gateway:
        desk = desk_at(home, gateway, Script(home, BUYS))
        folder = await nightly.prepare(desk, SESSION)
        texts += [f"{h['title']} {h['message']}" for h in channel.heard]
        assert titles(channel) == [
            f"{SESSION}: prepared with 1 orders, 1 flagged",
            f"{SESSION}: waiting for your approval",
        ]
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    gone = replace(desk, clock=ManualClock(EVENING))  # the gateway's clock went with it
    with pytest.raises(BrokerUnavailable):
        await nightly.trade(gone, folder, on_event=lambda _: None)
    gone.ledger.close()  # type: ignore[attr-defined]
    texts += [f"{h['title']} {h['message']}" for h in channel.heard]
    assert titles(channel) == [f"{SESSION}: sending or following stopped"]

    with gateway_at(home, "") as gateway:
        desk = desk_at(home, gateway, Script(home, BUYS))
        await nightly.trade(desk, folder, on_event=lambda _: None)
        texts += [f"{h['title']} {h['message']}" for h in channel.heard]
        assert f"{SESSION}: 1 orders sent" in titles(channel)
        await asyncio.to_thread(gateway.advance_to, EVENING + timedelta(hours=5))
        await nightly.settle(desk, folder)
        texts += [f"{h['title']} {h['message']}" for h in channel.heard]
        assert titles(channel) == [f"{SESSION}: settled, 1 of 1 orders filled"]
        desk.ledger.close()  # type: ignore[attr-defined]

    log = (folder.path / LOG).read_text(encoding="utf-8")
    for secret in (ACCOUNT, "s3cret", channel.address):
        assert secret not in log
        assert not any(secret in text for text in texts)
    assert "s3cret" not in (home / "afterclose.toml").read_text(encoding="utf-8")
    assert all(text.endswith("\nhttp://127.0.0.1:8765") for text in texts)


async def test_a_gateway_that_is_lost_among_the_orders_is_told(home: Path) -> None:
    told: list[Notice] = []
    heard: list[AfterCloseError] = []
    with gateway_at(home, "[orders]\ndrop_before = [2]\n") as gateway:
        buys: dict[str, dict[str, tuple[int, int]]] = {
            "A": {"ESZ26": (0, 3)},
            "B": {"ZCZ26": (0, 1)},
        }
        desk: Desk = replace(desk_at(home, gateway, Script(home, buys)), tell=told.append)
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        told.clear()
        await nightly.trade(desk, folder, on_event=lambda _: None, on_lost=heard.append)
        desk.ledger.close()  # type: ignore[attr-defined]

    assert len(heard) == 1
    assert told[0].told is Told.PROBLEM
    assert told[0].title == f"{SESSION}: the gateway was lost while orders were sent"
    assert "'afterclose send' goes on" in told[0].text


async def test_a_gateway_that_is_lost_while_orders_are_followed_is_told_alike(home: Path) -> None:
    told: list[Notice] = []
    heard: list[AfterCloseError] = []
    with gateway_at(home, "[orders]\npartial_fills = { ES = 1 }\n") as gateway:
        desk: Desk = replace(desk_at(home, gateway, Script(home, BUYS)), tell=told.append)
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        await nightly.trade(desk, folder, on_event=lambda _: None)
        told.clear()

        async def until_it_breaks(orders: submit.Following) -> None:
            await asyncio.to_thread(gateway.drop_connections)
            await orders.final()  # two of three never fill: only the line can end this

        await nightly.watch(
            desk,
            folder,
            on_event=lambda _: None,
            on_lost=heard.append,
            follow=until_it_breaks,
        )
        desk.ledger.close()  # type: ignore[attr-defined]

    assert len(heard) == 1
    assert [(n.told, n.title) for n in told] == [
        (Told.PROBLEM, f"{SESSION}: the gateway was lost while orders were followed")
    ]
    assert "1 of 1 orders were not final" in told[0].text


async def test_a_quiet_evening_is_told_as_that(home: Path) -> None:
    told: list[Notice] = []
    with gateway_at(home, "") as gateway:
        desk: Desk = replace(
            desk_at(home, gateway, Script(home, {"A": {}, "B": {}})), tell=told.append
        )
        await nightly.prepare(desk, SESSION)
        desk.ledger.close()  # type: ignore[attr-defined]

    assert [notice.told for notice in told] == [Told.NOTHING]


def desk_folder(home: Path) -> Path:
    (home / "afterclose.toml").write_text(
        f'[desk]\naccount = "{ACCOUNT}"\n[data]\nstart_after_close_min = 65\n', encoding="utf-8"
    )
    return home


def test_an_evening_that_waits_for_late_markets_is_not_begun_a_second_time(tmp_path: Path) -> None:
    home = desk_folder(tmp_path)
    with FileLock(home / tonight_command.TONIGHT_LOCK):  # as the first one holds it
        second = CliRunner().invoke(app, ["tonight", "--desk", str(home)])

    assert isinstance(second.exception, RunAlreadySubmitted)
    assert second.exception.exit_code is ExitCode.REFUSED
    assert "waits for late markets" in str(second.exception)
    assert not (home / "runs").exists()


@pytest.mark.parametrize(
    ("state", "go"), [(RunState.STARTED, True), (RunState.PREPARED, False)], ids=str
)
def test_what_was_prepared_by_hand_in_the_meantime_is_not_prepared_again(
    tmp_path: Path, state: RunState, *, go: bool
) -> None:
    settings = load(desk_folder(tmp_path))
    session = date(2026, 11, 20)
    folder = RunFolder(settings.runs / f"{session}-0000aaaa")
    folder.path.mkdir(parents=True)
    folder.write_json(
        MANIFEST,
        RunManifest(
            run_id=folder.path.name, session=session, mode=Mode.PAPER, account=ACCOUNT,
            state=state, code_version="0", inputs_digest="0", trades_from=TradesFrom.ORDERS,
        ),
    )  # fmt: skip
    decision, past = tonight_command.decided(settings, datetime(2026, 11, 21, 1, tzinfo=UTC))

    assert (decision.session, decision.go) == (session, go)
    assert [e.session for e in past] == [session]


@pytest.mark.parametrize("hours", [23.1, 24.2], ids=["too late to trade", "the next one closed"])
def test_an_evening_that_waited_too_long_for_late_markets_is_told_as_missed(
    tmp_path: Path, channel: Channel, hours: float
) -> None:
    settings = load(desk_folder(tmp_path), {"data": {"start_after_close_min": 20 * 60}})
    close = datetime(2026, 11, 18, 22, tzinfo=UTC)  # four in the afternoon in Chicago
    now = close + timedelta(hours=hours)

    assert not tonight_command._still(settings, date(2026, 11, 18), now)

    (heard,) = channel.heard
    assert heard["title"] == "2026-11-18: missed"
    assert "it waited for late markets" in heard["message"]


def test_an_evening_that_breaks_off_is_told_whatever_it_was(
    tmp_path: Path, channel: Channel
) -> None:
    settings = load(desk_folder(tmp_path))
    with pytest.raises(ZeroDivisionError), tonight_command.told(settings, SESSION):
        _ = 1 / 0
    with pytest.raises(ConfigError), tonight_command.told(settings, SESSION):
        raise ConfigError(f"account {ACCOUNT}", hint="say which")
    with pytest.raises(OSError, match="No space"), tonight_command.told(settings, SESSION):
        raise OSError(errno.ENOSPC, "No space left on device", "runs/45-evening.json")

    *others, full = [h["message"].splitlines()[:-1] for h in channel.heard]
    assert others == [
        ["an error of ours: ZeroDivisionError"], ["account the account", "say which"],
    ]  # fmt: skip
    assert full[0] == "the disk cannot be used (No space left on device): runs/45-evening.json"
    assert full[1].startswith("make room")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[notify]\nevents = ["problem"]\n[audit]\nmax_deviaton = 0.1\n', "max_deviation"),
        (f'[desk]\naccount = "{ACCOUNT}\n', "is not valid TOML"),
        ('[notify]\nevents = ["problems"]\n', "notify.events"),
    ],
    ids=["a misspelled setting", "no TOML", "a mistake in [notify] itself"],
)
def test_settings_that_became_unusable_since_the_last_evening_are_told(
    tmp_path: Path, channel: Channel, settings: str, said: str
) -> None:
    (tmp_path / "afterclose.toml").write_text(settings, encoding="utf-8")

    done = CliRunner().invoke(app, ["tonight", "--desk", str(tmp_path)])

    assert isinstance(done.exception, ConfigError)
    (heard,) = channel.heard
    assert "the evening stopped" in heard["title"]
    assert said in heard["message"]
    assert ACCOUNT not in heard["message"]


async def test_an_old_evening_that_cannot_be_settled_is_told_and_does_not_stop_tonight(
    home: Path, channel: Channel
) -> None:
    with gateway_at(home, "[orders]\ndrop_after = [1]\n") as gateway:
        desk = desk_at(home, gateway, Script(home, BUYS))
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        known = await nightly.trade(desk, folder, on_event=lambda _: None)
        desk.ledger.close()  # type: ignore[attr-defined]
        channel.heard.clear()
        (folder.path / run_files.VIEW).write_text('{"of": "another version"}', encoding="utf-8")
        later = EVENING + timedelta(hours=1)
        await asyncio.to_thread(gateway.advance_to, later)
        await asyncio.to_thread(settle_earlier, home, ManualClock(later))

    assert [life.filled for life in known.values()] == [0], "the line broke before its fill"
    (heard,) = channel.heard
    assert heard["title"] == f"{TOMORROW}: an earlier evening is not settled"
    assert str(SESSION) in heard["message"]
    assert "Tonight is prepared all the same" in heard["message"]
    settings = load(home)
    ledger = open_ledger(settings)
    said = {f.code for f in unfinished.findings(settings.runs, ledger, TOMORROW)}
    (life,) = session_lives(ledger, SESSION).values()
    blocked = unfinished.doubtful(settings.runs, ledger, TOMORROW)
    ledger.close()
    assert (life.state, life.filled) == (OrderState.FILLED, 3), "what it did is kept all the same"
    assert (said, blocked) == ({"AC703"}, {})


def settle_earlier(home: Path, clock: ManualClock) -> None:
    settings = load(home)
    _, past = tonight_command.decided(settings, clock.now())
    patience = tonight_command._patience(settings, clock, clock.now())
    tonight_command._settle_earlier(home, settings, TOMORROW, past, patience, clock)


def test_a_gateway_is_waited_for_from_when_the_models_are_done_and_never_past_the_evening(
    tmp_path: Path,
) -> None:
    settings, clock = load(desk_folder(tmp_path)), ManualClock(EVENING)
    ends = EVENING + timedelta(hours=3)
    patience = tonight_command._patience(settings, clock, ends)
    two_hours_later = EVENING + timedelta(hours=2)

    assert patience.until(two_hours_later) == two_hours_later + timedelta(minutes=15)
    assert patience.until(ends - timedelta(minutes=1)) == ends


async def test_a_ledger_that_belongs_to_another_place_stops_the_evening(home: Path) -> None:
    with gateway_at(home, "") as gateway:
        desk = desk_at(home, gateway, Script(home, BUYS))
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        await nightly.trade(desk, folder, on_event=lambda _: None)
        desk.ledger.close()  # type: ignore[attr-defined]
        copied = home / "copy"
        copied.write_bytes((home / "ledger.sqlite").read_bytes())
        copied.replace(home / "ledger.sqlite")
        with pytest.raises(LedgerElsewhere, match="is a copy"):
            await asyncio.to_thread(settle_earlier, home, ManualClock(EVENING + timedelta(days=1)))


def a_folder(file: Path) -> None:
    file.mkdir()


def in_latin_1(file: Path) -> None:
    file.write_bytes(f'[desk]\naccount = "{ACCOUNT}"\nreviewer = "Zo\xeb"\n'.encode("latin-1"))


def not_ours_to_read(file: Path) -> None:
    file.write_text(f'[desk]\naccount = "{ACCOUNT}"\n', encoding="utf-8")
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user reads everything")


def gone_with_its_drive(file: Path) -> None:
    assert not file.exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (a_folder, "cannot be read: Is a directory"),
        (in_latin_1, "is no UTF-8 text"),
        (not_ours_to_read, "cannot be read: Permission denied"),
        (gone_with_its_drive, "is no desk"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has other words and other rights")
def test_settings_that_cannot_be_read_are_told_by_every_channel_we_know(
    tmp_path: Path,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    monkeypatch.delenv("AFTERCLOSE_NOTIFY__CHANNELS")  # a desk names its channels in the file
    spoil(tmp_path / "afterclose.toml")

    done = CliRunner().invoke(app, ["tonight", "--desk", str(tmp_path)])

    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
    (heard,) = channel.heard
    assert "the evening stopped" in heard["title"]
    assert said in heard["message"]
    assert ACCOUNT not in heard["message"]


def test_a_local_file_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, channel: Channel
) -> None:
    home = desk_folder(tmp_path)
    (home / "afterclose.local.toml").mkdir()

    done = CliRunner().invoke(app, ["tonight", "--desk", str(home)])

    assert isinstance(done.exception, ConfigError)
    (heard,) = channel.heard
    assert "afterclose.local.toml cannot be read" in heard["message"]


def test_a_ledger_that_is_down_is_told_before_the_evening_begins(
    tmp_path: Path, channel: Channel
) -> None:
    home = desk_folder(tmp_path)
    (home / "ledger.sqlite").write_text("no database", encoding="utf-8")

    done = CliRunner().invoke(app, ["tonight", "--desk", str(home)])

    assert isinstance(done.exception, AfterCloseError)
    (heard,) = channel.heard
    assert "the evening stopped" in heard["title"]
    assert "ledger" in heard["message"]
