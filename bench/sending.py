"""Evenings of sending against the paper gateway: every fault × a crash at every journal point.

    python bench/sending.py [--workers 4] [--docs] [--every 30] [--desk worked] [--by-hand]

Plain limits, and desks that work them, net rows, use other order types or roll. ``--by-hand`` plays
flattenings and rolls by hand instead, and what a person may do after the crash. ``--docs`` writes
the counts into docs/sending.md. Exits 1 when anything was sent twice, lost, left in doubt without
need, or is told otherwise than the gateway's own book has it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose import tws_sim  # noqa: E402 - the path comes first
from afterclose.domain.contracts import FuturesContract, QualifiedContract  # noqa: E402
from integration.sending.evenings import Evening, play, qualify  # noqa: E402
from integration.sending.hand_evenings import HandEvening  # noqa: E402
from integration.sending.hand_evenings import play as play_by_hand  # noqa: E402
from integration.sending.scenarios import (  # noqa: E402
    UNKNOWN_WITHOUT_CRASH,
    by_hand,
    doubts,
    every_point,
    larger,
    other_desks,
)
from unit.tws_sim.sim_market import write_market  # noqa: E402

#: Orders of an evening → evenings per fault.
SIZES = {1: 2, 8: 10, 20: 7, 60: 3}
DOCS = ROOT / "docs" / "sending.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
BEGIN_BY_HAND, END_BY_HAND = "<!-- by hand: begin -->", "<!-- by hand: end -->"
_STATES = ("filled", "working", "cancelled", "rejected", "unknown", "intended")
PLAIN = "plain limits"

Job = tuple[int, str, str, Evening | HandEvening]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one evening came to."""

    fault: str
    desk: str
    counts: Mapping[str, int]
    wrong: tuple[str, ...]


@cache
def _stage() -> tuple[Path, tws_sim.Market, dict[FuturesContract, QualifiedContract]]:
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="afterclose-sending-"))
    market = tws_sim.Market.from_folder(write_market(folder / "market"))
    return folder, market, dict(asyncio.run(qualify(market)))


def jobs() -> Iterator[Job]:
    """Every evening of the matrix, by number."""
    plain = ((fault, PLAIN, evening) for fault, evening in chain(every_point(), larger(SIZES)))
    for number, (fault, desk, evening) in enumerate(chain(plain, other_desks())):
        yield number, fault, desk, evening


def jobs_by_hand() -> Iterator[Job]:
    """Every evening by hand, by number."""
    for number, (fault, evening) in enumerate(by_hand()):
        yield number, fault, f"{evening.act}, then {evening.then}", evening


def one(job: Job) -> Row:
    """Play one evening in this process."""
    number, fault, desk, evening = job
    if isinstance(evening, HandEvening):
        return one_by_hand(number, fault, desk, evening)
    folder, market, qualified = _stage()
    file = folder / f"{number}.sqlite"
    outcome = asyncio.run(play(evening, market, qualified, file))
    for left in folder.glob(f"{number}.sqlite*"):
        left.unlink()
    wrong = [*outcome.wrong, *doubts(fault, evening, outcome)]
    states = outcome.states
    waits = states.pop("acknowledged", 0) + states.pop("partly filled", 0)
    crashed = 0 < evening.crash_at <= outcome.writes
    by_crash = len((outcome.unknown & outcome.victims) - outcome.held)
    others = len(outcome.unknown - outcome.held) - by_crash
    counts = Counter(states, working=waits) + Counter(
        evenings=1,
        crashes=int(crashed),
        orders=len(outcome.lives),
        rows=len(evening.orders),
        attempts=outcome.attempts,
        crossed=outcome.transfers,
        wrong=len(wrong),
        swallowed=others if fault not in UNKNOWN_WITHOUT_CRASH else 0,
        by_line=others if fault in UNKNOWN_WITHOUT_CRASH else 0,
        by_crash=by_crash,
        held=len(outcome.unknown & outcome.held),
    )
    named = tuple(f"{fault}, {desk}, {number}: {line}" for line in wrong)
    return Row(fault=fault, desk=desk, counts=counts, wrong=named)


