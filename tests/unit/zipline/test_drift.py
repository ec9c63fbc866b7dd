"""What changed in a past that was already over, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from afterclose.adapters.zipline.drift import Changed, compare_histories
from afterclose.domain.runs import ModelResult, ModelTransaction

DAYS = [date(2020, 3, day) for day in (4, 5, 6, 9)]


def fill(day: int, symbol: str, amount: int, price: float) -> ModelTransaction:
    return ModelTransaction(
        session=date(2020, 3, day), symbol=symbol, amount=amount, price=price, order_id="1"
    )


def run(**changes: Any) -> ModelResult:
    last_night = ModelResult(
        model="TF",
        first_session=DAYS[0],
        last_session=DAYS[2],
        capital_base=1e6,
        transactions=(fill(5, "ESH20", 2, 3000.25), fill(6, "CLJ20", -1, 41.5)),
        positions=(),
        open_orders=(),
        auto_closes=(),
        portfolio_value=((DAYS[0], 1e6), (DAYS[1], 1.01e6), (DAYS[2], 1.02e6)),
        last_closes={},
        facts={"model_digest": "a", "pandas": "2.3.3"},
    )
    return replace(last_night, **changes)


def test_a_new_session_is_no_change_of_the_past() -> None:
    tonight = run(
        last_session=DAYS[3],
        portfolio_value=(*run().portfolio_value, (DAYS[3], 1.03e6)),
        transactions=(*run().transactions, fill(9, "ESH20", -2, 2746.5)),
    )

    drift = compare_histories(run(), tonight)

    assert drift.changes == ()
    assert drift.causes == ()


def test_another_fill_and_what_came_of_it_are_listed_from_the_oldest() -> None:
    tonight = run(
        transactions=(fill(5, "ESH20", 3, 3000.25), fill(6, "CLJ20", -1, 41.5)),
        portfolio_value=((DAYS[0], 1e6), (DAYS[1], 1.01e6), (DAYS[2], 1.025e6)),
    )

    drift = compare_histories(run(), tonight)

    assert [(change.kind, change.session, change.subject) for change in drift.changes] == [
        (Changed.TRANSACTIONS, DAYS[1], "ESH20"),
        (Changed.VALUE, DAYS[2], "TF"),
    ]
    assert drift.changes[0].before == "+2 at 3000.25"
    assert drift.changes[0].after == "+3 at 3000.25"
    assert drift.changes[1].after == "1025000.00"


def test_a_fill_that_is_gone_and_one_that_was_not_there_are_changes() -> None:
    tonight = run(transactions=(fill(5, "ESH20", 2, 3000.25), fill(6, "CLK20", -1, 41.5)))

    drift = compare_histories(run(), tonight)

    assert [(change.subject, change.before, change.after) for change in drift.changes] == [
        ("CLJ20", "-1 at 41.5", "none"),
        ("CLK20", "none", "-1 at 41.5"),
    ]


def test_the_cause_is_a_changed_model_or_library_or_a_revised_bar_before_the_change() -> None:
    tonight = run(
        transactions=(fill(5, "ESH20", 3, 3000.25), fill(6, "CLJ20", -1, 41.5)),
        facts={"model_digest": "b", "pandas": "2.4.0"},
    )

    drift = compare_histories(
        run(), tonight, revised={"ESH20": date(2020, 2, 3), "GCJ20": date(2020, 3, 6)}
    )

    assert drift.causes == (
        "the model's source changed (a → b)",
        "another version of pandas (2.3.3 → 2.4.0)",
        "bars of ESH20 were revised from 2020-02-03 on",
    )


def test_a_session_that_only_one_run_has_is_a_change() -> None:
    shorter = run(portfolio_value=((DAYS[0], 1e6), (DAYS[2], 1.02e6)))

    drift = compare_histories(run(), shorter)

    assert [(change.kind, change.session, change.after) for change in drift.changes] == [
        (Changed.SESSIONS, DAYS[1], "not simulated")
    ]
