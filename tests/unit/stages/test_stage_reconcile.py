"""Reconcile: what became of each order, and every difference between desk and account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import Reconciliation
from afterclose.domain.contracts import (
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
)
from afterclose.domain.findings import Severity
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Action, OrderState, TradeKind
from afterclose.report.slippage import slippage_sums
from afterclose.stages.reconcile import ReconcileInputs, reconcile
from make import (
    NOW,
    SESSION,
    USD,
    make_account,
    make_contract,
    make_exit,
    make_fill,
    make_order,
    make_position,
    make_qualified,
    severities,
)

D = Decimal
ES = make_contract("ESZ26")
BUY = make_order(signed=2)


def compared(
    *lives: OrderLife,
    held: Mapping[FuturesContract, int] | None = None,
    names: Sequence[QualifiedContract] = (make_qualified(),),
    account: AccountSnapshot | None = None,
    closed: bool = False,
) -> Reconciliation:
    return reconcile(
        ReconcileInputs(
            run_id="r",
            session=SESSION,
            as_of=NOW + timedelta(days=1),
            lives=lives,
            held=held or {},
            names={n.contract: n for n in names},
            account=account or make_account(),
            closed=closed,
        )
    )


def life(state: OrderState = OrderState.FILLED, filled: int = 2, **fields: Any) -> OrderLife:
    order = fields.pop("order", BUY)
    fills = (make_fill(order, filled),) if filled else ()
    return OrderLife(order=order, state=state, **{"fills": fills, **fields})


def test_a_filled_evening_with_agreeing_positions_is_settled() -> None:
    result = compared(life(), held={ES: 2}, account=make_account(make_position(quantity=2)))

    assert result.settled
    assert result.findings == ()
    assert [(p.symbol, p.desk, p.broker, p.agrees) for p in result.positions] == [
        ("ESZ26", 2, 2, True)
    ]


@pytest.mark.parametrize(
    ("action", "price", "ticks"),
    [
        (Action.BUY, "6000.50", 2),  # two ticks of 0.25 dearer
        (Action.BUY, "5999.75", -1),
        (Action.SELL, "5999.50", 2),  # two ticks cheaper, sold
        (Action.SELL, "6000.25", -1),
    ],
)
def test_slippage_is_in_ticks_and_positive_when_worse(
    action: Action, price: str, ticks: int
) -> None:
    order = make_order(signed=2 * action.sign)
    fills = (make_fill(order, 2, price=D(price)),)
    (outcome,) = compared(life(order=order, fills=fills)).outcomes

    assert outcome.slippage_ticks == ticks
    assert outcome.average_price == D(price)


@pytest.mark.parametrize(
    ("symbol", "signed", "reference", "limit", "fill", "steps", "money", "currency"),
    [
        # 12,500,000 yen in dollars a yen: a tick of 0.0000005 is 6.25 dollars.
        ("6JZ26", 2, "0.0067005", "0.0067020", "0.0067010", (3, -2, 1), "12.50", "USD"),
        # 25,000 pounds in dollars: two ticks of 0.0005 cheaper, sold.
        ("HGZ26", -3, "4.1235", "4.1215", "4.1225", (4, -2, 2), "75", "USD"),
        # 5,000 bushels in cents: a quarter of a cent is 12.50 dollars.
        ("ZCZ26", -4, "431.25", "430.25", "431.00", (4, -3, 1), "50", "USD"),
        # 1,000 euros a point, three ticks better.
        ("FGBLZ26", 1, "132.10", "132.14", "132.07", (4, -7, -3), "-30", "EUR"),
        # Five dollars a point, ticks of five points.
        ("NKDZ26", 2, "38500", "38520", "38510", (4, -2, 2), "100", "USD"),
    ],
)
def test_each_step_of_slippage_in_ticks_and_money_by_the_contracts_own_facts(
    symbol: str,
    signed: int,
    reference: str,
    limit: str,
    fill: str,
    steps: tuple[int, int, int],
    money: str,
    currency: str,
) -> None:
    contract = make_contract(symbol)
    mapped = MappedContract(contract=contract, spec=packaged_specs()[contract.root])
    order = make_order(
        symbol, signed, mapped=mapped, reference_price=D(reference), limit_price=D(limit)
    )
    done = make_fill(order, abs(signed), price=D(fill))
    (outcome,) = compared(life(order=order, fills=(done,))).outcomes

    assert (
        outcome.reference_to_limit_ticks,
        outcome.limit_to_fill_ticks,
        outcome.slippage_ticks,
    ) == tuple(D(n) for n in steps)
    assert outcome.slippage_money == D(money)
    (one,) = slippage_sums([outcome])
    assert one.currency == currency
    assert one.reference_to_limit_money is not None
    assert one.limit_to_fill_money is not None
    assert one.reference_to_limit_money + one.limit_to_fill_money == D(money)


def test_commissions_add_up_once_all_are_reported() -> None:
    dollars = {"commission": D("2.05"), "commission_currency": USD}
    one, other = (make_fill(BUY, 1, exec_id=f"{n}.01", **dollars) for n in "ab")
    silent = make_fill(BUY, 1, exec_id="b.01")

    (known,) = compared(life(fills=(one, other))).outcomes
    (partial,) = compared(life(fills=(one, silent))).outcomes
    assert (known.commission, known.commission_currency) == (D("4.10"), "USD")
    assert partial.commission is None


def test_an_order_that_never_filled_has_no_price() -> None:
    (outcome,) = compared(life(OrderState.CANCELLED, filled=0)).outcomes

    assert (outcome.filled, outcome.average_price, outcome.slippage_ticks) == (0, None, None)
    assert outcome.commission is None


@pytest.mark.parametrize(
    ("state", "filled", "code", "severity"),
    [
        (OrderState.CANCELLED, 0, "AC601", Severity.WARN),
        (OrderState.CANCELLED, 1, "AC602", Severity.WARN),
        (OrderState.REJECTED, 0, "AC603", Severity.WARN),
        (OrderState.UNKNOWN, 0, "AC604", Severity.BLOCK),
        (OrderState.SENT, 0, "AC606", Severity.WARN),
        (OrderState.ACKNOWLEDGED, 0, "AC606", Severity.WARN),
        (OrderState.WORKING, 0, "AC606", Severity.WARN),
        (OrderState.PARTLY_FILLED, 1, "AC606", Severity.WARN),
        (OrderState.INTENDED, 0, "AC607", Severity.WARN),
    ],
)
def test_every_end_but_a_fill_is_said(
    state: OrderState, filled: int, code: str, severity: Severity
) -> None:
    result = compared(life(state, filled), names=())

    assert severities(result.findings) == {code: severity}


@pytest.mark.parametrize("state", [s for s in OrderState if not s.final])
def test_an_evening_is_not_settled_while_an_order_is_open(state: OrderState) -> None:
    assert not compared(life(state, 0), names=()).settled


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REJECTED])
def test_an_order_that_ended_without_a_fill_is_settled(state: OrderState) -> None:
    assert compared(life(state, 0)).settled


def test_what_never_left_and_can_leave_no_more_is_told_and_keeps_no_evening_open() -> None:
    held_back = life(OrderState.INTENDED, 0, text="held back: the market is beyond its limit")
    filled = life(order=make_order("NQZ26", 2))
    result = compared(filled, held_back, names=(), closed=True)

    assert result.settled
    assert [o.never_sent for o in result.outcomes] == [False, True]
    (said,) = result.findings
    assert (said.code, said.severity) == ("AC607", Severity.WARN)
    assert "never sent (held back: the market is beyond its limit)" in said.message
    assert "send" not in said.hint, "it is not proposed to send it any more"


@pytest.mark.parametrize(
    "state",
    [s for s in OrderState if not s.final and s is not OrderState.INTENDED],
)
def test_what_left_or_is_unknown_keeps_an_evening_open_however_late_it_is(
    state: OrderState,
) -> None:
    result = compared(life(state, 0), names=(), closed=True)

    assert not result.settled
    assert not result.outcomes[0].never_sent


def test_the_rest_of_an_order_that_was_worked_can_stay_here_for_good() -> None:
    ended = life(OrderState.CANCELLED, 1)
    rest = make_order(signed=1, order_ref=f"{BUY.order_ref[:-1]}2", replaces=BUY.order_ref)
    result = compared(ended, life(OrderState.INTENDED, 0, order=rest), closed=True)

    assert result.settled
    assert [(o.filled, o.never_sent) for o in result.outcomes] == [(1, False), (0, True)]
    assert [f.code for f in result.findings] == ["AC607"]


def test_counts_that_differ_are_a_break() -> None:
    result = compared(held={ES: 2}, account=make_account(make_position(quantity=3)))

    assert severities(result.findings) == {"AC605": Severity.WARN}
    assert result.findings[0].evidence == {"desk": 2, "account": 3}
    assert result.settled, "its orders are over; the break stays a finding"


def test_a_position_missing_at_the_account_is_a_break() -> None:
    result = compared(held={ES: 2})

    assert [(p.desk, p.broker) for p in result.positions] == [(2, 0)]
    assert not result.positions[0].agrees
    assert [f.code for f in result.findings] == ["AC605"]


def test_a_position_nobody_of_the_desk_holds_is_shown() -> None:
    result = compared(names=(), account=make_account(make_position("NQH27", -1)))

    assert [(p.symbol, p.desk, p.broker) for p in result.positions] == [("NQ H27", 0, -1)]
    assert "no model" in result.findings[0].message


def test_models_are_compared_together() -> None:
    result = compared(held={ES: 5}, account=make_account(make_position(quantity=5)))

    assert result.findings == ()


@pytest.mark.parametrize("held", [{}, {ES: 2}])
def test_unknown_positions_are_never_settled(held: dict[FuturesContract, int]) -> None:
    result = compared(life(), held=held, account=make_account(positions=None))

    assert severities(result.findings) == {"AC608": Severity.BLOCK}
    assert not result.settled


def test_a_held_contract_that_the_gateway_does_not_know_is_said() -> None:
    result = compared(held={ES: 2, make_contract("ESH27"): 0}, names=())

    assert severities(result.findings) == {"AC609": Severity.WARN}


CLOSE = make_exit("ESZ26", -2, kind=TradeKind.ROLL_CLOSE, roll_pair="desk-20261119-TF-ESH27-O1")
OPEN = make_order("ESH27", 2, kind=TradeKind.ROLL_OPEN, roll_pair=CLOSE.order_ref)


@pytest.mark.parametrize(
    ("closed", "opened", "lonely"), [(2, 2, False), (0, 0, False), (2, 1, True), (0, 2, True)]
)
def test_a_roll_on_one_leg_is_told(closed: int, opened: int, lonely: object) -> None:
    state = {2: OrderState.FILLED, 1: OrderState.CANCELLED, 0: OrderState.CANCELLED}
    result = compared(
        life(state[closed], closed, order=CLOSE), life(state[opened], opened, order=OPEN)
    )

    assert ("AC610" in severities(result.findings)) is lonely


def test_a_row_that_crossed_in_part_and_whose_rest_never_left_is_settled_and_told() -> None:
    result = compared(life(OrderState.INTENDED, 1), names=(), closed=True)

    assert result.settled
    assert [(o.filled, o.never_sent) for o in result.outcomes] == [(1, True)]
    assert [f.code for f in result.findings] == ["AC607"]


def test_a_roll_of_which_one_leg_never_left_is_settled_and_told() -> None:
    result = compared(
        life(order=CLOSE), life(OrderState.INTENDED, 0, order=OPEN), names=(), closed=True
    )

    assert result.settled
    assert sorted(f.code for f in result.findings) == ["AC607", "AC610"]


def test_commission_currencies_travel_along() -> None:
    euros = {"commission": D(2), "commission_currency": Currency("EUR")}
    (outcome,) = compared(life(fills=(make_fill(BUY, 2, **euros),))).outcomes

    assert outcome.commission_currency == "EUR"
