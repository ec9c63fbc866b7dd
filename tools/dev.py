"""Set up, run and check, with Python alone: ``python tools/dev.py demo|test|pictures``.

Makes ``.venv`` when it is missing or older than the pins, then does what was asked. The Makefile
calls this; on Windows it is called directly.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
PINS = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
#: Environments of the client libraries that the paper gateway is proved with; the tests make them.
CLIENTS = ROOT / ".clients"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OLDEST = (3, 11)


def run(*command: str | Path, quiet: bool = False) -> None:
    """Run a command and stop with its exit code when it fails."""
    print("$", *command, flush=True)
    done = subprocess.run(
        [str(c) for c in command],
        cwd=ROOT,
        check=False,
        stdout=subprocess.DEVNULL if quiet else None,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        sys.exit(done.returncode)


def environment(*, development: bool) -> None:
    """Make the virtual environment, or bring it up to the pins."""
    if sys.version_info < OLDEST:
        sys.exit("afterclose needs Python 3.11 or newer: run this with it")
    stamp = VENV / (".made-for-development" if development else ".made")
    newest = max(p.stat().st_mtime for p in PINS)
    if stamp.exists() and stamp.stat().st_mtime > newest and PYTHON.exists():
        return
    if not PYTHON.exists():
        print("making", VENV, flush=True)
        venv.create(VENV, with_pip=True)
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", "constraints.txt", "--upgrade", "pip")
    what: Sequence[str] = ("--editable", ".[all]")
    if development:
        what = (*what, "--group", "dev")
    run(*pip, "--constraint", "constraints.txt", *what)
    stamp.touch()
    (VENV / ".made").touch()


def browser() -> str | None:
    """Find Chromium; on Debian as root, install it."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found or not shutil.which("apt-get") or getattr(os, "geteuid", lambda: 1)() != 0:
        return found
    run("apt-get", "update", quiet=True)
    run("apt-get", "install", "-y", "--no-install-recommends", "chromium", quiet=True)
    return shutil.which("chromium")


def postgresql() -> bool:
    """Whether PostgreSQL's programs are here; on Debian as root, install them."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), shutil.which("initdb")]
    if any(places) or not shutil.which("apt-get") or getattr(os, "geteuid", lambda: 1)() != 0:
        return any(places)
    run("apt-get", "update", quiet=True)
    run("apt-get", "install", "-y", "--no-install-recommends", "postgresql", quiet=True)
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def demo(arguments: Sequence[str]) -> None:
    """Run the demo evening."""
    environment(development=False)
    run(PYTHON, "-m", "afterclose", "demo", *arguments)


def test(arguments: Sequence[str]) -> None:
    """Check everything: style, types, import contracts, tests."""
    environment(development=True)
    if not browser():
        print("no Chromium: the tests that need one are skipped, and counted", flush=True)
    if not postgresql():
        print("no PostgreSQL: the ledger is tested on SQLite alone", flush=True)
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(PYTHON, "-m", "mypy")
    run(BIN / "lint-imports")
    os.environ.setdefault("AFTERCLOSE_CLIENT_ENVIRONMENTS", str(CLIENTS))
    run(PYTHON, "-m", "pytest", "--numprocesses", "auto", "--dist", "worksteal", *arguments)


def pictures(arguments: Sequence[str]) -> None:
    """Make the README's pictures; ``--look FOLDER`` takes every state of report and page."""
    environment(development=True)
    if browser() is None:
        sys.exit("no Chromium to take the pictures with")
    run(PYTHON, "tools/pictures.py", *arguments)


def install(_arguments: Sequence[str]) -> None:
    """Make the environment, for using afterclose."""
    environment(development=False)
    print(f"installed; activate it: {BIN / 'activate'}", flush=True)


def docs(arguments: Sequence[str]) -> None:
    """Build the documentation into site/: open site/index.html, no network needed."""
    environment(development=True)
    run(PYTHON, "-m", "mkdocs", "build", "--strict", *arguments)
    print(f"built: {ROOT / 'site' / 'index.html'}", flush=True)


TASKS = {"demo": demo, "docs": docs, "install": install, "pictures": pictures, "test": test}


def main() -> None:
    """Do what was asked."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in TASKS:
        sys.exit(f"usage: python tools/dev.py {'|'.join(TASKS)} [arguments]")
    TASKS[name](arguments)


if __name__ == "__main__":
    main()
