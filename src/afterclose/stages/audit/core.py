"""The audit itself: rows from orders, final quantities, and what concerns the evening."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from afterclose.domain.audit import AuditReport, AuditRow, Sizing
from afterclose.domain.contracts import Session
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import Bar, BarsAnswer, MarketSnapshot
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.stages.audit import checks

#: Gateway and desk may disagree on the time by this much before it is said.
MAX_CLOCK_SKEW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """Limits of the checks. ``execute_on`` is the session that the orders are for."""

    max_deviation: Decimal
    execute_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedRow:
    """What sizing said of one opening order."""

    sizing: Sizing
    quantity: int
    mismatch: bool | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditInputs:
    """Everything the audit looks at. ``sized`` and ``notes`` are keyed by order reference."""

    run_id: str
    account: str
    orders: Sequence[BasketOrder]
    sized: Mapping[str, SizedRow]
    notes: Mapping[str, tuple[Finding, ...]]
    snapshot: MarketSnapshot
    rules: AuditRules
    findings: tuple[Finding, ...] = field(default=())


def completed_bars(answer: BarsAnswer, session: Session) -> tuple[tuple[Bar, ...], Bar | None]:
    """Split daily bars into those of completed sessions and the one still forming, if any."""
    done = tuple(b for b in answer.bars if b.session <= session)
    forming = next((b for b in answer.bars if b.session > session), None)
    return done, forming


def audit(inputs: AuditInputs) -> AuditReport:
    """Audit every order. Pure; as many rows come out as orders went in."""
    rows = [_row(inputs, order) for order in inputs.orders]
    rows = _closings_within_position(rows)
    rows = _rolls_together(rows)
    return AuditReport(
        run_id=inputs.run_id,
        session=inputs.snapshot.session,
        account=inputs.account,
        as_of=inputs.snapshot.as_of,
        rows=tuple(rows),
        findings=(*inputs.findings, *_evening(inputs.snapshot)),
    )


def _row(inputs: AuditInputs, order: BasketOrder) -> AuditRow:
    context, done, forming = _context(inputs, order)
    limit, close, price = order.limit_price, context.close, context.quote.price
    sized = inputs.sized.get(order.order_ref)
    pct_diff = None if close is None else checks.deviation(close.close, limit)
    return AuditRow(
        order=order,
        final_quantity=order.quantity if sized is None else sized.quantity,
        qualified=context.qualified,
        close=close,
        forming=forming,
        bars=done,
        quote=context.quote,
        pct_diff=pct_diff,
        alert_deviation=None if pct_diff is None else abs(pct_diff) > inputs.rules.max_deviation,
        alert_missing_price=close is None,
        drift=None if price is None else checks.deviation(price, limit),
        sizing=None if sized is None else sized.sizing,
        position_mismatch=None if sized is None else sized.mismatch,
        position_before=context.position,
        findings=(
            *inputs.notes.get(order.order_ref, ()),
            *checks.run_checks(context),
            *(sized.findings if sized else ()),
        ),
    )


def _context(
    inputs: AuditInputs, order: BasketOrder
) -> tuple[checks.RowContext, tuple[Bar, ...], Bar | None]:
    snapshot, contract = inputs.snapshot, order.contract
    answer = snapshot.bars.get(contract, checks.NO_BARS)
    done, forming = completed_bars(answer, snapshot.session)
    qualified = snapshot.qualified(contract)
    account = snapshot.account
    working = account.working_orders
    if working is not None:
        con_id = qualified.con_id if qualified else None
        working = tuple(o for o in working if o.con_id == con_id)
    context = checks.RowContext(
        order=order,
        max_deviation=inputs.rules.max_deviation,
        execute_on=inputs.rules.execute_on,
        qualification=snapshot.qualifications.get(contract, checks.NOT_ASKED),
        answer=answer,
        close=done[-1] if done else None,
        quote=snapshot.quotes.get(contract, checks.NO_QUOTE),
        position=None if qualified is None else account.held(qualified.con_id),
        working=working,
        opposed_by=_opposed(order, inputs.orders),
    )
    return context, done, forming


def _opposed(order: BasketOrder, orders: Iterable[BasketOrder]) -> tuple[str, ...]:
    return tuple(
        sorted(
            other.model
            for other in orders
            if other.contract == order.contract and other.action is not order.action
        )
    )


def _closings_within_position(rows: Iterable[AuditRow]) -> list[AuditRow]:
    """Cut each closing order to what the account really holds, several models one by one."""
    left: defaultdict[int, int | None] = defaultdict(lambda: None)
    settled: list[AuditRow] = []
    for row in rows:
        if not row.order.kind.closes or row.qualified is None or row.position_before is None:
            settled.append(row)
            continue
        con_id = row.qualified.con_id
        known = left[con_id]
        held = row.position_before if known is None else known
        closable = max(0, -held * row.order.action.sign)
        quantity = min(row.final_quantity, closable)
        cut = _cut(row, quantity, held)
        # A blocked row does not go, so it leaves its share to the next model's.
        goes = cut.final_order() is not None
        left[con_id] = held + quantity * row.order.action.sign if goes else held
        settled.append(cut)
    return settled


def _cut(row: AuditRow, quantity: int, held: int) -> AuditRow:
    if quantity == row.final_quantity:
        return row
    if quantity == 0:
        finding = Finding(
            code="AC305",
            severity=Severity.BLOCK,
            subject=row.order.contract.symbol,
            message=f"nothing to close: the account holds {held:+d}",
            hint="the position was closed elsewhere; the desk's record will be reconciled",
            evidence={"held": held, "wanted": row.order.signed},
        )
    else:
        finding = Finding(
            code="AC309",
            severity=Severity.WARN,
            subject=row.order.contract.symbol,
            message=f"the account holds {held:+d}: the order was cut to {quantity}",
            hint="somebody traded this contract elsewhere; see the positions below",
            evidence={"held": held, "wanted": row.order.signed, "final": quantity},
        )
    return replace(row, final_quantity=quantity, findings=(*row.findings, finding))


def _rolls_together(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """Let a roll's open leg do what its close leg does; offer the close leg alone if it must."""
    by_ref = {row.order.order_ref: row for row in rows}
    settled: list[AuditRow] = []
    for row in rows:
        partner = by_ref.get(row.order.roll_pair)
        if row.order.kind is TradeKind.ROLL_OPEN:
            settled.append(_open_leg(row, partner))
        elif row.order.kind is TradeKind.ROLL_CLOSE:
            settled.append(_close_leg(row, partner))
        else:
            settled.append(row)
    return settled


