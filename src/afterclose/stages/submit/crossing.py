"""What rows trade with each other inside the desk, before the rest of them goes to the market."""

from __future__ import annotations

from afterclose.ports import Clock, Ledger
from afterclose.stages.submit.overtaken import refuse_overtaken
from afterclose.stages.submit.terms import SubmitRequest
from afterclose.stages.submit.windows import require_not_halted


def cross_inside(ledger: Ledger, request: SubmitRequest, clock: Clock) -> None:
    """Write down what rows trade with each other: once, and before the first byte of the rest."""
    netting, session = request.netting, {t.session for t in request.netting.transfers}
    done = {(t.bought, t.sold) for day in session for t in ledger.netting(day).transfers}
    crossing = [t for t in netting.transfers if (t.bought, t.sold) not in done]
    if not crossing:
        return
    require_not_halted(ledger)
    refs = {ref for t in crossing for ref in (t.bought, t.sold)}
    rows = [row for row in netting.rows if row.order_ref in refs]
    refuse_overtaken(ledger, rows, netting)
    ledger.record_transfers(request.run_id, crossing, at=clock.now())
