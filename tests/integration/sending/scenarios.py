"""Every fault of the paper gateway that can meet an order, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from types import MappingProxyType

from afterclose.stages.submit.sending import IN_FLIGHT
from integration.sending.desks import DESKS, make_orders, orders_of
from integration.sending.evenings import Evening, Outcome
from integration.sending.hand_evenings import HandEvening, Then
from integration.sending.hand_truth import Act

SCENARIOS: Mapping[str, str] = MappingProxyType(
    {
        "healthy": "",
        "unknown contract": '[contracts]\nunknown = ["CL"]',
        "ambiguous contract": '[contracts]\nambiguous = ["CL"]',
        "rejected (201)": '[orders]\nreject = { ES = "No trading permission." }',
        "held by a precaution": '[orders]\nhold = { ES = "Above the size limit." }',
        "partial fills": "[orders]\npartial_fills = { ES = 1, CL = 1, ZC = 1, ZN = 1 }",
        "no callback, first order": "[orders]\nno_callback = [1]",
        "no callback, second order": "[orders]\nno_callback = [2]",
        "line breaks before the first order": "[orders]\ndrop_before = [1]",
        "line breaks before the second order": "[orders]\ndrop_before = [2]",
        "line breaks after the first order": "[orders]\ndrop_after = [1]",
        "line breaks after the second order": "[orders]\ndrop_after = [2]",
        "read-only API (321)": "[orders]\nread_only = true",
        "callbacks twice": "[orders]\nduplicate_callbacks = true",
        "callbacks reversed": "[orders]\nreverse_callbacks = true",
        "callbacks twice and reversed": (
            "[orders]\nduplicate_callbacks = true\nreverse_callbacks = true"
        ),
        "callbacks late": "[orders]\nlate_callbacks_s = 0.1",
        "size limit (383)": "[orders]\nsize_limit = 2",
        "value limit (451)": "[orders]\nvalue_limit = 200000",
        "price limit (163)": "[orders]\nprice_limit_percent = 1.5",
        "price band (201)": "[orders]\nprice_band_percent = 1.0",
        "two orders for one, first": "[orders]\ndouble_perm_ids = [1]",
        "two orders for one, second": "[orders]\ndouble_perm_ids = [2]",
        "faults by chance": (
            "[chance]\nno_callback_percent = 8\ndrop_before_percent = 4\n"
            "drop_after_percent = 4\ndouble_perm_ids_percent = 4"
        ),
        "no end of the open orders": '[connection]\nmissing_end = ["openOrders"]',
        "no end of the completed orders": '[connection]\nmissing_end = ["completedOrders"]',
        "no end of the executions": '[connection]\nmissing_end = ["executions"]',
        "slow answers": "[connection]\nslow_answers_s = 0.05",
        "clock off by 90 s": "[connection]\nclock_skew_s = 90",
        "order numbers start again": "[connection]\nroll_back_ids = true",
        "servers lost (1100)": '[connection]\nconnectivity = "lost"',
        "servers back, data lost (1101)": '[connection]\nconnectivity = "restored, data lost"',
        "servers back, data kept (1102)": '[connection]\nconnectivity = "restored, data kept"',
        "line breaks after 8 messages": "[connection]\ndrop_after_messages = 8",
        "message rate 50 a second": "[connection]\nmessages_per_second = 50",
    }
)
#: Only here may orders stay unknown without a crash of ours: their bytes left this machine and the
#: line broke before the gateway had read them, so that nobody can say what became of them.
UNKNOWN_WITHOUT_CRASH = frozenset(
    {
        "line breaks before the first order",
        "line breaks before the second order",
        "line breaks after the second order",
        "faults by chance",
        "line breaks after 8 messages",
    }
)
#: Only here does the gateway refuse an order without keeping it in its book.
REFUSING = frozenset(
    {
        "unknown contract",
        "ambiguous contract",
        "read-only API (321)",
        "size limit (383)",
        "value limit (451)",
        "price limit (163)",
    }
)
#: Writes of an evening of three orders, to journal and wire, that can be the last.
JOURNAL_POINTS = 20
#: The same of an evening of each desk.
DESK_POINTS: Mapping[str, int] = MappingProxyType(
    {"worked": 45, "netted": 40, "other types": 25, "lone legs": 30, "everything": 60}
)
#: The same of an act by hand; how often each act meets a fault, with each thing done after it.
HAND_POINTS = 18
_HAND_EACH = 1
#: Evenings of each desk under each fault; more where orders fill while they are ended.
EACH_DESK = 8
_EACH_WITH_FILLS = 24
#: Both sendings under a fault may meet a broken line.
BREAKS = 2


def every_point() -> Iterator[tuple[str, Evening]]:
    """Three orders: every fault × a crash before and after every write."""
    for seed, (name, scenario) in enumerate(SCENARIOS.items()):
        orders = make_orders(3, seed=seed)
        yield name, Evening(scenario=scenario, orders=orders, seed=seed)
        for point in range(1, JOURNAL_POINTS + 1):
            for after in (False, True):
                yield (
                    name,
                    Evening(
                        scenario=scenario,
                        orders=orders,
                        crash_at=point,
                        crash_after=after,
                        seed=seed,
                    ),
                )


def larger(sizes: Mapping[int, int]) -> Iterator[tuple[str, Evening]]:
    """Evenings of each size, so many per fault, with crashes anywhere in them or nowhere."""
    draw = Random(9)
    for size, each in sizes.items():
        for name, scenario in SCENARIOS.items():
            for _ in range(each):
                seed = draw.randrange(1_000_000)
                yield (
                    name,
                    Evening(
                        scenario=scenario,
                        orders=make_orders(size, seed=seed),
                        crash_at=draw.randrange(size * 7),
                        crash_after=draw.random() < 0.5,
                        seed=seed,
                    ),
                )


def other_desks() -> Iterator[tuple[str, str, Evening]]:
    """What else a desk sends: every kind under every fault, with a crash drawn by its number.

    Against a healthy gateway each kind dies before and after every write.
    """
    number = 0
    for desk in DESKS:
        for point in range(1, DESK_POINTS[desk] + 1):
            for after in (False, True):
                number += 1
                yield "healthy", desk, of_desk(desk, "", number, crash_at=point, after=after)
        for name, scenario in SCENARIOS.items():
            for _ in range(_EACH_WITH_FILLS if name == "partial fills" else EACH_DESK):
                number += 1
                point = number * 7 % (DESK_POINTS[desk] + 1)
                after = number % 2 == 0
                yield name, desk, of_desk(desk, scenario, number, crash_at=point, after=after)


def of_desk(desk: str, scenario: str, number: int, *, crash_at: int, after: bool) -> Evening:
    """One evening of a desk of ``DESKS``."""
    return Evening(
        scenario=scenario,
        orders=orders_of(desk, seed=number),
        crash_at=crash_at,
        crash_after=after,
        seed=number,
        net=desk in {"netted", "everything"},
        followed=desk in {"worked", "lone legs", "everything"},
    )


def by_hand() -> Iterator[tuple[str, HandEvening]]:
    """Flattenings and rolls by hand, with each thing that a person may do after the crash.

    A crash before and after every write where the gateway is healthy and where it fills in parts;
    under the other faults one that is drawn by the evening's number. Left out are gateways that
    make two orders of one: what they trade too much no desk can know beforehand.
    """
    number = 0
    for name, scenario in SCENARIOS.items():
        healthy = name in {"healthy", "partial fills"}
        if name.startswith("two orders"):
            continue
        for act, then in product(Act, Then):
            points = range(1, HAND_POINTS + 1) if healthy else (None,) * _HAND_EACH
            for point, after in product(points, (False, True)):
                number += 1
                yield (
                    name,
                    HandEvening(
                        act=act,
                        scenario=scenario,
                        crash_at=number * 7 % (HAND_POINTS + 1) if point is None else point,
                        crash_after=after,
                        then=then,
                        fails=not healthy,
                    ),
                )


def doubts(name: str, evening: Evening, outcome: Outcome) -> list[str]:
    """Name every order left in doubt that need not be.

    A crash of ours may leave that one unknown on whose intent or bytes it came (``Fuse.victims``).
    A broken line may leave those that were without an answer. Where the gateway refuses without
    keeping the order, the refusals that a crash swallowed are also unknown. So is what the gateway
    holds until a person acts. Nothing else may be.
    """
    found: list[str] = []
    unknown = outcome.unknown - outcome.victims - outcome.held
    if name in UNKNOWN_WITHOUT_CRASH:
        if len(unknown) > BREAKS * IN_FLIGHT:
            found.append(f"{len(unknown)} unknown, more than can have been on their way")
    elif unknown and not (name in REFUSING and evening.crash_at):
        found.append(f"unknown without need: {', '.join(sorted(unknown))}")
    elif len(unknown) > IN_FLIGHT:
        found.append(f"{len(unknown)} refusals swallowed, more than can have been on their way")
    if outcome.refused and name not in REFUSING:
        found.append(f"said to be refused: {outcome.refused}")
    return found
