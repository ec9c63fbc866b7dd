"""Checks of delivery, hours, stops, records and repeats: fires, must not, unknown.

Every case goes through the whole audit, so that a check that is not run cannot pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.audit import AuditReport, AuditRow, Sizing
from afterclose.domain.contracts import Currency, Settlement
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import (
    FxRate,
    FxRates,
    Qualification,
    QualificationState,
    VendorContract,
)
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.stages.audit import AuditInputs, AuditRules, Holding, SizedRow, audit
from afterclose.stages.audit.contract_checks import weekdays_before
from afterclose.stages.audit.core import daily_move
from afterclose.stages.audit.hours import Opening, opening_on
from make import (
    ACCOUNT,
    SESSION,
    TOMORROW,
    USD,
    bars_answer,
    codes,
    con_id_of,
    found,
    make_account,
    make_bars,
    make_broker_order,
    make_contract,
    make_exit,
    make_finding,
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
BLOCK, WARN, INFO = Severity.BLOCK, Severity.WARN, Severity.INFO
ENTRY, EXIT = make_order(), make_exit()
SHORT_ENTRY, SHORT_EXIT = make_order(signed=-2), make_exit(signed=2)
REVERSAL = make_order(signed=5, kind=TradeKind.REVERSAL, held_before=-3)


def report(
    *orders: BasketOrder,
    live: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> AuditReport:
    held = make_account(make_position("ESZ26", -sum(o.signed for o in orders if o.kind.closes)))
    snapshot = make_snapshot(**{"account": held, **(live or {})})
    return audit(
        AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=orders,
            sized=inputs.pop("sized", {}),
            notes=inputs.pop("notes", {}),
            snapshot=snapshot,
            rules=AuditRules(
                **{"max_deviation": D("0.005"), "execute_on": TOMORROW, **(rules or {})}
            ),
            **inputs,
        )
    )


def row(order: BasketOrder, **given: Any) -> AuditRow:
    return report(order, **given).rows[0]


def said(order: BasketOrder, **given: Any) -> Mapping[str, Severity]:
    return severities(row(order, **given).findings)


def at(price: str) -> dict[str, Any]:
    return {"live": {"quotes": {ES: make_quote(price)}}}


def gateway_says(**facts: Any) -> dict[str, Any]:
    return {"live": {"qualifications": {ES: found("ESZ26", **facts)}}}


# -- the gateway's facts ---------------------------------------------------------------------


@pytest.mark.parametrize("fact", ["symbol", "exchange", "trading_class"])
def test_another_name_at_the_gateway_blocks_and_names_the_cell_to_correct(fact: str) -> None:
    other = replace(make_qualified(), **{fact: "XX"})  # type: ignore[arg-type]  # each is a text
    answer = Qualification(state=QualificationState.FOUND, qualified=other)
    (finding,) = row(ENTRY, live={"qualifications": {ES: answer}}).findings

    assert (finding.code, finding.severity) == ("AC206", BLOCK)
    assert "of ES to XX" in finding.hint


CRUDE = make_mapped("ESZ26", last_trade_month_offset=-1)


@pytest.mark.parametrize(
    ("last", "fires"),
    [(date(2026, 12, 18), True), (date(2026, 11, 20), False), (None, False)],
)
def test_a_last_trade_in_an_unusual_month_is_shown(last: date | None, fires: object) -> None:
    order = replace(ENTRY, mapped=CRUDE)

    assert (said(order, **gateway_says(last_trade_date=last)).get("AC214") is WARN) is fires
    assert "AC214" not in said(ENTRY, **gateway_says(last_trade_date=last))  # nobody knows


@pytest.mark.parametrize(
    ("value", "fires"), [("50", False), ("50.00000001", False), ("5", True), ("51", True)]
)
def test_a_point_value_of_the_vendors_own_blocks_what_opens(value: str, fires: object) -> None:
    vendor = {"vendor": {ES: VendorContract(point_value=D(value))}}

    assert (said(ENTRY, **vendor).get("AC215") is BLOCK) is fires
    assert (said(EXIT, **vendor).get("AC215") is WARN) is fires


def test_point_values_are_compared_in_the_same_unit() -> None:
    # Cents at the vendor, dollars at IB: 50 dollars per dollar are half a dollar per cent.
    cents = replace(ENTRY, mapped=make_mapped("ESZ26", vendor_to_ib_scale=D("0.01")))

    assert "AC215" not in said(cents, vendor={ES: VendorContract(point_value=D("0.5"))})
    assert "AC215" in said(cents, vendor={ES: VendorContract(point_value=D(50))})


@pytest.mark.parametrize("vendor", [{}, {ES: VendorContract()}])
def test_a_point_value_nobody_knows_is_not_compared(vendor: Mapping[Any, Any]) -> None:
    assert "AC215" not in said(ENTRY, vendor=vendor)


# -- delivery --------------------------------------------------------------------------------

DELIVERABLE = make_mapped("ESZ26", settlement=Settlement.PHYSICAL)
#: The order is for Friday 20 November; two weekdays before Tuesday 24 November.
TUESDAY = date(2026, 11, 24)


def deliverable(order: BasketOrder) -> BasketOrder:
    return replace(order, mapped=DELIVERABLE)


def test_weekdays_are_counted_back_over_weekends() -> None:
    assert weekdays_before(TUESDAY, 2) == TOMORROW  # Monday, Friday
    assert weekdays_before(date(2026, 11, 22), 1) == TOMORROW  # from a Sunday
    assert weekdays_before(TUESDAY, 0) == TUESDAY


@pytest.mark.parametrize(("notice", "fires"), [(TUESDAY, True), (TUESDAY + timedelta(1), False)])
def test_a_long_is_not_opened_near_its_first_notice(notice: date, fires: object) -> None:
    vendor = {"vendor": {ES: VendorContract(first_notice=notice)}}

    assert (said(deliverable(ENTRY), **vendor).get("AC216") is BLOCK) is fires
    assert "AC216" not in said(deliverable(SHORT_ENTRY), **vendor)  # shorts: last trade
    assert "AC216" not in said(deliverable(EXIT), **vendor)  # leaving is what should be done
    assert "AC216" not in said(ENTRY, **vendor)  # settled in cash


@pytest.mark.parametrize(("last", "fires"), [(TUESDAY, True), (TUESDAY + timedelta(1), False)])
@pytest.mark.parametrize("order", [ENTRY, SHORT_ENTRY], ids=["long", "short"])
def test_nothing_deliverable_is_opened_near_its_last_trade(
    order: BasketOrder, last: date, fires: object
) -> None:
    given = gateway_says(last_trade_date=last)

    assert (said(deliverable(order), **given).get("AC216") is BLOCK) is fires


def test_first_notice_nobody_told_is_said_only_where_it_may_be_near() -> None:
    # December: ten weekdays before the 1st is 17 November, two more 13 November.
    far = make_order("ESH27", mapped=make_mapped("ESH27", settlement=Settlement.PHYSICAL))
    known = {"vendor": {ES: VendorContract(last_trade=date(2026, 12, 18))}}

    assert said(deliverable(ENTRY)).get("AC217") is WARN
    assert "AC217" not in said(deliverable(ENTRY), **known)  # the vendor says: there is none
    assert "AC217" not in said(deliverable(SHORT_ENTRY))
    assert "AC217" not in said(far, live={"qualifications": {}})


# -- hours -----------------------------------------------------------------------------------


def test_a_market_closed_in_the_next_session_blocks_what_opens() -> None:
    closed = gateway_says(trading_hours="20261119:0830-20261119:1500;20261120:CLOSED")

    assert said(ENTRY, **closed) == {"AC114": BLOCK}
    assert said(EXIT, **closed) == {"AC114": WARN}


@pytest.mark.parametrize("hours", ["", "nonsense", "20261119:0830-20261119:1500"])
def test_hours_that_do_not_reach_the_session_are_unknown(hours: str) -> None:
    assert said(ENTRY, **gateway_says(trading_hours=hours)) == {"AC115": INFO}


@pytest.mark.parametrize(
    ("hours", "opening"),
    [
        ("20261119:1700-20261120:1600", Opening.OPEN),
        ("20261120:0900-20261120:1130,20261120:1230-20261120:1630", Opening.OPEN),
        ("20261120:CLOSED;20261123:0900-20261123:1500", Opening.CLOSED),
        ("20261123:0900-20261123:1500", Opening.CLOSED),  # not listed, later ones are
        ("20261120:1700-20261121:1600", Opening.CLOSED),  # opens that day, for the next
        ("20261119:CLOSED", Opening.UNKNOWN),
    ],
)
def test_hours_are_read_by_the_day_on_which_they_end(hours: str, opening: Opening) -> None:
    assert opening_on(hours, TOMORROW) is opening


# -- where the market is now -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "price", "fires"),
    [
        (EXIT, "5999.75", True),  # sells at 6000, the market is below
        (EXIT, "6000", False),
        (EXIT, "6001", False),
        (SHORT_EXIT, "6000.25", True),
        (SHORT_EXIT, "5999", False),
        (ENTRY, "6005", False),
    ],
)
def test_an_exit_whose_limit_is_left_behind_is_mentioned(
    order: BasketOrder, price: str, fires: object
) -> None:
    assert (said(order, **at(price)).get("AC315") is INFO) is fires


STOPPED = replace(EXIT, stop_level=D(6010))  # long, closed at 6000, stop 6010: hit
SHORT_STOPPED = replace(SHORT_EXIT, stop_level=D(5990))


@pytest.mark.parametrize(
    ("order", "price", "fires"),
    [
        (STOPPED, "6010.25", True),
        (STOPPED, "6010", False),
        (STOPPED, "6005", False),
        (SHORT_STOPPED, "5989.75", True),
        (SHORT_STOPPED, "5990", False),
        (replace(EXIT, stop_level=D(5900)), "6020", False),  # left for another reason
        (EXIT, "6020", False),  # no stop told
    ],
)
def test_an_exit_whose_stop_no_longer_holds_is_shown(
    order: BasketOrder, price: str, fires: object
) -> None:
    assert (said(order, **at(price)).get("AC314") is WARN) is fires


def test_without_a_live_price_the_reason_of_an_exit_is_not_judged() -> None:
    assert "AC314" not in said(STOPPED, live={"quotes": {ES: make_quote(None)}})


def sized(order: BasketOrder, band: str | None) -> dict[str, Any]:
    sizing = Sizing(window=20, width=D(3), band=None if band is None else D(band))
    shown = SizedRow(sizing=sizing, quantity=order.quantity, mismatch=False, findings=())
    return {"sized": {order.order_ref: shown}}


@pytest.mark.parametrize(
    ("order", "band", "price", "fires"),
    [
        (ENTRY, "5990", "5990", True),
        (ENTRY, "5990", "5990.25", False),
        (SHORT_ENTRY, "6010", "6010", True),
        (SHORT_ENTRY, "6010", "6009.75", False),
        (ENTRY, None, "5980", False),
        (replace(ENTRY, stop_level=D(5990)), None, "5980", True),  # the model's own stop
        (replace(ENTRY, kind=TradeKind.ROLL_OPEN, stop_level=D(5990)), None, "5980", False),
    ],
)
def test_an_entry_whose_stop_is_crossed_already_is_void(
    order: BasketOrder, band: str | None, price: str, fires: object
) -> None:
    assert (said(order, **at(price), **sized(order, band)).get("AC414") is BLOCK) is fires


def test_an_exit_has_no_stop_to_be_crossed() -> None:
    assert "AC414" not in said(replace(EXIT, stop_level=D(6010)), **at("6020"))


def test_drift_can_be_measured_in_daily_moves() -> None:
    # Closes that go up and down by 40: a daily move of 40. 0.5 % of 6000 would be 30.
    bars = {ES: bars_answer(make_bars([5960, 6000] * 10 + [5960, 6000]))}
    rules = {"max_drift_moves": D(1)}

    def moved(price: str) -> Mapping[str, Severity]:
        live = {"bars": bars, "quotes": {ES: make_quote(price)}}
        return said(ENTRY, live=live, rules=rules)

    assert "AC112" not in moved("6040")
    assert "AC112" in moved("6040.25")
    assert "AC112" in said(ENTRY, **at("6031"), rules={"max_drift_moves": None})


def test_a_daily_move_needs_twenty_changes() -> None:
    assert daily_move(make_bars([100, 103] * 10)) is None
    assert daily_move(make_bars([100, 103] * 11)) == D(3)


# -- the account and the desk's records ------------------------------------------------------


def test_an_account_that_differs_from_the_records_is_shown() -> None:
    assert said(EXIT, desk_held={ES: 3}).get("AC316") is WARN
    assert "AC316" not in said(EXIT, desk_held={ES: 2})
    assert said(EXIT, desk_held={}).get("AC316") is WARN  # the records say: nothing
    assert "AC316" not in said(EXIT, desk_held=None)  # there are no records
    unknown = {"live": {"account": make_account(positions=None)}}
    assert "AC316" not in said(ENTRY, desk_held={ES: 3}, **unknown)


@pytest.mark.parametrize("con_id", [con_id_of(ES), 1], ids=["this contract", "another"])
def test_an_order_of_this_very_name_at_the_broker_blocks(con_id: int) -> None:
    twin = make_broker_order(ENTRY, con_id=con_id)
    live = {"account": make_account(working_orders=(twin,))}

    assert said(ENTRY, live=live) == {"AC506": BLOCK}


def test_a_second_attempt_is_said_to_be_one() -> None:
    second = replace(ENTRY, order_ref=ENTRY.order_ref.replace("-O1", "-O2"))

    assert said(second) == {"AC508": WARN}
    assert said(replace(ENTRY, order_ref="by hand")) == {}


# -- reversals -------------------------------------------------------------------------------

SHORT = {"account": make_account(make_position("ESZ26", -3))}


def test_a_reversal_that_may_not_open_goes_with_its_closing_part() -> None:
    closed = found("ESZ26", trading_hours="20261120:CLOSED")
    cut = row(REVERSAL, live={**SHORT, "qualifications": {ES: closed}})

    assert severities(cut.findings) == {"AC114": WARN, "AC413": WARN}
    assert cut.final_quantity == 3
    assert cut.position_after == 0
    assert row(REVERSAL, live=SHORT).final_quantity == 5


# -- the evening -----------------------------------------------------------------------------


def held(quantity: int, value: str | None, **facts: Any) -> Holding:
    return Holding(
        **{
            "con_id": 1,
            "quantity": quantity,
            "sector": "Energy",
            "currency": USD,
            "value": None if value is None else D(value),
            **facts,
        }
    )


def evening(*orders: BasketOrder, limits: Mapping[str, str], **given: Any) -> list[str]:
    rules = {name: D(limit) for name, limit in limits.items()}
    return codes(report(*orders, rules=rules, **given).findings)


def test_leverage_is_of_all_contracts_after_the_basket() -> None:
    # 2 × 6000 × 50 = 600,000 bought, 3 × 100,000 held; a million is there: 0.9.
    holdings = (held(-3, "100000"),)

    assert evening(ENTRY, limits={"max_gross_leverage": "0.9"}, holdings=holdings) == []
    assert evening(ENTRY, limits={"max_gross_leverage": "0.89"}, holdings=holdings) == ["AC510"]
    assert evening(ENTRY, limits={}, holdings=holdings) == []


def test_a_row_that_does_not_go_adds_no_leverage() -> None:
    off_tick = replace(ENTRY, limit_price=D("6000.10"))

    assert evening(off_tick, limits={"max_gross_leverage": "0.1"}) == []


def test_leverage_that_cannot_be_known_is_said() -> None:
    limits = {"max_gross_leverage": "1"}
    for unknown in ({"positions": None}, {"net_liquidation": None}):
        live = {"account": make_account(**unknown)}
        assert "AC513" in evening(ENTRY, limits=limits, live=live)


def test_contracts_without_a_rate_are_counted_apart_not_as_zero() -> None:
    korean = held(5, "1000000", currency=Currency("KRW"))
    limits = {"max_gross_leverage": "0.5"}
    found = report(ENTRY, rules={"max_gross_leverage": D("0.5")}, holdings=(korean,)).findings
    finding, unknown = found
    rates = FxRates(
        base=USD,
        rates={
            Currency("KRW"): FxRate(
                currency=Currency("KRW"), rate=D("0.0007"), as_of=SESSION, source="typed"
            )
        },
    )

    assert "1 contract could not be valued" in finding.message
    assert (finding.code, unknown.code) == ("AC510", "AC513")
    # 600,000 and 5 × 1,000,000 × 0.0007 = 3,500.
    (known,) = report(
        ENTRY,
        rules={"max_gross_leverage": D(limits["max_gross_leverage"])},
        holdings=(korean,),
        live={"fx": rates},
    ).findings
    assert known.evidence["gross"] == "603500.0000"


def test_one_sector_or_currency_above_its_share_is_shown() -> None:
    # Equity Index 600,000 of 1,000,000; the euros are 400,000.
    euros = FxRates(
        base=USD,
        rates={
            Currency("EUR"): FxRate(
                currency=Currency("EUR"), rate=D("1.25"), as_of=SESSION, source="typed"
            )
        },
    )
    holdings = (held(4, "80000", currency=Currency("EUR")),)
    given: dict[str, Any] = {"holdings": holdings, "live": {"fx": euros}}

    assert evening(ENTRY, limits={"max_sector_share": "0.6"}, **given) == []
    assert evening(ENTRY, limits={"max_sector_share": "0.59"}, **given) == ["AC511"]
    assert evening(ENTRY, limits={"max_currency_share": "0.39"}, **given) == ["AC512", "AC512"]
    assert evening(limits={"max_sector_share": "0.1"}) == []  # nothing is held at all


# -- weights ---------------------------------------------------------------------------------


def weighed(order: BasketOrder, code: str, wanted: Severity, *notes: Finding) -> Severity:
    found = row(
        order, notes={order.order_ref: notes}, rules={"severities": {code: wanted}}
    ).findings
    return severities(found)[code]


def test_a_desk_may_weigh_a_finding_of_an_opening_as_it_likes() -> None:
    note = make_finding(WARN, code="AC104")

    assert weighed(ENTRY, "AC104", BLOCK, note) is BLOCK
    assert weighed(ENTRY, "AC104", INFO, note) is INFO


def test_a_finding_of_a_closing_is_made_lighter_never_heavier() -> None:
    note = make_finding(WARN, code="AC104")

    assert weighed(EXIT, "AC104", BLOCK, note) is WARN
    assert weighed(EXIT, "AC104", INFO, note) is INFO


def test_a_fixed_code_keeps_its_weight() -> None:
    assert weighed(ENTRY, "AC206", INFO, make_finding(BLOCK, code="AC206")) is BLOCK


def test_a_desk_whose_api_is_read_only_may_look_at_working_orders_itself() -> None:
    live = {"account": make_account(working_orders=None)}
    shown = row(ENTRY, live=live, rules={"severities": {"AC507": WARN}})

    assert severities(shown.findings) == {"AC507": WARN}
    assert shown.final_order() == ENTRY
    assert row(ENTRY, live=live).final_order() is None


def test_the_evenings_own_findings_are_weighed_too() -> None:
    limits = {"max_gross_leverage": D("0.1"), "severities": {"AC510": BLOCK}}
    found = report(ENTRY, rules=limits)

    assert severities(found.findings) == {"AC510": WARN}
    assert severities(found.rows[0].findings) == {"AC510": BLOCK}
    assert found.cleared_orders() == ()
