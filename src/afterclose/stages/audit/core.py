"""The audit itself: rows from orders, final quantities, and what concerns the evening."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

from afterclose.domain.audit import AuditReport, AuditRow, Sizing
from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import Bar, BarsAnswer, MarketSnapshot, VendorContract
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.domain.runs import Mode
from afterclose.stages.audit import checks, context, margin
from afterclose.stages.audit.evening import Holding, account_findings, evening_findings
from afterclose.stages.audit.limits import openings_held
from afterclose.stages.audit.weights import weighed

#: Closes whose changes make a daily move, and bars whose volume makes the mean.
_MOVES = 20
#: What a reversal may not open into; its closing part goes.
_OPENING_ONLY = frozenset({"AC114", "AC118", "AC215", "AC216", "AC414"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """Limits of the checks. ``execute_on`` is the session that the orders are for.

    ``max_drift_moves`` measures the drift in daily moves of the contract instead of
    ``max_deviation``. ``max_gross_leverage`` and the shares are of what the account holds after
    the basket, None: not judged. ``netted``: what models trade against each other crosses inside
    the desk. ``severities`` replace default severities by code.
    """

    max_deviation: Decimal
    execute_on: date
    max_drift_moves: Decimal | None = None
    max_gross_leverage: Decimal | None = None
    max_sector_share: Decimal | None = None
    max_currency_share: Decimal | None = None
    #: Initial margin after the basket over net liquidation.
    max_margin_share: Decimal | None = None
    #: Share of the mean volume that one order may be.
    max_volume_share: Decimal | None = None
    #: Paper or live, as the desk is set; None: the account's number alone tells.
    mode: Mode | None = None
    netted: bool = False
    severities: Mapping[str, Severity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedRow:
    """What sizing said of one opening order."""

    sizing: Sizing
    quantity: int
    mismatch: bool | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditInputs:
    """Everything the audit looks at. ``sized`` and ``notes`` are keyed by order reference.

    ``vendor`` is what the data vendor knows of each contract (None: there is no vendor),
    ``desk_held`` what all models together hold by the desk's records (None: there are no records),
    ``holdings`` the account's positions with sector and value.
    """

    run_id: str
    account: str
    orders: Sequence[BasketOrder]
    sized: Mapping[str, SizedRow]
    notes: Mapping[str, tuple[Finding, ...]]
    snapshot: MarketSnapshot
    rules: AuditRules
    findings: tuple[Finding, ...] = field(default=())
    vendor: Mapping[FuturesContract, VendorContract] | None = None
    desk_held: Mapping[FuturesContract, int] | None = None
    holdings: Sequence[Holding] = ()
    #: Findings about the evening that are shown and never block it, whatever their code weighs.
    shown: tuple[Finding, ...] = ()


def completed_bars(answer: BarsAnswer, session: Session) -> tuple[tuple[Bar, ...], Bar | None]:
    """Split daily bars into those of completed sessions and the one still forming, if any."""
    done = answer.completed(session)
    forming = next((b for b in answer.bars if b.session > session), None)
    return done, forming


def audit(inputs: AuditInputs) -> AuditReport:
    """Audit every order. Pure; as many rows come out as orders went in."""
    rows = [_row(inputs, order) for order in inputs.orders]
    rows = [_reversal_within_reason(row) for row in rows]
    rows = _closings_within_position(rows, inputs.desk_held)
    rows = margin.with_impacts(_rolls_together(rows), inputs.snapshot)
    after = margin.estimate(rows, inputs.snapshot)
    evening = (
        *account_findings(inputs.account, inputs.snapshot, inputs.rules.mode),
        *evening_findings(inputs.snapshot, rows, inputs.holdings, inputs.rules),
        *margin.margin_findings(after, inputs.account, inputs.rules.max_margin_share),
    )
    severities = inputs.rules.severities
    report = AuditReport(
        run_id=inputs.run_id,
        session=inputs.snapshot.session,
        account=inputs.account,
        as_of=inputs.snapshot.as_of,
        rows=tuple(rows),
        findings=(
            *(weighed(f, severities) for f in (*inputs.findings, *evening)),
            *(_shown(weighed(f, severities)) for f in inputs.shown),
        ),
        margin=after,
    )
    return openings_held(report)


def _shown(finding: Finding) -> Finding:
    return replace(finding, severity=min(finding.severity, Severity.WARN))


def _row(inputs: AuditInputs, order: BasketOrder) -> AuditRow:
    sized = inputs.sized.get(order.order_ref)
    about, done, forming = _context(inputs, order, sized)
    limit, close, price = order.limit_price, about.close, about.quote.price
    pct_diff = None if close is None else context.deviation(close.close, limit)
    found = (
        *inputs.notes.get(order.order_ref, ()),
        *checks.run_checks(about),
        *(sized.findings if sized else ()),
    )
    return AuditRow(
        order=order,
        final_quantity=order.quantity if sized is None else sized.quantity,
        qualified=about.qualified,
        close=close,
        forming=forming,
        bars=done,
        quote=about.quote,
        pct_diff=pct_diff,
        alert_deviation=None if pct_diff is None else abs(pct_diff) > inputs.rules.max_deviation,
        alert_missing_price=close is None,
        drift=None if price is None else context.deviation(price, limit),
        sizing=None if sized is None else sized.sizing,
        position_mismatch=None if sized is None else sized.mismatch,
        position_before=about.position,
        findings=tuple(weighed(f, inputs.rules.severities, closes=about.takes_away) for f in found),
    )


def _context(
    inputs: AuditInputs, order: BasketOrder, sized: SizedRow | None
) -> tuple[context.RowContext, tuple[Bar, ...], Bar | None]:
    snapshot, contract, rules = inputs.snapshot, order.contract, inputs.rules
    answer = snapshot.bars.get(contract, context.NO_BARS)
    done, forming = completed_bars(answer, snapshot.session)
    qualified = snapshot.qualified(contract)
    account = snapshot.account
    working = account.working_orders or ()
    con_id = qualified.con_id if qualified else None
    band = sized.sizing.band if sized else None
    about = context.RowContext(
        order=order,
        max_deviation=rules.max_deviation,
        max_drift_moves=rules.max_drift_moves,
        execute_on=rules.execute_on,
        qualification=snapshot.qualifications.get(contract, context.NOT_ASKED),
        answer=answer,
        close=done[-1] if done else None,
        quote=snapshot.quotes.get(contract, context.NO_QUOTE),
        position=None if qualified is None else account.held(qualified.con_id),
        working=None
        if account.working_orders is None
        else tuple(o for o in working if o.con_id == con_id),
        same_name=any(o.order_ref == order.order_ref for o in working),
        opposed_by=() if rules.netted else _opposed(order, inputs.orders),
        vendor=(inputs.vendor or {}).get(contract),
        vendor_asked=inputs.vendor is not None,
        account=account.account,
        forming=forming,
        mean_volume=mean_volume(done),
        max_volume_share=rules.max_volume_share,
        unsized=sized is None,
        daily_move=daily_move(done),
        stop=order.stop_level if band is None else band,
        desk_held=None if inputs.desk_held is None else inputs.desk_held.get(contract, 0),
    )
    return about, done, forming


def daily_move(bars: Sequence[Bar]) -> Decimal | None:
    """Return the standard deviation (about zero) of the last closes' changes; None if too few."""
    closes = [b.close for b in bars[-(_MOVES + 1) :]]
    if len(closes) <= _MOVES:
        return None
    changes = [after - before for before, after in pairwise(closes)]
    return (sum((c * c for c in changes), Decimal(0)) / len(changes)).sqrt()


