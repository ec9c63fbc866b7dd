"""A real PostgreSQL server for tests: made, started and stopped here, where its programs are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ports import port_for_later

_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin")


def programs() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``; None where PostgreSQL is not installed."""
    for pattern in _PLACES:
        root, _, rest = pattern[1:].partition("/")
        found = sorted(Path("/", root).glob(rest)) if Path("/", root).is_dir() else []
        if found and (found[-1] / "initdb").is_file():
            return found[-1]
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None


@contextmanager
def server(kept: Path | None = None) -> Iterator[str]:
    """Run a server for as long as the block lasts; yields the address of its database.

    Its data is thrown away afterwards, unless a folder is named that keeps it for the next time.
    Skips the test, with a word, where there is no PostgreSQL.
    """
    where = programs()
    if where is None:
        pytest.skip("PostgreSQL is not installed here (initdb was not found)")
    folder = kept or Path(tempfile.mkdtemp(prefix="afterclose-postgresql-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        as_user = _as_another_user(folder)
        data, port = folder / "data", port_for_later()
        made = ["--username=afterclose", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        if not data.is_dir():
            _run([*as_user, str(where / "initdb"), "-D", str(data), "--locale=C", *made])
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c full_page_writes=off"
        control = [*as_user, str(where / "pg_ctl"), "-D", str(data), "-w", "-t", "180"]
        _run([*control, "-l", str(folder / "server.log"), "-o", options, "start"])
        try:
            yield f"postgresql+psycopg://afterclose@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "fast" if kept else "immediate", "stop"])
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _as_another_user(folder: Path) -> Sequence[str]:
    """PostgreSQL refuses to run as root: another user gets the folder."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return ()
    for name in ("postgres", "nobody"):
        try:
            shutil.chown(folder, name)
        except LookupError:
            continue
        if shutil.which("runuser"):
            return ("runuser", "-u", name, "--")
    pytest.skip("PostgreSQL refuses to run as root, and there is no other user to run it as")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server would keep a pipe open
        stderr=subprocess.PIPE if "start" not in command else subprocess.DEVNULL,
        check=False,
        timeout=240,
    )
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace")
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said}")
