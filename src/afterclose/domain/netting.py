"""Netting: several models' rows of one contract as one order, and each row's part of its fills.

What a person approves is one row per model. What goes to the market is their sum: opposite rows
cross inside the desk at a stated price (``Transfer``), the rest goes as one order that *carries*
its rows. A row's life is never written down; it is worked out from the order that carries it, so
that however often an execution is told, corrected or told late, the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_DOWN, Decimal
from itertools import cycle, islice

from afterclose.domain.contracts import ContractSpec, FuturesContract
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import BasketOrder, Fill, OrderEvent, OrderState, order_ref

#: Stands for the models together, where an order carries rows of several. No model is called so.
NET_MODEL = "(net)"
#: The same in a reference, and therefore forbidden as a model's name.
NET_NAME = "NET"
#: How the number of a row's execution begins that was a transfer.
INSIDE = "inside/"
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What one row bought of another inside the desk: no order, no commission.

    ``price`` is in IB units, on the tick; ``quantity`` is positive.
    """

    bought: str
    sold: str
    contract: FuturesContract
    session: date
    quantity: int
    price: Decimal

    def signed(self, row: str) -> int:
        """Signed contracts that this row traded by it; zero where it is not of this row."""
        return self.quantity * ((row == self.bought) - (row == self.sold))


