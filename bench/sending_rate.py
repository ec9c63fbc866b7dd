"""A hundred orders at the paper gateway with IB's pacing rule enforced (50 messages a second).

    python bench/sending_rate.py [--docs]

Measured from the first intent to the last acknowledgement, journal on disk included. The first of
the orders goes alone. Exits 1 on an error 100 or an order without acknowledgement.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose import tws_sim  # noqa: E402 - the path comes first
from afterclose.adapters.ibkr.desk import open_desk  # noqa: E402
from afterclose.adapters.ledger.store import SqlLedger  # noqa: E402
from afterclose.domain.orders import EventKind, OrderEvent, OrderState  # noqa: E402
from afterclose.stages import submit  # noqa: E402
from integration.ibkr.gateways import GatewayTime  # noqa: E402
from integration.sending.evenings import gateway_of, make_orders, qualify  # noqa: E402
from unit.ibkr.ibkr_values import approval  # noqa: E402
from unit.tws_sim.sim_market import MONDAY_EVENING, write_market  # noqa: E402

ORDERS = 100
#: IB's limit, and what a naive program does: one order per half second.
ALLOWED_PER_S, NAIVE_PER_S = 50, 2
_PACING = 100
DOCS = ROOT / "docs" / "sending.md"
BEGIN, END = "<!-- rate: begin -->", "<!-- rate: end -->"


async def send(folder: Path) -> tuple[float, float, int, int]:
    """Return seconds on the clock and of the processor, pacing errors and orders not answered."""
    market = tws_sim.Market.from_folder(write_market(folder / "market"))
    qualified = await qualify(market)
    orders = make_orders(ORDERS, seed=1)
    heard: list[tuple[float, OrderEvent]] = []
    ledger = SqlLedger(f"sqlite:///{(folder / 'ledger.sqlite').as_posix()}")
    with gateway_of(market, "[connection]\nmessages_per_second = 50", seed=0) as gateway:
        async with open_desk(
            host=gateway.host,
            port=gateway.port,
            client_id=8,
            approval=approval(
                *orders, at=MONDAY_EVENING, expires_at=MONDAY_EVENING + timedelta(hours=9)
            ),
            clock=GatewayTime(gateway),
        ) as desk:
            processor = time.process_time()
            known = await submit.run(
                desk,
                ledger,
                submit.SubmitRequest(run_id="rate", orders=orders, qualified=qualified),
                GatewayTime(gateway),
                on_event=lambda event: heard.append((time.monotonic(), event)),
            )
            processor = time.process_time() - processor
    ledger.close()
    first = next(at for at, event in heard if event.kind is EventKind.INTENT)
    answered: dict[str, float] = {}
    for at, event in heard:
        if event.kind is EventKind.STATUS:
            answered.setdefault(event.order_ref, at)
    pacing = sum(event.code == _PACING for _, event in heard)
    silent = sum(life.state in {OrderState.INTENDED, OrderState.SENT} for life in known.values())
    return max(answered.values()) - first, processor, pacing, silent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="afterclose-rate-") as name:
        seconds, processor, pacing, silent = asyncio.run(send(Path(name)))
    rate = ORDERS / seconds
    today = datetime.fromtimestamp(time.time(), UTC).date()
    text = (
        f"{today}: {ORDERS} orders sent and acknowledged in {seconds:.2f} s, {rate:.1f} a second: "
        f"{rate / ALLOWED_PER_S:.0%} of the {ALLOWED_PER_S} a second that IB allows, "
        f"{rate / NAIVE_PER_S:.0f} times one order per half second; errors 100: {pacing}, without "
        f"an answer: {silent}; {processor:.2f} s of processor, gateway included.\n"
    )
    print(text)
    if given.docs:
        page = DOCS.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        tail = rest.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8", newline="\n")
    return 1 if pacing or silent else 0


if __name__ == "__main__":
    sys.exit(main())
