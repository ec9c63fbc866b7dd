"""What the audit says of each order: the numbers a person reads, and the findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from afterclose.domain.breaks import Break
from afterclose.domain.contracts import FuturesContract, QualifiedContract, Session
from afterclose.domain.findings import Finding, Verdict, worst
from afterclose.domain.margin import MarginEstimate, MarginImpact
from afterclose.domain.market import Bar, Quote
from afterclose.domain.orders import Action, BasketOrder, OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Risk of one opening order, step by step. Any figure that could not be had is None.

    Prices and distances are in IB price units; ``risk_per_contract`` is in the contract's
    currency, ``…_base``, ``max_risk`` and ``risk_per_trade`` in the account's. The band is
    ``mean ∓ width × population σ`` of the last ``window`` closes: the lower one under a purchase,
    the upper one over a short sale.
    """

    window: int
    width: Decimal
    mean: Decimal | None = None
    deviation: Decimal | None = None
    band: Decimal | None = None
    stop_distance: Decimal | None = None
    point_value: Decimal | None = None
    risk_per_contract: Decimal | None = None
    fx: Decimal | None = None
    risk_per_contract_base: Decimal | None = None
    capital: Decimal | None = None
    max_risk: Decimal | None = None
    contracts_to_trade: int | None = None
    risk_per_trade: Decimal | None = None
    risk_ok: bool | None = None
    #: Names of the caps that cut the quantity, in the order they bit.
    caps: tuple[str, ...] = ()
    #: Why the model's size is another: cause → contracts, adding up to the difference.
    parts: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One order, what the market says to it, and the verdict. Rows in are rows out.

    ``final_quantity`` is what may be sent; 0 means the row is excluded, and ``findings`` say why.
    ``close`` is the last *completed* bar: never the bar of a session that is still forming.
    """

    order: BasketOrder
    final_quantity: int
    qualified: QualifiedContract | None = None
    close: Bar | None = None
    #: The bar of the session that is still forming, if the gateway sent one.
    forming: Bar | None = None
    #: Completed bars, oldest first, for the chart.
    bars: tuple[Bar, ...] = ()
    quote: Quote | None = None
    #: (close − limit) / limit, a fraction.
    pct_diff: Decimal | None = None
    alert_deviation: bool | None = None
    alert_missing_price: bool = False
    #: (live price − limit) / limit, a fraction.
    drift: Decimal | None = None
    sizing: Sizing | None = None
    position_mismatch: bool | None = None
    position_before: int | None = None
    #: The broker's what-if of this order; None: not asked.
    margin: MarginImpact | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst finding decides."""
        return worst(self.findings)

    @property
    def position_after(self) -> int | None:
        """Account's position once the final quantity is filled; None when unknown."""
        if self.position_before is None:
            return None
        return self.position_before + self.final_quantity * self.order.action.sign

    def final_order(self) -> BasketOrder | None:
        """The order as it would be sent; None when the row is excluded."""
        if self.verdict is Verdict.BLOCKED or self.final_quantity == 0:
            return None
        if self.final_quantity == self.order.quantity:
            return self.order
        return replace(self.order, quantity=self.final_quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The audit of one evening: each order of the basket in one row, and what concerns all."""

    run_id: str
    session: Session
    account: str
    as_of: datetime
    rows: tuple[AuditRow, ...]
    findings: tuple[Finding, ...] = ()
    #: Margin before and, as an estimate, after the basket; None: nobody asked.
    margin: MarginEstimate | None = None

    def side(self, action: Action) -> tuple[AuditRow, ...]:
        """Rows of one side, by symbol and delivery."""
        rows = (r for r in self.rows if r.order.action is action)
        return tuple(sorted(rows, key=lambda r: (r.order.contract, r.order.model)))

    @property
    def verdict(self) -> Verdict:
        """Blocked only by what concerns the whole evening; a blocked row blocks itself."""
        evening = worst(self.findings)
        if evening is Verdict.BLOCKED:
            return evening
        rows = max((r.verdict for r in self.rows), default=Verdict.CLEAR)
        return max(evening, min(rows, Verdict.LOOK))

    def cleared_orders(self) -> tuple[BasketOrder, ...]:
        """The final basket: rows that are not blocked, with their final quantities."""
        if worst(self.findings) is Verdict.BLOCKED:
            return ()
        return tuple(o for r in self.rows if (o := r.final_order()) is not None)

    def positions_before(self) -> Mapping[FuturesContract, int | None]:
        """Return what the account holds of each contract of the basket; None: nobody knows."""
        return {row.order.contract: row.position_before for row in self.rows}

    def excluded_rows(self) -> tuple[AuditRow, ...]:
        """Rows that are not in the final basket."""
        sent = {o.order_ref for o in self.cleared_orders()}
        return tuple(r for r in self.rows if r.order.order_ref not in sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """What became of one order of the final basket, against what was asked."""

    order: BasketOrder
    state: str
    filled: int
    average_price: Decimal | None
    commission: Decimal | None
    commission_currency: str
    #: Ticks worse than the limit's reference price; negative is better.
    slippage_ticks: Decimal | None
    text: str = ""
    #: The same in money of the contract's currency, for all that was filled.
    slippage_money: Decimal | None = None
    #: Of those ticks: how far the limit reached beyond the reference, and the fill beyond the limit
    #: (negative: better than the limit). None for an order without a limit.
    reference_to_limit_ticks: Decimal | None = None
    limit_to_fill_ticks: Decimal | None = None
    #: It stayed here, whole or what is left of it, and can leave no more.
    never_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck:
    """One contract: what the desk's models hold, and what the account shows."""

    symbol: str
    con_id: int
    desk: int
    broker: int | None

    @property
    def agrees(self) -> bool:
        """Whether both sides show the same; unknown never agrees."""
        return self.broker is not None and self.broker == self.desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The result of the evening: outcomes, positions, and every break with its cause."""

    run_id: str
    session: Session
    as_of: datetime
    outcomes: tuple[OrderOutcome, ...]
    positions: tuple[PositionCheck, ...]
    findings: tuple[Finding, ...] = ()
    #: Every contract in which two books differ, with its cause.
    breaks: tuple[Break, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether the evening can be closed: no order can come to anything any more.

        Each is final or can leave no more, and nothing is unknown.
        Positions that differ, by a trade by hand for instance, are findings; they do not keep
        the orders of an evening open.
        """
        return (
            all(o.never_sent or OrderState(o.state).final for o in self.outcomes)
            and worst(self.findings) is not Verdict.BLOCKED
        )