def _open_leg(row: AuditRow, partner: AuditRow | None) -> AuditRow:
    closes = partner.final_order() if partner else None
    if closes is None:
        finding = Finding(
            code="AC307",
            severity=Severity.BLOCK,
            subject=row.order.contract.symbol,
            message="the roll's close leg does not go, so its open leg would add a position",
            hint="settle the close leg first; both legs then go together",
        )
        return replace(row, final_quantity=0, findings=(*row.findings, finding))
    return replace(row, final_quantity=min(row.final_quantity, closes.quantity))


def _close_leg(row: AuditRow, partner: AuditRow | None) -> AuditRow:
    if partner is not None and partner.final_order() is not None:
        return row
    finding = Finding(
        code="AC308",
        severity=Severity.WARN,
        subject=row.order.contract.symbol,
        message="the roll's open leg is blocked: the close leg goes alone, as an exit",
        hint="approve it to leave the expiring month; the position is then not rolled",
    )
    return replace(row, findings=(*row.findings, finding))


def _evening(snapshot: MarketSnapshot) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if snapshot.server_time is not None:
        skew = abs(snapshot.server_time - snapshot.as_of)
        if skew > MAX_CLOCK_SKEW:
            found.append(
                Finding(
                    code="AC501",
                    severity=Severity.WARN,
                    subject="clock",
                    message=f"the gateway's clock is {skew.total_seconds():.0f} s from ours",
                    hint="set this machine's clock; sessions and expiries depend on it",
                )
            )
    if snapshot.account.unknown:
        found.append(
            Finding(
                code="AC502",
                severity=Severity.WARN,
                subject=snapshot.account.account,
                message=f"the account did not answer for: {', '.join(snapshot.account.unknown)}",
                hint="rows that need it are blocked; audit again",
            )
        )
    return tuple(found)
