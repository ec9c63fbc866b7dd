"""Restarts: nothing is begun that would run into one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterclose.errors import BrokerUnavailable
from afterclose.stages.submit.windows import Window, require_clear, sends_until

RESTART = Window(
    begins=datetime(2026, 11, 20, 4, 45, tzinfo=UTC),
    ends=datetime(2026, 11, 20, 5, 45, tzinfo=UTC),
    what="the gateway restarts",
)
TWO_MINUTES = timedelta(minutes=2)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("now", [at(4, 43), at(4, 45), at(5, 44)])
def test_nothing_is_begun_shortly_before_a_restart_nor_while_it_lasts(now: datetime) -> None:
    with pytest.raises(BrokerUnavailable, match="restarts, 2026-11-20 04:45 to 05:45 UTC"):
        require_clear([RESTART], now, TWO_MINUTES)


@pytest.mark.parametrize("now", [at(4, 42), at(5, 45)])
def test_before_and_after_it_sending_begins(now: datetime) -> None:
    require_clear([RESTART], now, TWO_MINUTES)


def test_orders_are_begun_until_shortly_before_the_next_restart() -> None:
    assert sends_until([RESTART], at(4, 0), TWO_MINUTES) == at(4, 43)
    assert sends_until([RESTART], at(5, 0), TWO_MINUTES) is None
    assert sends_until([], at(4, 0), TWO_MINUTES) is None
