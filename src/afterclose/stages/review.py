"""Review: bind a person's yes to exactly what was shown, and hold it against what is sent.

The digest is over the whole audit report: every row, figure, finding and the account. Whatever
changes in it afterwards makes the approval void.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from afterclose.artifacts import digest_of
from afterclose.domain.audit import AuditReport
from afterclose.domain.findings import Verdict
from afterclose.domain.netting import Netting
from afterclose.domain.orders import Approval, BasketOrder, TradeKind
from afterclose.errors import AccountMismatch, ApprovalVoid, NotApproved


def shown_digest(report: AuditReport) -> str:
    """Return the digest of what the reviewer sees."""
    return digest_of(report)


#: A gateway that restarts loses what it has not sent on: an approval ends well before.
BEFORE_RESTART = timedelta(minutes=30)
#: Whatever the settings say: a market of half a day ago is not the one that was looked at.
LONGEST = timedelta(hours=12)


def holds_until(now: datetime, *, valid_for: timedelta, restart: datetime | None) -> datetime:
    """Return when a yes given now ends.

    ``restart`` is the gateway's next one; None: it has none. Raises NotApproved when it is so near
    that a yes would be over at once.
    """
    latest = now + min(valid_for, LONGEST)
    if restart is None:
        return latest
    if restart - BEFORE_RESTART <= now:
        raise NotApproved(
            f"the gateway restarts at {restart:%Y-%m-%d %H:%M} UTC, and an approval ends half an "
            "hour before that",
            hint="approve after the restart, or correct broker.restart",
        )
    return min(latest, restart - BEFORE_RESTART)


def approve(
    report: AuditReport,
    *,
    reviewer: str,
    now: datetime,
    until: datetime,
    note: str = "",
    exclude: frozenset[str] = frozenset(),
) -> Approval:
    """Approve the cleared orders of a report, less those excluded by the reviewer.

    Rows to be looked at need a ``note``: the reason why they go all the same. Raises NotApproved
    when there is nothing to send, or a reason is missing.
    """
    unknown = exclude - {r.order.order_ref for r in report.rows}
    if unknown:
        raise NotApproved(
            f"there is no such order to exclude: {', '.join(sorted(unknown))}",
            hint="take the reference from the report",
        )
    orders = orders_going(report, exclude)
    if not orders:
        raise NotApproved(
            "there is no order to approve",
            hint="read the report: every row is blocked or excluded, or there were no trades",
        )
    going = {o.order_ref for o in orders}
    flagged = [r for r in report.rows if r.order.order_ref in going and r.verdict is Verdict.LOOK]
    if flagged and not note.strip():
        names = ", ".join(r.order.contract.symbol for r in flagged)
        raise NotApproved(
            f"{len(flagged)} rows carry warnings ({names}) and no reason was given",
            hint="give the reason with --note, or exclude the rows",
        )
    return Approval(
        run_id=report.run_id,
        digest=shown_digest(report),
        account=report.account,
        order_refs=tuple(sorted(going)),
        reviewer=reviewer,
        at=now,
        expires_at=until,
        note=note,
        overrides=tuple((r.order.order_ref, note) for r in flagged),
        attempts=tuple((o.order_ref, o.attempts) for o in orders if o.attempts),
    )


def orders_going(report: AuditReport, exclude: frozenset[str]) -> tuple[BasketOrder, ...]:
    """Return the cleared orders that a yes with these exclusions would send.

    A roll whose close leg is left out does not open either.
    """
    return tuple(
        o
        for o in report.cleared_orders()
        if o.order_ref not in exclude
        and not (o.kind is TradeKind.ROLL_OPEN and o.roll_pair in exclude)
    )


def reject(report: AuditReport, *, reviewer: str, now: datetime, note: str) -> Approval:
    """Record a no: an approval of nothing."""
    return Approval(
        run_id=report.run_id,
        digest=shown_digest(report),
        account=report.account,
        order_refs=(),
        reviewer=reviewer,
        at=now,
        expires_at=now,
        note=note,
    )


def require(
    approval: Approval | None, report: AuditReport, *, account: str, now: datetime
) -> Approval:
    """Return the approval if it holds for exactly this report, account and moment.

    Raises NotApproved, ApprovalVoid or AccountMismatch; nothing is sent after any of them.
    """
    if approval is None:
        raise NotApproved(
            f"the evening {report.run_id} was not approved",
            hint="read the report, then 'afterclose approve'",
        )
    if not approval.order_refs:
        raise NotApproved(
            f"the evening {report.run_id} was rejected by {approval.reviewer}: {approval.note}",
            hint="approve it, or prepare it again, if that is no longer so",
        )
    if approval.digest != shown_digest(report) or approval.run_id != report.run_id:
        raise ApprovalVoid(
            "basket, audit or account changed after the approval",
            hint="read the report again and approve what it shows now",
        )
    if approval.account != account:
        raise AccountMismatch(
            f"approved for {approval.account}, but the desk trades {account}",
            hint="correct desk.account, or approve for the right account",
        )
    if now >= approval.expires_at:
        raise ApprovalVoid(
            f"the approval expired at {approval.expires_at:%Y-%m-%d %H:%M} UTC",
            hint="audit again against the market as it is now, then approve",
        )
    return approval


def for_orders(approval: Approval, netting: Netting) -> Approval:
    """Return the approval with the names under which its rows go to the market.

    Raises NotApproved when an order carries anything that was not approved.
    """
    approved = frozenset(approval.order_refs)
    for order in netting.orders:
        rows = netting.carried.get(order.order_ref, {order.order_ref: order.signed})
        if not approved >= set(rows):
            raise NotApproved(f"{order.order_ref} is not made of approved rows alone")
    names = approved | {order.order_ref for order in netting.orders}
    carrying = [o for o in netting.orders if o.order_ref in netting.carried and o.attempts]
    attempts = (*approval.attempts, *((o.order_ref, o.attempts) for o in carrying))
    return replace(approval, order_refs=tuple(sorted(names)), attempts=attempts)


def overridden(approval: Approval) -> Mapping[str, str]:
    """Return order reference → reason, for each warning that was overridden."""
    return dict(approval.overrides)