def one_by_hand(number: int, fault: str, act: str, evening: HandEvening) -> Row:
    """Play one flattening or roll in this process."""
    folder, market, _ = _stage()
    home = folder / f"by-hand-{number}"
    home.mkdir()
    outcome = asyncio.run(play_by_hand(evening, market, home))
    shutil.rmtree(home)
    counts = {
        "evenings": 1,
        "crashes": int(0 < evening.crash_at <= outcome.writes),
        "orders": outcome.orders,
        "again": outcome.runs,
        "looked up": len(outcome.resolved),
        "wrong": len(outcome.wrong),
    }
    named = tuple(f"{fault}, {act}, {number}: {line}" for line in outcome.wrong)
    return Row(fault=fault, desk=act, counts=counts, wrong=named)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=4, help="most of an evening is waiting")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="only every n-th evening")
    parser.add_argument("--desk", help="only evenings of this desk")
    parser.add_argument("--by-hand", action="store_true", help="flattenings and rolls by hand")
    given = parser.parse_args()
    meant = jobs_by_hand() if given.by_hand else jobs()
    todo = [job for job in meant if given.desk in {None, job[2]}][:: given.every]
    began, rows = time.monotonic(), []
    with ProcessPoolExecutor(given.workers) as pool:
        for row in pool.map(one, todo, chunksize=4):
            rows.append(row)
            for line in row.wrong:
                print("WRONG", line, flush=True)
            if len(rows) % 100 == 0:
                print(
                    f"{len(rows)} of {len(todo)} after {time.monotonic() - began:.0f} s", flush=True
                )
    told = report_by_hand if given.by_hand else report
    text = told(rows, seconds=time.monotonic() - began)
    print(text)
    if given.docs:
        page = DOCS.read_text(encoding="utf-8")
        begin, end = (BEGIN_BY_HAND, END_BY_HAND) if given.by_hand else (BEGIN, END)
        head, rest = page.split(begin)
        tail = rest.split(end)[1]
        DOCS.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8", newline="\n")
    return 1 if any(row.wrong for row in rows) else 0


def summed(rows: Iterable[Row]) -> Counter[str]:
    """Add up the counts of rows."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.counts)
    return total


def report(rows: Sequence[Row], *, seconds: float) -> str:
    """Write counts per fault and per desk as tables."""
    total, today = summed(rows), datetime.fromtimestamp(time.time(), UTC).date()
    said = (
        f"{today}: {total['evenings']} evenings, {total['orders']} orders, "
        f"{total['crashes']} crashes, {seconds / 60:.0f} minutes. Wrong (sent twice, lost, other "
        "terms or account, two attempts alive, more than was approved, a row traded twice, left "
        "unsent or unknown without need, a state that the gateway's book contradicts): "
        f"{total['wrong']}. Unknown: {total['unknown']}, of which {total['by_crash']} by a crash "
        f"on their own intent or bytes, {total['by_line']} by a line that broke under them, "
        f"{total['swallowed']} by a crash that swallowed their refusal, {total['held']} held by a "
        "precaution."
    )
    by_fault = ("evenings", "crashes", "orders", *_STATES, "wrong")
    by_desk = ("evenings", "crashes", "rows", "crossed", "orders", "attempts", *_STATES, "wrong")
    return "\n".join(
        [
            said,
            "",
            *table("fault of the gateway", by_fault, dict.fromkeys(r.fault for r in rows), rows),
            "",
            *table("desk", by_desk, dict.fromkeys(r.desk for r in rows), rows),
            "",
        ]
    )


def report_by_hand(rows: Sequence[Row], *, seconds: float) -> str:
    """Write counts per act, and what was done after the crash, as a table."""
    total, today = summed(rows), datetime.fromtimestamp(time.time(), UTC).date()
    said = (
        f"{today}: {total['evenings']} evenings under {len({row.fault for row in rows})} faults, "
        f"{total['crashes']} crashes, {total['orders']} orders, {seconds / 60:.0f} minutes. Wrong "
        "(a position past zero or beyond what it was, closed or opened twice, not closed or not "
        "opened in the end, a foreign order touched, models that are said to hold what they do "
        "not, a state that the gateway's book contradicts, an order in doubt without need): "
        f"{total['wrong']}. Orders that a person had to look up: {total['looked up']}."
    )
    columns = ("evenings", "crashes", "orders", "again", "looked up", "wrong")
    names = dict.fromkeys(row.desk for row in rows)
    return "\n".join([said, "", *table("by hand", columns, names, rows), ""])


def table(
    head: str, columns: Sequence[str], names: Iterable[str], rows: Sequence[Row]
) -> Iterator[str]:
    """Sum the rows of each name, and all of them."""
    yield f"| {head} | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    for name in (*names, "**all**"):
        counts = summed(row for row in rows if name in {row.fault, row.desk, "**all**"})
        yield f"| {name} | {' | '.join(str(counts[column]) for column in columns)} |"


if __name__ == "__main__":
    sys.exit(main())
