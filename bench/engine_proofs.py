"""Proofs at full scale: all roots, decades. Every comparison is to the last bit.

    python bench/engine_proofs.py causal                 # generated, noisy volumes, 2002-2025
    python bench/engine_proofs.py causal --real FOLDER   # real history
    python bench/engine_proofs.py parity                 # against plain run_algorithm

``causal`` runs both models three ways to the same evening, 1, 5 and 252 sessions after a cut: from
inception on all the data; to the cut on data that *end* there; and on from that checkpoint. The
second must be the beginning of the first (no bar after an evening changed anything before it), the
third must be the first (a resumed run is the full run). It says what was pending at each cut.

``parity`` runs models and the baselines under plain ``zipline.run_algorithm`` and under the engine
with Zipline's own rolls and native currency, on bars in thousandths. ``--first 2001-12-31`` takes
hours under plain Zipline; the default is two years. Exit status 1 where anything differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from engine import ALGORITHMS, MODELS, one_process, write_market

from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.store import ContractRecord, MarketStore, MarketStoreWriter
from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.adapters.zipline.tables import RunTables, write_tables
from afterclose.adapters.zipline.task import Outcome, run_on_store
from afterclose.domain.runs import ModelRef, ModelRequest

CUTS = (1, 5, 252)
GENERATED = date(2000, 1, 3), date(2025, 8, 15)
REAL = date(1995, 1, 3), date(2020, 3, 9)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndsAt:
    """A market store as it was on an evening: no later bar, no contract that was not listed."""

    store: MarketStore
    last_session: date

    @property
    def fingerprint(self) -> str:
        return self.store.fingerprint

    def history_fingerprint(self, through: date) -> str:
        return self.store.history_fingerprint(through)

    def roots(self) -> Sequence[str]:
        return self.store.roots()

    def contracts(self, root: str | None = None) -> Sequence[ContractRecord]:
        return [
            dataclasses.replace(record, last_session=min(record.last_session, self.last_session))
            for record in self.store.contracts(root)
            if record.first_session <= self.last_session
        ]

    def bars(self, symbol: str) -> Any:
        bars = self.store.bars(symbol)
        stop = int(np.searchsorted(bars.sessions, np.datetime64(self.last_session), "right"))
        names = ("sessions", "open", "high", "low", "close", "volume", "open_interest")
        return dataclasses.replace(bars, **{name: getattr(bars, name)[:stop] for name in names})

    def fx(self, currency: str) -> Any:
        rates = self.store.fx(currency)
        stop = int(np.searchsorted(rates.sessions, np.datetime64(self.last_session), "right"))
        return dataclasses.replace(
            rates, sessions=rates.sessions[:stop], usd_per_unit=rates.usd_per_unit[:stop]
        )


def make_store(folder: Path, real: Path | None, noise: float, start: date) -> MarketStore:
    earliest, last = REAL if real else GENERATED
    first = max(earliest, start.replace(year=start.year - 2, day=1))  # two years warm the models
    if real:
        data = RealHistory(folder=real).load(first=first, last=last)
    else:
        data = generate(first=first, last=last)
        draws = np.random.default_rng(7).normal(0.0, noise, len(data.bars.volume))
        volume = np.floor(data.bars.volume * np.exp(draws))
        data = dataclasses.replace(data, bars=dataclasses.replace(data.bars, volume=volume))
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="real" if real else "generated, noisy volumes")
    return MarketStore.open(folder)


def run(
    store: Any, name: str, first: date, last: date, output: Path, earlier: Path | None = None
) -> Outcome:
    output.mkdir(parents=True, exist_ok=True)
    request = ModelRequest(
        model=ModelRef(name=name, entry_point=MODELS[name]),
        store=Path(),
        first_session=first,
        last_session=last,
        capital_base=10_000_000.0,
        output=output,
    )
    strategy = load_strategy(MODELS[name])
    outcome = run_on_store(
        store, request, strategy, say=lambda _: None, on_session=lambda *_: None, earlier=earlier
    )
    write_tables(outcome.tables, output)
    return outcome


def same(left: RunTables, right: RunTables) -> bool:
    return all(
        getattr(left, name).equals(getattr(right, name)) for name in ("fills", "holdings", "days")
    )


def up_to(tables: RunTables, last: date) -> RunTables:
    end = pd.Timestamp(last)
    closes = tables.fills["close_at"].dt.tz_localize(None).dt.normalize()
    return RunTables(
        fills=tables.fills[closes <= end].reset_index(drop=True),
        holdings=tables.holdings[tables.holdings["session"] <= end].reset_index(drop=True),
        days=tables.days[tables.days["session"] <= end].reset_index(drop=True),
    )


def pending(outcome: Outcome) -> str:
    orders = outcome.end.open_orders
    partly = sum(order.filled != 0 for order in orders)
    rolls = sum(
        str(getattr(outcome.end.order_notes.get(order.id), "reason", "")) == "ROLL"
        for order in orders
    )
    last = outcome.tables.days["session"].iloc[-1].date()
    following = outcome.bars.axis.day(outcome.bars.axis.at_or_after(last) + 1)
    closing = sum(asset.auto_close_date.date() == following for asset in outcome.end.positions)
    return (
        f"{len(orders)} orders open, {partly} of them partly filled, {rolls} of a roll; "
        f"{closing} positions close by themselves the day after"
    )


def busiest(tables: RunTables, sessions: list[date]) -> int:
    """How many sessions before the end most hangs over: partial fills, rolls, automatic closes."""
    fills = tables.fills.assign(day=tables.fills["close_at"].dt.date)
    ordered = fills[fills["order_id"] != ""]
    lives = ordered.groupby("order_id")["day"].agg(["min", "max"])
    rolled = set(ordered["order_id"][ordered["reason"] == "ROLL"].str[:8])
    closed = set(fills["day"][fills["order_id"] == ""])

    def hanging(after: int) -> tuple[int, int]:
        day, following = sessions[-1 - after], sessions[-after]
        partly = int(((lives["min"] <= day) & (lives["max"] > day)).sum())
        kinds = bool(partly) + (f"{day:%Y%m%d}" in rolled) + (following in closed)
        return kinds, partly

    return max(range(1, min(len(sessions), max(CUTS) + 1)), key=hanging)


def causal(real: Path | None, first: date | None, last: date | None, noise: float) -> bool:
    bounds = REAL if real else GENERATED
    start = first or bounds[0].replace(year=bounds[0].year + 2)
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = make_store(root / "store", real, noise, start)
        what = "real history" if real else f"generated, lognormal({noise}) noise on the volumes"
        print(f"{what}: {len(store.roots())} roots, {len(store.contracts())} contracts", flush=True)
        for name in MODELS:
            began = time.process_time()
            full = run(store, name, start, last or store.last_session, root / name / "full")
            sessions = [day.date() for day in full.tables.days["session"]]
            print(
                f"{name}: {sessions[0]} to {sessions[-1]}, {len(sessions)} sessions, "
                f"{len(full.tables.fills)} fills, {time.process_time() - began:.0f} CPU s",
                flush=True,
            )
            for after in (*CUTS, busiest(full.tables, sessions)):
                fine &= one_cut(store, name, start, sessions, after, root / name, full)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"everything equal to the last bit: {fine}; peak {peak:.0f} MB")
    return fine


def one_cut(
    store: MarketStore,
    name: str,
    start: date,
    sessions: list[date],
    after: int,
    folder: Path,
    full: Outcome,
) -> bool:
    cut = sessions[-1 - after]
    then = run(EndsAt(store=store, last_session=cut), name, start, cut, folder / f"to{after}")
    resumed = run(
        store, name, start, sessions[-1], folder / f"on{after}", earlier=folder / f"to{after}"
    )
    prefix = same(then.tables, up_to(full.tables, cut))
    whole = same(resumed.tables, full.tables)
    went_on = str(resumed.facts["started"]) == f"going on from {cut}"
    print(
        f"  {after:3} sessions after {cut} ({pending(then)}): on data that end there the same "
        f"past {prefix}; {resumed.facts['started']}, the same as from inception {whole}",
        flush=True,
    )
    return prefix and whole and went_on


def parity(first: date, last: date, only: Sequence[str]) -> bool:
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        warm = max(GENERATED[0], first.replace(year=first.year - 2))
        write_market(store, warm, last, bundle=True)
        for name in only or ALGORITHMS:
            entry_point = ALGORITHMS[name]
            stock = one_process("stock", entry_point, store, first, last)
            ours = one_process("zipline rolls", entry_point, store, first, last)
            equal = all(stock[key] == ours[key] for key in ("fills", "positions", "values"))
            fine &= equal
            print(
                f"{name}: {stock['sessions']} sessions, {len(stock['fills'])} fills, "
                f"{sum(map(len, stock['positions']))} positions; fills, positions and values "
                f"the same to the last bit: {equal}",
                flush=True,
            )
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["causal", "parity"])
    parser.add_argument("--first", type=date.fromisoformat)
    parser.add_argument("--last", type=date.fromisoformat)
    parser.add_argument("--real", type=Path, help="a folder of real history")
    parser.add_argument("--only", nargs="+", default=[], choices=list(ALGORITHMS))
    parser.add_argument("--noise", type=float, default=0.5)
    options = parser.parse_args()
    if options.what == "causal":
        fine = causal(options.real, options.first, options.last, options.noise)
    else:
        first = options.first or date(2021, 9, 1)
        fine = parity(first, options.last or date(2023, 8, 31), options.only)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning, module="zipline")
    main()