def mean_volume(bars: Sequence[Bar]) -> Decimal | None:
    """Return the mean volume of the last completed bars; None where none of them tells one."""
    volumes = [b.volume for b in bars[-_MOVES:] if b.volume >= 0]
    return sum(volumes, Decimal(0)) / len(volumes) if volumes else None


def _reversal_within_reason(row: AuditRow) -> AuditRow:
    """Cut a reversal to what it closes, where what it would open is out of the question."""
    if row.order.kind is not TradeKind.REVERSAL:
        return row
    barred = sorted({f.code for f in row.findings} & _OPENING_ONLY)
    closing = max(0, -row.order.held_before * row.order.action.sign)
    if not barred or row.final_quantity <= closing:
        return row
    finding = Finding(
        code="AC413",
        severity=Severity.WARN,
        subject=row.order.contract.symbol,
        message=f"the reversal cannot open ({', '.join(barred)}): only the {closing} that close go",
        hint="the model then holds a position that the desk does not",
    )
    return replace(row, final_quantity=closing, findings=(*row.findings, finding))


def _opposed(order: BasketOrder, orders: Iterable[BasketOrder]) -> tuple[str, ...]:
    return tuple(
        sorted(
            other.model
            for other in orders
            if other.contract == order.contract and other.action is not order.action
        )
    )


def _closings_within_position(
    rows: Sequence[AuditRow], desk_held: Mapping[FuturesContract, int] | None
) -> list[AuditRow]:
    """Cut each closing order to what the account really holds, several models one by one.

    Models that hold the other way hide a part of the position in the account: by the desk's
    records they are counted back in.
    """
    left: dict[tuple[int, Action], int] = {}
    settled: list[AuditRow] = []
    for row in rows:
        if not row.order.kind.closes or row.qualified is None or row.position_before is None:
            settled.append(row)
            continue
        con_id = row.qualified.con_id, row.order.action
        held = left.get(con_id, row.position_before - _hidden(row, rows, desk_held))
        closable = max(0, -held * row.order.action.sign)
        quantity = min(row.final_quantity, closable)
        cut = _cut(row, quantity, held)
        # A blocked row does not go, so it leaves its share to the next model's.
        goes = cut.final_order() is not None
        left[con_id] = held + quantity * row.order.action.sign if goes else held
        settled.append(cut)
    return settled


def _hidden(
    row: AuditRow, rows: Sequence[AuditRow], desk_held: Mapping[FuturesContract, int] | None
) -> int:
    """What models hold against those that close on this side, by the desk's records; else zero."""
    if desk_held is None:
        return 0
    order = row.order
    closing = [
        r.order.held_before
        for r in rows
        if r.order.contract == order.contract
        and r.order.action is order.action
        and r.order.kind.closes
    ]
    others = desk_held.get(order.contract, 0) - sum(closing)
    return others if others * order.action.sign > 0 else 0


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
    if partner is None and row.order.catch_up:  # its close leg went earlier
        return row
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
