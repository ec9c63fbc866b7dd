"""What the evening's report costs: CPU to write it, its size, and the first paint from disk.

    python bench/report.py [--orders 100] [--rounds 7]

The page is written by a process of its own, so that the first figure includes what only the first
page pays (templates read, compiled). Headless Chromium opens the file with an empty cache, each
time anew; the first contentful paint is the browser's own figure. An empty page stands beside it:
what starting to show anything costs on this machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from afterclose.report.render import render_evening  # noqa: E402 - the path comes first
from browser.chromium import Page, chromium, find_chromium  # noqa: E402
from unit.report.make_view import many_orders  # noqa: E402

EMPTY = "<!doctype html><html lang=en><title>empty</title><p>nothing"
_PAINT = "performance.getEntriesByName('first-contentful-paint').map(p => p.startTime)[0] ?? null"
_PATIENCE_S = 20.0


def write(orders: int, rounds: int, path: Path) -> None:
    """Write the report and print the CPU seconds of each time, first to last."""
    view = many_orders(orders)
    taken = []
    for _round in range(rounds):
        start = time.process_time()
        text = render_evening(view)
        path.write_text(text, encoding="utf-8", newline="")
        taken.append(time.process_time() - start)
    print(" ".join(f"{seconds:.4f}" for seconds in taken))


def written(orders: int, rounds: int, path: Path) -> list[float]:
    """Let a fresh process write the report, and return its CPU seconds."""
    command = [sys.executable, __file__, "write", str(orders), str(rounds), str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in answer.stdout.split()]


def first_paint(page: Page, path: Path) -> float:
    """Open a file from disk and return its first contentful paint, in milliseconds."""
    page.visit("about:blank")
    page.open(path)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        page.wait_for_frames()
        painted = page.ask(_PAINT)
        if painted is not None:
            return float(painted)
    raise TimeoutError(f"{path} was never painted")


def painted(paths: Sequence[Path], rounds: int, profile: Path) -> list[list[float]]:
    """Paint each of the files in turn, so that all see the same load of the machine."""
    binary = find_chromium()
    if binary is None:
        return []
    with chromium(binary, profile) as page:
        page.show(width=1440)
        page.call("Network.enable")
        page.call("Network.setCacheDisabled", cacheDisabled=True)
        return [[first_paint(page, path) for path in paths] for _round in range(rounds)]


def main() -> None:
    """Measure, or write for who measures."""
    if sys.argv[1:2] == ["write"]:
        write(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        full, empty = Path(place) / "report.html", Path(place) / "empty.html"
        cpu = written(asked.orders, asked.rounds, full)
        empty.write_text(EMPTY, encoding="utf-8")
        print(f"report of {asked.orders} orders, {asked.rounds} times")
        again = median(cpu[1:] or cpu)
        print(f"CPU to write it      {cpu[0]:.2f} s the first time, {again:.2f} s again")
        print(f"size                 {full.stat().st_size / 1e6:.2f} MB")
        times = painted([full, empty], asked.rounds, Path(place) / "profile")
        for name, taken in zip(("report", "empty page"), zip(*times, strict=True), strict=False):
            most = max(taken)
            print(f"first paint, {name:<11} median {median(taken):.0f} ms, worst {most:.0f} ms")
        if not times:
            print("first paint          not measured: no Chromium here")
    print(f"load of the machine  {os.getloadavg()[0]:.1f}" if os.name != "nt" else "")


if __name__ == "__main__":
    main()
