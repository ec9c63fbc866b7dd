"""Baskets: what is written is what is read, to the last digit."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from afterclose.adapters.files.basket_csv import BasketForm, basket_text, read_basket
from afterclose.domain.contracts import RootSymbol
from afterclose.domain.orders import Action, BasketOrder
from afterclose.errors import UsageError
from unit.files.basket_orders import SPECS, make_order

TRADED = sorted(root for root, spec in SPECS.items() if not spec.blocked)


@st.composite
def orders(draw: st.DrawFn) -> Sequence[BasketOrder]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        root = RootSymbol(draw(st.sampled_from(TRADED)))
        steps = draw(st.integers(-1000, 1_000_000))
        made.append(
            make_order(
                f"{root}{draw(st.sampled_from('FGHJKMNQUVXZ'))}{draw(st.integers(26, 40))}",
                str(steps * SPECS[root].tick_size),
                action=draw(st.sampled_from(Action)),
                quantity=draw(st.integers(1, 9999)),
                order_type=draw(st.sampled_from(["LMT", "LMT", "MKT"])),
                order_ref=f"r{number}",
            )
        )
    return made


@given(orders(), st.sampled_from(BasketForm))
def test_every_order_is_read_back_exactly(made: Sequence[BasketOrder], form: BasketForm) -> None:
    rows = {row.order_ref: row for row in read_basket(basket_text(made, form=form))}

    assert set(rows) == {order.order_ref for order in made}
    for order in made:
        row, spec = rows[order.order_ref], order.mapped.spec
        assert (row.action, row.quantity) == (order.action, order.quantity)
        assert (row.symbol, row.exchange) == (spec.ib_symbol, spec.ib_exchange)
        assert (row.currency, row.multiplier) == (spec.currency, spec.multiplier)
        assert row.expiry == order.contract.month.yyyymm
        assert (row.account, row.tif) == (order.account, order.tif)
        assert row.order_type == order.order_type
        assert row.limit_price == (order.limit_price if row.order_type == "LMT" else None)


@given(orders(), st.randoms(use_true_random=False))
def test_the_text_does_not_depend_on_the_order_of_the_orders(
    made: Sequence[BasketOrder], random: Random
) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)

    assert basket_text(shuffled, form=BasketForm.TWS) == basket_text(made, form=BasketForm.TWS)


@given(orders(), st.sampled_from(BasketForm))
def test_the_file_is_plain_ascii_without_exponents(
    made: Sequence[BasketOrder], form: BasketForm
) -> None:
    text = basket_text(made, form=form)

    assert text.isascii()
    assert text.endswith("\n")
    at = form.columns.index("LmtPrice")
    limits = [line.split(",")[at] for line in text.splitlines() if ",LMT," in line]
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", limit) for limit in limits)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1")))
def test_any_text_is_read_or_refused_by_us(text: str) -> None:
    for candidate in (text, basket_text([], form=BasketForm.TWS) + text):
        with contextlib.suppress(UsageError):
            read_basket(candidate)


@given(st.data())
def test_a_changed_character_is_read_as_written_or_refused(data: st.DataObject) -> None:
    text = basket_text([make_order("CLF27", "58.10")], form=BasketForm.TWS)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters()) + text[at + 1 :]

    try:
        rows = read_basket(changed)
    except UsageError:
        return
    assert all(row.quantity > 0 and isinstance(row.limit_price, Decimal) for row in rows)
