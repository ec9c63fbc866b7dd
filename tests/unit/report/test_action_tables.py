"""Side tables per action type: each row of the audit is in exactly one of them."""

from __future__ import annotations

import csv
import io

import pytest

from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.report.tables import ActionType, action_csv
from make import make_order, make_report, make_row


def order(number: int, kind: TradeKind, signed: int) -> BasketOrder:
    return make_order(signed=signed, kind=kind, order_ref=f"row-{number}")


ORDERS = [
    order(n, kind, signed)
    for n, (kind, signed) in enumerate((kind, sign) for kind in TradeKind for sign in (2, -2))
]
REPORT = make_report(*(make_row(o) for o in ORDERS))


def references(wanted: ActionType) -> list[str]:
    rows = csv.DictReader(io.StringIO(action_csv(REPORT, wanted)))
    return [row["OrderRef"] for row in rows]


def test_each_row_is_in_exactly_one_table() -> None:
    told = [ref for wanted in ActionType for ref in references(wanted)]

    assert sorted(told) == sorted(o.order_ref for o in ORDERS)


@pytest.mark.parametrize(
    ("wanted", "kinds", "sides"),
    [
        (ActionType.ENTRIES, {"entry", "add"}, {"BUY", "SELL"}),
        (ActionType.EXITS, {"exit", "reduce", "auto-close"}, {"SELL"}),
        (ActionType.COVERS, {"exit", "reduce", "auto-close"}, {"BUY"}),
        (ActionType.ROLLS, {"roll-close", "roll-open"}, {"BUY", "SELL"}),
        (ActionType.REVERSALS, {"reversal"}, {"BUY", "SELL"}),
    ],
)
def test_a_table_holds_its_kinds_and_sides(
    wanted: ActionType, kinds: set[str], sides: set[str]
) -> None:
    chosen = [o for o in ORDERS if o.order_ref in references(wanted)]

    assert {o.kind.value for o in chosen} == kinds
    assert {o.action.value for o in chosen} == sides
    assert Action.BUY.value in sides or wanted is ActionType.EXITS
