"""What changed in a past that was already over, and why."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from afterclose.adapters.zipline.drift import (
    CHANGES_FILE,
    PastRun,
    Revised,
    compare_histories,
    write_changes,
)
from afterclose.adapters.zipline.tables import RunTables
from afterclose.domain.history import Cause, Changed, HistoryChange, HistoryDrift

DAYS = [date(2020, 3, day) for day in (4, 5, 6, 9)]
Fill = tuple[int, str, int, float]
FILLS: tuple[Fill, ...] = ((5, "ESH20", 2, 3000.25), (6, "CLJ20", -1, 41.5))
VALUES = (1e6, 1.01e6, 1.02e6)
FACTS = {"model_digest": "a", "pandas": "2.3.3"}


def run(
    *,
    fills: tuple[Fill, ...] = FILLS,
    values: tuple[float, ...] = VALUES,
    days: list[date] = DAYS,
    held: tuple[tuple[int, str, int, float], ...] = (),
    facts: dict[str, Any] = FACTS,
    order_id: str = "1",
) -> PastRun:
    days = days[: len(values)]
    moments = [pd.Timestamp(2020, 3, fill[0], 21, tz="UTC") for fill in fills]
    return PastRun(
        model="TF",
        last_session=days[-1],
        facts=facts,
        tables=RunTables(
            fills=pd.DataFrame(
                {
                    "close_at": pd.DatetimeIndex(moments, tz="UTC"),
                    "symbol": [fill[1] for fill in fills],
                    "amount": [fill[2] for fill in fills],
                    "price": [fill[3] for fill in fills],
                    "order_id": order_id,
                }
            ),
            holdings=pd.DataFrame(
                {
                    "session": pd.DatetimeIndex([pd.Timestamp(2020, 3, row[0]) for row in held]),
                    "symbol": [row[1] for row in held],
                    "amount": [row[2] for row in held],
                    "last_price": [row[3] for row in held],
                }
            ),
            days=pd.DataFrame({"session": pd.DatetimeIndex(days), "portfolio_value": list(values)}),
        ),
    )


def changes(before: PastRun, after: PastRun, revised: Revised | None = None) -> list[HistoryChange]:
    return list(compare_histories(before, after, revised=revised)[1])


def summary(before: PastRun, after: PastRun, revised: Revised | None = None) -> HistoryDrift:
    return compare_histories(before, after, revised=revised)[0]


OTHER_FILL = ((5, "ESH20", 3, 3000.25), (6, "CLJ20", -1, 41.5))


def test_a_new_session_is_no_change_of_the_past() -> None:
    tonight = run(values=(*VALUES, 1.03e6), fills=(*FILLS, (9, "ESH20", -2, 2746.5)))

    drift = summary(run(), tonight)

    assert drift.clean
    assert drift.since == DAYS[2]
    assert drift.digest == ""


def test_another_fill_and_what_came_of_it_are_listed_from_the_oldest() -> None:
    found = changes(run(), run(fills=OTHER_FILL, values=(1e6, 1.01e6, 1.025e6)))

    assert [(change.kind, change.session, change.subject) for change in found] == [
        (Changed.TRANSACTIONS, DAYS[1], "ESH20"),
        (Changed.VALUE, DAYS[2], "TF"),
    ]
    assert (found[0].before, found[0].after) == ("+2 at 3000.25", "+3 at 3000.25")
    assert found[1].after == "1025000.0"


def test_a_difference_in_the_last_bit_of_a_value_is_a_change() -> None:
    assert changes(run(), run(values=(1e6, 1.01e6, 1.02e6 + 2e-10)))


def test_a_position_of_another_size_or_at_another_price_is_a_change() -> None:
    before = run(held=((5, "ESH20", 2, 3000.25), (6, "ESH20", 2, 2990.0)))
    after = run(held=((5, "ESH20", 2, 3000.25), (6, "ESH20", 2, 2990.5)))

    found = changes(before, after)

    assert [(change.kind, change.session) for change in found] == [(Changed.POSITION, DAYS[2])]
    assert (found[0].before, found[0].after) == ("+2 at 2990.0", "+2 at 2990.5")


def test_a_close_by_an_order_and_one_by_itself_are_not_the_same() -> None:
    found = changes(run(), run(order_id=""))

    assert found[0].after == "+2 at 3000.25 (automatic close)"


def test_a_fill_in_another_month_is_a_changed_roll() -> None:
    found = changes(run(), run(fills=((5, "ESH20", 2, 3000.25), (6, "CLK20", -1, 41.5))))

    assert [(change.subject, change.before, change.after) for change in found] == [
        ("CLJ20", "-1 at 41.5", "none"),
        ("CLK20", "none", "-1 at 41.5"),
    ]
    assert {change.causes for change in found} == {(Cause.ROLL,)}


def test_a_revised_bar_of_that_market_explains_it_and_what_follows() -> None:
    tonight = run(fills=OTHER_FILL, values=(1e6, 1.01e6, 1.025e6))

    found = changes(run(), tonight, Revised(since={"ESH20": date(2020, 2, 3)}))

    assert [change.causes for change in found] == [(Cause.BAR,), (Cause.BAR,)]


def test_a_bar_revised_after_the_change_does_not_explain_it() -> None:
    revised = Revised(since={"GCJ20": DAYS[2]})

    assert [change.causes for change in changes(run(), run(fills=OTHER_FILL), revised)] == [
        (Cause.UNKNOWN,)
    ]


def test_a_changed_model_and_library_explain_everything_and_are_said_in_words() -> None:
    tonight = run(fills=OTHER_FILL, facts={"model_digest": "b", "pandas": "2.4.0"})

    drift = summary(run(), tonight, Revised(since={"ESH20": date(2020, 2, 3)}))

    assert drift.changes[0].causes == (Cause.MODEL, Cause.LIBRARY, Cause.BAR)
    assert drift.by_cause == {Cause.MODEL: 1}
    assert drift.reasons == (
        "the model's source changed (a → b)",
        "another version of pandas (2.3.3 → 2.4.0)",
        "ESH20 was revised from 2020-02-03 on",
    )


def test_nothing_known_is_said_to_be_unknown() -> None:
    assert changes(run(), run(fills=OTHER_FILL))[0].causes == (Cause.UNKNOWN,)


def test_bars_that_differ_without_a_word_in_the_log_were_loaded_anew() -> None:
    revised = Revised.of((), through=DAYS[2], different=True)

    drift = summary(run(), run(fills=OTHER_FILL), revised)

    assert drift.changes[0].causes == (Cause.BAR,)
    assert "loaded anew" in drift.reasons[0]


def test_a_session_that_only_one_run_has_is_a_change() -> None:
    shorter = run(values=(1e6, 1.02e6), days=[DAYS[0], DAYS[2]])

    found = changes(run(), shorter)

    assert [(change.kind, change.session, change.after) for change in found] == [
        (Changed.SESSIONS, DAYS[1], "not simulated")
    ]


def test_the_digest_names_the_differences_and_not_the_evening() -> None:
    tonight, tomorrow = (1e6, 1.01e6, 1.025e6), (1e6, 1.01e6, 1.025e6, 1.03e6)
    seen = summary(run(), run(values=tonight)).digest

    assert len(seen) == 16
    assert summary(run(), run(values=tomorrow)).digest == seen
    assert summary(run(), run(values=(1e6, 1.01e6, 1.026e6))).digest != seen


def test_every_change_is_in_the_file_and_an_old_file_does_not_stay(tmp_path: Path) -> None:
    path = write_changes(changes(run(), run(fills=OTHER_FILL)), tmp_path)

    assert path == tmp_path / CHANGES_FILE
    assert path.read_text(encoding="utf-8") == (
        "session,kind,subject,before,after,causes\n"
        "2020-03-05,transactions,ESH20,+2 at 3000.25,+3 at 3000.25,unknown\n"
    )
    assert write_changes((), tmp_path) is None
    assert not path.exists()
