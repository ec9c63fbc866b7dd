"""The engine against plain Zipline, on the same bars, in the same run.

    python bench/engine.py loop                    # CPU per simulated session, ten minutes
    python bench/engine.py evening --years 5 25    # a resumed evening of both models, wall
    python bench/engine.py inception               # both models since 2000, side by side

``loop`` runs every algorithm in a process of its own, under plain ``zipline.run_algorithm`` and
under the engine (with Zipline's own rolls, where fills are compared, and with causal rolls, as the
desk uses them), on all 71 roots with prices that a bundle can hold. CPU per session is taken
between the first and the last evening of the slice. Everything is measured here and now.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.zipline.engine import open_market, simulate
from afterclose.adapters.zipline.fleet import run_models
from afterclose.adapters.zipline.stock import run_stock
from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.runs import CurrencyRule, ModelRef, ModelRequest, RollRule

HERE = Path(__file__).parent
BASELINES = HERE / "baselines"
ALGORITHMS = {
    "trend, ordinary": str(BASELINES / "engine_trend_ordinary.py"),
    "trend": "afterclose.models.trend_following",
    "mean reversion": "afterclose.models.mean_reversion",
    "history only": str(BASELINES / "engine_history_only.py"),
}
MODELS = {"TF": "afterclose.models.trend_following", "MR": "afterclose.models.mean_reversion"}
FIRST_BAR, LAST_BAR = date(2000, 1, 3), date(2025, 8, 15)


def write_market(folder: Path, first: date, last: date, *, bundle: bool) -> None:
    """Generate all roots; for a bundle in thousandths, as it gives them back."""
    market = generate(first=first, last=last)
    if bundle:
        prices = {
            name: np.round(getattr(market.bars, name) * 1000.0) * 0.001
            for name in ("open", "high", "low", "close")
        }
        market = dataclasses.replace(market, bars=dataclasses.replace(market.bars, **prices))
    with MarketStoreWriter(folder) as writer:
        writer.write_all(market, source="generated")


def measure_one(engine: str, entry_point: str, store_path: str, first: str, last: str) -> None:
    """Run one algorithm once and print what it cost; a process of its own."""
    marks: list[tuple[float, float]] = []
    loaded = load_strategy(entry_point)

    def before_trading_start(_context: Any, _data: Any) -> None:
        marks.append((time.process_time(), time.perf_counter()))

    functions = {**loaded.functions, "before_trading_start": before_trading_start}
    strategy = dataclasses.replace(loaded, functions=functions)
    rolls = RollRule.CAUSAL if engine == "causal" else RollRule.ZIPLINE
    request = ModelRequest(
        model=ModelRef(name="bench", entry_point=entry_point),
        store=Path(store_path),
        first_session=date.fromisoformat(first),
        last_session=date.fromisoformat(last),
        capital_base=10_000_000.0,
        output=Path(),
        rolls=rolls,
        currency=CurrencyRule.NATIVE,
    )
    store = MarketStore.open(Path(store_path))
    if engine == "stock":
        performance, _, _ = run_stock(store, request, strategy, keep=Path(store_path).parent)
    else:
        market = open_market(store, request)
        performance = simulate(market, request, strategy, on_session=lambda *_: None).performance
    fills = [
        [str(row["dt"]), row["sid"].symbol, int(row["amount"]), float(row["price"])]
        for rows in performance["transactions"]
        for row in rows
    ]
    cpu = [later[0] - earlier[0] for earlier, later in pairwise(marks)]
    print(
        json.dumps(
            {
                "cpu_per_session": sum(cpu) / len(cpu),
                "cpu_median": statistics.median(cpu),
                "wall_per_session": (marks[-1][1] - marks[0][1]) / len(cpu),
                "first_session_cpu": marks[1][0] - marks[0][0],
                "sessions": len(marks),
                "fills": fills,
                "positions": [
                    [
                        [row["sid"].symbol, int(row["amount"]), float(row["last_sale_price"])]
                        for row in rows
                    ]
                    for rows in performance["positions"]
                ],
                "values": performance["portfolio_value"].tolist(),
                "peak_mb": high_water("self") / 1024,
            }
        )
    )


def loop(*, first: date, last: date, repeat: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_market(store, first.replace(year=first.year - 2), last, bundle=True)
        print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
        print(f"71 roots, {first} to {last}; CPU seconds per session: mean (median)")
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name, entry_point in ALGORITHMS.items():
            for engine in ("stock", "zipline rolls", "causal"):
                runs = [one_process(engine, entry_point, store, first, last) for _ in range(repeat)]
                best = sorted(runs, key=lambda run: run["cpu_per_session"])[len(runs) // 2]
                found[name, engine] = best
                print(
                    f"{name:16} {engine:14} {best['cpu_per_session']:.4f} "
                    f"({best['cpu_median']:.4f})  wall {best['wall_per_session']:.4f}  "
                    f"first session {best['first_session_cpu']:.2f}  {best['sessions']} sessions  "
                    f"{len(best['fills'])} fills  {best['peak_mb']:.0f} MB",
                    flush=True,
                )
        report(found)


def report(found: dict[tuple[str, str], dict[str, Any]]) -> None:
    base = found["trend, ordinary", "stock"]
    desk = found["trend", "causal"]
    same = base["fills"] == found["trend", "stock"]["fills"]
    print(f"ordinary and ours, both under plain Zipline: same fills to the last bit: {same}")
    for name in ALGORITHMS:
        equal = found[name, "stock"]["fills"] == found[name, "zipline rolls"]["fills"]
        ratio = found[name, "stock"]["cpu_per_session"] / found[name, "causal"]["cpu_per_session"]
        print(f"{name}: engine as plain Zipline: {equal}; CPU {ratio:.1f} times less (causal)")
    ratio = base["cpu_per_session"] / desk["cpu_per_session"]
    print(f"our trend model under the engine against the ordinary one: {ratio:.0f} times less CPU")


def one_process(
    engine: str, entry_point: str, store: Path, first: date, last: date
) -> dict[str, Any]:
    command = [sys.executable, __file__, "one", engine, entry_point, str(store)]
    done = subprocess.run(
        [*command, str(first), str(last)], capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def tasks_for(
    store: Path, output: Path, last: date, first: date, earlier: Path | None = None
) -> list[ModelTask]:
    return [
        ModelTask(
            request=ModelRequest(
                model=ModelRef(name=name, entry_point=entry_point),
                store=store,
                first_session=first,
                last_session=last,
                capital_base=10_000_000.0,
                output=output / name,
            ),
            resume_from=None if earlier is None else earlier / name,
            compare_with=None if earlier is None else earlier / name,
        )
        for name, entry_point in MODELS.items()
    ]


def side_by_side(tasks: Sequence[ModelTask], label: str) -> None:
    began = time.perf_counter()
    with highest_memory() as peaks:
        results = run_models(tasks, on_progress=lambda _: None)
    wall = time.perf_counter() - began
    peak = max(peaks.values()) / 1024
    parts = [
        f"{run.model}: {run.facts['started']}, {run.facts['sessions']} sessions, "
        f"{run.facts['cpu_seconds']:.1f} CPU s, {len(run.transactions)} fills"
        f"{'' if run.drift is None else f', past unchanged: {run.drift.clean}'}"
        for run in results
    ]
    print(
        f"{label}: {wall:.1f} s wall, peak {peak:.0f} MB per process; " + "; ".join(parts),
        flush=True,
    )


def high_water(process: str) -> int:
    """Return the high-water mark of a process's memory, in KiB, as Linux keeps it.

    ``getrusage`` begins at the size of the process that started this one, and a bench that has just
    written a market is a large one.
    """
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


@contextmanager
def highest_memory() -> Iterator[dict[int, int]]:
    """Watch the high-water marks, in KiB, of the processes that are started from here."""
    peaks: dict[int, int] = {}
    over = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not over.wait(0.1):
            for child in me.children(recursive=True):
                with suppress(OSError, StopIteration):
                    peaks[child.pid] = high_water(str(child.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peaks
    finally:
        over.set()
        watching.join()


def evening(years: list[int], given: Path | None) -> None:
    """Inception years ago, checkpoint a session before the last, then the evening itself."""
    before = date(2025, 8, 14)
    for count in years:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            store = given or root / "store"
            first = max(FIRST_BAR, LAST_BAR.replace(year=LAST_BAR.year - count))
            if given is None:
                write_market(store, first, LAST_BAR, bundle=False)
            start = first.replace(year=first.year + 1)
            side_by_side(
                tasks_for(store, root / "earlier", before, start), f"{count} years, inception"
            )
            tasks = tasks_for(store, root / "tonight", LAST_BAR, start, root / "earlier")
            side_by_side(tasks, f"{count} years, evening")


def inception(given: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = given or root / "store"
        if given is None:
            write_market(store, FIRST_BAR, LAST_BAR, bundle=False)
        tasks = tasks_for(store, root / "out", LAST_BAR, date(2001, 12, 31))
        side_by_side(tasks, "both models since 2001-12-31")


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        measure_one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["loop", "evening", "inception"])
    parser.add_argument("--years", type=int, nargs="+", default=[5, 12, 25])
    parser.add_argument("--first", type=date.fromisoformat, default=date(2023, 9, 1))
    parser.add_argument("--last", type=date.fromisoformat, default=date(2023, 10, 13))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument(
        "--store", type=Path, help="a market store since 2000, instead of a new one"
    )
    options = parser.parse_args()
    if options.what == "loop":
        loop(first=options.first, last=options.last, repeat=options.repeat)
    elif options.what == "evening":
        evening(options.years, options.store)
    else:
        inception(options.store)


if __name__ == "__main__":
    main()
