"""The commands of a person's hand, as a user meets them, on a desk with positions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from filelock import FileLock

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.cli import desk_commands
from afterclose.clock import ManualClock
from afterclose.domain.order_life import HELD
from afterclose.domain.orders import EventKind, OrderEvent
from afterclose.domain.runs import Mode, RunManifest, RunState, TradesFrom
from afterclose.domain.sending import Halt
from afterclose.evening.journal import DESK_LOCK, RunJournal
from afterclose.settings import load
from e2e.small_desk import ACCOUNT, EVENING, SESSION, TOMORROW, SmallDesk, make_small_desk
from make import make_order
from unit.tws_sim.sim_market import holding

pytestmark = pytest.mark.slow

#: The machine's clock decides the session of a flattening; the gateway's clock does not matter.
UNKNOWN = make_order(order_ref="small-20261021-BUY-ESZ26-O1", session=SESSION)
LOOKED_UP = make_order(order_ref="small-20261021-TF-ESZ26-O1", session=SESSION)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("hand"))


@pytest.fixture(scope="module")
def gateway(desk: SmallDesk) -> Iterator[tws_sim.RunningGateway]:
    with desk.gateway() as running:
        desk.configure(port=running.port)
        write_evening(desk.home)
        yield running


def write_evening(home: Path) -> None:
    """An evening whose one order nobody heard of again."""
    manifest = RunManifest(
        run_id="2026-10-21-0badcafe",
        session=SESSION,
        mode=Mode.PAPER,
        account=ACCOUNT,
        state=RunState.SUBMITTED,
        code_version="test",
        inputs_digest="0badcafe",
        trades_from=TradesFrom.ORDERS,
    )
    RunJournal.start(RunFolder(home / "runs" / manifest.run_id), manifest, ManualClock(EVENING))
    with closing(SqlLedger(load(home).ledger_url)) as ledger:
        ledger.record_orders("run", [UNKNOWN, LOOKED_UP])
        now = datetime(2026, 10, 21, 22, 10, tzinfo=UTC)
        for kind in (EventKind.INTENT, EventKind.ABSENT):
            seen = [
                OrderEvent(order_ref=o.order_ref, at=now, kind=kind) for o in (UNKNOWN, LOOKED_UP)
            ]
            ledger.append_events("run", seen)


def afterclose(desk: SmallDesk, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "afterclose", *arguments],
        cwd=desk.home,
        env={**os.environ},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in said
    assert "an error of ours" not in said
    return done.returncode, said


@pytest.mark.usefixtures("gateway")
def test_status_tells_the_truth_while_another_command_is_at_work(desk: SmallDesk) -> None:
    with FileLock(desk.home / DESK_LOCK):
        code, said = afterclose(desk, "status")

    assert code == 3
    assert f"{UNKNOWN.order_ref} BUY ESZ26 0 of 2 unknown" in " ".join(
        said.replace("│", " ").split()
    )


def test_status_tells_of_a_flattening_and_a_halt_before_any_evening_and_after_the_newest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = SmallDesk(tmp_path)
    home.configure(port=7497)
    by_hand = make_order(order_ref="small-20261022-ESZ26-F1", session=TOMORROW, model="(desk)")
    with closing(SqlLedger(load(tmp_path).ledger_url)) as ledger:
        ledger.record_halt(Halt(at=EVENING, by="Ann", reason="strange prices"))
        ledger.record_orders("flatten", [by_hand])
        seen = OrderEvent(order_ref=by_hand.order_ref, at=EVENING, kind=EventKind.INTENT)
        ledger.append_events("flatten", [seen])

    def told() -> str:
        with pytest.raises(typer.Exit, match="3"):  # its fate is not known
            desk_commands.status(tmp_path, "")
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    before = told()
    write_evening(tmp_path)
    after = told()

    assert "no evening was prepared yet" in before
    assert "2026-10-21-0badcafe: submitted, paper DU1234567" in after
    for said in (before, after):
        assert "HALTED 2026-10-21 22:05 UTC by Ann: strange prices" in said
        assert "small-20261022-ESZ26-F1 BUY ESZ26 0 of 2 sent" in said
    assert UNKNOWN.order_ref in after


def hold_and_look_again(desk: SmallDesk, *word: str) -> str:
    """Return what a person's word on an order is answered with while TWS still holds it."""
    now = datetime(2026, 10, 21, 22, 15, tzinfo=UTC)
    seen = OrderEvent(order_ref=LOOKED_UP.order_ref, at=now, kind=EventKind.STATUS, status=HELD)
    gone = OrderEvent(order_ref=LOOKED_UP.order_ref, at=now, kind=EventKind.ABSENT)
    with closing(SqlLedger(load(desk.home).ledger_url)) as ledger:
        ledger.append_events("run", [seen])
        code, said = afterclose(desk, "resolve", LOOKED_UP.order_ref, *word)
        ledger.append_events("run", [gone])
    assert code == 2
    return said


