"""The run folder: plain files that anyone can read, numbered in the order of the evening.

Every file is written beside its place and moved in, so a reader never sees half of one.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from afterclose.domain.findings import Finding
from afterclose.errors import DataError

T = TypeVar("T")


#: What others may do with a file that another program, as another user, has to read.
READABLE_BY_ALL = 0o644


def write_atomically(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    The file is its owner's alone unless a mode is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Making one costs more than using it: a report's takes forty milliseconds."""
    return _made_adapter(kind)


@cache
def _made_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: object, kind: Any = None) -> bytes:
    """Write a domain value as JSON: decimals as text, moments in UTC, enums by value."""
    return _adapter(kind or type(value)).dump_json(value, indent=2) + b"\n"


def to_json_line(value: object) -> bytes:
    """Write a domain value as one line of JSON."""
    return _adapter(type(value)).dump_json(value) + b"\n"


def digest_of(*values: object) -> str:
    """Return a SHA-256 over the JSON of domain values: equal digests, equal content."""
    total = sha256()
    for value in values:
        total.update(to_json(value))
        total.update(b"\x00")
    return total.hexdigest()


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows as CSV with these columns; a missing value is an empty field."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({c: "" if row.get(c) is None else row.get(c) for c in columns})
    return out.getvalue()


FINDING_COLUMNS = ("code", "severity", "subject", "message", "hint", "evidence")


def findings_csv(findings: Iterable[Finding]) -> str:
    """Write findings as CSV, the evidence as ``name=value`` pairs."""
    return csv_text(
        FINDING_COLUMNS,
        (
            {
                "code": f.code,
                "severity": f.severity.name,
                "subject": f.subject,
                "message": f.message,
                "hint": f.hint,
                "evidence": "; ".join(f"{k}={v}" for k, v in f.evidence.items()),
            }
            for f in findings
        ),
    )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One evening on disk."""

    path: Path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one artefact and return where it is."""
        target = self.path / name
        data = content.encode("utf-8") if isinstance(content, str) else content
        write_atomically(target, data)
        return target

    def write_json(self, name: str, value: object, kind: Any = None) -> Path:
        """Write a domain value as JSON."""
        return self.write(name, to_json(value, kind))

    def read_json(self, name: str, kind: type[T]) -> T:
        """Read a domain value back. Raises DataError when it is missing or not what it was."""
        target = self.path / name
        adapter: TypeAdapter[T] = _adapter(kind)
        try:
            return adapter.validate_json(target.read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{target} is missing", hint="this evening was not prepared that far: run it first"
            ) from None
        except ValidationError as error:
            raise DataError(
                f"{target} cannot be read back: {error.errors()[0]['msg']}",
                hint="the file was changed or is from another version; prepare the evening again",
            ) from error

    def has(self, name: str) -> bool:
        """Whether an artefact was written."""
        return (self.path / name).is_file()


def latest_run(runs: Path) -> RunFolder | None:
    """Return the newest evening: by session, then by when it was last written."""
    manifests = list(runs.glob("????-??-??-*/00-manifest.json"))
    if not manifests:
        return None
    newest = max(manifests, key=lambda m: (m.parent.name[:10], m.stat().st_mtime_ns))
    return RunFolder(newest.parent)
