"""Checks of the order against the account: positions, working orders, other models."""

from __future__ import annotations

import re
from collections.abc import Iterator

from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import TradeKind
from afterclose.stages.audit.context import RowContext

#: The end of an order's name: what it does, and which attempt it is.
_ATTEMPT = re.compile(r"-[CO](\d+)$")


def wrong_account(row: RowContext) -> Iterator[Finding]:
    """AC509: the order must be for the account that was read."""
    if row.order.account != row.account:
        yield row.finding(
            "AC509",
            Severity.BLOCK,
            f"the order is for account {row.order.account or 'unnamed'}, "
            f"what was read is {row.account or 'no account'}",
            "positions and capital of one account say nothing of another: audit it on its own",
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


def position_differs(row: RowContext) -> Iterator[Finding]:
    """AC316: the account holds something else than the desk's own records say."""
    if row.position is None or row.desk_held is None or row.position == row.desk_held:
        return
    yield row.finding(
        "AC316",
        Severity.WARN,
        f"the account holds {row.position:+d}, the desk's records say {row.desk_held:+d}",
        "somebody traded this contract elsewhere, or yesterday is not settled",
        account=row.position,
        desk=row.desk_held,
    )


def reversal_not_covered(row: RowContext) -> Iterator[Finding]:
    """AC312: a reversal closes what the desk holds; the account must hold it too."""
    if row.order.kind is not TradeKind.REVERSAL or row.position is None:
        return
    sign = row.order.action.sign
    counted_on = max(0, -row.order.held_before * sign)
    others = 0 if row.desk_held is None else row.desk_held - row.order.held_before
    hidden = others if others * sign > 0 else 0  # held the other way, by other models
    closable = max(0, -(row.position - hidden) * sign)
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
    """AC503, AC507: somebody already works an order of this side in this contract."""
    if row.working is None:
        yield row.finding(
            "AC507",
            Severity.BLOCK,
            "the account's working orders are unknown: the order could double one",
            "audit again; a read-only API never tells them (docs/findings.md)",
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


def already_sent(row: RowContext) -> Iterator[Finding]:
    """AC506, AC508: this very order is at the broker, or follows one that was."""
    if row.same_name:
        yield row.finding(
            "AC506",
            Severity.BLOCK,
            f"an order named {row.order.order_ref} is working at the broker, and this desk's "
            "ledger knows nothing of it",
            "another copy of this desk is at work, or the ledger was lost: find out which first",
        )
    named = _ATTEMPT.search(row.order.order_ref)
    attempt = int(named[1]) if named else 1
    if attempt > 1:
        yield row.finding(
            "AC508",
            Severity.WARN,
            f"attempt {attempt} of tonight: an earlier one is over, or never left",
            "this one is for what is left; look at what became of the earlier one",
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
