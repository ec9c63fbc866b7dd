"""What the account holds before and after tonight, and where its exposure lies.

*After* means: every cleared order filled whole. Exposure is the value of the contracts at the last
close, in the account's currency. A position whose close nobody told is taken at its average cost
and says so; one whose exchange rate is unknown is listed, never counted as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.account import Position
from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import Currency
from afterclose.report.evening import EveningView
from afterclose.report.words import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One contract of the account. Unknown figures are None.

    ``value_per_contract`` is in the account's base currency; ``at_cost`` says that it is made
    from the average cost because no close is known.
    """

    symbol: str
    delivery: str
    sector: str
    currency: Currency
    before: int | None
    change: int
    average_cost: Decimal | None
    value_per_contract: Decimal | None
    at_cost: bool = False

    @property
    def after(self) -> int | None:
        """Position once every cleared order is filled."""
        return None if self.before is None else self.before + self.change

    @property
    def countable(self) -> bool:
        """Whether position and value are both known, so that it enters the exposure."""
        return self.before is not None and self.value_per_contract is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Exposure of one sector or currency, in the account's base currency."""

    name: str
    net_before: Decimal
    net_after: Decimal
    gross_after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    sector: str
    price: Decimal | None
    point_value: Decimal | None


def holdings(view: EveningView) -> tuple[Holding, ...]:
    """List every contract that is held or traded tonight, by symbol and delivery."""
    ordered = {r.qualified.con_id: r for r in view.audit.rows if r.qualified is not None}
    changes = _changes(view)
    positions = view.account.positions or ()
    held = [_held(view, position, changes, ordered.get(position.con_id)) for position in positions]
    known = {position.con_id for position in positions}
    new = [_traded(view, row, changes) for con, row in ordered.items() if con not in known]
    nameless = [_traded(view, row, changes) for row in view.audit.rows if row.qualified is None]
    # What is not held and does not change is no position.
    real = [h for h in (*held, *new, *nameless) if h.before != 0 or h.change != 0]
    return tuple(sorted(real, key=lambda h: (h.symbol, h.delivery)))


def exposure_by(
    held: Iterable[Holding], key: Callable[[Holding], str]
) -> tuple[tuple[Exposure, ...], tuple[Holding, ...]]:
    """Sum the exposure per key, largest first; the second part could not be counted."""
    groups: dict[str, list[Holding]] = {}
    uncounted = []
    for holding in held:
        if holding.countable:
            groups.setdefault(key(holding), []).append(holding)
        else:
            uncounted.append(holding)
    sums = [_exposure(name, members) for name, members in groups.items()]
    return tuple(sorted(sums, key=lambda e: (-e.gross_after, e.name))), tuple(uncounted)


def _exposure(name: str, members: Iterable[Holding]) -> Exposure:
    before = after = gross = Decimal(0)
    for holding in members:
        if holding.before is None or holding.value_per_contract is None:
            continue
        position = holding.before + holding.change
        before += holding.before * holding.value_per_contract
        after += position * holding.value_per_contract
        gross += abs(position) * holding.value_per_contract
    return Exposure(name=name, net_before=before, net_after=after, gross_after=gross)


def _changes(view: EveningView) -> dict[int, int]:
    """Signed change per con_id by the orders that may be sent."""
    cleared = {order.order_ref: order.signed for order in view.audit.cleared_orders()}
    changes: dict[int, int] = {}
    for row in view.audit.rows:
        if row.qualified is not None:
            con_id = row.qualified.con_id
            changes[con_id] = changes.get(con_id, 0) + cleared.get(row.order.order_ref, 0)
    return changes


def _held(
    view: EveningView, position: Position, changes: dict[int, int], row: AuditRow | None
) -> Holding:
    facts = _facts_of_row(row) if row else _facts_of_mark(view, position.con_id)
    value, at_cost = _value(facts), False
    if value is None:
        # IB's average cost is the cost of one whole contract: an honest second best.
        value, at_cost = position.average_cost, True
    in_base = _in_base(view, value, position.currency)
    return Holding(
        symbol=_symbol(view, position, row),
        delivery=_delivery(position, row),
        sector=facts.sector,
        currency=position.currency,
        before=position.quantity,
        change=changes.get(position.con_id, 0),
        average_cost=position.average_cost,
        value_per_contract=in_base,
        at_cost=at_cost and in_base is not None,
    )


def _symbol(view: EveningView, position: Position, row: AuditRow | None) -> str:
    if row is not None:
        return row.order.contract.root
    mark = view.marks.get(position.con_id)
    return (mark.root if mark else "") or position.trading_class or position.symbol


def _delivery(position: Position, row: AuditRow | None) -> str:
    if row is not None:
        return row.order.contract.month.code
    return position.contract_month.code if position.contract_month else UNKNOWN


def _traded(view: EveningView, row: AuditRow, changes: dict[int, int]) -> Holding:
    spec, before = row.order.mapped.spec, row.position_before
    if view.account.positions is None:
        before = None
    con_id = row.qualified.con_id if row.qualified else None
    return Holding(
        symbol=row.order.contract.root,
        delivery=row.order.contract.month.code,
        sector=spec.sector,
        currency=spec.currency,
        before=before,
        change=changes.get(con_id, 0) if con_id is not None else 0,
        average_cost=None,
        value_per_contract=_in_base(view, _value(_facts_of_row(row)), spec.currency),
    )


def _facts_of_row(row: AuditRow) -> _Facts:
    spec = row.order.mapped.spec
    point_value = spec.point_value
    if point_value is None and row.qualified is not None:
        point_value = row.qualified.point_value
    return _Facts(
        sector=spec.sector,
        price=row.close.close if row.close else None,
        point_value=point_value,
    )


def _facts_of_mark(view: EveningView, con_id: int) -> _Facts:
    mark = view.marks.get(con_id)
    if mark is None:
        return _Facts(sector=UNKNOWN, price=None, point_value=None)
    return _Facts(sector=mark.sector, price=mark.price, point_value=mark.point_value)


def _value(facts: _Facts) -> Decimal | None:
    if facts.price is None or facts.point_value is None:
        return None
    return facts.price * facts.point_value


def _in_base(view: EveningView, amount: Decimal | None, currency: Currency) -> Decimal | None:
    rate = view.fx.rate(currency)
    if rate is None:
        # The basket did not need this rate; for looking, the account's own will do.
        rate = view.account.exchange_rates.get(currency)
    return None if amount is None or rate is None else amount * rate
