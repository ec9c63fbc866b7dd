"""What a check may look at: one row, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from afterclose.domain.broker_book import BrokerOrder
from afterclose.domain.contracts import ContractSpec, QualifiedContract
from afterclose.domain.findings import Finding, Scalar, Severity
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    Qualification,
    QualificationState,
    Quote,
    VendorContract,
)
from afterclose.domain.orders import BasketOrder, TradeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContext:
    """What a check may look at.

    ``working`` are working orders of anybody in this contract, ``same_name`` whether any working
    order of the account has this order's own name. ``daily_move`` is the standard deviation of
    the last closes' changes, in price units. ``stop`` is where the position would be given up:
    the band of the sizing, else the model's own stop. ``desk_held`` is what all models together
    hold by the desk's records; None where there are no records. ``account`` is the one that was
    read. ``vendor_asked`` says whether the data vendor was asked for the contract. ``mean_volume``
    is of the last completed bars, ``unsized`` whether no sizing kept the order within it.
    """

    order: BasketOrder
    max_deviation: Decimal
    max_drift_moves: Decimal | None
    execute_on: date
    qualification: Qualification
    answer: BarsAnswer
    close: Bar | None
    quote: Quote
    position: int | None
    working: tuple[BrokerOrder, ...] | None
    same_name: bool
    opposed_by: tuple[str, ...]
    vendor: VendorContract | None
    daily_move: Decimal | None
    stop: Decimal | None
    desk_held: int | None
    account: str
    vendor_asked: bool
    forming: Bar | None
    mean_volume: Decimal | None
    max_volume_share: Decimal | None
    unsized: bool

    @property
    def spec(self) -> ContractSpec:
        """The desk's facts of the root."""
        return self.order.mapped.spec

    @property
    def qualified(self) -> QualifiedContract | None:
        """The gateway's facts of the contract."""
        return self.qualification.qualified

    @property
    def takes_away(self) -> bool:
        """Whether the order closes something: a reversal does, before it opens."""
        return self.order.kind.closes or self.order.kind is TradeKind.REVERSAL

    @property
    def opens(self) -> bool:
        """Whether the order makes or enlarges a position."""
        return not self.order.kind.closes

    @property
    def weight(self) -> Severity:
        """How much a missing figure weighs: it blocks openings and is shown on closings.

        Sizing cuts a reversal that it cannot size to its closing part.
        """
        return Severity.WARN if self.takes_away else Severity.BLOCK

    @property
    def last_trade(self) -> date | None:
        """The last trading day: the gateway's word, else the vendor's."""
        if self.qualified is not None and self.qualified.last_trade_date is not None:
            return self.qualified.last_trade_date
        return self.vendor.last_trade if self.vendor else None

    def finding(
        self, code: str, severity: Severity, message: str, hint: str = "", **evidence: Scalar
    ) -> Finding:
        """Make a finding about this row."""
        return Finding(
            code=code,
            severity=severity,
            subject=self.order.contract.symbol,
            message=message,
            hint=hint,
            evidence=evidence,
        )

    def shown_on_closings(self, finding: Finding) -> Finding:
        """Weigh a finding that must not hold up what takes a position away."""
        return replace(finding, severity=min(finding.severity, self.weight))


Check = Callable[[RowContext], Iterator[Finding]]


def deviation(price: Decimal, limit: Decimal) -> Decimal | None:
    """Return (price − limit) / |limit|; None where a limit of zero makes it meaningless."""
    return (price - limit) / abs(limit) if limit else None


NO_BARS = BarsAnswer(state=AnswerState.UNKNOWN, text="not asked: the contract was not found")
NO_QUOTE = Quote(state=AnswerState.UNKNOWN, text="not asked: the contract was not found")
NOT_ASKED = Qualification(state=QualificationState.UNKNOWN, text="not asked")
