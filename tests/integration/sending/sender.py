"""A process that sends one evening, and is meant to be killed meanwhile.

It reads its job, one JSON line, says ``sending`` just before it begins, and ``done`` when it ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta

from afterclose.adapters.ibkr.desk import open_desk
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.errors import AfterCloseError
from afterclose.stages import submit
from integration.ibkr.gateways import PATIENCE_S
from integration.sending.evenings import contracts, make_orders
from unit.ibkr.ibkr_values import approval


class Standing:
    """A clock that stands still; the product's own brings pandas with it."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """Return the time."""
        return self._at


async def send(job: Mapping[str, str]) -> None:
    """Send, as ``afterclose send`` does, from a process of its own."""
    orders = make_orders(int(job["orders"]), seed=int(job["seed"]))
    now = datetime.fromisoformat(job["now"])
    ledger = SqlLedger(job["ledger"])
    try:
        async with open_desk(
            host=job["host"],
            port=int(job["port"]),
            client_id=8,
            approval=approval(*orders, at=now, expires_at=now + timedelta(hours=12)),
            timeout_s=PATIENCE_S,
            clock=Standing(now),
        ) as desk:
            await submit.run(
                desk,
                ledger,
                submit.SubmitRequest(
                    run_id="2025-12-01-1",
                    orders=orders,
                    qualified=contracts(json.loads(job["con_ids"])),
                    answer_timeout_s=PATIENCE_S,
                ),
                Standing(now),
            )
    finally:
        ledger.close()


def main() -> None:
    """Send one evening."""
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    job = json.loads(sys.stdin.readline())
    sys.stdout.write("sending\n")
    sys.stdout.flush()
    try:
        asyncio.run(send(job))
        sys.stdout.write("done\n")
    except AfterCloseError as error:
        sys.stdout.write(f"stopped: {error}\n")


if __name__ == "__main__":
    main()
