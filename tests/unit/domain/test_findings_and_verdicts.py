from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.audit import AuditReport, AuditRow, PositionCheck, Reconciliation
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding, Severity, Verdict, worst
from afterclose.domain.market import AnswerState, FxRate, FxRates, Quote
from afterclose.domain.orders import Action
from unit.files.basket_orders import make_order

USD, EUR, JPY = Currency("USD"), Currency("EUR"), Currency("JPY")
AT = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)


def finding(severity: Severity, code: str = "AC401") -> Finding:
    return Finding(code=code, severity=severity, subject="HGH27", message="m", hint="h")


def audit_row(symbol: str, *severities: Severity, quantity: int = 2, **changes: object) -> AuditRow:
    order = make_order(symbol, "100", order_ref=f"r-{symbol}", **changes)
    return AuditRow(
        order=order, final_quantity=quantity, findings=tuple(finding(s) for s in severities)
    )


def report(*rows: AuditRow, findings: tuple[Finding, ...] = ()) -> AuditReport:
    return AuditReport(
        run_id="1", session=date(2026, 11, 20), account="DU1234567", as_of=AT, rows=rows,
        findings=findings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], Verdict.CLEAR),
        ([Severity.INFO], Verdict.CLEAR),
        ([Severity.INFO, Severity.WARN], Verdict.LOOK),
        ([Severity.BLOCK, Severity.INFO], Verdict.BLOCKED),
    ],
)
def test_the_worst_finding_decides(severities: list[Severity], verdict: Verdict) -> None:
    assert worst(finding(s) for s in severities) is verdict


def test_a_finding_reads_as_one_sentence_with_its_remedy() -> None:
    full = Finding(
        code="AC106", severity=Severity.BLOCK, subject="TF.csv, line 3", message="no price",
        hint="run again",
    )  # fmt: skip

    assert str(full) == "AC106 BLOCK TF.csv, line 3: no price → run again"
    assert str(replace(full, hint="")) == "AC106 BLOCK TF.csv, line 3: no price"
    assert Verdict.LOOK.word == "look"


def test_a_blocked_row_blocks_itself_and_not_the_evening() -> None:
    audit = report(audit_row("HGH27", Severity.BLOCK), audit_row("CLF27"))

    assert audit.verdict is Verdict.LOOK
    assert [o.order_ref for o in audit.cleared_orders()] == ["r-CLF27"]
    assert [r.order.order_ref for r in audit.excluded_rows()] == ["r-HGH27"]


def test_a_finding_about_the_evening_blocks_everything() -> None:
    audit = report(audit_row("CLF27"), findings=(finding(Severity.BLOCK, "AC501"),))

    assert audit.verdict is Verdict.BLOCKED
    assert audit.cleared_orders() == ()
    assert len(audit.excluded_rows()) == 1


def test_a_row_cut_to_nothing_is_not_sent() -> None:
    audit = report(audit_row("CLF27", quantity=0), audit_row("HGH27", Severity.WARN, quantity=1))

    (order,) = audit.cleared_orders()
    assert (order.order_ref, order.quantity) == ("r-HGH27", 1)
    assert audit.verdict is Verdict.LOOK


def test_an_evening_without_findings_is_clear() -> None:
    assert report(audit_row("CLF27")).verdict is Verdict.CLEAR
    assert report().verdict is Verdict.CLEAR


def test_the_sides_are_shown_apart_and_sorted() -> None:
    audit = report(audit_row("HGZ27"), audit_row("CLF27", action=Action.SELL), audit_row("HGH27"))

    assert [str(r.order.contract) for r in audit.side(Action.BUY)] == ["HGH27", "HGZ27"]
    assert [str(r.order.contract) for r in audit.side(Action.SELL)] == ["CLF27"]


def test_the_position_after_follows_the_final_quantity() -> None:
    row = replace(audit_row("CLF27", quantity=3, action=Action.SELL), position_before=5)

    assert row.position_after == 2
    assert replace(row, position_before=None).position_after is None


def test_an_unknown_position_never_agrees() -> None:
    check = PositionCheck(symbol="HGH27", con_id=1, desk=0, broker=0)

    assert check.agrees
    assert not replace(check, broker=None).agrees
    assert not replace(check, broker=1).agrees


def test_a_night_is_settled_unless_something_blocks() -> None:
    night = Reconciliation(
        run_id="1", session=date(2026, 11, 20), as_of=AT, outcomes=(), positions=(),
        findings=(finding(Severity.WARN),),
    )  # fmt: skip

    assert night.settled
    assert not replace(night, findings=(finding(Severity.BLOCK),)).settled


def test_a_rate_that_is_not_known_is_not_one() -> None:
    rates = FxRates(
        base=USD,
        rates={
            EUR: FxRate(currency=EUR, rate=Decimal("1.15"), as_of=date(2026, 11, 20), source="s")
        },
    )

    assert rates.rate(EUR) == Decimal("1.15")
    assert rates.rate(USD) == Decimal(1)
    assert rates.rate(JPY) is None


def test_a_quote_has_the_last_price_or_the_middle_of_bid_and_ask() -> None:
    quote = Quote(state=AnswerState.VALUE, bid=Decimal(10), ask=Decimal(11), last=Decimal(12))

    assert quote.price == Decimal(12)
    assert replace(quote, last=None).price == Decimal("10.5")
    assert replace(quote, last=None, bid=None).price is None


def test_unknown_positions_are_not_an_empty_account() -> None:
    held = Position(
        account="DU1", con_id=7, symbol="HG", trading_class="HG", contract_month=None, quantity=3,
        average_cost=Decimal(127500), currency=USD,
    )  # fmt: skip
    snapshot = AccountSnapshot(
        account="DU1", base=USD, as_of=AT, net_liquidation=None, available_funds=None,
        excess_liquidity=None, initial_margin=None, maintenance_margin=None, positions=(held, held),
    )  # fmt: skip

    assert snapshot.held(7) == 6
    assert snapshot.held(8) == 0
    assert replace(snapshot, positions=None).held(7) is None
