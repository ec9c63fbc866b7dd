"""Make an environment per client library, run the conformance cases in each, write the table.

    PYTHONPATH=src:tests python -m conformance.clients FOLDER            environments and cases
    PYTHONPATH=src:tests python -m conformance.clients FOLDER --docs     and the table in the docs

The four ibapi packages share one import name, so that each needs an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.run_cases import CASES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "paper-gateway.md"
BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLibrary:
    """A client under test: what to install, and which probe speaks it."""

    name: str
    requirements: tuple[str, ...]
    probe: str
    dialect: int


CLIENTS = (
    ClientLibrary(
        name="ibapi 9.81.1", requirements=("ibapi==9.81.1.post1",), probe="ibapi", dialect=157
    ),
    ClientLibrary(
        name="nautilus-ibapi 10.46.1",
        # It needs protobuf without saying so.
        requirements=("nautilus-ibapi==10.46.1", "protobuf>=5.29.5"),
        probe="ibapi",
        dialect=178,
    ),
    ClientLibrary(
        name="ibapi-stable 10.50.2",
        requirements=("ibapi-stable==10.50.2",),
        probe="ibapi",
        dialect=178,
    ),
    ClientLibrary(
        name="ibapi-latest 10.51.1",
        requirements=("ibapi-latest==10.51.1",),
        probe="ibapi",
        dialect=178,
    ),
    ClientLibrary(
        name="ib_async 2.1.0", requirements=("ib_async==2.1.0",), probe="ib_async", dialect=178
    ),
)


def interpreter(folder: Path, client: ClientLibrary) -> Path:
    """Return the interpreter of a client's environment."""
    home = folder / client.name.replace(" ", "-")
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def prepare(folder: Path, client: ClientLibrary) -> Path:
    """Make a client's environment unless it is there; return its interpreter."""
    python = interpreter(folder, client)
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *client.requirements], check=True)
    return python


def run(folder: Path, client: ClientLibrary) -> dict[str, str]:
    """Run every case in a client's environment."""
    python = prepare(folder, client)
    results = folder / f"{client.name.replace(' ', '-')}.json"
    results.unlink(missing_ok=True)
    command = [str(python), "-m", "conformance.run_cases", "--client", client.probe]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([*command, "--results", str(results)], check=False, env=environment)
    found: dict[str, str] = json.loads(results.read_text(encoding="utf-8"))
    return found


def table(results: Mapping[str, Mapping[str, str]]) -> str:
    """Write the results as a table: one row per case, one column per client."""
    names = [client.name for client in CLIENTS]
    dialects = [str(client.dialect) for client in CLIENTS]
    lines = [
        f"| case | what | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
        f"| | dialect | {' | '.join(dialects)} |",
    ]
    for case, title, _ in CASES:
        marks = [results[name].get(case, "not run").partition(":")[0] for name in names]
        lines.append(f"| {case} | {title} | {' | '.join(marks)} |")
    notes = sorted(
        {
            f"{case}, {name}: {result.partition(': ')[2]}"
            for name in names
            for case, result in results[name].items()
            if result.startswith("n/a")
        }
    )
    return "\n".join([*lines, "", *(f"- {note}." for note in notes)])


def write_table(text: str) -> None:
    """Put the table between its two marks in the docs page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8", newline="")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true", help="write the table into the docs page")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results = {client.name: run(arguments.folder, client) for client in CLIENTS}
    text = table(results)
    sys.stdout.write(f"{text}\n")
    if arguments.docs:
        write_table(text)
    failed = any(found.startswith("failed") for each in results.values() for found in each.values())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
