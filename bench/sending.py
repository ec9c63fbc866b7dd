"""Evenings of sending against the paper gateway: every fault × a crash at every journal point.

    python bench/sending.py [--workers 2] [--docs]

``--docs`` writes the counts into docs/sending.md. Exits 1 when anything was sent twice, lost, or
is told otherwise than the gateway's own book has it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose import tws_sim  # noqa: E402 - the path comes first
from afterclose.domain.contracts import FuturesContract, QualifiedContract  # noqa: E402
from integration.sending.evenings import Evening, play, qualify  # noqa: E402
from integration.sending.scenarios import doubts, every_point, larger  # noqa: E402
from unit.tws_sim.sim_market import write_market  # noqa: E402

#: Orders of an evening → evenings per fault.
SIZES = {1: 2, 8: 10, 20: 7, 60: 3}
DOCS = ROOT / "docs" / "sending.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
_STATES = ("filled", "working", "cancelled", "rejected", "unknown", "intended")

Row = tuple[str, int, bool, dict[str, int], list[str]]


@cache
def _stage() -> tuple[Path, tws_sim.Market, dict[FuturesContract, QualifiedContract]]:
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="afterclose-sending-"))
    market = tws_sim.Market.from_folder(write_market(folder / "market"))
    return folder, market, dict(asyncio.run(qualify(market)))


def one(job: tuple[int, str, Evening]) -> Row:
    """Play one evening in this process."""
    number, name, evening = job
    folder, market, qualified = _stage()
    file = folder / f"{number}.sqlite"
    outcome = asyncio.run(play(evening, market, qualified, file))
    for left in folder.glob(f"{number}.sqlite*"):
        left.unlink()
    wrong = list(outcome.wrong)
    states = outcome.states
    died = evening.crash_at > 0
    wrong += doubts(name, evening, outcome)
    return name, len(evening.orders), died, dict(states), [f"{name} {number}: {w}" for w in wrong]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="only so many evenings")
    given = parser.parse_args()
    jobs = [(n, *pair) for n, pair in enumerate(chain(every_point(), larger(SIZES)))]
    jobs = jobs[:: max(1, len(jobs) // given.first)] if given.first else jobs
    began, rows = time.monotonic(), []
    with ProcessPoolExecutor(given.workers) as pool:
        for row in pool.map(one, jobs, chunksize=8):
            rows.append(row)
            for line in row[4]:
                print("WRONG", line, flush=True)
            if len(rows) % 100 == 0:
                print(
                    f"{len(rows)} of {len(jobs)} after {time.monotonic() - began:.0f} s", flush=True
                )
    text = report(rows, seconds=time.monotonic() - began)
    print(text)
    if given.docs:
        page = DOCS.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        tail = rest.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8", newline="\n")
    return 1 if any(row[4] for row in rows) else 0


def report(rows: list[Row], *, seconds: float) -> str:
    """Write counts per scenario as a table."""
    per: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, orders, died, states, wrong in rows:
        counts = per[name]
        counts.update({"evenings": 1, "crashes": int(died), "orders": orders, "wrong": len(wrong)})
        merged = Counter(states)
        merged["working"] += merged.pop("acknowledged", 0) + merged.pop("partly filled", 0)
        counts.update(merged)
    total: Counter[str] = Counter()
    for counts in per.values():
        total.update(counts)
    today = datetime.fromtimestamp(time.time(), UTC).date()
    columns = ("evenings", "crashes", "orders", *_STATES, "wrong")
    said = (
        f"{today}: {total['evenings']} evenings, {total['orders']} orders, "
        f"{total['crashes']} crashes, {seconds / 60:.0f} minutes. Wrong (sent twice, lost, other "
        f"terms, a state that the gateway's book contradicts): {total['wrong']}."
    )
    lines = [
        said,
        "",
        f"| fault of the gateway | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
        *(f"| {n} | {' | '.join(str(c[k]) for k in columns)} |" for n, c in per.items()),
        f"| **all** | {' | '.join(str(total[k]) for k in columns)} |",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
