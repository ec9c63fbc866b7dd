"""Reconcile: what became of each order, and whether desk and account hold the same.

Every difference is a finding with its cause; none is healed by an order of our own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import OrderOutcome, PositionCheck, Reconciliation
from afterclose.domain.contracts import FuturesContract, QualifiedContract, Session
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.legs import attempts_at, filled_by, last_attempts
from afterclose.domain.netting import NET_MODEL, Netting, in_market
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import OrderState, TradeKind

#: Their limit is the decision's price alone, and nobody is held to it.
_WITHOUT_LIMIT = frozenset({"MKT", "MOC"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileInputs:
    """``held`` is what the desk's models hold together; ``names`` maps them to the gateway's.

    ``lives`` are of every name of the session, ``netting`` says which orders carry which rows.
    ``closed``: the session that the orders were for is over and no approval of them holds, so that
    what has not left can leave no more.
    """

    run_id: str
    session: Session
    as_of: datetime
    lives: Sequence[OrderLife]
    held: Mapping[FuturesContract, int]
    names: Mapping[FuturesContract, QualifiedContract]
    account: AccountSnapshot
    netting: Netting = field(default_factory=Netting)
    closed: bool = False


def reconcile(inputs: ReconcileInputs) -> Reconciliation:
    """Compare. Pure."""
    standing = tuple(_standing(inputs.lives, inputs.netting))
    known = {life.order.order_ref: life for life in standing}
    outcomes = tuple(_outcome(life, closed=inputs.closed) for life in standing)
    checks = _positions(inputs)
    findings = (
        *(
            f
            for life in last_attempts(in_market(known, inputs.netting))
            for f in _order_findings(life, closed=inputs.closed)
        ),
        *(f for check in checks for f in _position_findings(check)),
        *_lonely_legs([life for life in standing if life.order.model != NET_MODEL]),
        *_unnamed(inputs),
        *_positions_unknown(inputs.account),
    )
    return Reconciliation(
        run_id=inputs.run_id,
        session=inputs.session,
        as_of=inputs.as_of,
        outcomes=outcomes,
        positions=checks,
        findings=findings,
    )


def _standing(lives: Sequence[OrderLife], netting: Netting) -> Iterable[OrderLife]:
    """Leave out what never left and was replaced: by a later attempt, or another way to send it."""
    states = {life.order.order_ref: life.state for life in lives}
    latest: dict[str, int] = {}
    for life in lives:
        stem, attempt = _attempt(life)
        latest[stem] = max(attempt, latest.get(stem, 0))
    for life in lives:
        stem, attempt = _attempt(life)
        unsent = life.state is OrderState.INTENDED and not life.filled
        rows = netting.carried.get(life.order.order_ref, {})
        elsewhere = bool(rows) and all(states[r] is not OrderState.INTENDED for r in rows)
        if not (unsent and (attempt < latest[stem] or elsewhere)):
            yield life


def _attempt(life: OrderLife) -> tuple[str, int]:
    ref = life.order.order_ref
    stem = ref.rstrip("0123456789")
    return stem, int(ref[len(stem) :] or 0)


def _outcome(life: OrderLife, *, closed: bool) -> OrderOutcome:
    order, average = life.order, life.average_price
    reported = [f for f in life.fills if f.commission is not None]
    complete = bool(life.fills) and len(reported) == len(life.fills)
    spec, sign = order.mapped.spec, order.action.sign
    slippage = money = reach = beyond = None
    if average is not None:
        worse = (average - order.reference_price) * sign
        slippage = worse / spec.tick_size
        money = None if spec.point_value is None else worse * life.filled * spec.point_value
    if order.order_type not in _WITHOUT_LIMIT:
        reach = (order.limit_price - order.reference_price) * sign / spec.tick_size
        beyond = None if slippage is None else slippage - reach
    return OrderOutcome(
        order=order,
        state=life.state.value,
        filled=life.filled,
        average_price=average,
        commission=sum((f.commission or Decimal(0) for f in reported), Decimal(0))
        if complete
        else None,
        commission_currency=str(reported[0].commission_currency or "") if reported else "",
        slippage_ticks=slippage,
        text=life.text,
        slippage_money=money,
        reference_to_limit_ticks=reach,
        limit_to_fill_ticks=beyond,
        # By its state alone: what was sent or is unknown is never called so.
        never_sent=closed and life.state is OrderState.INTENDED,
    )


def _order_findings(life: OrderLife, *, closed: bool) -> Iterable[Finding]:
    order = life.order
    words = "; ".join(dict.fromkeys(text for text in (life.by_hand, life.text) if text))
    said = f" ({words})" if words else ""
    name = order.contract.symbol

    def finding(code: str, severity: Severity, message: str, hint: str) -> Finding:
        return Finding(
            code=code,
            severity=severity,
            subject=name,
            message=f"{order.order_ref}: {message}",
            hint=hint,
            evidence={"filled": life.filled, "quantity": order.quantity},
        )

    if life.state is OrderState.UNKNOWN:
        yield finding(
            "AC604",
            Severity.BLOCK,
            f"nobody can say what became of it{said}",
            "look in TWS's order and trade windows; it is not sent again by itself",
        )
    elif life.state is OrderState.INTENDED and closed:
        yield finding(
            "AC607",
            Severity.WARN,
            f"it was never sent{said}: its approval and its session are over",
            "an exit is caught up by itself, an entry only on request",
        )
    elif life.state is OrderState.INTENDED:
        yield finding("AC607", Severity.WARN, "it was not sent", "run 'afterclose send' again")
    elif not life.state.final:
        yield finding(
            "AC606",
            Severity.WARN,
            f"it is still {life.state.value}, {life.filled} of {order.quantity} filled",
            "settle again when the session is over",
        )
    elif life.state is OrderState.REJECTED:
        yield finding(
            "AC603", Severity.WARN, f"rejected{said}", "read the reason; the model still has it"
        )
    elif life.state is OrderState.CANCELLED:
        part = f"{life.filled} of {order.quantity} filled" if life.filled else "not filled"
        yield finding(
            "AC602" if life.filled else "AC601",
            Severity.WARN,
            f"{part}, then cancelled{said}",
            "an exit is caught up tomorrow by itself, an entry only on request",
        )


def _positions(inputs: ReconcileInputs) -> tuple[PositionCheck, ...]:
    desk: defaultdict[int, int] = defaultdict(int)
    symbols: dict[int, str] = {}
    for contract, name in inputs.names.items():
        desk[name.con_id] += inputs.held.get(contract, 0)
        symbols[name.con_id] = contract.symbol
    for position in inputs.account.positions or ():
        month = position.contract_month
        delivery = month.code if month else "?"
        symbols.setdefault(position.con_id, f"{position.symbol} {delivery}")
        desk.setdefault(position.con_id, 0)
    checks = (
        PositionCheck(
            symbol=symbols[con_id],
            con_id=con_id,
            desk=quantity,
            broker=inputs.account.held(con_id),
        )
        for con_id, quantity in desk.items()
    )
    return tuple(sorted((c for c in checks if c.desk or c.broker != 0), key=lambda c: c.symbol))


def _position_findings(check: PositionCheck) -> Iterable[Finding]:
    if check.broker is not None and not check.agrees:
        cause = "no model of this desk holds it" if check.desk == 0 else "the counts differ"
        yield Finding(
            code="AC605",
            severity=Severity.WARN,
            subject=check.symbol,
            message=f"the desk holds {check.desk:+d}, the account {check.broker:+d}: {cause}",
            hint="traded by hand or by another program; it is shown and left alone",
            evidence={"desk": check.desk, "account": check.broker},
        )


def _lonely_legs(lives: Sequence[OrderLife]) -> Iterable[Finding]:
    """AC610: one leg of a roll filled further than the other."""
    by_ref = {life.order.order_ref: life for life in lives}
    for life in lives:
        partner = by_ref.get(life.order.roll_pair)
        if life.order.kind is not TradeKind.ROLL_OPEN or partner is None or life.order.replaces:
            continue
        opened = filled_by(attempts_at(by_ref, life.order.order_ref))
        closed = filled_by(attempts_at(by_ref, partner.order.order_ref))
        if opened != closed:
            yield Finding(
                code="AC610",
                severity=Severity.WARN,
                subject=life.order.contract.symbol,
                message=(
                    f"a roll stands on one leg: {opened} opened in "
                    f"{life.order.contract.symbol}, {closed} closed in "
                    f"{partner.order.contract.symbol}"
                ),
                hint="the close is caught up tomorrow by itself; close by hand if it cannot wait",
                evidence={"opened": opened, "closed": closed},
            )


def _positions_unknown(account: AccountSnapshot) -> Iterable[Finding]:
    if account.positions is None:
        yield Finding(
            code="AC608",
            severity=Severity.BLOCK,
            subject=account.account,
            message="the account's positions are unknown, so nothing could be compared",
            hint="settle again when the gateway answers",
        )


def _unnamed(inputs: ReconcileInputs) -> Iterable[Finding]:
    for contract, quantity in inputs.held.items():
        if quantity and contract not in inputs.names:
            yield Finding(
                code="AC609",
                severity=Severity.WARN,
                subject=contract.symbol,
                message=f"the desk holds {quantity:+d}, and the gateway does not know the contract",
                hint="expired, or unmapped: look at the account and the mapping",
            )
