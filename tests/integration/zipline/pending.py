"""What hangs over the end of a run, so that a proof of going on is a proof about something."""

from __future__ import annotations

from afterclose.adapters.zipline.task import Outcome

PARTLY, STOP, CLOSING = "partly filled", "resting stop", "closes by itself tomorrow"
BOTH_LEGS, ONE_LEG = "both legs of a roll", "the old leg of a roll"


def pending(outcome: Outcome) -> set[str]:
    """What stands open at the end of a run."""
    found = set()
    rolling: dict[str, set[bool]] = {}
    for order in outcome.end.open_orders:
        if order.filled:
            found.add(PARTLY)
        if order.stop is not None:
            found.add(STOP)
        if getattr(outcome.end.order_notes.get(order.id), "reason", "") == "ROLL":
            rolling.setdefault(order.asset.root_symbol, set()).add(order.amount > 0)
    names = {frozenset({True, False}): BOTH_LEGS, frozenset({False}): ONE_LEG}
    found |= {names[frozenset(legs)] for legs in rolling.values()}
    last = outcome.tables.days["session"].iloc[-1]
    following = outcome.bars.axis.day(outcome.bars.axis.at_or_after(last.date()) + 1)
    if any(asset.auto_close_date.date() == following for asset in outcome.end.positions):
        found.add(CLOSING)
    return found
