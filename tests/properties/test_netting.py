"""Netting: whatever the rows, the fills and their order, the parts add up to the whole."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.netting import Netting, dealt, split_money, turns
from afterclose.domain.orders import BasketOrder, Fill, TradeKind
from afterclose.stages.netting import NettingInputs, net
from make import NOW, filled, intent, make_fill, make_order
from properties.netted_year import MODELS, NettedYear, check_sums

D = Decimal
MONTHS = tuple(ContractMonth(2027, m) for m in (3, 6, 9, 12))
CHAINS = tuple(
    tuple(FuturesContract(RootSymbol(root), month) for month in MONTHS) for root in ("ES", "CL")
)
PARTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 12), min_size=1)
KINDS = (TradeKind.ENTRY, TradeKind.ADD, TradeKind.EXIT, TradeKind.REDUCE, TradeKind.REVERSAL)


@given(PARTS)
def test_a_share_grows_with_the_order_and_is_exact_at_its_end(parts: dict[str, int]) -> None:
    names = turns(parts)

    assert {name: names.count(name) for name in parts} == parts
    whole = sum(parts.values())
    for done in range(whole + 1):
        for name, part in parts.items():
            given_so_far = names[:done].count(name)
            assert abs(given_so_far - part * done / whole) < len(parts)


@st.composite
def executions(draw: st.DrawFn, whole: int) -> list[Fill]:
    sizes = draw(st.lists(st.integers(1, 5), max_size=8))
    fills, left = [], whole
    for number, size in enumerate(sizes):
        quantity = min(size, left)
        left -= quantity
        if quantity:
            fills.append(
                make_fill(
                    quantity=quantity,
                    exec_id=f"0000.{number:03d}.01",
                    price=D(draw(st.integers(20_000, 28_000))) / 4,
                    at=NOW + timedelta(seconds=draw(st.integers(0, 3))),
                    commission=D(draw(st.integers(-500, 2_000))) / 100,
                )
            )
    return fills


@given(PARTS, st.data())
def test_attribution_sums_to_the_whole_and_does_not_know_the_order_of_arrival(
    parts: dict[str, int], data: st.DataObject
) -> None:
    fills = data.draw(executions(sum(parts.values())))
    shares = dealt(parts, fills)

    own = [fill for row in shares.values() for fill in row]
    assert sum(f.quantity for f in own) == sum(f.quantity for f in fills)
    assert sum(f.quantity * f.price for f in own) == sum(f.quantity * f.price for f in fills)
    assert sum(f.commission or 0 for f in own) == sum(f.commission or 0 for f in fills)
    assert dealt(parts, data.draw(st.permutations(fills))) == shares


@given(st.integers(-100_000, 100_000), st.integers(0, 4), PARTS)
def test_money_is_split_to_the_cent_and_nothing_is_lost(
    amount: int, digits: int, counts: dict[str, int]
) -> None:
    money = D(amount).scaleb(-digits)
    parts = split_money(money, counts)

    assert sum(parts.values()) == money
    unit = min(D("0.01"), D(1).scaleb(-digits))
    whole = sum(counts.values())
    assert all(abs(p - money * counts[n] / whole) < unit for n, p in parts.items())


@st.composite
def rows(draw: st.DrawFn) -> list[BasketOrder]:
    """Rows of up to five models in two contracts, one of each model in each."""
    made = []
    for symbol in ("ESZ26", "ESH27"):
        for model in draw(st.lists(st.sampled_from("ABCDE"), unique=True)):
            kind = draw(st.sampled_from(KINDS))
            signed = draw(st.integers(1, 9)) * draw(st.sampled_from([1, -1]))
            limit = draw(st.sampled_from([D(6000), D("6000.5")]))
            made.append(make_order(symbol, signed, model=model, kind=kind, limit_price=limit))
    return made


@given(rows(), st.data())
def test_netting_is_independent_of_the_sequence_and_sums_to_the_rows(
    approved: list[BasketOrder], data: st.DataObject
) -> None:
    inputs = NettingInputs(desk="desk", orders=approved, recorded=Netting(), named=())
    shuffled = data.draw(st.permutations(approved))
    made = net(inputs)

    check_sums(approved, made)
    again = NettingInputs(desk="desk", orders=shuffled, recorded=Netting(), named=())
    assert net(again) == made


@given(rows())
def test_each_order_keeps_the_terms_that_were_approved_for_its_rows(
    approved: list[BasketOrder],
) -> None:
    made = net(NettingInputs(desk="desk", orders=approved, recorded=Netting(), named=()))
    by_ref = {row.order_ref: row for row in approved}

    for order in made.orders:
        carried = [by_ref[ref] for ref in made.parts_of(order)]
        assert {r.limit_price for r in carried} == {order.limit_price}
        assert {r.kind.closes for r in carried} == {order.kind.closes}
        assert {r.contract for r in carried} == {order.contract}
    assert len({o.order_ref for o in made.orders}) == len(made.orders)


@given(rows())
def test_the_same_rows_meet_their_own_orders_again(approved: list[BasketOrder]) -> None:
    made = net(NettingInputs(desk="desk", orders=approved, recorded=Netting(), named=()))
    named = [o.order_ref for o in (*made.orders, *made.rows)]

    again = net(NettingInputs(desk="desk", orders=approved, recorded=made, named=named))
    assert again == made


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_netted_year_ends_flat_when_the_models_are_flat_and_nothing_ever_flips(seed: int) -> None:
    year = NettedYear(Random(seed), CHAINS)
    for _ in range(250):
        year.evening(year.wishes())
    year.evening({model: dict.fromkeys(year.models[model], 0) for model in MODELS})
    year.closing_well = True
    year.evening({model: {} for model in MODELS})

    assert year.held == {model: {} for model in MODELS}
    assert not any(year.account.values())
    assert year.crossed > 5
    assert year.together > 10


@settings(max_examples=15, deadline=None)
@given(rows(), st.data())
def test_the_ledgers_books_are_the_rows_own_parts(
    tmp_path_factory: object, approved: list[BasketOrder], data: st.DataObject
) -> None:
    made = net(NettingInputs(desk="desk", orders=approved, recorded=Netting(), named=()))
    folder: Path = tmp_path_factory.mktemp("ledger")  # type: ignore[attr-defined]
    ledger = SqlLedger(f"sqlite:///{(folder / 'ledger.sqlite').as_posix()}")
    try:
        ledger.record_netting("run", made)
        ledger.record_orders("run", made.orders)
        ledger.record_transfers("run", made.transfers, at=NOW)
        ledger.record_transfers("run", made.transfers, at=NOW)  # twice written counts once
        account = 0
        for number, order in enumerate(made.orders):
            part = data.draw(st.integers(0, order.quantity))
            ledger.append_events("run", [intent(order)])
            if part:
                ledger.append_events("run", [filled(order, part, f"0000.{number:03d}.01")] * 2)
            account += part * order.action.sign
        books = {m: ledger.held(m) for m in ledger.models()}
    finally:
        ledger.close()

    assert sum(q for book in books.values() for q in book.values()) == account
    assert "(net)" not in books
    wanted = {(row.model, row.contract): row.signed for row in approved}
    for model, book in books.items():
        for contract, quantity in book.items():
            assert 0 <= quantity / wanted[model, contract] <= 1
