"""Mapping: every contract is mapped, or blocked with its reason; none is dropped or guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from afterclose.domain.contract_facts import steps_agree
from afterclose.domain.contracts import PriceStep
from afterclose.domain.findings import Severity
from afterclose.domain.market import VendorContract
from afterclose.stages.mapping import (
    CheckedContract,
    ContractMap,
    MappingQuestion,
    check,
    map_contracts,
    months_to_check,
)
from make import (
    SESSION,
    TOMORROW,
    bars_answer,
    codes,
    found,
    make_bars,
    make_contract,
    make_mapped,
    make_spec,
    severities,
)


def mapped(symbol: str, **facts: Any) -> ContractMap:
    spec = make_spec("ES", **facts)
    return map_contracts([make_contract(symbol)], {spec.root: spec}, session=SESSION)


def test_a_known_root_is_mapped_by_its_facts() -> None:
    made = mapped("ESZ26")
    (found,) = made.mapped.values()

    assert found.contract == make_contract("ESZ26")
    assert found.spec == make_spec("ES")
    assert (made.blocked, made.notes) == ({}, {})


def test_an_unknown_root_is_a_blocked_row() -> None:
    made = map_contracts([make_contract("QQZ26")], {}, session=SESSION)

    assert severities(made.blocked[make_contract("QQZ26")]) == {"AC202": Severity.BLOCK}
    assert made.mapped == {}


def test_a_root_that_the_table_blocks_says_why() -> None:
    made = mapped("ESZ26", blocked="its unit is not known")
    (finding,) = made.blocked[make_contract("ESZ26")]

    assert (finding.code, finding.severity) == ("AC203", Severity.BLOCK)
    assert "its unit is not known" in finding.message


def test_a_month_long_over_is_blocked() -> None:
    made = mapped("ESU26")  # the session is of November 2026

    assert severities(made.blocked[make_contract("ESU26")]) == {"AC208": Severity.BLOCK}


@pytest.mark.parametrize("symbol", ["ESV26", "ESX26", "ESZ26"])
def test_last_month_may_still_trade(symbol: str) -> None:
    assert mapped(symbol, months="FGHJKMNQUVXZ").blocked == {}


def test_a_month_off_the_cycle_is_shown_and_left_to_the_gateway() -> None:
    made = mapped("ESF27", months="HMUZ")

    assert make_contract("ESF27") in made.mapped
    assert severities(made.notes[make_contract("ESF27")]) == {"AC209": Severity.WARN}


def test_a_root_with_serial_months_lists_every_month() -> None:
    assert mapped("ESF27", months="HMUZ (+serial)").notes == {}


def test_facts_of_low_confidence_are_shown() -> None:
    made = mapped("ESZ26", confidence="low", flags="tick unsure")

    assert severities(made.notes[make_contract("ESZ26")]) == {"AC210": Severity.WARN}
    assert make_contract("ESZ26") in made.mapped


def test_every_reason_is_given_at_once() -> None:
    made = mapped("ESH26", blocked="unit")

    assert codes(made.blocked[make_contract("ESH26")]) == ["AC203", "AC208"]


# -- the table against a gateway -------------------------------------------------------------


@pytest.mark.parametrize(
    ("months", "offset", "expected"),
    [
        # Tonight is in November 2026.
        ("HMUZ", 0, ["ESZ26", "ESH27"]),
        ("FGHJKMNQUVXZ", 0, ["ESZ26", "ESF27"]),
        ("FGHJKMNQUVXZ", -1, ["ESF27", "ESG27"]),  # December ends in November
        ("FGHJKMNQUVXZ", -2, ["ESG27", "ESH27"]),
        ("FGHJKMNQUVXZ", 1, ["ESZ26", "ESF27"]),
        ("HMUZ (+serial)", None, ["ESZ26", "ESH27"]),
        ("", None, ["ESZ26", "ESF27"]),  # nobody said which: any
    ],
)
def test_the_months_asked_for_surely_still_trade(
    months: str, offset: int | None, expected: list[str]
) -> None:
    spec = make_spec("ES", months=months, last_trade_month_offset=offset)

    assert [c.symbol for c in months_to_check(spec, SESSION, count=2)] == expected


def question(**spec: Any) -> MappingQuestion:
    contract = make_contract("ESZ26")
    return MappingQuestion(
        session=SESSION,
        contracts=[make_mapped("ESZ26", **spec)],
        vendor={contract: VendorContract(point_value=Decimal(50))},
        closes={contract: Decimal(6000)},
    )


def checked(asked: MappingQuestion, *, close: str = "6000", **found_facts: Any) -> CheckedContract:
    contract = make_contract("ESZ26")
    (row,) = check(
        asked,
        {contract: found("ESZ26", **found_facts)},
        {contract: bars_answer(make_bars([close]))},
    )
    return row


def test_a_contract_on_which_all_agree_has_nothing_against_it() -> None:
    row = checked(question(last_trade_month_offset=0))

    assert row.findings == ()
    assert (row.our_close, row.gateway_close) == (Decimal(6000), Decimal(6000))


def test_every_difference_is_a_finding_of_its_own() -> None:
    row = checked(question(last_trade_month_offset=-1), close="60", tick_size=Decimal("0.5"))

    assert codes(row.findings) == ["AC206", "AC214", "AC105"]


@pytest.mark.parametrize(("close", "fires"), [("5220", False), ("5200", True), ("7100", True)])
def test_levels_agree_within_fifteen_per_cent(close: str, fires: object) -> None:
    # 6000 / 5220 = 1.149, 6000 / 5200 = 1.154, 6000 / 7100 = 0.845.
    assert ("AC110" in codes(checked(question(), close=close).findings)) is fires


def test_the_forming_bar_is_not_compared() -> None:
    contract = make_contract("ESZ26")
    forming = bars_answer(make_bars(["60"], last=TOMORROW))
    (row,) = check(question(), {contract: found("ESZ26")}, {contract: forming})

    assert row.findings == ()
    assert row.gateway_close is None


def test_a_root_that_the_table_blocks_is_looked_up_and_stays_blocked() -> None:
    row = checked(question(blocked="its unit is not known"))

    assert codes(row.findings) == ["AC203"]
    assert row.answer.qualified is not None


def test_a_contract_nobody_answered_for_is_unknown() -> None:
    (row,) = check(question(), {}, {})

    assert codes(row.findings) == ["AC211"]


def rule(*steps: tuple[str, str]) -> tuple[PriceStep, ...]:
    return tuple(PriceStep(low_edge=Decimal(edge), increment=Decimal(step)) for edge, step in steps)


@pytest.mark.parametrize(
    ("steps", "price", "codes"),
    [
        (rule(("0", "0.25")), Decimal(6000), []),
        (rule(("0", "0.05"), ("100", "0.25")), Decimal(6000), []),
        (rule(("0", "0.05"), ("100", "0.25")), Decimal(-150), []),
        (rule(("0", "0.25"), ("5000", "0.5")), Decimal(6000), ["AC206"]),
        (rule(("0", "0.05"), ("100", "0.25")), None, []),
        (rule(("0", "0.05")), None, ["AC206"]),
        ((), Decimal(6000), []),
    ],
)
def test_the_tick_is_held_against_the_market_rule_at_the_price(
    steps: tuple[PriceStep, ...], price: Decimal | None, codes: list[str]
) -> None:
    told = list(steps_agree(make_mapped(), steps, price))

    assert [f.code for f in told] == codes
    assert all("'Tick Size' of ES" in f.hint for f in told)
