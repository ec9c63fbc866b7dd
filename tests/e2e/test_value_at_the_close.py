"""A desk by itself takes its account's value at the close, and waits for the evening's start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_ledger
from afterclose.cli import tonight_command
from afterclose.clock import ManualClock
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import Mode, RunManifest, RunState, TradesFrom
from afterclose.evening.books import session_lives
from afterclose.evening.journal import MANIFEST
from afterclose.settings import load
from e2e.netted_desk import GatewayClock, Script, desk_at, gateway_at, make_market
from e2e.small_desk import ACCOUNT, SESSION, TOMORROW

pytestmark = [pytest.mark.slow]
#: Five minutes after the close in Chicago, the day after; and the start a source needs (120).
AT_THE_CLOSE = datetime(2026, 10, 22, 21, 5, tzinfo=UTC)
STARTS = datetime(2026, 10, 22, 23, 0, tzinfo=UTC)
BUYS: dict[str, dict[str, tuple[int, int]]] = {"A": {"ESZ26": (0, 3)}, "B": {}}


@dataclass
class Night:
    """The time as ``tonight`` sees it; what happens while it waits is the test's."""

    now: Callable[[], datetime]
    meanwhile: Callable[[], None]
    waited_for: list[datetime] = field(default_factory=list)

    def sleep_until(self, moment: datetime) -> None:
        self.waited_for.append(moment)
        self.meanwhile()


def prepared_by_hand(home: Path) -> None:
    """Leave tomorrow's evening as another command would: then nothing is prepared again."""
    folder = RunFolder(load(home).runs / f"{TOMORROW}-0000aaaa")
    folder.path.mkdir(parents=True)
    folder.write_json(
        MANIFEST,
        RunManifest(
            run_id=folder.path.name, session=TOMORROW, mode=Mode.PAPER, account=ACCOUNT,
            state=RunState.PREPARED, code_version="0", inputs_digest="0",
            trades_from=TradesFrom.ORDERS,
        ),
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_market(tmp_path)
    return tmp_path


async def sent(home: Path, gateway_clock: GatewayClock) -> RunFolder:
    desk = desk_at(home, gateway_clock.gateway, Script(home, BUYS))
    folder = await nightly.prepare(desk, SESSION)
    nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    await nightly.trade(desk, folder, on_event=lambda _: None)
    desk.ledger.close()  # type: ignore[attr-defined]
    return folder


def recorded(home: Path) -> dict[date, datetime]:
    """The first record of each session, which is the one that is compared."""
    ledger = open_ledger(load(home))
    try:
        navs = ledger.navs(ACCOUNT)
    finally:
        ledger.close()
    return {n.session: n.as_of for n in sorted(navs, key=lambda n: n.as_of, reverse=True)}


def test_the_day_after_is_settled_at_the_close_and_the_evening_waits_for_its_start(
    home: Path,
) -> None:
    with gateway_at(home, "") as gateway:
        clock = GatewayClock(gateway)
        folder = asyncio.run(sent(home, clock))
        gateway.advance_to(AT_THE_CLOSE)
        night = Night(clock.now, lambda: prepared_by_hand(home))
        tonight_command.run(home, night)

    assert night.waited_for == [STARTS]
    assert folder.read_json(MANIFEST, RunManifest).state is RunState.SETTLED
    assert recorded(home)[TOMORROW] < datetime(2026, 10, 22, 22, 0, tzinfo=UTC)  # Globex opens


def test_without_anything_to_settle_the_value_is_taken_all_the_same(home: Path) -> None:
    with gateway_at(home, "") as gateway:
        desk_at(home, gateway, Script(home)).ledger.close()  # type: ignore[attr-defined]
        gateway.advance_to(AT_THE_CLOSE)
        night = Night(GatewayClock(gateway).now, lambda: prepared_by_hand(home))
        tonight_command.run(home, night)

    assert list(recorded(home)) == [TOMORROW]


def test_an_order_that_still_works_at_the_close_keeps_its_evening_open(home: Path) -> None:
    with gateway_at(home, "[orders]\npartial_fills = { ES = 1 }") as gateway:
        clock = GatewayClock(gateway)
        folder = asyncio.run(sent(home, clock))
        night = Night(lambda: AT_THE_CLOSE, lambda: prepared_by_hand(home))
        tonight_command.run(home, night)
        ledger = open_ledger(load(home))
        (life,) = session_lives(ledger, SESSION).values()
        ledger.close()

    assert life.state is OrderState.PARTLY_FILLED
    assert folder.read_json(MANIFEST, RunManifest).state is RunState.SUBMITTED


def test_a_gateway_that_restarts_at_the_close_is_waited_for_and_the_value_taken(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway_at(home, "") as gateway:
        desk_at(home, gateway, Script(home)).ledger.close()  # type: ignore[attr-defined]
    clock, back = ManualClock(AT_THE_CLOSE), gateway_at(home, "", port=gateway.port)
    waited: list[datetime] = []

    def meanwhile() -> None:
        waited.append(night.waited_for[-1])
        clock.move(night.waited_for[-1])
        if len(waited) == 2:  # ten seconds later it listens again
            stack.enter_context(back)
            back.advance_to(clock.now())
        elif clock.now() == STARTS:
            prepared_by_hand(home)

    night = Night(clock.now, meanwhile)
    with ExitStack() as stack:
        tonight_command.run(home, night)

    said = capsys.readouterr().out
    assert "nobody listens" in said
    assert "the gateway is back, after 10 s" in said
    assert "tried again when the evening" not in said
    seconds = timedelta(seconds=5)
    assert night.waited_for == [AT_THE_CLOSE + seconds, AT_THE_CLOSE + 2 * seconds, STARTS]
    assert list(recorded(home)) == [TOMORROW]


def test_what_is_open_and_the_value_wait_together_for_a_gateway_that_stays_away(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway_at(home, "") as gateway:
        asyncio.run(sent(home, GatewayClock(gateway)))
    clock = ManualClock(AT_THE_CLOSE)

    def meanwhile() -> None:
        clock.sleep_until(night.waited_for[-1])
        if clock.now() == STARTS:
            prepared_by_hand(home)

    night = Night(clock.now, meanwhile)
    tonight_command.run(home, night)

    assert "it was waited for, for 15 min 0 s" in capsys.readouterr().out
    assert night.waited_for[-2:] == [AT_THE_CLOSE + timedelta(minutes=15), STARTS]


def test_a_gateway_that_is_down_at_the_close_is_told_and_the_start_waited_for(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_BROKER__EVENING_WAIT_MIN", "0")
    with gateway_at(home, "") as gateway:
        desk_at(home, gateway, Script(home)).ledger.close()  # type: ignore[attr-defined]
    night = Night(ManualClock(AT_THE_CLOSE).now, lambda: prepared_by_hand(home))

    tonight_command.run(home, night)

    said = capsys.readouterr().out
    assert "nobody listens" in said
    assert said.count("It is tried again when the evening is prepared.") == 1
    assert night.waited_for == [STARTS]
    assert recorded(home) == {}


def test_a_new_desk_has_nothing_to_settle_and_waits_for_its_first_evening(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "afterclose.toml").write_text(f'[desk]\naccount = "{ACCOUNT}"\n', encoding="utf-8")
    night = Night(lambda: AT_THE_CLOSE, lambda: prepared_by_hand(tmp_path))

    tonight_command.run(tmp_path, night)

    assert night.waited_for == [STARTS]
    assert "tried again" not in capsys.readouterr().out
