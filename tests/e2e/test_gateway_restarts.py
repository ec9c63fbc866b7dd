"""A gateway that restarts just when an act begins is waited for; nothing leaves by the waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterclose import nightly, tws_sim
from afterclose.adapters.patience import Patience
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_desk
from afterclose.cli import desk_commands
from afterclose.clock import ManualClock
from afterclose.domain.sending import Halt
from afterclose.errors import AfterCloseError, ApprovalVoid, BrokerUnavailable, SafetyError
from afterclose.evening.desk import Desk
from afterclose.evening.journal import LOG
from afterclose.settings import load
from e2e.netted_desk import Script, desk_at, gateway_at, make_market
from e2e.small_desk import EVENING, SESSION
from ports import port_for_later

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
BUYS: dict[str, dict[str, tuple[int, int]]] = {"A": {"ESZ26": (0, 3)}, "B": {}}


@dataclass
class Night:
    """A desk and its gateway, which is away when an act begins and back after one pause."""

    home: Path
    open: ExitStack
    clock: ManualClock = field(default_factory=lambda: ManualClock(EVENING))
    gateway: tws_sim.RunningGateway | None = None
    #: Closed when the gateway goes.
    line: ExitStack = field(default_factory=ExitStack)

    def desk(self) -> Desk:
        """The desk, while its gateway listens."""
        self.gateway = self._listening(port_for_later())  # and nobody takes it while it is away
        script = Script(self.home, BUYS)
        desk_at(self.home, self.gateway, script).ledger.close()  # type: ignore[attr-defined]
        made = open_desk(load(self.home), self.clock, say=lambda _: None, runner=script)
        self.open.callback(made.ledger.close)  # type: ignore[attr-defined]
        return made

    def away(self, desk: Desk, meanwhile: Callable[[Desk], None] = lambda _desk: None) -> Desk:
        """The desk, whose gateway ends now and listens again while it is waited for."""
        assert self.gateway is not None
        port = self.gateway.port
        self.line.close()
        self.gateway = None

        async def pause(length: timedelta) -> None:
            self.gateway = await asyncio.to_thread(self._listening, port)
            self.clock.move(self.clock.now() + length)
            meanwhile(desk)

        return replace(desk, patience=Patience(longest=timedelta(hours=8), pause=pause))

    def _listening(self, port: int) -> tws_sim.RunningGateway:
        return self.line.enter_context(gateway_at(self.home, "", port=port))

    @property
    def orders(self) -> int:
        """How many orders the gateway that came back has; it must have come back."""
        assert self.gateway is not None
        return len(self.gateway.orders())


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    make_market(tmp_path)
    with ExitStack() as stack:
        made = Night(tmp_path, stack)
        with made.line:
            yield made


def said(folder: RunFolder, stage: str) -> list[str]:
    lines = (folder.path / LOG).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [e["message"] for e in events if e["event"] == "said" and e["stage"] == stage]


async def test_it_is_waited_for_by_every_act_and_each_order_is_sent_once(night: Night) -> None:
    desk = night.desk()
    folder = await nightly.prepare(night.away(desk), SESSION)
    nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    known = await nightly.trade(night.away(desk), folder, on_event=lambda _: None)
    sent = night.orders
    await nightly.settle(night.away(desk), folder)

    assert (len(known), sent) == (1, 1)
    for stage in ("snapshot", "submit", "settle"):
        waiting, back = said(folder, stage)
        assert waiting.startswith("nobody listens at 127.0.0.1")
        assert back == "the gateway is back, after 5 s"


def halted(desk: Desk) -> None:
    desk.ledger.record_halt(Halt(at=desk.clock.now(), by="Ann", reason="from elsewhere"))


def rejected(desk: Desk) -> None:
    """Another machine of this desk: its word is in the same ledger."""
    (folder,) = (RunFolder(path) for path in desk.settings.runs.iterdir())
    nightly.reject(desk, folder, reviewer="Bob", note="not tonight", rewrite=False)


def until(hour: int, minute: int) -> Callable[[Desk], None]:
    def goes_by(desk: Desk) -> None:
        assert isinstance(desk.clock, ManualClock)
        desk.clock.move(datetime(2026, 10, 22, hour, minute, tzinfo=UTC))

    return goes_by


@pytest.mark.parametrize(
    ("meanwhile", "refusal", "words"),
    [
        (halted, SafetyError, "halted"),
        (rejected, SafetyError, "rejected"),
        # The approval ends half an hour before the restart, which is at 23:45 in New York.
        (until(3, 20), ApprovalVoid, "expired at"),
        (until(3, 44), BrokerUnavailable, "nothing was begun"),
    ],
    ids=["a halt", "a rejection", "the approval's end", "the daily restart"],
)
async def test_what_may_no_longer_leave_when_it_is_back_stays_here(
    night: Night,
    meanwhile: Callable[[Desk], None],
    refusal: type[AfterCloseError],
    words: str,
) -> None:
    desk = night.desk()
    folder = await nightly.prepare(desk, SESSION)
    nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    with pytest.raises(refusal, match=words):
        await nightly.trade(night.away(desk, meanwhile), folder, on_event=lambda _: None)

    assert night.orders == 0
    assert desk.ledger.events(SESSION) == ()


@pytest.mark.parametrize(("chosen", "seconds"), [("", 20), ("7", 7), ("0", 0)])
def test_a_command_waits_as_long_as_the_settings_say(
    night: Night, monkeypatch: pytest.MonkeyPatch, chosen: str, seconds: int
) -> None:
    night.desk()
    if chosen:
        monkeypatch.setenv("AFTERCLOSE_BROKER__WAIT_S", chosen)
    with desk_commands.open_for_command(night.home) as desk:
        assert desk.patience.longest == timedelta(seconds=seconds)


async def test_a_login_to_another_account_is_not_waited_for(night: Night) -> None:
    desk = night.desk()
    other = desk.settings.desk.model_copy(update={"account": "DU7654321"})
    settings = desk.settings.model_copy(update={"desk": other})
    paused: list[timedelta] = []

    async def pause(length: timedelta) -> None:
        paused.append(length)

    patience = Patience(longest=timedelta(minutes=1), pause=pause)
    with pytest.raises(SafetyError, match="does not serve account DU7654321"):
        async with open_desk(settings, night.clock, say=print, patience=patience).reader():
            pass

    assert paused == []
