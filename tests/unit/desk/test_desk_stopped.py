"""Ctrl-C, a full disk, a folder with odd letters: what is said when an evening goes wrong."""

from __future__ import annotations

import asyncio
import errno
import shlex
import signal
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import typer

from afterclose.cli.app import Commands
from afterclose.cli.desk_commands import (
    no_trades_line,
    orders_may_be_out,
    show_what_stays,
    standing_line,
)
from afterclose.cli.disk import disk_text
from afterclose.cli.hand_commands import rehearsal_shown
from afterclose.cli.init_command import change_folder
from afterclose.cli.terminal import console, ctrl_c_at_once
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderState
from afterclose.domain.runs import RunState
from afterclose.errors import BrokerError, BrokerUnavailable, Stopped
from afterclose.evening.dispatch import Rehearsal
from afterclose.stages.submit import Departure
from make import ACCOUNT, NOW, make_order
from unit.report.make_view import make_view

MANIFEST = make_view().manifest
YES = Approval(
    run_id=MANIFEST.run_id,
    digest="f00d",
    account=ACCOUNT,
    reviewer="Ann",
    at=NOW,
    expires_at=NOW + timedelta(hours=12),
    order_refs=("a", "b"),
)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, typer.Abort], ids=["Ctrl-C", "no answer"])
def test_who_stops_a_command_is_told_that_it_can_be_repeated(ending: type[BaseException]) -> None:
    app = typer.Typer(cls=Commands)

    @app.command()
    def work() -> None:
        raise ending

    @app.command()
    def other() -> None:
        return

    with pytest.raises(Stopped, match="stopped by you") as caught:
        app(["work"])
    assert int(caught.value.exit_code) == 130  # as shells have it for SIGINT
    assert "run the same command again" in caught.value.hint


def test_who_stops_a_sending_is_told_that_orders_stay_out() -> None:
    with pytest.raises(Stopped) as caught, orders_may_be_out():
        raise KeyboardInterrupt
    for word in ("stay out", "afterclose status", "afterclose send", "afterclose halt"):
        assert word in caught.value.hint


def test_ctrl_c_does_not_wait_until_a_computation_pauses() -> None:
    computed = []

    async def compute() -> None:
        signal.raise_signal(signal.SIGINT)
        computed.append("on without a pause")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c_at_once():
        asyncio.run(compute())
    assert computed == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_disk_that_is_full_is_named_with_its_file() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "runs/x/45-evening.json")

    assert disk_text(full) == (
        "the disk cannot be used (No space left on device): runs/x/45-evening.json"
    )


def test_brackets_in_a_folder_s_name_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("report  [bold] desk/x [red]/50-review.html")

    assert capsys.readouterr().out == "report  [bold] desk/x [red]/50-review.html\n"


def test_the_next_command_can_be_pasted_whatever_the_folder_is_called() -> None:
    odd = Path("/home/Händler/my 'desk' & co")

    assert shlex.split(change_folder(odd)) == ["cd", str(odd)]
    assert change_folder(Path("desk")) == "cd desk"


def test_a_dry_run_after_the_sending_says_so_instead_of_an_empty_table() -> None:
    (line,) = rehearsal_shown(Rehearsal(leaving=(), crossing=(), models={}), {})

    assert line == "Nothing would go: every approved order has left before. Nothing was sent."


def test_a_dry_run_shows_nothing_as_going_while_something_stops_all_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leaving = (Departure(order=make_order(), qualified=None),)
    gap = "the broker's book could not be read whole: no end of open orders"
    stopped = Rehearsal(leaving=leaving, crossing=(), models={}, stopped=gap)

    def said(rehearsal: Rehearsal) -> str:
        for shown in rehearsal_shown(rehearsal, {}):
            console().print(shown, soft_wrap=isinstance(shown, str))
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    told = said(stopped)
    assert f"NOTHING WOULD GO NOW: {gap}." in told
    assert " goes " not in told
    assert "1 orders would go, 0 would stay" not in told
    assert " goes " in said(replace(stopped, stopped=""))


@pytest.mark.parametrize(
    ("state", "decision", "said"),
    [
        (RunState.STARTED, None, "not prepared to its end: 'afterclose run' begins it again"),
        (RunState.PREPARED, None, "to be decided: afterclose approve, or reject"),
        (RunState.NO_TRADES, None, "nothing to decide"),
        (RunState.REJECTED, replace(YES, order_refs=(), note="odd"), "rejected by Ann: odd"),
    ],
    ids=lambda value: value.value if isinstance(value, RunState) else None,
)
def test_status_says_who_decided_and_what_is_next(
    state: RunState, decision: Approval | None, said: str
) -> None:
    assert standing_line(replace(MANIFEST, state=state), decision, NOW) == said


def test_status_says_how_long_a_yes_holds_and_when_it_is_over() -> None:
    approved, later = replace(MANIFEST, state=RunState.APPROVED), NOW + timedelta(hours=13)

    assert standing_line(approved, YES, NOW).endswith("Next: afterclose send")
    assert "2 orders approved by Ann, until" in standing_line(approved, YES, NOW)
    assert "but only until" in standing_line(approved, YES, later)
    assert standing_line(approved, YES, later).endswith("Next: afterclose approve, again")
    again = replace(MANIFEST, state=RunState.PREPARED)
    assert standing_line(again, YES, NOW).startswith("prepared again after Ann decided at")
    sent = replace(MANIFEST, state=RunState.SUBMITTED)
    assert "Next" not in standing_line(sent, YES, NOW)


def test_an_evening_prepared_again_after_its_sending_says_what_has_left() -> None:
    evening = date(2026, 11, 27)

    assert no_trades_line(evening, 0) == "No trades tonight (2026-11-27): nothing to approve."
    assert "4 orders of it left before" in no_trades_line(evening, 4)


@pytest.mark.parametrize(
    ("state", "lost", "code"),
    [
        (OrderState.INTENDED, [BrokerUnavailable("the line broke")], 3),
        (OrderState.WORKING, [BrokerUnavailable("the line broke")], 3),
        (OrderState.INTENDED, [], 1),
    ],
)
def test_a_sending_that_lost_its_gateway_ends_with_the_code_of_what_is_down(
    state: OrderState, lost: list[BrokerError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        show_what_stays([OrderLife(order=make_order(), state=state)], lost)

    said = capsys.readouterr().out
    assert ended.value.exit_code == code
    assert ("1 orders were not sent" in said) is (state is OrderState.INTENDED)
    assert ("lost on the way: the line broke" in said) is bool(lost)


def test_a_sending_of_which_nothing_stays_ends_well() -> None:
    show_what_stays([OrderLife(order=make_order(), state=OrderState.WORKING)], [])
