"""The market store at full scale: what opening, appending and loading cost, against fixed measures.

    python bench/market_store.py open append load          # minutes
    python bench/market_store.py append --against-zipline  # the same universe by Zipline's writers

Every figure is measured in this run, in CPU seconds of the process that does the work, as the
median of several; figures of other programs come from the same run on the same data. ``--years``
names the lengths of history; the universe is the generated one, all 71 roots.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from afterclose.adapters.marketdata.arrange import cut_after
from afterclose.adapters.marketdata.calendars import later_session
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    MarketData,
)
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter

LAST = date(2026, 11, 20)
APPENDED = 15
HERE = Path(__file__).parent


def cpu(action: Callable[[], object]) -> float:
    """CPU seconds of one call in this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def universe(years: int, last: date) -> MarketData:
    first = max(date(2000, 1, 3), LAST.replace(year=LAST.year - years))
    return generate(first=first, last=last)


def sessions_after(last: date, count: int) -> list[date]:
    return [later_session("CMES", last, at) for at in range(1, count + 1)]


def one_session(data: MarketData, session: date) -> tuple[BarTable, list[ContractRecord]]:
    """Bars of a session from memory, and the contracts listed on it."""
    keep = data.bars.sessions == np.datetime64(session, "D")
    codes = data.bars.codes[keep]
    used = np.unique(codes)
    table = BarTable(
        symbols=tuple(data.bars.symbols[code] for code in used),
        codes=np.searchsorted(used, codes).astype(np.int32),
        sessions=data.bars.sessions[keep],
        **{name: getattr(data.bars, name)[keep] for name in BAR_COLUMNS},
    )
    listed = [record for record in data.contracts if record.first_session == session]
    return table, listed


def bench_append(folder: Path, years: int) -> dict[str, object]:
    """Append sessions one by one, each from memory, each its own commit with fsync."""
    sessions = sessions_after(LAST, APPENDED)
    whole = universe(years, sessions[-1])
    with MarketStoreWriter(folder) as writer:
        writer.write_all(cut_after(whole, LAST), source="bench")
    seconds, rows = [], []
    for session in sessions:
        table, listed = one_session(whole, session)
        fx = {name: series.asof(session) for name, series in whole.fx.items()}

        def append(
            session: date = session,
            table: BarTable = table,
            fx: dict[str, float] = fx,
            listed: list[ContractRecord] = listed,
        ) -> None:
            with MarketStoreWriter(folder) as writer:
                writer.append_session(session, table, fx=fx, contracts=listed)

        seconds.append(cpu(append))
        rows.append(len(table))
    grown = MarketStore.open(folder)
    with MarketStoreWriter(folder.with_name("whole")) as writer:
        writer.write_all(whole, source="bench")
    same = MarketStore.open(folder.with_name("whole")).fingerprint == grown.fingerprint
    return {
        "years": years,
        "contracts": len(whole.contracts),
        "bars": len(whole.bars),
        "rows a session": statistics.median(rows),
        "cpu seconds a session": round(statistics.median(seconds), 4),
        "worst": round(max(seconds), 4),
        "same as written at once": same,
    }


def bench_open(folder: Path) -> list[dict[str, object]]:
    """Open in a fresh process; memory is what it holds more than after its imports."""
    data = universe(30, LAST)
    with MarketStoreWriter(folder) as writer:
        writer.write_all(data, source="bench")
    runs = []
    for _ in range(7):
        done = subprocess.run(
            [sys.executable, str(HERE / "market_store_opening.py"), str(folder)],
            check=True,
            capture_output=True,
            text=True,
        )
        runs.append(json.loads(done.stdout))
    opened, resident, contracts, all_read, imports = (
        statistics.median(run[at] for run in runs) for at in range(5)
    )
    return [
        {
            "contracts": len(data.contracts),
            "bars": len(data.bars),
            "open, wall seconds": round(opened, 4),
            "resident after opening, MB": round(resident, 1),
            "of which imports, MB": round(imports, 1),
            "all contract records, wall seconds": round(contracts, 3),
            "resident after every close was read (shared pages), MB": round(all_read, 1),
        }
    ]