@pytest.mark.usefixtures("gateway")
def test_an_unknown_order_is_settled_by_a_persons_word_alone(desk: SmallDesk) -> None:
    code, said = afterclose(desk, "resolve", UNKNOWN.order_ref)
    assert code == 2
    assert "where you looked" in said
    word = ("--never-arrived", "--note", "TWS has no such order", "--by", "Ann")
    assert afterclose(desk, "resolve", UNKNOWN.order_ref, *word)[0] == 0
    code, said = afterclose(desk, "resolve", UNKNOWN.order_ref, *word)

    assert code == 2
    assert "is rejected, not unknown" in said
    assert afterclose(desk, "status")[0] == 3
    said = hold_and_look_again(desk, *word)
    assert "is at the broker: inactive, but among the open orders" in said
    found = ("--filled", "2", "--note", "the trade log of TWS", "--by", "Ann", "--price")
    code, said = afterclose(desk, "resolve", LOOKED_UP.order_ref, *found, "60.005")
    assert code == 2
    assert "60.005 is far from the order's limit 6000" in said
    code, said = afterclose(desk, "resolve", LOOKED_UP.order_ref, *found, "5999.75")
    assert code == 0, said
    assert "is filled: Ann says 2 of 2 filled: the trade log of TWS" in said
    code, said = afterclose(desk, "status")
    assert code == 0, said
    assert "2 of 2" in said


@pytest.mark.usefixtures("gateway")
def test_a_halt_stands_until_it_is_lifted(desk: SmallDesk) -> None:
    code, said = afterclose(desk, "halt", "--reason", "strange prices", "--by", "Ann")
    assert code == 0, said
    assert "0 working orders of this desk cancelled" in said
    assert "HALTED" in afterclose(desk, "status")[1]
    assert afterclose(desk, "halt", "--lift", "--by", "Ann")[0] == 0

    assert "HALTED" not in afterclose(desk, "status")[1]


@pytest.mark.usefixtures("gateway")
def test_flatten_without_a_choice_is_a_preview(desk: SmallDesk) -> None:
    code, said = afterclose(desk, "flatten")

    assert code == 0
    assert "A preview." in said
    code, said = afterclose(desk, "flatten", "--all", "--symbol", "ES")
    assert (code, "exclude each other" in said) == (2, True)
    code, said = afterclose(desk, "flatten", "--all", "--type", "STOP")
    assert (code, "no order type" in said) == (2, True)


def test_a_flattening_that_loses_the_gateway_says_how_to_go_on(tmp_path: Path) -> None:
    desk = make_small_desk(tmp_path)
    held = (holding("ES", "202612", 2, "6000"), holding("ZC", "202612", -1, "430"))
    with desk.gateway(scenario="[orders]\ndrop_after = [1]\n", held=held) as gateway:
        desk.configure(port=gateway.port)
        code, said = afterclose(desk, "flatten", "--all", "--send", "--yes", "2")

        assert code == 3
        assert "The gateway was lost on the way" in said
        assert "the same 'afterclose flatten' closes what is left" in said
        left = {p.root for p in gateway.positions()}
        assert left == {"ES", "ZC"} - {o.root for o in gateway.orders()}


@pytest.mark.usefixtures("gateway")
def test_a_roll_of_nothing_is_refused_with_a_word(desk: SmallDesk) -> None:
    code, said = afterclose(desk, "roll", "ES")

    assert (code, "holds nothing of ES" in said) == (2, True)
    assert afterclose(desk, "roll", "ES", "--type", "STOP")[0] == 2


def test_a_live_desk_does_not_start_without_every_limit(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(
        '[desk]\nmode = "live"\naccount = "U1234567"\n[broker]\nport = 7496\n'
        "[limits]\norders_per_evening = 60\n",
        encoding="utf-8",
    )
    code, said = afterclose(SmallDesk(tmp_path), "halt")

    assert code == 2
    assert "limits.quantity_per_order" in said
    assert "orders_per_evening" not in said
