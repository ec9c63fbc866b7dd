"""Open a store in a process that has done nothing else, and say what it took; one JSON line."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from afterclose.adapters.marketdata.store import MarketStore

STATUS = Path("/proc/self/status")


def resident_mb() -> float:
    """Memory this process holds now; where the system does not say, the most it ever held."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return float(line.split()[1]) / 1024


def main() -> None:
    imports = resident_mb()
    start = time.perf_counter()
    store = MarketStore.open(Path(sys.argv[1]))
    evening = (store.fingerprint, store.last_session, len(store.contracts("ES")))
    opened, after_opening = time.perf_counter() - start, resident_mb()
    start = time.perf_counter()
    contracts = len(store.contracts())
    records = time.perf_counter() - start
    total = sum(float(store.bars(symbol).close.sum()) for symbol in store.symbols())
    print(json.dumps([opened, after_opening, records, resident_mb(), imports]))
    if not (evening and contracts and total):
        sys.exit(1)


if __name__ == "__main__":
    main()
