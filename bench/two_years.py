"""Two years of evenings, unattended: prepare, approve, send, settle; every day compared.

python bench/two_years.py [--ledger sqlite|postgresql] [--evenings 520] [--seed 1] [--folder DIR]
                          [--minutes N] [--docs]

With ``--folder`` the run can be continued: with ``--minutes`` it stops at the end of the month in
which the time is over, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose import clock as calendar  # noqa: E402 - the path comes first
from e2e.long_desk import LongDesk  # noqa: E402
from e2e.long_evenings import Tally, play  # noqa: E402
from postgresql import server  # noqa: E402

FIRST = date(2024, 1, 3)
DOCS = ROOT / "docs" / "two-years.md"
PROGRESS = "progress.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--evenings", type=int, default=520)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--docs", action="store_true", help="write the figures into the docs")
    given = parser.parse_args()
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    with folder_of(given.folder) as home, database(given.ledger, given.folder) as url:
        desk = LongDesk(home=home, seed=given.seed, inception=FIRST, ledger=url)
        tally, first, spent = progress(home)
        last = FIRST
        for _ in range(given.evenings - 1):
            last = calendar.next_session(last)
        began = time.monotonic()

        def month_done(session: date) -> bool:
            minutes = spent + (time.monotonic() - began) / 60
            save(home, tally, session, minutes)
            print(f"{session} after {minutes:.0f} min: {sentence(tally)}", flush=True)
            return (time.monotonic() - began) / 60 < given.minutes

        play(desk, first=first, last=last, tally=tally, go_on=month_done)
        minutes = spent + (time.monotonic() - began) / 60
    for line in tally.wrong:
        print("WRONG", line)
    today = datetime.fromtimestamp(time.time(), UTC).date()
    text = f"{today}, {given.ledger}, seed {given.seed}: {sentence(tally)} ({minutes:.0f} minutes)."
    print(text)
    if given.docs:
        publish(given.ledger, f"{text}\n\n{table(tally)}")
    return 1 if tally.wrong else 0


@contextmanager
def folder_of(chosen: Path | None) -> Iterator[Path]:
    """The folder that was named, or one that is thrown away."""
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
    kept = nullcontext(str(chosen)) if chosen else tempfile.TemporaryDirectory(prefix="two-years-")
    with kept as name:
        yield Path(name).resolve()


@contextmanager
def database(kind: str, kept: Path | None) -> Iterator[str]:
    """The ledger's address; a server of its own where it needs one, its data beside the desk."""
    own = None if kept is None else kept.resolve().with_name(f"{kept.name}-postgresql")
    with nullcontext("sqlite:///ledger.sqlite") if kind == "sqlite" else server(own) as url:
        yield url


def progress(home: Path) -> tuple[Tally, date, float]:
    """What was done before, the first session to play, and the minutes spent."""
    path = home / PROGRESS
    if not path.is_file():
        return Tally(), FIRST, 0.0
    found = json.loads(path.read_text(encoding="utf-8"))
    tally = Tally(counts=found["counts"], wrong=found["wrong"], rest=Decimal(found["rest"]))
    return tally, calendar.next_session(date.fromisoformat(found["last"])), found["minutes"]


def save(home: Path, tally: Tally, last: date, minutes: float) -> None:
    content = {**asdict(tally), "rest": str(tally.rest), "last": last.isoformat()}
    content["minutes"] = minutes
    (home / PROGRESS).write_text(json.dumps(content, indent=1), encoding="utf-8")


def sentence(tally: Tally) -> str:
    """The figures that count, in words."""
    days = tally.counts.get("days of value compared", 0)
    return (
        f"{tally.counts.get('evenings', 0)} evenings, {tally.counts.get('orders', 0)} orders, "
        f"value compared on {days} days, at most {tally.rest:.2f} dollars a day without an "
        f"explanation. Wrong: {len(tally.wrong)}"
    )


#: What is counted, by how its name begins.
GROUPS = {
    "Orders, at the end of their evening": "orders ",
    "Breaks between a model and the desk, by cause": "break ",
    "Findings": "finding ",
    "Evenings": "evenings ",
    "Also": "",
}
IN_THE_SENTENCE = ("evenings", "orders", "days of value compared")


def table(tally: Tally) -> str:
    """Everything else that was counted."""
    rest = {name: n for name, n in tally.counts.items() if name not in IN_THE_SENTENCE}
    lines = ["| what | how often |", "|---|---|"]
    for title, prefix in GROUPS.items():
        mine = sorted((n, name) for name, n in rest.items() if name.startswith(prefix))
        told = ", ".join(f"{name.removeprefix(prefix)} {n}" for n, name in reversed(mine))
        lines += [f"| {title} | {told} |"] if told else []
        rest = {name: n for name, n in rest.items() if not name.startswith(prefix)}
    return "\n".join(lines)


def publish(ledger: str, text: str) -> None:
    """Put the figures between their marks."""
    begin, end = f"<!-- {ledger}: begin -->", f"<!-- {ledger}: end -->"
    page = DOCS.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    DOCS.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
