"""Breaks: every contract in which two books differ, with a named cause and a proposal.

Model against desk, by the evening's own decisions: what was blocked, cut, excluded, not filled.
Desk against account, by what the broker tells of others. None of it is ever healed by an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from afterclose.domain.audit import AuditRow, PositionCheck
from afterclose.domain.breaks import Break, BreakCause, BreakKind
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import (
    FuturesContract,
    QualifiedContract,
    RootSymbol,
    read_symbol,
)
from afterclose.domain.findings import Finding, Severity, Verdict
from afterclose.domain.legs import attempts_at, filled_by
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Fill, OrderState, TradeKind

#: TWS itself trades as client 0: a person at the keyboard.
_BY_HAND = 0
_ROLLS = frozenset({TradeKind.ROLL_OPEN, TradeKind.ROLL_CLOSE})
#: Causes that say what is, not how it came: the evening on which it began tells more.
_BEGAN_BEFORE = frozenset({BreakCause.EARLIER, BreakCause.DROPPED, BreakCause.NOT_TOLD})
#: What a broker tells on one day alone, and is as true on the next.
_LASTING = frozenset({BreakCause.MANUAL, BreakCause.OTHER_CLIENT, BreakCause.CORPORATE_CALENDAR})

_PROPOSALS: Mapping[BreakCause, str] = {
    BreakCause.NOT_FILLED: "an exit is caught up tomorrow by itself, an entry with "
    "basket.catch_up_entries or by hand",
    BreakCause.PARTLY_FILLED: "the rest of an exit is caught up tomorrow; the rest of an entry "
    "stays out until the model exits",
    BreakCause.RESIZED: "what the model does not hold is closed by the next evening as a catch-up; "
    "what an entry lacks stays out until the model exits",
    BreakCause.WORKING: "settle again when the session is over",
    BreakCause.NOT_SENT: "run 'afterclose send' again while the approval holds",
    BreakCause.UNKNOWN_ORDER: "look in TWS, then say 'afterclose resolve'",
    BreakCause.REJECTED: "read the broker's reason; the model has the position, the desk has not",
    BreakCause.EXCLUDED_AT_APPROVAL: "as the reviewer wanted; nothing to do",
    BreakCause.NOT_APPROVED: "approve and send while the evening is young, or leave it",
    BreakCause.BLOCKED_BY_AUDIT: "read the row's findings; correct data or mapping for tomorrow",
    BreakCause.SIZED_BY_AUDIT: "as the audit's limits want it; nothing to do",
    BreakCause.DROPPED: "read why in 30-excluded.csv",
    BreakCause.ROLL: "complete it with 'afterclose roll'; a close is caught up by itself",
    BreakCause.ROLL_ALONE: "what the model added with its roll stays out until its next entry; "
    "basket.catch_up_entries opens it",
    BreakCause.FLATTENED: "stays out until the model enters anew; nothing to do",
    BreakCause.ADOPTED: "what the model does not hold is closed by the next evening as a catch-up",
    BreakCause.MANUAL: "if it is meant for a model, 'afterclose adopt'; else close it by hand or "
    "leave it",
    BreakCause.OTHER_CLIENT: "ask who runs that program; the desk leaves its positions alone",
    BreakCause.CORPORATE_CALENDAR: "compare the account's settlement; 'afterclose adopt' with the "
    "contrary quantity ends the desk's record",
    BreakCause.EARLIER: "see the evening on which it began; an exit is caught up, an entry is not",
    BreakCause.NOT_TOLD: "look at the account's trades of the last days; 'afterclose adopt', or "
    "close by hand",
}


#: The finding on a reversal of which only the closing part may go.
_ONLY_CLOSES = "AC413"
#: And on an order that may not trade more than the account holds.
_CUTS = frozenset({"AC309"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakInputs:
    """Both sides of both comparisons. Positions are signed contracts by model.

    ``wanted`` is what each model holds after the evening's orders, scaled. ``approved`` are the
    references a person let go; None when nobody decided. ``dropped`` has why a model's trade became
    no order, with the model (empty: not known whose). ``ours`` are the references that this desk
    ever named among those in the sweep. ``adopted`` are contracts of which a person said
    since the evening that a model holds them, or no longer. ``before`` are the breaks of the
    evening looked at last, ``before_session`` its session.
    """

    session: date
    wanted: Mapping[str, Mapping[FuturesContract, int]]
    held: Mapping[str, Mapping[FuturesContract, int]]
    rows: Sequence[AuditRow]
    approved: frozenset[str] | None
    lives: Mapping[str, OrderLife]
    dropped: Sequence[tuple[str, Finding]]
    flattened: Mapping[str, frozenset[RootSymbol]]
    checks: Sequence[PositionCheck]
    names: Mapping[FuturesContract, QualifiedContract]
    sweep: OrderSweep
    ours: frozenset[str] = field(default_factory=frozenset)
    adopted: Mapping[str, frozenset[FuturesContract]] = field(default_factory=dict)
    before: Sequence[Break] = ()
    before_session: date | None = None


def breaks(inputs: BreakInputs) -> tuple[Break, ...]:
    """Name every difference. Pure."""
    found = (*_model_breaks(inputs), *_account_breaks(inputs))
    return tuple(_since(inputs, each) for each in found)


def _since(inputs: BreakInputs, each: Break) -> Break:
    """Say where a difference began that an earlier evening knew the cause of."""
    alike = [b for b in inputs.before if (b.kind, b.model) == (each.kind, each.model)]
    known = next((b for b in alike if b.symbol == each.symbol), None)
    if known is None and each.kind is BreakKind.MODEL:  # rolled since, and still missing
        root = read_symbol(each.symbol, on=inputs.session).root
        others = (b for b in alike if read_symbol(b.symbol, on=inputs.session).root == root)
        known = next(others, None)
    if known is None or each.cause not in _BEGAN_BEFORE or known.difference * each.difference <= 0:
        return each
    origin = known.origin or f"{known.cause.value} on {inputs.before_session}"
    same = known.difference == each.difference and known.cause in _LASTING
    if each.cause is BreakCause.NOT_TOLD and same:
        return replace(
            each, cause=known.cause, detail=known.detail, proposal=known.proposal, origin=origin
        )
    return replace(each, origin=origin)


def break_findings(found: Iterable[Break]) -> tuple[Finding, ...]:
    """AC611: a model and the desk differ. What the account holds otherwise is AC605."""
    return tuple(
        Finding(
            code="AC611",
            severity=Severity.INFO,
            subject=each.symbol,
            message=f"{each.model} wants {each.expected:+d}, the desk holds {each.actual:+d}: "
            f"{each.cause.value}{f' ({each.detail})' if each.detail else ''}"
            f"{f'; it began as {each.origin}' if each.origin else ''}",
            hint=each.proposal,
            evidence={"model": each.expected, "desk": each.actual, "cause": each.cause.value},
        )
        for each in found
        if each.kind is BreakKind.MODEL
    )


def _model_breaks(inputs: BreakInputs) -> Iterable[Break]:
    for model, wanted in sorted(inputs.wanted.items()):
        held = inputs.held.get(model, {})
        for contract in sorted({*wanted, *held}):
            expected, actual = wanted.get(contract, 0), held.get(contract, 0)
            if expected != actual:
                cause, detail = _why(inputs, model, contract)
                yield Break(
                    kind=BreakKind.MODEL,
                    symbol=contract.symbol,
                    model=model,
                    expected=expected,
                    actual=actual,
                    cause=cause,
                    detail=detail,
                    proposal=_PROPOSALS[cause],
                )


def _why(inputs: BreakInputs, model: str, contract: FuturesContract) -> tuple[BreakCause, str]:
    rows = [r for r in inputs.rows if (r.order.model, r.order.contract) == (model, contract)]
    for row in rows:
        found = _why_row(inputs, row)
        if found is not None:
            return found
    if contract in inputs.adopted.get(model, frozenset()):
        return BreakCause.ADOPTED, ""
    if contract.root in inputs.flattened.get(model, frozenset()):
        return BreakCause.FLATTENED, ""
    for whose, finding in inputs.dropped:
        if finding.subject == contract.symbol and whose in {"", model}:
            return BreakCause.DROPPED, f"{finding.code}: {finding.message}"
    for row in inputs.rows:
        pair = row.order.model == model and row.order.contract.root == contract.root
        if pair and row.order.kind in _ROLLS and _why_row(inputs, row) is not None:
            return BreakCause.ROLL, f"{row.order.order_ref}"
    return BreakCause.EARLIER, ""


def _why_row(inputs: BreakInputs, row: AuditRow) -> tuple[BreakCause, str] | None:
    """Why an order did not do all that the model wanted; None when it did."""
    ref = row.order.order_ref
    if row.verdict is Verdict.BLOCKED or row.final_quantity == 0:
        codes = sorted({f.code for f in row.findings if f.severity is Severity.BLOCK})
        return BreakCause.BLOCKED_BY_AUDIT, ", ".join(codes)
    life = inputs.lives.get(ref)
    if life is None or (life.state is OrderState.INTENDED and not life.filled):
        return _why_unsent(inputs, ref, "" if life is None else life.text)
    found = _why_life(life, filled_by(attempts_at(inputs.lives, ref)))
    if found is None and row.final_quantity < row.order.quantity:
        return _why_less(row)
    return found or _why_roll(inputs, row)


def _why_less(row: AuditRow) -> tuple[BreakCause, str]:
    """Why less than the order went: a limit of the audit, or a reversal that may not open."""
    caps = row.sizing.caps if row.sizing else ()
    codes = sorted({f.code for f in row.findings if f.severity is Severity.WARN})
    if not caps and _ONLY_CLOSES in codes:
        return BreakCause.BLOCKED_BY_AUDIT, ", ".join(codes)
    return BreakCause.SIZED_BY_AUDIT, ", ".join((*caps, *(c for c in codes if c in _CUTS)))


def _why_roll(inputs: BreakInputs, row: AuditRow) -> tuple[BreakCause, str] | None:
    """Whether the model opened more in the new month than it closed in the old one."""
    pair = next((r for r in inputs.rows if r.order.order_ref == row.order.roll_pair), None)
    if row.order.kind is not TradeKind.ROLL_OPEN or pair is None:
        return None
    closed, opened = pair.order.model_quantity, row.order.model_quantity
    if opened <= closed:
        return None
    return BreakCause.ROLL_ALONE, f"the model closed {closed} and opened {opened}"


def _why_unsent(inputs: BreakInputs, ref: str, said: str) -> tuple[BreakCause, str]:
    if inputs.approved is None:
        return BreakCause.NOT_APPROVED, ""
    if ref not in inputs.approved:
        return BreakCause.EXCLUDED_AT_APPROVAL, ""
    return BreakCause.NOT_SENT, said


def _why_life(life: OrderLife, filled: int) -> tuple[BreakCause, str] | None:
    """Why an order that left did not fill whole; ``filled`` is by all attempts at it."""
    ref = life.order.order_ref
    if life.state is OrderState.UNKNOWN:
        return BreakCause.UNKNOWN_ORDER, ref
    if life.state is OrderState.REJECTED:
        return BreakCause.REJECTED, life.text
    if not life.state.final:
        return BreakCause.WORKING, ref
    part = f"{filled} of {life.order.quantity}"
    if life.resized and filled != life.order.quantity:
        return BreakCause.RESIZED, f"{part}: {life.by_hand}"
    if filled < life.order.quantity:
        return (BreakCause.PARTLY_FILLED if filled else BreakCause.NOT_FILLED), part
    return None


def _account_breaks(inputs: BreakInputs) -> Iterable[Break]:
    contracts = {q.con_id: (c, q) for c, q in inputs.names.items()}
    for check in inputs.checks:
        if check.broker is None or check.agrees:
            continue
        cause, detail = _why_account(inputs, check, contracts.get(check.con_id))
        yield Break(
            kind=BreakKind.ACCOUNT,
            symbol=check.symbol,
            model="",
            expected=check.desk,
            actual=check.broker,
            cause=cause,
            detail=detail,
            proposal=_PROPOSALS[cause],
        )


def _why_account(
    inputs: BreakInputs,
    check: PositionCheck,
    known: tuple[FuturesContract, QualifiedContract] | None,
) -> tuple[BreakCause, str]:
    account, ended = check.broker or 0, known[1].last_trade_date if known else None
    fills = [
        f for f in inputs.sweep.fills if f.con_id == check.con_id and f.order_ref not in inputs.ours
    ]
    traded = bool(fills) and sum(f.signed for f in fills) == account - check.desk
    if ended is not None and ended <= inputs.session and account == 0 and not traded:
        return BreakCause.CORPORATE_CALENDAR, f"last trade {ended}"
    ours = [f for f in inputs.lives.values() if known and f.order.contract == known[0]]
    if any(life.state is OrderState.UNKNOWN for life in ours):
        return BreakCause.UNKNOWN_ORDER, ""
    resized = [life for life in ours if life.resized and life.filled > life.order.quantity]
    if resized and not fills:
        return BreakCause.RESIZED, f"{resized[0].order.order_ref}: {resized[0].by_hand}"
    return _who_traded(fills, account, check.desk)


def _who_traded(fills: Sequence[Fill], account: int, desk: int) -> tuple[BreakCause, str]:
    """Name who traded what is not of this desk, and how much of the difference that is."""
    if not fills:
        return BreakCause.NOT_TOLD, ""
    clients = {f.client_id for f in fills}
    said = "; ".join(f"{f.action.value} {f.quantity} at {f.price:f}" for f in fills)
    explained = sum(f.signed for f in fills)
    if explained != account - desk:
        said += f"; that is {explained:+d} of {account - desk:+d}"
    programs = sorted(c for c in clients if c is not None and c != _BY_HAND)
    if programs:
        return BreakCause.OTHER_CLIENT, f"client {', '.join(map(str, programs))}: {said}"
    if clients == {_BY_HAND}:
        return BreakCause.MANUAL, said
    return BreakCause.NOT_TOLD, f"by whom is not told: {said}"
