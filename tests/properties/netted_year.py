"""Three models on one account through a bad year, netted: the pure parts as an evening has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from afterclose.domain.contracts import FuturesContract
from afterclose.domain.netting import NET_MODEL, Netting, with_rows
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import BasketOrder, OrderEvent, OrderState, TradeKind
from afterclose.stages.basket import ModelBook, OrderTerms, basket_orders, desk_trades
from afterclose.stages.netting import NettingInputs, net
from afterclose.stages.signals import Decision, trades_of
from make import ACCOUNT, intent, make_mapped, renamed, status
from make import filled as executed

D = Decimal
MODELS = ("A", "B", "C")
Book = dict[FuturesContract, int]


@dataclass
class Night:
    """What the ledger knows of one session."""

    orders: dict[str, BasketOrder] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    netting: Netting = field(default_factory=Netting)

    def lives(self) -> Mapping[str, OrderLife]:
        return with_rows(lives(self.orders.values(), self.events), self.netting)

    def record(self, made: Netting) -> None:
        carried = {r: p for r, p in made.carried.items() if r not in self.netting.carried}
        rows = {r.order_ref: r for r in (*self.netting.rows, *made.rows)}
        crossed = [t for t in made.transfers if t not in self.netting.transfers]
        self.orders.update({o.order_ref: o for o in (*made.orders, *made.rows)})
        self.netting = Netting(
            orders=(*self.netting.orders, *(o for o in made.orders if o.order_ref in carried)),
            rows=tuple(rows.values()),
            carried={**self.netting.carried, **carried},
            transfers=(*self.netting.transfers, *crossed),
        )


@dataclass
class NettedYear:
    """Positions of the models, of the desk for each of them, and of the account."""

    chance: Random
    chains: tuple[tuple[FuturesContract, ...], ...]
    models: dict[str, Book] = field(default_factory=lambda: {m: {} for m in MODELS})
    held: dict[str, Book] = field(default_factory=lambda: {m: {} for m in MODELS})
    account: defaultdict[FuturesContract, int] = field(default_factory=lambda: defaultdict(int))
    session: date = date(2026, 1, 5)
    closing_well: bool = False
    executions: int = 0
    crossed: int = 0
    together: int = 0

    def evening(self, wishes: Mapping[str, Book]) -> None:
        if self.closing_well or self.chance.random() > 0.1:  # else: a missed evening
            night = Night()
            for _ in range(self.chance.choice([1, 1, 2])):
                self._prepare_and_send(night, wishes)
        self.models = {m: {c: q for c, q in w.items() if q} for m, w in wishes.items()}
        self.session += timedelta(days=1)

    def _prepare_and_send(self, night: Night, wishes: Mapping[str, Book]) -> None:
        rows = [r for m in MODELS for r in self._rows(night, m, wishes[m]) if self._goes(r)]
        rows = self._without_lonely_legs([self._sized(row) for row in rows])
        self.chance.shuffle(rows)
        made = net(
            NettingInputs(
                desk="desk", orders=rows, recorded=night.netting, named=list(night.orders)
            )
        )
        check_sums(rows, made)
        before = {m: dict(b) for m, b in self.held.items()}
        told = {ref: life.filled for ref, life in night.lives().items()}
        night.record(made)
        self.crossed += len(made.transfers)
        for order in made.orders:
            self.together += order.model == NET_MODEL
            self._send(night, order)
        self._book(night, told)
        check_no_flip(rows, before, self.held)
        assert {c: q for c, q in self.account.items() if q} == self._together()

    def _together(self) -> Book:
        total: defaultdict[FuturesContract, int] = defaultdict(int)
        for book in self.held.values():
            for contract, quantity in book.items():
                total[contract] += quantity
        return {c: q for c, q in total.items() if q}

    def _rows(self, night: Night, model: str, wishes: Book) -> tuple[BasketOrder, ...]:
        known = night.lives()
        mine = [life for life in known.values() if life.order.model == model]
        done: defaultdict[FuturesContract, int] = defaultdict(int)
        for life in mine:
            done[life.order.contract] += life.filled * life.order.action.sign
        automatic = self.chance.random() < 0.2
        moves = {
            c: (self.models[model].get(c, 0), wishes.get(c, 0))
            for c in {*self.models[model], *wishes}
        }
        book = ModelBook(
            model=model,
            session=self.session,
            trades=trades_of(
                model,
                self.session,
                [
                    Decision(
                        contract=c, before=b, after=a, price=D(100), automatic=automatic and b != 0
                    )
                    if a == 0
                    else Decision(contract=c, before=b, after=a, price=D(100))
                    for c, (b, a) in moves.items()
                ],
            ),
            target=wishes,
            held=dict(self.held[model]),
            working={},
            closes=dict.fromkeys([c for chain in self.chains for c in chain], D(100)),
            done=done,
            complete=frozenset(
                life.order.contract
                for life in mine
                if life.state is OrderState.FILLED and not life.order.kind.closes
            ),
        )
        made = desk_trades(book)
        mapped = {
            t.trade.contract.symbol: make_mapped(t.trade.contract.symbol) for t in made.trades
        }
        terms = OrderTerms(
            desk="desk",
            account=ACCOUNT,
            session=self.session,
            exit_offset_ticks=self.chance.choice([0, 0, 2]),
            past={ref: life.state for ref, life in known.items()},
        )
        return basket_orders(made, mapped, terms).orders

    def _goes(self, _row: BasketOrder) -> bool:
        return self.closing_well or self.chance.random() > 0.1  # else: blocked, or left out

    def _sized(self, row: BasketOrder) -> BasketOrder:
        if self.closing_well or row.kind not in {TradeKind.ENTRY, TradeKind.ADD}:
            return row
        return renamed(row, quantity=self.chance.randint(1, row.quantity))

    def _without_lonely_legs(self, rows: list[BasketOrder]) -> list[BasketOrder]:
        going = {row.order_ref for row in rows}
        opens = TradeKind.ROLL_OPEN
        return [r for r in rows if r.kind is not opens or r.roll_pair in going]

    def _send(self, night: Night, order: BasketOrder) -> None:
        if not self.closing_well and self.chance.random() < 0.05:
            return  # held back at the door
        at = datetime.combine(self.session, datetime.min.time(), tzinfo=UTC)
        night.events.append(intent(order))
        left = order.quantity if self.closing_well else self._luck(order.quantity)
        filled = left
        told: list[OrderEvent] = []
        while left:
            part = self.chance.randint(1, left)
            left -= part
            self.executions += 1
            name = f"0000.{self.executions:06d}.01"
            moment = at + timedelta(seconds=self.chance.randint(0, 9))
            told.append(executed(order, part, name, at=moment))
        self.chance.shuffle(told)  # the gateway tells them as it likes, and twice
        night.events.extend([*told, *told[:1]])
        if filled < order.quantity:
            night.events.append(status(order, "Cancelled"))
        self.account[order.contract] += filled * order.action.sign

    def _luck(self, quantity: int) -> int:
        return quantity if self.chance.random() < 0.6 else self.chance.randint(0, quantity)

    def _book(self, night: Night, told: Mapping[str, int]) -> None:
        for ref, life in night.lives().items():
            order = life.order
            if order.model == NET_MODEL:
                continue
            got = (life.filled - told.get(ref, 0)) * order.action.sign
            book = self.held[order.model]
            book[order.contract] = book.get(order.contract, 0) + got
        self.held = {m: {c: q for c, q in b.items() if q} for m, b in self.held.items()}

    def wishes(self) -> dict[str, Book]:
        return {model: self._wish(dict(self.models[model])) for model in MODELS}

    def _wish(self, wanted: Book) -> Book:
        """Entries, exits, adds, cuts, reversals and rolls."""
        for chain in self.chains:
            held = [c for c in chain if wanted.get(c)]
            move = self.chance.random()
            if not held and move < 0.3:
                wanted[chain[0]] = self.chance.choice([-5, -2, 1, 3, 6])
            elif held and move < 0.15:
                wanted[held[0]] = 0
            elif held and move < 0.3:
                wanted[held[0]] += self.chance.choice([-2, -1, 1, 2])
            elif held and move < 0.35:
                wanted[held[0]] = -wanted[held[0]]
            elif held and move < 0.5:
                following = chain[(chain.index(held[0]) + 1) % len(chain)]
                quantity, wanted[held[0]] = wanted[held[0]], 0
                wanted[following] = wanted.get(following, 0) + quantity
        return wanted


def check_sums(rows: list[BasketOrder], made: Netting) -> None:
    """What goes to the market and what crosses inside is, row by row, what was approved."""
    traded: defaultdict[str, int] = defaultdict(int)
    for order in made.orders:
        parts = made.parts_of(order)
        assert sum(parts.values()) == order.signed
        assert all(part * order.signed > 0 for part in parts.values())
        for ref, part in parts.items():
            traded[ref] += part
    for row in rows:
        assert traded[row.order_ref] + made.inside(row.order_ref) == row.signed
    assert set(traded) <= {row.order_ref for row in rows}
    for contract in {o.contract for o in made.orders}:
        assert len({o.action for o in made.orders if o.contract == contract}) == 1


def check_no_flip(
    rows: list[BasketOrder], before: Mapping[str, Book], after: Mapping[str, Book]
) -> None:
    kinds = {(row.model, row.contract): row.kind for row in rows}
    for (model, contract), kind in kinds.items():
        if kind is not TradeKind.REVERSAL:
            held = before[model].get(contract, 0)
            assert held * after[model].get(contract, 0) >= 0, f"{model} {contract} {kind} {held}"
