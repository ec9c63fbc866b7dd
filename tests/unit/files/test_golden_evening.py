"""A hundred trades over all roots, from the transactions file to the basket file.

The expected basket was compared line by line with the hand-typed answers when it was made.
"""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

from afterclose.adapters.files.basket_csv import BasketForm, basket_text, read_basket
from afterclose.adapters.files.transactions import ContractTrade, aggregate, read_transactions
from afterclose.by_file.basket import FileBasketRequest, LimitTerms, write_file_basket
from afterclose.domain.contracts import Rounding
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from unit.files.basket_orders import SESSION, SPECS, make_order

EVENING = Path(__file__).parents[2] / "golden" / "transactions" / "evening"
ANSWERS = Path(__file__).parents[1] / "domain" / "contracts_answers.csv"


def trades() -> tuple[ContractTrade, ...]:
    data = (EVENING / "transactions.csv").read_bytes()
    reading = read_transactions(data, source="transactions.csv", session=None)

    assert reading.session == SESSION
    assert not reading.findings
    return aggregate(reading.trades)


def order_of(trade: ContractTrade) -> BasketOrder:
    spec = SPECS[trade.contract.root]
    limit = spec.to_tick(spec.to_ib(trade.price))
    return make_order(
        trade.contract.symbol,
        str(limit),
        action=Action.of(trade.amount),
        quantity=abs(trade.amount),
        order_ref=f"desk-20261120-TF-{trade.contract}",
    )


def test_a_hundred_trades_over_all_roots_become_the_basket_that_was_checked() -> None:
    tonight = trades()
    open_roots = [trade for trade in tonight if not SPECS[trade.contract.root].blocked]

    text = basket_text([order_of(trade) for trade in open_roots], form=BasketForm.TWS)

    assert len(tonight) == 100
    assert {trade.contract.root for trade in tonight} == set(SPECS)
    assert {t.contract.root for t in tonight} - {t.contract.root for t in open_roots} == {
        "YXT", "YYT", "GWM", "SIL",
    }  # fmt: skip
    assert text == (EVENING / "TWS_Basket_2026-11-20.csv").read_text(encoding="ascii")


def test_limits_of_the_evening_are_those_typed_by_hand() -> None:
    with ANSWERS.open(encoding="utf-8", newline="") as file:
        typed = {
            (line["ib_symbol"], line["contract_month"], line["multiplier"]): line["ib_limit_text"]
            for line in csv.DictReader(file)
        }
    text = (EVENING / "TWS_Basket_2026-11-20.csv").read_text(encoding="ascii")
    rows = {(row.symbol, row.expiry, row.multiplier): row for row in read_basket(text)}

    compared = {key: Decimal(limit) for key, limit in typed.items() if key in rows}

    assert len(compared) == 81
    assert compared == {key: rows[key].limit_price for key in compared}


def test_the_evening_is_classified_by_the_positions_before_it_and_its_rolls_are_paired(
    tmp_path: Path,
) -> None:
    made = write_file_basket(
        FileBasketRequest(
            transactions=EVENING / "transactions.csv", account="DU1234567", out=tmp_path
        ),
        SPECS,
    )
    kinds = Counter(order.kind.value for order in made.orders)
    rolled = {o.contract.root for o in made.orders if o.kind is TradeKind.ROLL_CLOSE}
    by_ref = {order.order_ref: order for order in made.orders}

    # Counted by eye: two months of one root on the evening, one ending what the day before began.
    assert rolled == {
        *("BTC", "CC", "CL", "GC", "HG", "HO", "HSI", "KC", "LE", "NG", "PA", "SCN", "SI", "ZC"),
        "ZR",
    }
    assert kinds["roll-close"] == kinds["roll-open"] == 15
    for order in made.orders:
        if order.kind is TradeKind.ROLL_CLOSE:
            opening = by_ref[order.roll_pair]
            assert opening.roll_pair == order.order_ref
            assert opening.signed == -order.signed
    assert {e.subject for e in made.excluded} == {"GWMZ26", "SILH27", "YXTZ26", "YYTZ26"}
    assert sum(kinds.values()) == 96


def test_limits_of_a_file_can_be_rounded_by_side_and_reach_further(tmp_path: Path) -> None:
    def limits(terms: LimitTerms) -> dict[str, Decimal]:
        request = FileBasketRequest(
            transactions=EVENING / "transactions.csv",
            account="DU1234567",
            out=tmp_path,
            limits=terms,
        )
        made = write_file_basket(request, SPECS)
        return {o.contract.symbol: o.limit_price for o in made.orders}

    down, up = Rounding.DOWN, Rounding.UP
    near = limits(LimitTerms())
    careful = limits(LimitTerms(rounding_buy=down, rounding_sell=up))
    eager = limits(LimitTerms(entry_offset_ticks=2, exit_offset_ticks=4))

    assert careful != near
    # Bought to open: ES, tick 0.25. Sold to close: GAS, tick 0.25.
    assert eager["ESZ26"] == near["ESZ26"] + Decimal("0.50")
    assert eager["GASZ26"] == near["GASZ26"] - Decimal("1.00")
