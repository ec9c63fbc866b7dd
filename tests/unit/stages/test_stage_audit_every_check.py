"""Every check of audit and sizing has three cases: it fires, it must not, its input is unknown.

The table below is held against the sources: a code without a row fails, and so does a row without
its three cases. What is unknown is always told: by the check itself, or by the code that is named
beside it. One who adds a check adds a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import afterclose
from afterclose.domain.audit import Sizing
from afterclose.domain.contracts import Settlement
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import (
    AnswerState,
    BarsAnswer,
    Qualification,
    QualificationState,
    QuoteKind,
    VendorContract,
)
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.domain.runs import Mode
from afterclose.stages import sizing
from afterclose.stages.audit import AuditInputs, AuditRules, Holding, SizedRow, audit
from make import (
    ACCOUNT,
    NOW,
    SESSION,
    TOMORROW,
    USD,
    bars_answer,
    found,
    make_account,
    make_bars,
    make_broker_order,
    make_contract,
    make_exit,
    make_mapped,
    make_order,
    make_position,
    make_quote,
    make_snapshot,
)

D = Decimal
ES, ESH = make_contract("ESZ26"), make_contract("ESH27")
ENTRY, EXIT = make_order(), make_exit()
REVERSAL = make_order(signed=5, kind=TradeKind.REVERSAL, held_before=-3)
#: Two weekdays after the order's Friday.
TUESDAY = date(2026, 11, 24)
Said = set[str]


def audited(
    *orders: BasketOrder,
    rules: Mapping[str, Any] | None = None,
    held: int | None = None,
    account: Mapping[str, Any] | None = None,
    sized: Mapping[str, SizedRow] | None = None,
    inputs: Mapping[str, Any] | None = None,
    symbols: tuple[str, ...] = ("ESZ26",),
    **live: Any,
) -> Said:
    """Every code that the audit says of these orders, of rows and evening together."""
    if held is None:
        held = -sum(o.signed for o in orders if o.kind.closes and o.contract == ES)
    books = make_account(*([make_position("ESZ26", held)] if held else []), **(account or {}))
    report = audit(
        AuditInputs(
            **{
                "run_id": "r",
                "account": ACCOUNT,
                "orders": orders,
                "sized": sized or {},
                "notes": {},
                "snapshot": make_snapshot(*symbols, **{"account": books, **live}),
                "rules": AuditRules(
                    **{"max_deviation": D("0.005"), "execute_on": TOMORROW, **(rules or {})}
                ),
                **(inputs or {}),
            }
        )
    )
    rows = {f.code for row in report.rows for f in row.findings}
    return rows | {f.code for f in report.findings}


def closes(*values: int | str, last: date = SESSION, volume: int = 100_000) -> dict[str, Any]:
    return {"bars": {ES: bars_answer(make_bars(list(values), last=last, volume=volume))}}


def gateway_says(**facts: Any) -> dict[str, Any]:
    return {"qualifications": {ES: found("ESZ26", **facts)}}


def named(state: QualificationState) -> dict[str, Any]:
    return {"qualifications": {ES: Qualification(state=state)}}


def at(price: str | None, **facts: Any) -> dict[str, Any]:
    return {"quotes": {ES: make_quote(price, **facts)}}


NO_BARS: dict[str, Any] = {"bars": {}}
NO_QUOTE: dict[str, Any] = {"quotes": {}}
NOT_NAMED = named(QualificationState.UNKNOWN)
NO_POSITIONS: dict[str, Any] = {"account": {"positions": None}}
DELIVERABLE = make_mapped("ESZ26", settlement=Settlement.PHYSICAL)
EARLY = replace(ENTRY, mapped=make_mapped("ESZ26", last_trade_month_offset=-1))
LONG = replace(ENTRY, mapped=DELIVERABLE)
STOPPED = replace(EXIT, stop_level=D(6010))  # it closed at 6000, below its stop


def vendor(**facts: Any) -> dict[str, Any]:
    return {"inputs": {"vendor": {ES: VendorContract(**facts)}}}


def roll(**open_leg: Any) -> tuple[BasketOrder, BasketOrder]:
    close = replace(EXIT, kind=TradeKind.ROLL_CLOSE)
    opens = make_order("ESH27", kind=TradeKind.ROLL_OPEN, **open_leg)
    return replace(close, roll_pair=opens.order_ref), replace(opens, roll_pair=close.order_ref)


BOTH = ("ESZ26", "ESH27")


def holding(value: str | None) -> dict[str, Any]:
    held = Holding(
        con_id=1,
        quantity=4,
        sector="Energy",
        currency=USD,
        value=None if value is None else D(value),
    )
    return {"inputs": {"holdings": (held,)}}


def what_if(after: str | None, **facts: Any) -> dict[str, Any]:
    impact = MarginImpact(
        quantity=2,
        initial_before=D(100_000),
        initial_after=None if after is None else D(after),
        **facts,
    )
    return {"margins": {ENTRY.order_ref: impact}}


def band(price: str | None) -> dict[str, SizedRow]:
    told = Sizing(window=20, width=D(3), band=None if price is None else D(price))
    return {ENTRY.order_ref: SizedRow(sizing=told, quantity=2, mismatch=False, findings=())}


def sized(
    values: list[int] | None = None, *, rules: Mapping[str, Any] | None = None, **order: Any
) -> Said:
    """Every code that sizing says of one opening order.

    Closes between 100 and 110: mean 105, σ 5, the band at 90; the last close is 110, so a contract
    risks 20 × 50 = 1,000 of the 5,000 that half a percent of a million is: five contracts.
    """
    bars = make_bars(values or [100, 110] * 10, volume=order.pop("volume", 100_000))
    given: dict[str, Any] = {
        "subject": "ESZ26",
        "root": "ES",
        "action": ENTRY.action,
        "quantity": 5,
        "bars": bars,
        "point_value": D(50),
        "fx": D(1),
        "currency": "USD",
        "capital": D(1_000_000),
    }
    limits = sizing.SizingRules(**{"risk_fraction": D("0.005"), **(rules or {})})
    return {f.code for f in sizing.size(sizing.SizingInput(**{**given, **order}), limits).findings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Three evenings of one check, and the code that tells of the unknown in the third."""

    fires: Callable[[], Said]
    silent: Callable[[], Said]
    unknown: Callable[[], Said]
    told_by: str


