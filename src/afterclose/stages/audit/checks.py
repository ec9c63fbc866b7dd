"""The checks. Each looks at one row's context and yields what it finds; none changes anything.

Openings and closings are judged differently: what is missing to price or size an order blocks an
opening and is shown on a closing, because staying in a position is not the safe side of an exit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from afterclose.domain.contracts import ContractSpec, QualifiedContract
from afterclose.domain.findings import Finding, Scalar, Severity
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    Qualification,
    QualificationState,
    Quote,
)
from afterclose.domain.orders import BasketOrder, BrokerOrder, TradeKind

#: IB close and vendor close of one contract differ by less than this, or a unit is wrong.
LEVEL_TOLERANCE = Decimal("0.15")
#: Factors that price scales are mistaken by; a ratio this near to one of them is a unit slip.
UNIT_FACTORS = tuple(Decimal(f) for f in ("0.001", "0.01", "0.1", "10", "100", "1000"))
UNIT_NEARNESS = Decimal("0.05")
#: Settlement and last trade of one session may differ by so many ticks without a word.
SETTLEMENT_TICKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContext:
    """What a check may look at."""

    order: BasketOrder
    max_deviation: Decimal
    execute_on: date
    qualification: Qualification
    answer: BarsAnswer
    close: Bar | None
    quote: Quote
    position: int | None
    working: tuple[BrokerOrder, ...] | None
    opposed_by: tuple[str, ...]

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
    def weight(self) -> Severity:
        """How much a missing figure weighs: it blocks openings and is shown on closings.

        Sizing cuts a reversal that it cannot size to its closing part.
        """
        return Severity.WARN if self.takes_away else Severity.BLOCK

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


def deviation(price: Decimal, limit: Decimal) -> Decimal | None:
    """Return (price − limit) / |limit|; None where a limit of zero makes it meaningless."""
    return (price - limit) / abs(limit) if limit else None


def contract_not_named(row: RowContext) -> Iterator[Finding]:
    """AC204, AC205, AC211: exactly one contract must answer to the name."""
    state, text = row.qualification.state, row.qualification.text
    name = f"{row.spec.ib_symbol} {row.order.contract.month.yyyymm} at {row.spec.ib_exchange}"
    if state is QualificationState.AMBIGUOUS:
        classes = ", ".join(
            f"{c.trading_class}×{c.multiplier}" for c in row.qualification.candidates
        )
        yield row.finding(
            "AC204",
            Severity.BLOCK,
            f"{name} names several contracts: {classes or text}",
            "give trading class or multiplier in the mapping workbook",
        )
    elif state is QualificationState.MISSING:
        yield row.finding(
            "AC205",
            Severity.BLOCK,
            f"the gateway knows no {name}: {text}",
            "compare symbol, exchange, currency and month with TWS's contract search",
        )
    elif state is QualificationState.UNKNOWN:
        yield row.finding(
            "AC211",
            Severity.BLOCK,
            f"the gateway did not answer for {name}: {text}",
            "audit again; nothing is assumed of a contract that was not confirmed",
        )


def facts_differ(row: RowContext) -> Iterator[Finding]:
    """AC206: the desk's facts and the gateway's must be the same, or prices mean other money."""
    found, spec = row.qualified, row.spec
    if found is None:
        return
    pairs: list[tuple[str, object, object]] = [
        ("currency", spec.currency, found.currency),
        ("magnifier", spec.price_magnifier, found.price_magnifier),
        ("tick", spec.tick_size, found.tick_size),
        ("contract month", row.order.contract.month.yyyymm, found.contract_month.yyyymm),
    ]
    if spec.multiplier:
        pairs.append(("multiplier", Decimal(spec.multiplier), Decimal(found.multiplier or "0")))
    for name, ours, theirs in pairs:
        if ours != theirs:
            yield row.finding(
                "AC206",
                Severity.BLOCK,
                f"{name}: the mapping says {ours}, the gateway {theirs}",
                f"correct the row {spec.root} of the mapping workbook after looking in TWS",
                fact=name,
                mapping=str(ours),
                gateway=str(theirs),
            )


def off_tick(row: RowContext) -> Iterator[Finding]:
    """AC207: IB refuses (110) a price that is not a multiple of the tick."""
    if row.qualified and row.order.limit_price % row.qualified.tick_size:
        yield row.finding(
            "AC207",
            Severity.BLOCK,
            f"the limit {row.order.limit_price:f} is not on the tick {row.qualified.tick_size:f}",
            "correct the tick of the root in the mapping workbook",
        )


def expired(row: RowContext) -> Iterator[Finding]:
    """AC212: the contract's last trading day is over before the order could work."""
    last = row.qualified.last_trade_date if row.qualified else None
    if last is not None and last < row.execute_on:
        yield row.finding(
            "AC212",
            Severity.BLOCK,
            f"the last trading day was {last}, the order is for {row.execute_on}",
            "the model holds an expired contract: look at its data and its auto-close date",
        )


def missing_price(row: RowContext) -> Iterator[Finding]:
    """AC101: there is no completed bar to compare with."""
    if row.close is None and row.qualified is not None:
        why = row.answer.text or "no bars came"
        yield row.finding(
            "AC101",
            row.weight,
            f"no completed daily bar from the gateway: {why}",
            "check the market data permission in TWS; a closing order still goes",
            code_from_gateway=row.answer.code,
        )


def stale_bar(row: RowContext) -> Iterator[Finding]:
    """AC102: the last completed bar is of an earlier session."""
    if row.close is not None and row.close.session < row.order.session:
        yield row.finding(
            "AC102",
            Severity.WARN,
            f"the last completed bar is of {row.close.session}, not of {row.order.session}",
            "a holiday on that exchange, or late data at the gateway",
        )