@dataclass(frozen=True, slots=True, kw_only=True)
class NettedContract:
    """One contract that several models trade on one evening."""

    contract: FuturesContract
    spec: ContractSpec
    orders: tuple[BasketOrder, ...]
    transfers: tuple[Transfer, ...]

    @property
    def signed(self) -> int:
        """What the account trades if every order fills."""
        return sum(order.signed for order in self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Netting:
    """How rows became orders.

    ``orders`` go to the market: a row by itself, or an order that carries several. ``rows`` are
    those that do not go under their own name; ``carried`` says, per order, the signed contracts of
    each row in it; they add up to the order.
    """

    orders: tuple[BasketOrder, ...] = ()
    rows: tuple[BasketOrder, ...] = ()
    carried: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    transfers: tuple[Transfer, ...] = ()

    def carriers(self, row: str) -> tuple[str, ...]:
        """References of the orders that carry a row."""
        return tuple(ref for ref, parts in self.carried.items() if row in parts)

    def claims(self, order: BasketOrder) -> tuple[BasketOrder, ...]:
        """Return the rows an order stands for; itself where it carries none."""
        parts = self.carried.get(order.order_ref)
        if parts is None:
            return (order,)
        return tuple(row for row in self.rows if row.order_ref in parts)

    def parts_of(self, order: BasketOrder) -> Mapping[str, int]:
        """Return the signed contracts of each row in an order; of itself where it is a row."""
        return self.carried.get(order.order_ref, {order.order_ref: order.signed})

    def models(self) -> Mapping[str, str]:
        """Return the model of each row that does not go under its own name."""
        return {row.order_ref: row.model for row in self.rows}

    def by_contract(self) -> tuple[NettedContract, ...]:
        """Return each contract of which some row does not go under its own name."""
        return tuple(
            NettedContract(
                contract=contract,
                spec=next(r.mapped.spec for r in self.rows if r.contract == contract),
                orders=tuple(o for o in self.orders if o.contract == contract),
                transfers=tuple(t for t in self.transfers if t.contract == contract),
            )
            for contract in sorted({row.contract for row in self.rows})
        )

    def inside(self, row: str) -> int:
        """Signed contracts that a row traded inside the desk."""
        return sum(t.signed(row) for t in self.transfers)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What the ledger knows of one session: every order named, all that was seen, the netting."""

    session: date
    orders: tuple[BasketOrder, ...]
    events: tuple[OrderEvent, ...]
    netting: Netting


def net_ref(
    *, desk: str, session: date, contract: FuturesContract, effect: str, number: int
) -> str:
    """Name an order that carries rows: ``desk-20261120-NET-ESZ26-C1``.

    ``effect`` is C where every row closes, R where they open the new month of a roll, else O.
    Raises UsageError when the name would be longer than IB's field.
    """
    name = order_ref(
        desk=desk, session=session, model=NET_NAME, contract=contract, closes=True, attempt=number
    )
    return name.removesuffix(f"C{number}") + f"{effect}{number}"


def turns(parts: Mapping[str, int]) -> tuple[str, ...]:
    """Say whose each contract of an order is, in the order in which it fills.

    The next contract goes to whoever is furthest behind his share of what has filled; between
    equals, to the first name. So a share never shrinks while the order fills, is never more than
    a contract or two from proportion, and is exact at the end.
    """
    whole = sum(abs(part) for part in parts.values())
    given = dict.fromkeys(sorted(parts), 0)
    names: list[str] = []
    for filled in range(1, whole + 1):
        # Deficit × whole, in whole numbers: part × filled − given × whole. max() keeps the first.
        name = max(given, key=lambda n: abs(parts[n]) * filled - given[n] * whole)
        given[name] += 1
        names.append(name)
    return tuple(names)


def owners(parts: Mapping[str, int], filled: int) -> tuple[str, ...]:
    """Say whose each of so many filled contracts is.

    Beyond what was ordered (a person made the order larger in TWS) the turns go round again.
    """
    return tuple(islice(cycle(turns(parts)), filled))


def rest_of(parts: Mapping[str, int], quantity: int) -> dict[str, int]:
    """Return whose the last contracts of an order are, signed: what goes on with them has these."""
    names = turns(parts)[-quantity:] if quantity else ()
    return {
        name: names.count(name) * (1 if part > 0 else -1)
        for name, part in parts.items()
        if name in names
    }


def dealt(parts: Mapping[str, int], fills: Iterable[Fill]) -> Mapping[str, tuple[Fill, ...]]:
    """Divide executions among the rows of an order: row → its part of each, at that price.

    Executions are taken by their time and number, whenever they were heard of; the commission of
    each is split by ``split_money``. None stays with nobody, see ``owners``.
    """
    fills = list(fills)
    names = owners(parts, sum(fill.quantity for fill in fills))
    rows: dict[str, list[Fill]] = {row: [] for row in parts}
    done = 0
    for fill in sorted(fills, key=lambda f: (f.at, f.exec_id)):
        mine = names[done : done + fill.quantity]
        done += fill.quantity
        counts = {row: mine.count(row) for row in sorted(set(mine))}
        commissions = _commissions(fill, counts)
        for row, count in counts.items():
            rows[row].append(
                replace(
                    fill,
                    exec_id=f"{fill.exec_id}/{row}",
                    order_ref=row,
                    quantity=count,
                    commission=commissions[row],
                )
            )
    return {row: tuple(own) for row, own in rows.items()}


def _commissions(fill: Fill, counts: Mapping[str, int]) -> Mapping[str, Decimal | None]:
    if fill.commission is None:
        return dict.fromkeys(counts)
    return dict(split_money(fill.commission, counts))


def split_money(amount: Decimal, counts: Mapping[str, int]) -> Mapping[str, Decimal]:
    """Split money in proportion, to the cent (or as fine as the amount is), by largest remainder.

    The parts add up to the amount exactly; between equal remainders the first name gets the cent.
    """
    exponent = amount.as_tuple().exponent
    unit = min(_CENT, Decimal(1).scaleb(exponent if isinstance(exponent, int) else -2))
    whole = sum(counts.values())
    exact = {name: abs(amount) * count / whole for name, count in counts.items()}
    parts = {name: part.quantize(unit, rounding=ROUND_DOWN) for name, part in exact.items()}
    left = int((abs(amount) - sum(parts.values(), Decimal(0))) / unit)
    for name in sorted(exact, key=lambda n: (parts[n] - exact[n], n))[:left]:
        parts[name] += unit
    sign = -1 if amount < 0 else 1
    return {name: sign * part for name, part in parts.items()}


def in_market(known: Mapping[str, OrderLife], netting: Netting) -> tuple[OrderLife, ...]:
    """Return what went, or would go, to the market: no row of which another order tells already.

    Rows that crossed inside whole are among them: nothing else tells of those.
    """
    told: list[OrderLife] = []
    for ref, life in known.items():
        carriers = [known[c].state for c in netting.carriers(ref) if c in known]
        moved = any(state is not OrderState.INTENDED for state in carriers)
        if not carriers or not (moved or life.state is OrderState.INTENDED):
            told.append(life)
    return tuple(told)


def with_rows(known: Mapping[str, OrderLife], netting: Netting) -> Mapping[str, OrderLife]:
    """Return every order's life, those of carried rows worked out from what carries them.

    ``known`` are the lives by the journal, ``netting`` what the ledger has of the session.
    """
    shares = {
        ref: dealt(parts, known[ref].fills)
        for ref, parts in netting.carried.items()
        if ref in known
    }
    lives = dict(known)
    for row in netting.rows:
        lives[row.order_ref] = _row_life(row, known, netting, shares)
    return lives


def _row_life(
    row: BasketOrder,
    known: Mapping[str, OrderLife],
    netting: Netting,
    shares: Mapping[str, Mapping[str, tuple[Fill, ...]]],
) -> OrderLife:
    ref = row.order_ref
    own = known.get(ref, OrderLife(order=row))
    carriers = [known[c] for c in netting.carriers(ref) if c in shares]
    inside = [_inside(row, t) for t in netting.transfers if t.signed(ref)]
    through = [fill for life in carriers for fill in shares[life.order.order_ref][ref]]
    fills = (*own.fills, *inside, *through)
    states = [life.state for life in (own, *carriers) if life.state is not OrderState.INTENDED]
    filled = sum(fill.quantity for fill in fills)
    resized = _resized(row, carriers, netting, filled)
    return replace(
        own,
        state=_row_state(states, filled=filled, quantity=max(row.quantity, resized)),
        fills=fills,
        resized=resized,
        text=own.text or _said(netting, ref, inside),
    )


def _resized(row: BasketOrder, carriers: Iterable[OrderLife], netting: Netting, filled: int) -> int:
    """Return what a row comes to by an order that a person resized in TWS; 0: what it is for."""
    known = tuple(carriers)
    if not any(life.resized for life in known):
        return 0
    open_ = 0
    for life in (each for each in known if not each.state.final):
        names = owners(netting.carried[life.order.order_ref], life.wanted)
        open_ += names[life.filled :].count(row.order_ref)
    total = filled + open_
    return total if total != row.quantity else 0


def _row_state(states: Sequence[OrderState], *, filled: int, quantity: int) -> OrderState:
    if filled >= quantity:
        return OrderState.FILLED
    if not states:
        return OrderState.INTENDED
    alive = [state for state in states if not state.final]
    if OrderState.UNKNOWN in alive:
        return OrderState.UNKNOWN
    if alive:
        moved = {OrderState.WORKING, OrderState.PARTLY_FILLED}
        if alive[-1] in moved:
            return OrderState.PARTLY_FILLED if filled else OrderState.WORKING
        return alive[-1]
    return OrderState.CANCELLED if states[-1] is OrderState.FILLED else states[-1]


def _inside(row: BasketOrder, transfer: Transfer) -> Fill:
    """A transfer as the row's own execution: at its price, without commission."""
    return Fill(
        exec_id=f"{INSIDE}{transfer.bought}/{transfer.sold}",
        order_ref=row.order_ref,
        perm_id=0,
        con_id=0,
        action=row.action,
        quantity=transfer.quantity,
        price=transfer.price,
        at=_start_of(transfer.session),
        account=row.account,
        commission=Decimal(0),
        commission_currency=row.mapped.spec.currency,
    )


def _start_of(session: date) -> datetime:
    """A transfer has no moment of its own in the market: it stands at the session's first."""
    return datetime.combine(session, time(), tzinfo=UTC)


def _said(netting: Netting, ref: str, inside: Sequence[Fill]) -> str:
    crossed = [f"{f.quantity} crossed inside at {f.price:f}" for f in inside]
    carried = [f"in {carrier}" for carrier in netting.carriers(ref)]
    return "; ".join([*crossed, *carried])
