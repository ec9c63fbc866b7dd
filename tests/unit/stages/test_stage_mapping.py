"""Mapping: every contract is mapped, or blocked with its reason; none is dropped or guessed."""

from __future__ import annotations

from typing import Any

import pytest

from afterclose.domain.findings import Severity
from afterclose.stages.mapping import ContractMap, map_contracts
from make import SESSION, codes, make_contract, make_spec, severities


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