def clear() -> Said:
    return audited(ENTRY, EXIT, held=2, inputs={"vendor": {ES: VendorContract(point_value=D(50))}})


def cases(
    fires: Callable[[], Said],
    unknown: Callable[[], Said],
    told_by: str,
    silent: Callable[[], Said] = clear,
) -> Cases:
    return Cases(fires=fires, silent=silent, unknown=unknown, told_by=told_by)


SHORTFALL: dict[str, Any] = {"capital": None}
CHECKS: Mapping[str, Cases] = {
    # Data
    "AC101": cases(
        lambda: audited(ENTRY, bars={ES: BarsAnswer(state=AnswerState.EMPTY, code=162)}),
        lambda: audited(ENTRY, **NO_BARS),
        "AC101",
        lambda: audited(ENTRY),
    ),
    "AC102": cases(
        lambda: audited(ENTRY, **closes(6000, last=SESSION - timedelta(days=1))),
        lambda: audited(ENTRY, **NO_BARS),
        "AC101",
        lambda: audited(ENTRY),
    ),
    "AC103": cases(
        lambda: audited(ENTRY, **closes(6000, 6010, last=TOMORROW)),
        lambda: audited(ENTRY, **NO_BARS),
        "AC101",
        lambda: audited(ENTRY),
    ),
    "AC104": cases(
        lambda: audited(ENTRY, **closes(6060)), lambda: audited(ENTRY, **NO_BARS), "AC101",
        lambda: audited(ENTRY, **closes(6029)),
    ),
    "AC105": cases(
        lambda: audited(ENTRY, **closes(600000)), lambda: audited(ENTRY, **NO_BARS), "AC101",
        lambda: audited(ENTRY),
    ),
    "AC110": cases(
        lambda: audited(ENTRY, **closes(5000)), lambda: audited(ENTRY, **NO_BARS), "AC101",
        lambda: audited(ENTRY, **closes(5500)),
    ),
    "AC112": cases(
        lambda: audited(ENTRY, **at("6031")), lambda: audited(ENTRY, **NO_QUOTE), "AC113",
        lambda: audited(ENTRY, **at("6030")),
    ),
    "AC113": cases(
        lambda: audited(ENTRY, **at(None, state=AnswerState.EMPTY)),
        lambda: audited(ENTRY, **at(None, state=AnswerState.UNKNOWN)),
        "AC113",
        lambda: audited(ENTRY),
    ),
    "AC114": cases(
        lambda: audited(ENTRY, **gateway_says(trading_hours="20261120:CLOSED")),
        lambda: audited(ENTRY, **gateway_says(trading_hours="")),
        "AC115",
        lambda: audited(ENTRY),
    ),
    "AC115": cases(
        lambda: audited(ENTRY, **gateway_says(trading_hours="")),
        lambda: audited(ENTRY, **gateway_says(trading_hours="nonsense")),
        "AC115",
        lambda: audited(ENTRY),
    ),
    "AC116": cases(
        lambda: audited(ENTRY, **at("6000", kind=QuoteKind.DELAYED)),
        lambda: audited(ENTRY, **NO_QUOTE),
        "AC113",
        lambda: audited(ENTRY),
    ),
    # Contract
    "AC204": cases(
        lambda: audited(ENTRY, **named(QualificationState.AMBIGUOUS)),
        lambda: audited(ENTRY, **NOT_NAMED),
        "AC211",
    ),
    "AC205": cases(
        lambda: audited(ENTRY, **named(QualificationState.MISSING)),
        lambda: audited(ENTRY, **NOT_NAMED),
        "AC211",
    ),
    "AC211": cases(
        lambda: audited(ENTRY, **NOT_NAMED), lambda: audited(ENTRY, qualifications={}), "AC211"
    ),
    "AC206": cases(
        lambda: audited(ENTRY, **gateway_says(multiplier="5")),
        lambda: audited(ENTRY, **NOT_NAMED),
        "AC211",
    ),
    "AC207": cases(
        lambda: audited(replace(ENTRY, limit_price=D("6000.10"))),
        lambda: audited(replace(ENTRY, limit_price=D("6000.10")), **NOT_NAMED),
        "AC211",
    ),
    "AC212": cases(
        lambda: audited(ENTRY, **gateway_says(last_trade_date=SESSION)),
        lambda: audited(ENTRY, **gateway_says(last_trade_date=None)),
        "AC218",
        lambda: audited(ENTRY, **gateway_says(last_trade_date=TOMORROW)),
    ),
    "AC214": cases(
        lambda: audited(EARLY),
        lambda: audited(EARLY, **gateway_says(last_trade_date=None)),
        "AC218",
        lambda: audited(EARLY, **gateway_says(last_trade_date=TOMORROW)),
    ),
    "AC215": cases(
        lambda: audited(ENTRY, **vendor(point_value=D(5))),
        lambda: audited(ENTRY, inputs={"vendor": {}}),
        "AC219",
        lambda: audited(ENTRY, **vendor(point_value=D(50))),
    ),
    "AC216": cases(
        lambda: audited(LONG, **vendor(first_notice=TUESDAY)),
        lambda: audited(LONG),
        "AC217",
        lambda: audited(LONG, **vendor(first_notice=TUESDAY + timedelta(days=1))),
    ),
    "AC217": cases(
        lambda: audited(LONG),
        lambda: audited(LONG, inputs={"vendor": {}}),
        "AC217",
        lambda: audited(LONG, **vendor(last_trade=date(2026, 12, 18))),
    ),
    "AC218": cases(
        lambda: audited(ENTRY, **gateway_says(last_trade_date=None)),
        lambda: audited(ENTRY, **NOT_NAMED),
        "AC211",
        lambda: audited(ENTRY, **gateway_says(last_trade_date=None), **vendor(last_trade=TUESDAY)),
    ),
    "AC219": cases(
        lambda: audited(ENTRY, inputs={"vendor": {}}),
        lambda: audited(ENTRY, **vendor(last_trade=TUESDAY)),
        "AC219",
    ),
    # Closing orders
    "AC304": cases(
        lambda: audited(EXIT, **NO_POSITIONS), lambda: audited(EXIT, **NO_POSITIONS), "AC304"
    ),
    "AC305": cases(
        lambda: audited(EXIT, held=0), lambda: audited(EXIT, **NO_POSITIONS), "AC304"
    ),
    "AC309": cases(
        lambda: audited(EXIT, held=1), lambda: audited(EXIT, **NO_POSITIONS), "AC304"
    ),
    "AC307": cases(
        lambda: audited(*roll(), held=0, symbols=BOTH),
        lambda: audited(*roll(), symbols=BOTH, **NO_POSITIONS),
        "AC304",
        lambda: audited(*roll(), symbols=BOTH),
    ),
    "AC308": cases(
        lambda: audited(*roll(limit_price=D("6000.10")), symbols=BOTH),
        lambda: audited(*roll(), symbols=BOTH, qualifications={ES: found("ESZ26")}),
        "AC211",
        lambda: audited(*roll(), symbols=BOTH),
    ),
    "AC312": cases(
        lambda: audited(REVERSAL, held=-2),
        lambda: audited(REVERSAL, **NO_POSITIONS),
        "AC304",
        lambda: audited(REVERSAL, held=-3),
    ),
    "AC314": cases(
        lambda: audited(STOPPED, **at("6010.25")),
        lambda: audited(STOPPED, **NO_QUOTE),
        "AC113",
        lambda: audited(STOPPED, **at("6005")),
    ),
    "AC315": cases(
        lambda: audited(EXIT, **at("5999.75")),
        lambda: audited(EXIT, **NO_QUOTE),
        "AC113",
        lambda: audited(EXIT, **at("6000")),
    ),
    "AC316": cases(
        lambda: audited(EXIT, inputs={"desk_held": {ES: 3}}),
        lambda: audited(
            EXIT,
            inputs={"desk_held": {ES: 3}},
            account={"positions": None, "unknown": ("positions",)},
        ),
        "AC502",
        lambda: audited(EXIT, inputs={"desk_held": {ES: 2}}),
    ),
    # Opening orders
    "AC413": cases(
        lambda: audited(REVERSAL, held=-3, **gateway_says(trading_hours="20261120:CLOSED")),
        lambda: sized(closing=3, capital=None),
        "AC413",
        lambda: audited(REVERSAL, held=-3),
    ),
    "AC414": cases(
        lambda: audited(ENTRY, sized=band("5990"), **at("5990")),
        lambda: audited(ENTRY, sized=band("5990"), **NO_QUOTE),
        "AC113",
        lambda: audited(ENTRY, sized=band("5990"), **at("5990.25")),
    ),
    "AC416": cases(
        lambda: audited(EXIT, rules={"max_volume_share": D("0.2")}, **closes(6000, volume=9)),
        lambda: audited(EXIT, rules={"max_volume_share": D("0.2")}, **closes(6000, volume=-1)),
        "AC418",
        lambda: audited(EXIT, rules={"max_volume_share": D("0.2")}, **closes(6000, volume=10)),
    ),
    "AC418": cases(
        lambda: sized(volume=-1),
        lambda: audited(EXIT, rules={"max_volume_share": D("0.2")}, **NO_BARS),
        "AC101",
        sized,
    ),
    "AC417": cases(
        lambda: audited(ENTRY, **what_if(None, refused=True, code=201)),
        lambda: audited(ENTRY, **what_if(None, text="no answer")),
        "AC515",
        lambda: audited(ENTRY, **what_if("120000")),
    ),
    "AC401": cases(
        lambda: sized(quantity=10), lambda: sized(quantity=10, **SHORTFALL), "AC404", sized
    ),
    "AC415": cases(
        lambda: sized(
            quantity=10, model=sizing.ModelSize(quantity=10, budget=D(10_260), stop_distance=D(20))
        ),
        lambda: sized(quantity=10),  # nobody knows what the model sized with
        "AC401",
        sized,
    ),
    "AC402": cases(
        lambda: sized(capital=D(100_000)), lambda: sized(**SHORTFALL), "AC404", sized
    ),
    "AC403": cases(lambda: sized(fx=None), lambda: sized(fx=None), "AC403", sized),
    "AC404": cases(lambda: sized(**SHORTFALL), lambda: sized(**SHORTFALL), "AC404", sized),
    "AC405": cases(lambda: sized([100] * 19), lambda: sized([100]), "AC405", sized),
    "AC406": cases(
        lambda: sized(volume=20), lambda: sized(volume=-1), "AC418", lambda: sized(volume=25)
    ),
    "AC407": cases(
        lambda: sized([100] * 19 + [10]), lambda: sized([100] * 19), "AC405", sized
    ),
    "AC411": cases(
        lambda: sized(point_value=None), lambda: sized(point_value=None), "AC411", sized
    ),
    # Account, session and gateway
    "AC501": cases(
        lambda: audited(server_time=NOW + timedelta(seconds=31)),
        lambda: audited(server_time=None),
        "AC517",
    ),
    "AC517": cases(lambda: audited(server_time=None), lambda: audited(server_time=None), "AC517"),
    "AC502": cases(
        lambda: audited(account={"unknown": ("positions",)}),
        lambda: audited(account={"unknown": ("account values",)}),
        "AC502",
    ),
    "AC503": cases(
        lambda: audited(
            ENTRY, account={"working_orders": (make_broker_order(ENTRY, order_ref="by hand"),)}
        ),
        lambda: audited(ENTRY, account={"working_orders": None}),
        "AC507",
    ),
    "AC505": cases(
        lambda: audited(EXIT, make_order(model="MR")),
        lambda: audited(EXIT, make_order(model="MR"), **NOT_NAMED),
        "AC505",  # two sides of one name are opposed, whatever the gateway calls it
        lambda: audited(ENTRY, make_order(model="MR")),
    ),
    "AC506": cases(
        lambda: audited(ENTRY, account={"working_orders": (make_broker_order(ENTRY),)}),
        lambda: audited(ENTRY, account={"working_orders": None}),
        "AC507",
    ),
    "AC507": cases(
        lambda: audited(ENTRY, account={"working_orders": None}),
        lambda: audited(ENTRY, account={"working_orders": None}),
        "AC507",
    ),
    "AC508": cases(
        lambda: audited(replace(ENTRY, order_ref=ENTRY.order_ref.replace("-O1", "-O2"))),
        lambda: audited(
            replace(ENTRY, order_ref=ENTRY.order_ref.replace("-O1", "-O2")),
            account={"working_orders": None},
        ),
        "AC507",  # what became of the first attempt cannot be seen
    ),
    "AC509": cases(
        lambda: audited(ENTRY, rules={"mode": Mode.LIVE}),
        lambda: audited(ENTRY, account={"account": ""}),
        "AC509",
        lambda: audited(ENTRY, rules={"mode": Mode.PAPER}),
    ),
    "AC510": cases(
        lambda: audited(ENTRY, rules={"max_gross_leverage": D("0.59")}),
        lambda: audited(
            ENTRY, rules={"max_gross_leverage": D("0.59")}, account={"net_liquidation": None}
        ),
        "AC513",
        lambda: audited(ENTRY, rules={"max_gross_leverage": D("0.6")}),
    ),
    "AC511": cases(
        lambda: audited(ENTRY, rules={"max_sector_share": D("0.59")}, **holding("100000")),
        lambda: audited(ENTRY, rules={"max_sector_share": D(1)}, **holding(None)),
        "AC513",
        lambda: audited(ENTRY, rules={"max_sector_share": D("0.6")}, **holding("100000")),
    ),
    "AC512": cases(
        lambda: audited(ENTRY, rules={"max_currency_share": D("0.99")}, **holding("100000")),
        lambda: audited(ENTRY, rules={"max_currency_share": D(1)}, **holding(None)),
        "AC513",
        lambda: audited(ENTRY, rules={"max_currency_share": D(1)}, **holding("100000")),
    ),
    "AC513": cases(
        lambda: audited(
            ENTRY, rules={"max_gross_leverage": D(1)}, account={"net_liquidation": None}
        ),
        lambda: audited(ENTRY, rules={"max_gross_leverage": D(1)}, **NO_POSITIONS),
        "AC513",
        lambda: audited(ENTRY, rules={"max_gross_leverage": D(1)}),
    ),
    "AC514": cases(
        lambda: audited(ENTRY, rules={"max_margin_share": D("0.5")}, **what_if("500000.01")),
        lambda: audited(ENTRY, rules={"max_margin_share": D("0.5")}, **what_if(None)),
        "AC515",
        lambda: audited(ENTRY, rules={"max_margin_share": D("0.5")}, **what_if("500000")),
    ),
    "AC515": cases(
        lambda: audited(ENTRY, **what_if(None)),
        lambda: audited(ENTRY, margins={}),
        "AC515",
        lambda: audited(ENTRY, **what_if("120000")),
    ),
    "AC516": cases(
        lambda: audited(ENTRY, **what_if("1000000.01")),
        lambda: audited(ENTRY, account={"net_liquidation": None}, **what_if("1000000.01")),
        "AC515",
        lambda: audited(ENTRY, **what_if("1000000")),
    ),
}  # fmt: skip
#: These do not rest on what is unknown in their third case, and stand beside what tells of it.
_STANDS_ANYWAY = frozenset({"AC307", "AC308", "AC505", "AC508"})
#: Told by the desk's own settings, which say "never" where there is none: never unknown.
RESTART = "AC518"


