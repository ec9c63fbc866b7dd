"""How often Zipline's hindsight chooses another contract than the evening itself could.

    python bench/engine_rolls.py                       # generated volumes, with and without noise
    python bench/engine_rolls.py --real FOLDER         # real volumes of whole contract lives

For every root and every third session three answers are compared: Zipline's in a backtest that
knows the future (``hindsight``), Zipline's when its data end on that session (``evening``), and
that of the causal rolls. Real volumes: ten roots with whole lives (1995-2010), VX (2006-2013).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from zipline.assets.roll_finder import VolumeRollFinder

from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.records import ContractBars, ContractRecord, MarketData
from afterclose.adapters.zipline.assets import contract_finder, contract_id
from afterclose.adapters.zipline.bars import MarketBars
from afterclose.adapters.zipline.reader import StoreBarReader
from afterclose.adapters.zipline.rolls import CausalRollFinder, TabledVolumeRollFinder
from afterclose.adapters.zipline.sessions import RunCalendar, session_axis

WHOLE_LIFE_SOURCES = ("schwartz97", "vx_bbg")
EVERY = 3


@dataclass
class Volumes:
    """Contracts and bars in memory, as much of a market store as rolls need."""

    records: list[ContractRecord]
    series: dict[str, ContractBars]
    fingerprint: str = "bench"

    @property
    def last_session(self) -> date:
        return max(record.last_session for record in self.records)

    def history_fingerprint(self, through: date) -> str:
        return str(through)

    def roots(self) -> list[str]:
        return sorted({record.root for record in self.records})

    def contracts(self, root: str | None = None) -> list[ContractRecord]:
        return [record for record in self.records if root in (None, record.root)]

    def bars(self, symbol: str) -> ContractBars:
        return self.series[symbol]

    def fx(self, currency: str) -> Any:
        raise KeyError(currency)


class EndsAt:
    """A reader whose data end at a session."""

    def __init__(self, reader: StoreBarReader, end: pd.Timestamp) -> None:
        self._reader, self.last_available_dt = reader, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def generated(noise: float) -> Volumes:
    """Two years of the generated market, its volumes multiplied by lognormal noise."""
    market: MarketData = generate(first=date(2021, 1, 4), last=date(2023, 12, 29))
    draws = np.random.default_rng(7)
    series = {}
    for bars in market.bars.split():
        shaken = np.floor(bars.volume * np.exp(draws.normal(0.0, noise, len(bars))))
        series[bars.symbol] = replace(bars, volume=shaken)
    return Volumes(records=list(market.contracts), series=series)


def real(folder: Path) -> Volumes:
    """Whole contract lives out of the table of real history."""
    rows = pd.read_parquet(
        folder / "contracts.parquet", filters=[("source", "in", list(WHOLE_LIFE_SOURCES))]
    )
    meta = pd.read_parquet(folder / "contracts_meta.parquet").set_index("contract_code")
    records, series = [], {}
    for symbol, lines in rows.sort_values("date").groupby("contract_code", observed=True):
        fact = meta.loc[symbol]
        record = _record(str(symbol), lines, pd.Series(fact))
        records.append(record)
        close = lines["close"].to_numpy(np.float64)
        series[record.symbol] = ContractBars(
            symbol=record.symbol,
            sessions=lines["date"].to_numpy("datetime64[D]"),
            open=close,
            high=close,
            low=close,
            close=close,
            volume=lines["volume"].to_numpy(np.float64),
            open_interest=close,
        )
    return Volumes(records=sorted(records, key=lambda record: record.delivery), series=series)


def _record(symbol: str, lines: pd.DataFrame, fact: pd.Series) -> ContractRecord:
    last = lines["date"].iloc[-1].date()
    ends = [fact["first_notice_date"], fact["last_trade_date"]]
    known = [day.date() for day in ends if not pd.isna(day)] or [last]
    auto_close = np.busday_offset(min(known), -2, roll="backward").astype(date)
    return ContractRecord(
        symbol=symbol,
        root=symbol[:-3],
        contract_month=f"{int(lines['contract_month'].iloc[0]):06d}",
        currency="USD",
        exchange="real",
        point_value=1.0,
        tick_size=0.01,
        first_session=lines["date"].iloc[0].date(),
        last_session=last,
        first_notice=None,
        last_trade=None,
        auto_close=auto_close,
        calendar="us_futures",
        name=symbol,
        sector="",
    )


def compare(store: Volumes) -> Iterator[tuple[str, int, int, int, int]]:
    """Per root: sessions, hindsight ≠ evening, causal ≠ evening, causal ≠ hindsight."""
    calendar = RunCalendar()
    axis = session_axis(calendar)
    for root in store.roots():
        bars = MarketBars(store, axis, roots=[root], last=store.last_session)
        finder = contract_finder(bars.contracts.values(), alive_to_auto_close=False)
        symbols = {contract_id(record): name for name, record in bars.contracts.items()}
        reader = StoreBarReader(bars, calendar, symbols)
        hindsight = TabledVolumeRollFinder(calendar, finder, reader)
        causal = CausalRollFinder(calendar, finder, reader)
        sessions = late = moved = apart = 0
        chain_end = max(record.auto_close for record in bars.contracts.values())
        for session in reader.sessions[260::EVERY]:
            if session.date() >= chain_end:
                break
            evening = VolumeRollFinder(calendar, finder, EndsAt(reader, session))
            later, tonight, ours = (
                rolls.get_contract_center(root, session, 0).sid
                for rolls in (hindsight, evening, causal)
            )
            sessions += 1
            late += int(later != tonight)
            moved += int(ours != tonight)
            apart += int(ours != later)
        yield root, sessions, late, moved, apart


def report(name: str, store: Volumes, *, by_root: bool) -> None:
    rows = list(compare(store))
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    shares = [100.0 * value / total[0] for value in total[1:]]
    print(
        f"{name}: {total[0]} root-sessions; hindsight differs from the evening on {total[1]} "
        f"({shares[0]:.2f} %), causal from the evening on {total[2]} ({shares[1]:.2f} %), "
        f"causal from hindsight on {total[3]} ({shares[2]:.2f} %)",
        flush=True,
    )
    if by_root:
        for root, sessions, later, ours, both in rows:
            print(f"  {root:5} {sessions:5} {later:5} {ours:5} {both:5}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.25, 0.5])
    options = parser.parse_args()
    if options.real is not None:
        report("real volumes of whole lives", real(options.real), by_root=True)
        return
    for noise in options.noise:
        report(f"generated, lognormal noise {noise}", generated(noise), by_root=False)


if __name__ == "__main__":
    main()
