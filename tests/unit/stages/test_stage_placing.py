"""How and when orders go: by the settings, and by what the contract takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from afterclose.domain.findings import Severity
from afterclose.domain.orders import BasketOrder
from afterclose.domain.placing import LegLimit, LoneLeg, OrderType, Repricing, StartWhen
from afterclose.stages.placing import PlacingRules, place
from make import NOW, make_exit, make_order, make_qualified

BUY = make_order()
EXIT = make_exit()
#: NOW is 16:10 in Chicago on Thursday the 19th: Globex opens again at 17:00.
HOURS = "20261118:1700-20261119:1600;20261119:1700-20261120:1600;20261121:CLOSED"
LIQUID = "20261119:0830-20261119:1500;20261120:0830-20261120:1500"
TYPES = ("LMT", "MKT", "GAT", "GTD")


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def placed(
    order: BasketOrder, rules: PlacingRules, *, now: datetime = NOW, **facts: Any
) -> tuple[BasketOrder, list[tuple[str, Severity]]]:
    qualified = make_qualified(
        **{"trading_hours": HOURS, "liquid_hours": LIQUID, "order_types": TYPES, **facts}
    )
    made = place([order], {order.contract: qualified}, rules, now=now)
    return made.orders[0], [(f.code, f.severity) for f in made.notes[order.order_ref]]


def test_by_default_a_limit_order_goes_now_and_in_all_hours() -> None:
    order, said = placed(BUY, PlacingRules())

    assert (order.order_type, order.tif, order.good_after, order.outside_rth, said) == (
        "LMT",
        "DAY",
        None,
        True,
        [],
    )
    assert order.start_text == "now, all hours"


def test_the_next_open_is_that_of_the_next_session() -> None:
    order, _ = placed(BUY, PlacingRules(start=StartWhen.NEXT_OPEN))

    assert (order.good_after, order.good_till, order.tif) == (utc(19, 23), None, "DAY")
    assert order.start_text == "2026-11-19 23:00 UTC, all hours"


def test_a_session_that_still_runs_is_waited_out_and_the_order_ends_with_the_next() -> None:
    """In the session of the 19th the next open is that evening's; a day order would end before."""
    order, _ = placed(BUY, PlacingRules(start=StartWhen.NEXT_OPEN), now=utc(19, 20))

    assert (order.tif, order.good_after, order.good_till) == ("GTD", utc(19, 23), utc(20, 22))
    assert order.start_text == "2026-11-19 23:00 to 2026-11-20 22:00 UTC, all hours"


def test_the_day_session_is_that_of_the_market_and_may_be_chosen_for_one_alone() -> None:
    rules = PlacingRules(start_by_root={"ES": StartWhen.DAY_SESSION})
    order, _ = placed(BUY, rules)

    assert (order.good_after, order.outside_rth, order.tif) == (utc(20, 14, 30), False, "DAY")
    assert order.start_text == "2026-11-20 14:30 UTC, day session"
    other, _ = placed(BUY, PlacingRules(start_by_root={"ZC": StartWhen.DAY_SESSION}))
    assert other.good_after is None


@pytest.mark.parametrize(
    "facts",
    [
        {"trading_hours": ""},
        {"liquid_hours": ""},
        {"time_zone": ""},
        {"order_types": ("LMT", "MKT")},
        {"liquid_hours": "20261119:0830-20261119:1500"},
    ],
)
def test_a_start_that_cannot_be_told_blocks_what_opens_and_lets_go_what_closes(
    facts: dict[str, Any],
) -> None:
    rules = PlacingRules(start=StartWhen.DAY_SESSION)
    order, said = placed(BUY, rules, **facts)
    leaving, shown = placed(EXIT, rules, **facts)

    assert (order.good_after, said) == (None, [("AC318", Severity.BLOCK)])
    assert (leaving.good_after, shown) == (None, [("AC318", Severity.WARN)])


def test_an_unknown_contract_has_no_start_and_keeps_the_type_that_is_wanted() -> None:
    rules = PlacingRules(start=StartWhen.NEXT_OPEN, entry=OrderType.ADAPTIVE)
    made = place([BUY], {}, rules, now=NOW)

    assert made.orders[0].order_type == "ADAPTIVE"
    assert [f.code for f in made.notes[BUY.order_ref]] == ["AC318"]


def test_exits_have_a_type_of_their_own() -> None:
    rules = PlacingRules(entry=OrderType.LMT, exit=OrderType.MKT)

    assert placed(BUY, rules)[0].order_type == "LMT"
    assert placed(EXIT, rules)[0].order_type == "MKT"


@pytest.mark.parametrize(
    ("wanted", "word"),
    [(OrderType.MOC, "MOC"), (OrderType.ADAPTIVE, "ALGO"), (OrderType.VWAP, "ALGO")],
)
def test_a_type_that_the_contract_does_not_take_becomes_a_limit_and_is_said(
    wanted: OrderType, word: str
) -> None:
    rules = PlacingRules(entry=wanted)
    order, said = placed(BUY, rules)
    taken, nothing = placed(BUY, rules, order_types=(*TYPES, word))

    assert (order.order_type, said) == ("LMT", [("AC317", Severity.INFO)])
    assert (taken.order_type, nothing) == (wanted.value, [])


def test_an_order_for_the_close_has_a_time_of_its_own() -> None:
    rules = PlacingRules(exit=OrderType.MOC, start=StartWhen.DAY_SESSION)
    order, said = placed(EXIT, rules, order_types=(*TYPES, "MOC"))

    assert (order.good_after, order.outside_rth, order.start_text, said) == (
        None,
        False,
        "at the close",
        [],
    )


def test_how_a_limit_is_worked_and_a_lone_leg_ends_are_part_of_the_order() -> None:
    rules = PlacingRules(
        repricing=Repricing(ticks=2, times=3, every_s=60),
        leg=LegLimit(alone_s=600, then=LoneLeg.MARKET),
    )
    roll = make_order(roll_pair="desk-20261119-TF-ESH27-O1")

    assert placed(BUY, rules)[0].worked_text == "to 6001.50: 3 × 2 ticks, each 60 s"
    worked = placed(roll, rules)[0]
    assert worked.worked_text.endswith("; other leg alone 600 s: market")
    assert (placed(BUY, rules)[0].attempts, worked.attempts) == (3, 4)
    assert (
        placed(BUY, PlacingRules(entry=OrderType.MKT, repricing=rules.repricing))[0].attempts == 0
    )
