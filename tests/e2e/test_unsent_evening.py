"""An evening that is settled although nothing of it was sent: it can still be decided and sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from afterclose import nightly, tws_sim
from afterclose.artifacts import RunFolder
from afterclose.cli.desk_commands import standing_line
from afterclose.clock import ManualClock
from afterclose.domain.notices import Notice, Told
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import RunManifest, RunState
from afterclose.errors import BrokerError, BrokerUnavailable
from afterclose.evening import run_files
from afterclose.evening.desk import Desk
from afterclose.evening.dispatch import approved_now
from afterclose.evening.journal import MANIFEST, RunJournal
from afterclose.evening.settling import unsent
from e2e.netted_desk import Script, desk_at, gateway_at, make_market, prepared_and_sent
from e2e.small_desk import EVENING, SESSION

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_market(tmp_path)
    return tmp_path


@pytest.fixture
def gateway(home: Path) -> Iterator[tws_sim.RunningGateway]:
    with gateway_at(home, "") as gateway:
        yield gateway


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
def desk(home: Path, gateway: tws_sim.RunningGateway, told: list[Notice]) -> Iterator[Desk]:
    desk = desk_at(home, gateway, Script(home, {"A": {"ESZ26": (0, 3)}, "B": {}}))
    yield replace(desk, tell=told.append)
    desk.ledger.close()  # type: ignore[attr-defined]


def state(folder: RunFolder) -> RunState:
    return folder.read_json(MANIFEST, RunManifest).state


def outcomes(folder: RunFolder) -> str:
    page = (folder.path / run_files.REPORT).read_text(encoding="utf-8")
    return page.partition('id="outcomes"')[2][:600]


async def test_it_says_so_stays_what_it_was_and_can_be_approved_and_sent_afterwards(
    desk: Desk, gateway: tws_sim.RunningGateway, told: list[Notice]
) -> None:
    folder = await nightly.prepare(desk, SESSION)
    await nightly.settle(desk, folder)
    assert state(folder) is RunState.PREPARED
    assert unsent(desk, folder) == "nothing was sent: not approved, 1 cleared orders"
    assert "NOTHING SENT" in outcomes(folder)

    nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    await nightly.settle(desk, folder)
    assert state(folder) is RunState.APPROVED
    assert unsent(desk, folder).startswith(
        "nothing was sent: 1 approved orders, and the approval ends 2026-10-2"
    )
    titles = [notice.title for notice in told]
    assert any("nothing was sent: 1 approved orders" in title for title in titles)
    assert not any("settled" in title for title in titles)
    assert Told.FILLED not in {notice.told for notice in told}

    await nightly.trade(desk, folder, on_event=lambda _: None)
    assert state(folder) is RunState.SUBMITTED
    await asyncio.to_thread(gateway.advance_to, EVENING + timedelta(hours=5))
    await nightly.settle(desk, folder)
    assert state(folder) is RunState.SETTLED
    assert unsent(desk, folder) == ""
    assert "NOTHING SENT" not in outcomes(folder)
    assert [(o.action, int(o.quantity)) for o in gateway.orders()] == [("BUY", 3)]


async def test_an_order_that_was_held_back_keeps_the_evening_open_until_it_can_leave_no_more(
    home: Path, gateway: tws_sim.RunningGateway, told: list[Notice]
) -> None:
    wishes = {"A": {"ESZ26": (0, 3)}, "B": {"ZCZ26": (0, 1)}}
    made = desk_at(home, gateway, Script(home, wishes))
    limits = made.settings.limits.model_copy(update={"quantity_per_order": 2})
    settings = made.settings.model_copy(update={"limits": limits})
    desk = replace(made, settings=settings, tell=told.append)
    folder = await prepared_and_sent(desk, SESSION)
    assert [o.action for o in gateway.orders()] == ["BUY"], "the three of A are too many"
    await asyncio.to_thread(gateway.advance_to, EVENING + timedelta(hours=5))
    early = await nightly.settle(desk, folder)
    assert not early.settled, "its approval holds: 'afterclose send' looks at it again"
    assert state(folder) is RunState.SUBMITTED

    await asyncio.to_thread(gateway.advance_to, EVENING + timedelta(hours=24))
    late = await nightly.settle(desk, folder)
    desk.ledger.close()  # type: ignore[attr-defined]

    assert late.settled
    assert state(folder) is RunState.SETTLED
    (unsent_one,) = [o for o in late.outcomes if o.never_sent]
    assert "held back" in unsent_one.text
    assert "held back" in outcomes(folder)
    assert "never sent" in outcomes(folder)


async def test_who_sends_hears_of_a_gateway_that_went_in_the_middle(home: Path) -> None:
    wishes = {"A": {"ESZ26": (0, 3)}, "B": {"ZCZ26": (0, 1)}}
    lost: list[BrokerError] = []
    with gateway_at(home, "[orders]\ndrop_after = [1]") as gateway:
        desk = desk_at(home, gateway, Script(home, wishes))
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        known = await nightly.trade(desk, folder, on_event=lambda _: None, on_lost=lost.append)
        desk.ledger.close()  # type: ignore[attr-defined]

    assert len(lost) == 1
    assert OrderState.INTENDED in {life.state for life in known.values()}


async def test_preparing_again_in_vain_takes_no_approval_away(home: Path) -> None:
    with gateway_at(home, "") as gateway:
        made = desk_at(home, gateway, Script(home, {"A": {"ESZ26": (0, 3)}, "B": {}}))
        desk = replace(made, clock=ManualClock(EVENING))  # it goes on without a gateway
        folder = await nightly.prepare(desk, SESSION)
        yes = nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
    with pytest.raises(BrokerUnavailable):
        await nightly.prepare(desk, SESSION)  # nobody listens there any more
    again = RunJournal.resume(folder, desk.clock, to=RunState.SUBMITTED)
    (held, _) = approved_now(desk, folder)
    desk.ledger.close()  # type: ignore[attr-defined]

    assert again.manifest.state is RunState.APPROVED
    assert [s.name for s in again.manifest.stages if s.status == "failed"] == ["snapshot"]
    assert held.order_refs == yes.order_refs
    assert standing_line(again.manifest, yes, yes.at).endswith("Next: afterclose send")


async def test_a_rejected_evening_stays_rejected_and_a_quiet_one_has_no_trades(
    home: Path, gateway: tws_sim.RunningGateway, desk: Desk
) -> None:
    folder = await nightly.prepare(desk, SESSION)
    nightly.reject(desk, folder, reviewer="Ann", note="not today")
    await nightly.settle(desk, folder)
    assert state(folder) is RunState.REJECTED
    assert unsent(desk, folder) == "nothing was sent: rejected by Ann"

    quiet = desk_at(home, gateway, Script(home, {"A": {}, "B": {}}))
    folder = await nightly.prepare(quiet, SESSION)
    await nightly.settle(quiet, folder)
    quiet.ledger.close()  # type: ignore[attr-defined]
    assert state(folder) is RunState.NO_TRADES
    assert unsent(quiet, folder) == "nothing was sent: the models trade nothing"
