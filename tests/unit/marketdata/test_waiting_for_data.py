"""``afterclose update --wait``: late markets are asked for again, and not for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from afterclose.adapters.marketdata.freshness import Freshness, MarketFreshness
from afterclose.adapters.marketdata.update import StoreUpdate
from afterclose.cli.data_update import Asked, ask_until
from afterclose.clock import ManualClock
from afterclose.errors import AfterCloseError, BrokerUnavailable, SourceUnavailable

TONIGHT, BEFORE = date(2026, 11, 19), date(2026, 11, 18)
CLOSE = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)


def asked(*late: str, failed: str = "") -> Asked:
    states = [
        MarketFreshness(
            root=root,
            status=Freshness.LATE if root in late else Freshness.FRESH,
            session=TONIGHT,
            expected=TONIGHT,
            newest=BEFORE if root in late else TONIGHT,
            behind=(),
            calendar="CMES",
        )
        for root in ("CL", "ES", "ZC")
    ]
    update = StoreUpdate(
        session=TONIGHT,
        roots=(),
        revisions=(),
        rates=0,
        without_rates=(),
        failed={failed: "no answer"} if failed else {},
    )
    return Asked(update, states)


class Evening:
    """Answers in turn, on a clock that the pauses move."""

    def __init__(self, *answers: Asked | AfterCloseError) -> None:
        self.answers = list(answers)
        self.clock = ManualClock(CLOSE)
        self.waited_for: list[tuple[str, ...]] = []

    def ask(self) -> Asked:
        answer = self.answers.pop(0)
        if isinstance(answer, AfterCloseError):
            raise answer
        return answer

    def pause(self, length: timedelta, missing: Sequence[str]) -> None:
        self.waited_for.append(tuple(missing))
        self.clock.move(self.clock.now() + length)

    def wait(self, longest: timedelta) -> Asked:
        return ask_until(self.ask, clock=self.clock, wait=longest, pause=self.pause)


def test_late_markets_are_asked_for_again_until_they_are_there() -> None:
    evening = Evening(asked("CL", "ZC"), asked("ZC"), asked())

    assert evening.wait(timedelta(hours=3)).missing() == ()
    assert evening.waited_for == [("CL", "ZC"), ("ZC",)]
    assert evening.clock.now() == CLOSE + timedelta(minutes=20)


def test_nothing_is_waited_for_when_nothing_is_late_or_no_wait_was_asked_for() -> None:
    assert Evening(asked()).wait(timedelta(hours=3)).missing() == ()
    evening = Evening(asked("CL"))
    assert evening.wait(timedelta()).missing() == ("CL",)
    assert evening.waited_for == []


def test_a_wait_ends_and_what_is_still_late_is_said() -> None:
    evening = Evening(*(asked("CL") for _ in range(10)))

    assert evening.wait(timedelta(minutes=35)).missing() == ("CL",)
    assert len(evening.waited_for) == 3


def test_a_source_that_does_not_answer_is_asked_again_and_told_of_in_the_end() -> None:
    down = SourceUnavailable("the updater does not answer", hint="start it")
    evening = Evening(down, BrokerUnavailable("restarting"), asked())
    assert evening.wait(timedelta(hours=1)).missing() == ()
    assert evening.waited_for == [("the updater does not answer",), ("restarting",)]

    with pytest.raises(SourceUnavailable, match="does not answer"):
        Evening(down, down, down).wait(timedelta(minutes=20))
    with pytest.raises(SourceUnavailable, match="does not answer"):
        Evening(down).wait(timedelta())


def test_a_market_of_which_the_source_gave_nothing_at_all_is_late() -> None:
    assert asked(failed="NKD").missing() == ("NKD",)
    assert asked("CL", failed="CL").missing() == ("CL",)


def test_a_market_that_has_no_close_on_a_holiday_is_not_waited_for() -> None:
    fresh = asked()
    holiday = [replace(s, status=Freshness.NO_CLOSE, newest=BEFORE) for s in fresh.states]
    evening = Evening(replace(fresh, states=holiday))

    assert evening.wait(timedelta(hours=3)).missing() == ()
    assert evening.waited_for == []