def in_sources() -> set[str]:
    base = Path(afterclose.__file__).parent
    files = [base / "domain" / "contract_facts.py"]
    files += (base / "stages" / "audit").glob("*.py")
    files += (base / "stages" / "sizing").glob("*.py")
    lines = (line for f in files for line in f.read_text(encoding="utf-8").splitlines())
    raised = (line for line in lines if "frozenset" not in line)  # sets only speak of codes
    return {code for line in raised for code in re.findall(r'"(AC\d{3})"', line)}


def test_every_check_of_the_sources_has_its_three_cases() -> None:
    assert in_sources() == set(CHECKS) | {RESTART}


def test_an_ordinary_evening_says_nothing() -> None:
    assert clear() == {"AC505"}  # its entry and its exit are of one contract


@pytest.mark.parametrize("code", sorted(CHECKS))
def test_it_fires(code: str) -> None:
    assert code in CHECKS[code].fires()


@pytest.mark.parametrize("code", sorted(CHECKS))
def test_it_must_not(code: str) -> None:
    assert code not in CHECKS[code].silent()


@pytest.mark.parametrize("code", sorted(CHECKS))
def test_what_it_cannot_know_is_told(code: str) -> None:
    case = CHECKS[code]
    said = case.unknown()

    assert case.told_by in said
    assert code == case.told_by or code not in said or code in _STANDS_ANYWAY


@pytest.mark.parametrize(("minutes", "fires"), [(59, True), (60, False), (0, True)])
def test_a_restart_within_the_hour_is_said(minutes: int, fires: object) -> None:
    soon = NOW + timedelta(minutes=minutes)

    assert (RESTART in audited(ENTRY, next_restart=soon)) is fires
    assert RESTART not in audited(ENTRY, next_restart=None)
