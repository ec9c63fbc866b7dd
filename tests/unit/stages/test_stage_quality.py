"""What looks wrong in tonight's bars is on the orders of its market, or said of the evening."""

from __future__ import annotations

from afterclose.domain.contracts import RootSymbol
from afterclose.domain.findings import Severity
from afterclose.stages.quality import BarQuality
from make import codes, make_contract, make_finding

ES, CL = RootSymbol("ES"), RootSymbol("CL")
SPIKE = make_finding(code="AC124", subject="ESH27")
OFF_TICK = make_finding(Severity.INFO, code="AC122", subject="CLF27")
REVISED = make_finding(Severity.INFO, code="AC133", subject="CL")


def test_a_finding_is_on_every_order_of_its_market() -> None:
    seen = BarQuality(traded=frozenset({ES}), bars={ES: (SPIKE,)}, revised={CL: REVISED})

    assert seen.of(make_contract("ESZ26")) == (SPIKE,)
    assert seen.of(make_contract("ESH27")) == (SPIKE,)
    assert seen.of(make_contract("CLF27")) == (REVISED,)
    assert seen.of(make_contract("ZCH27")) == ()


def test_without_an_order_what_weighs_more_than_a_note_is_said_of_the_evening() -> None:
    both = {ES: (SPIKE,), CL: (OFF_TICK,)}

    assert codes(BarQuality(traded=frozenset({ES}), bars=both).of_evening()) == []
    assert codes(BarQuality(traded=frozenset({CL}), bars=both).of_evening()) == ["AC124"]
    assert codes(BarQuality(bars=both, revised={CL: REVISED}).findings) == [
        "AC124",
        "AC122",
        "AC133",
    ]
