"""Netting: approved rows become orders for the market, opposite rows cross inside. Pure.

Per contract, what some models buy and others sell is crossed at the rows' reference price: on the
larger side closings cross first, then the others by their size. What is left of a contract is on
one side. Rows that would be the same order but for their quantity then go as one: those that close
together (``C``), opening legs of rolls whose closing legs go together (``R``), and those that open
(``O``). A row that is alone and whole keeps its own name. The account thus never trades more than
its rows together, and a position that closes never waits for one that opens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from afterclose.domain.netting import NET_MODEL, Netting, Transfer, net_ref
from afterclose.domain.orders import BasketOrder, TradeKind, later_attempt

#: What rows carried by one order may differ in; every other field is a term of the order itself.
_OF_THE_ROW = frozenset(
    {
        *("order_ref", "model", "quantity", "kind", "trade_id", "model_quantity", "held_before"),
        *("reference_price", "reason", "stop_level", "roll_pair", "catch_up"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NettingInputs:
    """Approved ``orders``, what the ledger has netted this session, and every name given in it."""

    desk: str
    orders: Sequence[BasketOrder]
    recorded: Netting
    named: Collection[str]


def one_by_one(orders: Sequence[BasketOrder]) -> Netting:
    """Let every row go under its own name."""
    return Netting(orders=tuple(orders))


def net(inputs: NettingInputs) -> Netting:
    """Make the orders that go to the market. The same rows give the same orders, in any sequence.

    Rows that were netted before, and are approved again, meet their own order again.
    """
    by_contract: defaultdict[Hashable, list[BasketOrder]] = defaultdict(list)
    for order in sorted(inputs.orders, key=lambda o: (o.contract, o.order_ref)):
        by_contract[order.contract, order.account].append(order)
    work = _Work(inputs)
    rests: list[_Rest] = []
    for rows in by_contract.values():
        rests.extend(work.cross(rows))
    opens = [r for r in rests if r.row.kind is TradeKind.ROLL_OPEN]
    work.carry([r for r in rests if r.row.kind is not TradeKind.ROLL_OPEN])
    work.carry(opens)  # their closing legs have a name now
    return work.netting()


@dataclass(frozen=True, slots=True)
class _Rest:
    """A row and how much of it goes to the market, unsigned."""

    row: BasketOrder
    quantity: int

    @property
    def whole(self) -> bool:
        return self.quantity == self.row.quantity


class _Work:
    """What is made so far."""

    def __init__(self, inputs: NettingInputs) -> None:
        self._inputs = inputs
        self._names = set(inputs.named)
        self._orders: list[BasketOrder] = []
        self._rows: dict[str, BasketOrder] = {}
        self._carried: dict[str, dict[str, int]] = {}
        self._transfers: list[Transfer] = []
        #: Row → the order that takes it to the market; empty where it crossed inside whole.
        self._carrier: dict[str, str] = {}

    def netting(self) -> Netting:
        opens = {o.roll_pair: o for o in self._orders if o.kind is TradeKind.ROLL_OPEN}
        return Netting(
            orders=tuple(_facing(order, opens.get(order.order_ref)) for order in self._orders),
            rows=tuple(self._rows.values()),
            carried=self._carried,
            transfers=tuple(self._transfers),
        )

    def cross(self, rows: Sequence[BasketOrder]) -> list[_Rest]:
        """Cross opposite rows of one contract; return what is left of each."""
        buys = [row for row in rows if row.signed > 0]
        sells = [row for row in rows if row.signed < 0]
        amount = min(sum(r.quantity for r in buys), sum(r.quantity for r in sells))
        bought, sold = crossing(buys, amount), crossing(sells, amount)
        self._transfers.extend(_transfers(buys, bought, sells, sold))
        crossed = {**bought, **sold}
        for row in rows:
            if crossed.get(row.order_ref):
                self._rows[row.order_ref] = row
                self._carrier[row.order_ref] = ""
        left = [_Rest(row, row.quantity - crossed.get(row.order_ref, 0)) for row in rows]
        return [rest for rest in left if rest.quantity]

    def carry(self, rests: Sequence[_Rest]) -> None:
        """Lay rests of the same terms together, and name what goes to the market."""
        groups: defaultdict[Hashable, list[_Rest]] = defaultdict(list)
        for rest in rests:
            groups[self._terms(rest.row)].append(rest)
        for group in groups.values():
            if len(group) == 1 and group[0].whole:
                self._alone(group[0].row)
            else:
                self._together(group)

    def _terms(self, row: BasketOrder) -> Hashable:
        own = tuple(
            getattr(row, f.name) for f in fields(row) if f.name not in {*_OF_THE_ROW, "mapped"}
        )
        waits_for = self._pair(row) if row.kind is TradeKind.ROLL_OPEN else ""
        return row.contract, own, _effect(row), waits_for

    def _pair(self, row: BasketOrder) -> str:
        """The order that must be taken before a roll opens; empty where the close crossed whole."""
        return self._carrier.get(row.roll_pair, row.roll_pair)

    def _alone(self, row: BasketOrder) -> None:
        pair = self._pair(row) if row.kind is TradeKind.ROLL_OPEN else row.roll_pair
        self._orders.append(replace(row, roll_pair=pair))

    def _together(self, group: Sequence[_Rest]) -> None:
        first = group[0].row
        sign = first.action.sign
        parts = {rest.row.order_ref: sign * rest.quantity for rest in group}
        name = self._name(first, parts)
        quantity = sum(rest.quantity for rest in group)
        worth = sum((r.row.reference_price * r.quantity for r in group), Decimal(0))
        said = ", ".join(f"{r.row.model} {sign * r.quantity:+d}" for r in group)
        self._orders.append(
            replace(
                first,
                order_ref=name,
                model=NET_MODEL,
                quantity=quantity,
                kind=_kind([rest.row.kind for rest in group]),
                trade_id=f"{NET_MODEL}/{first.session.isoformat()}/{first.contract.symbol}",
                model_quantity=quantity,
                held_before=sum(rest.row.held_before for rest in group),
                reference_price=worth / quantity,
                reason=f"carries {said}",
                stop_level=None,
                roll_pair=self._pair(first) if first.kind is TradeKind.ROLL_OPEN else "",
                catch_up=all(rest.row.catch_up for rest in group),
            )
        )
        self._carried[name] = parts
        for rest in group:
            self._rows[rest.row.order_ref] = rest.row
            self._carrier[rest.row.order_ref] = name

    def _name(self, row: BasketOrder, parts: Mapping[str, int]) -> str:
        """The name these very parts have already, or the first that nothing else has.

        An attempt that goes on with an order of which nothing filled carries the same: it is not
        the name of that order.
        """
        recorded = self._inputs.recorded
        further = {order.order_ref for order in recorded.orders if order.replaces}
        firsts = ((ref, old) for ref, old in recorded.carried.items() if ref not in further)
        known = [ref for ref, old in firsts if dict(old) == parts]
        if known:
            return known[-1]
        number = 1
        while True:
            name = net_ref(
                desk=self._inputs.desk,
                session=row.session,
                contract=row.contract,
                effect=_effect(row),
                number=number,
            )
            names = {name, *(later_attempt(name, n + 1) for n in range(row.attempts))}
            if not names & self._names:
                self._names |= names
                return name
            number += 1


def _facing(order: BasketOrder, opening: BasketOrder | None) -> BasketOrder:
    """Let an order that closes for a roll name the one that opens, as its rows did."""
    if not order.kind.closes:
        return order
    return replace(order, roll_pair="" if opening is None else opening.order_ref)


def _effect(row: BasketOrder) -> str:
    if row.kind.closes:
        return "C"
    return "R" if row.kind is TradeKind.ROLL_OPEN else "O"


def _kind(kinds: Sequence[TradeKind]) -> TradeKind:
    """The kind they share; else a plain exit, or the most cautious of what opens."""
    if len(set(kinds)) == 1:
        return kinds[0]
    return TradeKind.EXIT if all(kind.closes for kind in kinds) else TradeKind.ENTRY


def crossing(rows: Sequence[BasketOrder], amount: int) -> dict[str, int]:
    """Say how much of each row of one side crosses inside: closings first, then by size."""
    closing = [row for row in rows if row.kind.closes]
    opening = [row for row in rows if not row.kind.closes]
    first = min(amount, sum(row.quantity for row in closing))
    return {**_apportion(closing, first), **_apportion(opening, amount - first)}


def _apportion(rows: Sequence[BasketOrder], amount: int) -> dict[str, int]:
    """Divide in proportion to the rows' sizes, by largest remainder, then by name."""
    whole = sum(row.quantity for row in rows)
    if not whole or not amount:
        return {}
    given = {row.order_ref: row.quantity * amount // whole for row in rows}
    remainders = {row.order_ref: row.quantity * amount % whole for row in rows}
    for ref in sorted(given, key=lambda r: (-remainders[r], r))[: amount - sum(given.values())]:
        given[ref] += 1
    return given


def _transfers(
    buys: Sequence[BasketOrder],
    bought: Mapping[str, int],
    sells: Sequence[BasketOrder],
    sold: Mapping[str, int],
) -> list[Transfer]:
    """Pair what crosses, closings first on both sides."""
    made: list[Transfer] = []
    left = dict(sold)
    for buy in sorted(buys, key=_place):
        wanted = bought.get(buy.order_ref, 0)
        for sell in sorted(sells, key=_place):
            quantity = min(wanted, left.get(sell.order_ref, 0))
            if quantity:
                made.append(_transfer(buy, sell, quantity))
                wanted -= quantity
                left[sell.order_ref] -= quantity
    return made


def _place(row: BasketOrder) -> tuple[bool, str]:
    return not row.kind.closes, row.order_ref


def _transfer(buy: BasketOrder, sell: BasketOrder, quantity: int) -> Transfer:
    """Cross at the middle of both rows' reference prices, on the nearest tick.

    Both rows of one evening are priced from the same close, so that the middle is that close.
    """
    middle = (buy.reference_price + sell.reference_price) / 2
    return Transfer(
        bought=buy.order_ref,
        sold=sell.order_ref,
        contract=buy.contract,
        session=buy.session,
        quantity=quantity,
        price=buy.mapped.spec.to_tick(middle),
    )