def bench_load(folder: Path) -> list[dict[str, object]]:
    """First load from one Parquet file per root, against pyarrow reading and writing the same."""
    from afterclose.adapters.marketdata.table_folder import TableFolder  # noqa: PLC0415 - its imports are not timed elsewhere

    source = folder / "source"
    write_folder(source, universe(30, LAST))
    ours, theirs = [], []
    for turn in range(3):
        target = folder / f"store-{turn}"

        def load(target: Path = target) -> None:
            with MarketStoreWriter(target) as writer:
                writer.write_all(TableFolder(source).load(), source="bench")

        def copy(target: Path = target) -> None:
            tables = [pq.read_table(path) for path in sorted((source / "bars").iterdir())]
            with pa.OSFile(str(target / "copy.arrow"), "wb") as sink:
                joined = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
                with pa.ipc.new_file(sink, joined.schema) as out:
                    out.write_table(joined)

        ours.append(cpu(load))
        theirs.append(cpu(copy))
        shutil.rmtree(target)
    mine, plain = statistics.median(ours), statistics.median(theirs)
    return [
        {
            "load, cpu seconds": round(mine, 2),
            "pyarrow read and write, cpu seconds": round(plain, 2),
            "times": round(mine / plain, 2),
        }
    ]


def write_folder(folder: Path, data: MarketData) -> None:
    """The universe as a folder of Parquet files, one per root."""
    (folder / "bars").mkdir(parents=True)
    root_of = {record.symbol: record.root for record in data.contracts}
    by_root: dict[str, list[ContractBars]] = {}
    for piece in data.bars.split():
        by_root.setdefault(root_of[piece.symbol], []).append(piece)
    for root, pieces in by_root.items():
        table = BarTable.joined(pieces)
        named = pa.DictionaryArray.from_arrays(pa.array(table.codes), pa.array(table.symbols))
        days = pa.array(table.sessions.astype(np.int64).astype(np.int32)).view(pa.date32())
        columns = {"symbol": named, "date": days}
        columns |= {name: pa.array(getattr(table, name)) for name in BAR_COLUMNS}
        pq.write_table(pa.table(columns), folder / "bars" / f"{root}.parquet")
    first_of = {record.root: record for record in data.contracts}
    roots = ["root,currency,exchange,calendar,point_value,tick_size,name,sector"]
    roots += [
        f"{r.root},{r.currency},{r.exchange},{r.calendar},{r.point_value!r},{r.tick_size!r},,"
        for r in first_of.values()
    ]
    facts = ["symbol,first_notice,last_trade,auto_close"]
    facts += [
        f"{r.symbol},{r.first_notice or ''},{r.last_trade},{r.auto_close}" for r in data.contracts
    ]
    (folder / "roots.csv").write_text("\n".join(roots) + "\n", encoding="utf-8")
    (folder / "contracts.csv").write_text("\n".join(facts) + "\n", encoding="utf-8")


def against_zipline(folder: Path) -> dict[str, object]:
    """The same universe by Zipline's own writers, from memory, in a process of its own."""
    script = HERE / "baselines" / "market_zipline_writers.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(title: str, rows: Iterable[dict[str, object]]) -> None:
    print(f"\n{title}")
    for row in rows:
        print("  " + json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+", choices=("open", "append", "load"))
    parser.add_argument("--years", type=int, nargs="+", default=[5, 12, 25])
    parser.add_argument("--against-zipline", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if "open" in chosen.what:
            show("open", bench_open(folder / "open"))
        if "append" in chosen.what:
            rows = [bench_append(folder / f"{years}" / "grown", years) for years in chosen.years]
            show("append one session", rows)
            if chosen.against_zipline:
                longest = folder / f"{chosen.years[-1]}" / "whole"
                theirs = against_zipline(longest)
                mine = float(str(rows[-1]["cpu seconds a session"]))
                theirs["times our append"] = round(float(str(theirs["cpu seconds"])) / mine)
                show("the same universe by Zipline's writers", [theirs])
        if "load" in chosen.what:
            show("first load from Parquet", bench_load(folder / "load"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\npeak memory of this process: {peak} MB")


if __name__ == "__main__":
    main()
