"""Evenings whose sending process is killed (SIGKILL) at a random moment.

python bench/sending_killed.py [--evenings 300] [--first 0] [--docs]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose import tws_sim  # noqa: E402 - the path comes first
from integration.sending.evenings import qualify  # noqa: E402
from integration.sending.killing import play_killed  # noqa: E402
from unit.tws_sim.sim_market import write_market  # noqa: E402

DOCS = ROOT / "docs" / "sending.md"
BEGIN, END = "<!-- killed: begin -->", "<!-- killed: end -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evenings", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first evening")
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.evenings)
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    began = time.monotonic()
    counts, wrong = Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="afterclose-killed-") as name:
        folder = Path(name)
        market = tws_sim.Market.from_folder(write_market(folder / "market"))
        qualified = asyncio.run(qualify(market))
        with ThreadPoolExecutor(3) as pool:
            played = pool.map(lambda n: play_killed(n, market, qualified, folder), numbers)
            for number, (outcome, killed) in zip(numbers, played, strict=True):
                counts.update(outcome.states)
                counts.update({"evenings": 1, "killed": int(bool(killed)), killed: 1})
                counts["orders"] += len(outcome.lives)
                wrong += len(outcome.wrong)
                for line in outcome.wrong:
                    print("WRONG", number, line, flush=True)
    today = datetime.fromtimestamp(time.time(), UTC).date()
    text = (
        f"{today}: {counts['evenings']} evenings, {counts['orders']} orders; {counts['killed']} "
        f"senders were killed before they had ended: {counts['before any of its orders']} before "
        f"any order was at the gateway, {counts['among of its orders']} with some there, "
        f"{counts['after all of its orders']} with all there. Afterwards "
        f"{counts['filled']} filled, {counts['acknowledged'] + counts['working']} working, "
        f"{counts['unknown']} unknown, {counts['intended']} unsent; wrong: {wrong} "
        f"({(time.monotonic() - began) / 60:.0f} minutes).\n"
    )
    print(text)
    if given.docs:
        page = DOCS.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        tail = rest.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8", newline="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
