"""Each check of the audit: where it fires, where it must not, and where its input is unknown.

Every case goes through the whole audit, so that a check that is not run cannot pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.account import Position
from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.findings import Severity
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    MarketSnapshot,
    Qualification,
    QualificationState,
    Quote,
)
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.stages.audit import AuditInputs, AuditRules, audit, completed_bars
from make import (
    ACCOUNT,
    EUR,
    SESSION,
    TOMORROW,
    bars_answer,
    con_id_of,
    found,
    make_account,
    make_bars,
    make_broker_order,
    make_contract,
    make_exit,
    make_mapped,
    make_order,
    make_position,
    make_qualified,
    make_quote,
    make_snapshot,
    severities,
)

D = Decimal
ES = make_contract("ESZ26")
BLOCK, WARN = Severity.BLOCK, Severity.WARN
ENTRY, EXIT = make_order(), make_exit()
HELD = make_account(make_position("ESZ26", 2))


def report(orders: Sequence[BasketOrder], snapshot: MarketSnapshot) -> AuditReport:
    return audit(
        AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=orders,
            sized={},
            notes={},
            snapshot=snapshot,
            rules=AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW),
        )
    )


def row(order: BasketOrder, **live: Any) -> AuditRow:
    """The row of one order, in an account that holds what its exit closes."""
    defaults: dict[str, Any] = {"account": HELD} if order.kind.closes else {}
    snapshot = make_snapshot(**{**defaults, **live})
    return report([order], snapshot).rows[0]


def said(order: BasketOrder, **live: Any) -> Mapping[str, Severity]:
    return severities(row(order, **live).findings)


def with_bars(*bars: Bar) -> dict[str, Any]:
    return {"bars": {ES: bars_answer(bars)}}


def at_close(close: str | int) -> dict[str, Any]:
    return with_bars(*make_bars([close] * 21))


@pytest.mark.parametrize("order", [ENTRY, EXIT], ids=["entry", "exit"])
def test_nothing_wrong_is_no_finding(order: BasketOrder) -> None:
    clear = row(order)

    assert clear.findings == ()
    assert clear.final_order() == order


# -- the contract ----------------------------------------------------------------------------


def test_several_contracts_of_one_name_block_and_are_listed() -> None:
    candidates = (make_qualified(multiplier="50"), make_qualified(multiplier="5"))
    live = {
        "qualifications": {
            ES: Qualification(state=QualificationState.AMBIGUOUS, candidates=candidates)
        }
    }
    (finding,) = [f for f in row(ENTRY, **live).findings if f.code == "AC204"]

    assert finding.severity is BLOCK
    assert "ES×50, ES×5" in finding.message


@pytest.mark.parametrize(
    ("state", "code"),
    [(QualificationState.MISSING, "AC205"), (QualificationState.UNKNOWN, "AC211")],
)
@pytest.mark.parametrize("order", [ENTRY, EXIT], ids=["entry", "exit"])
def test_a_contract_that_was_not_named_blocks(
    order: BasketOrder, state: QualificationState, code: str
) -> None:
    live = {"qualifications": {ES: Qualification(state=state, text="200 no definition")}}

    assert said(order, **live)[code] is BLOCK
    assert row(order, **live).final_order() is None


def test_a_contract_nobody_asked_for_is_unknown() -> None:
    assert said(ENTRY, qualifications={})["AC211"] is BLOCK


@pytest.mark.parametrize(
    ("fact", "theirs"),
    [
        ("currency", EUR),
        ("price_magnifier", 100),
        ("tick_size", D("0.05")),
        ("multiplier", "5"),
        ("multiplier", ""),
        ("contract_month", make_contract("ESH27").month),
    ],
)
def test_facts_that_differ_from_the_gateways_block(fact: str, theirs: object) -> None:
    live = {"qualifications": {ES: found("ESZ26", **{fact: theirs})}}

    assert said(ENTRY, **live)["AC206"] is BLOCK
    assert said(EXIT, **live)["AC206"] is BLOCK


def test_multipliers_are_compared_as_numbers() -> None:
    assert "AC206" not in said(ENTRY, qualifications={ES: found("ESZ26", multiplier="50.0")})


def test_a_multiplier_that_is_not_constant_is_not_compared() -> None:
    order = replace(ENTRY, mapped=make_mapped("ESZ26", multiplier=""))

    assert "AC206" not in said(order, qualifications={ES: found("ESZ26", multiplier="37")})


def test_a_limit_off_the_tick_blocks() -> None:
    assert said(replace(ENTRY, limit_price=D("6000.10")))["AC207"] is BLOCK
    assert "AC207" not in said(replace(ENTRY, limit_price=D("6000.25")))


def test_a_tick_nobody_knows_is_not_judged() -> None:
    assert "AC207" not in said(replace(ENTRY, limit_price=D("6000.10")), qualifications={})


@pytest.mark.parametrize(
    ("last", "fires"),
    [(SESSION, True), (TOMORROW, False), (TOMORROW + timedelta(days=1), False), (None, False)],
)
def test_an_order_after_the_last_trading_day_blocks(last: date | None, fires: object) -> None:
    live = {"qualifications": {ES: found("ESZ26", last_trade_date=last)}}

    assert ("AC212" in said(ENTRY, **live)) is fires
    assert ("AC212" in said(EXIT, **live)) is fires


# -- prices ----------------------------------------------------------------------------------


def test_a_missing_close_blocks_what_opens_and_shows_on_what_closes() -> None:
    none = {"bars": {ES: BarsAnswer(state=AnswerState.EMPTY, code=162, text="no data")}}

    assert said(ENTRY, **none) == {"AC101": BLOCK}
    assert said(EXIT, **none) == {"AC101": WARN}
    assert row(EXIT, **none).final_order() == EXIT
    assert row(EXIT, **none).alert_missing_price


def test_bars_that_did_not_come_are_a_missing_close() -> None:
    assert said(ENTRY, bars={ES: BarsAnswer(state=AnswerState.UNKNOWN)})["AC101"] is BLOCK
    assert said(ENTRY, bars={})["AC101"] is BLOCK


def test_the_bar_of_a_session_still_forming_is_no_close() -> None:
    forming = make_bars([6100], last=TOMORROW)
    only_forming = row(ENTRY, **with_bars(*forming))
    both = row(ENTRY, **with_bars(*make_bars([6000] * 20), *forming))

    assert severities(only_forming.findings) == {"AC101": BLOCK, "AC103": Severity.INFO}
    assert only_forming.forming == forming[0]
    assert both.close is not None
    assert (both.close.close, both.forming) == (D(6000), forming[0])
    assert severities(both.findings) == {"AC103": Severity.INFO}


def test_bars_are_split_at_the_session() -> None:
    bars = make_bars([1, 2, 3], last=TOMORROW)

    assert completed_bars(bars_answer(bars), SESSION) == (bars[:2], bars[2])
    assert completed_bars(bars_answer(()), SESSION) == ((), None)


def test_a_close_of_an_earlier_session_is_shown() -> None:
    old = with_bars(*make_bars([6000] * 21, last=SESSION - timedelta(days=1)))

    assert said(ENTRY, **old) == {"AC102": WARN}


@pytest.mark.parametrize("close", ["60", "600000", "600", "60000", "60.5"])
def test_a_price_in_the_wrong_unit_blocks(close: str) -> None:
    quote = {"quotes": {ES: make_quote(None, state=AnswerState.EMPTY)}}

    assert said(ENTRY, **at_close(close), **quote)["AC105"] is BLOCK
    assert said(EXIT, **at_close(close), **quote)["AC105"] is BLOCK


@pytest.mark.parametrize(
    ("close", "fires"), [("5000", True), ("7200", True), ("5300", False), ("6900", False)]
)
def test_a_price_at_another_level_blocks(close: str, fires: object) -> None:
    assert ("AC110" in said(ENTRY, **at_close(close))) is fires  # 6000 / 5000 = 1.2


@pytest.mark.parametrize("close", ["-37.50", "0"])
def test_levels_are_not_compared_where_ratios_mean_nothing(close: str) -> None:
    assert not {"AC105", "AC110"} & set(said(ENTRY, **at_close(close)))


@pytest.mark.parametrize(
    ("close", "fires"),
    [("6060", True), ("5940", True), ("6029.75", False), ("6000.50", False)],  # 1 %, 0.496 %
)
def test_another_close_of_the_same_session_is_a_data_question(close: str, fires: object) -> None:
    assert ("AC104" in said(ENTRY, **at_close(close))) is fires


def test_two_ticks_of_settlement_are_never_a_data_question() -> None:
    cheap = replace(ENTRY, limit_price=D(10), reference_price=D(10))  # two ticks are 5 %

    assert "AC104" not in said(cheap, **at_close("10.5"))
    assert "AC104" in said(cheap, **at_close("10.75"))


def test_a_close_of_another_session_is_not_compared() -> None:
    old = with_bars(*make_bars([6060] * 21, last=SESSION - timedelta(days=1)))

    assert "AC104" not in said(ENTRY, **old)


@pytest.mark.parametrize(
    ("price", "fires"), [("6030.25", True), ("5969.75", True), ("6030", False), ("5970", False)]
)
def test_a_market_that_moved_from_the_limit_is_shown(price: str, fires: object) -> None:
    # 30 of 6000 is exactly 0.5 %, which is still allowed.
    assert ("AC112" in said(ENTRY, quotes={ES: make_quote(price)})) is fires


def test_without_a_live_price_the_drift_is_unknown_and_said() -> None:
    silent = {"quotes": {ES: Quote(state=AnswerState.UNKNOWN)}}

    assert said(ENTRY, **silent) == {"AC113": WARN}
    assert said(EXIT, quotes={}) == {"AC113": WARN}
    assert row(ENTRY, **silent).drift is None


def test_the_middle_of_bid_and_ask_stands_in_for_a_last_price() -> None:
    quote = make_quote(None, bid=D(6059), ask=D(6061))

    assert row(ENTRY, quotes={ES: quote}).drift == D("0.01")


@pytest.mark.parametrize(
    ("limit", "price", "drift"),
    [
        ("6000", "6060", D("0.01")),
        ("6000", "5940", D("-0.01")),
        ("-10", "-9", D("0.1")),  # a negative price that rose
        ("0", "5", None),
    ],
)
def test_deviations_are_of_the_limits_size(limit: str, price: str, drift: Decimal | None) -> None:
    order = replace(ENTRY, limit_price=D(limit), reference_price=D(limit))

    assert row(order, quotes={ES: make_quote(price)}).drift == drift


def test_the_alert_is_of_the_close_against_the_limit() -> None:
    beyond, within = row(ENTRY, **at_close("6060")), row(ENTRY, **at_close("6030"))

    assert (beyond.pct_diff, beyond.alert_deviation) == (D("0.01"), True)
    assert (within.pct_diff, within.alert_deviation) == (D("0.005"), False)
    assert row(ENTRY, bars={}).alert_deviation is None


# -- positions and orders --------------------------------------------------------------------


def test_a_closing_order_needs_a_known_position() -> None:
    unknown = make_account(positions=None)

    assert said(EXIT, account=unknown)["AC304"] is BLOCK
    assert "AC304" not in said(ENTRY, account=unknown)


REVERSAL = make_order(signed=5, kind=TradeKind.REVERSAL, held_before=-3)


@pytest.mark.parametrize(
    ("positions", "code"),
    [
        ((make_position(quantity=-3),), None),
        ((make_position(quantity=-4),), None),
        ((make_position(quantity=-2),), "AC312"),
        ((make_position(quantity=3),), "AC312"),
        ((), "AC312"),
        (None, "AC304"),
    ],
)
def test_a_reversal_is_covered_by_the_account(
    positions: tuple[Position, ...] | None, code: str | None
) -> None:
    findings = said(REVERSAL, account=make_account(positions=positions))

    assert findings == ({} if code is None else {code: BLOCK})


def working(action: Action, ref: str = "by hand", con_id: int = con_id_of(ES)) -> BrokerOrder:
    return make_broker_order(order_ref=ref, action=action, con_id=con_id)


def test_somebody_elses_order_on_the_same_side_is_shown() -> None:
    same = make_account(working_orders=(working(Action.BUY),))

    assert said(ENTRY, account=same) == {"AC503": WARN}


@pytest.mark.parametrize(
    "other",
    [
        working(Action.SELL),
        working(Action.BUY, con_id=1),
    ],
    ids=["other side", "other contract"],
)
def test_other_working_orders_are_not_in_the_way(other: BrokerOrder) -> None:
    assert said(ENTRY, account=make_account(working_orders=(other,))) == {}


def test_working_orders_of_other_contracts_do_not_show_on_a_row_that_was_not_found() -> None:
    busy = make_account(working_orders=(working(Action.BUY, con_id=1),))

    assert "AC503" not in said(ENTRY, account=busy, qualifications={})


def test_unknown_working_orders_block() -> None:
    assert said(ENTRY, account=make_account(working_orders=None))["AC507"] is BLOCK


def test_two_models_against_each_other_let_the_closing_side_go() -> None:
    opens = make_order(signed=2, model="MR")
    rows = report([EXIT, opens], make_snapshot(account=HELD)).rows

    assert [severities(r.findings) for r in rows] == [{"AC505": WARN}, {"AC505": BLOCK}]


def test_two_models_on_one_side_are_no_conflict() -> None:
    rows = report([ENTRY, make_order(model="MR")], make_snapshot()).rows

    assert [r.findings for r in rows] == [(), ()]
