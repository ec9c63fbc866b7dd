"""One trade from its entry to its end, cut by the audit on its first evening."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import FuturesContract
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.stages.audit import AuditInputs, AuditRules, SizedRow, audit
from afterclose.stages.basket import ModelBook, OrderTerms, basket_orders, desk_trades
from afterclose.stages.signals import Decision, trades_of
from afterclose.stages.sizing import Money, SizingRules, size_all
from make import (
    ACCOUNT,
    SESSION,
    TOMORROW,
    bars_answer,
    make_account,
    make_bars,
    make_contract,
    make_mapped,
    make_position,
    make_quote,
    make_snapshot,
)

D = Decimal
DECEMBER, MARCH = make_contract("ESZ26"), make_contract("ESH27")
SYMBOLS = ("ESZ26", "ESH27")
#: Mean 6000, σ 5, band 5985: from the last close of 6005 one contract risks 20 × 50 = 1,000.
CLOSES = [5995, 6005] * 10
#: Half a percent of it is 6,000: six contracts.
CAPITAL = D(1_200_000)
Held = Mapping[FuturesContract, int]


def evening(held: Held, *moves: tuple[FuturesContract, int, int]) -> AuditReport:
    """What the audit lets go of a model that moves from one position to another."""
    decisions = [Decision(contract=c, before=b, after=a, price=D(6005)) for c, b, a in moves]
    made = desk_trades(
        ModelBook(
            model="TF",
            session=SESSION,
            trades=trades_of("TF", SESSION, decisions),
            target={c: after for c, _, after in moves},
            held=held,
            working={},
            closes=dict.fromkeys((DECEMBER, MARCH), D(6005)),
        )
    )
    terms = OrderTerms(desk="desk", account=ACCOUNT, session=SESSION)
    orders = basket_orders(made, {s: make_mapped(s) for s in SYMBOLS}, terms).orders
    return audited(orders, held)


def audited(orders: tuple[BasketOrder, ...], held: Held) -> AuditReport:
    live = make_snapshot(
        *SYMBOLS,
        bars={c: bars_answer(make_bars(CLOSES)) for c in (DECEMBER, MARCH)},
        quotes={c: make_quote(6005) for c in (DECEMBER, MARCH)},
        account=make_account(*(make_position(c.symbol, q) for c, q in held.items())),
    )
    rules = SizingRules(risk_fraction=D("0.005"))
    sized = size_all(orders, live, Money(capital=CAPITAL), rules, {})
    return audit(
        AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=orders,
            sized={
                ref: SizedRow(
                    sizing=row.sizing,
                    quantity=row.quantity,
                    mismatch=row.mismatch,
                    findings=row.findings,
                )
                for ref, row in sized.items()
            },
            notes={},
            snapshot=live,
            rules=AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW),
            desk_held=held,
        )
    )


def filled(held: Held, report: AuditReport) -> dict[FuturesContract, int]:
    """What is held once all that goes is filled."""
    after = dict(held)
    for order in report.cleared_orders():
        after[order.contract] = after.get(order.contract, 0) + order.signed
    return {c: q for c, q in after.items() if q}


def going(report: AuditReport) -> list[tuple[TradeKind, int]]:
    return [(o.kind, o.signed) for o in report.cleared_orders()]


def test_an_entry_cut_from_10_to_6_rolled_exited_ends_flat() -> None:
    entry = evening({}, (DECEMBER, 0, 10))
    held = filled({}, entry)
    assert going(entry) == [(TradeKind.ENTRY, 6)]
    assert entry.rows[0].order.model_quantity == 10

    roll = evening(held, (DECEMBER, 10, 0), (MARCH, 0, 10))
    held = filled(held, roll)
    assert going(roll) == [(TradeKind.ROLL_CLOSE, -6), (TradeKind.ROLL_OPEN, 6)]
    assert all(row.sizing is None for row in roll.rows)

    out = evening(held, (MARCH, 10, 0))
    assert going(out) == [(TradeKind.EXIT, -6)]
    assert filled(held, out) == {}


def test_the_exit_and_the_roll_close_go_when_nothing_that_sizes_is_known() -> None:
    held = {DECEMBER: 6}
    for moves in (((DECEMBER, 10, 0),), ((DECEMBER, 10, 0), (MARCH, 0, 10))):
        known = evening(held, *moves)
        orders = tuple(row.order for row in known.rows)
        bare = audit(
            AuditInputs(
                run_id="r",
                account=ACCOUNT,
                orders=orders,
                sized={},
                notes={},
                snapshot=make_snapshot(
                    *SYMBOLS,
                    bars={},
                    quotes={},
                    account=make_account(
                        make_position("ESZ26", 6), net_liquidation=None, cash={}, exchange_rates={}
                    ),
                ),
                rules=AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW),
            )
        )
        closing = [o for o in bare.cleared_orders() if o.kind.closes]

        assert [(o.contract, o.signed) for o in closing] == [(DECEMBER, -6)]
