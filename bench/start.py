"""What the command line costs before it does anything, beside an import of pandas.

    python bench/start.py

``afterclose --help`` and ``python -c "import pandas"`` run in turn, each in a process of its own;
medians of CPU and wall.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

REPEAT = 7
COMMANDS = {
    "afterclose --help": [sys.executable, "-m", "afterclose", "--help"],
    "import pandas": [sys.executable, "-c", "import pandas"],
}


def cost(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of one process."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system, time.perf_counter() - began


def main() -> None:
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(REPEAT):
        for name, command in COMMANDS.items():
            measured[name].append(cost(command))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in measured.items()
    }
    for name, (cpu, wall) in medians.items():
        print(f"{name}: {cpu:.2f} s CPU, {wall:.2f} s wall (medians of {REPEAT})")
    ours, pandas = medians.values()
    print(f"ratio: {ours[0] / pandas[0]:.2f} CPU, {ours[1] / pandas[1]:.2f} wall")


if __name__ == "__main__":
    main()
