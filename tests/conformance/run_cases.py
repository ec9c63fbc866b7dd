"""Run the conformance cases with the client of the environment this is started in.

    PYTHONPATH=src:tests python -m conformance.run_cases --client ibapi --results results.json

Prints one line per case; the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path

from afterclose import tws_sim
from conformance import cases_account, cases_connection, cases_data, cases_orders
from conformance.cases import Bench, Case, NotSupportedError
from unit.tws_sim.sim_market import write_market

CASES: tuple[tuple[str, str, Case], ...] = (
    *cases_connection.CASES,
    *cases_data.CASES,
    *cases_account.CASES,
    *cases_orders.CASES,
)


def run_case(case: Case, client: str, market: tws_sim.Market) -> str:
    """Run one case; return ``ok``, ``n/a: why`` or ``failed: why``."""
    bench = Bench(client=client, market=market)
    try:
        case(bench)
    except NotSupportedError as error:
        return f"n/a: {error}"
    except Exception:  # noqa: BLE001 - whatever a client raises is a result of its case
        return f"failed: {traceback.format_exc()}"
    finally:
        bench.close()
    return "ok"


def run_all(client: str, wanted: Iterable[str]) -> dict[str, str]:
    """Run cases by id, all where none is named."""
    chosen = frozenset(wanted)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        market = tws_sim.Market.from_folder(write_market(Path(folder)))
        for name, title, case in CASES:
            if not chosen or name in chosen:
                results[name] = run_case(case, client, market)
                sys.stdout.write(f"{name} {title}: {results[name]}\n")
                sys.stdout.flush()
    return results


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=("ibapi", "ib_async"), required=True)
    parser.add_argument("--results", type=Path)
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    # The clients log what they are told; a failed case shows what matters.
    logging.disable(logging.CRITICAL)
    results = run_all(arguments.client, arguments.cases)
    if arguments.results is not None:
        text = json.dumps(results, indent=2) + "\n"
        arguments.results.write_text(text, encoding="utf-8", newline="")
    return int(any(result.startswith("failed") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
