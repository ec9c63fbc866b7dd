from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from afterclose.domain.findings import Severity, Verdict
from afterclose.domain.runs import RunState, TradesFrom
from afterclose.report import story
from afterclose.report.evening import EveningView
from afterclose.report.figures import Fact, summary_facts
from unit.report.make_bars import finding
from unit.report.make_rows import EVENING
from unit.report.make_view import make_approval, make_manifest, make_report, make_view


def fact(view: EveningView, name: str) -> Fact:
    return next(f for f in summary_facts(view) if f.name == name)


def test_the_headline_counts_what_may_be_sent() -> None:
    head = story.headline(make_view())
    assert (head.word, head.verdict) == ("look", Verdict.LOOK)
    assert head.sentence == "12 of 15 orders may be sent; 3 excluded."


def test_the_headline_of_a_blocked_evening_says_that_nothing_goes() -> None:
    view = make_view()
    stop = finding("AC502", Severity.BLOCK, "wrong account")
    head = story.headline(replace(view, audit=make_report(view.audit.rows, (stop,))))
    assert head.word == "blocked"
    assert head.sentence.startswith("Nothing may be sent")


def test_the_headline_of_a_clear_evening_is_short() -> None:
    view = make_view((EVENING[0], EVENING[1]))
    head = story.headline(replace(view, audit=make_report(view.audit.rows, ())))
    assert (head.word, head.sentence) == ("clear", "All 2 orders may be sent.")


def test_an_evening_without_trades_says_so() -> None:
    view = make_view((), trades=(), manifest=make_manifest(state=RunState.NO_TRADES))
    head = story.headline(replace(view, audit=make_report((), ())))
    assert (head.word, head.sentence) == ("no trades", "The models want no order tonight.")


def test_orders_are_counted_by_kind_and_side() -> None:
    found = {k.kind: (k.sells, k.buys, k.cleared) for k in story.kinds(make_view())}
    assert found == {
        "entry": (1, 6, 5),
        "add": (0, 1, 1),
        "reduce": (1, 0, 0),
        "exit": (3, 1, 4),
        "roll-close": (1, 0, 1),
        "roll-open": (0, 1, 1),
    }


def test_risk_added_is_final_quantity_times_risk_per_contract() -> None:
    view = make_view(tuple(w for w in EVENING if w.symbol in {"ESZ26", "6JZ26", "GCZ26"}))
    # 3 × 7,012.50 + 17 × 1,403.125; the exit adds nothing.
    assert story.risk_added(view) == (Decimal("44890.625"), 0)


def test_an_order_of_unknown_risk_is_said_beside_the_sum() -> None:
    view = make_view(tuple(w for w in EVENING if w.symbol == "ESZ26"))
    row = view.audit.rows[0]
    assert row.sizing is not None
    row = replace(row, sizing=replace(row.sizing, risk_per_contract_base=None))
    view = replace(view, audit=make_report((row,), ()))

    assert fact(view, "Risk added").warn
    assert "1 order of unknown risk" in fact(view, "Risk added").note


def test_a_roll_is_one_pair() -> None:
    (pair,) = story.roll_pairs(make_view())
    assert pair.closes is not None
    assert pair.opens is not None
    assert (pair.closes.order.contract.symbol, pair.opens.order.contract.symbol) == (
        "CLF27",
        "CLG27",
    )
    assert pair.verdict is Verdict.CLEAR


def test_half_a_roll_is_never_clear() -> None:
    (pair,) = story.roll_pairs(make_view(tuple(w for w in EVENING if w.symbol == "CLF27")))
    assert pair.opens is None
    assert pair.verdict is Verdict.LOOK

    (pair,) = story.roll_pairs(make_view(tuple(w for w in EVENING if w.symbol == "CLG27")))
    assert pair.closes is None
    assert pair.verdict is Verdict.LOOK


def test_stale_data_is_said_first() -> None:
    view = make_view()
    old = replace(view.data, last_session=view.data.last_session.replace(day=19))
    stale = fact(replace(view, data=old), "Market data")
    assert stale.warn
    assert stale.value == "stale: to Thu 19 Nov 2026"


def test_markets_without_a_close_on_a_holiday_are_not_called_late() -> None:
    view = make_view()
    none = finding("AC137", Severity.INFO, "no close of 2026-11-26, an American holiday")
    late = finding("AC107", Severity.WARN, "no bar of 2026-11-26")
    quiet = fact(replace(view, data=replace(view.data, late=(none, none))), "Market data")
    both = fact(replace(view, data=replace(view.data, late=(none, late))), "Market data")

    assert "; 2 roots without a close today, a holiday" in quiet.note
    assert "late" not in quiet.note
    assert not quiet.warn
    assert "; 1 root late; 1 root without a close today, a holiday" in both.note
    assert both.warn


def test_unknown_capital_and_margin_are_marked() -> None:
    view = make_view()
    view = replace(
        view,
        capital=replace(view.capital, amount=None),
        account=replace(view.account, initial_margin=None),
    )
    assert fact(view, "Capital").value == "unknown"
    assert fact(view, "Capital").warn
    assert fact(view, "Initial margin").value == "unknown before"


def test_the_two_rules_are_compared_contract_by_contract() -> None:
    view = make_view()
    assert view.other_rule_trades is not None
    named = {d.contract: (d.ours, d.other) for d in story.rule_differences(view)}

    assert "GCZ26" not in named  # both rules sell 2
    assert named["ESZ26"] == (3, 0)
    assert named["LBRF27"] == (-1, 0)


def test_the_other_rule_is_named_whichever_was_chosen() -> None:
    assert story.other_rule(TradesFrom.ORDERS) == "transactions"
    assert story.other_rule(TradesFrom.TRANSACTIONS) == "orders"


def test_a_trade_without_an_order_is_never_lost() -> None:
    assert [t.contract.symbol for t in story.unordered_trades(make_view())] == ["LBRF27"]


def test_every_excluded_row_says_why() -> None:
    reasons = {
        row.order.contract.symbol: story.why_excluded(row)
        for row in make_view().audit.excluded_rows()
    }
    assert set(reasons) == {"FGBLZ26", "HSIX26", "KCH27"}
    assert reasons["HSIX26"] == ("no exchange rate for HKD: the order's risk is unknown",)
    assert reasons["KCH27"][0].endswith("sized to 0")


def test_parts_that_speak_of_different_things_are_said_aloud() -> None:
    view = make_view()
    assert story.contradictions(view) == ()

    mixed = replace(view, manifest=make_manifest(run_id="2026-11-20-2", account="U7"))
    assert story.contradictions(mixed) == (
        "The run is for account U7, the audit for DU1234567.",
        "The manifest is for run 2026-11-20-2, the audit for 2026-11-20-1.",
    )


def test_an_approval_covers_exactly_what_is_shown() -> None:
    view = make_view()
    good = make_approval(view)
    assert story.approval_void(replace(view, approval=good)) == ()

    more = replace(good, order_refs=(*good.order_refs, "main-20261120-TF-HSIX26-O1"))
    assert story.approval_void(replace(view, approval=more)) == (
        "1 approved order may not be sent",
    )

    other = replace(good, account="U7", run_id="2026-11-19-1", digest="")
    assert len(story.approval_void(replace(view, approval=other))) == 3


def test_a_rejection_is_no_void_approval() -> None:
    view = make_view()
    rejection = replace(make_approval(view), order_refs=(), overrides=(), digest="")
    view = replace(view, approval=rejection)
    assert story.approval_void(view) == ()
    assert fact(view, "Approval").value == "rejected by Ada"
