"""A process that grows a store for ever, one commit per session, and says each one it finished.

Run as a script by the crash test, which kills it at random moments. The content of the store
follows from the number of its last session alone, so whoever opens it can tell whether a bar is
wrong.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.store import (
    BarTable,
    ContractBars,
    ContractRecord,
    MarketStore,
    MarketStoreWriter,
)
from unit.marketdata.market_examples import contract

FIRST_DAY = date(2020, 1, 1)
RECORDED_AT = datetime(2020, 1, 1, tzinfo=UTC)
REVISE_EVERY, LIST_EVERY, COMPACT_EVERY = 7, 10, 13


def day(number: int) -> np.datetime64:
    return np.datetime64(FIRST_DAY, "D") + np.timedelta64(number, "D")


def symbol_of(place: int) -> str:
    return f"M{place:03d}H21"


def contracts_after(number: int) -> list[ContractRecord]:
    """Three at the start, and one more every ten sessions."""
    return [contract(symbol_of(at), month="202103") for at in range(3 + number // LIST_EVERY)]


def expected_bars(place: int, number: int) -> ContractBars:
    """All bars that contract must have after session ``number``."""
    listed = max(0, (place - 2) * LIST_EVERY)
    numbers = np.arange(listed, number + 1, dtype=np.float64)
    close = place * 1000.0 + numbers * 0.1
    if place == 0:
        close[0] = -(number // REVISE_EVERY) * 1.5
    return ContractBars(
        symbol=symbol_of(place),
        sessions=day(0) + numbers.astype(np.int64).astype("timedelta64[D]"),
        open=close,
        high=close + 1.0,
        low=close - 1.0,
        close=close,
        volume=numbers,
        open_interest=np.full(len(numbers), np.nan),
    )


def grow(writer: MarketStoreWriter, number: int) -> None:
    """A bar for every contract; at times a listing, a revision, a compaction."""
    records = contracts_after(number)
    pieces = [expected_bars(place, number).rows(slice(-1, None)) for place in range(len(records))]
    writer.append(BarTable.joined(pieces), contracts=records)
    if number % REVISE_EVERY == 0:
        writer.revise(symbol_of(0), expected_bars(0, number), recorded_at=RECORDED_AT)
    if number % COMPACT_EVERY == 0:
        writer.compact()


def last_number(path: Path) -> int:
    """The number of the last session in the store; -1 for none."""
    if not (path / "manifest.json").exists():
        return -1
    return (MarketStore.open(path).last_session - FIRST_DAY).days


def main(path: Path) -> None:
    number = last_number(path)
    while True:
        number += 1
        with MarketStoreWriter(path, lock_timeout_seconds=10.0) as writer:
            grow(writer, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
