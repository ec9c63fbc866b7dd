"""A process that updates a store for ever, session by session, and says each one it finished.

Run as a script by the crash test, which kills it at random moments. The content of the store
follows from the number of its last session alone, so whoever opens it can tell whether a bar is
wrong. It is the evening's own update, from a vendor that lists a contract every ten sessions and
publishes the final closes of a week once the week is over.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.records import BarTable, ContractBars, ContractRecord, FxSeries
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import update_store
from unit.marketdata.market_examples import contract

FIRST_DAY = date(2020, 1, 1)
RECORDED_AT = datetime(2020, 1, 1, tzinfo=UTC)
REVISE_EVERY, LIST_EVERY, COMPACT_EVERY = 7, 10, 13
FINAL = 0.05


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
        close[numbers < number // REVISE_EVERY * REVISE_EVERY] += FINAL
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


def expected_rates(number: int) -> FxSeries:
    """All exchange rates after session ``number``: a currency of the first contract's."""
    numbers = np.arange(number + 1)
    return FxSeries(
        currency="EUR",
        sessions=day(0) + numbers.astype("timedelta64[D]"),
        usd_per_unit=1.0 + numbers / 10_000,
    )


@dataclass(frozen=True)
class GrowingVendor:
    """What the vendor has after session ``number``."""

    number: int
    name: str = "growing"

    def roots(self) -> Sequence[str]:
        return [record.root for record in contracts_after(self.number)]

    def contracts(self, root: str, *, live_on: date | None) -> Sequence[ContractRecord]:
        first = FIRST_DAY if live_on is None else live_on
        return [
            replace(record, currency="EUR" if record.root == "M000" else "USD")
            for record in contracts_after(self.number)
            if record.root == root and day(self.number) >= np.datetime64(first, "D")
        ]

    def bars(self, symbols: Sequence[str], *, first: date | None, last: date) -> BarTable:
        begin = np.datetime64(first or date.min, "D")
        places = [int(symbol[1:4]) for symbol in symbols]
        return BarTable.joined(
            expected_bars(place, self.number).between(begin, np.datetime64(last, "D"))
            for place in places
        )

    def rewritten(self, symbols: Sequence[str], *, since: datetime) -> Sequence[str]:
        return symbols if since else ()

    def fx(self, currencies: Sequence[str], *, first: date, last: date) -> Mapping[str, FxSeries]:
        rates = expected_rates(self.number)
        begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
        kept = rates.rows((rates.sessions >= begin) & (rates.sessions <= end))
        return {"EUR": kept} if "EUR" in currencies else {}


def grow(path: Path, number: int) -> None:
    """The update of one session; at times a compaction after it."""
    session = FIRST_DAY + timedelta(days=number)
    update_store(path, GrowingVendor(number), session=session, now=RECORDED_AT)
    if number % COMPACT_EVERY == 0:
        with MarketStoreWriter(path, lock_timeout_seconds=10.0) as writer:
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
        grow(path, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
