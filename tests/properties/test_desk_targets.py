"""From the model's position to the account's: what must hold for every model and every market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.domain.orders import ModelTrade, TradeKind
from afterclose.stages.basket import DeskTrade, ModelBook, desk_trades
from afterclose.stages.signals import Decision, trades_of
from make import SESSION

D = Decimal
MONTHS = tuple(ContractMonth(2027, m) for m in (3, 6, 9, 12))
ES = tuple(FuturesContract(RootSymbol("ES"), m) for m in MONTHS)
CL = tuple(FuturesContract(RootSymbol("CL"), m) for m in MONTHS)

POSITIONS = st.integers(-6, 6)
SCALES = st.sampled_from([D(1), D("0.5"), D("0.34"), D("2.5")])


@st.composite
def books(draw: st.DrawFn, *, working: bool = False) -> ModelBook:
    """A model that moves in up to four contracts, and a desk that holds whatever it holds."""
    contracts = draw(st.lists(st.sampled_from(ES[:2] + CL[:2]), unique=True, min_size=1))
    moves = {c: (draw(POSITIONS), draw(POSITIONS)) for c in contracts}
    automatic = draw(st.booleans())
    decisions = [
        Decision(
            contract=c, before=b, after=a, price=D(100), automatic=automatic and a == 0 and b != 0
        )
        for c, (b, a) in moves.items()
    ]
    return ModelBook(
        model="TF",
        session=SESSION,
        trades=trades_of("TF", SESSION, decisions),
        target={c: after for c, (_, after) in moves.items()},
        held=_some(draw, contracts),
        working=_some(draw, contracts) if working else {},
        closes=dict.fromkeys(contracts, D(100)),
        scale=draw(SCALES),
        catch_up_entries=draw(st.booleans()),
    )


def _some(draw: st.DrawFn, contracts: list[FuturesContract]) -> dict[FuturesContract, int]:
    quantities = {c: draw(POSITIONS) for c in contracts}
    return {c: q for c, q in quantities.items() if q}


def waiting(book: ModelBook) -> set[FuturesContract]:
    """Where a leftover of the other side is closed first; what the model wants comes after it."""
    exits = (t.trade.contract for t in desk_trades(book).trades if t.trade.kind is TradeKind.EXIT)
    return {c for c in exits if book.target.get(c, 0)}


def sizes(book: ModelBook) -> dict[FuturesContract, int]:
    return {t.trade.contract: t.quantity for t in desk_trades(book).trades}


@given(books(working=True))
def test_no_order_flips_a_position_unless_it_is_a_reversal(book: ModelBook) -> None:
    for made in desk_trades(book).trades:
        contract, held = made.trade.contract, book.held.get(made.trade.contract, 0)
        if made.trade.kind is TradeKind.REVERSAL or not held:
            continue
        # The worst case: of what is working, only what closes gets filled.
        working = book.working.get(contract, 0)
        closing = working if working * held < 0 else 0
        assert (held + closing + made.quantity) * held >= 0


@given(books(working=True))
def test_closings_never_exceed_what_is_held(book: ModelBook) -> None:
    for made in desk_trades(book).trades:
        held = book.held.get(made.trade.contract, 0)
        if made.trade.kind.closes:
            assert made.quantity * held < 0
            assert abs(made.quantity) <= abs(held)


@given(books(working=True))
def test_a_contract_has_one_order_at_most_and_never_an_empty_one(book: ModelBook) -> None:
    made = desk_trades(book).trades

    assert len({t.trade.contract for t in made}) == len(made)
    assert all(t.quantity for t in made)


@given(books(working=True))
def test_every_trade_of_the_model_is_made_or_left_out_with_a_reason(book: ModelBook) -> None:
    result = desk_trades(book)
    told = {t.trade.contract for t in result.trades} | {
        e.trade.contract for e in result.excluded if e.trade
    }

    assert {t.contract for t in book.trades} <= told
    assert all(e.findings for e in result.excluded)


@given(books())
def test_when_the_orders_are_filled_a_second_run_trades_nothing(book: ModelBook) -> None:
    made = desk_trades(book).trades

    again = sizes(filled(book, made, {t.trade.contract: t.quantity for t in made}))
    assert set(again) <= waiting(book)


@given(books(), st.data())
def test_when_they_are_filled_in_part_a_second_run_trades_the_rest(
    book: ModelBook, data: st.DataObject
) -> None:
    made = [t for t in desk_trades(book).trades if not t.trade.roll_partner]
    done = {t.trade.contract: _part(t.quantity, data) for t in made}
    after = filled(book, made, done)
    rest = {t.trade.contract: t.quantity - done[t.trade.contract] for t in made}
    rest = {c: q for c, q in rest.items() if c not in waiting(book)}

    again = sizes(after)
    assert {c: again.get(c, 0) for c in rest} == rest


def _part(quantity: int, data: st.DataObject) -> int:
    part = data.draw(st.integers(0, abs(quantity)))
    return part if quantity > 0 else -part


def filled(
    book: ModelBook,
    made: list[DeskTrade] | tuple[DeskTrade, ...],
    done: Mapping[FuturesContract, int],
) -> ModelBook:
    """The book after these orders were filled so far and are no longer working."""
    held = {c: book.held.get(c, 0) + done.get(c, 0) for c in {*book.held, *done}}
    complete = {
        t.trade.contract
        for t in made
        if done[t.trade.contract] == t.quantity and not t.trade.kind.closes
    }
    return replace(
        book,
        held={c: q for c, q in held.items() if q},
        done=dict(done),
        complete=frozenset(complete),
    )


# -- a year ----------------------------------------------------------------------------------


@dataclass
class Year:
    """A model on two roots, and the desk that follows it through a bad year."""

    chance: Random
    model: dict[FuturesContract, int] = field(default_factory=dict)
    held: dict[FuturesContract, int] = field(default_factory=dict)
    session: date = date(2026, 1, 5)
    closing_well: bool = False

    def evening(self, wishes: Mapping[FuturesContract, int]) -> None:
        """The model decides, the desk prepares (perhaps twice), the market fills what it likes."""
        automatic = self.chance.random() < 0.2
        trades = self._trades(wishes, automatic=automatic)
        if self.closing_well or self.chance.random() > 0.1:  # else: a missed evening
            done: dict[FuturesContract, int] = {}
            complete: set[FuturesContract] = set()
            for _ in range(self.chance.choice([1, 1, 2])):
                self._prepare_and_trade(trades, wishes, done, complete)
        self.model = {c: q for c, q in wishes.items() if q}
        self.session += timedelta(days=1)

    def _trades(
        self, wishes: Mapping[FuturesContract, int], *, automatic: bool
    ) -> tuple[ModelTrade, ...]:
        moves = {c: (self.model.get(c, 0), wishes.get(c, 0)) for c in {*self.model, *wishes}}
        return trades_of(
            "TF",
            self.session,
            [
                Decision(
                    contract=c, before=b, after=a, price=D(100), automatic=automatic and b != 0 == a
                )
                for c, (b, a) in moves.items()
            ],
        )

    def _prepare_and_trade(
        self,
        trades: tuple[ModelTrade, ...],
        wishes: Mapping[FuturesContract, int],
        done: dict[FuturesContract, int],
        complete: set[FuturesContract],
    ) -> None:
        book = ModelBook(
            model="TF",
            session=self.session,
            trades=trades,
            target=wishes,
            held=dict(self.held),
            working={},
            closes={},
            done=dict(done),
            complete=frozenset(complete),
        )
        for made in desk_trades(book).trades:
            contract, ordered = made.trade.contract, self._ordered(made)
            got = ordered if self.closing_well else self._fill(ordered)
            self._take(made, got)
            done[contract] = done.get(contract, 0) + got
            if got and got == ordered and not made.trade.kind.closes:
                complete.add(contract)

    def _ordered(self, made: DeskTrade) -> int:
        """Entries are cut by the audit, and any row may be blocked."""
        if self.closing_well:
            return made.quantity
        if self.chance.random() < 0.1:
            return 0
        if made.trade.kind in {TradeKind.ENTRY, TradeKind.ADD}:
            size = self.chance.randint(0, abs(made.quantity))
            return size if made.quantity > 0 else -size
        return made.quantity

    def _fill(self, ordered: int) -> int:
        luck = self.chance.random()
        if luck < 0.6:
            return ordered
        part = self.chance.randint(0, abs(ordered))
        return part if ordered > 0 else -part

    def _take(self, made: DeskTrade, got: int) -> None:
        contract = made.trade.contract
        before = self.held.get(contract, 0)
        after = before + got
        if made.trade.kind is not TradeKind.REVERSAL:
            assert before * after >= 0, f"{made} flips {before:+d}"
        self.held[contract] = after
        self.held = {c: q for c, q in self.held.items() if q}

    def wishes(self) -> dict[FuturesContract, int]:
        """A model's next positions: entries, exits, adds, cuts, reversals and rolls."""
        wanted = dict(self.model)
        for chain in (ES, CL):
            held = [c for c in chain if wanted.get(c)]
            move = self.chance.random()
            if not held and move < 0.2:
                wanted[self.chance.choice(chain)] = self.chance.choice([-5, -2, 1, 3, 6])
            elif held and move < 0.1:
                wanted[held[0]] = 0
            elif held and move < 0.2:
                wanted[held[0]] += self.chance.choice([-2, -1, 1, 2])
            elif held and move < 0.25:
                wanted[held[0]] = -wanted[held[0]]
            elif held and move < 0.4:
                following = chain[(chain.index(held[0]) + 1) % len(chain)]
                quantity, wanted[held[0]] = wanted[held[0]], 0
                wanted[following] = wanted.get(following, 0) + quantity
        return wanted


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_a_year_ends_flat_when_the_model_is_flat_and_nothing_ever_flips(seed: int) -> None:
    year = Year(Random(seed))
    for _ in range(250):
        year.evening(year.wishes())
    year.evening(dict.fromkeys(year.model, 0))
    year.closing_well = True
    year.evening({})

    assert year.held == {}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_desk_never_holds_more_than_its_model_for_longer_than_an_evening(seed: int) -> None:
    year = Year(Random(seed))
    for _ in range(60):
        year.evening(year.wishes())
    year.closing_well = True
    year.evening(dict(year.model))

    for contract, quantity in year.held.items():
        wanted = year.model.get(contract, 0)
        assert quantity * wanted > 0
        assert abs(quantity) <= abs(wanted)