def unit_or_level(row: RowContext) -> Iterator[Finding]:
    """AC105, AC110: a price in the wrong unit or month is far from the gateway's close."""
    if row.close is None or row.close.close <= 0 or row.order.reference_price <= 0:
        return
    ratio = row.order.reference_price / row.close.close
    factor = next((f for f in UNIT_FACTORS if abs(ratio / f - 1) < UNIT_NEARNESS), None)
    if factor is not None:
        yield row.finding(
            "AC105",
            Severity.BLOCK,
            f"the model's price is {ratio:.4g} times the gateway's: a unit slip of ×{factor:f}",
            "correct the price scale of the root in the mapping workbook",
            model=str(row.order.reference_price),
            gateway=str(row.close.close),
        )
    elif abs(ratio - 1) > LEVEL_TOLERANCE:
        yield row.finding(
            "AC110",
            Severity.BLOCK,
            f"the model's price {row.order.reference_price:f} and the gateway's close "
            f"{row.close.close:f} are more than {LEVEL_TOLERANCE:.0%} apart",
            "another month or another contract was priced: compare both in TWS",
            model=str(row.order.reference_price),
            gateway=str(row.close.close),
        )


def closes_differ(row: RowContext) -> Iterator[Finding]:
    """AC104: model and gateway saw another close of the *same* session: a data question."""
    if row.close is None or row.close.session != row.order.session:
        return
    gap = abs(row.close.close - row.order.reference_price)
    share = deviation(row.close.close, row.order.reference_price)
    if gap <= SETTLEMENT_TICKS * row.spec.tick_size or share is None:
        return
    if row.max_deviation < abs(share) <= LEVEL_TOLERANCE:
        yield row.finding(
            "AC104",
            Severity.WARN,
            f"the model's close {row.order.reference_price:f} differs from the gateway's "
            f"{row.close.close:f} by {share:.2%}",
            "settlement against last trade, or a revised bar at the vendor",
        )


def drift(row: RowContext) -> Iterator[Finding]:
    """AC112, AC113: where the market is now, against the limit."""
    price = row.quote.price
    if price is None:
        if row.qualified is not None:
            yield row.finding(
                "AC113",
                Severity.WARN,
                f"no live price: {row.quote.text or 'no answer'}",
                "the drift since the close is unknown; look at the market before approving",
                code_from_gateway=row.quote.code,
            )
        return
    moved = deviation(price, row.order.limit_price)
    if moved is not None and abs(moved) > row.max_deviation:
        yield row.finding(
            "AC112",
            Severity.WARN,
            f"the market is at {price:f}, {moved:+.2%} from the limit {row.order.limit_price:f}",
            "the limit may not fill, or fills at once: decide whether the trade still holds",
            quote=str(price),
        )


def position_unknown(row: RowContext) -> Iterator[Finding]:
    """AC304: an order that closes needs to know what is there."""
    if row.takes_away and row.qualified is not None and row.position is None:
        yield row.finding(
            "AC304",
            Severity.BLOCK,
            "the account's positions are unknown: the order could open instead of close",
            "audit again; if they stay unknown, look at the positions in TWS",
        )


def reversal_not_covered(row: RowContext) -> Iterator[Finding]:
    """AC312: a reversal closes what the desk holds; the account must hold it too."""
    if row.order.kind is not TradeKind.REVERSAL or row.position is None:
        return
    counted_on = max(0, -row.order.held_before * row.order.action.sign)
    closable = max(0, -row.position * row.order.action.sign)
    if closable < counted_on:
        yield row.finding(
            "AC312",
            Severity.BLOCK,
            f"the reversal closes {row.order.held_before:+d}, the account holds "
            f"{row.position:+d}: it would open more than the model wants",
            "settle the difference first, then prepare the evening again",
            held=row.position,
            counted_on=row.order.held_before,
        )


def working_order_there(row: RowContext) -> Iterator[Finding]:
    """AC503: somebody already works an order of this side in this contract."""
    if row.working is None:
        yield row.finding(
            "AC507",
            Severity.BLOCK,
            "the account's working orders are unknown: the order could double one",
            "audit again",
        )
        return
    for order in row.working:
        if order.order_ref != row.order.order_ref and order.action is row.order.action:
            yield row.finding(
                "AC503",
                Severity.WARN,
                f"{order.action} {order.remaining} is already working in this contract "
                f"(reference {order.order_ref or 'none'}, client {order.client_id})",
                "cancel that one, or exclude this row",
            )


def models_opposed(row: RowContext) -> Iterator[Finding]:
    """AC505: two models trade one contract against each other on one evening."""
    if row.opposed_by:
        yield row.finding(
            "AC505",
            Severity.WARN if row.order.kind.closes else Severity.BLOCK,
            f"{', '.join(row.opposed_by)} trades the other side of this contract tonight",
            "the closing side goes; open the other one tomorrow if the model still wants it",
        )


Check = Callable[[RowContext], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    contract_not_named,
    facts_differ,
    off_tick,
    expired,
    missing_price,
    stale_bar,
    unit_or_level,
    closes_differ,
    drift,
    position_unknown,
    reversal_not_covered,
    working_order_there,
    models_opposed,
)


def run_checks(row: RowContext) -> tuple[Finding, ...]:
    """Run every check, in the order of the tuple."""
    return tuple(finding for check in CHECKS for finding in check(row))


NO_BARS = BarsAnswer(state=AnswerState.UNKNOWN, text="not asked: the contract was not found")
NO_QUOTE = Quote(state=AnswerState.UNKNOWN, text="not asked: the contract was not found")
NOT_ASKED = Qualification(state=QualificationState.UNKNOWN, text="not asked")
